//! How a value is parsed from its text.

use schemars::Schema;

use super::problem::Mistake;

/// A type that is written as text.
pub(super) trait FromText: Sized {
    /// What is wanted, as in "found a list where … is wanted".
    const WANTED: &'static str;

    fn from_text(text: &str) -> Result<Self, Mistake>;

    /// The JSON Schema of what may be written.
    fn schema() -> Schema;
}
