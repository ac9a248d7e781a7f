//! Watches one connection for slowness: a head that does not come, a caller that does not read, a connection
//! that nobody uses. hyper's one timer cannot tell these apart, so the reads and writes are watched from
//! outside and looked at once a second: no timer is set or reset for a request.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    connection::Protocol,
    strangers::{Progress, Standing},
};
use crate::{
    activity::{Activity, State},
    config::Timeouts,
};

/// How often a connection is looked at, and so how exact its limits are.
pub(super) const PERIOD: Duration = Duration::from_secs(1);

/// Why a connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slow {
    /// `timeouts.head`
    Head,
    /// `timeouts.idle`
    Idle,
    /// `timeouts.body`, on the way out.
    Write,
}

/// How long things have lasted, in looks.
#[derive(Debug)]
pub(super) struct Patience {
    protocol: Protocol,
    head: u32,
    idle: u32,
    write: u32,
    seen: (State, u32),
    seen_written: u32,
    same: u32,
    stuck: u32,
}

impl Patience {
    /// As configured.
    pub(super) fn new(timeouts: &Timeouts, protocol: Protocol) -> Self {
        let looks = |limit: Duration| {
            u32::try_from(limit.as_millis().div_ceil(PERIOD.as_millis())).unwrap_or(u32::MAX)
        };
        Self {
            protocol,
            head: looks(timeouts.head),
            idle: looks(timeouts.idle),
            write: looks(timeouts.body),
            seen: (State::Reading, 0),
            seen_written: 0,
            same: 0,
            stuck: 0,
        }
    }

    /// To be called every [`PERIOD`].
    pub(super) fn look(&mut self, activity: &Activity) -> Option<Slow> {
        let requests = activity.requests();
        // A connection that has brought no request yet owes one.
        let state = match activity.state() {
            State::Idle if requests == 0 => State::Reading,
            // Between requests HTTP/2 has frames of its own: what comes then need not be a head.
            State::Reading if requests > 0 && self.protocol == Protocol::Http2 => State::Idle,
            state => state,
        };
        self.same = if self.seen == (state, requests) { self.same + 1 } else { 0 };
        self.seen = (state, requests);
        let written = activity.written();
        let stuck = activity.is_blocked() && written == self.seen_written;
        self.stuck = if stuck { self.stuck + 1 } else { 0 };
        self.seen_written = written;
        match state {
            State::Reading if self.same >= self.head => Some(Slow::Head),
            State::Idle if self.same >= self.idle => Some(Slow::Idle),
            _ if self.stuck >= self.write => Some(Slow::Write),
            _ => None,
        }
    }

    /// Whether the head that is slow has begun. What says nothing, or is between requests or frames, has not.
    pub(super) fn has_begun(&self, activity: &Activity) -> bool {
        let is_first = self.protocol == Protocol::Http1 && activity.requests() == 0;
        is_first && activity.state() == State::Reading
    }
}

/// A watched stream.
#[derive(Debug)]
pub(super) struct Watched<IO> {
    io: IO,
    activity: Arc<Activity>,
    /// Until the first bytes have come.
    unopened: Option<Arc<Standing>>,
}

impl<IO> Watched<IO> {
    /// Watches `io`, the connection of `standing`.
    pub(super) fn new(io: IO, standing: Arc<Standing>) -> Self {
        Self { io, activity: standing.way().activity().clone(), unopened: Some(standing) }
    }

    fn wrote<T>(&self, poll: Poll<T>) -> Poll<T> {
        match poll {
            Poll::Ready(_) => self.activity.wrote(),
            Poll::Pending => self.activity.blocked(),
        }
        poll
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Watched<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buf.filled().len();
        let poll = Pin::new(&mut self.io).poll_read(cx, buf);
        if buf.filled().len() > before {
            if let Some(standing) = self.unopened.take() {
                standing.got(Progress::Begun);
                self.activity.opened(&buf.filled()[before..]);
            }
            self.activity.read();
        }
        poll
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Watched<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let poll = Pin::new(&mut self.io).poll_write(cx, buf);
        self.wrote(poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let poll = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.wrote(poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::Busy;

    fn patience() -> Patience {
        let second = Duration::from_secs;
        let timeouts = Timeouts { head: second(2), idle: second(4), body: second(3), ..Timeouts::default() };
        Patience::new(&timeouts, Protocol::Http1)
    }

    fn looks_until_slow(patience: &mut Patience, watch: &Activity) -> Option<(u32, Slow)> {
        (1..10).find_map(|look| patience.look(watch).map(|slow| (look, slow)))
    }

    #[test]
    fn b22_a_new_connection_owes_a_head_and_a_trickle_is_not_one() {
        let watch = Activity::default();
        assert_eq!(looks_until_slow(&mut patience(), &watch), Some((2, Slow::Head)));
        watch.read();
        assert_eq!(looks_until_slow(&mut patience(), &watch), Some((2, Slow::Head)));
    }

    #[test]
    fn b22_between_requests_it_may_idle_and_while_answered_take_its_time() {
        let watch = Arc::new(Activity::default());
        let busy = Busy::begin(&watch);
        assert_eq!(looks_until_slow(&mut patience(), &watch), None);
        drop(busy);
        assert_eq!(looks_until_slow(&mut patience(), &watch), Some((5, Slow::Idle)));
        let mut patience = patience();
        for _ in 0..100 {
            drop(Busy::begin(&watch));
            assert_eq!(
                patience.look(&watch),
                None,
                "a busy connection that is idle whenever it is looked at"
            );
        }
    }

    #[test]
    fn b22_over_http_2_frames_between_requests_are_no_head_and_the_last_request_ends_the_work() {
        let watch = Arc::new(Activity::default());
        let fresh = || Patience { protocol: Protocol::Http2, ..patience() };
        assert_eq!(looks_until_slow(&mut fresh(), &watch), Some((2, Slow::Head)));
        let (one, other) = (Busy::begin(&watch), Busy::begin(&watch));
        drop(one);
        assert_eq!(looks_until_slow(&mut fresh(), &watch), None, "one is still under way");
        drop(other);
        watch.read();
        assert_eq!(looks_until_slow(&mut fresh(), &watch), Some((5, Slow::Idle)));
    }

    #[test]
    fn b22_a_caller_that_does_not_read_is_let_go() {
        let watch = Arc::new(Activity::default());
        let _busy = Busy::begin(&watch);
        watch.blocked();
        assert_eq!(looks_until_slow(&mut patience(), &watch), Some((3, Slow::Write)));
        let mut patience = patience();
        for _ in 0..100 {
            watch.wrote();
            watch.blocked();
            assert_eq!(patience.look(&watch), None, "slow, but it reads");
        }
    }
}
