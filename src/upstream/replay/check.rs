//! What is asked of a request's body: of its headers first, then of it as it comes in. Refuses what Logto would answer with a
//! misleading 404 or act on as an empty object (facts 5.1, 5.2), and what would store a mask in place of a secret. Reads nothing.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, Method, header};

use crate::{
    config::Limits,
    filter::MaskDetector,
    limit::LimitError,
    upstream::media::{Media, must_hold_object},
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
    /// A body of text where an object has to be.
    #[error("the request's Content-Type says text, and its operation takes a JSON object")]
    TextType,
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

/// What is asked of a body that comes in.
pub(super) struct Check {
    pub(super) left: u64,
    pub(super) over: RequestBodyError,
    mask: MaskDetector,
    kind: Kind,
    /// Whether there has to be something, and nothing came so far.
    pub(super) is_awaited: bool,
}

/// What is looked for as a body comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A form whose first byte has yet to come. Logto would read JSON there as one member with an odd name, drop it, and
    /// act on an empty object (fact 5.2).
    Form,
    Other,
}

/// Checks a body that is whole, as [`Prepared::read`](super::Prepared::read) does one that comes in: for `explain`, which sends nothing.
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
    pub(super) fn begin(
        (method, headers, operation): (&Method, &HeaderMap, &str),
        limits: &Limits,
    ) -> Result<Self, RequestBodyError> {
        let media = headers.get(header::CONTENT_TYPE).map(|value| Media::of(value.as_bytes(), operation));
        // Elsewhere Logto reads none.
        if matches!(*method, Method::POST | Method::PUT | Method::PATCH) {
            match media {
                None => return Err(RequestBodyError::NoContentType),
                Some(Media::Unread) => return Err(RequestBodyError::UnreadContentType),
                Some(Media::Text) if must_hold_object(operation) => return Err(RequestBodyError::TextType),
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
    pub(super) fn take(&mut self, data: &[u8]) -> Result<(), RequestBodyError> {
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

#[cfg(test)]
mod tests;
