//! The body of every answer. It owns the request's record, and lets go of it when it has ended or the caller has left.
//! Where the bytes come from is the source's affair: memory, an upstream behind its filter, or whatever else there will be.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::blocked;
use crate::{
    activity::Busy,
    limit::Held,
    observe::{Record, Side},
    upstream::{BodyError, FilteredBody},
};

/// Where the bytes of an answer come from, one piece at a time.
pub trait BodySource: Send {
    /// The next piece; `None` at the end.
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>>;

    /// Whether all of it has been handed on.
    fn has_ended(&self) -> bool;

    /// What is left of it, in bytes, as far as that is known.
    fn size_hint(&self) -> SizeHint;
}

/// The body of an answer.
#[derive(Debug)]
pub struct Body {
    content: Content,
    record: Option<Box<Record>>,
    _busy: Option<Busy>,
    _held: Option<Held>,
}

enum Content {
    Whole(Option<Bytes>),
    Streamed(Box<dyn BodySource>),
}

impl Body {
    /// A body that is there already.
    pub fn whole(bytes: Bytes) -> Self {
        Self::of(Content::Whole((!bytes.is_empty()).then_some(bytes)))
    }

    /// A body that comes from `source`, of which it holds one piece at the most.
    pub fn streamed(source: Box<dyn BodySource>) -> Self {
        Self::of(Content::Streamed(source))
    }

    fn of(content: Content) -> Self {
        Self { content, record: None, _busy: None, _held: None }
    }

    /// Has it write `record` when it ends, and be what the connection is busy with until then.
    pub fn record(&mut self, mut record: Box<Record>, busy: Busy) {
        record.complete = self.has_ended() || record.method == http::Method::HEAD;
        self.record = Some(record);
        self._busy = Some(busy);
    }

    /// Has it count as held by its caller until it ends.
    pub fn hold(&mut self, held: Held) {
        self._held = Some(held);
    }

    fn has_ended(&self) -> bool {
        match &self.content {
            Content::Whole(bytes) => bytes.is_none(),
            Content::Streamed(source) => source.has_ended(),
        }
    }

    fn broke_off(&mut self, error: &BodyError) {
        let Some(record) = &mut self.record else { return };
        if let BodyError::Blocked(blocked) = error {
            blocked::report(*blocked, record);
        }
        (record.code, record.side) = (Some(error.code()), Some(Side::Upstream));
        record.cause = Some(error.to_string());
    }

    fn count(&mut self, bytes: usize) {
        let complete = self.has_ended();
        if let Some(record) = &mut self.record {
            record.sent += bytes as u64;
            record.complete |= complete;
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let data = match &mut self.content {
            Content::Whole(bytes) => bytes.take().map(Ok),
            Content::Streamed(source) => ready!(source.poll_data(cx)),
        };
        match &data {
            Some(Ok(bytes)) => self.count(bytes.len()),
            Some(Err(error)) => self.broke_off(error),
            None => {
                if let Some(record) = &mut self.record {
                    record.complete = true;
                }
            }
        }
        Poll::Ready(data.map(|data| data.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.has_ended()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Content::Streamed(source) => source.size_hint(),
        }
    }
}

impl BodySource for FilteredBody {
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        Self::poll_data(self, cx)
    }

    fn has_ended(&self) -> bool {
        Self::has_ended(self)
    }

    fn size_hint(&self) -> SizeHint {
        Self::size_hint(self)
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Whole(_) => "Whole",
            Self::Streamed(_) => "Streamed",
        })
    }
}
