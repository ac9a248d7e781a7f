//! What a file adds to the embedded catalog: mostly nothing.

use super::{operation::Op, parameters::Parameters, secrets::Secrets};

/// What is added to the embedded catalog.
#[derive(Debug, Default)]
pub(super) struct Added {
    text: Box<str>,
    operations: Box<[Extra]>,
}

/// What is known of an added operation beside the operation itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extra {
    pub(super) parameters: Parameters,
    pub(super) secrets: Option<&'static Secrets>,
}

impl Added {
    /// By a file that says `text`, comments left out.
    pub(super) fn new(text: String, operations: Vec<Extra>) -> Self {
        Self { text: text.into(), operations: operations.into() }
    }

    /// What makes one such addition differ from another.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn len(&self) -> usize {
        self.operations.len()
    }

    /// What is known of an operation of a catalog of so many, if it is an added one: those are the last.
    pub(super) fn of(&self, op: Op, operations: usize) -> Option<&Extra> {
        let embedded = operations - self.operations.len();
        self.operations.get(op.index().checked_sub(embedded)?)
    }
}
