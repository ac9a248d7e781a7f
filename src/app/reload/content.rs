//! What is in the files that a configuration was read from, as one digest: whether it is worth reading again.

use std::{
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use crate::{
    regular_file,
    secret::{Digest, Fingerprint},
};

/// Bytes read at a time.
const PIECE: usize = 16 * 1024;

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

/// One digest for what is in all of these files; a file that cannot be read counts as one that says why.
fn content(files: &[PathBuf]) -> Digest {
    let mut seen = Fingerprint::default();
    for file in files {
        if let Err(error) = add(&mut seen, file) {
            seen.add(error.to_string().as_bytes());
        }
    }
    seen.digest()
}

/// Takes in a file piece by piece: it may be as large as a configuration of ten thousand tenants.
fn add(seen: &mut Fingerprint, file: &Path) -> io::Result<()> {
    let (mut file, _) = regular_file::open(file)?;
    let mut piece = Zeroizing::new(Vec::with_capacity(PIECE));
    loop {
        piece.clear();
        let length = file.by_ref().take(PIECE as u64).read_to_end(&mut piece)?;
        seen.add(&piece);
        if length < PIECE {
            return Ok(());
        }
    }
}
