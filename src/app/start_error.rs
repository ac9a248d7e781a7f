//! Why a process cannot start.

use std::io;

use crate::{listen::BindError, observe::audit::AuditError, proxy::BuildError, vault::VaultError};

/// Why a process cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Addresses that cannot be had: all of them, so that they are mended in one go.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))]
    Bind(Vec<BindError>),
    /// A configuration that cannot be put to work.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// No audit log.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// No vault.
    #[error("{0}. {remedy}", remedy = .0.remedy())]
    Vault(#[from] VaultError),
    /// No threads.
    #[error("cannot start the workers: {0}")]
    Workers(#[source] io::Error),
}

impl StartError {
    /// Each thing that is wrong, for a line of its own.
    pub fn each(&self) -> Vec<String> {
        match self {
            Self::Bind(errors) => errors.iter().map(ToString::to_string).collect(),
            other => vec![other.to_string()],
        }
    }
}
