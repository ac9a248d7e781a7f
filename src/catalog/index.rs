//! Finds an operation by its name, by its tag, or by method and path.

use std::{borrow::Cow, sync::LazyLock};

use super::{
    matcher::{Case, Trie},
    operation::{Op, Operation, Verb},
    parse::{self, CatalogError},
};

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
    Catalog::parse(include_str!("operations.tsv"))
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
