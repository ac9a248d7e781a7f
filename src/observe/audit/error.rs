//! Why there can be no audit log: said before anything is served, with what to do about it.

use std::io;

use super::health::remedy;

/// What is said of a path that is [`no_file`](super::no_file).
pub const NO_FILE: &str = "is no regular file, and the audit log is rotated by renaming its file. Write output = \"stdout\" for \
                           standard output, \"off\" for none, or the path of a file.";

/// Why there can be no audit log.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// Two would rename the file under each other.
    #[error("audit.output: {path} is written by another process; give each one a file of its own")]
    Taken {
        /// The file.
        path: String,
    },
    /// Rotation would rename a device, a pipe or a link to what a process has open.
    #[error("audit.output: {path} {NO_FILE}")]
    NoFile {
        /// What stands in the place of the file.
        path: String,
    },
    /// The system does not let us.
    #[error("audit.output: {path} cannot be written: {error}{remedy}")]
    Unwritable {
        /// The file, or `stdout`.
        path: String,
        /// What the system says.
        error: io::Error,
        /// What to do, with the full stop before it; or nothing.
        remedy: String,
    },
}

impl AuditError {
    pub(super) fn new(path: String, error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::WouldBlock {
            return Self::Taken { path };
        }
        let remedy = remedy(&path, &error).map(|remedy| format!(". {remedy}")).unwrap_or_default();
        Self::Unwritable { path, error, remedy }
    }
}
