//! `[tenants.NAME]`: where a tenant is, and the credentials for it.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use http::uri::Scheme;

use super::{
    checker::{Checker, is_visible},
    client_secrets::is_jwt,
    placeholder::is_placeholder,
    secrets::Foreign,
};
use crate::{
    config::{
        endpoint::{Endpoint, InvalidEndpoint, NOT_EXPANDED},
        env,
        intake::without_dollar,
        leaf::{Leaf, List},
        node::Named,
        path::KeyPath,
        problem::quoted,
        raw::RawTenant,
        raw_roots::RawTls,
        tenant::{DEFAULT_MAX_IN_FLIGHT, Tenant, UpstreamTls},
        words::ClientAuth,
    },
    ids::{Label, TenantName},
};

/// What the token request holds already.
const OWN_PARAMETERS: [(&str, &str); 6] = [
    ("grant_type", "Claviger always asks for client_credentials"),
    ("client_id", "it is the key client_id of the tenant"),
    ("client_secret", "it is the key client_secret of the tenant"),
    ("resource", "it is the key resource of the tenant"),
    ("scope", "it is the key scopes of the tenant"),
    ("organization_id", "it is the key organization_id of the tenant"),
];

impl Checker<'_> {
    pub(super) fn tenants(&mut self, raw: Option<Named<RawTenant>>) -> Vec<Arc<Tenant>> {
        let section = KeyPath::of(&["tenants"]);
        let tables = self.named("tenants", raw);
        if tables.len() == 0 && self.tree.member("vault").is_none() && self.names.cloud.is_empty() {
            let remedy = "Write [tenants.NAME] with client_id and client_secret, or set LOGTO_ENDPOINT, \
                          LOGTO_M2M_APP_ID and LOGTO_M2M_APP_SECRET.";
            self.missing(&section, "there is no tenant", remedy);
        }
        let mut tenants = Vec::with_capacity(tables.len());
        for (name, node) in tables {
            let Some(raw) = self.table::<RawTenant>("tenants", name, node) else { continue };
            let at = section.key(name);
            let name = TenantName::parse(name);
            if let Err(error) = &name {
                self.problem(&at, error.to_string(), "Rename it, here and where callers name it.");
            }
            // The rest is looked at all the same.
            let stand_in = || TenantName::parse("x").ok();
            let Some(valid) = name.ok().or_else(stand_in) else { continue };
            if let Some(tenant) = self.tenant(&at, valid, raw) {
                tenants.push(Arc::new(tenant));
            }
        }
        tenants
    }

    fn tenant(&mut self, at: &KeyPath, name: TenantName, raw: RawTenant) -> Option<Tenant> {
        let endpoint = match raw.endpoint {
            Some(leaf) => self
                .leaf(at, "endpoint", Some(leaf))
                .and_then(|text| self.endpoint(&at.key("endpoint"), &text))
                .filter(|endpoint| !self.is_the_console(&at.key("endpoint"), endpoint)),
            None => self.implied_endpoint(at, &name),
        };
        let resource = match raw.resource {
            Some(leaf) => self
                .leaf(at, "resource", Some(leaf))
                .and_then(|text| self.resource(&at.key("resource"), text)),
            None => endpoint.as_ref().map(Endpoint::own_resource),
        };
        let client_id = self.client_id(at, raw.client_id);
        let client_secrets = self.client_secrets(at, raw.client_secret);
        self.not_swapped(at, client_id.as_deref().unwrap_or_default(), &client_secrets);
        let scopes = self.scopes(at, raw.scopes, resource.as_deref());
        let quota = self.quota(at, raw.quota);
        let quota = resource.as_deref().and_then(|resource| self.quota_of(at, quota, resource));
        let resources = self.resources(at, raw.resources, resource.as_deref());
        let organization_id = self.organization_id(at, raw.organization_id);
        let parameters = self.parameters(at, raw.parameters.unwrap_or_default());
        let max_in_flight = self.count(at, "max_in_flight", raw.max_in_flight, 1..=100_000);
        let compression = self.leaf(at, "compression", raw.compression);
        let client_auth = self.leaf(at, "client_auth", raw.client_auth).unwrap_or(ClientAuth::Basic);
        let tls = self.tls(&at.key("tls"), raw.tls.unwrap_or_default());
        let labels = self.labels(at, raw.labels);
        let rotate = raw.rotate.and_then(|raw| self.rotate(&at.key("rotate"), raw));
        if rotate.is_some() && self.tree.member("vault").is_none() {
            let remedy = "Write [vault] with store and key, or take it out.";
            self.problem(&at.key("rotate"), "there is no vault to keep the new secrets in", remedy);
        }
        let endpoint = endpoint?;
        Some(Tenant {
            name,
            labels,
            compression: compression.unwrap_or_else(|| endpoint.compresses()),
            endpoint,
            resource: resource?.into(),
            client_id: client_id?.into(),
            client_secrets,
            client_auth,
            scopes,
            resources,
            organization_id,
            parameters,
            quota,
            max_in_flight: max_in_flight.unwrap_or(DEFAULT_MAX_IN_FLIGHT),
            tls: tls?,
            rotate,
            created_by: None,
        })
    }

    pub(super) fn labels(&mut self, at: &KeyPath, list: Option<List<String>>) -> Vec<Label> {
        let mut labels = Vec::new();
        for (path, text) in self.list(at, "labels", list).unwrap_or_default() {
            match Label::parse(&text) {
                Ok(label) if labels.contains(&label) => {}
                Ok(label) => {
                    self.names.labels.insert(label.clone());
                    labels.push(label);
                }
                Err(error) => self.problem(
                    &path,
                    error.to_string(),
                    "Write such a name, as in labels = [\"customer\"].",
                ),
            }
        }
        labels
    }

    fn implied_endpoint(&mut self, at: &KeyPath, name: &TenantName) -> Option<Endpoint> {
        if self.is_reported(&at.key("endpoint")) {
            return None;
        }
        let label = name.as_str();
        // An alias with a dot or an underscore is no host name on logto.app.
        let authority = label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-')
            .then(|| format!("{label}.logto.app").parse().ok())
            .flatten();
        match authority {
            Some(authority) => Some(Endpoint { scheme: Scheme::HTTPS, authority }),
            None => {
                let what = "there is no endpoint, and the alias is not the name of a tenant on logto.app";
                self.problem(&at.key("endpoint"), what, "Write endpoint = \"https://…\".");
                None
            }
        }
    }

    fn is_the_console(&mut self, key: &KeyPath, endpoint: &Endpoint) -> bool {
        let is_it = endpoint.authority.host() == "cloud.logto.io";
        if is_it {
            let what = "this is the Console of Logto Cloud, and no tenant";
            let remedy = "Write the tenant's own address: \"https://TENANT-ID.logto.app\".";
            self.problem(key, what, remedy);
        }
        is_it
    }

    pub(super) fn endpoint(&mut self, key: &KeyPath, text: &str) -> Option<Endpoint> {
        let endpoint = match Endpoint::parse(text) {
            Ok(endpoint) => endpoint,
            Err(InvalidEndpoint { what, remedy }) => {
                let origin = self.tree.place(key);
                let variable = origin.as_ref().and_then(|origin| origin.variable());
                let remedy = match (variable, env::name_of(key)) {
                    _ if what != NOT_EXPANDED => remedy,
                    (Some(name), _) => format!("Set {name} to the address itself."),
                    (None, Some(name)) => format!("Write the address itself, or set {name} to it."),
                    (None, None) => remedy,
                };
                self.problem(key, what, remedy);
                return None;
            }
        };
        if endpoint.is_in_clear() {
            let what = "over http:// the client secret and every token cross the network in clear";
            self.warn(key, what, "Write https://, unless the network in between is trusted.");
        }
        Some(endpoint)
    }

    pub(super) fn resource(&mut self, key: &KeyPath, text: String) -> Option<String> {
        let (what, remedy) = if text.ends_with('/') {
            (
                // Fact 1.5: invalid_target.
                "Logto refuses a resource with a slash at its end".to_owned(),
                format!("Write {}.", quoted(text.trim_end_matches('/'))),
            )
        } else if text.contains('#') {
            ("an API resource has no fragment (RFC 8707)".into(), "Take out the # and what follows.".into())
        } else if !text.contains(':') || text.contains(' ') || !is_visible(text.as_bytes()) {
            (
                format!("{} is not an absolute URI", quoted(&text)),
                "Copy the API identifier from the Logto Console, such as \"https://acme.logto.app/api\"."
                    .into(),
            )
        } else {
            return Some(text);
        };
        self.problem(key, what, remedy);
        None
    }

    fn client_id(&mut self, at: &KeyPath, leaf: Option<Leaf<String>>) -> Option<String> {
        const REMEDY: &str = "Copy the App ID of a machine-to-machine application from the Logto Console.";
        let key = at.key("client_id");
        let Some(leaf) = leaf else {
            self.missing(&key, "the tenant has no client_id", REMEDY);
            return None;
        };
        let id = self.leaf(at, "client_id", Some(leaf))?;
        if id.trim().is_empty() {
            self.problem(&key, "the client_id is empty", REMEDY);
            return None;
        }
        if id.trim() != id || !is_visible(id.as_bytes()) {
            self.problem(
                &key,
                "the client_id holds white space at an end, or characters other than visible ASCII",
                REMEDY,
            );
            return None;
        }
        let what = if is_placeholder(id.as_bytes()) {
            Some("this is the placeholder of an example")
        } else if is_jwt(id.as_bytes()) {
            Some("this is a token (a JWT), and no App ID")
        } else if id.contains(' ') && !id.contains(['{', '$']) {
            Some("there is a space in it, as in the name of an application, and no App ID has one")
        } else {
            None
        };
        if let Some(what) = what {
            self.problem(&key, what, REMEDY);
            return None;
        }
        let is_variable = without_dollar(&id).is_some().then_some(Foreign::Expansion);
        if let Some(foreign) = Foreign::of(&id).or(is_variable) {
            let remedy = match foreign {
                Foreign::Template => "Render the template first.",
                _ => "Write the App ID itself, or set CLAVIGER_TENANTS__NAME__CLIENT_ID to it.",
            };
            self.problem(&key, foreign.what(), remedy);
            return None;
        }
        Some(id)
    }

    pub(super) fn organization_id(&mut self, at: &KeyPath, leaf: Option<Leaf<String>>) -> Option<String> {
        let id = self.leaf(at, "organization_id", leaf)?;
        if id.is_empty() || !is_visible(id.as_bytes()) {
            let what = "an organization ID is visible ASCII and not empty";
            let remedy = "Copy it from the Logto Console, or leave the key out.";
            self.problem(&at.key("organization_id"), what, remedy);
        }
        Some(id)
    }

    fn scopes(&mut self, at: &KeyPath, list: Option<List<String>>, resource: Option<&str>) -> Vec<String> {
        let key = at.key("scopes");
        let Some(scopes) = self.given_scopes(at, list) else { return vec!["all".into()] };
        let management = resource.is_some_and(|resource| resource.ends_with(".logto.app/api"));
        if management && !scopes.is_empty() && !scopes.iter().any(|scope| scope == "all") {
            let what =
                "the Management API knows one scope, all; without it every request is answered with 403";
            self.warn(&key, what, "Write [\"all\"], or leave the key out.");
        }
        scopes
    }

    /// The scopes of a list that is given, each once.
    pub(super) fn given_scopes(&mut self, at: &KeyPath, list: Option<List<String>>) -> Option<Vec<String>> {
        let given = self.list(at, "scopes", list)?;
        if given.is_empty() {
            let remedy = "Write [\"all\"], the one scope of the Management API, or leave the key out.";
            self.missing(&at.key("scopes"), "there is no scope, so tokens would allow nothing", remedy);
        }
        let mut seen = HashSet::new();
        let mut scopes = Vec::new();
        for (path, scope) in given {
            // RFC 6749 section 3.3: scope-token.
            let token = |b: u8| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
            if scope.is_empty() || !scope.bytes().all(token) {
                let remedy = match scope.split_whitespace().collect::<Vec<_>>()[..] {
                    [_, _, ..] => "Write each scope as an element of its own: [\"a\", \"b\"].",
                    _ => "A scope is visible ASCII without spaces, quotes and backslashes.",
                };
                self.problem(&path, format!("{} is not a scope", quoted(&scope)), remedy);
            } else if seen.insert(scope.clone()) {
                scopes.push(scope);
            }
        }
        Some(scopes)
    }

    fn parameters(&mut self, at: &KeyPath, raw: BTreeMap<String, Leaf<String>>) -> Vec<(String, String)> {
        let section = at.key("parameters");
        let mut parameters = Vec::new();
        for (name, leaf) in raw {
            let key = section.key(&name);
            let own = OWN_PARAMETERS.iter().find(|(own, _)| *own == name);
            if let Some((_, why)) = own {
                self.problem(&key, "this parameter is not free to choose", format!("Take it out: {why}."));
            } else if name.is_empty() || !is_visible(name.as_bytes()) {
                self.problem(&key, "the name of a parameter is visible ASCII", "Rename it, or take it out.");
            }
            if let Some(value) = self.leaf(&section, &name, Some(leaf)) {
                parameters.push((name, value));
            }
        }
        parameters
    }

    pub(super) fn tls(&mut self, at: &KeyPath, raw: RawTls) -> Option<UpstreamTls> {
        let http2 = self.leaf(at, "http2", raw.http2).unwrap_or(false);
        Some(UpstreamTls { roots: self.roots(at, raw.roots)?, http2 })
    }
}
