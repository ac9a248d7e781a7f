//! `[cloud.NAME]`: accounts at Logto Cloud; and which of them a caller may use.

use std::sync::Arc;

use super::checker::Checker;
use crate::{
    config::{
        cloud::{AliasForm, Cloud},
        endpoint::Endpoint,
        leaf::{BearerId, Leaf, List, SecretId},
        node::Named,
        path::KeyPath,
        raw::RawCloud,
        tenant::DEFAULT_MAX_IN_FLIGHT,
        words::Indicator,
    },
    ids::{TemplateName, TenantName},
};

/// Where Logto Cloud is.
const ENDPOINT: &str = "https://cloud.logto.io";
/// What follows `/cloud/` where no account is named.
const TAKEN: &str = "api";

impl Checker<'_> {
    pub(super) fn clouds(&mut self, raw: Option<Named<RawCloud>>) -> Vec<Arc<Cloud>> {
        let section = KeyPath::of(&["cloud"]);
        let mut accounts = Vec::new();
        for (name, node) in self.named("cloud", raw) {
            let Some(raw) = self.table::<RawCloud>("cloud", name, node) else { continue };
            let at = section.key(name);
            match TenantName::parse(name) {
                Ok(_) if name == TAKEN => {
                    self.problem(&at, "/cloud/api is the path of a caller's only account", "Rename it.");
                }
                Ok(name) => accounts.extend(self.cloud(&at, name, raw).map(Arc::new)),
                Err(error) => {
                    self.problem(&at, error.to_string(), "Rename it, here and where callers name it.")
                }
            }
        }
        accounts
    }

    fn cloud(&mut self, at: &KeyPath, name: TenantName, raw: RawCloud) -> Option<Cloud> {
        let endpoint = match raw.endpoint {
            Some(leaf) => self.leaf(at, "endpoint", Some(leaf)),
            None => Some(ENDPOINT.to_owned()),
        };
        let endpoint = endpoint.and_then(|text| self.endpoint(&at.key("endpoint"), &text));
        if endpoint.as_ref().is_some_and(Endpoint::is_logto_app) {
            let what = "this is the endpoint of a tenant, and the Cloud API is not served there";
            self.problem(&at.key("endpoint"), what, format!("Leave it out: it is {ENDPOINT}."));
        }
        let key = at.key("token");
        let token = match raw.token {
            Some(BearerId(SecretId(id))) => self.client_secret(&key, id),
            None => {
                let remedy = "Make a personal access token in Logto Cloud (your profile), and write \
                              token = { file = \"/run/secrets/logto-cloud-pat\" }.";
                self.missing(&key, "the account has no token", remedy);
                None
            }
        };
        let template = self.template_name(at, raw.template);
        let alias = self.alias_form(at, raw.alias);
        let indicator = self.leaf(at, "indicator", raw.indicator).unwrap_or(Indicator::Logto);
        let max_in_flight = self.count(at, "max_in_flight", raw.max_in_flight, 1..=100_000);
        let tls = self.tls(&at.key("tls"), raw.tls.unwrap_or_default());
        Some(Cloud {
            name,
            endpoint: endpoint?,
            token: token?,
            template,
            alias: alias?,
            indicator,
            max_in_flight: max_in_flight.unwrap_or(DEFAULT_MAX_IN_FLIGHT),
            tls: tls?,
        })
    }

    fn template_name(&mut self, at: &KeyPath, leaf: Option<Leaf<String>>) -> Option<TemplateName> {
        let text = self.leaf(at, "template", leaf)?;
        let known = self.names.templates;
        self.defined(&at.key("template"), "tenant_template", &text, known, TemplateName::parse)
    }

    fn alias_form(&mut self, at: &KeyPath, leaf: Option<Leaf<String>>) -> Option<AliasForm> {
        let Some(leaf) = leaf else { return Some(AliasForm::default()) };
        let text = self.leaf(at, "alias", Some(leaf))?;
        let form = AliasForm::parse(&text).ok();
        if form.is_none() {
            let what = "an alias is a name with {id} in it once, for which Logto's ID of the tenant stands";
            self.problem(&at.key("alias"), what, "Write \"{id}\", or such as \"customer-{id}\".");
        }
        form
    }

    /// The accounts that a caller may use.
    pub(super) fn accounts(&mut self, at: &KeyPath, list: Option<List<String>>) -> Vec<TenantName> {
        let known = self.names.cloud;
        let mut names = Vec::new();
        for (path, text) in self.list(at, "cloud", list).unwrap_or_default() {
            if let Some(name) = self.defined(&path, "cloud", &text, known, TenantName::parse)
                && !names.contains(&name)
            {
                names.push(name);
            }
        }
        names
    }
}
