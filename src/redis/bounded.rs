//! How much a server may send before it is asked for something again. The parser keeps all of an answer that is not whole yet, and
//! believes whatever length the server names; without a bound one line would take the memory of the process. Nothing that
//! Claviger asks for is near it: a page of a scan, or a number.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::error::plainly;

/// Bytes from one command to the next. An idle connection sends PING, and one whose PING has no answer is closed.
const MOST: usize = 16 << 20;

pub(super) struct Bounded<S> {
    stream: S,
    received: usize,
}

impl<S> Bounded<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, received: 0 }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        // The client keeps no more of an error than its kind and its text.
        ready!(Pin::new(&mut self.stream).poll_read(cx, into)).map_err(|error| match plainly(&error) {
            Some(plain) => io::Error::new(error.kind(), plain),
            None => error,
        })?;
        self.received = self.received.saturating_add(into.filled().len() - before);
        if self.received > MOST {
            return Poll::Ready(Err(io::Error::other("it sends more than 16 MiB for one command")));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.received = 0;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
