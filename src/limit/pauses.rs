//! Pauses that an upstream asked for with `Retry-After`, for what was throttled: one operation, or the tenant where
//! several operations are throttled within a short time. An endpoint with a limit of its own stops nothing beside it.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::ids::OperationId;

/// More operations than can be throttled apart from each other before the tenant is.
const KEPT: usize = 16;
/// So many different operations, throttled within [`WINDOW`], are the tenant.
const SEVERAL: usize = 3;
const WINDOW: Duration = Duration::from_secs(10);

/// What is paused of one tenant.
#[derive(Debug)]
pub(super) struct Pauses {
    epoch: Instant,
    /// The end of the last of all, in nanoseconds since `epoch`: mostly past, and then nothing else is looked at.
    last: AtomicU64,
    /// None of a tenant that never asked for one: of ten thousand tenants that is nearly all.
    kept: Mutex<Option<Box<[Option<Pause>; KEPT]>>>,
}

#[derive(Debug, Clone, Copy)]
struct Pause {
    operation: OperationId,
    since: Instant,
    until: Instant,
}

/// What a throttled operation stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Throttled {
    /// Itself.
    Operation,
    /// All of its tenant.
    Tenant,
}

impl Pauses {
    pub(super) fn new() -> Self {
        Self { epoch: Instant::now(), last: AtomicU64::new(0), kept: Mutex::default() }
    }

    /// How long an operation is still paused.
    pub(super) fn left(&self, operation: OperationId, now: Instant) -> Option<Duration> {
        if self.last.load(Relaxed) <= self.nanos(now) {
            return None;
        }
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let pause = kept.as_ref()?.iter().flatten().find(|pause| pause.operation == operation)?;
        pause.until.checked_duration_since(now).filter(|left| !left.is_zero())
    }

    /// The upstream asked for a pause when this operation came.
    pub(super) fn pause(&self, operation: OperationId, now: Instant, wait: Duration) -> Throttled {
        let until = now + wait;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = kept.get_or_insert_default();
        let known = kept.iter().position(|it| it.is_some_and(|pause| pause.operation == operation));
        // In the place of what was throttled longest ago; an empty place comes first.
        let oldest = (0..KEPT).min_by_key(|at| kept[*at].map(|pause| pause.since)).unwrap_or_default();
        let place = &mut kept[known.unwrap_or(oldest)];
        let longer = place.filter(|_| known.is_some()).map_or(until, |pause| pause.until.max(until));
        *place = Some(Pause { operation, since: now, until: longer });
        self.last.fetch_max(self.nanos(longer), Relaxed);
        let recent = kept.iter().flatten().filter(|pause| now.duration_since(pause.since) < WINDOW);
        if recent.count() >= SEVERAL { Throttled::Tenant } else { Throttled::Operation }
    }

    fn nanos(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.epoch).as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::in_flight::tests::operation;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_throttled_operation_is_paused_alone_and_for_as_long_as_was_asked() {
        let (pauses, now) = (Pauses::new(), Instant::now());
        assert_eq!(pauses.pause(operation(7), now, 5 * SECOND), Throttled::Operation);
        assert_eq!(
            pauses.pause(operation(7), now, SECOND),
            Throttled::Operation,
            "the same one again is no other"
        );
        assert_eq!(pauses.left(operation(7), now + SECOND), Some(4 * SECOND), "never shortened");
        assert_eq!(pauses.left(operation(8), now), None);
        assert_eq!(pauses.left(operation(7), now + 5 * SECOND), None);
    }

    #[tokio::test(start_paused = true)]
    async fn several_operations_within_a_short_time_are_the_tenant() {
        let (pauses, now) = (Pauses::new(), Instant::now());
        assert_eq!(pauses.pause(operation(1), now, SECOND), Throttled::Operation);
        assert_eq!(pauses.pause(operation(2), now + 4 * SECOND, SECOND), Throttled::Operation);
        assert_eq!(pauses.pause(operation(3), now + 9 * SECOND, SECOND), Throttled::Tenant);
        // Apart in time they are not.
        assert_eq!(pauses.pause(operation(4), now + 30 * SECOND, SECOND), Throttled::Operation);
        assert_eq!(pauses.pause(operation(5), now + 39 * SECOND, SECOND), Throttled::Operation);
    }

    #[tokio::test(start_paused = true)]
    async fn b28_what_is_kept_is_bounded_and_the_oldest_goes() {
        let (pauses, start) = (Pauses::new(), Instant::now());
        let mut now = start;
        for n in 0..=KEPT {
            pauses.pause(operation(n), now, 1000 * SECOND);
            now += WINDOW;
        }
        assert_eq!(pauses.left(operation(0), now), None);
        assert!((1..=KEPT).all(|n| pauses.left(operation(n), now).is_some()));
    }
}
