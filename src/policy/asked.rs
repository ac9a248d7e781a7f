//! What a client asks the broker for, against what its grant says. It chooses among tokens that the configuration has
//! settled, and never widens one: what is not there is refused, and never answered with another token.

use super::{refusal::Refusal, target::Asked, token_spec::TokenSpec};
use crate::config::{self, Issue};

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
            // A token of ours is for calls here, whatever the client calls this place.
            Some(_) if self.is_of_this_proxy && issue == Issue::Claviger => own.clone(),
            Some(resource) if *resource != *tenant.resource => {
                let further = tenant.resources.iter().find(|further| further.resource == resource);
                // A token of ours is good for the Management API alone.
                let further = further.filter(|_| issue == Issue::Upstream);
                let further =
                    further.ok_or_else(|| Refusal::ResourceNotGranted((*tenant.resource).into()))?;
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
            return Err(Refusal::ScopeNotGranted(spec.scopes(tenant).join(" ").into()));
        }
        Ok(spec)
    }
}
