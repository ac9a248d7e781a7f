//! The admin listener: probes, metrics, status. Never on the proxy's port, never with a secret, a token or
//! the digest of one. Readiness does not depend on a live issuer: restarting a sidecar mends no issuer.

mod access;
mod command;
mod configuration;
mod events;
mod explain;
mod gauges;
mod guesses;
mod health;
mod page;
mod places;
mod query;
mod reply;
mod reread;
mod spare;
mod startup;
mod status;
mod tenants;
mod traffic;

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicUsize},
    time::Duration,
};

use arc_swap::ArcSwap;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, UnixListener},
    time::Instant,
};

use self::{
    configuration::ConfigDigest,
    guesses::Guesses,
    places::{Place, Places},
    query::Query,
    reply::{Body, json, text},
    spare::Spare,
    traffic::Traffic,
};
pub use self::{
    health::Health,
    reread::{Reread, Rereading},
};
use crate::{
    authn::Reach,
    listen::{
        ListenSettings, Stream,
        bind::{Bound, Socket},
        closing::{Closing, Tcp, bound_buffers},
        worker::Workers,
    },
    proxy::{HostError, Pipeline, Shared},
    rotation::Rotator,
};

/// Scrapers and probes; more is somebody's mistake.
const MAX_CONNECTIONS: usize = 64;
const PATIENCE: Duration = Duration::from_secs(30);
/// The one command: `POST`, and only from this machine.
const RETRY: &str = "/token/retry";
/// The one question that has a body: `POST`.
const EXPLAIN: &str = "/explain";
/// What is done with tenants of the vault: `GET`, `POST` and `DELETE`.
const TENANTS: &str = "/tenants";

/// Through which listener somebody asks, and from which address, where it has one.
type From = (Reach, Option<SocketAddr>);

/// What the admin listener shows.
pub struct Admin {
    pipeline: Arc<ArcSwap<Pipeline>>,
    settings: Arc<ArcSwap<ListenSettings>>,
    workers: Arc<Workers>,
    shared: Arc<Shared>,
    health: Arc<Health>,
    traffic: Traffic,
    digest: ConfigDigest,
    rotator: Arc<Rotator>,
    reread: Reread,
    /// Those who read `/events` now.
    readers: AtomicUsize,
    /// When it was last said that somebody speaks something else than HTTP here.
    misspoken: Mutex<Option<Instant>>,
    guesses: Guesses,
}

impl Admin {
    /// Shows the current pipeline, what TCP listeners of the proxy serve with, the workers, tokens and metrics, and how the process is;
    /// by `reread` files are read again.
    pub fn new(
        pipeline: Arc<ArcSwap<Pipeline>>,
        settings: Arc<ArcSwap<ListenSettings>>,
        workers: Arc<Workers>,
        shared: Arc<Shared>,
        health: Arc<Health>,
        rotator: Arc<Rotator>,
        reread: Reread,
    ) -> Self {
        let traffic = Traffic::new(shared.clock.now().instant);
        let (digest, readers, misspoken, guesses) = Default::default();
        Self {
            pipeline,
            settings,
            workers,
            shared,
            health,
            traffic,
            digest,
            rotator,
            reread,
            readers,
            misspoken,
            guesses,
        }
    }

    /// Looks at what requests counted, every so often, until its task is dropped.
    pub async fn watch(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(traffic::SLOT);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let now = ticks.tick().await;
            drop(self.traffic.look(&self.pipeline.load(), now));
        }
    }

    /// Serves until its task is dropped. A connection has buffers of so many bytes in the system.
    ///
    /// # Errors
    /// When the socket cannot be watched by the runtime.
    pub async fn serve(self: Arc<Self>, bound: Bound, buffers: Option<usize>) -> io::Result<()> {
        let places = Arc::<Places>::default();
        match bound.socket {
            Socket::Tcp(socket) => {
                let mut spare = Spare::of(&socket);
                bound_buffers(&socket, buffers);
                let listener = TcpListener::from_std(socket)?;
                loop {
                    match listener.accept().await {
                        Ok((stream, peer)) => {
                            let (place, closing) = (places.enter(MAX_CONNECTIONS), Closing::default());
                            let stream = Stream::Tcp(Tcp::new(stream, closing.clone()));
                            self.clone().spawn(stream, place, closing, (bound.reach, Some(peer)));
                            spare.keep();
                        }
                        Err(_) => spare.give().await,
                    }
                }
            }
            Socket::Unix(socket, _) => {
                let mut spare = Spare::of(&socket);
                let listener = UnixListener::from_std(socket)?;
                loop {
                    match listener.accept().await {
                        Ok((stream, _)) => {
                            bound_buffers(&stream, buffers);
                            let place = places.enter(MAX_CONNECTIONS);
                            let from = (bound.reach, None);
                            self.clone().spawn(Stream::Unix(stream), place, Closing::default(), from);
                            spare.keep();
                        }
                        Err(_) => spare.give().await,
                    }
                }
            }
        }
    }

    fn spawn(self: Arc<Self>, stream: Stream, place: Place, closing: Closing, from: From) {
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let this = self.clone();
                async move { Ok::<_, Infallible>(this.answer(request, from).await) }
            });
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(PATIENCE)
                .serve_connection(TokioIo::new(stream), service);
            let mut served = Box::pin(served);
            tokio::select! {
                ended = &mut served => {
                    // A prober that goes away in the middle is not worth a line.
                    if ended.is_err_and(|error| error.is_parse()) {
                        self.note_misspoken();
                    }
                    closing.orderly(true);
                }
                () = place.gives_way() => {}
            }
            drop(served);
            closing.finish().await;
        });
    }

    /// At most once a minute.
    fn note_misspoken(&self) {
        let now = self.shared.clock.now().instant;
        let mut last = self.misspoken.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| now.saturating_duration_since(last) >= Duration::from_mins(1)) {
            *last = Some(now);
            tracing::warn!(
                "the admin listener speaks plain HTTP, and a client speaks something else: write http:// where it says https://"
            );
        }
    }

    async fn answer(self: &Arc<Self>, request: Request<Incoming>, (reach, peer): From) -> Response<Body> {
        let path = request.uri().path();
        if !matches!(path, RETRY | EXPLAIN)
            && !is_of_tenants(path)
            && !is_of_proxy(path)
            && !matches!(*request.method(), Method::GET | Method::HEAD)
        {
            return text(StatusCode::METHOD_NOT_ALLOWED, "the admin listener takes GET\n");
        }
        if let Some(refused) = self.refused_page(&request, reach) {
            return refused;
        }
        match path {
            RETRY => self.retry(&request, (reach, peer)).await,
            "/livez" => text(StatusCode::OK, "ok\n"),
            "/startupz" => self.startup(),
            "/readyz" if self.health.is_ready() => text(StatusCode::OK, "ok\n"),
            "/readyz" => text(StatusCode::SERVICE_UNAVAILABLE, "not ready: starting or draining\n"),
            "/metrics" => {
                let mut response = text(StatusCode::OK, self.metrics());
                let version = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
                response.headers_mut().insert(header::CONTENT_TYPE, version);
                response
            }
            path if let Some(file) = page::file(path) => {
                self.closed(reach).unwrap_or_else(|| page::show(file))
            }
            path if (matches!(path, "/status" | "/config" | "/events" | "/matrix" | EXPLAIN)
                || is_of_tenants(path))
                && let Some(refused) = self.refusal(request.headers(), reach, peer) =>
            {
                refused
            }
            "/status" => match Query::parse(request.uri().query()) {
                Ok(query) => self.status(&query).map_or_else(
                    || text(StatusCode::NOT_FOUND, self.no_such_tenant()),
                    |status| json(&status),
                ),
                Err(remedy) => text(StatusCode::BAD_REQUEST, remedy),
            },
            "/config" => reply::answer(
                StatusCode::OK,
                "application/json",
                configuration::shown(&self.pipeline.load().config()),
            ),
            "/events" => self.events(request.method()),
            "/matrix" => {
                let mut shown = crate::explain::matrix(&self.pipeline.load_full(), request.uri().query());
                if let Some(note) = self.older() {
                    shown["note"] = note.into();
                }
                json(&shown)
            }
            EXPLAIN => self.explain(request).await,
            path if is_of_tenants(path) => Box::pin(self.tenants(request)).await,
            path if is_of_proxy(path) => text(
                StatusCode::NOT_FOUND,
                "this is the admin listener (`listen.admin`): send requests for Logto to the proxy (`listen.proxy`)\n",
            ),
            _ => text(
                StatusCode::NOT_FOUND,
                "this listener serves: / /livez /readyz /startupz /metrics /status /config /events /matrix /explain /tenants\n",
            ),
        }
    }

    /// Why a web page gets no answer: its origin is not this listener's own, or the listener does not have that name. The page itself
    /// may be opened from anywhere, as there is nothing in it.
    fn refused_page(&self, request: &Request<Incoming>, reach: Reach) -> Option<Response<Body>> {
        let pipeline = self.pipeline.load();
        let (path, headers) = (request.uri().path(), request.headers());
        let show = |said: &str| pipeline.shown_path(said);
        let checked = match path {
            path if path == RETRY || is_of_tenants(path) => {
                pipeline.hosts().check(reach, request.uri(), headers, show)
            }
            _ => pipeline.hosts().check_beside_own_page(reach, request.uri(), headers, show),
        };
        match checked {
            Err(refused @ HostError::Host(_)) => {
                let remedy = "use localhost, or `listen.allowed_hosts`";
                Some(text(StatusCode::MISDIRECTED_REQUEST, format!("{refused}; {remedy}\n")))
            }
            Err(refused @ HostError::Origin(_)) if page::file(path).is_none() => {
                Some(text(StatusCode::FORBIDDEN, format!("{refused}; see `listen.allowed_origins`\n")))
            }
            Ok(()) | Err(HostError::Origin(_)) => None,
        }
    }
}

/// Whether a path is about tenants of the vault.
fn is_of_tenants(path: &str) -> bool {
    path.strip_prefix(TENANTS).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a path is one of the proxy's, sent to the wrong port.
fn is_of_proxy(path: &str) -> bool {
    let first = path.trim_start_matches('/').split('/').next();
    matches!(first, Some("api" | "t" | "oidc" | "cloud"))
}

impl Admin {
    /// With those that there are, a handful at the most.
    fn no_such_tenant(&self) -> String {
        const MOST: usize = 5;
        let all = self.pipeline.load().tenants().all();
        let names: Vec<_> = all.iter().take(MOST).map(|tenant| tenant.config().name.as_str()).collect();
        let more = if all.len() > MOST { ", …" } else { "" };
        format!("there is no such tenant; there are: {}{more}\n", names.join(", "))
    }

    fn startup(&self) -> Response<Body> {
        let pipeline = self.pipeline.load();
        let patience = pipeline.config().timeouts.startup;
        let missing = || pipeline.authenticators().issuers_without_keys();
        match self.health.startup.waits_for(missing, patience) {
            None => text(StatusCode::OK, "ok\n"),
            Some(waiting) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{waiting}\n")),
        }
    }
}
