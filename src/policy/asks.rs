//! What tokens are asked for: a caller's grant may ask for fewer scopes than its tenant's, or for an organization.
//! Resolved when the configuration is loaded, so that a request carries a number and nothing that it says can
//! choose another token.

use crate::{config, ids::TokenIndex};

/// What a token is asked for instead of what its tenant says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Instead of the tenant's scopes.
    pub scopes: Option<Vec<String>>,
    /// Instead of the tenant's organization.
    pub organization_id: Option<String>,
}

impl Ask {
    /// What the caller's grant says; `None`: nothing of its own.
    pub(super) fn of(caller: &config::Caller) -> Option<Self> {
        let ask = Self { scopes: caller.scopes.clone(), organization_id: caller.organization_id.clone() };
        (ask.scopes.is_some() || ask.organization_id.is_some()).then_some(ask)
    }

    /// Its place among the tokens of a tenant, whose asks it joins if it is new.
    pub(super) fn place(ask: Option<&Self>, all: &mut Vec<Self>) -> TokenIndex {
        let Some(ask) = ask else { return TokenIndex::OWN };
        let at = all.iter().position(|other| other == ask).unwrap_or_else(|| {
            all.push(ask.clone());
            all.len() - 1
        });
        TokenIndex(at + 1)
    }
}
