//! Who has which of a tenant's places, and who of those that wait is next. Pure.
//!
//! An operation may have half of the places, whoever calls it, and a caller three quarters, whatever it calls, so that others
//! are served when it stands still. It makes no difference how fast it was: a table that is locked under load stops all at once what
//! was fast a moment ago. Next is the most urgent class, but for what is owed to those below it; and in a class who came first among those
//! whose caller has the fewest places.

use std::{collections::VecDeque, time::Duration};

use tokio::{sync::oneshot, time::Instant};

use super::turnover::Turnover;
use crate::{
    config::Class,
    ids::{CallerId, OperationId},
    limit::owed::Owed,
};

/// On whose behalf, and for what, in whichever configuration; and how urgent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Who {
    /// The caller's.
    pub caller: CallerId,
    /// The operation's.
    pub operation: OperationId,
    /// As far as it is lowered by the request itself.
    pub class: Class,
}

impl Who {
    /// A request of Claviger's own: nobody else's.
    pub(in crate::limit) const OURSELVES: Self =
        Self { caller: CallerId::OURSELVES, operation: OperationId::OURSELVES, class: Class::Interactive };
}

/// All places of a tenant, which are handed to those who wait as `P`.
#[derive(Debug)]
pub(super) struct Places<P> {
    max: usize,
    /// How many are given out now: fewer than `max` while the tenant is overloaded.
    limit: usize,
    used: usize,
    unread: usize,
    callers: Shares<CallerId>,
    operations: Shares<OperationId>,
    /// Answers that callers have yet to take.
    unread_of: Shares<CallerId>,
    lanes: [Lane<P>; 3],
    owed: Owed,
    turnover: Turnover,
    next_id: u64,
}

/// Those who wait of one class.
#[derive(Debug)]
struct Lane<P> {
    waiting: VecDeque<Waiter<P>>,
    /// Whose they are.
    of: Shares<CallerId>,
}

/// Somebody in the line.
#[derive(Debug)]
pub(super) struct Waiter<P> {
    id: u64,
    pub(super) who: Who,
    pub(super) place: oneshot::Sender<P>,
}

/// How many places each caller, or each operation, has: a short list, as there are few places.
#[derive(Debug)]
struct Shares<K>(Vec<Share<K>>);

#[derive(Debug, Clone, Copy)]
struct Share<K> {
    key: K,
    count: usize,
}

impl<P> Places<P> {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            limit: max,
            used: 0,
            unread: 0,
            callers: Shares::default(),
            operations: Shares::default(),
            unread_of: Shares::default(),
            lanes: std::array::from_fn(|_| Lane { waiting: VecDeque::new(), of: Shares::default() }),
            owed: Owed::default(),
            turnover: Turnover::default(),
            next_id: 0,
        }
    }

    pub(super) fn used(&self) -> usize {
        self.used
    }

    pub(super) fn unread(&self) -> usize {
        self.unread
    }

    pub(super) fn waiting(&self) -> [usize; 3] {
        self.lanes.each_ref().map(|lane| lane.waiting.len())
    }

    /// How many wait.
    pub(super) fn line(&self) -> usize {
        self.waiting().iter().sum()
    }

    /// So many are given out from now on; who has one keeps it.
    pub(super) fn set_limit(&mut self, limit: usize) {
        self.limit = limit.clamp(1, self.max);
    }

    /// Takes a place, where there is one and nobody waits who could have it.
    pub(super) fn take(&mut self, who: Who) -> bool {
        let mut waiting = self.lanes.iter().flat_map(|lane| &lane.waiting);
        let free = self.may_have(who) && !waiting.any(|it| self.may_have(it.who));
        if free {
            self.occupy(who);
        }
        free
    }

    /// Joins the line of `queue`. Where it is full, room is made by whoever came last of the least urgent, if that is less urgent than
    /// the newcomer, or else of the caller that most of the newcomer's class is of, if that has more. `None` where nobody makes room.
    pub(super) fn join(
        &mut self,
        who: Who,
        place: oneshot::Sender<P>,
        queue: usize,
        now: Instant,
    ) -> Option<u64> {
        let waiting = self.line();
        if waiting >= queue {
            self.make_room(who)?;
        } else if waiting == 0 {
            self.turnover.begin(now);
        }
        self.next_id += 1;
        let lane = &mut self.lanes[who.class.index()];
        lane.of.take(who.caller);
        lane.waiting.push_back(Waiter { id: self.next_id, who, place });
        Some(self.next_id)
    }

    fn make_room(&mut self, newcomer: Who) -> Option<()> {
        let is_there = |class: &Class| !self.lanes[class.index()].waiting.is_empty();
        let least = Class::ALL.into_iter().rev().find(is_there)?;
        let lane = &self.lanes[least.index()];
        let most = lane.of.most()?;
        let has_more = least == newcomer.class && most.count > lane.of.of(newcomer.caller).count + 1;
        if least <= newcomer.class && !has_more {
            return None;
        }
        let at = lane.waiting.iter().rposition(|it| it.who.caller == most.key)?;
        self.remove(least, at).map(drop)
    }

    pub(super) fn leave(&mut self, class: Class, id: u64) {
        if let Ok(at) = self.lanes[class.index()].waiting.binary_search_by_key(&id, |it| it.id) {
            self.remove(class, at);
        }
    }

    fn remove(&mut self, class: Class, at: usize) -> Option<Waiter<P>> {
        let lane = &mut self.lanes[class.index()];
        let gone = lane.waiting.remove(at)?;
        lane.of.give_back(gone.who.caller);
        if lane.waiting.is_empty() {
            self.owed.forgive(class);
        }
        Some(gone)
    }

    /// Who is next; the place is theirs from now on.
    pub(super) fn next(&mut self, now: Instant) -> Option<Waiter<P>> {
        let able = Class::ALL.map(|class| self.first(class));
        let waits = |class: Class| able[class.index()].is_some();
        let class = self.owed.due(waits).or_else(|| Class::ALL.into_iter().find(|class| waits(*class)))?;
        self.owed.passed(Some(class), waits);
        self.owed.paid(class);
        let next = self.remove(class, able[class.index()]?)?;
        self.turnover.served(now);
        self.occupy(next.who);
        Some(next)
    }

    /// Where in the line of its class the next one is that could have a place.
    fn first(&self, class: Class) -> Option<usize> {
        let able = self.lanes[class.index()].waiting.iter().enumerate();
        let able = able.filter(|(_, it)| self.may_have(it.who));
        able.min_by_key(|(at, it)| (self.callers.of(it.who.caller).count, *at)).map(|(at, _)| at)
    }

    /// How long one of this class would wait who came now and found room: those of its class and above go before it.
    pub(super) fn expected(&self, class: Class, now: Instant) -> Duration {
        self.turnover.wait(self.before(class), now)
    }

    /// How many wait before a newcomer of this class.
    pub(super) fn before(&self, class: Class) -> usize {
        self.waiting()[..=class.index()].iter().sum()
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
        self.used < self.limit
            && self.unread_of.of(who.caller).count < self.max
            && self.callers.of(who.caller).count < of_caller(self.limit)
            && self.operations.of(who.operation).count < of_operation(self.limit)
    }

    fn occupy(&mut self, who: Who) {
        self.used += 1;
        self.callers.take(who.caller);
        self.operations.take(who.operation);
    }
}

impl<K> Default for Shares<K> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Copy + PartialEq> Shares<K> {
    fn of(&self, key: K) -> Share<K> {
        let known = self.0.iter().find(|share| share.key == key);
        known.copied().unwrap_or(Share { key, count: 0 })
    }

    fn most(&self) -> Option<Share<K>> {
        self.0.iter().max_by_key(|share| share.count).copied()
    }

    fn take(&mut self, key: K) {
        match self.0.iter_mut().find(|share| share.key == key) {
            Some(share) => share.count += 1,
            None => self.0.push(Share { key, count: 1 }),
        }
    }

    fn give_back(&mut self, key: K) {
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
