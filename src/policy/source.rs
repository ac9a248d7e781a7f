//! Where a rule comes from: what its author wrote, in which policy, at which line. For whoever is told about a
//! decision; deciding itself never looks here.

use std::{fmt, sync::Arc};

use super::rules::{Effect, RuleError};
use crate::{
    config::{Origin, RuleText},
    ids::PolicyName,
};

/// A rule, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleSource {
    /// Whether it allows or denies.
    pub effect: Effect,
    /// As written, and where.
    pub rule: Arc<RuleText>,
    /// In which policy.
    pub policy: PolicyName,
}

impl fmt::Display for RuleSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = match self.effect {
            Effect::Allow => "allow",
            Effect::Deny => "deny",
        };
        write!(f, "{list} {:?} of policy {} ({})", self.rule.text, self.policy, self.rule.origin)
    }
}

/// A rule that is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: {error}")]
pub struct RuleProblem {
    /// Where it stands.
    pub origin: Origin,
    /// What is wrong with it.
    pub error: RuleError,
}
