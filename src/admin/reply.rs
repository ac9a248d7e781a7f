//! Answers of the admin listener: whole texts, and the one that goes on. Each says whose it is, and that it is neither kept, nor
//! guessed at, nor shown in another page.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body::{Frame, SizeHint};
use http_body_util::Full;
use tokio::sync::mpsc;

use crate::{headers, proxy::Task};

const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// The body of an answer.
#[derive(Debug)]
pub(super) enum Body {
    Whole(Full<Bytes>),
    /// As it comes, until its sender is gone.
    Stream(mpsc::Receiver<Bytes>),
    /// One that the end of the process waits for.
    Awaited {
        body: Box<Body>,
        _task: Task,
    },
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Self::Whole(whole) => Pin::new(whole).poll_frame(cx),
            Self::Stream(parts) => parts.poll_recv(cx).map(|part| Some(Ok(Frame::data(part?)))),
            Self::Awaited { body, .. } => Pin::new(&mut **body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(whole) => whole.is_end_stream(),
            Self::Stream(_) => false,
            Self::Awaited { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => whole.size_hint(),
            Self::Stream(_) => SizeHint::default(),
            Self::Awaited { body, .. } => body.size_hint(),
        }
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::Whole(text.into())
    }
}

/// An answer with this body, of this type.
pub(super) fn answer(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Body>,
) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let fields = response.headers_mut();
    fields.insert(header::SERVER, headers::CLAVIGER);
    for (name, value) in [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (RESOURCE_POLICY, "same-origin"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ] {
        fields.insert(name, HeaderValue::from_static(value));
    }
    response
}

pub(super) fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    answer(status, "text/plain; charset=utf-8", Body::Whole(Full::new(body.into())))
}

pub(super) fn json(value: &serde_json::Value) -> Response<Body> {
    answer(StatusCode::OK, "application/json", Body::Whole(Full::from(format!("{value:#}\n"))))
}
