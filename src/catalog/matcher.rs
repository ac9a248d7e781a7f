//! The segment trie: from a method and a path to the value of the template that matches. A literal beats `{x}`,
//! `{x}` beats `/**`, and where the more literal way leads nowhere for this method the next one is tried, as
//! Logto's router does. A search allocates nothing and costs what the path is long, however many templates there
//! are; the path is compared as bytes and never decoded.

use std::cmp::Ordering;

use super::{
    operation::Verb,
    template::{Segment, Template},
};

/// How literal segments are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// Letter for letter.
    Exact,
    /// ASCII letters without regard to case, as Logto's router does below `/api` (fact 3.5).
    Ignored,
}

impl Case {
    /// Whether two segments are the same.
    pub fn same(self) -> fn(&str, &str) -> bool {
        match self {
            Self::Exact => |a, b| a == b,
            Self::Ignored => str::eq_ignore_ascii_case,
        }
    }

    fn store(self, literal: &str) -> Box<str> {
        match self {
            Self::Exact => literal.into(),
            Self::Ignored => literal.to_ascii_lowercase().into(),
        }
    }

    fn compare(self, stored: &str, segment: &str) -> Ordering {
        match self {
            Self::Exact => stored.cmp(segment),
            Self::Ignored => stored.bytes().cmp(segment.bytes().map(|b| b.to_ascii_lowercase())),
        }
    }
}

/// Templates with a value each.
#[derive(Debug)]
pub struct Trie<V> {
    root: Node<V>,
    case: Case,
}

#[derive(Debug)]
struct Node<V> {
    /// In order, as stored by [`Case::store`].
    literals: Vec<(Box<str>, Node<V>)>,
    param: Option<Box<Node<V>>>,
    /// For a path that ends here.
    here: [Option<V>; Verb::COUNT],
    /// For a path that goes on, in whatever way.
    below: [Option<V>; Verb::COUNT],
}

impl<V: Copy> Trie<V> {
    /// An empty one.
    pub fn new(case: Case) -> Self {
        Self { root: Node::new(), case }
    }

    /// Adds a template. Of two that match the same paths the first one stays.
    pub fn insert(&mut self, verb: Verb, template: &Template, value: V) {
        let mut node = &mut self.root;
        for segment in template.segments() {
            node = match segment {
                Segment::Literal(literal) => node.literal(self.case, literal),
                Segment::Param => node.param.get_or_insert_with(|| Box::new(Node::new())),
            };
        }
        let slots = if template.has_tail() { &mut node.below } else { &mut node.here };
        slots[verb as usize].get_or_insert(value);
    }

    /// The value of the template that matches `path`, which begins with a slash and has no empty segment.
    pub fn find(&self, verb: Verb, path: &str) -> Option<V> {
        self.root.find(self.case, verb, Some(path.strip_prefix('/')?))
    }
}

impl<V: Copy> Node<V> {
    fn new() -> Self {
        Self { literals: Vec::new(), param: None, here: [None; Verb::COUNT], below: [None; Verb::COUNT] }
    }

    fn literal(&mut self, case: Case, literal: &str) -> &mut Self {
        let at = match self.literals.binary_search_by(|(stored, _)| case.compare(stored, literal)) {
            Ok(at) => at,
            Err(at) => {
                self.literals.insert(at, (case.store(literal), Self::new()));
                at
            }
        };
        &mut self.literals[at].1
    }

    /// Goes down one segment at a time; the depth is that of the deepest template, not of the path.
    fn find(&self, case: Case, verb: Verb, rest: Option<&str>) -> Option<V> {
        let Some(rest) = rest else {
            return self.here[verb as usize];
        };
        let (segment, rest) = match rest.split_once('/') {
            Some((segment, rest)) => (segment, Some(rest)),
            None => (rest, None),
        };
        let literal = self.literals.binary_search_by(|(stored, _)| case.compare(stored, segment));
        literal
            .ok()
            .and_then(|at| self.literals[at].1.find(case, verb, rest))
            .or_else(|| self.param.as_ref()?.find(case, verb, rest))
            .or(self.below[verb as usize])
    }
}
