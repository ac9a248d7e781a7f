//! A tenant's quota: what it allows us, whoever of our callers asks. Counts what is drawn.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use prometheus::IntCounter;
use tokio::time::Instant;

use super::{
    error::LimitError,
    limiter::Limiter,
    pauses::{Pauses, Throttled},
};
use crate::{config::Rate, ids::TenantName};

/// What a tenant allows us. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Quota {
    tenant: TenantName,
    limiter: Arc<dyn Limiter>,
    /// Of operations that the upstream throttles by themselves.
    pauses: Arc<Pauses>,
    /// Of a tenant with a rate; made by the first draw.
    used: Option<Arc<Used>>,
}

/// A counter that is made when it first counts: a series of its own for each of ten thousand tenants takes more than they do.
struct Used {
    counter: OnceLock<IntCounter>,
    make: Box<dyn Fn() -> IntCounter + Send + Sync>,
}

impl fmt::Debug for Used {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Used({:?})", self.counter.get().map(IntCounter::get))
    }
}

impl Quota {
    /// The quota of `tenant` as `limiter` keeps it. `used` makes the counter of draws, where there is a rate to draw on.
    pub fn new(
        tenant: TenantName,
        limiter: Arc<dyn Limiter>,
        used: impl Fn() -> IntCounter + Send + Sync + 'static,
    ) -> Self {
        let used = limiter.rate().map(|_| Arc::new(Used { counter: OnceLock::new(), make: Box::new(used) }));
        Self { tenant, limiter, pauses: Arc::new(Pauses::new()), used }
    }

    /// The same for other settings of the tenant: the same allowance, while its rate is.
    #[must_use]
    pub fn carried_over(&self, rate: Option<Rate>) -> Option<Self> {
        (self.limiter.rate() == rate).then(|| self.clone())
    }

    /// Draws one request, or says how long until there is one.
    ///
    /// # Errors
    /// The time after which a request would pass.
    pub async fn draw(&self) -> Result<(), Duration> {
        self.limiter.take(Instant::now()).await.inspect(|()| {
            if let Some(used) = &self.used {
                used.counter.get_or_init(&used.make).inc();
            }
        })
    }

    /// The same for a request of this operation, whose caller is told.
    ///
    /// # Errors
    /// [`LimitError::Quota`].
    pub async fn admit(&self, operation: usize) -> Result<(), LimitError> {
        let refused = |rate, wait| LimitError::Quota { tenant: self.tenant.clone(), rate, wait };
        if let Some(wait) = self.pauses.left(operation, Instant::now()) {
            return Err(refused(None, wait));
        }
        self.draw().await.map_err(|wait| refused(self.limiter.rate(), wait))
    }

    /// The upstream asked for a pause of `wait` when this operation came: no request of it passes until then, and none at
    /// all where others were throttled just before.
    pub fn pause(&self, operation: usize, wait: Duration) {
        let now = Instant::now();
        if self.pauses.pause(operation, now, wait) == Throttled::Tenant {
            self.limiter.pause(now, wait);
        }
    }

    /// Requests left now.
    pub fn remaining(&self) -> Option<u32> {
        self.limiter.remaining(Instant::now())
    }
}
