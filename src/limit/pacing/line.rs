//! Who of those that wait for a tenant's quota is next. Pure: no clock, no lock, no waking.
//!
//! Between classes the more urgent goes first; but of what passes while it waits, a tenth is owed to normal requests and a
//! twentieth to batch, so neither starves. Inside a class callers take turns by their weights (start-time fair queueing; Goyal, Vin
//! and Cheng, IEEE/ACM Transactions on Networking 5(5), 1997): however many requests one has waiting, another gets its share.

use std::{collections::VecDeque, sync::Arc};

use super::{
    rank::{RANKS, Rank},
    seat::Seat,
};
use crate::{config::Class, ids::CallerId, limit::owed::Owed};

/// One request, in units of virtual time, at a weight of 1.
const REQUEST: u64 = 1 << 20;
/// How much of what is known of the past is kept when another one passes: a moment of much that is urgent says little of the next minute, and
/// whoever is refused for it would have had its turn.
const MEMORY: f64 = 0.995;

/// All who wait for one tenant's quota.
#[derive(Debug, Default)]
pub(super) struct Line {
    lanes: [Lane; RANKS],
    owed: Owed,
    /// Which part of what passed of late was of each rank.
    passed: [f64; RANKS],
    len: usize,
}

/// Those of one rank.
#[derive(Debug, Default)]
struct Lane {
    /// The start of what was served last, in virtual time.
    now: u64,
    flows: Vec<Flow>,
    len: usize,
}

/// Those of one caller; kept while its turn is ahead of the others', so that nobody gains by leaving.
#[derive(Debug)]
struct Flow {
    caller: CallerId,
    weight: u32,
    /// When the first of them is due, in virtual time.
    start: u64,
    seats: VecDeque<Arc<Seat>>,
}

impl Line {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn waiting(&self, class: Class) -> usize {
        self.lanes[Rank::Class(class).index()].len
    }

    /// Joins a line of at most `most`. Where it is full, room is made by whoever came last of the least urgent, if that is less
    /// urgent than the newcomer, or else of the caller that most of the newcomer's class is of. `Err` where nobody makes room.
    pub(super) fn join(&mut self, seat: Arc<Seat>, most: usize) -> Result<Option<Arc<Seat>>, ()> {
        let mut evicted = None;
        if self.len >= most && seat.rank != Rank::Placed {
            evicted = Some(self.make_room(&seat).ok_or(())?);
        }
        let lane = &mut self.lanes[seat.rank.index()];
        lane.flow(seat.turn.caller, seat.turn.weight).seats.push_back(seat);
        lane.len += 1;
        self.len += 1;
        Ok(evicted)
    }

    fn make_room(&mut self, newcomer: &Seat) -> Option<Arc<Seat>> {
        let least = (1..RANKS).rev().find(|rank| self.lanes[*rank].len > 0)?;
        let lane = &mut self.lanes[least];
        let own = lane.flows.iter().find(|flow| flow.caller == newcomer.turn.caller);
        let own = own.map_or(0, |flow| flow.seats.len());
        let longest = lane.flows.iter_mut().max_by_key(|flow| flow.seats.len())?;
        let is_less_urgent = least > newcomer.rank.index();
        let has_more = least == newcomer.rank.index() && longest.seats.len() > own + 1;
        if !is_less_urgent && !has_more {
            return None;
        }
        let gone = longest.seats.pop_back()?;
        lane.len -= 1;
        lane.tidy();
        self.len -= 1;
        self.forgive(Rank::at(least));
        Some(gone)
    }

    /// Whether a newcomer of this rank may pass by those who wait.
    pub(super) fn may_pass(&self, rank: Rank) -> bool {
        let nobody_before = self.lanes[..=rank.index()].iter().all(|lane| lane.len == 0);
        nobody_before && (rank == Rank::Placed || !self.owed.is_due())
    }

    /// Whose turn it is, and which burst that may use: what is owed is paid out of anything.
    pub(super) fn turn(&self) -> Option<(Rank, Class)> {
        let owed = self.owed.due(|class| self.waiting(class) > 0);
        let first = (0..RANKS).find(|rank| self.lanes[*rank].len > 0)?;
        match owed {
            Some(class) if first != Rank::Placed.index() => Some((Rank::Class(class), Class::Interactive)),
            _ => Some((Rank::at(first), Rank::at(first).class())),
        }
    }

    /// The next of this rank, who is no longer in the line.
    pub(super) fn next(&mut self, rank: Rank) -> Option<Arc<Seat>> {
        let lane = &mut self.lanes[rank.index()];
        let flows = lane.flows.iter_mut().filter(|flow| !flow.seats.is_empty());
        let flow = flows.min_by_key(|flow| flow.start)?;
        let next = flow.seats.pop_front()?;
        lane.now = flow.start;
        flow.start += REQUEST / u64::from(flow.weight.max(1));
        lane.len -= 1;
        lane.tidy();
        self.len -= 1;
        if let Rank::Class(class) = rank {
            self.owed.paid(class);
        }
        self.has_passed(rank);
        Some(next)
    }

    /// One of this rank has passed.
    pub(super) fn has_passed(&mut self, rank: Rank) {
        let by = match rank {
            Rank::Placed => None,
            Rank::Class(class) => Some(class),
        };
        let lanes = &self.lanes;
        self.owed.passed(by, |class| lanes[Rank::Class(class).index()].len > 0);
        self.passed.iter_mut().for_each(|part| *part *= MEMORY);
        self.passed[rank.index()] += 1.0 - MEMORY;
        self.forgive(rank);
    }

    /// Whoever does not wait is owed nothing.
    fn forgive(&mut self, rank: Rank) {
        if let Rank::Class(class) = rank
            && self.waiting(class) == 0
        {
            self.owed.forgive(class);
        }
    }

    pub(super) fn leave(&mut self, seat: &Arc<Seat>) {
        let lane = &mut self.lanes[seat.rank.index()];
        for flow in lane.flows.iter_mut().filter(|flow| flow.caller == seat.turn.caller) {
            if let Some(at) = flow.seats.iter().position(|it| Arc::ptr_eq(it, seat)) {
                flow.seats.remove(at);
                lane.len -= 1;
                self.len -= 1;
                break;
            }
        }
        lane.tidy();
        self.forgive(seat.rank);
    }

    /// Whoever is expected to wait longest.
    pub(super) fn last(&self) -> Option<&Arc<Seat>> {
        let flows = self.lanes.iter().rev().flat_map(|lane| &lane.flows);
        flows.filter_map(|flow| flow.seats.back()).next()
    }

    /// How many requests pass before a newcomer, as far as is known: those that are more urgent, those of its class whose turn is
    /// before its own, and of those to come as many as there were of late.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "thousands at most, and no negative number"
    )]
    pub(super) fn before(&self, rank: Rank, caller: CallerId, weight: u32) -> u32 {
        let above = &self.lanes[..rank.index()];
        let before: usize = above.iter().map(|lane| lane.len).sum::<usize>()
            + self.lanes[rank.index()].before(caller, weight);
        let urgent: f64 = self.passed[..rank.index()].iter().sum();
        let part = if let Rank::Class(class) = rank { Owed::part(class) } else { 0 };
        let least = f64::from(part.max(5)) / 100.0;
        (before as f64 / (1.0 - urgent).max(least)).ceil() as u32
    }
}

#[cfg(test)]
impl Line {
    /// Whether nothing is kept of anybody.
    pub(super) fn is_bare(&self) -> bool {
        self.lanes.iter().all(|lane| lane.flows.is_empty() && lane.len == 0)
    }
}

impl Lane {
    fn flow(&mut self, caller: CallerId, weight: u32) -> &mut Flow {
        let at = self.flows.iter().position(|flow| flow.caller == caller).unwrap_or_else(|| {
            self.flows.push(Flow { caller, weight, start: 0, seats: VecDeque::new() });
            self.flows.len() - 1
        });
        let flow = &mut self.flows[at];
        flow.weight = weight;
        if flow.seats.is_empty() {
            flow.start = flow.start.max(self.now);
        }
        flow
    }

    fn before(&self, caller: CallerId, weight: u32) -> usize {
        let own = self.flows.iter().find(|flow| flow.caller == caller).map_or(0, |flow| flow.seats.len());
        let turns = own as u64 + 1;
        let of_others = |flow: &Flow| {
            let meanwhile = (turns * u64::from(flow.weight)).div_ceil(u64::from(weight.max(1)));
            flow.seats.len().min(usize::try_from(meanwhile).unwrap_or(usize::MAX))
        };
        own + self.flows.iter().filter(|flow| flow.caller != caller).map(of_others).sum::<usize>()
    }

    /// Lets go of callers that wait for nothing and have had no more than the others.
    fn tidy(&mut self) {
        let now = self.now;
        self.flows.retain(|flow| !flow.seats.is_empty() || flow.start > now);
        if self.len == 0 {
            self.flows.clear();
        }
    }
}
