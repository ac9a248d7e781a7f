//! How often somebody came with a wrong `admin.token`, and when to say so.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// How often is said that somebody has a wrong token.
const SELDOM: Duration = Duration::from_mins(1);

/// Requests with a wrong token since the last that was told of, and when that was.
#[derive(Debug, Default)]
pub(super) struct Guesses(Mutex<(u64, Option<Instant>)>);

impl Guesses {
    /// One more; how many there were, where it is time to say so.
    pub(super) fn add(&self, now: Instant) -> Option<u64> {
        let mut guesses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, last) = (guesses.0 + 1, guesses.1);
        let is_time = last.is_none_or(|last| now.saturating_duration_since(last) >= SELDOM);
        *guesses = if is_time { (0, Some(now)) } else { (count, last) };
        is_time.then_some(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_are_told_of_once_a_minute_with_their_number() {
        let (guesses, start) = (Guesses::default(), Instant::now());
        let add = |seconds| guesses.add(start + Duration::from_secs(seconds));
        assert_eq!((add(0), add(1), add(59)), (Some(1), None, None));
        assert_eq!((add(60), add(61), add(600)), (Some(3), None, Some(2)));
    }
}
