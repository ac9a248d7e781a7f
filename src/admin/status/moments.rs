//! Moments of both clocks as the document writes them: RFC 3339, UTC, by the wall clock of now.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::{clock::Moment, listen::tls::dates::date};

/// A moment that was `ago`.
pub(super) fn before(now: Moment, ago: Duration) -> String {
    date(now.wall.checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH))
}

/// A moment of the monotonic clock, by the wall clock of now.
pub(super) fn at(now: Moment, then: Instant) -> String {
    before(now, now.instant.saturating_duration_since(then))
}

/// A moment that will be in `left`.
pub(super) fn after(now: Moment, left: Duration) -> String {
    date(now.wall.checked_add(left).unwrap_or(now.wall))
}
