//! How many requests to one tenant are under way. Logto has 20 database connections a tenant and answers
//! 500 when they are gone (fact 8.5), so the rest waits here, in order of arrival, in a line that is bounded.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::LimitError;
use crate::ids::TenantName;

/// The places of one tenant.
#[derive(Debug)]
pub struct InFlight {
    tenant: TenantName,
    places: Arc<Semaphore>,
    max: usize,
    queue: usize,
    waiting: AtomicUsize,
}

/// A place; given back when dropped, which is when the answer's body has ended.
#[derive(Debug)]
pub struct InFlightGuard {
    _permit: OwnedSemaphorePermit,
}

impl InFlight {
    /// `max` requests under way, and `queue` that wait.
    pub fn new(tenant: TenantName, max: usize, queue: usize) -> Self {
        let max = max.clamp(1, Semaphore::MAX_PERMITS);
        Self { tenant, places: Arc::new(Semaphore::new(max)), max, queue, waiting: AtomicUsize::new(0) }
    }

    /// Whether it has these bounds.
    pub fn is(&self, max: usize, queue: usize) -> bool {
        self.max == max && self.queue == queue
    }

    /// Requests under way.
    pub fn used(&self) -> usize {
        self.max - self.places.available_permits().min(self.max)
    }

    /// Waits for a place. Cancel-safe: whoever stops waiting leaves the line.
    ///
    /// # Errors
    /// [`LimitError::Overloaded`] when the line is full.
    pub async fn enter(&self) -> Result<InFlightGuard, LimitError> {
        if let Ok(permit) = self.places.clone().try_acquire_owned() {
            return Ok(InFlightGuard { _permit: permit });
        }
        let _in_line = InLine::join(&self.waiting, self.queue).ok_or_else(|| self.overloaded())?;
        let permit = self.places.clone().acquire_owned().await.map_err(|_| self.overloaded())?;
        Ok(InFlightGuard { _permit: permit })
    }

    fn overloaded(&self) -> LimitError {
        LimitError::Overloaded { tenant: self.tenant.clone() }
    }
}

struct InLine<'a>(&'a AtomicUsize);

impl<'a> InLine<'a> {
    fn join(waiting: &'a AtomicUsize, max: usize) -> Option<Self> {
        waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < max).then_some(n + 1))
            .ok()
            .map(|_| Self(waiting))
    }
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn the_line_is_bounded_in_order_and_can_be_left() {
        let tenant = TenantName::parse("acme").unwrap();
        let places = InFlight::new(tenant.clone(), 1, 2);
        let slot = places.enter().await.unwrap();
        assert_eq!(places.used(), 1);
        let mut first = Box::pin(places.enter());
        let mut second = Box::pin(places.enter());
        assert!((&mut first).now_or_never().is_none() && (&mut second).now_or_never().is_none());
        let refused = places.enter().now_or_never().unwrap();
        assert_eq!(refused.unwrap_err(), LimitError::Overloaded { tenant });
        drop(first);
        let mut third = Box::pin(places.enter());
        assert!((&mut third).now_or_never().is_none(), "a place in the line was left");
        drop(slot);
        let slot = (&mut second).now_or_never().unwrap().unwrap();
        assert!((&mut third).now_or_never().is_none());
        drop(slot);
        assert!(third.now_or_never().unwrap().is_ok());
    }
}
