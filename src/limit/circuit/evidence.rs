//! Whether it is the tenant that fails, and not one operation or what one caller asks. Pure.
//!
//! A run of failures, which any success ends, within a window. What failed without a connection counts whoever asked for whatever. Of the
//! rest, at most a third of the failures that it takes count of one operation, and at most two thirds of one caller: it takes
//! three operations and two callers that fail, each time without a success in between.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use crate::ids::{CallerId, OperationId};

/// So many times the failures that it takes are kept.
const KEPT: usize = 4;

/// In which way a try failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TriedInVain {
    /// There was no connection: nothing that a caller asks for can cause that.
    Unconnected,
    /// There was no answer, or one with 5xx: it may be the operation, or what this caller asks of it.
    Failed,
}

/// The failures since the last success.
#[derive(Debug, Default)]
pub(super) struct Evidence(VecDeque<Failed>);

#[derive(Debug)]
struct Failed {
    at: Instant,
    /// Caller and operation, where either may be the cause.
    of: Option<(CallerId, OperationId)>,
}

/// How often what was counted, of few.
struct Counts<K>(Vec<(K, usize)>);

impl Evidence {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// There was an answer: it can be connected to; if it was whole, everything works.
    pub(super) fn answered(&mut self, is_whole: bool) {
        if is_whole {
            self.0 = VecDeque::new();
        } else {
            self.connected();
        }
    }

    fn connected(&mut self) {
        self.0.retain(|failed| failed.of.is_some());
    }

    /// A try for this caller and operation failed. Whether that is as many as it takes.
    pub(super) fn failed(
        &mut self,
        now: Instant,
        of: (CallerId, OperationId),
        how: TriedInVain,
        failures: usize,
        window: Duration,
    ) -> bool {
        let of = match how {
            TriedInVain::Unconnected => None,
            TriedInVain::Failed => Some(of),
        };
        if of.is_some() {
            self.connected();
        }
        while self.0.len() >= failures * KEPT
            || self.0.front().is_some_and(|first| now.saturating_duration_since(first.at) > window)
        {
            self.0.pop_front();
        }
        self.0.push_back(Failed { at: now, of });
        self.0.len() >= failures && self.amounts_to(failures)
    }

    fn amounts_to(&self, failures: usize) -> bool {
        let (of_operation, of_caller) = (failures.div_ceil(3), (failures * 2).div_ceil(3));
        let (mut callers, mut operations) = (Counts(Vec::new()), Counts(Vec::new()));
        let counted = self.0.iter().filter(|failed| {
            let Some((caller, operation)) = failed.of else { return true };
            let counts = callers.of(caller) < of_caller && operations.of(operation) < of_operation;
            if counts {
                callers.add(caller);
                operations.add(operation);
            }
            counts
        });
        counted.count() >= failures
    }
}

impl<K: Copy + PartialEq> Counts<K> {
    fn of(&self, key: K) -> usize {
        self.0.iter().find(|(known, _)| *known == key).map_or(0, |(_, count)| *count)
    }

    fn add(&mut self, key: K) {
        match self.0.iter_mut().find(|(known, _)| *known == key) {
            Some((_, count)) => *count += 1,
            None => self.0.push((key, 1)),
        }
    }
}
