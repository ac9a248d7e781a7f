//! The tenant's Management API: sends an admitted request with the tenant's token, again where that is safe,
//! and hands on the answer. Never follows a redirect, never sends a request without a token, never sends a
//! body twice that may have been carried out.

pub mod client;
pub mod pool;
pub mod replay;
pub mod request;
pub mod retry;
pub mod trouble;

use std::time::Duration;

pub use client::{Answer, Upstream};
pub use pool::Lease;

/// Why there is no answer to hand on.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The upstream could not be reached, or the connection broke before an answer.
    #[error("the upstream {0}")]
    Unreachable(#[source] pool::SendError),
    /// No answer in time.
    #[error("the upstream did not answer within {0:?}")]
    Timeout(Duration),
    /// The deadline of the whole request has passed.
    #[error("the request was not answered within its deadline of {0:?}")]
    Deadline(Duration),
    /// The answer cannot be from a Management API.
    #[error("the upstream's answer is not from a Management API: {0}")]
    Invalid(&'static str),
    /// The upstream refused the token; what it said, and what was done about it.
    #[error("the upstream refused the access token ({0}); {1}")]
    TokenRejected(&'static str, &'static str),
    /// There was a head, and nothing after it.
    #[error("the upstream's answer broke off at its beginning; the request may have been carried out")]
    BrokeOff,
    /// A body that is not held cannot go out again.
    #[error("the request was streamed, so it cannot be sent again")]
    Spent,
    /// The request's own body could not be read.
    #[error(transparent)]
    Body(#[from] replay::RequestBodyError),
}

impl UpstreamError {
    /// Whether the request has certainly not been carried out, as it never went out.
    fn is_unsent(&self) -> bool {
        matches!(self, Self::Unreachable(error) if error.unsent())
    }

    /// What the retry rules need to know; `None` where another try is out of the question.
    fn outcome(&self) -> Option<retry::Outcome<'static>> {
        match self {
            Self::Unreachable(error) => {
                Some(retry::Outcome::Failed { unsent: error.unsent(), label: error.label() })
            }
            Self::Timeout(_) => Some(retry::Outcome::Failed { unsent: false, label: "timeout" }),
            _ => None,
        }
    }
}
