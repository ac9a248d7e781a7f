//! What is said of the process as a whole, and which metrics are there before they count anything.

use std::{collections::HashMap, sync::atomic::Ordering::Relaxed, time::SystemTime};

use super::{Metrics, closed, families};
use crate::{ids::TenantName, observe::LastWithheld};

/// Tenants whose counters are there before they count anything.
pub(super) const MOST_PRESENT: usize = 100;

impl Metrics {
    /// A tenant is there: the counters of its that have labels of closed sets beside it are there from now on, up to so many
    /// tenants that a scrape stays small. Those of the others are there once they count something.
    pub(in crate::observe) fn tenant_added(&self, tenant: &TenantName) {
        if self.tenants.fetch_add(1, Relaxed) >= MOST_PRESENT {
            return;
        }
        for outcome in closed::TOKEN_REQUESTS {
            self.token_requests.of([tenant, outcome]);
        }
        for family in [
            &self.token_shared,
            &self.token_secret_fallbacks,
            &self.quota_used,
            &self.echo_guard,
            &self.circuit_opened,
        ] {
            family.of([tenant]);
        }
        self.token_duration.of([tenant]);
    }

    /// An answer of this tenant was withheld: `what` says so in a sentence.
    pub(in crate::observe) fn withheld(&self, tenant: &str, is_echo: bool, what: String) {
        self.withheld.add(tenant, is_echo, what);
    }

    /// What was withheld since the last look, by tenant. There is one who looks: what is told here is told once.
    pub fn take_withheld(&self) -> HashMap<Box<str>, LastWithheld> {
        self.withheld.take()
    }

    /// The configuration was read: taken over at `taken_over`, or refused.
    pub fn reloaded(&self, taken_over: Option<SystemTime>) {
        self.reload_ok.set(taken_over.is_some().into());
        if let Some(at) = taken_over {
            self.reload_time.set(families::unix_seconds(at));
        }
    }

    /// The process started at this time.
    pub fn started(&self, at: SystemTime) {
        self.process.started(at);
    }

    /// The Prometheus text format, version 0.0.4. `set` sets the gauges that are set for each scrape: what it leaves out is
    /// not shown.
    pub fn render_with(&self, set: impl FnOnce()) -> String {
        self.families.render_with(|| {
            self.process.read();
            set();
        })
    }
}
