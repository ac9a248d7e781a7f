//! How long an upstream usually takes for an operation, so that one that takes very much longer is noticed: a slow operation is as usual as a fast
//! one. One word, without a lock: of two that write at one time one may be lost, which changes nothing.

use std::{
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};

/// What is faster is never slow.
const SLOW: Duration = Duration::from_secs(1);
/// So many times as long as usual is slow.
const TIMES: u32 = 8;
/// The weight of the last one in the moving mean, as its denominator. What was faster counts at once, as the first ones are the slowest. What
/// took longer counts little, or a database that becomes slower and slower would always be as usual; and what was slow
/// counts least, but it does: what stays slow for hundreds of requests is as usual from then on, and no overload.
const FASTER: i64 = 4;
const LONGER: i64 = 512;
const SLOWEST: i64 = 4096;

/// A moving mean, in microseconds; 0: nothing is known yet.
#[derive(Debug, Default)]
pub(super) struct Usual(AtomicU32);

/// How long one took, beside the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// There are no others.
    Unknown,
    /// About as long.
    Usual,
    /// Far longer.
    Slow,
}

impl Usual {
    /// How one that took so long compares; it is part of the usual from now on.
    pub(super) fn compare(&self, took: Duration) -> Pace {
        let (usual, micros) = (self.0.load(Relaxed), u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
        if usual == 0 {
            self.0.store(micros.max(1), Relaxed);
            return Pace::Unknown;
        }
        let further = i64::from(micros) - i64::from(usual);
        let (pace, weight) = match took >= SLOW && micros / TIMES >= usual {
            true => (Pace::Slow, SLOWEST),
            false => (Pace::Usual, if further < 0 { FASTER } else { LONGER }),
        };
        let next = u32::try_from(i64::from(usual) + further / weight).unwrap_or(u32::MAX).max(1);
        if next != usual {
            self.0.store(next, Relaxed);
        }
        pace
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn what_is_usual_is_learnt_and_what_is_far_from_it_is_not() {
        let (fast, slow) = (Usual::default(), Usual::default());
        assert_eq!((fast.compare(millis(500)), slow.compare(millis(5000))), (Pace::Unknown, Pace::Unknown));
        for _ in 0..50 {
            assert_eq!(fast.compare(millis(20)), Pace::Usual);
            assert_eq!(slow.compare(millis(5000)), Pace::Usual, "a slow operation is no sign");
        }
        let slow_ones = (0..).take_while(|_| fast.compare(millis(2000)) == Pace::Slow).count();
        assert!((200..2000).contains(&slow_ones), "what is slow becomes usual, but not soon: {slow_ones}");
        assert_eq!(slow.compare(millis(39_000)), Pace::Usual);
        assert_eq!(slow.compare(millis(65_000)), Pace::Slow);
    }

    #[test]
    fn what_is_fast_is_never_slow() {
        let usual = Usual::default();
        for _ in 0..10 {
            usual.compare(Duration::from_micros(200));
        }
        assert_eq!(usual.compare(millis(999)), Pace::Usual, "five thousand times as long, and nobody minds");
    }
}
