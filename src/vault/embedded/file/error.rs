//! Why the file cannot be used, in the operator's terms, and what mends it.

use std::{io, path::Path};

use redb::{CommitError, DatabaseError, StorageError, TableError, TransactionError};

use crate::vault::error::Unavailable;

/// Why the file cannot be used.
#[derive(Debug)]
pub(in crate::vault::embedded) enum Reason {
    /// Another process has it.
    Locked,
    /// It is sealed with another key.
    Key,
    /// It has nothing in it, as one that was to be restored onto a full disk.
    Empty,
    /// It is no vault.
    Foreign,
    /// What is in it does not fit together.
    Damaged(String),
    /// The system's cryptography failed.
    Seal,
    Io(io::Error),
}

pub(super) fn unavailable(path: &Path, reason: impl Into<Reason>) -> Unavailable {
    let path = path.display();
    match reason.into() {
        Reason::Locked => Unavailable::in_use(
            format!("another process has {path} open"),
            "Stop it first; `claviger tenant` and its `export` work while it runs, with admin.tenants = true.",
        ),
        Reason::Key => Unavailable::other_key(path),
        Reason::Empty => Unavailable::wrong(
            format!("{path} is empty"),
            "Restore a copy, or remove it to begin anew. Nothing was changed.",
        ),
        Reason::Foreign => Unavailable::wrong(
            format!("{path} is not a vault of Claviger"),
            "Write the path of another file into vault.store; one that does not exist is made. Nothing was changed.",
        ),
        Reason::Damaged(what) => Unavailable::wrong(
            format!("{path} is damaged: {what}"),
            "Move the file away, then restore a copy of it, or take an export in with `claviger vault import`. Nothing was changed.",
        ),
        Reason::Seal => Unavailable::no_seal(),
        Reason::Io(error) => {
            let (what, remedy) = match error.kind() {
                io::ErrorKind::NotFound => (
                    "there is no such file or directory",
                    "Make the directory, for the user of this process.",
                ),
                io::ErrorKind::IsADirectory => ("it is a directory", "Write the path of a file in it."),
                io::ErrorKind::PermissionDenied => (
                    "this process may not read and write it",
                    "Give the file, and the directory it is in, to the user of this process.",
                ),
                io::ErrorKind::ReadOnlyFilesystem => (
                    "the file system is read-only",
                    "Put the vault where this process may write: a volume of its own.",
                ),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => (
                    "the disk is full",
                    "Make room; what was stored before is there, and nothing else was changed.",
                ),
                _ => {
                    return Unavailable::wrong(
                        format!("{path}: {error}"),
                        "Look at the disk and at the path.",
                    );
                }
            };
            Unavailable::wrong(format!("{path}: {what}"), remedy)
        }
    }
}

impl From<io::Error> for Reason {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<StorageError> for Reason {
    fn from(error: StorageError) -> Self {
        match error {
            // Neither is a magic number that is none an error of the disk.
            StorageError::Io(error) if error.kind() == io::ErrorKind::InvalidData => Self::Foreign,
            StorageError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Self::Damaged("it ends too early".into())
            }
            StorageError::Io(error) => Self::Io(error),
            other => Self::Damaged(other.to_string()),
        }
    }
}

impl From<DatabaseError> for Reason {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => Self::Locked,
            DatabaseError::Storage(error) => error.into(),
            other => Self::Damaged(other.to_string()),
        }
    }
}

impl From<TransactionError> for Reason {
    fn from(error: TransactionError) -> Self {
        match error {
            TransactionError::Storage(error) => error.into(),
            other => Self::Damaged(other.to_string()),
        }
    }
}

impl From<TableError> for Reason {
    fn from(error: TableError) -> Self {
        match error {
            TableError::Storage(error) => error.into(),
            other => Self::Damaged(other.to_string()),
        }
    }
}

impl From<CommitError> for Reason {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Storage(error) => error.into(),
            other => Self::Damaged(other.to_string()),
        }
    }
}
