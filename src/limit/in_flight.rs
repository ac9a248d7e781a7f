//! How many requests to one tenant are under way. Logto has 20 database connections a tenant and answers
//! 500 when they are gone (fact 8.5), so the rest waits here, in a line that is bounded. A place is kept until the answer
//! begins, when Logto is done with its database, and not until the caller has taken it. Who decides which of those who wait
//! is next sees to it that no caller and no operation stops the others: `in_flight/places.rs`. While the tenant is overloaded there are fewer
//! places: `in_flight/congestion.rs`.

mod congestion;
mod late;
mod places;
mod turnover;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{sync::oneshot, time::Instant};

pub use self::late::{Entering, LatePlace};
pub use self::places::Who;
use self::{
    congestion::Congestion,
    places::{Places, Waiter},
};
use super::error::LimitError;
use crate::{
    config::Class,
    ids::{OperationId, TenantName},
};

/// The places of one tenant.
#[derive(Debug)]
pub struct InFlight {
    tenant: TenantName,
    bounds: Bounds,
    /// Made when the first one is taken: most tenants are seldom asked.
    places: OnceLock<Box<Mutex<Places<InFlightGuard>>>>,
    /// Made with the first sign of an overload.
    congestion: OnceLock<Box<Mutex<Congestion>>>,
    /// While it is, a good answer is no news.
    is_stirred: AtomicBool,
}

/// How many there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Requests under way (`max_in_flight`).
    pub max: usize,
    /// Requests that wait (`limits.queue`).
    pub queue: usize,
    /// Whether there are fewer while the tenant is overloaded (`limits.adaptive`).
    pub adaptive: bool,
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
    /// Within these bounds.
    pub fn new(tenant: TenantName, bounds: Bounds) -> Self {
        let bounds = Bounds { max: bounds.max.max(1), ..bounds };
        Self {
            tenant,
            bounds,
            places: OnceLock::new(),
            congestion: OnceLock::new(),
            is_stirred: AtomicBool::new(false),
        }
    }

    /// Whether it has these bounds.
    pub fn is(&self, bounds: Bounds) -> bool {
        self.bounds == bounds
    }

    /// Requests under way, those whose answers are being taken included.
    pub fn used(&self) -> usize {
        if self.places.get().is_none() {
            return 0;
        }
        let places = self.lock();
        places.used() + places.unread()
    }

    /// Requests that wait for a place, by class.
    pub fn waiting(&self) -> [usize; 3] {
        if self.places.get().is_some() { self.lock().waiting() } else { [0; 3] }
    }

    /// How many places there are now: fewer than configured while the tenant is overloaded.
    pub fn limit(&self) -> usize {
        let lock = |it: &Mutex<Congestion>| it.lock().unwrap_or_else(PoisonError::into_inner).limit();
        self.congestion.get().map_or(self.bounds.max, |it| lock(it))
    }

    /// An answer to what was sent at `sent` came as it usually does.
    pub fn fine(self: &Arc<Self>, sent: Instant, now: Instant) {
        if self.is_stirred.load(Relaxed) {
            self.adapt(|congestion| congestion.fine(sent, now));
        }
    }

    /// There is a sign that the tenant is overloaded: what became of a request of this operation that was sent at `sent`.
    pub fn overburdened(self: &Arc<Self>, operation: OperationId, sent: Instant, now: Instant) {
        if self.bounds.adaptive {
            self.adapt(|congestion| congestion.sign(operation, sent, now));
        }
    }

    fn adapt(self: &Arc<Self>, observe: impl FnOnce(&mut Congestion) -> Option<usize>) {
        let make = || Box::new(Mutex::new(Congestion::new(self.bounds.max)));
        let mut congestion = self.congestion.get_or_init(make).lock().unwrap_or_else(PoisonError::into_inner);
        let before = congestion.limit();
        let changed = observe(&mut congestion);
        self.is_stirred.store(!congestion.is_at_rest(), Relaxed);
        let Some(limit) = changed else { return };
        // Under both locks, so that of two changes the last one counts; nobody takes them the other way round.
        let mut places = self.lock();
        places.set_limit(limit);
        drop(congestion);
        self.hand_out(places);
        let (tenant, max) = (&self.tenant, self.bounds.max);
        if limit < before {
            tracing::warn!(%tenant, limit, max, "Logto is overloaded: fewer requests are sent at one time, and more again step by step");
        } else if limit == max {
            tracing::info!(%tenant, max, "Logto is no longer overloaded: as many requests are sent at one time as before");
        }
    }

    /// A place, if there is one now.
    pub fn enter_now(self: &Arc<Self>, who: Who) -> Option<InFlightGuard> {
        self.lock().take(who).then(|| self.guard(who))
    }

    /// Waits for a place. Cancel-safe: whoever stops waiting leaves the line.
    ///
    /// # Errors
    /// [`LimitError::Overloaded`] when the line is full, or has become so and somebody more urgent waits instead, or it is mostly this
    /// caller's.
    pub async fn enter(self: &Arc<Self>, who: Who) -> Result<InFlightGuard, LimitError> {
        let (id, place) = {
            let mut places = self.lock();
            if places.take(who) {
                return Ok(self.guard(who));
            }
            let (place_to, place) = oneshot::channel();
            let now = Instant::now();
            let joined = places.join(who, place_to, self.bounds.queue, now);
            (joined.ok_or_else(|| self.overloaded(places.expected(who.class, now)))?, place)
        };
        let _in_line = InLine { of: self, class: who.class, id };
        // Without a place, it was another one that was let into the line instead.
        place.await.map_err(|_| self.overloaded(self.lock().expected(who.class, Instant::now())))
    }

    /// How many wait before a newcomer of this class.
    pub fn before(&self, class: Class) -> usize {
        if self.places.get().is_some() { self.lock().before(class) } else { 0 }
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
        while places.line() > 0
            && let Some(Waiter { who, place, .. }) = places.next(Instant::now())
        {
            // Whoever has just left gives the place back, once the lock is free.
            gone.extend(place.send(self.guard(who)).err());
        }
        drop(places);
        drop(gone);
    }

    fn overloaded(&self, wait: Duration) -> LimitError {
        LimitError::Overloaded { tenant: self.tenant.clone(), wait }
    }

    fn lock(&self) -> MutexGuard<'_, Places<InFlightGuard>> {
        let places = self.places.get_or_init(|| Box::new(Mutex::new(Places::new(self.bounds.max))));
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
    class: Class,
    id: u64,
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.of.lock().leave(self.class, self.id);
    }
}

#[cfg(test)]
pub(super) mod tests;
