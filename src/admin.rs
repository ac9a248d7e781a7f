//! The admin listener: probes, metrics, status. Never on the proxy's port, never with a secret, a token or
//! the digest of one. Readiness does not depend on a live issuer: restarting a sidecar mends no issuer.

mod access;
mod command;
mod configuration;
mod events;
mod explain;
mod gauges;
mod health;
mod page;
mod query;
mod reply;
mod spare;
mod startup;
mod status;
mod tenants;
mod traffic;

use std::{
    convert::Infallible,
    io,
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use arc_swap::ArcSwap;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    sync::Semaphore,
};

pub use self::health::Health;
use self::{
    configuration::ConfigDigest,
    query::Query,
    reply::{Body, json, text},
    spare::Spare,
    traffic::Traffic,
};
use crate::{
    authn::Reach,
    listen::{
        ListenSettings,
        bind::{Bound, Socket},
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
    /// Those who read `/events` now.
    readers: AtomicUsize,
}

impl Admin {
    /// Shows the current pipeline, what TCP listeners of the proxy serve with, the workers, tokens and metrics, and how the process is.
    pub fn new(
        pipeline: Arc<ArcSwap<Pipeline>>,
        settings: Arc<ArcSwap<ListenSettings>>,
        workers: Arc<Workers>,
        shared: Arc<Shared>,
        health: Arc<Health>,
        rotator: Arc<Rotator>,
    ) -> Self {
        let traffic = Traffic::new(shared.clock.now().instant);
        let (digest, readers) = Default::default();
        Self { pipeline, settings, workers, shared, health, traffic, digest, rotator, readers }
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

    async fn answer(self: &Arc<Self>, request: Request<Incoming>, reach: Reach) -> Response<Body> {
        let path = request.uri().path();
        if !matches!(path, RETRY | EXPLAIN)
            && !is_of_tenants(path)
            && !matches!(*request.method(), Method::GET | Method::HEAD)
        {
            return text(StatusCode::METHOD_NOT_ALLOWED, "the admin listener takes GET\n");
        }
        if let Some(refused) = self.refused_page(&request, reach) {
            return refused;
        }
        match path {
            RETRY => self.retry_tokens(&request, reach),
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
                && let Some(refused) = self.refusal(request.headers(), reach) =>
            {
                refused
            }
            "/status" => match Query::parse(request.uri().query()) {
                Ok(query) => self.status(&query).map_or_else(
                    || text(StatusCode::NOT_FOUND, "there is no such tenant\n"),
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
            "/matrix" => json(&crate::explain::matrix(&self.pipeline.load_full(), request.uri().query())),
            EXPLAIN => self.explain(request).await,
            path if is_of_tenants(path) => self.tenants(request).await,
            _ => text(
                StatusCode::NOT_FOUND,
                "here are: / /livez /readyz /startupz /metrics /status /config /events /matrix /explain /tenants\n",
            ),
        }
    }

    /// Why a web page gets no answer: its origin is not this listener's own, or the listener does not have that name. The page itself
    /// may be opened from anywhere, as there is nothing in it.
    fn refused_page(&self, request: &Request<Incoming>, reach: Reach) -> Option<Response<Body>> {
        let pipeline = self.pipeline.load();
        let (path, headers) = (request.uri().path(), request.headers());
        let checked = match path {
            path if path == RETRY || is_of_tenants(path) => {
                pipeline.hosts().check(reach, request.uri(), headers)
            }
            _ => pipeline.hosts().check_beside_own_page(reach, request.uri(), headers),
        };
        match checked {
            Err(refused @ HostError::Host) => {
                let remedy = "use localhost, or `listen.allowed_hosts`";
                Some(text(StatusCode::MISDIRECTED_REQUEST, format!("{refused}; {remedy}\n")))
            }
            Err(refused @ HostError::Origin) if page::file(path).is_none() => {
                Some(text(StatusCode::FORBIDDEN, format!("{refused}; see `listen.allowed_origins`\n")))
            }
            Ok(()) | Err(HostError::Origin) => None,
        }
    }
}

/// Whether a path is about tenants of the vault.
fn is_of_tenants(path: &str) -> bool {
    path.strip_prefix(TENANTS).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Admin {
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
