//! What a configuration was made of: the files to watch, and a fingerprint by which a change is noticed.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::secret::{Digest, Fingerprint};

/// What a configuration is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum References {
    /// To be put to work: all that it names must be there.
    Needed,
    /// To see what it allows, perhaps where its secrets are not: what is not there is left out.
    MayBeAbsent,
}

/// Everything that was read, for the fingerprint and for the watcher.
#[derive(Default)]
pub(super) struct Inputs {
    files: Vec<Arc<Path>>,
    known: HashSet<Arc<Path>>,
    fingerprint: Fingerprint,
}

impl Inputs {
    /// Adds a file, with what was read from it.
    pub(super) fn file(&mut self, path: &Path, content: Option<&[u8]>) {
        if !self.known.contains(path) {
            let path: Arc<Path> = path.into();
            self.known.insert(path.clone());
            self.files.push(path);
        }
        self.value(&path.to_string_lossy(), content);
    }

    /// Adds a value under a name.
    pub(super) fn value(&mut self, name: &str, content: Option<&[u8]>) {
        self.fingerprint.add(name.as_bytes());
        self.fingerprint.add(if content.is_some() { b"+" } else { b"-" });
        self.fingerprint.add(content.unwrap_or_default());
    }

    /// All files so far.
    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|path| &**path)
    }

    pub(super) fn digest(&self) -> Digest {
        self.fingerprint.digest()
    }

    /// All files, in the order of their first reading.
    pub(super) fn into_files(self) -> Vec<PathBuf> {
        self.files.iter().map(|path| path.to_path_buf()).collect()
    }
}
