//! Whether an upstream can be reached at all: what `/status` and a gauge say when a token is there and nothing answers.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

/// Tries in a row that came to nothing.
#[derive(Debug, Default)]
pub struct UpstreamHealth {
    consecutive: AtomicU32,
    last: Mutex<Option<(Instant, String)>>,
    refusing: Mutex<Option<Refusing>>,
}

/// An upstream that refuses connections.
#[derive(Debug, Clone, Copy)]
struct Refusing {
    since: Instant,
    last: Instant,
}

impl UpstreamHealth {
    /// A try came to nothing.
    pub fn failed(&self, now: Instant, what: String) {
        self.consecutive.fetch_add(1, Relaxed);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, what));
    }

    /// There was an answer, whatever its status.
    pub fn answered(&self) {
        // Read before it is written, since all requests of all workers come by here.
        if self.consecutive.load(Relaxed) != 0 {
            self.consecutive.store(0, Relaxed);
            *self.refusing.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    /// It refused a connection; since when it does. Refusals that are further apart than `patience` are not one.
    pub fn refused(&self, now: Instant, patience: Duration) -> Instant {
        let mut refusing = self.refusing.lock().unwrap_or_else(PoisonError::into_inner);
        let goes_on = refusing.filter(|before| now.saturating_duration_since(before.last) <= patience);
        let since = goes_on.map_or(now, |before| before.since);
        *refusing = Some(Refusing { since, last: now });
        since
    }

    /// Tries in a row that came to nothing.
    pub fn consecutive(&self) -> u32 {
        self.consecutive.load(Relaxed)
    }

    /// The last of all that came to nothing, and when; it stays after there were answers again.
    pub fn last(&self) -> Option<(Instant, String)> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
