//! Problems that only show when all sections are seen together: credentials in clear, scopes that no tenant gives, and
//! definitions that nobody uses. Callers whom no listener can know are seen in `reach`.

use std::{
    collections::{HashMap, HashSet},
    os::unix::fs::MetadataExt as _,
    path::Path,
    sync::Arc,
};

use super::checker::Checker;
use crate::{
    config::{
        address::Address,
        audit::AuditOutput,
        caller::{Caller, Identity},
        effective::Config,
        endpoint::Endpoint,
        path::KeyPath,
        problem::quoted,
        scope::{TenantMatch, TenantPattern, TenantScope},
        sections::Limits,
        tenant::Tenant,
        vault::StoreOptions,
    },
    ids::{IssuerName, Label, PolicyName, TenantName},
};

impl Checker<'_> {
    pub(super) fn across(&mut self, config: &Config) {
        self.look_alikes(&config.callers);
        self.down_selection(config);
        self.spoilt(config);
        if self.remarks.problems.is_empty() {
            // Of half a configuration these would be guesses.
            self.own_address(config);
            self.out_of_reach(config);
            self.issuers_of_logto(config);
            self.encrypted(config);
            self.without_effect(config);
            self.unused(config);
        }
    }

    /// An audit log that would be written into a file that the configuration reads, or into the vault.
    fn spoilt(&mut self, config: &Config) {
        let AuditOutput::File { path, .. } = &config.audit.output else { return };
        let vault = config.vault.as_ref().and_then(|vault| match &vault.store {
            StoreOptions::File(file) => Some(&**file),
            _ => None,
        });
        let others = || self.inputs.files().chain(self.secrets.files()).chain(vault);
        if others().any(|other| is_same(path, other)) {
            let what =
                "the configuration names this file for something else, which the audit log would spoil";
            let key = KeyPath::of(&["audit", "output", "file"]);
            self.problem(&key, what, "Name a file of its own, such as \"/var/log/claviger/audit.jsonl\".");
        }
    }

    /// A tenant that is Claviger itself: each request would come back to it until the deadline.
    fn own_address(&mut self, config: &Config) {
        let reached = |tenant: &Tenant| {
            config.listen.proxy.iter().any(|address| match address {
                Address::Tcp(tcp) => tenant.endpoint.reaches(*tcp),
                Address::Unix(_) => false,
            })
        };
        for tenant in config.tenants.iter().filter(|tenant| reached(tenant)) {
            let key = KeyPath::of(&["tenants", tenant.name.as_str(), "endpoint"]);
            let what = "this is Claviger's own address, listen.proxy";
            self.problem(&key, what, "Write the address of Logto, such as \"https://acme.logto.app\".");
        }
    }

    /// A tenant's endpoint in the place of its issuer, which is below it (fact 1.2).
    fn issuers_of_logto(&mut self, config: &Config) {
        for issuer in &config.issuers {
            let url = issuer.issuer.trim_end_matches('/');
            let is_one = |tenant: &&Arc<Tenant>| tenant.endpoint.to_string() == url;
            let whose = match config.tenants.iter().find(is_one) {
                Some(tenant) => Some(format!("the tenant {}", tenant.name)),
                None => Endpoint::parse(url)
                    .is_ok_and(|it| it.is_logto_app())
                    .then(|| "a tenant of Logto Cloud".to_owned()),
            };
            if let Some(whose) = whose {
                let key = KeyPath::of(&["issuers", issuer.name.as_str(), "issuer"]);
                let what =
                    format!("this is the endpoint of {whose}; the issuer of Logto's tokens is below it");
                self.warn(&key, what, format!("Write \"{url}/oidc\"."));
            }
        }
    }

    /// TLS where it is missing, and where nothing comes of it.
    fn encrypted(&mut self, config: &Config) {
        let proxy = &config.listen.proxy;
        let bears = |method: &Identity| {
            matches!(method, Identity::ApiKey { .. } | Identity::ServiceAccount { .. } | Identity::Jwt { .. })
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

    /// What is written, and comes to nothing as it is.
    fn without_effect(&mut self, config: &Config) {
        if config.admin.tenants && config.listen.admin.is_none() {
            let remedy = "Write an address into listen.admin, such as \"127.0.0.1:3601\", or take it out.";
            self.warn(
                &KeyPath::of(&["admin", "tenants"]),
                "it has no effect: listen.admin is \"off\"",
                remedy,
            );
        }
        if (1..Limits::OF_PROCESS).contains(&config.limits.memory) {
            let what = "this is less than the 20 MiB that the process itself takes: few can connect, and it takes more than this";
            self.warn(&KeyPath::of(&["limits", "memory"]), what, "Write \"64MiB\" or more, or take it out.");
        }
    }

    /// A caller's scopes are a choice from what its tenants give.
    fn down_selection(&mut self, config: &Config) {
        for caller in &config.callers {
            let Some(scopes) = &caller.scopes else { continue };
            for tenant in within(&config.tenants, caller) {
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
        let used = Used::by(&config.callers);
        for issuer in config.issuers.iter().filter(|issuer| !used.issuers.contains(&issuer.name)) {
            let key = KeyPath::of(&["issuers", issuer.name.as_str()]);
            let remedy = "Name it in a caller's identify, or take it out.";
            self.warn(&key, "no caller is known by a token of this issuer", remedy);
        }
        for policy in config.policies.iter().filter(|policy| !used.policies.contains(&policy.name)) {
            let key = KeyPath::of(&["policies", policy.name.as_str()]);
            let remedy = "Name it in a caller's policies, or take it out.";
            self.warn(&key, "no caller has this policy", remedy);
        }
        for tenant in config.tenants.iter().filter(|tenant| !used.covers(tenant)) {
            let key = KeyPath::of(&["tenants", tenant.name.as_str()]);
            let remedy = "Name it in a caller's tenants, or take it out.";
            self.warn(&key, "no caller may name this tenant", remedy);
        }
    }
}

/// Whether two paths lead to one file.
fn is_same(one: &Path, other: &Path) -> bool {
    let about = |path: &Path| std::fs::metadata(path).ok().map(|about| (about.dev(), about.ino()));
    one == other || about(one).is_some_and(|one| about(other) == Some(one))
}

/// The tenants of a scope. `tenants` are in order of name.
fn within<'c>(tenants: &'c [Arc<Tenant>], caller: &'c Caller) -> Vec<&'c Tenant> {
    let scope = &caller.tenants;
    let named = |one: &TenantMatch| match one {
        TenantMatch::Name(name) => Some(tenants.binary_search_by(|tenant| tenant.name.cmp(name)).ok()),
        _ => None,
    };
    if let TenantScope::Only(matches) = scope
        && let Some(found) = matches.iter().map(named).collect::<Option<Vec<_>>>()
    {
        return found.into_iter().flatten().map(|at| &*tenants[at]).collect();
    }
    let tenants = tenants.iter().map(|tenant| &**tenant);
    tenants.filter(|tenant| scope.matches(&caller.name, tenant)).collect()
}

/// What callers refer to.
#[derive(Default)]
struct Used<'c> {
    issuers: HashSet<&'c IssuerName>,
    policies: HashSet<&'c PolicyName>,
    all_tenants: bool,
    tenants: HashSet<&'c TenantName>,
    labels: HashSet<&'c Label>,
    /// By what the names begin with that they stand for.
    patterns: HashMap<&'c str, HashSet<&'c TenantPattern>>,
}

impl<'c> Used<'c> {
    fn by(callers: &'c [Caller]) -> Self {
        let mut used = Self::default();
        for caller in callers {
            used.policies.extend(&caller.policies);
            used.issuers.extend(caller.identify.iter().filter_map(Identity::issuer));
            let TenantScope::Only(matches) = &caller.tenants else {
                used.all_tenants = true;
                continue;
            };
            for one in matches {
                match one {
                    TenantMatch::Name(name) => used.tenants.insert(name),
                    TenantMatch::Label(label) => used.labels.insert(label),
                    // None of the configuration's.
                    TenantMatch::Created => false,
                    TenantMatch::Pattern(pattern) => {
                        used.patterns.entry(pattern.prefix()).or_default().insert(pattern)
                    }
                };
            }
        }
        used
    }

    fn covers(&self, tenant: &Tenant) -> bool {
        let name = tenant.name.as_str();
        let near = (0..=name.len()).filter_map(|end| self.patterns.get(&name[..end]));
        self.all_tenants
            || self.tenants.contains(&tenant.name)
            || tenant.labels.iter().any(|label| self.labels.contains(label))
            || near.flatten().any(|pattern| pattern.matches(name))
    }
}
