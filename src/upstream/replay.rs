//! The body of a request on its way up: checked against what Logto would answer with a misleading 404 or a
//! silently empty object (facts 5.1, 5.2), held in memory when it is small, so that it can be sent again
//! byte for byte, and streamed when it is not.

mod check;
mod streamed;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use http_body::Body as _;
use hyper::body::Incoming;

pub use self::check::{RequestBodyError, check};
pub(super) use self::streamed::RequestBody;
use self::{
    check::Check,
    streamed::{BodyFailure, Streamed},
};
use super::media::must_hold_object;
use crate::{config::Limits, limit::LatePlace};

/// How much of a body has to be in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All of a small one, and nothing of another.
    Small,
    /// All of it: somebody looks at it.
    Whole,
}

/// A body as it came in.
#[derive(Debug)]
pub enum Prepared {
    /// Whole, in memory, and as often as needed.
    Held(Bytes),
    /// Once.
    Streamed(Option<Box<Streamed>>, BodyFailure),
}

impl Prepared {
    /// As many bytes of a body as will be in memory while its request waits.
    pub fn held_of(body: &Incoming, limits: &Limits, extent: Extent) -> u64 {
        let most = limits.replay as u64;
        match body.size_hint().exact() {
            Some(length) if length <= most => length,
            _ if extent == Extent::Whole => most,
            _ => 0,
        }
    }

    /// Checks the body of a request, and reads it when it is small.
    ///
    /// # Errors
    /// [`RequestBodyError`].
    pub async fn read(
        (method, headers, operation): (&Method, &HeaderMap, &str),
        body: Incoming,
        limits: &Limits,
        idle: Duration,
    ) -> Result<Self, RequestBodyError> {
        if body.is_end_stream() {
            return check((method, headers, operation), b"", limits).map(|()| Self::Held(Bytes::new()));
        }
        let mut check = Check::begin((method, headers, operation), limits)?;
        let (length, limit) = (body.size_hint().exact(), check.left);
        check.is_awaited = must_hold_object(operation);
        if length.is_some_and(|length| length > limit) {
            return Err(check.over);
        }
        let failure = BodyFailure::default();
        let streamed = Streamed::new(body, check, idle, failure.clone());
        match length.and_then(|length| usize::try_from(length).ok()) {
            Some(length) if length <= limits.replay => Ok(Self::Held(streamed.collect(length).await?)),
            _ => Ok(Self::Streamed(Some(Box::new(streamed)), failure)),
        }
    }

    /// Waits for the first part of a streamed body, where it must have one: without, nothing is to be sent or drawn on a quota.
    ///
    /// # Errors
    /// [`RequestBodyError`].
    pub async fn begin(mut self) -> Result<Self, RequestBodyError> {
        if let Self::Streamed(Some(streamed), _) = &mut self {
            streamed.begin().await?;
        }
        Ok(self)
    }

    /// Reads a streamed body to its end, so that it can be looked at.
    ///
    /// # Errors
    /// [`RequestBodyError`], also where it is larger than what is held.
    pub async fn hold(self, limits: &Limits) -> Result<Self, RequestBodyError> {
        let Self::Streamed(Some(mut streamed), _) = self else { return Ok(self) };
        let most = limits.replay as u64;
        streamed.bound(most, RequestBodyError::TooLarge { limit: most, key: "limits.replay" })?;
        Ok(Self::Held(streamed.collect(0).await?))
    }

    /// The whole body, where it is in memory.
    pub fn held(&self) -> Option<&[u8]> {
        match self {
            Self::Held(bytes) => Some(bytes),
            Self::Streamed(..) => None,
        }
    }

    /// Whether the body can be sent once more: it is held, or nobody has read of it.
    pub fn is_replayable(&self) -> bool {
        matches!(self, Self::Held(_) | Self::Streamed(Some(_), _))
    }

    /// Takes back the body of a try that was not sent.
    pub fn take_back(&mut self, body: RequestBody) {
        if let (Self::Streamed(place, _), RequestBody::Streamed(streamed)) = (self, body) {
            *place = Some(streamed);
        }
    }

    /// The same, whose end waits for a place among the tenant's requests where the request has none yet.
    #[must_use]
    pub fn entering(mut self, place: &LatePlace) -> Self {
        if let Self::Streamed(Some(streamed), _) = &mut self {
            streamed.entering(place);
        }
        self
    }

    /// The body for one try; `None` when it has gone out before and is not held.
    pub fn attempt(&mut self) -> Option<RequestBody> {
        match self {
            Self::Held(bytes) => Some(RequestBody::Held(bytes.clone())),
            Self::Streamed(streamed, _) => streamed.take().map(RequestBody::Streamed),
        }
    }

    /// Why the body failed while it was sent, if it was the body.
    pub fn failure(&self) -> Option<RequestBodyError> {
        match self {
            Self::Held(_) => None,
            Self::Streamed(_, failure) => failure.get().cloned(),
        }
    }
}
