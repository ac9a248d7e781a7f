//! The admin listener: probes, metrics, status. Never on the proxy's port, never with a secret, a token or
//! the digest of one. Readiness does not depend on a live issuer: restarting a sidecar mends no issuer.

mod command;
mod explain;
mod gauges;
mod spare;
mod status;

use std::{
    convert::Infallible,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    sync::Semaphore,
};

use self::spare::Spare;
use crate::{
    authn::Reach,
    clock::Moment,
    listen::{
        ListenSettings,
        bind::{Bound, Socket},
        worker::Workers,
    },
    proxy::{HostError, Pipeline, Shared},
    secret::Digest,
};

/// Scrapers and probes; more is somebody's mistake.
const MAX_CONNECTIONS: usize = 64;
const PATIENCE: Duration = Duration::from_secs(30);
/// The one command: `POST`, and only from this machine.
const RETRY: &str = "/token/retry";
/// The one question that has a body: `POST`.
const EXPLAIN: &str = "/explain";

/// How the process is.
#[derive(Debug)]
pub struct Health {
    since: Moment,
    started: AtomicBool,
    draining: AtomicBool,
    reload: Mutex<Reload>,
}

#[derive(Debug, Clone)]
struct Reload {
    at: Moment,
    error: Option<String>,
    /// Keys whose new values wait for a restart.
    pending_restart: Vec<&'static str>,
}

impl Health {
    /// Starting.
    pub fn new(now: Moment) -> Self {
        let reload = Mutex::new(Reload { at: now, error: None, pending_restart: Vec::new() });
        Self { since: now, started: AtomicBool::new(false), draining: AtomicBool::new(false), reload }
    }

    /// All ports are bound and accept.
    pub fn started(&self) {
        self.started.store(true, Relaxed);
    }

    /// No more requests, please.
    pub fn drain(&self) {
        self.draining.store(true, Relaxed);
    }

    /// A configuration was taken over, but for the keys `pending_restart`.
    pub fn reloaded(&self, now: Moment, pending_restart: Vec<&'static str>) {
        *self.reload.lock().unwrap_or_else(PoisonError::into_inner) =
            Reload { at: now, error: None, pending_restart };
    }

    /// A configuration was refused.
    pub fn reload_failed(&self, error: String) {
        self.reload.lock().unwrap_or_else(PoisonError::into_inner).error = Some(error);
    }

    /// Why the last configuration was refused, if it was.
    pub fn reload_error(&self) -> Option<String> {
        self.last_reload().error
    }

    /// The keys whose new values wait for a restart.
    pub fn pending_restart(&self) -> Vec<&'static str> {
        self.last_reload().pending_restart
    }

    fn last_reload(&self) -> Reload {
        self.reload.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn is_ready(&self) -> bool {
        self.started.load(Relaxed) && !self.draining.load(Relaxed)
    }
}

/// What the admin listener shows.
pub struct Admin {
    /// The current pipeline.
    pub pipeline: Arc<ArcSwap<Pipeline>>,
    /// What TCP listeners of the proxy serve with.
    pub settings: Arc<ArcSwap<ListenSettings>>,
    /// The workers.
    pub workers: Arc<Workers>,
    /// Tokens and metrics.
    pub shared: Arc<Shared>,
    /// How the process is.
    pub health: Arc<Health>,
}

impl Admin {
    /// Serves until its task is dropped.
    ///
    /// # Errors
    /// When the socket cannot be watched by the runtime.
    pub async fn serve(self: Arc<Self>, bound: Bound) -> io::Result<()> {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        match bound.socket {
            Socket::Tcp(socket) => {
                let mut spare = Spare::of(&socket);
                let listener = TcpListener::from_std(socket)?;
                while let Ok(place) = places.clone().acquire_owned().await {
                    match listener.accept().await {
                        Ok((stream, _)) => {
                            self.clone().spawn(stream, place, bound.reach);
                            spare.keep();
                        }
                        Err(_) => spare.give().await,
                    }
                }
            }
            Socket::Unix(socket, _) => {
                let mut spare = Spare::of(&socket);
                let listener = UnixListener::from_std(socket)?;
                while let Ok(place) = places.clone().acquire_owned().await {
                    match listener.accept().await {
                        Ok((stream, _)) => {
                            self.clone().spawn(stream, place, bound.reach);
                            spare.keep();
                        }
                        Err(_) => spare.give().await,
                    }
                }
            }
        }
        Ok(())
    }

    fn spawn<IO>(self: Arc<Self>, io: IO, place: tokio::sync::OwnedSemaphorePermit, reach: Reach)
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        tokio::spawn(async move {
            let _place = place;
            let service = service_fn(|request| {
                let this = self.clone();
                async move { Ok::<_, Infallible>(this.answer(request, reach).await) }
            });
            // A prober that goes away in the middle is not worth a line.
            let _: Result<(), hyper::Error> = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(PATIENCE)
                .serve_connection(TokioIo::new(io), service)
                .await;
        });
    }

    async fn answer(&self, request: Request<Incoming>, reach: Reach) -> Response<Full<Bytes>> {
        let is_command = matches!(request.uri().path(), RETRY | EXPLAIN);
        if !is_command && !matches!(*request.method(), Method::GET | Method::HEAD) {
            return text(StatusCode::METHOD_NOT_ALLOWED, "the admin listener takes GET\n".into());
        }
        match self.pipeline.load().hosts().check(reach, request.uri(), request.headers()) {
            Ok(()) => {}
            Err(refused @ HostError::Host) => {
                let remedy = "use localhost, or `listen.allowed_hosts`";
                return text(StatusCode::MISDIRECTED_REQUEST, format!("{refused}; {remedy}\n"));
            }
            Err(refused @ HostError::Origin) => {
                return text(StatusCode::FORBIDDEN, format!("{refused}; see `listen.allowed_origins`\n"));
            }
        }
        match request.uri().path() {
            RETRY => self.retry_tokens(&request, reach),
            "/livez" => text(StatusCode::OK, "ok\n".into()),
            "/startupz" => probe(self.health.started.load(Relaxed), "starting\n"),
            "/readyz" => probe(self.health.is_ready(), "not ready: starting or draining\n"),
            "/metrics" => {
                let mut response = text(StatusCode::OK, self.metrics());
                let version = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
                response.headers_mut().insert(header::CONTENT_TYPE, version);
                response
            }
            "/status" | "/config" | "/matrix" | EXPLAIN
                if let Some(refused) = self.refusal(request.headers(), reach) =>
            {
                refused
            }
            "/status" => json(&self.status()),
            "/matrix" => json(&crate::explain::matrix(&self.pipeline.load_full(), request.uri().query())),
            EXPLAIN => self.explain(request).await,
            "/config" => json(&serde_json::to_value(&*self.pipeline.load().config()).unwrap_or_default()),
            _ => text(
                StatusCode::NOT_FOUND,
                "here are: /livez /readyz /startupz /metrics /status /config /matrix /explain\n".into(),
            ),
        }
    }
}

impl Admin {
    /// Why a request may not see what is more than a number: it is without the token, or, where there is none, from elsewhere.
    fn refusal(&self, headers: &HeaderMap, reach: Reach) -> Option<Response<Full<Bytes>>> {
        let config = self.pipeline.load().config();
        let Some(token) = &config.admin.token else {
            let remedy = "set `admin.token` and send it as Authorization: Bearer, or have `listen.admin` on a loopback address\n";
            return (reach == Reach::Network).then(|| text(StatusCode::FORBIDDEN, remedy.into()));
        };
        let mut given = headers.get_all(header::AUTHORIZATION).iter().map(HeaderValue::as_bytes);
        let bearer = given.next().filter(|_| given.next().is_none()).and_then(bearer);
        let fits = |given: &[u8]| Digest::of(given).matches(&Digest::of(token.expose()));
        (!bearer.is_some_and(fits)).then(|| {
            let remedy = "send `admin.token` as Authorization: Bearer\n";
            let mut refused = text(StatusCode::UNAUTHORIZED, remedy.into());
            refused.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            refused
        })
    }
}

/// The token of an `Authorization` value.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

fn probe(well: bool, otherwise: &str) -> Response<Full<Bytes>> {
    if well {
        text(StatusCode::OK, "ok\n".into())
    } else {
        text(StatusCode::SERVICE_UNAVAILABLE, otherwise.into())
    }
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn json(value: &serde_json::Value) -> Response<Full<Bytes>> {
    let mut response = text(StatusCode::OK, format!("{value:#}\n"));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
