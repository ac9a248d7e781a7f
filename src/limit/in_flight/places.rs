//! Who has which of a tenant's places, and who of those that wait is next. Pure, but for the time of now.
//!
//! While its places come back quickly, a caller or an operation may have all of them. What stands still leaves room for
//! others: an operation half of the places, whoever calls it, and a caller a quarter, whatever it calls. Next is who came first among those whose caller has the fewest places.

use std::{collections::VecDeque, time::Duration};

use tokio::{sync::oneshot, time::Instant};

/// A place that came back so lately shows that what it was for does not stand still.
const LATELY: Duration = Duration::from_millis(250);

/// On whose behalf, and for what: indices among callers and operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Who {
    /// The caller's.
    pub caller: usize,
    /// The operation's.
    pub operation: usize,
}

impl Who {
    /// A request of Claviger's own: nobody else's.
    pub(in crate::limit) const OURSELVES: Self = Self { caller: usize::MAX, operation: usize::MAX };
}

/// All places of a tenant, which are handed to those who wait as `P`.
#[derive(Debug)]
pub(super) struct Places<P> {
    max: usize,
    used: usize,
    unread: usize,
    callers: Shares,
    operations: Shares,
    /// Answers that callers have yet to take.
    unread_of: Shares,
    /// Those who wait.
    line_of: Shares,
    waiting: VecDeque<Waiter<P>>,
    next_id: u64,
}

/// Somebody in the line.
#[derive(Debug)]
pub(super) struct Waiter<P> {
    id: u64,
    pub(super) who: Who,
    pub(super) place: oneshot::Sender<P>,
}

/// How many places each caller, or each operation, has: a short list, as there are few places.
#[derive(Debug, Default)]
struct Shares(Vec<Share>);

#[derive(Debug, Clone, Copy)]
struct Share {
    key: usize,
    count: usize,
    last_back: Option<Instant>,
}

impl<P> Places<P> {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            used: 0,
            unread: 0,
            callers: Shares::default(),
            operations: Shares::default(),
            unread_of: Shares::default(),
            line_of: Shares::default(),
            waiting: VecDeque::new(),
            next_id: 0,
        }
    }

    pub(super) fn used(&self) -> usize {
        self.used
    }

    pub(super) fn unread(&self) -> usize {
        self.unread
    }

    /// Takes a place, where there is one and nobody waits who could have it.
    pub(super) fn take(&mut self, who: Who) -> bool {
        let now = Instant::now();
        let free = self.may_have(who, now) && !self.waiting.iter().any(|it| self.may_have(it.who, now));
        if free {
            self.occupy(who);
        }
        free
    }

    /// Joins the line of `queue`. Where it is full, whoever came last of the caller that most of it is of makes room for
    /// a caller with fewer.
    pub(super) fn join(&mut self, who: Who, place: oneshot::Sender<P>, queue: usize) -> Option<u64> {
        if self.waiting.len() >= queue {
            let most =
                self.line_of.most().filter(|most| most.count > self.line_of.of(who.caller).count + 1)?;
            let at = self.waiting.iter().rposition(|it| it.who.caller == most.key)?;
            self.remove(at);
        }
        self.next_id += 1;
        self.line_of.take(who.caller);
        self.waiting.push_back(Waiter { id: self.next_id, who, place });
        Some(self.next_id)
    }

    pub(super) fn leave(&mut self, id: u64) {
        if let Ok(at) = self.waiting.binary_search_by_key(&id, |it| it.id) {
            self.remove(at);
        }
    }

    fn remove(&mut self, at: usize) -> Option<Waiter<P>> {
        let gone = self.waiting.remove(at)?;
        self.line_of.give_back(gone.who.caller, Instant::now());
        Some(gone)
    }

    /// Who is next; the place is theirs from now on.
    pub(super) fn next(&mut self) -> Option<Waiter<P>> {
        let now = Instant::now();
        let able = self.waiting.iter().enumerate().filter(|(_, it)| self.may_have(it.who, now));
        let (at, _) = able.min_by_key(|(at, it)| (self.callers.of(it.who.caller).count, *at))?;
        let next = self.remove(at)?;
        self.occupy(next.who);
        Some(next)
    }

    pub(super) fn give_back(&mut self, who: Who) {
        let now = Instant::now();
        self.used -= 1;
        self.callers.give_back(who.caller, now);
        self.operations.give_back(who.operation, now);
    }

    pub(super) fn begin_unread(&mut self, who: Who) {
        self.unread += 1;
        self.unread_of.take(who.caller);
    }

    pub(super) fn end_unread(&mut self, who: Who) {
        self.unread -= 1;
        self.unread_of.give_back(who.caller, Instant::now());
    }

    fn may_have(&self, who: Who, now: Instant) -> bool {
        self.used < self.max
            && self.unread_of.of(who.caller).count < self.max
            && self.callers.of(who.caller).may_grow(of_caller(self.max), now)
            && self.operations.of(who.operation).may_grow(of_operation(self.max), now)
    }

    fn occupy(&mut self, who: Who) {
        self.used += 1;
        self.callers.take(who.caller);
        self.operations.take(who.operation);
    }
}

impl Shares {
    fn of(&self, key: usize) -> Share {
        let known = self.0.iter().find(|share| share.key == key);
        known.copied().unwrap_or(Share { key, count: 0, last_back: None })
    }

    fn most(&self) -> Option<Share> {
        self.0.iter().max_by_key(|share| share.count).copied()
    }

    fn take(&mut self, key: usize) {
        match self.0.iter_mut().find(|share| share.key == key) {
            Some(share) => share.count += 1,
            None => self.0.push(Share { key, count: 1, last_back: None }),
        }
    }

    fn give_back(&mut self, key: usize, now: Instant) {
        let is_of_use = |share: &Share| {
            share.count > 0 || share.last_back.is_some_and(|at| now.duration_since(at) < LATELY)
        };
        if let Some(share) = self.0.iter_mut().find(|share| share.key == key) {
            share.count -= 1;
            share.last_back = Some(now);
        }
        if self.0.len() > 32 {
            self.0.retain(is_of_use);
        }
    }
}

impl Share {
    fn may_grow(&self, most: usize, now: Instant) -> bool {
        self.count < most || self.last_back.is_some_and(|at| now.duration_since(at) < LATELY)
    }
}

/// What a caller that stands still may have: three quarters, and all where there are but three.
fn of_caller(all: usize) -> usize {
    all - all / 4
}

/// Likewise an operation: half, and all where there are but three.
fn of_operation(all: usize) -> usize {
    if all < 4 { all } else { all - all / 2 }
}
