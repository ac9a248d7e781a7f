//! Callers that no listener can authenticate. A method that cannot be used here is no mistake where the caller has another:
//! one policy file serves a sidecar, a socket and a gateway, and only the listeners differ.

use super::checker::Checker;
use crate::config::{
    address::Address,
    caller::{Caller, Identity},
    effective::Config,
    listen::Listen,
    path::KeyPath,
};

/// Why a method cannot be used, and what to write.
type Reason = (&'static str, &'static str);

impl Checker<'_> {
    pub(super) fn out_of_reach(&mut self, config: &Config) {
        let listen = &config.listen;
        let mut said: Vec<Reason> = Vec::new();
        for caller in &config.callers {
            let key = KeyPath::of(&["callers", caller.name.as_str(), "identify"]);
            let reasons: Option<Vec<_>> =
                caller.identify.iter().map(|method| why_out_of_reach(method, listen)).collect();
            // One word for each kind: of ten thousand callers, the first is enough to know what is missing.
            for (what, remedy) in reasons.unwrap_or_default() {
                if !said.contains(&(what, remedy)) {
                    said.push((what, remedy));
                    self.warn(&key, what, remedy);
                }
            }
        }
        if config.authz.enabled {
            self.let_in_by_another_proxy(config);
        }
        let by_place_alone = config
            .callers
            .iter()
            .find(|caller| caller.identify.iter().all(|method| matches!(method, Identity::Loopback)));
        let open = listen.proxy.iter().find(|address| !is_local(address));
        if let (Some(caller), Some(Address::Tcp(address)), true) =
            (by_place_alone, open, listen.proxy.iter().any(is_local))
        {
            let key = KeyPath::of(&["callers", caller.name.as_str(), "identify"]);
            let what = format!("callers on {address} are not known by loopback, even from this machine");
            self.warn(&key, what, "Let them use the loopback address, or identify by api_key.");
        }
    }

    /// Another proxy that asks connects itself, for whoever reaches it.
    fn let_in_by_another_proxy(&mut self, config: &Config) {
        let by_place = |caller: &&Caller| caller.identify.iter().any(|it| matches!(it, Identity::Loopback));
        if let Some(caller) = config.callers.iter().find(by_place)
            && config.listen.proxy.iter().any(is_local)
        {
            let key = KeyPath::of(&["callers", caller.name.as_str(), "identify"]);
            let what = "with authz.enabled everybody who reaches the other proxy is this caller, without a key: the connection is that proxy's";
            let remedy = "Write identify = { api_key = { env = \"KEY\" } } or another method that goes by what a request presents.";
            self.warn(&key, what, remedy);
        }
    }
}

fn is_local(address: &Address) -> bool {
    match address {
        Address::Tcp(tcp) => tcp.ip().is_loopback(),
        Address::Unix(_) => true,
    }
}

fn why_out_of_reach(method: &Identity, listen: &Listen) -> Option<Reason> {
    const SOCKET: &str = "Add \"unix:/run/claviger/claviger.sock\" to listen.proxy.";
    const AUTHORITIES: &str = "Write listen.tls = { cert = \"…\", key = \"…\", client_ca = \"ca.crt\" }.";
    let has = |wanted: fn(&Address) -> bool| listen.proxy.iter().any(wanted);
    let (is_reached, what, remedy) = match method {
        Identity::Loopback => (
            has(is_local),
            "no listener is on a loopback address or a Unix socket, so this method authenticates nobody",
            "Add \"127.0.0.1:3600\" to listen.proxy, or identify by api_key.",
        ),
        Identity::UnixUid(_) => (
            has(|address| matches!(address, Address::Unix(_))),
            "no listener is a Unix socket, so this method authenticates nobody",
            SOCKET,
        ),
        Identity::UnixGid(_) => (
            has(|address| matches!(address, Address::Unix(_))),
            "no listener is a Unix socket, so this method authenticates nobody",
            SOCKET,
        ),
        Identity::Spiffe(_) | Identity::Dns(_) => (
            listen.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some()),
            "no client is asked for a certificate, so this method authenticates nobody",
            AUTHORITIES,
        ),
        Identity::ApiKey { .. } | Identity::ServiceAccount { .. } | Identity::Jwt { .. } => return None,
    };
    (!is_reached).then_some((what, remedy))
}
