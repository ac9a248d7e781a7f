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
/// The weight of the last one in the moving mean, as its denominator: of one that took longer, and of one that was faster, as the first
/// ones are the slowest.
const SLOWER: i64 = 16;
const FASTER: i64 = 4;

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
    /// How one that took so long compares. Where it is not slow, it is part of the usual from now on.
    pub(super) fn compare(&self, took: Duration) -> Pace {
        let (usual, micros) = (self.0.load(Relaxed), u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
        if usual == 0 {
            self.0.store(micros.max(1), Relaxed);
            return Pace::Unknown;
        }
        if took >= SLOW && micros / TIMES >= usual {
            return Pace::Slow;
        }
        let further = i64::from(micros) - i64::from(usual);
        let next = i64::from(usual) + further / if further < 0 { FASTER } else { SLOWER };
        let next = u32::try_from(next).unwrap_or(u32::MAX).max(1);
        if next != usual {
            self.0.store(next, Relaxed);
        }
        Pace::Usual
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
        for _ in 0..100 {
            assert_eq!(fast.compare(millis(1000)), Pace::Slow, "and does not become usual");
        }
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
