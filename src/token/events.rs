//! What the engine tells about itself: the seam to metrics. Implementations must be quick and must not call
//! back into the engine.

use std::time::Duration;

use crate::ids::TenantName;

/// How a request found its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheResult {
    /// Fresh.
    Hit,
    /// Good, but due for renewal.
    Stale,
    /// None: the request waited, or failed.
    Miss,
}

/// Receiver of the engine's events. Every method does nothing by default.
pub trait Events: Send + Sync {
    /// A token request goes out.
    fn grant_started(&self, _tenant: &TenantName) {}
    /// It ended: `ok`, or the label of its fault.
    fn grant_finished(&self, _tenant: &TenantName, _outcome: &'static str, _took: Duration) {}
    /// A request looked for a token.
    fn cache(&self, _tenant: &TenantName, _result: CacheResult) {}
    /// One secret was refused, and the other one worked.
    fn secret_fallback(&self, _tenant: &TenantName) {}
}

/// Nobody listens.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoEvents;

impl Events for NoEvents {}
