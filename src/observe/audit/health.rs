//! Whether the audit log can be written, and what the operator can do where it cannot.

use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

/// Whether it can be written, for `/status`.
#[derive(Debug)]
pub(super) struct Health {
    /// The file, or `stdout`.
    pub(super) path: String,
    /// Why the last records could not be written, and what to do about it; `None` since one could.
    failure: Mutex<Option<Failure>>,
}

type Failure = (String, Option<String>);

impl Health {
    pub(super) fn of(path: String) -> Arc<Self> {
        Arc::new(Self { path, failure: Mutex::new(None) })
    }

    pub(super) fn works(&self) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(super) fn failed(&self, error: &io::Error) {
        let failure = (error.to_string(), remedy(&self.path, error));
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
    }

    pub(super) fn failure(&self) -> Option<Failure> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What the operator can do about `path`; `None` where the error says all there is to say.
pub(super) fn remedy(path: &str, error: &io::Error) -> Option<String> {
    let uid = rustix::process::geteuid().as_raw();
    let directory = match Path::new(path).parent() {
        Some(parent) if parent != Path::new("") => parent.display().to_string(),
        _ => ".".to_owned(),
    };
    Some(match error.kind() {
        // As in /proc: the directory is there, and no file can be made in it.
        io::ErrorKind::NotFound if directory != "." && Path::new(&directory).is_dir() => {
            format!("No file can be made in {directory}: name one in another directory.")
        }
        io::ErrorKind::NotFound => format!("Create the directory {directory}, writable for uid {uid}."),
        io::ErrorKind::PermissionDenied => {
            format!("Let uid {uid} write to the directory {directory} and to the audit files in it.")
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            format!("Mount a volume at {directory} that uid {uid} may write to.")
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => format!(
            "Make room on the file system of {directory}: then it goes on by itself. To need less: audit.max_size, audit.keep."
        ),
        io::ErrorKind::IsADirectory => "Name a file in it.".to_owned(),
        io::ErrorKind::WouldBlock => {
            "Another process writes this file: give each one a file of its own.".into()
        }
        io::ErrorKind::BrokenPipe => "Whoever read it has ended: start both again.".into(),
        _ => return None,
    })
}
