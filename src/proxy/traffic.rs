//! What was counted of requests since somebody last looked: by caller, by tenant, and of nobody who was identified. Reads the
//! counters that requests write anyway.

use super::pipeline::Pipeline;
use crate::{ids::CallerName, observe::Tally, upstream::Tenant};

/// What a look tells of, one at a time.
#[derive(Debug, Clone, Copy)]
pub enum Counted<'a> {
    /// Requests of a caller, wherever they were refused or answered.
    Caller(&'a CallerName, Tally),
    /// Requests whose caller is not known.
    Unauthenticated(Tally),
    /// What a tenant made of tries: answers that were served, and tries that failed.
    Tenant(&'a Tenant, Tries),
}

/// What became of tries at an upstream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tries {
    /// Answered, and with no 5xx.
    pub served: u64,
    /// Answered with 5xx, in another unusable way, or not at all.
    pub failed: u64,
    /// Of those that were served: answered with 403 by the upstream's API.
    pub forbidden: u64,
}

impl Pipeline {
    /// Tells what was counted since the last look. There is one who looks: what is told here is told once. Of a caller there may be several
    /// tallies.
    pub fn look(&self, mut tell: impl FnMut(Counted<'_>)) {
        let tally = |counters: &crate::observe::OperationMetrics| {
            let mut tally = Tally::default();
            counters.look(&mut tally);
            tally
        };
        tell(Counted::Unauthenticated(tally(&self.anonymous)));
        for (caller, refused) in self.config.callers.iter().zip(&self.refused) {
            if let Some(refused) = refused.get() {
                tell(Counted::Caller(&caller.name, tally(refused)));
            }
        }
        let mut withheld = self.metrics.take_withheld();
        for tenant in self.tenants.all().into_iter().chain(self.accounts.all()) {
            if let Some(last) = withheld.remove(tenant.config().name.as_str()) {
                tenant.health().withheld(last);
            }
            let health = tenant.health();
            let mut tries =
                Tries { served: 0, failed: health.look(), forbidden: health.look_for_forbidden() };
            tenant.metrics().look(|caller, tally| {
                tries.served += tally.served;
                tell(Counted::Caller(caller, tally));
            });
            tell(Counted::Tenant(&tenant, tries));
        }
    }
}
