//! What is said about a configuration while it is loaded: problems, warnings, and what was reported already.

use super::{path::KeyPath, problem::Problem};

/// Problems and warnings so far.
#[derive(Default)]
pub(super) struct Remarks {
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
    /// Secrets that are not there, where that is no problem.
    pub(super) absent: Vec<Problem>,
    /// Values that something was said about: nobody should call them missing, or speak of what is in them.
    pub(super) reported: Vec<KeyPath>,
    /// How many keys and tables did not fit.
    pub(super) misfits: usize,
}

impl Remarks {
    /// Whether something was said about `path`, or about a table that it is in.
    pub(super) fn covers(&self, path: &KeyPath) -> bool {
        self.reported.iter().any(|said| path.is_within(said))
    }

    /// Whether something was said about `path`, about what it is in, or about a part of it.
    pub(super) fn touches(&self, path: &KeyPath) -> bool {
        self.covers(path) || self.reported.iter().any(|said| said.is_within(path))
    }
}
