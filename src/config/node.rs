//! How a node becomes a value of what a file may say: the shape alone, so that nothing stops at the first misfit.

use std::{collections::BTreeMap, marker::PhantomData};

use super::{
    path::{KeyPath, Trail},
    tree::{Members, Node, Value},
};

/// What is made of a node.
pub(super) trait FromNode: Sized {
    /// `None` where the node has another shape; then that was noted.
    fn from_node(node: &Node, at: &Trail<'_>, misfits: &mut Misfits) -> Option<Self>;
}

impl<T: FromNode> FromNode for BTreeMap<String, T> {
    fn from_node(node: &Node, at: &Trail<'_>, misfits: &mut Misfits) -> Option<Self> {
        let members = misfits.table(node, at, &[])?.iter();
        let read = members.filter_map(|(key, node)| {
            Some((key.to_owned(), T::from_node(node, &Trail::Key(at, key), misfits)?))
        });
        Some(read.collect())
    }
}

/// Tables under names, which are read one by one: of ten thousand, one is in memory at a time.
pub(super) struct Named<T>(PhantomData<T>);

impl<T> FromNode for Named<T> {
    fn from_node(node: &Node, at: &Trail<'_>, misfits: &mut Misfits) -> Option<Self> {
        misfits.table(node, at, &[]).map(|_| Self(PhantomData))
    }
}

/// What does not fit.
#[derive(Default)]
pub(super) struct Misfits(pub(super) Vec<(KeyPath, Kind)>);

/// Why something does not fit.
pub(super) enum Kind {
    /// There is no such key; these are known.
    Unknown { key: String, known: &'static [&'static str] },
    /// What was found where a table is wanted, with these keys.
    Shape { found: &'static str, known: &'static [&'static str] },
}

impl Misfits {
    /// The members of a table; anything else is noted.
    pub(super) fn table<'n>(
        &mut self,
        node: &'n Node,
        at: &Trail<'_>,
        known: &'static [&'static str],
    ) -> Option<&'n Members> {
        let found = match &node.value {
            Value::Map(members) => return Some(members),
            Value::Sequence(_) => "a list",
            Value::Text(_) | Value::Secret(_) => "a single value",
        };
        self.0.push((at.path(), Kind::Shape { found, known }));
        None
    }

    /// Notes that there was something else than a table.
    pub(super) fn shape(&mut self, at: &Trail<'_>, found: &'static str) {
        self.0.push((at.path(), Kind::Shape { found, known: &[] }));
    }

    /// Notes a key that does not exist.
    pub(super) fn unknown(&mut self, at: &Trail<'_>, key: &str, known: &'static [&'static str]) {
        self.0.push((at.path(), Kind::Unknown { key: key.to_owned(), known }));
    }
}
