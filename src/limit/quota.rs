//! A tenant's quota: what it allows us, whoever of our callers asks. Counts what is drawn.

use std::{sync::Arc, time::Duration};

use prometheus::IntCounter;
use tokio::time::Instant;

use super::{error::LimitError, limiter::Limiter};
use crate::{config::Rate, ids::TenantName};

/// What a tenant allows us. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Quota {
    tenant: TenantName,
    limiter: Arc<dyn Limiter>,
    /// Of a tenant with a rate.
    used: Option<IntCounter>,
}

impl Quota {
    /// The quota of `tenant` as `limiter` keeps it. `used` makes the counter of draws, where there is a rate to draw on.
    pub fn new(tenant: TenantName, limiter: Arc<dyn Limiter>, used: impl FnOnce() -> IntCounter) -> Self {
        let used = limiter.rate().map(|_| used());
        Self { tenant, limiter, used }
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
                used.inc();
            }
        })
    }

    /// The same for a request, whose caller is told.
    ///
    /// # Errors
    /// [`LimitError::Quota`].
    pub async fn admit(&self) -> Result<(), LimitError> {
        self.draw().await.map_err(|wait| LimitError::Quota {
            tenant: self.tenant.clone(),
            rate: self.limiter.rate(),
            wait,
        })
    }

    /// Lets nobody pass for `wait`: the upstream asked for it.
    pub fn pause(&self, wait: Duration) {
        self.limiter.pause(Instant::now(), wait);
    }

    /// Requests left now.
    pub fn remaining(&self) -> Option<u32> {
        self.limiter.remaining(Instant::now())
    }
}
