//! The body of an answer, of which Claviger may look at the beginning before it knows whether it hands it on.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

/// All of it, the part that was looked at included.
#[derive(Debug)]
pub(super) struct Peeked {
    seen: Option<Frame<Bytes>>,
    failed: Option<hyper::Error>,
    rest: Incoming,
}

impl Peeked {
    /// What comes first, as soon as it is there: nothing, where that takes longer than `patience`.
    pub(super) async fn beginning(&mut self, patience: Duration) -> Bytes {
        if self.seen.is_none() && self.failed.is_none() {
            match tokio::time::timeout(patience, self.rest.frame()).await {
                Ok(Some(Ok(frame))) => self.seen = Some(frame),
                Ok(Some(Err(error))) => self.failed = Some(error),
                Ok(None) | Err(_) => {}
            }
        }
        self.seen.as_ref().and_then(Frame::data_ref).cloned().unwrap_or_default()
    }
}

impl From<Incoming> for Peeked {
    fn from(rest: Incoming) -> Self {
        Self { seen: None, failed: None, rest }
    }
}

impl Body for Peeked {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match (self.seen.take(), self.failed.take()) {
            (Some(frame), _) => Poll::Ready(Some(Ok(frame))),
            (None, Some(error)) => Poll::Ready(Some(Err(error))),
            (None, None) => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.seen.is_none() && self.failed.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let seen = self.seen.as_ref().and_then(Frame::data_ref).map_or(0, Bytes::len) as u64;
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower() + seen);
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + seen);
        }
        hint
    }
}
