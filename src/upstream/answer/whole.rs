//! An answer that is there whole, behind the response filter, and small enough to be given to several callers. It is made of a
//! [`FilteredBody`] alone, or of what was kept of one, so nothing is in it that its first caller would not have been given.

use std::{
    future::poll_fn,
    pin::pin,
    sync::Arc,
    task::{Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Response, StatusCode, response::Parts};

use super::{BodyError, FilteredBody, Kept};
use crate::limit::Held;

/// An answer that is there whole.
#[derive(Debug, Clone)]
pub struct WholeAnswer {
    status: StatusCode,
    headers: HeaderMap,
    data: Bytes,
    /// The memory that it takes, until the last of those who are given it has taken it.
    held: Option<Arc<Held>>,
}

/// What came of waiting for the whole of an answer.
#[derive(Debug)]
pub enum Gathered {
    /// It is there.
    Whole(WholeAnswer),
    /// It is too large, or too slow: it is handed on as it comes.
    Streamed(Parts, Box<FilteredBody>),
}

impl FilteredBody {
    /// Waits for all of it, if it has `most` bytes at the most and takes no longer than `patience` to come.
    ///
    /// # Errors
    /// [`BodyError`]: it breaks off, or nothing of it may pass.
    pub async fn gathered(
        mut self: Box<Self>,
        head: Parts,
        most: usize,
        patience: Duration,
    ) -> Result<Gathered, BodyError> {
        if self.size_hint().lower() > most as u64 {
            return Ok(Gathered::Streamed(head, self));
        }
        let mut over = pin!(tokio::time::sleep(patience));
        let (mut first, mut more) = (self.first.take().unwrap_or_default(), BytesMut::new());
        let is_whole = loop {
            if first.len() + more.len() > most {
                break false;
            }
            if self.has_ended() {
                break true;
            }
            let next = poll_fn(|cx| match self.poll_screened(cx) {
                Poll::Ready(next) => Poll::Ready(Some(next)),
                Poll::Pending => {
                    ready!(over.as_mut().poll(cx));
                    Poll::Ready(None)
                }
            });
            match next.await {
                None => break false,
                Some(None) => break true,
                Some(Some(data)) if first.is_empty() => first = data?,
                Some(Some(data)) => more.extend_from_slice(&data?),
            }
        };
        let data = match more.is_empty() {
            true => first,
            false => {
                let mut all = BytesMut::with_capacity(first.len() + more.len());
                all.extend_from_slice(&first);
                all.extend_from_slice(&more);
                all.freeze()
            }
        };
        if !is_whole {
            self.first = Some(data);
            return Ok(Gathered::Streamed(head, self));
        }
        let (status, headers) = (head.status, head.headers);
        Ok(Gathered::Whole(WholeAnswer { status, headers, data, held: self.exchange.take() }))
    }
}

impl WholeAnswer {
    #[cfg(test)]
    pub(crate) fn of(status: StatusCode, headers: HeaderMap, data: Bytes) -> Self {
        Self::resting(status, headers, data)
    }

    /// One that was made of a body once, and kept elsewhere.
    pub(super) fn resting(status: StatusCode, headers: HeaderMap, data: Bytes) -> Self {
        Self { status, headers, data, held: None }
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Its headers, before they are made out for one caller.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The same, to take out what is one request's own.
    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        &mut self.headers
    }

    /// Its body, which counts as held until it has been taken.
    pub fn data(&self) -> Bytes {
        match &self.held {
            Some(held) => Bytes::from_owner(Kept { data: self.data.clone(), _exchange: held.clone() }),
            None => self.data.clone(),
        }
    }

    /// Bytes of its body.
    pub fn size(&self) -> usize {
        self.data.len()
    }

    /// The same in memory of its own, which counts as `held`: what came in may stand in a larger buffer.
    #[must_use]
    pub fn to_keep(&self, held: Option<Held>) -> Self {
        let data = Bytes::copy_from_slice(&self.data);
        let (status, headers) = (self.status, self.headers.clone());
        Self { status, headers, data, held: held.map(Arc::new) }
    }
}

impl From<WholeAnswer> for Response<Bytes> {
    fn from(answer: WholeAnswer) -> Self {
        let mut response = Self::new(answer.data());
        (*response.status_mut(), *response.headers_mut()) = (answer.status, answer.headers);
        response
    }
}
