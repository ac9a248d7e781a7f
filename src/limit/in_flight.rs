//! How many requests to one tenant are under way. Logto has 20 database connections a tenant and answers
//! 500 when they are gone (fact 8.5), so the rest waits here, in a line that is bounded. A place is kept until the answer
//! begins, when Logto is done with its database, and not until the caller has taken it. Who decides which of those who wait
//! is next sees to it that no caller and no operation stops the others: `in_flight/places.rs`.

mod late;
mod places;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::oneshot;

pub use self::late::{Entering, LatePlace};
pub(super) use self::places::Who;
use self::places::{Places, Waiter};
use super::error::LimitError;
use crate::ids::TenantName;

/// The places of one tenant.
#[derive(Debug)]
pub struct InFlight {
    tenant: TenantName,
    max: usize,
    queue: usize,
    /// Made when the first one is taken: most tenants are seldom asked.
    places: OnceLock<Box<Mutex<Places<InFlightGuard>>>>,
}

/// A place; given back when dropped.
#[derive(Debug)]
pub struct InFlightGuard {
    of: Arc<InFlight>,
    who: Who,
}

/// An answer that its caller has yet to take. It holds no place, but counts against its caller until it is dropped.
#[derive(Debug)]
pub struct UnreadGuard {
    of: Arc<InFlight>,
    who: Who,
}

impl InFlight {
    /// `max` requests under way, and `queue` that wait.
    pub fn new(tenant: TenantName, max: usize, queue: usize) -> Self {
        Self { tenant, max: max.max(1), queue, places: OnceLock::new() }
    }

    /// Whether it has these bounds.
    pub fn is(&self, max: usize, queue: usize) -> bool {
        self.max == max && self.queue == queue
    }

    /// Requests under way, those whose answers are being taken included.
    pub fn used(&self) -> usize {
        if self.places.get().is_none() {
            return 0;
        }
        let places = self.lock();
        places.used() + places.unread()
    }

    /// A place, if there is one now.
    pub fn enter_now(self: &Arc<Self>, who: Who) -> Option<InFlightGuard> {
        self.lock().take(who).then(|| self.guard(who))
    }

    /// Waits for a place. Cancel-safe: whoever stops waiting leaves the line.
    ///
    /// # Errors
    /// [`LimitError::Overloaded`] when the line is full, or has become so and is mostly this caller's.
    pub async fn enter(self: &Arc<Self>, who: Who) -> Result<InFlightGuard, LimitError> {
        let (id, place) = {
            let mut places = self.lock();
            if places.take(who) {
                return Ok(self.guard(who));
            }
            let (place_to, place) = oneshot::channel();
            let id = places.join(who, place_to, self.queue).ok_or_else(|| self.overloaded())?;
            (id, place)
        };
        let _in_line = InLine { of: self, id };
        // Without a place, it was another caller that was let into the line instead.
        place.await.map_err(|_| self.overloaded())
    }

    /// The same for a request of Claviger's own, on nobody's behalf.
    ///
    /// # Errors
    /// [`LimitError::Overloaded`].
    pub async fn enter_for_ourselves(self: &Arc<Self>) -> Result<InFlightGuard, LimitError> {
        self.enter(Who::OURSELVES).await
    }

    fn guard(self: &Arc<Self>, who: Who) -> InFlightGuard {
        InFlightGuard { of: self.clone(), who }
    }

    /// After something was given back: hands out what is free now.
    fn hand_out(self: &Arc<Self>, mut places: MutexGuard<'_, Places<InFlightGuard>>) {
        let mut gone = Vec::new();
        while let Some(Waiter { who, place, .. }) = places.next() {
            // Whoever has just left gives the place back, once the lock is free.
            gone.extend(place.send(self.guard(who)).err());
        }
        drop(places);
        drop(gone);
    }

    fn overloaded(&self) -> LimitError {
        LimitError::Overloaded { tenant: self.tenant.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, Places<InFlightGuard>> {
        let places = self.places.get_or_init(|| Box::new(Mutex::new(Places::new(self.max))));
        places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InFlightGuard {
    /// Gives the place back, as the answer has begun; what is left is its caller's affair.
    pub fn answered(self) -> UnreadGuard {
        self.of.lock().begin_unread(self.who);
        UnreadGuard { of: self.of.clone(), who: self.who }
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        let mut places = self.of.lock();
        places.give_back(self.who);
        self.of.hand_out(places);
    }
}

impl Drop for UnreadGuard {
    fn drop(&mut self) {
        let mut places = self.of.lock();
        places.end_unread(self.who);
        self.of.hand_out(places);
    }
}

struct InLine<'a> {
    of: &'a InFlight,
    id: u64,
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.of.lock().leave(self.id);
    }
}

#[cfg(test)]
mod tests;
