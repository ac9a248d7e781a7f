//! Who has which of a tenant's places, and who of those that wait is next. Pure.
//!
//! An operation may have half of the places, whoever calls it, and a caller three quarters, whatever it calls, so that others
//! are served when it stands still. It makes no difference how fast it was: a table that is locked under load stops all at once what
//! was fast a moment ago. Next is who came first among those whose caller has the fewest places.

use std::collections::VecDeque;

use tokio::sync::oneshot;

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
        let free = self.may_have(who) && !self.waiting.iter().any(|it| self.may_have(it.who));
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
        self.line_of.give_back(gone.who.caller);
        Some(gone)
    }

    /// Who is next; the place is theirs from now on.
    pub(super) fn next(&mut self) -> Option<Waiter<P>> {
        let able = self.waiting.iter().enumerate().filter(|(_, it)| self.may_have(it.who));
        let (at, _) = able.min_by_key(|(at, it)| (self.callers.of(it.who.caller).count, *at))?;
        let next = self.remove(at)?;
        self.occupy(next.who);
        Some(next)
    }

    pub(super) fn give_back(&mut self, who: Who) {
        self.used -= 1;
        self.callers.give_back(who.caller);
        self.operations.give_back(who.operation);
    }

    pub(super) fn begin_unread(&mut self, who: Who) {
        self.unread += 1;
        self.unread_of.take(who.caller);
    }

    pub(super) fn end_unread(&mut self, who: Who) {
        self.unread -= 1;
        self.unread_of.give_back(who.caller);
    }

    fn may_have(&self, who: Who) -> bool {
        self.used < self.max
            && self.unread_of.of(who.caller).count < self.max
            && self.callers.of(who.caller).count < of_caller(self.max)
            && self.operations.of(who.operation).count < of_operation(self.max)
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
        known.copied().unwrap_or(Share { key, count: 0 })
    }

    fn most(&self) -> Option<Share> {
        self.0.iter().max_by_key(|share| share.count).copied()
    }

    fn take(&mut self, key: usize) {
        match self.0.iter_mut().find(|share| share.key == key) {
            Some(share) => share.count += 1,
            None => self.0.push(Share { key, count: 1 }),
        }
    }

    fn give_back(&mut self, key: usize) {
        if let Some(share) = self.0.iter_mut().find(|share| share.key == key) {
            share.count -= 1;
        }
        if self.0.len() > 32 {
            self.0.retain(|share| share.count > 0);
        }
    }
}

/// What a caller may have: three quarters, and all where there are but three.
fn of_caller(all: usize) -> usize {
    all - all / 4
}

/// Likewise an operation: half, and all where there are but three.
fn of_operation(all: usize) -> usize {
    if all < 4 { all } else { all - all / 2 }
}
