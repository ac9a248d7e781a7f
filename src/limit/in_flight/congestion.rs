//! How many requests a tenant takes at one time, below what is configured: fewer while it is overloaded, and more again step by step.
//! Pure.
//!
//! Overloaded is a tenant most of whose answers, to more than one operation, do not come, are a 503 or 504, or take many times as long as such
//! an answer usually takes. Latencies are compared with those of the same operation alone, so that a slow operation is no sign; and what one
//! operation does is no sign either, since it may have no more than half of the places anyway. It never goes below [`LEAST`], with which an operation
//! and a caller still leave room for others: what there is left to do then is the circuit breaker's.

use std::time::Duration;

use tokio::time::Instant;

use crate::ids::OperationId;

/// The fewest places, where as many are configured: an operation may have two of them, a caller three.
const LEAST: usize = 4;
/// So many more signs than good answers since the last step narrow it.
const SIGNS: u32 = 4;
/// Between two steps up.
const STEP: Duration = Duration::from_secs(1);

/// What is believed of a tenant.
#[derive(Debug)]
pub(super) struct Congestion {
    max: usize,
    limit: usize,
    /// Signs, less the good answers.
    signs: u32,
    /// The first operation with one, and whether there was another.
    first: Option<OperationId>,
    is_of_several: bool,
    /// Since the last step: what was sent before says nothing of how it is now.
    since: Option<Instant>,
}

impl Congestion {
    pub(super) fn new(max: usize) -> Self {
        Self { max, limit: max, signs: 0, first: None, is_of_several: false, since: None }
    }

    /// How many places there are.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// An answer to a request that was sent at `sent` came as it usually does. The new number of places, where it is another.
    pub(super) fn fine(&mut self, sent: Instant, now: Instant) -> Option<usize> {
        if self.is_old(sent) {
            return None;
        }
        self.signs = self.signs.saturating_sub(1);
        if self.signs == 0 {
            (self.first, self.is_of_several) = (None, false);
        }
        let is_due = self.since.is_none_or(|since| now.saturating_duration_since(since) >= STEP);
        if self.limit == self.max || !is_due {
            return None;
        }
        // A tenth at least: of many places not one after the other.
        self.limit = (self.limit + (self.max / 10).max(1)).min(self.max);
        self.since = Some(now);
        Some(self.limit)
    }

    /// A sign. Likewise.
    pub(super) fn sign(&mut self, operation: OperationId, sent: Instant, now: Instant) -> Option<usize> {
        if self.is_old(sent) {
            return None;
        }
        self.is_of_several |= *self.first.get_or_insert(operation) != operation;
        self.signs = self.signs.saturating_add(1).min(2 * SIGNS);
        if self.signs < SIGNS || !self.is_of_several {
            return None;
        }
        let before = self.limit;
        self.limit = (before * 7 / 10).max(LEAST.min(self.max));
        (self.signs, self.first, self.is_of_several, self.since) = (0, None, false, Some(now));
        (before != self.limit).then_some(self.limit)
    }

    /// Whether good answers are no news.
    pub(super) fn is_at_rest(&self) -> bool {
        self.limit == self.max && self.signs == 0
    }

    fn is_old(&self, sent: Instant) -> bool {
        self.since.is_some_and(|since| sent <= since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::in_flight::tests::operation;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn it_is_narrowed_by_several_operations_and_by_what_was_sent_since_alone() {
        let (mut of, start) = (Congestion::new(10), Instant::now());
        let now = start + SECOND;
        for _ in 0..100 {
            assert_eq!(of.sign(operation(1), start, now), None, "one operation is no sign");
        }
        assert_eq!(of.sign(operation(2), start, now), Some(7), "two are");
        for n in 0..20 {
            assert_eq!(of.sign(operation(n), start, now), None, "sent before");
        }
        let mut limits = Vec::new();
        for n in 0..20 {
            let later = now + Duration::from_millis(1 + n as u64);
            limits.extend(of.sign(operation(n), later, later));
        }
        assert_eq!(limits, [4], "never fewer");
    }

    #[tokio::test(start_paused = true)]
    async fn as_many_good_answers_as_signs_leave_it_as_it_is() {
        let (mut of, now) = (Congestion::new(10), Instant::now());
        for n in 0..1000 {
            assert_eq!(of.sign(operation(n), now, now), None);
            assert_eq!(of.fine(now, now), None);
        }
        assert!(of.is_at_rest());
    }

    #[tokio::test(start_paused = true)]
    async fn it_recovers_step_by_step_and_all_of_it() {
        for (max, seconds) in [(10, 6), (100, 10), (4, 0), (1, 0)] {
            let (mut of, mut now) = (Congestion::new(max), Instant::now());
            for n in 0..200 {
                of.sign(operation(n), now, now);
                now += Duration::from_millis(1);
            }
            assert_eq!(of.limit, max.min(4));
            let begun = now;
            while !of.is_at_rest() {
                now += SECOND / 100;
                of.fine(now, now);
            }
            assert_eq!((now - begun).as_secs(), seconds, "of {max}");
        }
    }
}
