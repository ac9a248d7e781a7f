//! An answer.

use serde_json::Value;

/// An answer, and whose it is.
pub(super) struct Answer {
    pub(super) json: Value,
    pub(super) from: String,
}
