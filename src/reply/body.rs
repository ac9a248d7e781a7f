//! The body of every answer. It owns the request's record and its place among the tenant's requests, and
//! lets go of both when it has ended or the caller has left. Streams: it holds one frame at the most.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use crate::{limit::Slot, listen::watch::Busy, observe::Record, silence::Silence, upstream::Lease};

/// The body of an answer.
#[derive(Debug)]
pub struct Body {
    kind: Kind,
    record: Option<Box<Record>>,
    _busy: Option<Busy>,
}

#[derive(Debug)]
enum Kind {
    Whole(Option<Bytes>),
    Upstream(Box<Stream>),
}

#[derive(Debug)]
struct Stream {
    // Dropped first: an unread rest closes the connection instead of going back to the pool with it.
    incoming: Incoming,
    _lease: Lease,
    _slot: Slot,
    silence: Silence,
}

/// Why a body broke off. The connection to the caller is cut, so that a part is never taken for the whole.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The upstream went away.
    #[error("the upstream's answer broke off")]
    Broken(#[source] hyper::Error),
    /// The upstream said nothing for too long.
    #[error("the upstream's answer stood still for {0:?}")]
    Silent(Duration),
}

impl Body {
    /// A body that is there already.
    pub fn whole(bytes: Bytes) -> Self {
        Self { kind: Kind::Whole((!bytes.is_empty()).then_some(bytes)), record: None, _busy: None }
    }

    /// A body that streams from the upstream and keeps `lease` and `slot` until its end.
    pub fn upstream(incoming: Incoming, lease: Lease, slot: Slot, silence: Duration) -> Self {
        let stream = Stream { incoming, _lease: lease, _slot: slot, silence: Silence::new(silence) };
        Self { kind: Kind::Upstream(Box::new(stream)), record: None, _busy: None }
    }

    /// The same body, which writes `record` when it ends, and is what the connection is busy with until then.
    pub fn recorded(mut self, mut record: Box<Record>, busy: Busy) -> Self {
        record.complete = self.is_end_stream() || record.method == http::Method::HEAD;
        self.record = Some(record);
        self._busy = Some(busy);
        self
    }

    fn count(&mut self, bytes: usize) {
        let complete = self.is_end_stream();
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
        let frame = match &mut self.kind {
            Kind::Whole(bytes) => bytes.take().map(|b| Ok(Frame::data(b))),
            Kind::Upstream(stream) => match Pin::new(&mut stream.incoming).poll_frame(cx) {
                Poll::Ready(frame) => {
                    stream.silence.broken();
                    frame.map(|f| f.map_err(BodyError::Broken))
                }
                Poll::Pending => {
                    ready!(stream.silence.poll_over(cx));
                    Some(Err(BodyError::Silent(stream.silence.limit())))
                }
            },
        };
        match &frame {
            Some(Ok(frame)) => self.count(frame.data_ref().map_or(0, Bytes::len)),
            Some(Err(_)) => {}
            None => {
                if let Some(record) = &mut self.record {
                    record.complete = true;
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Whole(bytes) => bytes.is_none(),
            Kind::Upstream(stream) => stream.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Kind::Upstream(stream) => stream.incoming.size_hint(),
        }
    }
}
