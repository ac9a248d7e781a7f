//! Rules of `allow` lists that allow nothing, as `deny` of the same policy takes all of it: whoever wrote both expects one of
//! them to do something.

use super::rules::{Effect, Rule};
use crate::{
    catalog::{Api, Catalog, ops::OpSet},
    config::{Config, Policy, Problem, RuleText},
};

/// A warning for each.
pub fn idle_allows(config: &Config) -> Vec<Problem> {
    let catalog = &config.catalog.catalog;
    let of = |policy: &Policy| {
        let idle = policy.allow.iter().filter_map(|rule| idle(catalog, policy, rule));
        idle.collect::<Vec<_>>()
    };
    config.policies.iter().flat_map(of).collect()
}

fn idle(catalog: &Catalog, policy: &Policy, allow: &RuleText) -> Option<Problem> {
    let (text, catalog) = (&allow.text, catalog.about(&allow.text));
    let rule = Rule::parse(catalog, Effect::Allow, text).ok()?;
    let covered = rule.coverage(Effect::Allow, catalog);
    let named = |op| rule.names(op).then_some(op);
    let named: OpSet = covered.whole.iter().filter_map(named).collect();
    let allowed = (covered.whole - catalog.sensitive() - catalog.withheld()) | named;
    // What reaches beyond the catalog may allow something all the same.
    let is_known = covered.in_part.is_empty()
        && !matches!(&rule, Rule::Template { template, .. } if template.has_tail());
    if allowed.is_empty() || !is_known {
        return None;
    }
    let mut left = allowed;
    let mut denying = Vec::new();
    let is_about = |deny: &str| deny.trim() == "*" || Api::of_rule(deny) == catalog.api();
    for deny in policy.deny.iter().filter(|deny| is_about(&deny.text)) {
        let Ok(rule) = Rule::parse(catalog, Effect::Deny, &deny.text) else { continue };
        let denied = rule.coverage(Effect::Deny, catalog).whole;
        if allowed.iter().any(|op| denied.contains(op)) {
            denying.push(format!("{:?}", deny.text));
        }
        left = left - denied;
    }
    left.is_empty().then(|| Problem {
        key: format!("policies.{}.allow", policy.name),
        origin: Some(allow.origin.clone()),
        what: format!("{text:?} allows nothing: deny {} takes all of it", denying.join(", ")),
        remedy: "Take one of them out, or narrow deny.".into(),
    })
}
