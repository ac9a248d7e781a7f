//! Counts what comes of waiting for a tenant's quota. Handles are looked up here and not kept: whoever waits has the time, and
//! ten thousand tenants that nobody waits for have no histograms.

use std::{sync::Arc, time::Duration};

use prometheus::IntCounter;

use crate::{config::Class, ids::TenantName, limit::QuotaMeter, observe::Metrics};

/// Of one tenant.
#[derive(Debug)]
pub(super) struct Meter {
    pub(super) metrics: Arc<Metrics>,
    pub(super) tenant: TenantName,
}

impl QuotaMeter for Meter {
    fn used(&self) -> IntCounter {
        self.metrics.quota_used.of([&self.tenant])
    }

    fn waited(&self, class: Class, wait: Duration) {
        self.metrics.quota_wait.of([&self.tenant, &class.name()]).observe(wait.as_secs_f64());
    }

    fn refused(&self, class: Class) {
        self.metrics.quota_rejected.of([&self.tenant, &class.name()]).inc();
    }

    fn narrowed(&self, pace: f64) {
        tracing::warn!(tenant = %self.tenant, pace = %format_args!("{:.0}%", pace * 100.0),
            "the tenant's quota is used up by our count of it or others': fewer requests are sent, and more again step by step");
    }
}
