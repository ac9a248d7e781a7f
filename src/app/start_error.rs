//! Why a process cannot start.

use std::io;

use crate::{listen::BindError, observe::audit::AuditError, proxy::BuildError, vault::VaultError};

/// Why a process cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address that cannot be had.
    #[error(transparent)]
    Bind(#[from] BindError),
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
