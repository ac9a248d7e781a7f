//! What was seen of a run, and what it comes to.

use std::time::Duration;

use super::scenario::Scenario;

/// Sign-in has no place among the loads.
pub const SIGN_IN: usize = usize::MAX;

/// All that was seen.
#[derive(Debug)]
pub struct Outcome {
    /// In order of time.
    pub seen: Vec<Seen>,
    /// The fraction of the pace that is believed in at the end.
    pub pace: f64,
    /// Requests that the tenant answered with 429, those that were tried again included.
    pub refused_upstream: usize,
    /// What was played.
    pub scenario: Scenario,
}

/// The end of one request.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// When.
    pub at: Duration,
    /// Whose: the index of a load, or [`SIGN_IN`].
    pub load: usize,
    /// What became of it.
    pub fate: Fate,
    /// How long it waited.
    pub wait: Duration,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It was sent, and answered.
    Sent,
    /// It was refused here.
    Refused,
    /// The tenant's bucket was empty.
    RefusedUpstream,
}

impl Outcome {
    /// How many of a load ended so.
    pub fn count(&self, load: usize, fate: Fate) -> usize {
        self.seen.iter().filter(|seen| seen.load == load && seen.fate == fate).count()
    }

    /// How many requests of all loads were sent; sign-in is nobody's here.
    pub fn sent(&self) -> usize {
        self.seen.iter().filter(|seen| seen.load != SIGN_IN && seen.fate == Fate::Sent).count()
    }

    /// The waits of a load's requests that were sent, in order.
    pub fn waits(&self, load: usize) -> Vec<Duration> {
        let sent = self.seen.iter().filter(|seen| seen.load == load && seen.fate == Fate::Sent);
        let mut waits: Vec<Duration> = sent.map(|seen| seen.wait).collect();
        waits.sort_unstable();
        waits
    }

    /// What was sent, as a fraction of the share.
    #[expect(clippy::cast_precision_loss, reason = "millions at most")]
    pub fn utilisation(&self) -> f64 {
        let quota = self.scenario.quota;
        self.sent() as f64 / (quota.per_second() * quota.share * self.scenario.duration.as_secs_f64())
    }
}

/// That part of sorted waits is not longer.
pub fn percentile(waits: &[Duration], percent: usize) -> Duration {
    waits.get((waits.len() * percent / 100).min(waits.len().saturating_sub(1))).copied().unwrap_or_default()
}
