//! Counts what the token engine tells of its grants: neither it nor the metrics know of each other.

use std::{sync::Arc, time::Duration};

use crate::{ids::TenantName, observe::Metrics, token::GrantEvents};

/// What the token engine tells, as metrics.
#[derive(Debug)]
pub struct GrantMetrics(pub Arc<Metrics>);

impl GrantEvents for GrantMetrics {
    fn grant_finished(&self, tenant: &TenantName, outcome: &'static str, took: Duration) {
        self.0.token_requests.of([tenant, &outcome]).inc();
        self.0.token_duration.of([tenant]).observe(took.as_secs_f64());
    }

    fn taken(&self, tenant: &TenantName) {
        self.0.token_shared.of([tenant]).inc();
    }

    fn secret_fallback(&self, tenant: &TenantName) {
        self.0.token_secret_fallbacks.of([tenant]).inc();
    }
}
