//! A token bucket as GCRA (ITU-T I.371) in one atomic word: no lock, no map, no allocation. The word is the
//! theoretical arrival time of the next request, in nanoseconds since the bucket was made. How far that may lie ahead of now depends on
//! who asks: what is urgent may use all of the burst and what is not leaves it alone, while in the long run all of the rate is used.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use tokio::time::Instant;

use super::limiter::{Drawn, From, Limiter, Take};
use crate::config::{Class, Quota, Rate};

/// So far ahead may be drawn whoever asks, where there is a burst at all: timers are late, and what is late by less is not lost.
const SLACK: u64 = 5_000_000;
/// The least fraction of the rate: that of one among a thousand replicas, where the tenant gives a tenth.
const SLOWEST: f64 = 0.0001;

/// A bucket of `burst` requests, refilled evenly at `requests` / `per`.
#[derive(Debug)]
pub struct Bucket {
    rate: Option<Rate>,
    epoch: Instant,
    /// Nanoseconds that one request takes to come back, where nothing has narrowed the pace.
    pub(super) full: u64,
    /// The same now.
    cost: AtomicU64,
    /// Nanoseconds that the theoretical arrival time may lie ahead of now, for each class.
    pub(super) ahead: [u64; 3],
    arrival: AtomicU64,
    paused_until: AtomicU64,
}

impl Bucket {
    /// A full bucket, all of whose burst is for everybody; without a rate it only knows pauses.
    pub fn new(rate: Option<Rate>) -> Self {
        let cost = rate.map_or(0, |r| nanos(r.per) / u64::from(r.requests.max(1)));
        let whole = rate.map_or(0, |r| cost.saturating_mul(u64::from(r.burst.max(1)) - 1));
        Self::with(rate, cost, [whole; 3])
    }

    /// A full bucket of what may be spent of a quota: interactive requests may use the whole burst, normal ones half of it, batch
    /// almost none.
    pub fn of(quota: Option<Quota>) -> Self {
        let Some(quota) = quota else { return Self::new(None) };
        let cost = quota.interval();
        let whole = cost.saturating_mul(u64::from(quota.burst.max(1)) - 1);
        Self::with(Some(quota.spent()), cost, [whole, whole / 2, cost.max(SLACK).min(whole / 4)])
    }

    fn with(rate: Option<Rate>, cost: u64, ahead: [u64; 3]) -> Self {
        Self {
            rate,
            epoch: Instant::now(),
            full: cost,
            cost: AtomicU64::new(cost),
            ahead,
            arrival: AtomicU64::new(0),
            paused_until: AtomicU64::new(0),
        }
    }

    /// [`Limiter::take`] at once, as there is nothing to wait for.
    ///
    /// # Errors
    /// The time after which a request would pass, if nobody else came in between.
    pub fn draw(&self, now: Instant, class: Class) -> Result<Drawn, Duration> {
        let now = self.since_epoch(now);
        let paused = self.paused_until.load(Relaxed);
        if paused > now {
            return Err(Duration::from_nanos(paused - now));
        }
        if self.full == 0 {
            return Ok(Drawn::default());
        }
        let (cost, ahead) = (self.cost.load(Relaxed), self.ahead[class.index()]);
        let mut arrival = self.arrival.load(Relaxed);
        loop {
            let due = arrival.max(now);
            if due - now > ahead {
                return Err(Duration::from_nanos(due - now - ahead));
            }
            let next = due.saturating_add(cost);
            match self.arrival.compare_exchange_weak(arrival, next, Relaxed, Relaxed) {
                Ok(_) => return Ok(Drawn { until: next, cost, from: From::Here }),
                Err(other) => arrival = other,
            }
        }
    }

    /// So many nanoseconds of it are spent at least.
    pub(super) fn spend(&self, now: Instant, ahead: u64) {
        self.arrival.fetch_max(self.since_epoch(now).saturating_add(ahead), Relaxed);
    }

    /// Makes it full again; what was spent of it, in nanoseconds.
    pub(super) fn settle(&self, now: Instant) -> u64 {
        self.arrival.swap(0, Relaxed).saturating_sub(self.since_epoch(now))
    }

    fn since_epoch(&self, now: Instant) -> u64 {
        nanos(now.saturating_duration_since(self.epoch))
    }
}

impl Limiter for Bucket {
    fn take(&self, now: Instant, class: Class) -> Take<'_> {
        Take::Ready(self.draw(now, class))
    }

    fn wait(&self, now: Instant, class: Class) -> Duration {
        let now = self.since_epoch(now);
        let paused = self.paused_until.load(Relaxed).saturating_sub(now);
        let ahead = self.arrival.load(Relaxed).saturating_sub(now);
        Duration::from_nanos(paused.max(ahead.saturating_sub(self.ahead[class.index()])))
    }

    /// Where the time that it stands for has not passed: later the bucket may have been full in between, and there would be one
    /// too many.
    fn give_back(&self, now: Instant, drawn: Drawn) {
        if self.since_epoch(now) < drawn.until {
            // Always something.
            let _ = self.arrival.fetch_update(Relaxed, Relaxed, |at| Some(at.saturating_sub(drawn.cost)));
        }
    }

    fn remaining(&self, now: Instant) -> Option<u32> {
        let rate = self.rate?;
        let (now, cost) = (self.since_epoch(now), self.cost.load(Relaxed));
        let ahead = self.arrival.load(Relaxed).saturating_sub(now);
        let free = (self.ahead[0].saturating_add(cost)).saturating_sub(ahead) / cost.max(1);
        Some(u32::try_from(free).unwrap_or(u32::MAX).min(rate.burst))
    }

    fn paused(&self, now: Instant) -> Option<Duration> {
        let left = self.paused_until.load(Relaxed).saturating_sub(self.since_epoch(now));
        (left > 0).then(|| Duration::from_nanos(left))
    }

    fn pause(&self, now: Instant, wait: Duration) {
        let until = self.since_epoch(now).saturating_add(nanos(wait));
        self.paused_until.fetch_max(until, Relaxed);
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "nanoseconds between two requests, and a factor that is not zero"
    )]
    fn set_pace(&self, pace: f64) {
        self.cost.store((self.full as f64 / pace.clamp(SLOWEST, 1.0)).ceil() as u64, Relaxed);
    }

    fn empty(&self, now: Instant) {
        self.spend(now, self.ahead[0]);
    }

    fn interval(&self) -> Duration {
        Duration::from_nanos(self.cost.load(Relaxed))
    }

    #[expect(clippy::cast_precision_loss, reason = "a part of a rate")]
    fn pace(&self) -> f64 {
        self.full as f64 / self.cost.load(Relaxed).max(1) as f64
    }

    fn rate(&self) -> Option<Rate> {
        self.rate
    }
}

pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn rate(requests: u32, per: u64, burst: u32) -> Rate {
        Rate { requests, per: Duration::from_secs(per), burst }
    }

    fn draw(bucket: &Bucket, now: Instant) -> Result<(), Duration> {
        bucket.draw(now, Class::Interactive).map(drop)
    }

    #[tokio::test(start_paused = true)]
    async fn b27_a_burst_then_the_rate_and_the_wait_is_exact() {
        let bucket = Bucket::new(Some(rate(2, 1, 4)));
        let now = Instant::now();
        assert_eq!(bucket.remaining(now), Some(4));
        for _ in 0..4 {
            assert_eq!(draw(&bucket, now), Ok(()));
        }
        assert_eq!(bucket.remaining(now), Some(0));
        let wait = draw(&bucket, now).unwrap_err();
        assert_eq!(wait, Duration::from_millis(500));
        assert!(draw(&bucket, now + wait - Duration::from_nanos(1)).is_err(), "a refusal costs nothing");
        assert_eq!(draw(&bucket, now + wait), Ok(()));
        assert!(draw(&bucket, now + wait).is_err());
        assert_eq!(bucket.remaining(now + Duration::from_secs(3600)), Some(4), "never more than the burst");
    }

    #[tokio::test(start_paused = true)]
    async fn over_a_long_time_exactly_the_rate_passes() {
        let bucket = Bucket::new(Some(rate(200, 10, 200)));
        let start = Instant::now();
        let passed =
            (0..100_000u64).filter(|ms| draw(&bucket, start + Duration::from_millis(*ms)).is_ok()).count();
        assert_eq!(passed, 200 + 20 * 100 - 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_with_and_without_a_rate() {
        for bucket in [Bucket::new(None), Bucket::new(Some(rate(1, 1, 1)))] {
            let now = Instant::now();
            bucket.pause(now, Duration::from_secs(30));
            bucket.pause(now, Duration::from_secs(5));
            assert_eq!(draw(&bucket, now + Duration::from_secs(29)), Err(Duration::from_secs(1)));
            assert_eq!(draw(&bucket, now + Duration::from_secs(30)), Ok(()));
        }
    }

    #[test]
    fn two_threads_share_one_allowance() {
        let bucket = Bucket::new(Some(rate(1000, 3600, 1000)));
        let now = Instant::now();
        let count = || (0..1000).filter(|_| draw(&bucket, now).is_ok()).count();
        let total: usize =
            std::thread::scope(|s| [s.spawn(count), s.spawn(count)].map(|t| t.join().unwrap()).iter().sum());
        assert_eq!(total, 1000);
    }

    /// 10 requests a second, 7 of them ours, and a burst of 4.
    fn shared() -> Bucket {
        Bucket::of(Some(Quota { burst: 4, ..Quota::new(10, Duration::from_secs(1), 0.7) }))
    }

    fn at_once(bucket: &Bucket, class: Class) -> usize {
        let now = Instant::now();
        std::iter::from_fn(|| bucket.draw(now, class).ok()).count()
    }

    #[tokio::test(start_paused = true)]
    async fn the_burst_is_for_what_is_urgent_and_the_rate_for_all() {
        assert_eq!(at_once(&shared(), Class::Interactive), 4);
        assert_eq!(at_once(&shared(), Class::Normal), 2);
        let bucket = shared();
        assert_eq!(at_once(&bucket, Class::Batch), 1);
        assert_eq!(at_once(&bucket, Class::Interactive), 3, "batch left it alone");
        for class in Class::ALL {
            let (bucket, start) = (shared(), Instant::now());
            let passed =
                (0..100_000).filter(|ms| bucket.draw(start + Duration::from_millis(*ms), class).is_ok());
            let passed = passed.count();
            assert!((700..=704).contains(&passed), "{class:?}: {passed}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_given_back_may_be_drawn_again_and_never_more() {
        let (bucket, now) = (shared(), Instant::now());
        let drawn: Vec<_> = (0..4).map(|_| bucket.draw(now, Class::Interactive).unwrap()).collect();
        bucket.give_back(now, drawn[3]);
        assert_eq!(at_once(&bucket, Class::Interactive), 1);
        // Drawn, and given back when the bucket has been full again.
        let (bucket, later) = (shared(), now + Duration::from_secs(1));
        let drawn = bucket.draw(now, Class::Interactive).unwrap();
        bucket.draw(later, Class::Interactive).unwrap();
        bucket.give_back(later, drawn);
        let left = std::iter::from_fn(|| bucket.draw(later, Class::Interactive).ok()).count();
        assert_eq!(left, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pace_that_is_narrowed_and_a_burst_that_is_gone() {
        let (bucket, start) = (shared(), Instant::now());
        bucket.set_pace(0.5);
        let passed =
            (0..100_000).filter(|ms| bucket.draw(start + Duration::from_millis(*ms), Class::Batch).is_ok());
        let passed = passed.count();
        assert!((350..=352).contains(&passed), "{passed}");
        let bucket = shared();
        bucket.empty(start);
        assert_eq!(at_once(&bucket, Class::Interactive), 1, "what is urgent goes on at the rate");
        assert!(bucket.draw(start, Class::Batch).unwrap_err() > Duration::from_millis(400));
    }
}
