//! How a value is parsed from its text.

use schemars::Schema;

use super::problem::Mistake;

/// What is wrong with a path that is written as a shell would expand it.
pub(super) fn unexpanded(path: &str) -> Option<Mistake> {
    let is_variable =
        |rest: &str| rest.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '{'));
    let is_one = path == "~" || path.starts_with("~/") || path.strip_prefix('$').is_some_and(is_variable);
    is_one.then(|| {
        let what =
            "the path is written as a shell would expand it, and neither ~ nor variables are expanded here";
        Mistake::new(what, "Write the whole path.")
    })
}

/// The values in a text that should be a list of them, as a list has them: with something between them, or in brackets that
/// a shell took the quotes out of.
pub(super) fn as_list(text: &str, is_one: impl Fn(&str) -> bool) -> Option<String> {
    let bare = text.trim();
    let bracketed = bare.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let parts = bracketed.unwrap_or(bare).split(|c: char| c.is_whitespace() || matches!(c, ',' | ';'));
    let items: Vec<_> =
        parts.map(|item| item.trim_matches(['"', '\''])).filter(|item| !item.is_empty()).collect();
    let are_all =
        (items.len() > 1 || bracketed.is_some()) && !items.is_empty() && items.iter().copied().all(is_one);
    are_all.then(|| {
        let items: Vec<_> = items.iter().map(|item| format!("{item:?}")).collect();
        format!("Write a list: [{}]; in a shell put '…' around it.", items.join(", "))
    })
}

/// A type that is written as text.
pub(super) trait FromText: Sized {
    /// What is wanted, as in "found a list where … is wanted".
    const WANTED: &'static str;

    fn from_text(text: &str) -> Result<Self, Mistake>;

    /// The JSON Schema of what may be written.
    fn schema() -> Schema;
}
