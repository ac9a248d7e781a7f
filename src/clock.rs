//! Time, passed in. Two clocks are read side by side because each can be wrong in its own way: the monotonic one
//! stands still while the machine sleeps, the wall clock jumps when somebody sets it. A lifetime counts as
//! over as soon as either says so.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use rustls::pki_types::UnixTime;
use tokio::time::Instant;

/// The source of time for everything that decides by it.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

/// A moment on both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Monotonic; follows tokio's paused time in tests.
    pub instant: Instant,
    /// Wall clock.
    pub wall: SystemTime,
}

impl Clock {
    /// The system's clocks.
    pub fn system() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
        Self(Arc::new(SystemTime::now))
    }

    /// The system's monotonic clock with another wall clock: for tests.
    pub fn with_wall(wall: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(wall))
    }

    /// Now, on both clocks.
    pub fn now(&self) -> Moment {
        Moment { instant: Instant::now(), wall: (self.0)() }
    }

    /// The wall clock's time as rustls has it; `None` before 1970.
    pub fn unix_time(&self) -> Option<UnixTime> {
        let since = self.now().wall.duration_since(std::time::UNIX_EPOCH).ok()?;
        Some(UnixTime::since_unix_epoch(since))
    }
}

impl Moment {
    /// This moment and `later` after it, on both clocks.
    pub fn after(self, later: Duration) -> Self {
        Self { instant: self.instant + later, wall: self.wall.checked_add(later).unwrap_or(self.wall) }
    }

    /// So long before this moment, on both clocks; `None` before there was time.
    pub fn before(self, earlier: Duration) -> Option<Self> {
        let (instant, wall) = (self.instant.checked_sub(earlier)?, self.wall.checked_sub(earlier)?);
        Some(Self { instant, wall })
    }

    /// Time left until `end`: the shorter of the two clocks; zero when either has passed it.
    pub fn until(&self, end: &Self) -> Duration {
        let by_wall = end.wall.duration_since(self.wall).unwrap_or_default();
        end.instant.saturating_duration_since(self.instant).min(by_wall)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// The source of chance for jitter. Not for keys.
#[derive(Clone)]
pub struct Random(Arc<dyn Fn() -> f64 + Send + Sync>);

impl Random {
    /// A fast generator, seeded by the system.
    pub fn system() -> Self {
        Self(Arc::new(fastrand::f64))
    }

    /// Chance as told: for tests.
    pub fn with(next: impl Fn() -> f64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(next))
    }

    /// The next number, from 0 up to but not including 1.
    pub fn fraction(&self) -> f64 {
        (self.0)()
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Random")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shorter_clock_decides() {
        let start = Clock::system().now();
        let end = start.after(Duration::from_secs(60));
        let slept = Moment { wall: start.wall + Duration::from_secs(3600), ..start };
        assert_eq!(slept.until(&end), Duration::ZERO, "a machine that slept for an hour");
        let set_back = Moment {
            instant: start.instant + Duration::from_secs(61),
            wall: start.wall - Duration::from_secs(3600),
        };
        assert_eq!(set_back.until(&end), Duration::ZERO, "a wall clock that was set back");
        assert_eq!(start.until(&end), Duration::from_secs(60));
    }
}
