//! Permits that this replica has leased, each with its theoretical arrival time. Which class may use one, and when, is decided as in a
//! bucket of this process: by how far its arrival lies ahead. One that nobody has used lapses. Pure: no clock, no lock.

use std::collections::VecDeque;

use crate::limit::limiter::{Drawn, From};

/// Leased permits, in the order of their arrival.
#[derive(Debug, Default)]
pub(super) struct Stock(VecDeque<Permit>);

/// One; in nanoseconds.
#[derive(Debug, Clone, Copy)]
struct Permit {
    arrival: u64,
    cost: u64,
}

/// Why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoPermit {
    /// The next one is due in so many nanoseconds.
    Early(u64),
    /// There is none.
    Empty,
}

impl Stock {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Puts in `count` permits that come at an even pace from `first` on.
    pub(super) fn put(&mut self, first: u64, cost: u64, count: u64) {
        let arrivals = (0..count).map(|n| first.saturating_add(n.saturating_mul(cost)));
        self.0.extend(arrivals.map(|arrival| Permit { arrival, cost }));
    }

    /// The next one, for whoever may use what arrives in `ahead` nanoseconds. What arrived longer than `lapse` ago is gone.
    pub(super) fn take(&mut self, now: u64, ahead: u64, lapse: u64) -> Result<Drawn, NoPermit> {
        while self.0.front().is_some_and(|permit| permit.arrival.saturating_add(lapse) < now) {
            self.0.pop_front();
        }
        let Permit { arrival, cost } = *self.0.front().ok_or(NoPermit::Empty)?;
        let early = arrival.saturating_sub(now.saturating_add(ahead));
        if early > 0 {
            return Err(NoPermit::Early(early));
        }
        self.0.pop_front();
        Ok(Drawn { until: arrival.saturating_add(cost), cost, from: From::Lease })
    }

    /// Takes one back.
    pub(super) fn give_back(&mut self, drawn: Drawn) {
        let arrival = drawn.until.saturating_sub(drawn.cost);
        let at = self.0.partition_point(|permit| permit.arrival < arrival);
        self.0.insert(at, Permit { arrival, cost: drawn.cost });
    }

    /// Nothing of it is good any more.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permit_is_for_whoever_may_use_it_by_its_arrival_and_lapses() {
        let mut stock = Stock::default();
        stock.put(100, 10, 3);
        assert_eq!(stock.take(50, 0, 20), Err(NoPermit::Early(50)));
        let first = stock.take(50, 50, 20).unwrap();
        assert_eq!((first.until, first.cost), (110, 10));
        assert_eq!(stock.take(109, 0, 20), Err(NoPermit::Early(1)));
        stock.give_back(first);
        assert_eq!(stock.take(120, 0, 20), Ok(first), "for twenty after its arrival");
        stock.give_back(first);
        assert_eq!(stock.take(121, 0, 20).map(|it| it.until), Ok(120), "the first has lapsed");
        assert_eq!(stock.len(), 1);
        assert_eq!(stock.take(1000, 0, 20), Err(NoPermit::Empty));
    }
}
