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

/// A type that is written as text.
pub(super) trait FromText: Sized {
    /// What is wanted, as in "found a list where … is wanted".
    const WANTED: &'static str;

    fn from_text(text: &str) -> Result<Self, Mistake>;

    /// The JSON Schema of what may be written.
    fn schema() -> Schema;
}
