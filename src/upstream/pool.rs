//! Connections of one worker to one upstream. Ours, because what matters here is what general clients hide:
//! whether a request was provably not sent, and that no connection is used that the upstream is about to
//! close (Logto closes after 6 s, fact 8.2). Dialling, TLS and ALPN are hyper-util's and hyper-rustls'.

mod dial;
mod error;
mod settings;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use http::{HeaderValue, Request, Response, Uri, header};
use hyper::{
    body::Incoming,
    client::conn::{TrySendError, http1, http2},
};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::connect::HttpConnector;
use tokio::time::Instant;

use self::dial::{Dialled, Dialler, Dials};
pub use self::{
    error::SendError,
    settings::{PoolBuffers, PoolTimes},
};
use super::replay::RequestBody;
use crate::config::Endpoint;

/// The connections.
pub(super) struct Pool {
    dials: Dials,
    endpoint: Endpoint,
    host: HeaderValue,
    connect: Duration,
    idle_limit: Duration,
    kept: Mutex<Kept>,
    /// Held while the first connection is made where HTTP/2 is offered: whoever comes meanwhile shares it.
    first: tokio::sync::Mutex<()>,
    /// Whether the upstream may yet agree on HTTP/2.
    may_share: AtomicBool,
}

#[derive(Default)]
struct Kept {
    /// Oldest first; taken from the end, so that few connections stay warm and the rest age away.
    idle: Vec<(http1::SendRequest<RequestBody>, Instant)>,
    shared: Option<http2::SendRequest<RequestBody>>,
}

/// A connection that an answer is being read from; goes back to its pool when dropped.
#[derive(Debug)]
pub struct ConnectionGuard {
    back: Option<(http1::SendRequest<RequestBody>, Arc<Pool>)>,
}

/// A request without an answer.
#[derive(Debug)]
pub(super) struct Unanswered {
    /// Why.
    pub(super) error: SendError,
    /// Its body, where nobody has read of it.
    pub(super) body: Option<RequestBody>,
}

impl Unanswered {
    fn unsent(error: SendError, request: Request<RequestBody>) -> Self {
        Self { error, body: Some(request.into_body()) }
    }

    /// Of a request that was given to a connection.
    fn of(failed: Failed) -> Self {
        match failed.unsent {
            Some(request) => Self::unsent(SendError::Closed(failed.error), request),
            None => Self { error: SendError::Broken(failed.error), body: None },
        }
    }
}

impl Pool {
    /// A pool without connections.
    pub(super) fn new(
        endpoint: &Endpoint,
        tls: rustls::ClientConfig,
        http2: bool,
        times: PoolTimes,
        buffers: PoolBuffers,
    ) -> Arc<Self> {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(times.connect));
        tcp.set_recv_buffer_size(buffers.socket);
        tcp.set_send_buffer_size(buffers.socket);
        let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
        let connector =
            if http2 { https.enable_http2().wrap_connector(tcp) } else { https.wrap_connector(tcp) };
        let target = absolute(endpoint, http::uri::PathAndQuery::from_static("/"));
        let dialler = Dialler { connector, target, patience: times.connect, windows: buffers.windows };
        Arc::new(Self {
            dials: Dials::new(dialler, times.idle),
            host: host_of(endpoint),
            endpoint: endpoint.clone(),
            connect: times.connect,
            idle_limit: times.idle,
            kept: Mutex::default(),
            first: tokio::sync::Mutex::default(),
            may_share: AtomicBool::new(http2),
        })
    }

    /// Sends a request whose URI is a path and a query, and whose `Host` is not set, and waits for the head
    /// of the answer. Closed connections are passed over as long as the request is provably unsent. `now` is when it was begun.
    ///
    /// # Errors
    /// [`Unanswered`]. Cancel-safe: a connection in use is closed when the future is dropped, one that is being made is kept.
    pub(super) async fn send(
        self: &Arc<Self>,
        mut request: Request<RequestBody>,
        now: Instant,
    ) -> Result<(Response<Incoming>, ConnectionGuard), Unanswered> {
        request.headers_mut().insert(header::HOST, self.host.clone());
        while let Some(sender) = self.take_idle(now) {
            match self.send_on(sender, request).await {
                Ok(answered) => return Ok(answered),
                Err(Failed { unsent: Some(again), .. }) => request = again,
                Err(failed) => return Err(Unanswered::of(failed)),
            }
        }
        if let Some(shared) = self.shared() {
            return self.send_shared(shared, request).await;
        }
        match self.connect().await {
            Ok(Dialled::Http1(sender)) => self.send_on(sender, request).await.map_err(Unanswered::of),
            Ok(Dialled::Http2(shared)) => self.send_shared(shared, request).await,
            Err(error) => Err(Unanswered::unsent(error, request)),
        }
    }

    /// A new connection, or over HTTP/2 the one that another request has just made. Requests wait for each other only
    /// until it is known what the upstream speaks.
    async fn connect(&self) -> Result<Dialled, SendError> {
        let _turn = match self.may_share.load(Relaxed) {
            true => Some(
                tokio::time::timeout(self.connect, self.first.lock())
                    .await
                    .map_err(|_| SendError::ConnectTimeout(self.connect))?,
            ),
            false => None,
        };
        if let Some(shared) = self.shared() {
            return Ok(Dialled::Http2(shared));
        }
        let dialled = self.dials.dial().await?;
        match &dialled {
            Dialled::Http1(_) => self.may_share.store(false, Relaxed),
            Dialled::Http2(shared) => self.lock().shared = Some(shared.clone()),
        }
        Ok(dialled)
    }

    async fn send_on(
        self: &Arc<Self>,
        mut sender: http1::SendRequest<RequestBody>,
        request: Request<RequestBody>,
    ) -> Result<(Response<Incoming>, ConnectionGuard), Failed> {
        match sender.try_send_request(request).await {
            Ok(answer) => Ok((answer, ConnectionGuard { back: Some((sender, self.clone())) })),
            Err(error) => Err(Failed::from(error)),
        }
    }

    async fn send_shared(
        &self,
        mut shared: http2::SendRequest<RequestBody>,
        mut request: Request<RequestBody>,
    ) -> Result<(Response<Incoming>, ConnectionGuard), Unanswered> {
        // HTTP/2 carries the authority in the target instead of `Host` (RFC 9113 section 8.3.1).
        request.headers_mut().remove(header::HOST);
        let path =
            request.uri().path_and_query().cloned().unwrap_or(http::uri::PathAndQuery::from_static("/"));
        *request.uri_mut() = absolute(&self.endpoint, path);
        *request.version_mut() = http::Version::HTTP_2;
        match shared.try_send_request(request).await.map_err(Failed::from) {
            Ok(answer) => Ok((answer, ConnectionGuard { back: None })),
            Err(failed) => Err(Unanswered::of(failed)),
        }
    }

    fn take_idle(&self, now: Instant) -> Option<http1::SendRequest<RequestBody>> {
        let mut kept = self.lock();
        while let Some((sender, since)) = kept.idle.pop() {
            if now.saturating_duration_since(since) >= self.idle_limit {
                // All others are older still.
                kept.idle.clear();
                return None;
            }
            if sender.is_ready() {
                return Some(sender);
            }
        }
        None
    }

    fn shared(&self) -> Option<http2::SendRequest<RequestBody>> {
        let mut kept = self.lock();
        kept.shared.take_if(|shared| shared.is_closed());
        kept.shared.clone()
    }

    fn keep(&self, sender: http1::SendRequest<RequestBody>) {
        self.lock().idle.push((sender, Instant::now()));
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pool({})", self.endpoint)
    }
}

struct Failed {
    error: hyper::Error,
    unsent: Option<Request<RequestBody>>,
}

impl From<TrySendError<Request<RequestBody>>> for Failed {
    fn from(mut error: TrySendError<Request<RequestBody>>) -> Self {
        let unsent = error.take_message();
        Self { error: error.into_error(), unsent }
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        let Some((mut sender, pool)) = self.back.take() else { return };
        if sender.is_ready() {
            pool.keep(sender);
        } else if !sender.is_closed()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            // The connection's task has yet to see the end of the answer, or that nobody reads it.
            runtime.spawn(async move {
                if let Ok(Ok(())) = tokio::time::timeout(pool.idle_limit, sender.ready()).await {
                    pool.keep(sender);
                }
            });
        }
    }
}

fn absolute(endpoint: &Endpoint, path: http::uri::PathAndQuery) -> Uri {
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(endpoint.scheme.clone());
    parts.authority = Some(endpoint.authority.clone());
    parts.path_and_query = Some(path);
    Uri::from_parts(parts).expect("scheme, authority and path are all there")
}

fn host_of(endpoint: &Endpoint) -> HeaderValue {
    HeaderValue::from_str(endpoint.authority.as_str()).expect("an authority holds only visible ASCII")
}

#[cfg(test)]
mod tests;
