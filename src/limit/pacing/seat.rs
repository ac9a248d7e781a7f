//! One that waits: what came of it, and how it is told. Whoever is served or sent away is told once, and finds it here
//! whenever it looks.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;

use super::rank::Rank;
use crate::limit::{limiter::Drawn, turn::Turn};

/// Somebody in the line.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) rank: Rank,
    pub(super) turn: Turn,
    fate: Mutex<Fate>,
    /// Something is to be looked at: its fate, or that it is to wake the others from now on.
    pub(super) called: Notify,
}

/// What came of waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Waits,
    /// This is for it, and it has not looked yet.
    Served(Drawn),
    /// Somebody else waits in its stead; how long it would have had to wait.
    SentAway(Duration),
    /// It has what was for it.
    Gone,
}

impl Seat {
    pub(super) fn new(rank: Rank, turn: Turn) -> Self {
        Self { rank, turn, fate: Mutex::new(Fate::Waits), called: Notify::new() }
    }

    pub(super) fn serve(&self, drawn: Drawn) {
        *self.fate() = Fate::Served(drawn);
        self.called.notify_one();
    }

    pub(super) fn send_away(&self, wait: Duration) {
        *self.fate() = Fate::SentAway(wait);
        self.called.notify_one();
    }

    /// What came of it so far. What was for it is handed out once.
    pub(super) fn take(&self) -> Fate {
        let mut fate = self.fate();
        let next = if *fate == Fate::Waits { Fate::Waits } else { Fate::Gone };
        std::mem::replace(&mut *fate, next)
    }

    fn fate(&self) -> MutexGuard<'_, Fate> {
        self.fate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
