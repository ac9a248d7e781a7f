//! Why an answer, or the rest of it, must not reach its caller.

use super::{echo_guard::Echo, gunzip::Undecodable, redact::Unmaskable};

/// Why an answer must not reach its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Blocked {
    /// Neither gzip nor as it is, which is what it was asked for as.
    #[error(
        "the upstream's answer has a Content-Encoding that was not asked for, so it cannot be looked through for secrets"
    )]
    Encoded,
    /// Says that it is gzip, and is not, or not as it should be.
    #[error("the upstream's answer cannot be decompressed: {0}")]
    Undecodable(#[from] Undecodable),
    /// Something else than JSON in UTF-8.
    #[error("the upstream's answer may hold secrets, and is not the JSON in which they could be masked")]
    NotJson,
    /// A range, though none was asked for.
    #[error("the upstream's answer may hold secrets, and is a part, in which they cannot be masked")]
    Partial,
    /// Not what its head says it is.
    #[error("the upstream's answer may hold secrets, which could not be masked: {0}")]
    Unmaskable(#[from] Unmaskable),
    /// It repeats the access token or a client secret.
    #[error("the upstream's answer repeats a credential that Claviger holds")]
    Echo,
}

impl From<Echo> for Blocked {
    fn from(Echo: Echo) -> Self {
        Self::Echo
    }
}
