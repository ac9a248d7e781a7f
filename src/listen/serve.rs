//! Serves one connection until it ends, is too slow, or is drained.

use std::{convert::Infallible, pin::Pin, sync::Arc, task::Poll, time::Duration};

use hyper::{
    Request,
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::CancellationToken;

use super::{
    closing::Closing,
    connection::{Connection, Protocol},
    handler::Handler,
    settings::ListenSettings,
    strangers::{Progress, Standing, Way},
    stream::Stream,
    streams::Streams,
    unreadable::Unreadable,
    watch::{PERIOD, Patience, Slow, Watched},
};
use crate::activity::Busy;

/// Smallest buffer that hyper takes.
const MIN_HEAD: usize = 8 * 1024;
/// Header fields that hyper takes in HTTP/1.1 without memory of their own.
const USUAL_HEADERS: usize = 100;
/// Streams that a peer may open and reset before anybody looks at them (CVE-2023-44487), and resets that it may
/// provoke from us (CVE-2025-8671), before the connection ends.
const RESETS: usize = 64;
/// Times as many requests as there may be at one time may be reset by whoever sent them, beyond those that are answered, before the
/// connection ends: whoever gives some up loses nothing by that, whoever opens and resets without end must shake hands each time.
const ABANDONED: u32 = 2;
/// How much longer a connection stays whose time is over, for requests that are refused in this moment, as nothing of them was sent yet: over
/// HTTP/2 by tasks of their own.
const REFUSING: Duration = Duration::from_millis(2);
/// A peer that does not answer a PING is gone.
const PING: Duration = Duration::from_secs(20);
const PONG: Duration = Duration::from_secs(10);

/// Serves `stream` until its peer, a limit or the drain ends it; and says why, where it ended with a request that cannot be read.
pub(super) async fn serve<H: Handler>(
    stream: Stream,
    protocol: Protocol,
    connection: Connection,
    settings: &ListenSettings,
    closing: &Closing,
    handler: Arc<H>,
    drain: CancellationToken,
) -> Option<Unreadable> {
    let standing = connection.standing.clone();
    let activity = standing.way().activity().clone();
    let io = TokioIo::new(Watched::new(stream, standing.clone()));
    let patience = Patience::new(&settings.timeouts, protocol);
    match protocol {
        Protocol::Http1 => {
            let service = service_fn(|request: Request<Incoming>| {
                let (handler, connection, busy) = (&handler, &connection, Busy::begin(&activity));
                connection.standing.got(Progress::Spoken);
                async move { Ok::<_, Infallible>(handler.handle(connection, request, busy).await) }
            });
            let plain = connection.scheme == "http";
            let served = std::pin::pin!(http1(settings).serve_connection(io, service));
            let ended =
                attend(served, http1::Connection::graceful_shutdown, &standing, patience, drain).await;
            closing.orderly(ended.by_itself);
            let foreign = activity.foreign().filter(|_| plain).map(Unreadable::from);
            foreign.or(ended.unreadable)
        }
        Protocol::Http2 => {
            // Each request is a task of its own, which may outlast this one by a moment.
            let connection = Arc::new(connection);
            let most = settings.streams.saturating_mul(ABANDONED);
            let service = service_fn(move |request: Request<Incoming>| {
                let (handler, connection, busy) =
                    (handler.clone(), connection.clone(), Busy::begin(&activity));
                connection.standing.got(Progress::Spoken);
                let taken = Taken { way: connection.standing.way().clone(), most, is_answered: false };
                // In a box, so that an answer that waits for its reader holds nothing of how it was made.
                Box::pin(async move {
                    let mut taken = taken;
                    look_for_reset().await;
                    let answer = handler.handle(&connection, request, busy).await;
                    taken.is_answered = true;
                    Ok::<_, Infallible>(answer)
                })
            });
            let served = std::pin::pin!(http2(settings).serve_connection(io, service));
            let ended =
                attend(served, http2::Connection::graceful_shutdown, &standing, patience, drain).await;
            closing.orderly(ended.by_itself);
            ended.unreadable
        }
    }
}

/// A request of HTTP/2, until it is answered or its caller resets it.
struct Taken {
    way: Way,
    most: u32,
    is_answered: bool,
}

impl Drop for Taken {
    fn drop(&mut self) {
        if self.way.activity().ended(self.is_answered) > self.most {
            tracing::debug!("a caller resets most of its requests: its connection ends");
            self.way.waste();
        }
    }
}

/// Waits once, at no cost: hyper asks whether a stream was reset only while its answer is waited for. So a request that was reset
/// together with its head is neither looked at nor sent anywhere.
async fn look_for_reset() {
    let mut has_waited = false;
    std::future::poll_fn(|cx| match std::mem::replace(&mut has_waited, true) {
        true => Poll::Ready(()),
        false => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await;
}

fn http1(settings: &ListenSettings) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(settings.head.max(MIN_HEAD));
    if settings.headers > USUAL_HEADERS {
        builder.max_headers(settings.headers);
    }
    builder
}

fn http2(settings: &ListenSettings) -> http2::Builder<Streams> {
    let mut builder = http2::Builder::new(Streams::new(&settings.timeouts));
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(settings.streams)
        .max_header_list_size(u32::try_from(settings.head).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(RESETS)
        .max_local_error_reset_streams(RESETS)
        .initial_connection_window_size(settings.windows.connection)
        .initial_stream_window_size(settings.windows.stream)
        .max_send_buf_size(settings.windows.answer)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PONG);
    builder
}

/// How a connection gives way.
struct Leaving {
    /// When it is looked at again whether it may stay.
    look: Pin<Box<Sleep>>,
    /// When it may not in any case.
    end: Instant,
    /// Whether its peer was told to begin nothing more.
    has_said: bool,
    /// Whether its time is over, but for answers that say so.
    is_last: bool,
}

impl Leaving {
    /// What has come by now is read first, since a stranger's request may be, and hyper closes a connection that says goodbye before it has
    /// read anything: so the system is asked once, as it is when a task yields. A timer would be too long where there are few places.
    async fn begin(moment: Duration) -> Self {
        tokio::task::yield_now().await;
        let look = Box::pin(tokio::time::sleep(Duration::ZERO));
        Self { look, end: Instant::now() + moment, has_said: false, is_last: false }
    }
}

/// How a connection ended.
struct Ended {
    by_itself: bool,
    unreadable: Option<Unreadable>,
}

impl Ended {
    /// Cut off; in order, where its peer misses nothing.
    fn cut_off(by_itself: bool) -> Self {
        Self { by_itself, unreadable: None }
    }
}

async fn attend<S>(
    mut served: Pin<&mut S>,
    finish: impl Fn(Pin<&mut S>),
    standing: &Standing,
    mut patience: Patience,
    drain: CancellationToken,
) -> Ended
where
    S: Future<Output = hyper::Result<()>>,
{
    let mut looks = tokio::time::interval_at(Instant::now() + PERIOD, PERIOD);
    let mut draining = false;
    let way = standing.way();
    let mut told = std::pin::pin!(way.told());
    let mut leaving: Option<Leaving> = None;
    loop {
        tokio::select! {
            biased;
            ended = served.as_mut() => {
                let error = ended.err().inspect(|error| {
                    tracing::debug!(error = %describe(error), "a caller's connection ended badly");
                });
                return Ended { by_itself: true, unreadable: error.as_ref().and_then(Unreadable::of) };
            }
            () = &mut told, if leaving.is_none() => {
                tracing::debug!("a connection gives way to another");
                leaving = Some(Leaving::begin(way.moment()).await);
            }
            () = async { if let Some(leaving) = &mut leaving { leaving.look.as_mut().await } }, if leaving.is_some() => {
                let Some(leaving) = &mut leaving else { continue };
                let stays = standing.stays(leaving.has_said).min(leaving.end - Instant::now());
                let (is_known, is_busy) = (standing.caller().is_some(), way.activity().oldest().is_some());
                let is_over = stays.is_zero();
                if is_over && (!is_known || !is_busy || std::mem::replace(&mut leaving.is_last, true)) {
                    return Ended::cut_off(is_known && !is_busy);
                }
                if is_known && !std::mem::replace(&mut leaving.has_said, true) {
                    finish(served.as_mut());
                }
                leaving.look.as_mut().reset(Instant::now() + if is_over { REFUSING } else { stays });
            }
            () = drain.cancelled(), if !draining => {
                draining = true;
                finish(served.as_mut());
            }
            _ = looks.tick() => match patience.look(way.activity()) {
                None => {}
                Some(Slow::Idle) => finish(served.as_mut()),
                Some(slow) => {
                    tracing::debug!(?slow, "a caller's connection is too slow: closed");
                    let has_begun = slow == Slow::Head && patience.has_begun(way.activity());
                    let unreadable = has_begun.then_some(Unreadable::HeadTooSlow);
                    return Ended { by_itself: false, unreadable };
                }
            }
        }
    }
}

/// hyper's errors hold no bytes of the request.
fn describe(error: &hyper::Error) -> String {
    let source = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
    format!("{error}{source}")
}

#[cfg(test)]
mod tests;
