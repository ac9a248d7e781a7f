//! The order between those that wait for a tenant's quota.

use crate::config::Class;

/// How many there are.
pub(super) const RANKS: usize = 4;

/// How urgent: as a class, or before all classes what has a place among the tenant's requests already, as it keeps others out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::limit) enum Rank {
    Placed,
    Class(Class),
}

impl Rank {
    /// Its place, the most urgent first.
    pub(super) const fn index(self) -> usize {
        match self {
            Self::Placed => 0,
            Self::Class(class) => 1 + class.index(),
        }
    }

    /// Which burst it may use: what keeps others out may use all of it.
    pub(super) const fn class(self) -> Class {
        match self {
            Self::Placed => Class::Interactive,
            Self::Class(class) => class,
        }
    }

    /// The rank at this place.
    pub(super) fn at(index: usize) -> Self {
        match index.checked_sub(1) {
            None => Self::Placed,
            Some(class) => Self::Class(Class::ALL[class.min(2)]),
        }
    }
}
