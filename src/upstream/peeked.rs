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
    /// Hardly ever there, and moved with each answer.
    first: Option<Box<Result<Frame<Bytes>, hyper::Error>>>,
    rest: Incoming,
}

impl Peeked {
    /// What comes first, as soon as it is there: nothing, where that takes longer than `patience`.
    pub(super) async fn beginning(&mut self, patience: Duration) -> Bytes {
        if self.first.is_none()
            && let Ok(first) = tokio::time::timeout(patience, self.rest.frame()).await
        {
            self.first = first.map(Box::new);
        }
        self.seen().cloned().unwrap_or_default()
    }

    fn seen(&self) -> Option<&Bytes> {
        self.first.as_ref()?.as_ref().as_ref().ok()?.data_ref()
    }
}

impl From<Incoming> for Peeked {
    fn from(rest: Incoming) -> Self {
        Self { first: None, rest }
    }
}

impl Body for Peeked {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(*first)),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let seen = self.seen().map_or(0, Bytes::len) as u64;
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower() + seen);
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + seen);
        }
        hint
    }
}
