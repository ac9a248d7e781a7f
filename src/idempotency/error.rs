//! Why a request with a key is not sent.

use http::StatusCode;

/// What is wrong with a request that has an `Idempotency-Key`.
#[derive(Debug, thiserror::Error)]
pub enum IdempotencyError {
    /// The key is none.
    #[error("the Idempotency-Key is malformed: {0}")]
    Malformed(&'static str),
    /// Another request had it.
    #[error(
        "the Idempotency-Key was used for another request: its method, path, query, Content-Type or body differs"
    )]
    Reused,
    /// The first request has not been answered yet.
    #[error("the first request with this Idempotency-Key is still under way")]
    InProgress,
    /// Nobody knows whether the first request was carried out.
    #[error(
        "the first request with this Idempotency-Key was sent and got no answer, so it may have been carried out; this one is not sent"
    )]
    Unknown,
    /// A repeat that is not to be sent, and nobody knows of a first.
    #[error(
        "no request with this Idempotency-Key is known here, so nothing is known of its outcome; this one is not sent, as its Claviger-Replay says"
    )]
    NotKnown,
    /// The first request was answered, and the answer is not here.
    #[error(
        "the first request with this Idempotency-Key was answered with {status}, and the answer is not kept: {why}; this one is not sent"
    )]
    NotKept {
        /// The answer's status.
        status: StatusCode,
        /// Why, in words that follow a colon.
        why: &'static str,
    },
    /// There is no place for another key.
    #[error(
        "there are as many Idempotency-Keys of unknown outcome as can be remembered (`limits.idempotency_keys`)"
    )]
    Full,
}

impl IdempotencyError {
    /// The label of the metric.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::Reused => "reused",
            Self::InProgress => "in_progress",
            Self::Unknown | Self::NotKnown => "unknown",
            Self::NotKept { .. } => "not_kept",
            Self::Full => "full",
        }
    }
}
