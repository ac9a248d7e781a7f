//! Where a rule comes from: what its author wrote, in which policy, at which line. For messages about a
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
    /// From which of the two lists of the policy.
    pub effect: Effect,
    /// Its text and line, shared with the configuration that it was read from.
    pub rule: Arc<RuleText>,
    /// The policy that a reader has to change to change the rule.
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
    /// File and line, or the environment variable.
    pub origin: Origin,
    /// With what to write instead.
    pub error: RuleError,
}
