//! What can be wrong with a catalog file, as it is told.

use std::fmt;

/// What stands in the place of risks that nobody has judged yet: `claviger operations --diff` proposes lines with it.
pub const UNREVIEWED: &str = "?";

/// What is wrong with a line of a catalog file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileProblem {
    /// Counted from 1, comments included.
    pub line: usize,
    /// What is wrong, without a full stop.
    pub what: String,
    /// What to write instead: whole sentences.
    pub remedy: String,
}

impl fmt::Display for FileProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}. {}", self.line, self.what, self.remedy)
    }
}

pub(super) fn problem(line: usize, what: impl Into<String>, remedy: impl Into<String>) -> FileProblem {
    FileProblem { line, what: what.into(), remedy: remedy.into() }
}
