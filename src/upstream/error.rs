//! Why there is no answer to hand on: what came of the connection, the token, the quota or the request's own body.

use std::time::Duration;

use super::{foreign::Foreign, pool::SendError, replay::RequestBodyError, retry::Outcome};
use crate::{ids::TenantName, limit::LimitError, token::TokenError};

/// Why there is no answer to hand on.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// No token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The tenant's quota is used up.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The upstream could not be reached, or the connection broke before an answer; until the next request is tried there, where it was not
    /// sent and the circuit breaker has opened.
    #[error("the upstream {0}")]
    Unreachable(#[source] SendError, Option<Duration>),
    /// No answer in time.
    #[error("the upstream did not answer within {0:?}")]
    Timeout(Duration),
    /// The deadline of the whole request has passed.
    #[error("the request was not answered within its deadline of {0:?}")]
    Deadline(Duration),
    /// The answer cannot be from a Management API.
    #[error("the upstream's answer is not from a Management API: {0}")]
    Invalid(&'static str),
    /// The answer is somebody else's; when to come back, if that says so.
    #[error("the upstream's answer is not from a Management API: {0}")]
    Foreign(Foreign, Option<Duration>),
    /// The upstream refused the token; what it said, and what was done about it.
    #[error("the upstream refused the access token ({0}); {1}")]
    TokenRejected(&'static str, &'static str),
    /// The same of the token of this account.
    #[error("Logto Cloud refuses the personal access token of account {}", .0.as_account())]
    AccountRefused(TenantName),
    /// There was a head, and nothing after it.
    #[error("the upstream's answer broke off at its beginning; the request may have been carried out")]
    BrokeOff,
    /// A body that is not held cannot go out again.
    #[error("the request was streamed, so it cannot be sent again")]
    Spent,
    /// The request's own body could not be read.
    #[error(transparent)]
    Body(#[from] RequestBodyError),
    /// A bug: the grant is for a token that the tenant has no place for.
    #[error("the tenant has no token of the kind that the grant is for; this is a bug")]
    NoSuchToken,
}

impl UpstreamError {
    /// Whether the request has certainly not been carried out, as it never went out.
    pub(super) fn is_unsent(&self) -> bool {
        matches!(self, Self::Unreachable(error, _) if error.unsent())
    }

    /// Whether it may have been carried out: it went out, and what came of it is not known.
    pub fn may_have_been_carried_out(&self) -> bool {
        match self {
            Self::Foreign(foreign, _) => !foreign.was_kept_out(),
            Self::Unreachable(SendError::Broken(_), _)
            | Self::BrokeOff
            | Self::Timeout(_)
            | Self::Deadline(_)
            | Self::Spent
            | Self::Invalid(_) => true,
            _ => false,
        }
    }

    /// Whether nobody takes connections at the upstream: it may be back in a moment.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, Self::Unreachable(error, _) if error.is_refusal())
    }

    /// The same, with when the circuit breaker lets the next request be tried. One that may have been carried out nobody should be
    /// invited to repeat.
    pub(super) fn tried_again_in(self, next_try: Option<Duration>) -> Self {
        match self {
            Self::Unreachable(error, _) if error.unsent() => Self::Unreachable(error, next_try),
            other => other,
        }
    }

    /// What the retry rules need to know; `None` where another try is out of the question.
    pub(super) fn outcome(&self) -> Option<Outcome<'static>> {
        match self {
            Self::Unreachable(error, _) => {
                Some(Outcome::Failed { unsent: error.unsent(), label: error.label() })
            }
            Self::Timeout(_) => Some(Outcome::Failed { unsent: false, label: "timeout" }),
            _ => None,
        }
    }
}
