//! Keeps requests that were not served from filling the log: of those with the same code, the first few of a second have lines of their
//! own, and the rest is summed up once a second. What was served is logged as configured; the audit log has all.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::observe::RequestEvent;

/// Between two sums.
const PERIOD: Duration = Duration::from_secs(1);
/// Lines of one code in a period, and of all codes.
const OF_A_CODE: u64 = 30;
const OF_ALL: u64 = 60;
/// What a request has that broke off without a code.
const BROKE_OFF: &str = "broke_off";

/// What was not served in the current period.
#[derive(Debug, Default)]
pub(super) struct Refused(Mutex<Period>);

#[derive(Debug, Default)]
struct Period {
    since: Option<Instant>,
    lines: u64,
    /// As many as there are codes.
    codes: Vec<Sum>,
}

/// How many requests were not served for one reason, beside those with a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) code: &'static str,
    pub(super) more: u64,
    /// Whether something is wrong here or at the upstream.
    pub(super) is_alarming: bool,
    lines: u64,
}

impl Refused {
    /// Whether a request that has ended is to have a line.
    pub(super) fn passes(&self, event: &RequestEvent, now: Instant) -> bool {
        let is_served = event.code.is_none() && event.complete;
        is_served || self.counts(event.code.unwrap_or(BROKE_OFF), event.needs_attention(), now)
    }

    fn counts(&self, code: &'static str, is_alarming: bool, now: Instant) -> bool {
        let mut period = self.period();
        if period.since.is_none_or(|since| now.saturating_duration_since(since) >= PERIOD) {
            (period.since, period.lines) = (Some(now), 0);
            period.codes.iter_mut().for_each(|sum| sum.lines = 0);
        }
        let Period { lines, codes, .. } = &mut *period;
        let sum = match codes.iter_mut().position(|sum| sum.code == code) {
            Some(at) => &mut codes[at],
            None => {
                codes.push(Sum { code, more: 0, is_alarming: false, lines: 0 });
                let last = codes.len() - 1;
                &mut codes[last]
            }
        };
        let passes = sum.lines < OF_A_CODE && *lines < OF_ALL;
        if passes {
            sum.lines += 1;
            *lines += 1;
        } else {
            sum.more += 1;
            sum.is_alarming |= is_alarming;
        }
        passes
    }

    /// Those without a line since this was last asked.
    fn sums(&self) -> Vec<Sum> {
        let mut period = self.period();
        let sums = period.codes.iter_mut().filter(|sum| sum.more > 0);
        let taken = sums.map(|sum| Sum { more: std::mem::take(&mut sum.more), ..*sum });
        taken.collect()
    }

    /// Sums up once a period, for as long as it runs.
    pub(super) async fn tell(&self) {
        let mut periods = tokio::time::interval(PERIOD);
        periods.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            periods.tick().await;
            for Sum { code, more, is_alarming, .. } in self.sums() {
                const WHAT: &str = "more requests ended in the same way";
                if is_alarming {
                    tracing::warn!(code, more, "{WHAT}");
                } else {
                    tracing::info!(code, more, "{WHAT}");
                }
            }
        }
    }

    fn period(&self) -> MutexGuard<'_, Period> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn b46_a_few_lines_a_second_and_the_rest_summed_up_by_code() {
        let refused = Refused::default();
        let count = |code| (0..1000).filter(|_| refused.counts(code, code == "b", Instant::now())).count();
        assert_eq!((count("a"), count("b"), count("c")), (30, 30, 0));
        let told = refused.sums();
        let told: Vec<_> = told.iter().map(|sum| (sum.code, sum.more, sum.is_alarming)).collect();
        assert_eq!(told, [("a", 970, false), ("b", 970, true), ("c", 1000, false)]);
        assert!(refused.sums().is_empty(), "told once");
        tokio::time::advance(PERIOD).await;
        assert_eq!(count("c"), 30);
    }
}
