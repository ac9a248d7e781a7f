//! A token bucket as GCRA (ITU-T I.371) in one atomic word: no lock, no map, no allocation. The word is the
//! theoretical arrival time of the next request, in nanoseconds since the bucket was made.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;

use super::limiter::{Limiter, Take};
use crate::config::Rate;

/// A bucket of `burst` requests, refilled evenly at `requests` / `per`.
#[derive(Debug)]
pub struct Bucket {
    rate: Option<Rate>,
    epoch: Instant,
    /// Nanoseconds that one request takes to come back.
    cost: u64,
    /// Nanoseconds that the theoretical arrival time may lie ahead of now.
    ahead: u64,
    arrival: AtomicU64,
    paused_until: AtomicU64,
}

impl Bucket {
    /// A full bucket; without a rate it only knows pauses.
    pub fn new(rate: Option<Rate>) -> Self {
        let cost = rate.map_or(0, |r| nanos(r.per) / u64::from(r.requests.max(1)));
        Self {
            rate,
            epoch: Instant::now(),
            cost,
            ahead: rate.map_or(0, |r| cost.saturating_mul(u64::from(r.burst.max(1)) - 1)),
            arrival: AtomicU64::new(0),
            paused_until: AtomicU64::new(0),
        }
    }

    /// [`Limiter::take`] at once, as there is nothing to wait for.
    ///
    /// # Errors
    /// The time after which a request would pass, if nobody else came in between.
    pub fn draw(&self, now: Instant) -> Result<(), Duration> {
        let now = self.since_epoch(now);
        let paused = self.paused_until.load(Ordering::Relaxed);
        if paused > now {
            return Err(Duration::from_nanos(paused - now));
        }
        if self.cost == 0 {
            return Ok(());
        }
        let mut arrival = self.arrival.load(Ordering::Relaxed);
        loop {
            let due = arrival.max(now);
            if due - now > self.ahead {
                return Err(Duration::from_nanos(due - now - self.ahead));
            }
            let next = due.saturating_add(self.cost);
            match self.arrival.compare_exchange_weak(arrival, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(other) => arrival = other,
            }
        }
    }

    fn since_epoch(&self, now: Instant) -> u64 {
        nanos(now.saturating_duration_since(self.epoch))
    }
}

impl Limiter for Bucket {
    fn take(&self, now: Instant) -> Take<'_> {
        Take::Ready(self.draw(now))
    }

    fn remaining(&self, now: Instant) -> Option<u32> {
        let rate = self.rate?;
        let now = self.since_epoch(now);
        let ahead = self.arrival.load(Ordering::Relaxed).saturating_sub(now);
        let free = (self.ahead.saturating_add(self.cost)).saturating_sub(ahead) / self.cost.max(1);
        Some(u32::try_from(free).unwrap_or(u32::MAX).min(rate.burst))
    }

    fn pause(&self, now: Instant, wait: Duration) {
        let until = self.since_epoch(now).saturating_add(nanos(wait));
        self.paused_until.fetch_max(until, Ordering::Relaxed);
    }

    fn rate(&self) -> Option<Rate> {
        self.rate
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn rate(requests: u32, per: u64, burst: u32) -> Rate {
        Rate { requests, per: Duration::from_secs(per), burst }
    }

    #[tokio::test(start_paused = true)]
    async fn b27_a_burst_then_the_rate_and_the_wait_is_exact() {
        let bucket = Bucket::new(Some(rate(2, 1, 4)));
        let now = Instant::now();
        assert_eq!(bucket.remaining(now), Some(4));
        for _ in 0..4 {
            assert_eq!(bucket.draw(now), Ok(()));
        }
        assert_eq!(bucket.remaining(now), Some(0));
        let wait = bucket.draw(now).unwrap_err();
        assert_eq!(wait, Duration::from_millis(500));
        assert!(bucket.draw(now + wait - Duration::from_nanos(1)).is_err(), "a refusal costs nothing");
        assert_eq!(bucket.draw(now + wait), Ok(()));
        assert!(bucket.draw(now + wait).is_err());
        assert_eq!(bucket.remaining(now + Duration::from_secs(3600)), Some(4), "never more than the burst");
    }

    #[tokio::test(start_paused = true)]
    async fn over_a_long_time_exactly_the_rate_passes() {
        let bucket = Bucket::new(Some(rate(200, 10, 200)));
        let start = Instant::now();
        let passed =
            (0..100_000u64).filter(|ms| bucket.draw(start + Duration::from_millis(*ms)).is_ok()).count();
        assert_eq!(passed, 200 + 20 * 100 - 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_with_and_without_a_rate() {
        for bucket in [Bucket::new(None), Bucket::new(Some(rate(1, 1, 1)))] {
            let now = Instant::now();
            bucket.pause(now, Duration::from_secs(30));
            bucket.pause(now, Duration::from_secs(5));
            assert_eq!(bucket.draw(now + Duration::from_secs(29)), Err(Duration::from_secs(1)));
            assert_eq!(bucket.draw(now + Duration::from_secs(30)), Ok(()));
        }
    }

    #[test]
    fn two_threads_share_one_allowance() {
        let bucket = Bucket::new(Some(rate(1000, 3600, 1000)));
        let now = Instant::now();
        let count = || (0..1000).filter(|_| bucket.draw(now).is_ok()).count();
        let total: usize =
            std::thread::scope(|s| [s.spawn(count), s.spawn(count)].map(|t| t.join().unwrap()).iter().sum());
        assert_eq!(total, 1000);
    }
}
