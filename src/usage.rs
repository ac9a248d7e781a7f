//! How often something was used, and when last: two atomic words, written on the request path and read where they are shown
//! them. By the monotonic clock, to the second, so that a request costs no reading of the wall clock.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use crate::clock::Moment;

/// The uses of one thing.
#[derive(Debug)]
pub struct Usage {
    since: Instant,
    /// Seconds since `since`, plus one; 0: never.
    last: AtomicU64,
    times: AtomicU64,
}

/// What there is to say of a thing that was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Used {
    /// The last time, to the second. Too late by as long as the machine has slept since.
    pub last: SystemTime,
    /// How often, since the process started.
    pub times: u64,
}

impl Usage {
    /// Of something that was never used.
    pub fn new() -> Self {
        Self { since: Instant::now(), last: AtomicU64::new(0), times: AtomicU64::new(0) }
    }

    /// It is used at `now`.
    pub fn note(&self, now: Instant) {
        let second = now.saturating_duration_since(self.since).as_secs() + 1;
        // Mostly the second is noted already: then the word stays shared between the workers' caches.
        if self.last.load(Relaxed) < second {
            self.last.fetch_max(second, Relaxed);
        }
        self.times.fetch_add(1, Relaxed);
    }

    /// The uses so far; `None` where there was none.
    pub fn read(&self, now: Moment) -> Option<Used> {
        let second = self.last.load(Relaxed).checked_sub(1)?;
        let at = self.since + Duration::from_secs(second);
        let ago = now.instant.saturating_duration_since(at);
        let last = now.wall.checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH);
        Some(Used { last, times: self.times.load(Relaxed) })
    }
}

impl Default for Usage {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[tokio::test(start_paused = true)]
    async fn the_last_use_is_told_by_the_wall_clock_and_never_goes_back() {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let begin = Instant::now();
        let clock = Clock::with_wall(move || start + begin.elapsed());
        let usage = Usage::new();
        assert_eq!(usage.read(clock.now()), None);
        tokio::time::advance(Duration::from_millis(10_500)).await;
        let early = Instant::now();
        usage.note(early);
        tokio::time::advance(Duration::from_secs(5)).await;
        usage.note(Instant::now());
        // A request that began before, and is noted after.
        usage.note(early);
        tokio::time::advance(Duration::from_secs(100)).await;
        let used = usage.read(clock.now()).unwrap();
        assert_eq!(used.times, 3);
        assert_eq!(used.last, start + Duration::from_secs(15));
    }
}
