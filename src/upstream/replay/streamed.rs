//! A body that goes out once, as it comes in: each part is checked before it goes out, and its end waits for the request's
//! place. Holds no more of it than the first part.

use std::{
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::check::{Check, RequestBodyError};
use crate::{
    idle_timeout::IdleTimeout,
    limit::{Entering, LatePlace},
};

/// Why a streamed body failed, told to whoever sent it.
pub(super) type BodyFailure = Arc<OnceLock<RequestBodyError>>;

/// A body that goes out once.
pub struct Streamed {
    incoming: Incoming,
    check: Check,
    idle: IdleTimeout,
    failure: BodyFailure,
    /// What waits for the request's place before the end goes out.
    entering: Option<Entering>,
    /// The first part, where the request was not to go out before it was here.
    first: Option<Frame<Bytes>>,
    /// The end, while there is no place.
    end: Option<End>,
}

/// What a body ends with: its last data, or nothing.
type End = Option<Frame<Bytes>>;

impl std::fmt::Debug for Streamed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Streamed").field("left", &self.check.left).finish_non_exhaustive()
    }
}

impl Streamed {
    pub(super) fn new(incoming: Incoming, check: Check, idle: Duration, failure: BodyFailure) -> Self {
        let idle = IdleTimeout::new(idle);
        Self { incoming, check, idle, failure, entering: None, first: None, end: None }
    }

    /// Waits for its first part, where it must have one and may have none.
    pub(super) async fn begin(&mut self) -> Result<(), RequestBodyError> {
        if self.check.is_awaited && self.incoming.size_hint().exact().is_none() {
            self.first = std::future::poll_fn(|cx| self.poll_next(cx)).await.transpose()?;
        }
        Ok(())
    }

    /// Takes no more than `most` bytes, where it took more: `over` says so.
    pub(super) fn bound(&mut self, most: u64, over: RequestBodyError) -> Result<(), RequestBodyError> {
        if self.incoming.size_hint().lower() > most {
            return Err(over);
        }
        if most < self.check.left {
            (self.check.left, self.check.over) = (most, over);
        }
        Ok(())
    }

    /// Its end waits for a place among the tenant's requests where the request has none yet.
    pub(super) fn entering(&mut self, place: &LatePlace) {
        self.entering = place.entering();
    }

    pub(super) async fn collect(mut self, length: usize) -> Result<Bytes, RequestBodyError> {
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
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
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
                let is_held = streamed.first.is_some() || streamed.end.is_some();
                !is_held && streamed.incoming.is_end_stream() && !streamed.check.is_awaited
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
