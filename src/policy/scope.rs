//! The tenants that a grant is about.

use std::collections::HashSet;

use super::permit::Tenant;
use crate::{
    config::{TenantMatch, TenantScope},
    ids::{CallerName, TenantName},
};

/// The tenants that a caller may name, whether they are there already or not.
#[derive(Debug)]
pub(super) enum Scope {
    All,
    Only {
        names: HashSet<TenantName>,
        /// Patterns, labels, and those that the caller had created.
        others: Box<[TenantMatch]>,
    },
}

impl Scope {
    pub(super) fn of(written: &TenantScope) -> Self {
        let TenantScope::Only(matches) = written else { return Self::All };
        let (mut names, mut others) = (HashSet::new(), Vec::new());
        for one in matches {
            match one {
                TenantMatch::Name(name) => drop(names.insert(name.clone())),
                TenantMatch::Pattern(_) | TenantMatch::Label(_) | TenantMatch::Created => {
                    others.push(one.clone())
                }
            }
        }
        Self::Only { names, others: others.into() }
    }

    /// Whether the caller whose scope this is may name a tenant.
    pub(super) fn includes<T: Tenant>(&self, caller: &CallerName, tenant: &T) -> bool {
        match self {
            Self::All => true,
            Self::Only { names, others } => {
                names.contains(tenant.name()) || others.iter().any(|one| one.matches(caller, tenant.config()))
            }
        }
    }

    /// The one tenant that it can only be, by its name.
    pub(super) fn only_name(&self) -> Option<&str> {
        match self {
            Self::Only { names, others } if names.len() == 1 && others.is_empty() => {
                names.iter().next().map(TenantName::as_str)
            }
            _ => None,
        }
    }
}
