//! The names that a section defines, for other sections that refer to them.

use crate::config::{
    scope::TenantPattern,
    tree::{Members, Node},
};

/// More names than a message should list.
const MOST_LISTED: usize = 20;

/// The names of one section, in order.
#[derive(Clone, Copy)]
pub(super) struct Names<'a>(Option<&'a Members>);

impl<'a> Names<'a> {
    pub(super) fn of(section: Option<&'a Node>) -> Self {
        Self(section.and_then(Node::members))
    }

    pub(super) fn contains(self, name: &str) -> bool {
        self.0.is_some_and(|members| members.get(name).is_some())
    }

    pub(super) fn iter(self) -> impl Iterator<Item = &'a str> {
        self.0.into_iter().flat_map(|members| members.iter().map(|(name, _)| name))
    }

    /// Whether one of the names is among those that a pattern stands for.
    pub(super) fn any_matches(self, pattern: &TenantPattern) -> bool {
        let near = self.0.into_iter().flat_map(|members| members.starting_with(pattern.prefix()));
        near.map(|(name, _)| name).any(|name| pattern.matches(name))
    }

    /// The only name there is.
    pub(super) fn only(self) -> Option<&'a str> {
        let mut names = self.iter();
        names.next().filter(|_| names.next().is_none())
    }

    pub(super) fn is_empty(self) -> bool {
        self.iter().next().is_none()
    }

    /// For a message: the names, but not without end.
    pub(super) fn listed(self) -> String {
        let shown: Vec<_> = self.iter().take(MOST_LISTED).collect();
        match self.iter().skip(MOST_LISTED).count() {
            0 => shown.join(", "),
            more => format!("{} and {more} more", shown.join(", ")),
        }
    }
}
