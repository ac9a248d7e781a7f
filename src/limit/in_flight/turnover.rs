//! How fast places come free for those who wait for one: so that whoever is refused is told when to come back. Pure, and looked at
//! only while somebody waits.

use std::time::Duration;

use tokio::time::Instant;

/// The weight of the last time between two of those that were served.
const LAST: f64 = 0.125;
/// The longest that anybody is told: by then most of those who wait have been served, or have passed their deadline.
const LONGEST: Duration = Duration::from_mins(1);

/// Between two who were handed a place.
#[derive(Debug, Default)]
pub(super) struct Turnover {
    last: Option<Instant>,
    /// A moving mean; `None` until the first was served.
    every: Option<Duration>,
}

impl Turnover {
    /// Somebody begins to wait.
    pub(super) fn begin(&mut self, now: Instant) {
        self.last = Some(now);
    }

    /// One who waited has a place.
    pub(super) fn served(&mut self, now: Instant) {
        let took = self.since(now);
        self.every = Some(self.every.map_or(took, |every| every.mul_f64(1.0 - LAST) + took.mul_f64(LAST)));
        self.last = Some(now);
    }

    /// How long it takes until `before` and one more have been served. Nobody may have been for longer than usual.
    pub(super) fn wait(&self, before: usize, now: Instant) -> Duration {
        let every = self.every.unwrap_or_default().max(self.since(now));
        let turns = u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1);
        every.saturating_mul(turns).min(LONGEST)
    }

    fn since(&self, now: Instant) -> Duration {
        self.last.map_or(Duration::ZERO, |last| now.saturating_duration_since(last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_wait_is_told_by_how_fast_those_before_were_served() {
        let (mut turnover, mut now) = (Turnover::default(), Instant::now());
        turnover.begin(now);
        for _ in 0..50 {
            now += SECOND / 2;
            turnover.served(now);
        }
        assert_eq!(turnover.wait(19, now), 10 * SECOND);
        assert_eq!(turnover.wait(0, now), SECOND / 2);
        // It has stood still for longer than it ever took.
        assert_eq!(turnover.wait(3, now + 5 * SECOND), 20 * SECOND);
        assert_eq!(turnover.wait(1000, now), LONGEST);
    }
}
