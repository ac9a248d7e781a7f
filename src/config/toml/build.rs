//! What the TOML parser found, as nodes with their places.

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};
use zeroize::Zeroizing;

use crate::config::{
    origin::Origin,
    problem::Problem,
    tree::{Lines, MAX_DEPTH, MAX_NODES, Node, Value, too_much},
};

/// Makes nodes of what the parser found.
pub(super) struct Build<'a> {
    lines: &'a Lines,
    /// Where the text that is parsed begins in the file.
    pub(super) offset: usize,
    left: usize,
}

impl<'a> Build<'a> {
    pub(super) fn new(lines: &'a Lines) -> Self {
        Self { lines, offset: 0, left: MAX_NODES }
    }

    pub(super) fn place(&self, span: Range<usize>) -> Origin {
        self.lines.at(self.offset + span.start)
    }

    pub(super) fn table(
        &mut self,
        table: DeTable<'_>,
        origin: Origin,
        depth: usize,
    ) -> Result<Node, Box<Problem>> {
        let mut node = Node::map(&origin);
        let Value::Map(map) = &mut node.value else { return Ok(node) };
        for (key, value) in table {
            let origin = self.place(key.span());
            let value = self.value(value.into_inner(), origin, depth + 1)?;
            map.insert(&key.into_inner(), value);
        }
        Ok(node)
    }

    pub(super) fn value(
        &mut self,
        value: DeValue<'_>,
        origin: Origin,
        depth: usize,
    ) -> Result<Node, Box<Problem>> {
        let Some(left) = self.left.checked_sub(1).filter(|_| depth <= MAX_DEPTH) else {
            return Err(Box::new(too_much(origin)));
        };
        self.left = left;
        let text = match value {
            DeValue::Table(table) => return self.table(table, origin, depth),
            DeValue::Array(array) => {
                let mut items = Vec::with_capacity(array.len());
                for item in array {
                    items.push(self.element(item, depth + 1)?);
                }
                return Ok(Node::sequence(items, &origin));
            }
            // Moved, not copied: this may be a secret.
            DeValue::String(text) => text.into_owned(),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Float(number) => number.to_string(),
            DeValue::Boolean(flag) => flag.to_string(),
            DeValue::Datetime(time) => time.to_string(),
        };
        Ok(Node { value: Value::Text(Zeroizing::new(text)), origin })
    }

    fn element(&mut self, item: Spanned<DeValue<'_>>, depth: usize) -> Result<Node, Box<Problem>> {
        let origin = self.place(item.span());
        self.value(item.into_inner(), origin, depth)
    }
}
