//! The body of a request on its way up: checked against what Logto would answer with a misleading 404 or a
//! silently empty object (facts 5.1, 5.2), held in memory when it is small, so that it can be sent again
//! byte for byte, and streamed when it is not.

use std::{
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, header};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::media::{Media, must_hold_object};
use crate::{
    config::Limits,
    filter::MaskDetector,
    idle_timeout::IdleTimeout,
    limit::{Entering, LatePlace, LimitError},
};

/// What is wrong with a request's body.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RequestBodyError {
    /// More than Logto takes.
    #[error("the request's body is larger than {limit} bytes")]
    TooLarge {
        /// The limit for this kind of body.
        limit: u64,
        /// The configuration key.
        key: &'static str,
    },
    /// A body that says nothing about itself.
    #[error("the request has a body but no Content-Type")]
    NoContentType,
    /// A body of a type that Logto does not look at.
    #[error("the request's Content-Type is none of those that Logto reads a body of")]
    UnreadContentType,
    /// A body that nobody here can look through.
    #[error("the request's body has a Content-Encoding, so it cannot be looked through for masked values")]
    Encoded,
    /// Logto would store the mask in place of the secret (behaviour 34).
    #[error("the request's body has \"[redacted by claviger]\" in place of a secret")]
    Masked,
    /// JSON that calls itself a form, as of `curl -d '{…}'`.
    #[error("the request's body is JSON, and its Content-Type says that it is a form")]
    JsonAsForm,
    /// No bytes where an object has to be, as of `curl --json "$UNSET"`: Logto acts on an empty object, whatever the Content-Type.
    #[error("the request has no body, and its operation takes a JSON object")]
    Empty,
    /// The caller stopped in the middle.
    #[error("no part of the request's body arrived for {0:?}")]
    Silent(Duration),
    /// It came, and there was no place among the tenant's requests.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The caller went away or broke the framing.
    #[error("the request's body could not be read")]
    Broken(#[source] Arc<hyper::Error>),
}

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

/// Why a streamed body failed, told to whoever sent it.
type BodyFailure = Arc<OnceLock<RequestBodyError>>;

/// A body that goes out once.
pub struct Streamed {
    incoming: Incoming,
    check: Check,
    idle: IdleTimeout,
    failure: BodyFailure,
    /// What waits for the request's place before the end goes out.
    entering: Option<Entering>,
    /// The end, while there is no place.
    end: Option<End>,
}

/// What a body ends with: its last data, or nothing.
type End = Option<Frame<Bytes>>;

/// What is asked of a body: of its headers first, then of it as it comes in.
struct Check {
    left: u64,
    over: RequestBodyError,
    mask: MaskDetector,
    kind: Kind,
    /// Whether there has to be something, and nothing came so far.
    is_awaited: bool,
}

/// What is looked for as a body comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A form whose first byte has yet to come. Logto would read JSON there as one member with an odd name, drop it, and
    /// act on an empty object (fact 5.2).
    Form,
    Other,
}

impl std::fmt::Debug for Streamed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Streamed").field("left", &self.check.left).finish_non_exhaustive()
    }
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
        let streamed = Streamed {
            incoming: body,
            check,
            idle: IdleTimeout::new(idle),
            failure: failure.clone(),
            entering: None,
            end: None,
        };
        match length.and_then(|length| usize::try_from(length).ok()) {
            Some(length) if length <= limits.replay => Ok(Self::Held(streamed.collect(length).await?)),
            _ => Ok(Self::Streamed(Some(Box::new(streamed)), failure)),
        }
    }

    /// Reads a streamed body to its end, so that it can be looked at.
    ///
    /// # Errors
    /// [`RequestBodyError`], also where it is larger than what is held.
    pub async fn hold(self, limits: &Limits) -> Result<Self, RequestBodyError> {
        let Self::Streamed(Some(mut streamed), _) = self else { return Ok(self) };
        let most = limits.replay as u64;
        let over = RequestBodyError::TooLarge { limit: most, key: "limits.replay" };
        if streamed.incoming.size_hint().lower() > most {
            return Err(over);
        }
        if most < streamed.check.left {
            (streamed.check.left, streamed.check.over) = (most, over);
        }
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
            streamed.entering = place.entering();
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

/// Checks a body that is whole, as [`Prepared::read`] does one that comes in: for `explain`, which sends nothing.
///
/// # Errors
/// [`RequestBodyError`].
pub fn check(
    request: (&Method, &HeaderMap, &str),
    body: &[u8],
    limits: &Limits,
) -> Result<(), RequestBodyError> {
    match body {
        _ if body.trim_ascii().is_empty() && must_hold_object(request.2) => Err(RequestBodyError::Empty),
        [] => Ok(()),
        _ => Check::begin(request, limits)?.take(body),
    }
}

impl Check {
    /// Of the headers, in a request for this operation.
    fn begin(
        (method, headers, operation): (&Method, &HeaderMap, &str),
        limits: &Limits,
    ) -> Result<Self, RequestBodyError> {
        let media = headers.get(header::CONTENT_TYPE).map(|value| Media::of(value.as_bytes(), operation));
        // Elsewhere Logto reads none.
        if matches!(*method, Method::POST | Method::PUT | Method::PATCH) {
            match media {
                None => return Err(RequestBodyError::NoContentType),
                Some(Media::Unread) => return Err(RequestBodyError::UnreadContentType),
                Some(_) => {}
            }
        }
        if headers.get_all(header::CONTENT_ENCODING).iter().any(|coding| !is_identity(coding)) {
            return Err(RequestBodyError::Encoded);
        }
        let media = media.unwrap_or(Media::Unread);
        let (left, key) = media.limit(limits);
        let over = RequestBodyError::TooLarge { limit: left, key };
        let kind = if media == Media::Form { Kind::Form } else { Kind::Other };
        Ok(Self { left, over, mask: MaskDetector::default(), kind, is_awaited: false })
    }

    /// Of what comes next.
    fn take(&mut self, data: &[u8]) -> Result<(), RequestBodyError> {
        self.left = self.left.checked_sub(data.len() as u64).ok_or_else(|| self.over.clone())?;
        match (self.kind, data.trim_ascii_start().first()) {
            (Kind::Form, Some(b'{' | b'[')) => return Err(RequestBodyError::JsonAsForm),
            (_, Some(_)) => (self.kind, self.is_awaited) = (Kind::Other, false),
            _ => {}
        }
        if self.mask.ends_in(data) { Err(RequestBodyError::Masked) } else { Ok(()) }
    }
}

fn is_identity(coding: &HeaderValue) -> bool {
    coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity")
}

impl Streamed {
    async fn collect(mut self, length: usize) -> Result<Bytes, RequestBodyError> {
        let mut all = BytesMut::with_capacity(length);
        while let Some(frame) = std::future::poll_fn(|cx| self.poll_next(cx)).await {
            if let Ok(data) = frame?.into_data() {
                all.extend_from_slice(&data);
            }
        }
        Ok(all.freeze())
    }

    /// The next of it; its end not before there is a place.
    fn poll_entering(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        if self.end.is_none() {
            let frame = ready!(self.poll_next(cx)).transpose()?;
            if self.entering.is_none() || frame.is_some() && !self.incoming.is_end_stream() {
                return Poll::Ready(frame.map(Ok));
            }
            self.end = Some(frame);
        }
        if let Some(entering) = &mut self.entering {
            let entered = ready!(entering.as_mut().poll(cx));
            self.entering = None;
            entered?;
        }
        Poll::Ready(self.end.take().flatten().map(Ok))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        let frame = match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Ready(frame) => {
                self.idle.broken();
                frame
            }
            Poll::Pending => {
                ready!(self.idle.poll_over(cx));
                return Poll::Ready(Some(Err(RequestBodyError::Silent(self.idle.limit()))));
            }
        };
        // Nothing is asked for behind trailers.
        let is_over = frame.as_ref().is_none_or(|frame| frame.as_ref().is_ok_and(Frame::is_trailers));
        if is_over && self.check.is_awaited {
            return Poll::Ready(Some(Err(RequestBodyError::Empty)));
        }
        Poll::Ready(frame.map(|frame| {
            let frame = frame.map_err(|error| RequestBodyError::Broken(Arc::new(error)))?;
            let data = frame.data_ref().map_or(&[][..], |data| data);
            self.check.take(data)?;
            Ok(frame)
        }))
    }
}

/// The body of one try.
#[derive(Debug)]
pub enum RequestBody {
    /// In memory.
    Held(Bytes),
    /// As it comes in.
    Streamed(Box<Streamed>),
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        match &mut *self {
            Self::Held(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Held(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Streamed(streamed) => {
                let frame = ready!(streamed.poll_entering(cx));
                if let Some(Err(error)) = &frame {
                    // The first failure is the cause; a second cannot come, the stream has ended.
                    let _: Result<(), RequestBodyError> = streamed.failure.set(error.clone());
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Held(bytes) => bytes.is_empty(),
            Self::Streamed(streamed) => {
                let is_over = streamed.end.is_none() && streamed.incoming.is_end_stream();
                is_over && !streamed.check.is_awaited
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Held(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Streamed(streamed) => streamed.incoming.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests;
