//! What may be shown of a slot: no token, no secret, and no digest of one.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::{
    ids::TenantName,
    token::{error::TokenError, slot::Slot},
};

/// What may be shown of a slot.
#[derive(Debug, Clone)]
pub struct SlotStatus {
    /// Whose token.
    pub tenant: TenantName,
    /// For which API.
    pub resource: Arc<str>,
    /// With which scopes.
    pub scopes: Vec<String>,
    /// For which organization.
    pub organization_id: Option<String>,
    /// How many tokens there have been.
    pub generation: u64,
    /// Time since the current token was asked for; `None` without one.
    pub age: Option<Duration>,
    /// How long it will still be used; `None` without one.
    pub usable_for: Option<Duration>,
    /// When the issuer will call the last token expired, or has; `None` without one.
    pub expiry: Option<SystemTime>,
    /// Grants that failed since the last one that succeeded.
    pub consecutive_failures: u32,
    /// Why the last one failed; `None` after one that succeeded.
    pub last_error: Option<TokenError>,
    /// Time since it failed.
    pub failed: Option<Duration>,
}

impl Slot {
    pub(in crate::token) fn status(&self) -> SlotStatus {
        let now = self.shared.clock.now();
        let state = self.state();
        let token = self.usable(now);
        SlotStatus {
            tenant: self.key.tenant.clone(),
            resource: self.key.resource.clone(),
            scopes: self.key.scopes.iter().cloned().collect(),
            organization_id: self.key.organization_id.clone(),
            generation: state.generation,
            age: token.as_ref().map(|token| token.age(now)),
            usable_for: token.as_ref().map(|token| token.usable_for(now)),
            expiry: self.held.current().map(|token| token.expiry()),
            consecutive_failures: state.cooldown.as_ref().map_or(0, |cooldown| cooldown.failures),
            last_error: state.cooldown.as_ref().map(|cooldown| cooldown.error.clone()),
            failed: state.cooldown.as_ref().map(|it| now.instant.saturating_duration_since(it.since)),
        }
    }
}
