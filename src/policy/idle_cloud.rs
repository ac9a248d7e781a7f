//! Rules about the Logto Cloud API that come to nothing as the rest of the configuration is: none of their callers may use an
//! account, or there is nowhere to keep what a new tenant's credential is.

use super::rules::{Effect, Rule};
use crate::{
    catalog::{Api, CREATE_TENANT, Catalog},
    config::{Caller, Config, Policy, Problem, RuleText},
};

/// A warning for each policy.
pub fn idle_cloud(config: &Config) -> Vec<Problem> {
    config.policies.iter().filter_map(|policy| idle(config, policy)).collect()
}

fn idle(config: &Config, policy: &Policy) -> Option<Problem> {
    let is_of_cloud = |rule: &&RuleText| Api::of_rule(&rule.text) == Api::Cloud;
    let mut rules = policy.allow.iter().map(|rule| &**rule).filter(is_of_cloud);
    let rule = rules.clone().next()?;
    let callers = || config.callers.iter().filter(|caller| caller.policies.contains(&policy.name));
    // A policy that nobody has was said to be one.
    let first = &callers().next()?.name;
    let about = |rule: &RuleText, what: String, remedy: String| Problem {
        key: format!("policies.{}.allow", policy.name),
        origin: Some(rule.origin.clone()),
        what: format!("{:?} {what}", rule.text),
        remedy,
    };
    if callers().all(|caller| caller.cloud.is_empty()) {
        let what = "allows nothing: no caller with this policy may use an account at Logto Cloud".to_owned();
        let remedy = match config.cloud.first() {
            Some(account) => format!("Write callers.{first}.cloud = \"{}\".", account.name),
            None => format!("Write callers.{first}.cloud = \"default\", and [cloud.default] with its token."),
        };
        return Some(about(rule, what, remedy));
    }
    let keeps_nothing = |caller: &Caller| {
        !caller.cloud.is_empty() && !caller.reveal.iter().any(|rule| rule.text == CREATE_TENANT)
    };
    if config.vault.is_some() || !callers().any(keeps_nothing) {
        return None;
    }
    let creating = rules.find(|rule| creates(&config.catalog.catalog, &rule.text))?;
    let what = "creates nothing: there is no vault for the credential of a new tenant".to_owned();
    let remedy =
        "Write [vault] with store = { file = \"/var/lib/claviger/vault.redb\" } and key = { file = \"…\" }.";
    Some(about(creating, what, remedy.to_owned()))
}

/// Whether a rule allows it, which takes one that names it.
fn creates(catalog: &Catalog, text: &str) -> bool {
    let catalog = catalog.about(text);
    let rule = Rule::parse(catalog, Effect::Allow, text).ok();
    catalog.by_id(CREATE_TENANT).is_some_and(|op| rule.is_some_and(|rule| rule.names(op)))
}
