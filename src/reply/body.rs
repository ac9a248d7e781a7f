//! The body of every answer. It owns the request's record and its place among the tenant's requests, and
//! lets go of both when it has ended or the caller has left. Streams: it holds one frame at the most.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use super::{Screen, Withheld};
use crate::{error, limit::Slot, listen::watch::Busy, observe::Record, idle_timeout::IdleTimeout, upstream::Lease};

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
    screen: Screen,
    /// What was read already, by [`Body::upstream`].
    first: Option<Bytes>,
    ended: bool,
    silence: IdleTimeout,
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
    /// It must not reach the caller.
    #[error(transparent)]
    Withheld(#[from] Withheld),
}

impl Body {
    /// A body that is there already.
    pub fn whole(bytes: Bytes) -> Self {
        Self { kind: Kind::Whole((!bytes.is_empty()).then_some(bytes)), record: None, _busy: None }
    }

    /// A body that streams from the upstream through `screen` and keeps `lease` and `slot` until its end. Its beginning
    /// is waited for: where that must not pass, there is time yet to say so with a status.
    ///
    /// # Errors
    /// [`BodyError`], where it does not even begin.
    pub async fn upstream(
        incoming: Incoming,
        screen: Screen,
        lease: Lease,
        slot: Slot,
        silence: Duration,
    ) -> Result<Self, BodyError> {
        let (first, silence) = (None, IdleTimeout::new(silence));
        let mut stream =
            Stream { incoming, _lease: lease, _slot: slot, screen, first, ended: false, silence };
        stream.first = poll_fn(|cx| stream.poll_data(cx)).await.transpose()?;
        Ok(Self { kind: Kind::Upstream(Box::new(stream)), record: None, _busy: None })
    }

    /// The same body, which writes `record` when it ends, and is what the connection is busy with until then.
    pub fn recorded(mut self, mut record: Box<Record>, busy: Busy) -> Self {
        record.complete = self.is_end_stream() || record.method == http::Method::HEAD;
        self.record = Some(record);
        self._busy = Some(busy);
        self
    }

    fn broke_off(&mut self, error: &BodyError) {
        let Some(record) = &mut self.record else { return };
        if let BodyError::Withheld(withheld) = error {
            withheld.report(record);
        }
        record.code = Some(error::cut_off(error));
        record.cause = Some(error.to_string());
    }

    fn count(&mut self, bytes: usize) {
        let complete = self.is_end_stream();
        if let Some(record) = &mut self.record {
            record.sent += bytes as u64;
            record.complete |= complete;
        }
    }
}

impl Stream {
    /// The next data to hand on. Trailers end with us: nobody screens them, and Logto has none.
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        while !self.ended {
            let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) else {
                ready!(self.silence.poll_over(cx));
                return Poll::Ready(Some(Err(BodyError::Silent(self.silence.limit()))));
            };
            self.silence.broken();
            let chunk = match frame.transpose() {
                Ok(frame) => frame.map(Frame::into_data),
                Err(error) => return Poll::Ready(Some(Err(BodyError::Broken(error)))),
            };
            self.ended = chunk.is_none() || self.incoming.is_end_stream();
            let chunk = chunk.and_then(Result::ok).unwrap_or_default();
            let screened = if self.ended { self.screen.last(chunk) } else { self.screen.pass(chunk) };
            match screened {
                Ok(data) if data.is_empty() => {}
                Ok(data) => return Poll::Ready(Some(Ok(data))),
                Err(withheld) => {
                    self.ended = true;
                    return Poll::Ready(Some(Err(withheld.into())));
                }
            }
        }
        Poll::Ready(None)
    }

    fn is_over(&self) -> bool {
        // A masked body is over when it was found whole, and not before.
        self.first.is_none() && (self.ended || self.screen.kept() == Some(0) && self.incoming.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = SizeHint::new();
        if let Some(kept) = self.screen.kept() {
            let first = self.first.as_ref().map_or(0, Bytes::len);
            let (incoming, here) = (self.incoming.size_hint(), (kept + first) as u64);
            hint.set_lower(incoming.lower() + here);
            if let Some(upper) = incoming.upper() {
                hint.set_upper(upper + here);
            }
        }
        hint
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
            Kind::Upstream(stream) => ready!(stream.poll_data(cx)).map(|data| data.map(Frame::data)),
        };
        match &frame {
            Some(Ok(frame)) => self.count(frame.data_ref().map_or(0, Bytes::len)),
            Some(Err(error)) => self.broke_off(error),
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
            Kind::Upstream(stream) => stream.is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Kind::Upstream(stream) => stream.size_hint(),
        }
    }
}
