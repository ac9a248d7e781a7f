//! Why a configuration that is valid cannot be put to work.

use crate::{
    authn::{SealError, jwt::KeyringError},
    ids::TenantName,
    listen::tls::ListenTlsError,
    policy::decide::RuleProblem,
    trust::TlsError,
};

/// Why a configuration cannot be put to work.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Rules that are none.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Rules(Vec<RuleProblem>),
    /// No TLS.
    #[error("tenant {tenant}: {error}")]
    Tls {
        /// Whose.
        tenant: TenantName,
        /// Why.
        error: TlsError,
    },
    /// No HTTP client for the issuer.
    #[error("the client for token requests cannot be made: {0}")]
    Issuer(Box<str>),
    /// No keys to verify callers' tokens with.
    #[error(transparent)]
    Keys(#[from] KeyringError),
    /// No TLS on the proxy's listeners.
    #[error(transparent)]
    Listen(#[from] ListenTlsError),
    /// No key for the broker.
    #[error(transparent)]
    Seal(#[from] SealError),
}
