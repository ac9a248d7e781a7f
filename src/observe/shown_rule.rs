//! A rule as the audit log and the stream of requests write it.

use serde::Serialize;

use crate::policy::{decide::RuleSource, rules::Effect};

/// The rule that decided about a request.
#[derive(Debug, Serialize)]
pub struct ShownRule {
    pub(super) policy: String,
    pub(super) effect: &'static str,
    pub(super) text: String,
    pub(super) conditions: bool,
    pub(super) origin: String,
}

impl ShownRule {
    /// Of a rule and where it comes from.
    pub fn of(source: &RuleSource) -> Self {
        Self {
            policy: source.policy.as_str().to_owned(),
            effect: match source.effect {
                Effect::Allow => "allow",
                Effect::Deny => "deny",
            },
            text: source.rule.text.clone(),
            conditions: source.rule.conditions.is_some(),
            origin: source.rule.origin.to_string(),
        }
    }
}
