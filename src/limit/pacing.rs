//! Waiting for a tenant's quota. What is within it passes at once, without a lock where nobody waits; what is above it waits in a
//! line that is bounded, as long as it can still make its deadline, and whoever could not is told at once.
//!
//! There is no task: one of those who wait, the leader, sleeps until the next one is due and serves whoever that is. It may be on any
//! worker. When it has been served, or leaves, the next is called to lead; so nobody waits in vain however the others end.

mod line;
mod rank;
mod seat;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::{Instant, timeout_at};

pub(super) use self::rank::Rank;
use self::{
    line::Line,
    seat::{Fate, Seat},
};
use super::{
    limiter::{Drawn, Limiter},
    turn::Turn,
};
use crate::config::Class;

/// As exact as timers are.
const TICK: Duration = Duration::from_millis(1);

/// Those who wait for one tenant's quota.
#[derive(Debug)]
pub(super) struct Pacer {
    limiter: Arc<dyn Limiter>,
    most: usize,
    /// How many wait: where nobody does, nothing else is looked at.
    waiting: AtomicUsize,
    /// Made when the first one waits: at most tenants nobody ever does.
    state: OnceLock<Box<Mutex<State>>>,
}

#[derive(Debug, Default)]
struct State {
    line: Line,
    /// Who of them wakes the others. There is one as long as somebody waits.
    leader: Option<Arc<Seat>>,
}

/// Whoever is told that it will not have its turn in time: how long it would wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLate(pub(super) Duration);

impl Pacer {
    /// Paces what `limiter` allows; at most so many wait.
    pub(super) fn new(limiter: Arc<dyn Limiter>, most: usize) -> Self {
        Self { limiter, most, waiting: AtomicUsize::new(0), state: OnceLock::new() }
    }

    /// How many of a class wait.
    pub(super) fn waiting(&self, class: Class) -> usize {
        if self.waiting.load(Relaxed) == 0 { 0 } else { self.lock().line.waiting(class) }
    }

    /// Draws one, at once where that is possible.
    pub(super) async fn pass(&self, rank: Rank, now: Instant) -> Option<Drawn> {
        let is_empty = self.waiting.load(Relaxed) == 0;
        if !is_empty && !self.lock().line.may_pass(rank) {
            return None;
        }
        let drawn = self.limiter.take(now, rank.class()).await.ok()?;
        if !is_empty {
            self.lock().line.has_passed(rank);
        }
        Some(drawn)
    }

    /// Waits for one until `until`. Cancel-safe: whoever stops waiting leaves the line, and what was for it goes to the next.
    ///
    /// # Errors
    /// [`TooLate`]: it would have to wait longer, or there is no room for it in the line.
    pub(super) async fn wait(&self, turn: Turn, rank: Rank, until: Instant) -> Result<Drawn, TooLate> {
        let seated = self.join(turn, rank, until)?;
        loop {
            match seated.seat.take() {
                Fate::Served(drawn) => return Ok(drawn),
                Fate::SentAway(wait) => return Err(TooLate(wait)),
                Fate::Waits | Fate::Gone => {}
            }
            let leads = self.is_led_by(&seated.seat);
            let next = if leads { self.serve().await } else { None };
            match seated.seat.take() {
                Fate::Served(drawn) => return Ok(drawn),
                Fate::SentAway(wait) => return Err(TooLate(wait)),
                Fate::Waits | Fate::Gone => {}
            }
            if Instant::now() >= until {
                let state = self.lock();
                return Err(TooLate(self.expected(&state.line, turn, rank)));
            }
            let _called =
                timeout_at(next.map_or(until, |next| next.min(until)), seated.seat.called.notified()).await;
        }
    }

    fn join(&self, turn: Turn, rank: Rank, until: Instant) -> Result<Seated<'_>, TooLate> {
        let seat = Arc::new(Seat::new(rank, turn));
        let mut state = self.lock();
        let expected = self.expected(&state.line, turn, rank);
        if Instant::now() + expected > until {
            return Err(TooLate(expected));
        }
        let evicted = state.line.join(seat.clone(), self.most).map_err(|()| TooLate(expected))?;
        if let Some(evicted) = evicted {
            evicted.send_away(self.expected(&state.line, evicted.turn, evicted.rank));
        }
        match &state.leader {
            // It may be due before whom the leader waits for.
            Some(leader) => leader.called.notify_one(),
            None => state.leader = Some(seat.clone()),
        }
        self.waiting.store(state.line.len(), Relaxed);
        Ok(Seated { pacer: self, seat })
    }

    /// How long somebody would wait who came now.
    pub(super) fn would_wait(&self, turn: Turn) -> Duration {
        let rank = Rank::Class(turn.class);
        if self.waiting.load(Relaxed) == 0 {
            return self.limiter.wait(Instant::now(), rank.class());
        }
        self.expected(&self.lock().line, turn, rank)
    }

    fn expected(&self, line: &Line, turn: Turn, rank: Rank) -> Duration {
        let first = self.limiter.wait(Instant::now(), rank.class());
        let before = line.before(rank, turn.caller, turn.weight);
        first.saturating_add(self.limiter.interval().saturating_mul(before))
    }

    /// Serves all whose time has come; when the next one's will have.
    async fn serve(&self) -> Option<Instant> {
        loop {
            let (rank, class) = self.lock().line.turn()?;
            let now = Instant::now();
            let drawn = match self.limiter.take(now, class).await {
                Ok(drawn) => drawn,
                Err(wait) => return Some(now + wait.max(TICK)),
            };
            let mut state = self.lock();
            // Before the lock is free: whoever leaves either is not found here, or finds what was for it.
            match state.line.next(rank) {
                Some(seat) => seat.serve(drawn),
                None => self.limiter.give_back(now, drawn),
            }
            self.waiting.store(state.line.len(), Relaxed);
        }
    }

    /// Takes back what was drawn and not used: somebody may be due sooner.
    pub(super) fn give_back(&self, drawn: Drawn) {
        self.limiter.give_back(Instant::now(), drawn);
        if self.waiting.load(Relaxed) > 0
            && let Some(leader) = &self.lock().leader
        {
            leader.called.notify_one();
        }
    }

    fn is_led_by(&self, seat: &Arc<Seat>) -> bool {
        self.lock().leader.as_ref().is_some_and(|leader| Arc::ptr_eq(leader, seat))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.get_or_init(Box::default).lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody in the line, until it is dropped.
struct Seated<'p> {
    pacer: &'p Pacer,
    seat: Arc<Seat>,
}

impl Drop for Seated<'_> {
    fn drop(&mut self) {
        let mut state = self.pacer.lock();
        // From here on nobody serves it.
        state.line.leave(&self.seat);
        self.pacer.waiting.store(state.line.len(), Relaxed);
        if state.leader.as_ref().is_some_and(|leader| Arc::ptr_eq(leader, &self.seat)) {
            state.leader = state.line.last().cloned();
            if let Some(leader) = &state.leader {
                leader.called.notify_one();
            }
        }
        drop(state);
        if let Fate::Served(drawn) = self.seat.take() {
            self.pacer.give_back(drawn);
        }
    }
}

#[cfg(test)]
mod tests;
