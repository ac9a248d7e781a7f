//! What a caller may do, as a value of its own: so that it can be described on another thread, and once for all callers that
//! may do the same.

use std::sync::Arc;

use super::{decide::RuleSet, extent::Extents, reveal::Reveals};
use crate::catalog::{Catalog, Op, Secrets};

/// What a caller may do.
#[derive(Debug, Clone)]
pub struct Rights {
    /// The operations that the rules are about.
    pub catalog: Arc<Catalog>,
    pub(super) rules: Arc<RuleSet>,
    pub(super) reveals: Reveals,
}

impl Rights {
    /// How far the rules reach into operations.
    pub fn extents(&self) -> Extents<'_> {
        Extents::new(&self.catalog, &self.rules)
    }

    /// What the caller does not see of an operation's answers.
    pub fn hidden(&self, op: Option<Op>) -> Hidden {
        let reveals = |query| self.reveals.hidden(&self.catalog, op, query);
        match (reveals(None), op.and_then(|op| self.catalog.secret_asked_by(op))) {
            (Some(secrets), _) if secrets.are_known() => Hidden::Places(secrets),
            (Some(_), _) => Hidden::ByName,
            (None, Some(parameter)) => match reveals(Some(parameter)) {
                Some(secrets) => Hidden::WhenAsked(parameter, secrets),
                None => Hidden::Nothing,
            },
            (None, None) => Hidden::Nothing,
        }
    }
}

/// What is masked in the answers of an operation.
#[derive(Debug)]
pub enum Hidden {
    /// Nothing: there are no secrets in them, or the caller sees them.
    Nothing,
    /// What stands at these places.
    Places(&'static Secrets),
    /// Only where this parameter of the query asks for it.
    WhenAsked(&'static str, &'static Secrets),
    /// Whatever has the name of a secret: nobody knows the operation.
    ByName,
}
