//! Which of a tenant's tokens a grant is for: the tenant's own, or one with other scopes or for an organization.
//! Resolved when the configuration is loaded, so that a request carries this value and nothing that it says can
//! choose another token.

use std::sync::Arc;

use crate::config;

/// Which of a tenant's tokens.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum TokenSpec {
    /// As the tenant's configuration says.
    #[default]
    Own,
    /// As the caller's grant says instead.
    Narrowed(Arc<Narrowing>),
}

/// What a grant asks a token for instead of what its tenant says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Narrowing {
    /// Instead of the tenant's scopes.
    pub scopes: Option<Vec<String>>,
    /// Instead of the tenant's organization.
    pub organization_id: Option<String>,
    /// Instead of the Management API: one of the tenant's further resources.
    pub resource: Option<String>,
}

impl TokenSpec {
    /// What the caller's grant says; equal ones share their place in `known`, which a new one joins.
    pub(super) fn of(caller: &config::Caller, known: &mut Vec<Arc<Narrowing>>) -> Self {
        let narrowing = Narrowing {
            scopes: caller.scopes.clone(),
            organization_id: caller.organization_id.clone(),
            resource: None,
        };
        if narrowing.scopes.is_none() && narrowing.organization_id.is_none() {
            return Self::Own;
        }
        if let Some(same) = known.iter().find(|other| ***other == narrowing) {
            return Self::Narrowed(same.clone());
        }
        let narrowing = Arc::new(narrowing);
        known.push(narrowing.clone());
        Self::Narrowed(narrowing)
    }

    /// The same for one of the tenant's further resources, for which it is asked for that resource's scopes.
    pub(super) fn at(&self, further: &config::Resource) -> Narrowing {
        let organization_id = match self {
            Self::Own => None,
            Self::Narrowed(narrowing) => narrowing.organization_id.clone(),
        };
        let scopes = Some(further.scopes.clone());
        Narrowing { scopes, organization_id, resource: Some(further.resource.clone()) }
    }

    /// The scopes that it has at `tenant`.
    pub(super) fn scopes<'t>(&'t self, tenant: &'t config::Tenant) -> &'t [String] {
        match self {
            Self::Narrowed(narrowing) => narrowing.scopes.as_ref().unwrap_or(&tenant.scopes),
            Self::Own => &tenant.scopes,
        }
    }

    /// The organization that it is for at `tenant`.
    pub(super) fn organization_id<'t>(&'t self, tenant: &'t config::Tenant) -> Option<&'t str> {
        let narrowed = match self {
            Self::Narrowed(narrowing) => narrowing.organization_id.as_deref(),
            Self::Own => None,
        };
        narrowed.or(tenant.organization_id.as_deref())
    }
}
