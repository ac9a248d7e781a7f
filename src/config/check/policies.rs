//! `[policies.NAME]`: named sets of rules.

use std::collections::BTreeMap;

use super::{Checker, KeyPath};
use crate::{
    config::{Origin, Policy, RuleText, leaf::List, raw::RawPolicy},
    ids::PolicyName,
};

impl Checker<'_> {
    pub(super) fn policies(&mut self, raw: BTreeMap<String, RawPolicy>) -> Vec<Policy> {
        let section = KeyPath::of(&["policies"]);
        let mut policies = Vec::with_capacity(raw.len());
        for (name, raw) in raw {
            let at = section.key(&name);
            let unruly = raw.allow.is_none();
            let allow = self.rules(&at, "allow", raw.allow);
            let deny = self.rules(&at, "deny", raw.deny);
            let key = at.key("allow");
            if allow.is_empty() && !self.was_told(&key) {
                let what = if unruly { "the policy has no allow" } else { "the list is empty" };
                let remedy = "Write what callers need, such as allow = [\"users:read\"].";
                self.warn(&key, format!("{what}: it allows nothing"), remedy);
            }
            match PolicyName::parse(&name) {
                Ok(name) => policies.push(Policy { name, allow, deny }),
                Err(error) => {
                    self.problem(&at, error.to_string(), "Rename it, here and where callers name it.")
                }
            }
        }
        policies
    }

    fn rules(&mut self, at: &KeyPath, key: &str, list: Option<List<String>>) -> Vec<RuleText> {
        let mut rules: Vec<RuleText> = Vec::new();
        for (path, text) in self.list(at, key, list).unwrap_or_default() {
            if let Err(why) = (self.rule_check)(&text) {
                self.remarks.told.push(path.clone());
                let (what, remedy) = why.split_once(". ").unwrap_or((why.trim_end_matches('.'), ""));
                self.problem(&path, what, remedy);
            } else if let Some(first) = rules.iter().find(|rule| rule.text == text) {
                let what = format!("the rule is given twice, first at {}", first.origin);
                self.warn(&path, what, "Keep one of the two.");
            } else {
                let origin = self.provenance.of(&path).unwrap_or_else(|| Origin("built in".into()));
                rules.push(RuleText { text, conditions: None, origin });
            }
        }
        rules
    }
}
