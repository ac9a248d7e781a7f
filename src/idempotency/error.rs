//! Why a request with a key is not sent.

use std::{fmt, time::Duration};

use http::StatusCode;

use crate::redis::RedisError;

/// What is wrong with a request that has an `Idempotency-Key`.
#[derive(Debug, thiserror::Error)]
pub enum IdempotencyError {
    /// The key is none.
    #[error("the Idempotency-Key is malformed: {0}")]
    Malformed(&'static str),
    /// It asks what became of a request, and does not say of which.
    #[error(
        "Claviger-Replay asks what became of a POST or PATCH with an Idempotency-Key, and no key of this request is kept; it is not sent"
    )]
    Missing,
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
        /// Why it is not.
        why: NotKept,
    },
    /// There is no place for another key.
    #[error(
        "there are as many Idempotency-Keys of unknown outcome as can be remembered (`limits.idempotency_keys`)"
    )]
    Full,
    /// The store that replicas share does not answer, or refuses.
    #[error(
        "Redis, where the replicas share their Idempotency-Keys, does not answer or refuses, so nobody knows whether this request is the first with its key; it is not sent"
    )]
    Unavailable(RedisError),
}

/// Why an answer is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotKept {
    /// A grant reveals what is in it.
    InClear,
    /// It has more bytes than may be kept of one.
    TooLarge,
    /// It did not come whole within the request's deadline.
    TooSlow,
    /// It did not come whole.
    BrokeOff,
    /// A credential was in it.
    OfCreation,
    /// Less of it may be seen than could then.
    MaskedNow,
    /// Others took its place.
    NoRoom,
    /// There is nothing to seal it with.
    NoKey,
    /// What rests in Redis does not open.
    NotOpened,
}

impl NotKept {
    const ALL: [(Self, &str); 9] = [
        (Self::InClear, "clear"),
        (Self::TooLarge, "large"),
        (Self::TooSlow, "slow"),
        (Self::BrokeOff, "broken"),
        (Self::OfCreation, "creation"),
        (Self::MaskedNow, "masked"),
        (Self::NoRoom, "room"),
        (Self::NoKey, "key"),
        (Self::NotOpened, "sealed"),
    ];

    /// As it rests in a store: small letters.
    pub(super) fn word(self) -> &'static str {
        Self::ALL.iter().find(|(why, _)| *why == self).map_or("sealed", |(_, word)| word)
    }

    pub(super) fn of_word(word: &[u8]) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| known.as_bytes() == word).map(|(why, _)| *why)
    }
}

/// In words that follow a colon.
impl fmt::Display for NotKept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InClear => "it holds secrets that your grant reveals, which are kept nowhere",
            Self::TooLarge => "it is larger than `limits.idempotency_answer`",
            Self::TooSlow => "it was still coming when `timeouts.deadline` ended",
            Self::BrokeOff => "it broke off, or was withheld",
            Self::OfCreation => {
                "that of a tenant's creation is not kept: GET /cloud/api/tenants lists which there are"
            }
            Self::MaskedNow => "your grant has changed, and would mask more of it now",
            Self::NoRoom => "there was no room for it (`limits.idempotency_memory`)",
            Self::NoKey => "replicas share answers only sealed, with a `redis.token_key`",
            Self::NotOpened => {
                "what rests in Redis was not sealed with the `redis.token_key` of this replica, if it has one, or is damaged"
            }
        })
    }
}

impl IdempotencyError {
    /// When to come back, where that can help.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::InProgress => Some(Duration::from_secs(1)),
            // As long as the connection may take to be tried again.
            Self::Unavailable(_) => Some(Duration::from_secs(5)),
            Self::Full => Some(Duration::from_mins(1)),
            _ => None,
        }
    }

    /// The label of the metric.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Malformed(_) | Self::Missing => "malformed",
            Self::Reused => "reused",
            Self::InProgress => "in_progress",
            Self::Unknown | Self::NotKnown => "unknown",
            Self::NotKept { .. } => "not_kept",
            Self::Full => "full",
            Self::Unavailable(_) => "unavailable",
        }
    }
}
