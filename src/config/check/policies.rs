//! `[policies.NAME]`: named sets of rules.

use std::sync::Arc;

use super::checker::Checker;
use crate::{
    config::{
        leaf::{Either, Leaf, List, Mixed, Unconditional},
        node::Named,
        origin::Origin,
        path::KeyPath,
        policy::{Policy, RuleList, RuleText},
        problem::quoted,
        raw::{RawPolicy, RawRule},
    },
    ids::PolicyName,
    secret::looks_random,
};

mod conditions;

impl Checker<'_> {
    pub(super) fn policies(&mut self, raw: Option<Named<RawPolicy>>) -> Vec<Policy> {
        let section = KeyPath::of(&["policies"]);
        let tables = self.named("policies", raw);
        let mut policies = Vec::with_capacity(tables.len());
        for (name, node) in tables {
            let Some(raw) = self.table::<RawPolicy>("policies", name, node) else { continue };
            let at = section.key(name);
            let unruly = raw.allow.is_none();
            // Rules that are none were said to be so.
            let is_empty = raw.allow.as_ref().is_none_or(|list| list.items.is_empty());
            let allow = self.allowed(&at, raw.allow);
            let deny = self.denied(&at, raw.deny);
            let key = at.key("allow");
            if is_empty && !self.is_reported(&key) {
                let what = if unruly { "the policy has no allow" } else { "the list is empty" };
                // To callers that have another policy as well, it may be meant to deny and no more.
                let remedy = match deny.is_empty() {
                    true => "Write what callers need, such as allow = [\"users:read\"].",
                    false => {
                        "It only denies. If that is meant, beside other policies of the same callers, ignore this."
                    }
                };
                self.warn(&key, format!("{what}: it allows nothing"), remedy);
            }
            match PolicyName::parse(name) {
                Ok(name) => policies.push(Policy { name, allow, deny }),
                Err(error) => {
                    self.problem(&at, error.to_string(), "Rename it, here and where callers name it.")
                }
            }
        }
        policies
    }

    fn allowed(&mut self, at: &KeyPath, list: Option<Mixed<String, RawRule>>) -> Vec<Arc<RuleText>> {
        let Some(list) = list else { return Vec::new() };
        let key = at.key("allow");
        let (mut rules, mut conditional) = (Vec::new(), Vec::new());
        for (index, item) in list.items.into_iter().enumerate() {
            let path = if list.alone { key.clone() } else { key.index(index) };
            let rule = match item {
                Either::Text(Leaf(Ok(text))) => self.accepted(RuleList::Allow, &path, text),
                Either::Text(Leaf(Err(mistake))) => {
                    self.mistake(&path, mistake);
                    None
                }
                Either::Table(raw) => self.conditional(&path, raw),
            };
            if let Some(rule) = rule {
                if rule.conditions.is_some() {
                    conditional.push((path.clone(), rule.text.clone()));
                }
                self.add(&mut rules, &path, rule);
            }
        }
        for (path, text) in conditional {
            self.unbound(&rules, &path, &text);
        }
        rules
    }

    /// Warns where the conditions of a rule bind nobody, since another of its policy allows the operation without any.
    fn unbound(&mut self, rules: &[Arc<RuleText>], path: &KeyPath, text: &str) {
        let opens = |rule: &&Arc<RuleText>| {
            rule.conditions.is_none() && self.settings.rule_check.opens(&self.catalog, &rule.text, text)
        };
        let Some(general) = rules.iter().find(opens).map(|rule| quoted(&rule.text)) else { return };
        let what = format!(
            "{general} of the same list allows {} without conditions, so these bind nobody",
            quoted(text)
        );
        let remedy =
            format!("Write rules in place of {general} that leave it out, or take the conditions out.");
        self.warn(path, what, remedy);
    }

    fn denied(&mut self, at: &KeyPath, list: Option<List<Unconditional>>) -> Vec<Arc<RuleText>> {
        let mut rules = Vec::new();
        for (path, Unconditional(text)) in self.list(at, "deny", list).unwrap_or_default() {
            if let Some(rule) = self.accepted(RuleList::Deny, &path, text) {
                self.add(&mut rules, &path, rule);
            }
        }
        rules
    }

    /// A rule that is one, says the policy module.
    pub(super) fn accepted(&mut self, list: RuleList, path: &KeyPath, text: String) -> Option<RuleText> {
        if let Some(denied) = text
            .strip_prefix('!')
            .filter(|_| list == RuleList::Allow && path.steps().first() == Some(&"policies"))
        {
            self.remarks.reported.push(path.clone());
            let remedy = format!("Put {} into deny, beside allow.", quoted(denied.trim_start()));
            self.problem(path, format!("{} is no rule: none takes anything back", quoted(&text)), remedy);
            return None;
        }
        if let Err(why) = self.settings.rule_check.rule(&self.catalog, list, &text) {
            self.remarks.reported.push(path.clone());
            match looks_random(&text) {
                true => self.problem(path, format!("{} is no rule", quoted(&text)), ""),
                false => self.objection(path, &why),
            }
            return None;
        }
        if let Some(why) = self.settings.rule_check.doubt(&self.catalog, list, &text) {
            let (what, remedy) = sentences(&why);
            self.warn(path, what, remedy);
        }
        let origin = self.tree.place(path).unwrap_or_else(|| Origin::from("built in"));
        Some(RuleText { text, conditions: None, cache: None, origin })
    }

    /// What is wrong with a rule, in one or two sentences.
    fn objection(&mut self, path: &KeyPath, why: &str) {
        let (what, remedy) = sentences(why);
        self.problem(path, what, remedy);
    }

    /// Adds a rule to those of its list, which must not leave open what holds for an operation.
    fn add(&mut self, rules: &mut Vec<Arc<RuleText>>, path: &KeyPath, rule: RuleText) {
        let Some(first) = rules.iter().find(|other| other.text == rule.text) else {
            rules.push(Arc::new(rule));
            return;
        };
        if first.conditions == rule.conditions && first.cache == rule.cache {
            let what = format!("the rule is given twice, first at {}", first.origin);
            self.warn(path, what, "Keep one of the two.");
            return;
        }
        if first.conditions == rule.conditions {
            let what =
                format!("{} stands here with another cache than at {}", quoted(&rule.text), first.origin);
            self.problem(path, what, "Keep one of the two.");
            return;
        }
        let what = format!(
            "{} stands here with other conditions than at {}, which leaves open which of them hold",
            quoted(&rule.text),
            first.origin
        );
        self.problem(path, what, "Write one rule for the operation, with all of its conditions; of alternatives, each in a policy of its own.");
    }
}

/// What is wrong, and what to write instead.
fn sentences(why: &str) -> (&str, &str) {
    why.split_once(". ").unwrap_or((why.trim_end_matches('.'), ""))
}
