//! How much of its quota a tenant seems to give: all of it, until it answers that there is nothing left though by our count there was.
//! Then others use it as well, or it is smaller than configured. Narrowed by a factor, and widened again step by step.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::bucket::nanos;

/// What is left of the pace when the tenant says that there is nothing left.
const NARROWER: f64 = 0.7;
/// What is added in each step without that.
const STEP: f64 = 0.05;
/// The least that it is narrowed to: whatever is wrong, it is found out with little.
const LEAST: f64 = 0.1;
/// The longest step.
const LONGEST: Duration = Duration::from_mins(1);

/// What is believed of a tenant.
#[derive(Debug)]
pub(super) struct Belief {
    epoch: Instant,
    /// A period of the quota.
    step: Duration,
    /// When it is widened next, in nanoseconds since `epoch`; never, while it is whole.
    due: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    pace: f64,
    narrowed: Option<Instant>,
}

impl Belief {
    /// All of it, of a quota with this period.
    pub(super) fn new(per: Duration) -> Self {
        let state = Mutex::new(State { pace: 1.0, narrowed: None });
        Self { epoch: Instant::now(), step: per.min(LONGEST), due: AtomicU64::new(u64::MAX), state }
    }

    /// The fraction of the pace that is believed in.
    #[cfg(test)]
    pub(super) fn pace(&self) -> f64 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).pace
    }

    /// How long ago the tenant said that there was nothing left.
    pub(super) fn narrowed(&self, now: Instant) -> Option<Duration> {
        let narrowed = self.state.lock().unwrap_or_else(PoisonError::into_inner).narrowed?;
        Some(now.saturating_duration_since(narrowed))
    }

    /// The tenant said that there is nothing left. What was under way then says it again, so a period counts once. The new pace.
    pub(super) fn narrow(&self, now: Instant) -> Option<f64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.widen_at(now + self.step);
        if state.narrowed.is_some_and(|at| now.saturating_duration_since(at) < self.step) {
            return None;
        }
        state.narrowed = Some(now);
        state.pace = (state.pace * NARROWER).max(LEAST);
        Some(state.pace)
    }

    /// The tenant says itself how much it gives: as a fraction of what is configured. The new pace.
    pub(super) fn told(&self, fraction: f64, now: Instant) -> Option<f64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if fraction >= state.pace {
            return None;
        }
        self.widen_at(now + self.step);
        state.pace = fraction.max(LEAST / 10.0);
        Some(state.pace)
    }

    /// The new pace, where it is time for one. Asked by every request, so it is one look where it is not.
    pub(super) fn widen(&self, now: Instant) -> Option<f64> {
        if self.due.load(Relaxed) > self.since_epoch(now) {
            return None;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if self.due.load(Relaxed) > self.since_epoch(now) {
            return None;
        }
        state.pace = (state.pace + STEP).min(1.0);
        if state.pace < 1.0 {
            self.widen_at(now + self.step);
        } else {
            self.due.store(u64::MAX, Relaxed);
        }
        Some(state.pace)
    }

    fn widen_at(&self, at: Instant) {
        self.due.store(self.since_epoch(at), Relaxed);
    }

    fn since_epoch(&self, at: Instant) -> u64 {
        nanos(at.saturating_duration_since(self.epoch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn it_is_narrowed_once_a_period_and_widened_step_by_step() {
        let (belief, start) = (Belief::new(STEPS), Instant::now());
        assert_eq!((belief.widen(start + 100 * STEPS), belief.pace()), (None, 1.0));
        assert_eq!(belief.narrow(start), Some(0.7));
        assert_eq!(belief.narrow(start + STEPS / 2), None, "what was under way");
        assert_eq!(belief.widen(start + STEPS), None, "a period since the last of them");
        let mut now = start + STEPS + STEPS / 2;
        let mut paces = Vec::new();
        while let Some(pace) = belief.widen(now) {
            assert_eq!(belief.widen(now), None);
            paces.push((pace * 100.0).round());
            now += STEPS;
        }
        assert_eq!(paces, [75.0, 80.0, 85.0, 90.0, 95.0, 100.0]);
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_always_something_left() {
        let (belief, mut now) = (Belief::new(STEPS), Instant::now());
        for _ in 0..50 {
            belief.narrow(now);
            now += STEPS;
        }
        assert!((belief.pace() - LEAST).abs() < 1e-9, "{}", belief.pace());
        assert_eq!(belief.told(0.5, now), None, "more than is believed anyway");
        assert!(belief.told(0.05, now).is_some());
    }
}
