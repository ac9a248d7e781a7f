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
/// The weight of the last one in the moving mean, as its denominator.
const MEMORY: i64 = 16;

/// A moving mean, in microseconds; 0: nothing is known yet.
#[derive(Debug, Default)]
pub(super) struct Usual(AtomicU32);

impl Usual {
    /// Whether one that took so long is far from the usual. If not, it is part of the usual from now on.
    pub(super) fn is_exceeded_by(&self, took: Duration) -> bool {
        let (usual, micros) = (self.0.load(Relaxed), u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
        if usual == 0 {
            self.0.store(micros.max(1), Relaxed);
            return false;
        }
        if took >= SLOW && micros / TIMES >= usual {
            return true;
        }
        let next = i64::from(usual) + (i64::from(micros) - i64::from(usual)) / MEMORY;
        let next = u32::try_from(next).unwrap_or(u32::MAX).max(1);
        if next != usual {
            self.0.store(next, Relaxed);
        }
        false
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
        for _ in 0..100 {
            assert!(!fast.is_exceeded_by(millis(20)));
            assert!(!slow.is_exceeded_by(millis(5000)), "a slow operation is no sign");
        }
        for _ in 0..100 {
            assert!(fast.is_exceeded_by(millis(1500)), "and does not become usual");
            assert!(!fast.is_exceeded_by(millis(900)) || fast.0.load(Relaxed) > 20_000);
        }
        assert!(!slow.is_exceeded_by(millis(12_000)));
    }

    #[test]
    fn what_is_fast_is_never_slow() {
        let usual = Usual::default();
        for _ in 0..10 {
            assert!(!usual.is_exceeded_by(Duration::from_micros(200)));
        }
        assert!(!usual.is_exceeded_by(millis(999)), "five thousand times as long, and nobody minds");
    }
}
