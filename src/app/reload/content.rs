//! What is in the files that a configuration was read from, as one digest: whether it is worth reading again.

use std::path::{Path, PathBuf};

use crate::{config, secret::Digest};

/// What was read last, good or bad.
pub(in crate::app) struct Seen {
    pub(super) digest: Digest,
    files: Vec<PathBuf>,
    content: Digest,
}

impl Seen {
    /// Of these files, from which a configuration with this digest was made.
    pub(in crate::app) fn new(digest: Digest, files: Vec<PathBuf>) -> Self {
        let content = content(&files);
        Self { digest, files, content }
    }

    /// Whether something else is in the files by now.
    pub(super) fn has_changed(&self) -> bool {
        content(&self.files) != self.content
    }
}

/// One digest for what is in all of these files; a file that cannot be read counts as one that says so.
fn content(files: &[PathBuf]) -> Digest {
    let mut digests = Vec::with_capacity(files.len() * 64);
    for file in files {
        digests.extend_from_slice(one(file).as_bytes());
    }
    Digest::of(&digests)
}

fn one(file: &Path) -> String {
    match config::read(file) {
        Ok(bytes) => Digest::of(&bytes).to_hex(),
        Err(what) => what,
    }
}
