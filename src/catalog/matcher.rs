//! The segment trie: from a method and a path to the value of the template that matches. A literal beats `{x}`,
//! `{x}` beats `/**`, and where the more literal way leads nowhere for this method the next one is tried, as
//! Logto's router does. A search allocates nothing and costs what the path is long, however many templates there
//! are; the path is compared as bytes and never decoded.
//!
//! A trie is built once and lies flat in four arrays, because a caller's rules have one each: three templates take
//! two or three hundred bytes.

use std::{cmp::Ordering, num::NonZeroU32, ops::Range};

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

    /// By length, then letter by letter: most literals differ in the former, and most callers spell as Logto does.
    fn compare(self, a: &[u8], b: &[u8]) -> Ordering {
        a.len().cmp(&b.len()).then_with(|| match self {
            Self::Exact => a.cmp(b),
            Self::Ignored if a == b => Ordering::Equal,
            Self::Ignored => a.iter().map(u8::to_ascii_lowercase).cmp(b.iter().map(u8::to_ascii_lowercase)),
        })
    }
}

/// Templates with a value each.
#[derive(Debug)]
pub struct Trie<V> {
    case: Case,
    /// The root is the first; then level by level.
    nodes: Box<[Node]>,
    /// Of all nodes, in their order; those of one node in the order of [`Case::compare`].
    edges: Box<[Edge]>,
    /// Of all nodes, in their order.
    values: Box<[Value<V>]>,
    /// The literals of all edges.
    text: Box<[u8]>,
}

#[derive(Debug)]
struct Node {
    /// Its edges among all.
    edges: Range<u32>,
    /// Its values among all.
    values: Range<u32>,
    /// The node behind `{x}`; the root is behind nothing.
    param: Option<NonZeroU32>,
}

#[derive(Debug)]
struct Edge {
    text: Range<u32>,
    node: u32,
}

#[derive(Debug)]
struct Value<V> {
    verb: Verb,
    reach: Reach,
    value: V,
}

/// Which paths a value at a node is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Those that end there.
    Here,
    /// Those that go on, in whatever way.
    Below,
}

impl<V: Copy> Trie<V> {
    /// The trie of some templates. Of two that match the same paths the first one counts.
    pub fn new<'t>(case: Case, templates: impl IntoIterator<Item = (Verb, &'t Template, V)>) -> Self {
        let mut templates: Vec<_> = templates.into_iter().collect();
        templates.sort_by(|(_, a, _), (_, b, _)| in_order(case, a.segments(), b.segments()));
        Builder { case, templates, nodes: vec![], ahead: vec![], edges: vec![], values: vec![], text: vec![] }
            .build()
    }

    /// The value of the template that matches `path`, which begins with a slash and has no empty segment.
    pub fn find(&self, verb: Verb, path: &str) -> Option<V> {
        self.find_below(0, verb, Some(path.strip_prefix('/')?.as_bytes()))
    }

    /// Goes down one segment at a time; the depth is that of the deepest template, not of the path.
    fn find_below(&self, at: u32, verb: Verb, rest: Option<&[u8]>) -> Option<V> {
        let node = &self.nodes[at as usize];
        let Some(rest) = rest else {
            return self.value(node, verb, Reach::Here);
        };
        // Segments are short: byte by byte is faster than a search.
        let end = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
        let (segment, rest) = (&rest[..end], rest.get(end + 1..));
        let literal = self.edge(node, segment);
        literal
            .and_then(|below| self.find_below(below, verb, rest))
            .or_else(|| self.find_below(node.param?.get(), verb, rest))
            .or_else(|| self.value(node, verb, Reach::Below))
    }

    fn edge(&self, node: &Node, segment: &[u8]) -> Option<u32> {
        let edges = &self.edges[node.edges.start as usize..node.edges.end as usize];
        let text = |edge: &Edge| &self.text[edge.text.start as usize..edge.text.end as usize];
        let found = edges.binary_search_by(|edge| self.case.compare(text(edge), segment)).ok()?;
        Some(edges[found].node)
    }

    fn value(&self, node: &Node, verb: Verb, reach: Reach) -> Option<V> {
        let values = &self.values[node.values.start as usize..node.values.end as usize];
        values.iter().find(|value| value.verb == verb && value.reach == reach).map(|value| value.value)
    }
}

struct Builder<'t, V> {
    case: Case,
    /// In order, so that those below one node lie side by side.
    templates: Vec<(Verb, &'t Template, V)>,
    nodes: Vec<Node>,
    /// The nodes to make, by level: their templates and how deep they are.
    ahead: Vec<(Range<usize>, usize)>,
    edges: Vec<Edge>,
    values: Vec<Value<V>>,
    text: Vec<u8>,
}

impl<V: Copy> Builder<'_, V> {
    fn build(mut self) -> Trie<V> {
        self.ahead.push((0..self.templates.len(), 0));
        while let Some((templates, depth)) = self.ahead.get(self.nodes.len()).cloned() {
            self.node(templates, depth);
        }
        Trie {
            case: self.case,
            nodes: self.nodes.into(),
            edges: self.edges.into(),
            values: self.values.into(),
            text: self.text.into(),
        }
    }

    fn node(&mut self, Range { start: mut at, end }: Range<usize>, depth: usize) {
        let (first_edge, first_value) = (narrow(self.edges.len()), self.values.len());
        while at < end && self.templates[at].1.segments().len() == depth {
            let (verb, template, value) = self.templates[at];
            let reach = if template.has_tail() { Reach::Below } else { Reach::Here };
            if !self.values[first_value..].iter().any(|known| known.verb == verb && known.reach == reach) {
                self.values.push(Value { verb, reach, value });
            }
            at += 1;
        }
        let mut param = None;
        while at < end {
            let segment = &self.templates[at].1.segments()[depth];
            let same = |other: &Segment| segment_in_order(self.case, segment, other).is_eq();
            let alike = self.templates[at..end].iter().take_while(|(_, t, _)| same(&t.segments()[depth]));
            let next = at + alike.count();
            let node = narrow(self.ahead.len());
            match segment {
                Segment::Literal(literal) => {
                    let start = narrow(self.text.len());
                    self.text.extend_from_slice(literal.as_bytes());
                    self.edges.push(Edge { text: start..narrow(self.text.len()), node });
                }
                Segment::Param => param = NonZeroU32::new(node),
            }
            self.ahead.push((at..next, depth + 1));
            at = next;
        }
        let edges = first_edge..narrow(self.edges.len());
        let values = narrow(first_value)..narrow(self.values.len());
        self.nodes.push(Node { edges, values, param });
    }
}

/// Shorter before longer, literals before `{x}`, equal ones as they came.
fn in_order(case: Case, a: &[Segment], b: &[Segment]) -> Ordering {
    let differs = a.iter().zip(b).map(|(a, b)| segment_in_order(case, a, b)).find(|order| order.is_ne());
    differs.unwrap_or_else(|| a.len().cmp(&b.len()))
}

fn segment_in_order(case: Case, a: &Segment, b: &Segment) -> Ordering {
    match (a, b) {
        (Segment::Literal(a), Segment::Literal(b)) => case.compare(a.as_bytes(), b.as_bytes()),
        (Segment::Literal(_), Segment::Param) => Ordering::Less,
        (Segment::Param, Segment::Literal(_)) => Ordering::Greater,
        (Segment::Param, Segment::Param) => Ordering::Equal,
    }
}

/// A count of things that are in memory, each of them some bytes of a configuration file.
fn narrow(count: usize) -> u32 {
    u32::try_from(count).expect("a trie has fewer than 2^32 nodes, edges and letters")
}
