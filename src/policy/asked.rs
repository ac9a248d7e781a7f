//! What a client asks the broker for, against what its grant says. It chooses among tokens that the configuration has
//! settled, and never widens one: what is not there is refused, and never answered with another token.

use super::{refusal::Refusal, token_spec::TokenSpec};
use crate::config::{self, Issue};

/// What a token request asks for; what it leaves out is the grant's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Asked<'r> {
    /// RFC 8707
    pub resource: Option<&'r str>,
    /// Logto's
    pub organization_id: Option<&'r str>,
    /// RFC 6749 section 3.3: separated by spaces.
    pub scope: Option<&'r str>,
}

impl Asked<'_> {
    /// The token at `tenant` that a grant of `own` has for what is asked.
    ///
    /// # Errors
    /// [`Refusal`]: there is none.
    pub(super) fn of(
        &self,
        own: &TokenSpec,
        issue: Issue,
        tenant: &config::Tenant,
    ) -> Result<TokenSpec, Refusal> {
        let spec = match self.resource {
            Some(resource) if resource != tenant.resource => {
                let further = tenant.resources.iter().find(|further| further.resource == resource);
                // A token of ours is good for the Management API alone.
                let further =
                    further.filter(|_| issue == Issue::Upstream).ok_or(Refusal::ResourceNotGranted)?;
                TokenSpec::Narrowed(own.at(further).into())
            }
            _ => own.clone(),
        };
        if self.organization_id.is_some() && self.organization_id != spec.organization_id(tenant) {
            return Err(Refusal::OrganizationNotGranted);
        }
        let has = |asked: &str| {
            spec.scopes(tenant).iter().flat_map(|own| own.split_ascii_whitespace()).any(|own| own == asked)
        };
        if !self.scope.unwrap_or_default().split_ascii_whitespace().all(has) {
            return Err(Refusal::ScopeNotGranted);
        }
        Ok(spec)
    }
}
