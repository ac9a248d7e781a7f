//! What a replica knows of a shared bucket: the permits that it has, where the bucket was by the last answer, how much is asked for here
//! and by the others, and what is yet to be told. Pure: no clock, no lock.

use std::time::Duration;

use tokio::time::Instant;

use super::{lease::Lease, stock::Stock};

/// Seconds for whose need permits are leased: as few as bridge a question to Redis, since what a replica has leased and no longer needs
/// is lost to the others; longer where that would be less than a few.
const AHEAD: f64 = 0.03;
const AHEAD_OF_FEW: f64 = 0.1;
const FEW: f64 = 2.0;
/// The most that are leased at once.
pub(super) const MOST: u64 = 256;
/// How much of what is known of the others' part is kept with each answer.
const KEPT: f64 = 0.9;

/// Times in nanoseconds since the epoch.
#[derive(Debug)]
pub(super) struct State {
    pub(super) stock: Stock,
    /// The arrival of the next permit that Redis would give, as far as is known.
    pub(super) next: u64,
    /// Between two requests, at the pace of all.
    pub(super) cost: u64,
    pub(super) paused_until: u64,
    /// The pace of this replica.
    pub(super) pace: f64,
    /// Since when an answer is awaited.
    pub(super) asked: Option<Instant>,
    /// How far ahead those may draw who have asked since.
    pub(super) reach: u64,
    /// How many wait for an answer.
    pub(super) missing: u64,
    /// Requests of about the last second, and when they were counted last.
    recent: (f64, u64),
    /// Nanoseconds of the bucket that this replica took of late, and the others.
    taken: (f64, f64),
    pub(super) news: News,
}

/// What Redis is to be told.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Was drawn here while an answer was late, in nanoseconds.
    pub(super) debt: u64,
    /// More was, while Redis was away.
    pub(super) was_away: bool,
    pub(super) pace: bool,
    pub(super) pause: u64,
    pub(super) least: u64,
}

impl State {
    /// Nothing is known yet of a bucket with this cost.
    pub(super) fn new(cost: u64) -> Self {
        Self {
            stock: Stock::default(),
            next: 0,
            cost,
            paused_until: 0,
            pace: 1.0,
            asked: None,
            reach: 0,
            missing: 0,
            recent: (0.0, 0),
            taken: (0.0, 0.0),
            news: News::default(),
        }
    }

    /// Takes up what Redis answered.
    pub(super) fn take_up(&mut self, at: u64, lease: Lease) {
        let first = at + lease.first;
        self.shares(lease.count * lease.cost, first.saturating_sub(self.next.max(at)));
        self.stock.put(first, lease.cost, lease.count);
        self.next = first + lease.count * lease.cost;
        self.cost = lease.cost;
        // Redis knows of all pauses but those that it is yet to be told.
        let own = if self.news.pause > 0 { self.paused_until } else { 0 };
        self.paused_until = own.max(at + lease.paused);
    }

    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    fn shares(&mut self, own: u64, others: u64) {
        let (before, theirs) = self.taken;
        self.taken = (before * KEPT + own as f64, theirs * KEPT + others as f64);
    }

    /// Between two requests of this replica, where the others go on as they did.
    pub(super) fn interval(&self, replicas: u32) -> Duration {
        let (own, others) = self.taken;
        let of_all = if own > 0.0 { ((own + others) / own).min(replicas.into()) } else { 1.0 };
        Duration::from_nanos(self.cost).mul_f64(of_all)
    }

    /// Counts one that was drawn; how many are needed ahead.
    pub(super) fn count(&mut self, at: u64) -> u64 {
        self.recent = (self.faded(at) + 1.0, at);
        self.wanted(at)
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a few, and no negative number"
    )]
    pub(super) fn wanted(&self, at: u64) -> u64 {
        let rate = self.faded(at);
        ((rate * AHEAD_OF_FEW).min(FEW).max(rate * AHEAD) as u64).min(MOST)
    }

    /// Requests a second, of late.
    fn faded(&self, at: u64) -> f64 {
        let (count, counted) = self.recent;
        count * (-Duration::from_nanos(at.saturating_sub(counted)).as_secs_f64()).exp()
    }
}

impl News {
    pub(super) fn is_there(&self) -> bool {
        self.pace || self.debt > 0 || self.pause > 0 || self.least > 0
    }
}
