//! An answer of the upstream. Its body is seen by nobody before the response filter: [`Answer::filtered`] is the one way to
//! it, and takes masking, tokens and known secrets from what the request was sent with, so none can be forgotten.

mod created;
mod kept;
mod whole;

pub use created::{Created, CreationAnswer};
pub use kept::{KeptAnswer, Whole};
pub use whole::{Gathered, WholeAnswer};

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, Version, request, response::Parts};
use http_body::{Body as _, Frame, SizeHint};
use tokio::time::timeout;

use super::{peeked::Peeked, pool::ConnectionGuard, tenant::Tenant};
use crate::{
    catalog::Secrets,
    filter::{Blocked, EchoGuard, ResponseFilter},
    idle_timeout::IdleTimeout,
    limit::{Dispatch, Held, LatePlace, UnreadGuard},
    token::{Token, TokenHandle},
};

/// An answer to hand on, with all that its way through the filter takes.
#[derive(Debug)]
pub struct Answer {
    response: Response<Peeked>,
    connection: ConnectionGuard,
    guard: EchoGuard,
    masking: Option<&'static Secrets>,
    /// `limits.expansion`
    expansion: u32,
    place: LatePlace,
    exchange: Option<Arc<Held>>,
}

/// How long an error is waited for before it is handed on as it comes. Logto has one whole before its head goes out (fact 8.7).
const ERROR: Duration = Duration::from_secs(1);

/// Pieces of what came at one time that are screened in a row: then other tasks have their turn.
const PIECES_IN_A_ROW: usize = 4;

/// The body of an answer behind the response filter. Keeps the connection until it has come whole, or is dropped, and counts
/// as one that its caller has yet to take.
#[derive(Debug)]
pub struct FilteredBody {
    /// What is left to come; nothing, once it has come whole, however slowly its caller takes it.
    rest: Option<Rest>,
    /// Until it has come whole and all of it was screened: a compressed one takes memory until then.
    place: Option<Place>,
    filter: ResponseFilter,
    /// What was read already, by [`Answer::filtered`].
    first: Option<Bytes>,
    idle: IdleTimeout,
    /// Screened in a row.
    pieces: usize,
    /// The memory that it takes, until its caller has taken it.
    exchange: Option<Arc<Held>>,
    /// Whether what is handed on may wait long for its caller, as over HTTP/2, and is counted meanwhile.
    is_kept: bool,
}

/// A piece that was handed on, and the memory that it takes.
struct Kept {
    data: Bytes,
    _exchange: Arc<Held>,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

#[derive(Debug)]
struct Rest {
    // Dropped first: an unread rest closes the connection instead of going back to the pool with it.
    incoming: Peeked,
    _connection: ConnectionGuard,
}

/// The place among the tenant's requests until the answer begins: Logto has it whole by then, and its database is free.
#[derive(Debug)]
enum Place {
    Held(LatePlace),
    GivenBack { _unread: Option<UnreadGuard> },
}

/// Why a body broke off. The connection to the caller is cut, so that a part is never taken for the whole.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The upstream went away.
    #[error("the upstream's answer broke off")]
    Broken(#[source] hyper::Error),
    /// The upstream said nothing for too long.
    #[error("no part of the upstream's answer arrived for {0:?}")]
    Idle(Duration),
    /// More than such an answer can have.
    #[error("the upstream's answer has more than {0} bytes, where few are expected")]
    TooLong(usize),
    /// It must not reach the caller.
    #[error(transparent)]
    Blocked(#[from] Blocked),
}

impl BodyError {
    /// The code of an answer that breaks off for it after its head has gone out: for the log and the audit log alone.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Broken(_) => "claviger.upstream_unreachable",
            Self::Idle(_) => "claviger.upstream_timeout",
            Self::TooLong(_) | Self::Blocked(_) => "claviger.upstream_invalid",
        }
    }
}

impl Answer {
    pub(super) fn new(
        response: Response<Peeked>,
        connection: ConnectionGuard,
        token: Arc<Token>,
        handle: &TokenHandle,
        dispatch: Dispatch<Tenant>,
    ) -> Self {
        let (tenant, masking) = (dispatch.tenant(), dispatch.masking());
        let other = handle.other(token.generation());
        let guard = EchoGuard::new(token, other, tenant.known_secrets());
        let expansion = tenant.common().expansion;
        let (place, exchange) = dispatch.into_place();
        Self { response, connection, guard, masking, expansion, place, exchange: exchange.map(Arc::new) }
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// Its headers, to take out and rebuild what is between the upstream and us; they are filtered afterwards.
    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        self.response.headers_mut()
    }

    /// Head and body of the answer to `request`, as its caller may see them. The body's beginning is waited for, `idle` at most, and
    /// all of an error for a moment: where that must not pass, there is time yet to say so with a status.
    ///
    /// # Errors
    /// [`BodyError`]: nothing of it may pass, or it does not even begin.
    pub async fn filtered(
        self,
        request: &request::Parts,
        idle: Duration,
    ) -> Result<(Parts, Box<FilteredBody>), BodyError> {
        let (mut head, incoming) = self.response.into_parts();
        let filter = ResponseFilter::new(request, &mut head, self.masking, self.guard, self.expansion)?;
        let mut body = Box::new(FilteredBody {
            rest: Some(Rest { incoming, _connection: self.connection }),
            place: Some(Place::Held(self.place)),
            filter,
            first: None,
            idle: IdleTimeout::new(idle),
            pieces: 0,
            exchange: self.exchange,
            is_kept: request.version == Version::HTTP_2,
        });
        body.first = if body.filter.reads_error() {
            let whole = timeout(ERROR, poll_fn(|cx| body.poll_screened(cx))).await;
            let whole = whole.unwrap_or_else(|_| {
                body.filter.give_up_error();
                None
            });
            body.filter.finish_error(&mut head.headers);
            whole
        } else {
            poll_fn(|cx| body.poll_screened(cx)).await
        }
        .transpose()?;
        body.place = body.place.take().map(Place::begun);
        Ok((head, body))
    }
}

impl FilteredBody {
    /// The next data to hand on. Trailers end with us: nobody filters them, and Logto has none.
    pub fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let data = match self.first.take() {
            Some(first) => Some(Ok(first)),
            None => ready!(self.poll_screened(cx)),
        };
        Poll::Ready(data.map(|data| data.map(|data| self.keeping(data))))
    }

    /// The same piece, which counts as held as long as it is.
    fn keeping(&self, data: Bytes) -> Bytes {
        match &self.exchange {
            Some(exchange) if self.is_kept => Bytes::from_owner(Kept { data, _exchange: exchange.clone() }),
            _ => data,
        }
    }

    fn poll_screened(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        loop {
            if self.pieces == PIECES_IN_A_ROW {
                self.pieces = 0;
                // Not before what comes in was looked at, which a task that only wakes itself puts off 60 times.
                let _: Poll<()> = pin!(tokio::task::yield_now()).poll(cx);
                return Poll::Pending;
            }
            let next = self.filter.pass_on();
            if next.is_err() {
                self.rest = None;
            }
            if self.rest.is_none() && self.filter.is_done() {
                self.place = None;
            }
            let Some(data) = next? else {
                match ready!(self.poll_rest(cx)) {
                    Some(taken) => taken?,
                    None => return Poll::Ready(None),
                }
                continue;
            };
            self.pieces += 1;
            if !data.is_empty() {
                return Poll::Ready(Some(Ok(data)));
            }
        }
    }

    /// Gives the filter what comes next; `None` when nothing comes any more.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<(), BodyError>>> {
        let Some(rest) = &mut self.rest else {
            self.place = None;
            return Poll::Ready(None);
        };
        let Poll::Ready(frame) = Pin::new(&mut rest.incoming).poll_frame(cx) else {
            ready!(self.idle.poll_over(cx));
            return Poll::Ready(Some(Err(BodyError::Idle(self.idle.limit()))));
        };
        self.idle.broken();
        self.pieces = 0;
        let chunk = frame.transpose().map_err(BodyError::Broken)?.map(Frame::into_data);
        let ended = chunk.is_none() || rest.incoming.is_end_stream();
        let chunk = chunk.and_then(Result::ok).unwrap_or_default();
        if ended {
            self.filter.take_last(chunk);
            self.rest = None;
        } else {
            self.filter.take(chunk);
        }
        Poll::Ready(Some(Ok(())))
    }

    /// Whether all of it has been handed on. A masked body has ended when it was found whole, and not before.
    pub fn has_ended(&self) -> bool {
        let is_whole = |rest: &Rest| self.filter.kept() == Some(0) && rest.incoming.is_end_stream();
        self.first.is_none() && self.filter.is_done() && self.rest.as_ref().is_none_or(is_whole)
    }

    /// What is left of it, in bytes; unknown where it is masked or came compressed.
    pub fn size_hint(&self) -> SizeHint {
        let mut hint = SizeHint::new();
        if let Some(kept) = self.filter.kept() {
            let first = self.first.as_ref().map_or(0, Bytes::len);
            let rest = self.rest.as_ref().map(|rest| rest.incoming.size_hint());
            let (incoming, here) = (rest.unwrap_or(SizeHint::with_exact(0)), (kept + first) as u64);
            hint.set_lower(incoming.lower() + here);
            if let Some(upper) = incoming.upper() {
                hint.set_upper(upper + here);
            }
        }
        hint
    }
}

impl Place {
    fn begun(self) -> Self {
        match self {
            Self::Held(place) => Self::GivenBack { _unread: place.answered() },
            given_back => given_back,
        }
    }
}
