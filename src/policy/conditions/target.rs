//! The target of a permitted request, held back until its conditions are met. Nothing is sent before: upstream
//! takes an [`ApprovedTarget`], and only [`ConditionalTarget::approve`] makes one of what a caller asked for.

use std::sync::Arc;

use http::{HeaderMap, uri::PathAndQuery};

use super::{broken::Unmet, pending::Pending};
use crate::policy::source::RuleSource;

/// What may be sent upstream: a target whose conditions are met. Only [`ConditionalTarget::approve`] makes one of what a
/// caller asked for.
#[derive(Debug, Clone)]
pub struct ApprovedTarget(PathAndQuery);

impl ApprovedTarget {
    /// For a request of Claviger's own, which is of no caller's making: nothing that comes at run time.
    pub fn own(target: &'static str) -> Self {
        Self(PathAndQuery::from_static(target))
    }

    /// The path and query to send, byte for byte.
    pub fn target(&self) -> &PathAndQuery {
        &self.0
    }
}

/// A permitted target that is given out only when its conditions are met.
#[derive(Debug)]
pub struct ConditionalTarget {
    target: PathAndQuery,
    pending: Option<Pending>,
}

impl ConditionalTarget {
    pub(in crate::policy) fn new(target: PathAndQuery, pending: Option<Pending>) -> Self {
        Self { target, pending }
    }

    /// Whether the body has to be whole in memory for [`ConditionalTarget::approve`].
    pub fn looks_at_body(&self) -> bool {
        self.pending.is_some()
    }

    /// The target, if `body` meets the conditions; `None`: it is not at hand, so it meets none. Also the rule
    /// that decided, where it was the body that did.
    ///
    /// # Errors
    /// The condition that is not met, of the first rule that has one.
    pub fn approve(
        self,
        headers: &HeaderMap,
        body: Option<&[u8]>,
    ) -> Result<(ApprovedTarget, Option<Arc<RuleSource>>), Unmet> {
        let rule = match &self.pending {
            None => None,
            Some(pending) => Some(pending.by_body(headers, body)?.clone()),
        };
        Ok((ApprovedTarget(self.target), rule))
    }

    /// Whether `body` meets the conditions, without giving the target out: for whoever sends nothing.
    ///
    /// # Errors
    /// As of [`ConditionalTarget::approve`].
    pub fn check(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), Unmet> {
        match &self.pending {
            None => Ok(()),
            Some(pending) => pending.by_body(headers, Some(body)).map(drop),
        }
    }

    /// The target to look at; to send it, it has to be approved.
    pub fn target(&self) -> &PathAndQuery {
        &self.target
    }
}
