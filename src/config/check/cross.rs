//! What only shows when all sections are seen together: credentials in clear, scopes that no tenant gives, and
//! definitions that nobody uses. Callers whom no listener can know are seen in `reach`.

use super::{Checker, KeyPath};
use crate::config::{Address, Caller, Config, Identity, problem::quoted};

impl Checker<'_> {
    pub(super) fn across(&mut self, config: &Config) {
        self.look_alikes(&config.callers);
        self.down_selection(config);
        if self.remarks.problems.is_empty() {
            // Of half a configuration these would be guesses.
            self.out_of_reach(config);
            self.encrypted(config);
            self.unused(config);
        }
    }

    /// TLS where it is missing, and where nothing comes of it.
    fn encrypted(&mut self, config: &Config) {
        let proxy = &config.listen.proxy;
        let bears = |way: &Identity| {
            matches!(way, Identity::ApiKey(_) | Identity::ServiceAccount { .. } | Identity::Jwt { .. })
        };
        let bearer = config.callers.iter().find(|caller| caller.identify.iter().any(bears));
        let open = proxy.iter().find_map(|address| match address {
            Address::Tcp(tcp) if !tcp.ip().is_loopback() => Some(tcp),
            _ => None,
        });
        if let (Some(caller), Some(address), None) = (bearer, open, &config.listen.tls) {
            let what = format!(
                "the key or token of the caller {} crosses the network to {address} in clear",
                caller.name
            );
            let remedy =
                "Write listen.tls = { cert = \"…\", key = \"…\" }, unless something in front speaks TLS.";
            self.warn(&KeyPath::of(&["listen", "proxy"]), what, remedy);
        }
        if config.listen.tls.is_some() && !proxy.iter().any(|address| matches!(address, Address::Tcp(_))) {
            let what = "it has no effect: every listener is a Unix socket";
            self.warn(
                &KeyPath::of(&["listen", "tls"]),
                what,
                "Add \"0.0.0.0:3600\" to listen.proxy, or take it out.",
            );
        }
    }

    /// A caller's scopes are a choice from what its tenants give.
    fn down_selection(&mut self, config: &Config) {
        for caller in &config.callers {
            let Some(scopes) = &caller.scopes else { continue };
            let granted =
                config.tenants.iter().filter(|tenant| caller.tenants.matches(&tenant.name, &tenant.labels));
            for tenant in granted {
                for scope in scopes.iter().filter(|scope| !tenant.scopes.contains(scope)) {
                    let key = KeyPath::of(&["callers", caller.name.as_str(), "scopes"]);
                    let what =
                        format!("{} is not among the scopes of the tenant {}", quoted(scope), tenant.name);
                    let remedy = format!("Write one of these: {}.", tenant.scopes.join(", "));
                    self.problem(&key, what, remedy);
                }
            }
        }
    }

    fn unused(&mut self, config: &Config) {
        if config.callers.is_empty() {
            // Then nothing is used, and that was said.
            return;
        }
        for issuer in &config.issuers {
            let vouches = |way: &Identity| match way {
                Identity::ServiceAccount { issuer: by, .. } | Identity::Jwt { issuer: by, .. } => {
                    *by == issuer.name
                }
                _ => false,
            };
            if !config.callers.iter().any(|caller| caller.identify.iter().any(vouches)) {
                let key = KeyPath::of(&["issuers", issuer.name.as_str()]);
                let remedy = "Name it in a caller's identify, or take it out.";
                self.warn(&key, "no caller is known by a token of this issuer", remedy);
            }
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
            let may_name = |caller: &Caller| caller.tenants.matches(&tenant.name, &tenant.labels);
            if !config.callers.iter().any(may_name) {
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
