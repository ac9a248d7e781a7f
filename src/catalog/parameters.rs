//! What an operation takes: query parameters, and members at the top of the JSON object in its body. For code that checks
//! that a condition is about something that exists; requests are never judged by it.

/// The names that an operation takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Parameters {
    /// As in `parameters.tsv`: separated by commas.
    pub(super) query: &'static str,
    pub(super) members: &'static str,
}

impl Parameters {
    /// The query parameters, in alphabetical order; `search*` stands for all that begin so.
    pub fn query(self) -> impl Iterator<Item = &'static str> {
        names(self.query)
    }

    /// Whether the operation takes a query parameter, letter for letter.
    pub fn takes(self, name: &str) -> bool {
        self.query().any(|known| match known.strip_suffix('*') {
            Some(family) => name.starts_with(family),
            None => known == name,
        })
    }

    /// The members of the body, in alphabetical order; `*` stands for any.
    pub fn members(self) -> impl Iterator<Item = &'static str> {
        names(self.members)
    }

    /// Whether the body may have a member, letter for letter.
    pub fn has_member(self, name: &str) -> bool {
        self.members().any(|known| known == "*" || known == name)
    }
}

pub(super) fn names(list: &'static str) -> impl Iterator<Item = &'static str> {
    list.split(',').filter(|name| !name.is_empty())
}
