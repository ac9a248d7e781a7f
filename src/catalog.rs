//! The operations of the Logto Management API, as data: which there are, which are sensitive and why, which are
//! paged. `operations.tsv` holds the facts; this module reads it once and finds an operation by its name or by
//! method and path. It knows nothing of callers and rules, and never decides whether a request may pass.

pub mod matcher;
mod nearest;
mod parse;
pub mod secrets;
pub mod template;

use std::{borrow::Cow, fmt, sync::LazyLock};

use self::{
    matcher::{Case, Trie},
    template::Template,
};
pub use self::{
    nearest::nearest,
    parse::{CatalogError, Risk},
    secrets::Secrets,
};

/// The method of an operation. `HEAD` is the `GET` of the same path (RFC 9110 section 9.3.2); Logto's
/// Management API has no other methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verb {
    /// `GET`, and `HEAD`.
    Get,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `PATCH`
    Patch,
    /// `DELETE`
    Delete,
}

impl Verb {
    /// How many there are.
    pub const COUNT: usize = 5;

    /// The verb of a request's method; `None` for a method that no operation has.
    pub fn of(method: &http::Method) -> Option<Self> {
        if *method == http::Method::HEAD { Some(Self::Get) } else { Self::parse(method.as_str()) }
    }

    /// The verb so named; upper case, as in HTTP.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "GET" => Some(Self::Get),
            "POST" => Some(Self::Post),
            "PUT" => Some(Self::Put),
            "PATCH" => Some(Self::Patch),
            "DELETE" => Some(Self::Delete),
            _ => None,
        }
    }

    /// Its name in HTTP.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// Whether it only reads (RFC 9110 section 9.2.1).
    pub fn reads(self) -> bool {
        self == Self::Get
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An operation of [`Catalog::logto`]: its place in [`Catalog::operations`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Op(u16);

impl Op {
    /// The place in [`Catalog::operations`], from 0 and without gaps: for tables with one entry an operation.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// When a list comes in pages (fact 4.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paging {
    /// In every answer.
    Always,
    /// Only where the query has `page` or `page_size`; else the whole list at once.
    Optional,
}

/// What an operation asks of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requirement {
    /// A token.
    Token,
    /// Nothing: Logto answers anybody (fact 10.3).
    Public,
    /// Never forwarded: an OpenAPI document, which upstream rebuilds for seconds at each request (fact 10.1).
    Withheld,
}

/// One operation.
#[derive(Debug)]
pub struct Operation {
    /// Its method.
    pub verb: Verb,
    /// Its path as Logto documents it: `/api/users/{userId}`.
    pub template: Template,
    /// Logto's operationId: `GetUser`.
    pub id: &'static str,
    /// Logto's first tag in lower-kebab-case: `audit-logs`.
    pub tag: &'static str,
    /// Why the operation is sensitive; empty where it is not.
    pub risks: Box<[Risk]>,
    /// Whether its answer comes in pages.
    pub paging: Option<Paging>,
    /// What it asks of a request.
    pub requirement: Requirement,
}

impl Operation {
    /// Whether only a rule that names the operation grants it.
    pub fn is_sensitive(&self) -> bool {
        !self.risks.is_empty()
    }
}

/// All operations, found by name and by path.
#[derive(Debug)]
pub struct Catalog {
    operations: Box<[Operation]>,
    /// In alphabetical order.
    by_id: Box<[(&'static str, Op)]>,
    /// In alphabetical order.
    tags: Box<[&'static str]>,
    trie: Trie<Op>,
}

static LOGTO: LazyLock<Catalog> = LazyLock::new(|| {
    Catalog::parse(include_str!("catalog/operations.tsv"))
        .expect("the embedded catalog is well formed: its test reads this very text")
});

impl Catalog {
    /// The operations of Logto v1.42.0.
    pub fn logto() -> &'static Self {
        &LOGTO
    }

    /// Reads a catalog.
    ///
    /// # Errors
    /// [`CatalogError`] with the first line that is not an operation.
    pub fn parse(text: &'static str) -> Result<Self, CatalogError> {
        let operations = parse::operations(text)?;
        let mut trie = Trie::new(Case::Ignored);
        let mut by_id = Vec::with_capacity(operations.len());
        let mut tags: Vec<_> = operations.iter().map(|operation| operation.tag).collect();
        for (operation, index) in operations.iter().zip(0..=u16::MAX) {
            trie.insert(operation.verb, &operation.template, Op(index));
            by_id.push((operation.id, Op(index)));
        }
        by_id.sort_unstable();
        tags.sort_unstable();
        tags.dedup();
        Ok(Self { operations, by_id: by_id.into(), tags: tags.into(), trie })
    }

    /// All operations, in order of their path.
    pub fn operations(&self) -> impl ExactSizeIterator<Item = (Op, &Operation)> {
        self.operations.iter().zip(0..=u16::MAX).map(|(operation, index)| (Op(index), operation))
    }

    /// One operation.
    pub fn operation(&self, op: Op) -> &Operation {
        &self.operations[op.index()]
    }

    /// The operation with this operationId, letter for letter.
    pub fn by_id(&self, id: &str) -> Option<Op> {
        let at = self.by_id.binary_search_by_key(&id, |(id, _)| id).ok()?;
        Some(self.by_id[at].1)
    }

    /// All operationIds, in alphabetical order.
    pub fn ids(&self) -> impl Iterator<Item = &'static str> {
        self.by_id.iter().map(|(id, _)| *id)
    }

    /// All tags, in alphabetical order.
    pub fn tags(&self) -> &[&'static str] {
        &self.tags
    }

    /// The tag so written, letter for letter.
    pub fn tag(&self, text: &str) -> Option<&'static str> {
        self.tags.binary_search(&text).ok().map(|at| self.tags[at])
    }

    /// The operation that Logto's router chooses for a path: literal segments below `/api` without regard to case
    /// (fact 3.5), and before parameters. `path` has one spelling for each segment (`policy::path` sees to it) and no
    /// trailing slash.
    pub fn find(&self, verb: Verb, path: &str) -> Option<Op> {
        if path.starts_with("/api/") { self.trie.find(verb, path) } else { None }
    }

    /// The path in the spelling of the catalog: literal segments as Logto documents them, parameters byte for
    /// byte as they came. Borrowed where that is how it came.
    pub fn spell<'p>(&self, op: Op, path: &'p str) -> Cow<'p, str> {
        self.operation(op).template.spell(path)
    }
}

#[cfg(test)]
mod tests;
