//! What the engine reports of its grants: the interface to metrics, which it does not know. What implements it
//! must be quick and must not call back into the engine. Nothing is told of requests: they count their own looks at a token.

use std::time::Duration;

use crate::ids::TenantName;

/// Learns what became of grants.
pub trait GrantEvents: Send + Sync {
    /// A token request ended after `took`: with `ok`, or the label of its [`Fault`](super::Fault).
    fn grant_finished(&self, tenant: &TenantName, outcome: &'static str, took: Duration);
    /// A token was taken that another replica got.
    fn taken(&self, _tenant: &TenantName) {}
    /// The issuer refused one of two secrets and accepted the other.
    fn secret_fallback(&self, tenant: &TenantName);
}
