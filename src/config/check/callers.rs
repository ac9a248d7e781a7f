//! `[callers.NAME]`: who may call, how each proves who it is, and what it is granted.

use super::{checker::Checker, names::Names};
use crate::{
    catalog::Api,
    config::{
        caller::Caller,
        from_text::as_list,
        leaf::List,
        node::Named,
        origin::Origin,
        path::KeyPath,
        policy::{RuleList, RuleText},
        problem::{nearest, quoted},
        raw::RawCaller,
    },
    ids::{CallerName, PolicyName},
};

impl Checker<'_> {
    pub(super) fn callers(&mut self, raw: Option<Named<RawCaller>>) -> Vec<Caller> {
        let section = KeyPath::of(&["callers"]);
        let tables = self.named("callers", raw);
        if tables.len() == 0 && !self.is_reported(&section) {
            let remedy =
                "Write [callers.NAME] with identify and policies, such as identify = { loopback = true }.";
            self.warn(&section, "there is no caller: every request will be refused", remedy);
        }
        let mut callers = Vec::with_capacity(tables.len());
        for (name, node) in tables {
            let Some(raw) = self.table::<RawCaller>("callers", name, node) else { continue };
            let at = section.key(name);
            let mut identify = self.identify(&at, raw.identify);
            // Ten thousand callers with one method each, and room for four.
            identify.shrink_to_fit();
            let cloud = self.accounts(&at, raw.cloud);
            let tenants = self.tenant_scope(&at, raw.tenants, !cloud.is_empty());
            let policies = self.granted(&at, raw.policies);
            let reveal = self.reveal(&at, raw.reveal);
            let issue = self.leaf(&at, "issue", raw.issue).unwrap_or_default();
            let scopes = self.given_scopes(&at, raw.scopes);
            let organization_id = self.organization_id(&at, raw.organization_id);
            let rate = self.rate(&at, "rate", raw.rate).flatten();
            let priority = self.leaf(&at, "priority", raw.priority).unwrap_or_default();
            let weight = self.count(&at, "weight", raw.weight, 1..=100).unwrap_or(1);
            match CallerName::parse(name) {
                Ok(name) => {
                    let origin = self.tree.place(&at).unwrap_or_else(|| Origin::from("built in"));
                    callers.push(Caller {
                        name,
                        identify,
                        tenants,
                        cloud,
                        policies,
                        reveal,
                        issue,
                        scopes,
                        organization_id,
                        rate,
                        priority,
                        weight,
                        origin,
                    });
                }
                Err(error) => self.problem(&at, error.to_string(), "Rename it."),
            }
        }
        callers
    }

    fn granted(&mut self, at: &KeyPath, list: Option<List<String>>) -> Vec<PolicyName> {
        let key = at.key("policies");
        const REMEDY: &str = "Write policies = [\"NAME\"], and the rules under [policies.NAME].";
        let Some(given) = self.list(at, "policies", list) else {
            self.missing(&key, "the caller has no policies, so it could call nothing", REMEDY);
            return Vec::new();
        };
        if given.is_empty() {
            self.missing(&key, "the list is empty, so the caller could call nothing", REMEDY);
        }
        let known = self.names.policies;
        let mut names = Vec::new();
        for (path, text) in given {
            if let Some(name) = self.defined(&path, "policy", &text, known, PolicyName::parse)
                && !names.contains(&name)
            {
                names.push(name);
            }
        }
        names
    }

    /// Operations by their operationId: what comes unmasked is to be said one by one.
    fn reveal(&mut self, at: &KeyPath, list: Option<List<String>>) -> Vec<RuleText> {
        let mut operations: Vec<RuleText> = Vec::new();
        for (path, text) in self.list(at, "reveal", list).unwrap_or_default() {
            let name = text.strip_prefix(Api::of_rule(&text).prefix()).unwrap_or(&text);
            if name == "*" || name.contains([':', '/', ' ']) {
                let what = format!("{} is not an operationId", quoted(&text));
                self.problem(
                    &path,
                    what,
                    "Write each operation by its operationId; see: claviger operations",
                );
                continue;
            }
            let Some(rule) = self.accepted(RuleList::Allow, &path, text) else { continue };
            if !operations.iter().any(|other| other.text == rule.text) {
                operations.push(rule);
            }
        }
        operations
    }

    /// A name that is used, if it is defined.
    pub(super) fn defined<N, E>(
        &mut self,
        path: &KeyPath,
        kind: &str,
        text: &str,
        known: Names<'_>,
        parse: impl Fn(&str) -> Result<N, E>,
    ) -> Option<N> {
        if known.contains(text) {
            // Where the name itself is wrong, that was said at its definition.
            return parse(text).ok();
        }
        if known.iter().any(|name| name.eq_ignore_ascii_case(text) && parse(name).is_err()) {
            // `[tenants.Acme]` is to be renamed, and then this is it.
            return None;
        }
        let section = match kind {
            "policy" => "policies".to_owned(),
            "cloud" => kind.to_owned(),
            _ => format!("{kind}s"),
        };
        if known.is_empty() && self.remarks.covers(&KeyPath::of(&[&section])) {
            // The misspelt section is the mistake.
            return None;
        }
        let remedy = match nearest(text, known.iter()) {
            _ if let Some(listed) = as_list(text, |name| known.contains(name)) => listed,
            _ if text.contains([',', ';', ' '])
                && let Some(listed) = as_list(text, |name| parse(name).is_ok()) =>
            {
                listed
            }
            Some(near) => format!("Did you mean {}?", quoted(near)),
            None if known.is_empty() => format!("No {kind} is defined yet."),
            None => format!("There are: {}.", known.listed()),
        };
        self.problem(path, format!("there is no {kind} {}", quoted(text)), remedy);
        None
    }
}
