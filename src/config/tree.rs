//! What every kind of source becomes: one tree in which each value knows its place. Every scalar is text,
//! whatever its type was in TOML, YAML or JSON, so that a client ID `0123` keeps its zero and a value means
//! the same in a file and in an environment variable. A node has no `Debug`: until `intake` has had it, it may
//! hold a secret.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use zeroize::Zeroizing;

use super::{origin::Origin, path::KeyPath, problem::Problem};

/// Deeper than any configuration; a bound for the recursive walks.
pub(super) const MAX_DEPTH: usize = 16;
/// More values than any configuration has.
pub(super) const MAX_NODES: usize = 1_000_000;

/// A value and the place where it is written (for a member of a map: where its key is).
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

pub(super) enum Value {
    Text(Zeroizing<String>),
    /// The place of a secret in [`super::intake::Secrets`]. No source can write one.
    Secret(usize),
    Sequence(Vec<Node>),
    Map(Members),
}

/// The members of a map in the order of their names: a sorted list takes a fraction of the memory of a search tree.
#[derive(Default)]
pub(super) struct Members(Vec<(Box<str>, Node)>);

impl Node {
    pub(super) fn text(text: impl Into<String>, origin: &Origin) -> Self {
        Self { value: Value::Text(Zeroizing::new(text.into())), origin: origin.clone() }
    }

    pub(super) fn map(origin: &Origin) -> Self {
        Self { value: Value::Map(Members::default()), origin: origin.clone() }
    }

    pub(super) fn sequence(items: Vec<Self>, origin: &Origin) -> Self {
        Self { value: Value::Sequence(items), origin: origin.clone() }
    }

    /// Says that all of it stands in one place, as an inline value does, whatever the parser says of its lines.
    pub(super) fn settle(&mut self, origin: &Origin) {
        self.origin = origin.clone();
        match &mut self.value {
            Value::Sequence(items) => items.iter_mut().for_each(|item| item.settle(origin)),
            Value::Map(map) => map.retain(|_, item| {
                item.settle(origin);
                true
            }),
            Value::Text(_) | Value::Secret(_) => {}
        }
    }

    /// The members of a map.
    pub(super) fn members(&self) -> Option<&Members> {
        match &self.value {
            Value::Map(members) => Some(members),
            _ => None,
        }
    }

    /// The member `key` of a map.
    pub(super) fn member(&self, key: &str) -> Option<&Self> {
        self.members()?.get(key)
    }

    /// The member `key` of a map.
    pub(super) fn member_mut(&mut self, key: &str) -> Option<&mut Self> {
        match &mut self.value {
            Value::Map(members) => members.get_mut(key),
            _ => None,
        }
    }

    /// Whether this is a map without members.
    pub(super) fn is_empty(&self) -> bool {
        self.members().is_some_and(|members| members.0.is_empty())
    }

    /// The element `index` of a sequence.
    pub(super) fn element(&self, index: usize) -> Option<&Self> {
        match &self.value {
            Value::Sequence(items) => items.get(index),
            _ => None,
        }
    }

    /// The place of the value at `path`, or of the table that it would stand in; never of the root, which is no place.
    pub(super) fn place(&self, path: &KeyPath) -> Option<Origin> {
        let found = self.descend(path);
        found.get(1..)?.last().map(|node| node.origin.clone())
    }

    /// Whether anything is given at `path`.
    pub(super) fn has(&self, path: &KeyPath) -> bool {
        self.descend(path).len() == path.len() + 1
    }

    /// The text at `path`, where there is one.
    pub(super) fn text_at(&self, path: &KeyPath) -> Option<&str> {
        let found = self.descend(path);
        match &found.get(path.len())?.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    fn descend(&self, path: &KeyPath) -> Vec<&Self> {
        path.descend(self, |node, key| node.member(key), |node, index| node.element(index))
    }
}

impl Members {
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.find(key).ok().map(|at| &self.0[at].1)
    }

    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.find(key).ok().map(|at| &mut self.0[at].1)
    }

    /// Puts `node` at `key`, in place of what may be there.
    pub(super) fn insert(&mut self, key: &str, node: Node) {
        match self.find(key) {
            Ok(at) => self.0[at].1 = node,
            Err(at) => self.0.insert(at, (key.into(), node)),
        }
    }

    /// What is at `key`, which is made where there is nothing.
    pub(super) fn or_insert_with(&mut self, key: &str, make: impl FnOnce() -> Node) -> &mut Node {
        let at = match self.find(key) {
            Ok(at) => at,
            Err(at) => {
                self.0.insert(at, (key.into(), make()));
                at
            }
        };
        &mut self.0[at].1
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn iter(&self) -> Iter<'_> {
        Iter(self.0.iter())
    }

    /// The members whose names begin with `prefix`.
    pub(super) fn starting_with(&self, prefix: &str) -> impl Iterator<Item = (&str, &Node)> {
        let first = self.0.partition_point(|(key, _)| **key < *prefix);
        Iter(self.0[first..].iter()).take_while(move |(key, _)| key.starts_with(prefix))
    }

    /// Keeps the members for which `keep` says so.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&str, &mut Node) -> bool) {
        self.0.retain_mut(|(key, node)| keep(key, node));
    }

    /// Also where `key` is to be inserted. Most are inserted in order, so the end is looked at first.
    fn find(&self, key: &str) -> Result<usize, usize> {
        match self.0.last() {
            Some((last, _)) if **last < *key => Err(self.0.len()),
            _ => self.0.binary_search_by(|(known, _)| (**known).cmp(key)),
        }
    }
}

/// The members in the order of their names.
#[derive(Default)]
pub(super) struct Iter<'a>(std::slice::Iter<'a, (Box<str>, Node)>);

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a str, &'a Node);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(key, node)| (&**key, node))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl FromIterator<(String, Node)> for Members {
    fn from_iter<I: IntoIterator<Item = (String, Node)>>(members: I) -> Self {
        let sorted: BTreeMap<String, Node> = members.into_iter().collect();
        Self(sorted.into_iter().map(|(key, node)| (key.into(), node)).collect())
    }
}

/// Names `file:line`.
pub(super) struct Lines {
    file: Arc<str>,
    starts: Vec<u32>,
}

impl Lines {
    pub(super) fn new(file: &Path, text: &str) -> Self {
        let starts = memchr::memchr_iter(b'\n', text.as_bytes());
        let starts = starts.map(|at| u32::try_from(at + 1).unwrap_or(u32::MAX)).collect();
        Self { file: file.display().to_string().into(), starts }
    }

    /// The place of the byte at `offset`.
    pub(super) fn at(&self, offset: usize) -> Origin {
        self.line(self.starts.partition_point(|start| *start as usize <= offset) + 1)
    }

    /// The place of a line, counted from 1.
    pub(super) fn line(&self, line: usize) -> Origin {
        Origin::in_file(&self.file, line)
    }
}

/// The answer to a file that is nested deeper, or holds more values, than any configuration.
pub(super) fn too_much(origin: Origin) -> Problem {
    Problem {
        key: String::new(),
        origin: Some(origin),
        what: format!(
            "more than {MAX_DEPTH} levels or {MAX_NODES} values: this is not a configuration of Claviger"
        ),
        remedy: "Is this the right file?".into(),
    }
}
