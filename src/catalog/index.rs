//! Finds operations: one by its name or by method and path, all of a tag, all that are sensitive; and what each takes and
//! answers. A catalog is the embedded one, or that with what a file adds (`extend`), in one index.

use std::{
    borrow::Cow,
    sync::{Arc, LazyLock},
};

use super::{
    added::{Added, Extra},
    api::Api,
    matcher::{Case, Trie},
    operation::{Op, Operation, Requirement, Verb},
    ops::OpSet,
    parse::{self, CatalogError},
    template::{Segment, Template},
};

/// All operations, found by name and by path.
#[derive(Debug)]
pub struct Catalog {
    operations: Box<[Operation]>,
    /// In alphabetical order.
    by_id: Box<[(&'static str, Op)]>,
    /// In alphabetical order.
    tags: Box<[&'static str]>,
    /// By the place of the tag in `tags`.
    tagged: Box<[Tagged]>,
    all: OpSet,
    sensitive: OpSet,
    withheld: OpSet,
    trie: Trie<Op>,
    /// Whose operations they are.
    api: Api,
    /// What a file adds: the last of the operations.
    added: Added,
}

/// What a tag stands for.
#[derive(Debug)]
pub struct Tagged {
    /// Its operations that only read (RFC 9110 section 9.2.1).
    pub reading: OpSet,
    /// Its other operations.
    pub writing: OpSet,
    /// All paths below those of its operations, also such as only a newer Logto has: `/api/users`, `/api/users/**`. No
    /// two tags share one.
    pub paths: Box<[Template]>,
}

/// The operations of Logto v1.42.0, as text.
pub(super) const EMBEDDED: &str = include_str!("operations.tsv");

static LOGTO: LazyLock<Arc<Catalog>> = LazyLock::new(|| {
    let catalog =
        Catalog::parse(EMBEDDED).expect("the embedded catalog is well formed: its test reads this very text");
    Arc::new(catalog)
});

/// Two catalogs are the same if the same was added to the embedded one.
impl PartialEq for Catalog {
    fn eq(&self, other: &Self) -> bool {
        self.added.text() == other.added.text()
    }
}

impl Catalog {
    /// The operations of Logto v1.42.0.
    pub fn logto() -> &'static Self {
        &LOGTO
    }

    /// The same, to be kept.
    pub fn embedded() -> Arc<Self> {
        LOGTO.clone()
    }

    /// Reads a catalog of seven columns, as in `operations.tsv`.
    ///
    /// # Errors
    /// [`CatalogError`] with the first line that is not an operation.
    pub fn parse(text: &'static str) -> Result<Self, CatalogError> {
        Ok(Self::of(Api::Management, parse::operations(text)?, Added::default()))
    }

    /// Of all operations, of which the last are those that are added.
    pub(super) fn of(api: Api, operations: Box<[Operation]>, added: Added) -> Self {
        let all: Vec<(Op, &Operation)> = (0..).map(Op).zip(&operations).collect();
        let trie = Trie::new(Case::Ignored, all.iter().map(|(op, o)| (o.verb, &o.template, *op)));
        let mut by_id: Vec<_> = all.iter().map(|(op, operation)| (operation.id, *op)).collect();
        by_id.sort_unstable();
        let mut tags: Vec<_> = operations.iter().map(|operation| operation.tag).collect();
        tags.sort_unstable();
        tags.dedup();
        let set = |is: &dyn Fn(&Operation) -> bool| -> OpSet {
            all.iter().filter(|(_, operation)| is(operation)).map(|(op, _)| *op).collect()
        };
        let tagged = tags.iter().map(|tag| Tagged {
            reading: set(&|operation| operation.tag == *tag && operation.verb.reads()),
            writing: set(&|operation| operation.tag == *tag && !operation.verb.reads()),
            paths: paths(operations.iter().filter(|operation| operation.tag == *tag)),
        });
        Self {
            by_id: by_id.into(),
            tagged: tagged.collect(),
            all: set(&|_| true),
            sensitive: set(&Operation::is_sensitive),
            withheld: set(&|operation| operation.requirement == Requirement::Withheld),
            tags: tags.into(),
            trie,
            operations,
            api,
            added,
        }
    }

    /// Whose operations they are.
    pub fn api(&self) -> Api {
        self.api
    }

    /// All operations, in order of their path.
    pub fn operations(&self) -> impl ExactSizeIterator<Item = (Op, &Operation)> {
        self.operations.iter().zip(0..=u16::MAX).map(|(operation, index)| (Op(index), operation))
    }

    /// What is known of an operation of this catalog.
    pub fn operation(&self, op: Op) -> &Operation {
        &self.operations[op.index()]
    }

    /// What is known of an operation beside its line, where a file adds it.
    pub(super) fn extra(&self, op: Op) -> Option<&Extra> {
        self.added.of(op, self.operations.len())
    }

    /// What a file adds, without its comments.
    pub fn added_text(&self) -> &str {
        self.added.text()
    }

    /// How many of the operations a file adds.
    pub fn added(&self) -> usize {
        self.added.len()
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

    /// What a tag stands for; `None`: no operation has it.
    pub fn tagged(&self, tag: &str) -> Option<&Tagged> {
        self.tags.binary_search(&tag).ok().map(|at| &self.tagged[at])
    }

    /// What `*` stands for.
    pub fn all(&self) -> OpSet {
        self.all
    }

    /// Those that only a rule that names them grants.
    pub fn sensitive(&self) -> OpSet {
        self.sensitive
    }

    /// Those that are never forwarded.
    pub fn withheld(&self) -> OpSet {
        self.withheld
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

fn paths<'o>(operations: impl Iterator<Item = &'o Operation>) -> Box<[Template]> {
    let mut names: Vec<&str> = Vec::new();
    for operation in operations {
        match operation.template.segments().get(1) {
            Some(Segment::Literal(name)) if !names.contains(&&**name) => names.push(name),
            _ => {}
        }
    }
    let both = |name: &&str| [format!("/api/{name}"), format!("/api/{name}/**")];
    names.iter().flat_map(both).filter_map(|text| Template::parse(&text).ok()).collect()
}
