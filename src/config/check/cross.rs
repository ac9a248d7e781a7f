//! What only shows when all sections are seen together: two callers that look alike, listeners that some
//! caller can never be known on, and definitions that nobody uses.

use super::{Checker, KeyPath};
use crate::{
    config::{Address, Caller, Config, Identity, TenantScope},
    ids::CallerName,
};

impl Checker<'_> {
    pub(super) fn across(&mut self, config: &Config) {
        self.look_alikes(&config.callers);
        if self.remarks.problems.is_empty() {
            // Of half a configuration these would be guesses.
            self.reachable(config);
            self.unused(config);
        }
    }

    /// A request must have one caller, not the first of two.
    fn look_alikes(&mut self, callers: &[Caller]) {
        for (index, caller) in callers.iter().enumerate() {
            for other in &callers[..index] {
                let shared = caller
                    .identify
                    .iter()
                    .find_map(|way| other.identify.iter().find_map(|other_way| shared(way, other_way)));
                if let Some((what, remedy)) = shared {
                    let key = KeyPath::of(&["callers", caller.name.as_str(), "identify"]);
                    self.problem(
                        &key,
                        format!("{what} identifies the caller {} as well", other.name),
                        remedy,
                    );
                }
            }
        }
    }

    fn reachable(&mut self, config: &Config) {
        let proxy = &config.listen.proxy;
        let local = |address: &Address| match address {
            Address::Tcp(tcp) => tcp.ip().is_loopback(),
            Address::Unix(_) => true,
        };
        let by = |wanted: fn(&Identity) -> bool| -> Option<&CallerName> {
            config.callers.iter().find(|caller| caller.identify.iter().any(wanted)).map(|caller| &caller.name)
        };
        let key = |caller: &CallerName| KeyPath::of(&["callers", caller.as_str(), "identify"]);
        if let Some(caller) = by(|way| matches!(way, Identity::Loopback)) {
            let open: Vec<_> = proxy.iter().filter(|address| !local(address)).collect();
            if !proxy.is_empty() && open.len() == proxy.len() {
                let what = "no listener is on a loopback address or a Unix socket, so nobody can be known by loopback";
                self.warn(
                    &key(caller),
                    what,
                    "Add \"127.0.0.1:3600\" to listen.proxy, or identify by api_key.",
                );
            } else if let Some(Address::Tcp(address)) = open.first() {
                let what = format!("callers on {address} are not known by loopback, even from this machine");
                self.warn(&key(caller), what, "Let them use the loopback address, or identify by api_key.");
            }
        }
        if let Some(caller) = by(|way| matches!(way, Identity::UnixUid(_)))
            && !proxy.iter().any(|address| matches!(address, Address::Unix(_)))
        {
            let what = "no listener is a Unix socket, so nobody can be known by unix_uid";
            self.warn(&key(caller), what, "Add \"unix:/run/claviger/claviger.sock\" to listen.proxy.");
        }
    }

    fn unused(&mut self, config: &Config) {
        if config.callers.is_empty() {
            // Then nothing is used, and that was said.
            return;
        }
        for policy in &config.policies {
            if !config.callers.iter().any(|caller| caller.policies.contains(&policy.name)) {
                let key = KeyPath::of(&["policies", policy.name.as_str()]);
                self.warn(
                    &key,
                    "no caller has this policy",
                    "Name it in a caller's policies, or take it out.",
                );
            }
        }
        for tenant in &config.tenants {
            let names = |caller: &Caller| match &caller.tenants {
                TenantScope::All => true,
                TenantScope::Only(names) => names.contains(&tenant.name),
            };
            if !config.callers.iter().any(names) {
                let key = KeyPath::of(&["tenants", tenant.name.as_str()]);
                self.warn(
                    &key,
                    "no caller may name this tenant",
                    "Name it in a caller's tenants, or take it out.",
                );
            }
        }
    }
}

/// What two ways have in common, and what to do about it.
fn shared(one: &Identity, other: &Identity) -> Option<(&'static str, &'static str)> {
    match (one, other) {
        (Identity::Loopback, Identity::Loopback) => Some((
            "loopback = true",
            "Keep it for one of the two; identify the other by api_key or unix_uid.",
        )),
        (Identity::UnixUid(one), Identity::UnixUid(other)) if one == other => {
            Some(("the same unix_uid", "Run the two as different users, or identify one of them by api_key."))
        }
        (Identity::ApiKey(one), Identity::ApiKey(other))
            if one.iter().any(|key| other.iter().any(|other| key.matches(other))) =>
        {
            Some(("the same API key", "Give each caller a key of its own: openssl rand -base64 32"))
        }
        _ => None,
    }
}
