//! TOML into a [`Node`], with all syntax errors at once. Of the parser's errors only the description and the
//! line are used: their `Display` echoes the source, which may be a secret.

use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::{
    origin::Origin,
    problem::Problem,
    tree::{Lines, Node},
};

mod build;
mod pieces;
mod twice;

use build::Build;

/// Reads the text of `file`.
pub(super) fn parse(file: &Path, text: &str) -> Result<Node, Vec<Problem>> {
    let lines = Lines::new(file, text);
    match pieces::parse(&lines, text) {
        Some(root) => Ok(root),
        None => whole(&lines, text),
    }
}

fn whole(lines: &Lines, text: &str) -> Result<Node, Vec<Problem>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let places = errors.iter().map(|error| (error.message(), error.span().map_or(0, |span| span.start)));
        let twice = twice::Tables::of(text);
        let mut problems: Vec<_> =
            places.filter_map(|(message, at)| twice.problem(lines, message, at)).collect();
        // A list of words without quotes has the same mistake once for each.
        problems.dedup();
        return Err(problems);
    }
    let mut build = Build::new(lines);
    build.table(table.into_inner(), lines.line(1), 0).map_err(|problem| vec![*problem])
}

/// Reads one inline value, such as `["a", { b = 1 }]`; `None` where `text` is not one.
pub(super) fn parse_inline(text: &str, origin: &Origin) -> Option<Node> {
    let value = DeValue::parse(text).ok()?.into_inner();
    if !matches!(value, DeValue::Array(_) | DeValue::Table(_)) {
        return None;
    }
    let lines = Lines::new(Path::new(""), "");
    let mut node = Build::new(&lines).value(value, origin.clone(), 0).ok()?;
    node.settle(origin);
    Some(node)
}
