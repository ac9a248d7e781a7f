//! TOML into a [`Node`], with all syntax errors at once. Of the parser's errors only the description and the
//! line are used: their `Display` echoes the source, which may be a secret.

use std::path::Path;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};
use zeroize::Zeroizing;

use super::{
    Origin,
    problem::Problem,
    tree::{Lines, MAX_DEPTH, MAX_NODES, Node, Value},
};

/// Reads the text of `file`.
pub(super) fn parse(file: &Path, text: &str) -> Result<Node, Vec<Problem>> {
    let lines = Lines::new(file, text);
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(errors.iter().map(|error| syntax(&lines, error)).collect());
    }
    let mut build = Build { lines: &lines, left: MAX_NODES };
    let root = table.into_inner();
    build.table(root, lines.line(1), 0).map_err(|problem| vec![*problem])
}

/// Reads one inline value, such as `["a", { b = 1 }]`; `None` where `text` is not one.
pub(super) fn parse_inline(text: &str, origin: &Origin) -> Option<Node> {
    let value = DeValue::parse(text).ok()?.into_inner();
    if !matches!(value, DeValue::Array(_) | DeValue::Table(_)) {
        return None;
    }
    let mut node = Build { lines: &Lines::new(Path::new(""), ""), left: MAX_NODES }
        .value(value, origin.clone(), 0)
        .ok()?;
    settle(&mut node, origin);
    Some(node)
}

/// An inline value stands in one place, whatever the parser says of its lines.
fn settle(node: &mut Node, origin: &Origin) {
    node.origin = origin.clone();
    match &mut node.value {
        Value::Sequence(items) => items.iter_mut().for_each(|item| settle(item, origin)),
        Value::Map(map) => map.values_mut().for_each(|item| settle(item, origin)),
        Value::Text(_) | Value::Secret(_) => {}
    }
}

fn syntax(lines: &Lines, error: &toml::de::Error) -> Problem {
    Problem {
        key: String::new(),
        origin: Some(lines.at(error.span().map_or(0, |span| span.start))),
        what: format!("this is not TOML: {}", error.message()),
        remedy: "Text goes in double quotes, a key and its value on one line.".into(),
    }
}

struct Build<'a> {
    lines: &'a Lines,
    left: usize,
}

impl Build<'_> {
    fn table(&mut self, table: DeTable<'_>, origin: Origin, depth: usize) -> Result<Node, Box<Problem>> {
        let mut node = Node::map(&origin);
        let Value::Map(map) = &mut node.value else { return Ok(node) };
        for (key, value) in table {
            let origin = self.lines.at(key.span().start);
            let value = self.value(value.into_inner(), origin, depth + 1)?;
            map.insert(key.into_inner().into_owned(), value);
        }
        Ok(node)
    }

    fn value(&mut self, value: DeValue<'_>, origin: Origin, depth: usize) -> Result<Node, Box<Problem>> {
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
        let origin = self.lines.at(item.span().start);
        self.value(item.into_inner(), origin, depth)
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
