//! How often something is said of connections that never became a request: a caller that is cut off tries again and again, and so does
//! a scanner. At most one warning a minute for each reason and detail, with the number of those like it that were not written.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Between two warnings of the same.
const INTERVAL: Duration = Duration::from_secs(60);
/// Details of one reason that are told apart. Libraries have more than this for a few reasons, and a peer may try them all.
const DETAILS: usize = 8;
/// As much of a detail as is kept, in characters: some repeat what a peer's certificate says.
const LONGEST: usize = 200;

/// What was written of `REASONS` reasons.
#[derive(Debug)]
pub(super) struct Told<const REASONS: usize>(Mutex<[Vec<Said>; REASONS]>);

#[derive(Debug)]
struct Said {
    detail: String,
    last: Instant,
    since: u64,
}

impl<const REASONS: usize> Told<REASONS> {
    /// How many like it were not written since the last that was; `None` where this is one of them.
    pub(super) fn suppressed(&self, reason: usize, detail: &str, now: Instant) -> Option<u64> {
        // Times and lengths differ from one to the next.
        let detail: String = detail.chars().filter(|c| !c.is_ascii_digit()).take(LONGEST).collect();
        let mut reasons = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all = reasons.get_mut(reason)?;
        let known = all.iter().position(|said| said.detail == detail);
        if known.is_none() && all.len() < DETAILS {
            all.push(Said { detail, last: now, since: 0 });
            return Some(0);
        }
        // The oldest makes room; what was not written of it is told with the newcomer.
        let oldest = (0..all.len()).min_by_key(|at| all[*at].last);
        let said = &mut all[known.or(oldest)?];
        if now.saturating_duration_since(said.last) < INTERVAL {
            said.since += 1;
            return None;
        }
        (said.detail, said.last) = (detail, now);
        Some(std::mem::take(&mut said.since))
    }
}

impl<const REASONS: usize> Default for Told<REASONS> {
    fn default() -> Self {
        Self(Mutex::new(std::array::from_fn(|_| Vec::new())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn one_warning_a_minute_for_each_reason_with_the_number_of_the_others() {
        let (told, start) = (Told::<2>::default(), Instant::now());
        let say = |reason, seconds| told.suppressed(reason, "", start + at(seconds));
        assert_eq!(say(0, 0), Some(0));
        assert_eq!((say(0, 1), say(0, 59)), (None, None));
        assert_eq!(say(1, 59), Some(0), "another reason is another matter");
        assert_eq!(say(0, 60), Some(2));
        assert_eq!(say(0, 61), None);
        assert_eq!(say(0, 600), Some(1));
    }

    #[test]
    fn another_fault_for_the_same_reason_is_written_at_once() {
        let (told, start) = (Told::<2>::default(), Instant::now());
        let say = |detail: &str, seconds| told.suppressed(0, detail, start + at(seconds));
        assert_eq!(say("it is an authority's own", 0), Some(0));
        assert_eq!(say("it is an authority's own", 1), None);
        assert_eq!(say("not for clients", 2), Some(0), "another fault");
        assert_eq!((say("not for clients", 3), say("it is an authority's own", 3)), (None, None));
        assert_eq!(say("it is an authority's own", 60), Some(2));
        assert_eq!(say("not for clients", 62), Some(1));
        assert_eq!((say("expired 100 s ago", 0), say("expired 101 s ago", 1)), (Some(0), None));
    }

    #[test]
    fn a_peer_that_tries_all_faults_has_a_few_lines() {
        let (told, start) = (Told::<1>::default(), Instant::now());
        let odd = |n: usize, seconds| told.suppressed(0, &"x".repeat(n), start + at(seconds));
        assert_eq!((0..100).filter_map(|n| odd(n, 0)).count(), DETAILS);
        assert_eq!(odd(100, 59), None);
        assert_eq!((100..200).filter_map(|n| odd(n, 60)).sum::<u64>(), 93, "those that had no line");
        let endless = "x".repeat(100_000);
        assert_eq!(told.suppressed(0, &endless, start + at(600)), Some(92), "those that had no line at 60");
        let kept = told.0.lock().unwrap();
        assert_eq!(kept[0].len(), DETAILS);
        assert!(kept[0].iter().all(|said| said.detail.len() <= LONGEST));
    }
}
