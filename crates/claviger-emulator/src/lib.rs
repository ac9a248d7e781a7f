//! A small Logto in one process, for tests, demonstrations and consumers' own test suites.
//!
//! It answers as Logto OSS 1.42 was measured to answer: the token endpoint with its statuses and bodies, the
//! Management API over a bounded store in memory with paging, search and conflicts, the `Link` headers that lack the
//! `/api` prefix, the routing rules, the `Host` switch to the admin tenant, real ES384 or RS256 tokens with key
//! rotation. It also misbehaves on request ([`Faults`]) and remembers what it received ([`Recorded`], [`Surprise`]).
//!
//! It must never be reachable by anyone but its own test or demonstration: whoever can connect can read every
//! (invented) secret and switch every fault without a credential.
//!
//! # Switching it over HTTP
//!
//! Paths under `/__emulator/` are reserved. They need no token, are never recorded and never faulted.
//!
//! | request | effect |
//! |---|---|
//! | `PUT /__emulator/faults` | replaces all faults by the JSON array in the body, see below; 204 |
//! | `GET /__emulator/faults` | the faults that are armed now |
//! | `DELETE /__emulator/faults` | clears them; 204 |
//! | `GET /__emulator/recorded` | the requests that arrived, oldest first, with the surprises and the counters |
//! | `DELETE /__emulator/recorded` | forgets them; 204 |
//! | `POST /__emulator/rotate-keys` | rotates the signing key (Current becomes Previous); 204 |
//! | `PUT /__emulator/token-ttl` | `{"seconds":5}`: lifetime of Management API tokens issued from now on; 204 |
//!
//! A fault is `{"on":"token"|"api"|"any", "path":"/api/users", "method":"GET", "times":2, "effect":…}`; `path` (a
//! prefix), `method` and `times` may be left out. An effect is one of `{"latency":{"ms":500}}`,
//! `{"answer":{"status":503,"headers":[["Retry-After","2"]],"body":"…"}}`, `"reset"`, `"close"`,
//! `{"truncate":{"after":10}}`, `{"truncate-reset":{"after":10}}`, `"close-after-answer"`, `"black-hole"`,
//! `{"drip":{"bytes":16,"every_ms":100}}`.
//!
//! # What it does not do
//!
//! Answers are never compressed (Logto compresses from 1024 bytes on when asked to) and never localised; request
//! bodies with a `Content-Encoding` are refused; scripts of the JWT customizer are stored, not run; search modes
//! `posix` and `similar_to` and every operation without state here answer 501 with the code
//! `emulator.not_implemented`, after authentication, and count as a surprise. A new connection on which no request
//! comes is closed after the idle time (6 s), where Logto waits for a minute.
#![forbid(unsafe_code)]

mod answer;
mod applications;
mod auth;
mod body;
mod check;
mod configs;
mod connectors;
mod control;
mod dispatch;
mod errors;
mod faults;
mod hooks;
mod jwt;
mod logs;
mod oidc_error;
mod one_time_tokens;
mod operations;
mod organizations;
mod paging;
mod record;
mod resources;
mod roles;
mod routes;
mod search;
mod seed;
mod server;
mod store;
mod token;
mod users;
mod well_known;
mod wire;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio_util::sync::CancellationToken;

pub use faults::{Effect, Fault, Faults, Target};
pub use jwt::Algorithm;
pub use record::{Recorded, Surprise, TenantName};

use record::Recorder;
use store::Store;

/// Every secret of the seed begins with this text, so that a test can look for leaks of any of them.
pub const CANARY: &str = "CANARY-logto-";

/// The resource indicator of the Management API of a self-hosted Logto (fact 1.14).
pub const MANAGEMENT_API: &str = "https://default.logto.app/api";

/// Where the emulator takes the time from; tests pass their own.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// A machine-to-machine application that exists from the start.
#[derive(Clone, Debug)]
pub struct Client {
    /// The application id, which is the OAuth client id.
    pub id: String,
    /// Its secrets; all of them authenticate at the same time.
    pub secrets: Vec<String>,
    /// Whether it has the role that grants the scope `all` on the Management API.
    pub role: ManagementRole,
}

/// Whether an application may use the Management API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManagementRole {
    /// Its tokens carry the scope `all`.
    Granted,
    /// Its tokens carry no scope, and the API answers 403.
    Missing,
}

/// What the store holds at the start, besides the clients and the built-in resource and role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seed {
    /// Nothing.
    Empty,
    /// Users, organizations, roles, applications, connectors, hooks and tokens; every secret begins with [`CANARY`].
    Demo {
        /// The number of users.
        users: usize,
    },
}

/// How an emulator is started.
#[derive(Clone)]
pub struct Options {
    /// The address to listen on; port 0 takes a free one.
    pub bind: SocketAddr,
    /// The base of the issuer, without a slash at the end; `None` is `http://{address}`.
    pub endpoint: Option<String>,
    /// The `Host` that reaches the admin tenant instead (fact 3.1); `None` switches that off.
    pub admin_authority: Option<String>,
    /// The resource indicator of the Management API.
    pub resource: String,
    /// The content of the store.
    pub seed: Seed,
    /// The applications that can ask for tokens.
    pub clients: Vec<Client>,
    /// The lifetime of Management API tokens.
    pub token_ttl: Duration,
    /// How long an idle connection stays open, and how long a request head may take.
    pub keep_alive: Duration,
    /// The time source.
    pub clock: Clock,
    /// Seeds the identifiers, for runs that can be compared; keys are random all the same.
    pub random_seed: Option<u64>,
    /// What bounds the memory.
    pub limits: Limits,
}

/// Bounds on what the emulator keeps, so that a runaway consumer cannot fill the memory.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Rows per table; a create beyond it is 422 `emulator.store_full`.
    pub rows: usize,
    /// Recorded requests; the oldest are dropped.
    pub recorded: usize,
    /// Bytes of each recorded request body.
    pub recorded_body: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bind: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            endpoint: None,
            admin_authority: Some("localhost:3002".to_owned()),
            resource: MANAGEMENT_API.to_owned(),
            seed: Seed::Empty,
            clients: Vec::new(),
            token_ttl: Duration::from_secs(3600),
            keep_alive: Duration::from_secs(6),
            #[expect(clippy::disallowed_methods, reason = "where no clock is passed in, the system's")]
            clock: Arc::new(SystemTime::now),
            random_seed: None,
            limits: Limits { rows: 20_000, recorded: 10_000, recorded_body: 64 * 1024 },
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("bind", &self.bind)
            .field("endpoint", &self.endpoint)
            .field("seed", &self.seed)
            .field("clients", &self.clients.len())
            .finish_non_exhaustive()
    }
}

/// A running emulator; dropping it, or [`Emulator::shutdown`], ends it and cuts its connections.
#[derive(Debug)]
pub struct Emulator {
    addr: SocketAddr,
    shared: Arc<Shared>,
    stop: CancellationToken,
}

impl Emulator {
    /// Binds and starts serving on the current tokio runtime.
    ///
    /// # Errors
    /// The address cannot be bound, or no signing key could be made.
    pub async fn start(options: Options) -> io::Result<Self> {
        let listener = tokio::net::TcpListener::bind(options.bind).await?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared::new(options, addr)?);
        let stop = CancellationToken::new();
        tokio::spawn(server::accept(listener, Arc::clone(&shared), stop.clone()));
        Ok(Self { addr, shared, stop })
    }

    /// The address that was bound.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where to connect: `http://{address}`.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The base of the issuer; the same as [`Self::base_url`] unless [`Options::endpoint`] said otherwise.
    pub fn endpoint(&self) -> &str {
        &self.shared.endpoint
    }

    /// The switchable faults.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// What arrived so far, oldest first; the oldest are dropped beyond [`Limits::recorded`].
    pub fn recorded(&self) -> Vec<Recorded> {
        self.shared.recorder.recorded()
    }

    /// What arrived and no well-behaved proxy would have sent; a test asserts that it is empty.
    pub fn surprises(&self) -> Vec<Surprise> {
        self.shared.recorder.surprises()
    }

    /// Forgets the recorded requests and surprises; counters stay.
    pub fn clear_recorded(&self) {
        self.shared.recorder.clear();
    }

    /// Access tokens issued so far.
    pub fn grants(&self) -> usize {
        self.shared.grants.load(Ordering::SeqCst)
    }

    /// Requests to the token endpoint so far, those answered by a fault included.
    pub fn token_requests(&self) -> usize {
        self.shared.token_requests.load(Ordering::SeqCst)
    }

    /// Requests below `/api` so far, those answered by a fault included.
    pub fn api_requests(&self) -> usize {
        self.shared.api_requests.load(Ordering::SeqCst)
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Makes a new ES384 signing key: Current becomes Previous, Previous is forgotten (fact 2.7).
    ///
    /// # Errors
    /// The key could not be made.
    pub fn rotate_keys(&self) -> io::Result<()> {
        self.rotate_keys_to(Algorithm::Es384)
    }

    /// Like [`Self::rotate_keys`], with a choice of algorithm.
    ///
    /// # Errors
    /// The key could not be made.
    pub fn rotate_keys_to(&self, algorithm: Algorithm) -> io::Result<()> {
        let now = self.shared.now_ms();
        let mut world = self.shared.world();
        let World { default, .. } = &mut *world;
        default.keys.rotate(algorithm, default.store.new_id(21), now / 1000)
    }

    /// Signs `claims` with the current key and the given header members added, whatever they say, so that a test
    /// can present tokens which the token endpoint would never issue. `"kid": null` leaves the kid out.
    ///
    /// # Errors
    /// Signing failed.
    pub fn forge(&self, header: &serde_json::Value, claims: &serde_json::Value) -> io::Result<String> {
        self.shared.world().default.keys.forge(header, claims)
    }

    /// Like [`Self::forge`], with the key of the admin tenant.
    ///
    /// # Errors
    /// Signing failed.
    pub fn forge_as_admin(
        &self,
        header: &serde_json::Value,
        claims: &serde_json::Value,
    ) -> io::Result<String> {
        self.shared.world().admin.keys.forge(header, claims)
    }

    /// Replaces all secrets of an application; unknown ids are ignored.
    pub fn set_secrets(&self, client_id: &str, secrets: Vec<String>) {
        let now = self.shared.now_ms();
        self.shared.world().default.store.set_secrets(client_id, secrets, now);
    }

    /// Gives or takes the role for the Management API; tokens issued before keep their scope (fact 1.9).
    pub fn set_role(&self, client_id: &str, role: ManagementRole) {
        self.shared.world().default.store.set_management_role(client_id, role);
    }

    /// Sets the lifetime of Management API tokens issued from now on.
    pub fn set_token_ttl(&self, ttl: Duration) {
        self.shared.world().token_ttl = ttl;
    }

    /// Stops accepting and cuts every connection, as Logto does on SIGTERM (fact 8.6).
    pub fn shutdown(&self) {
        self.stop.cancel();
    }

    /// Completes when the emulator has been told to stop.
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What all connections share.
struct Shared {
    endpoint: String,
    authority: String,
    admin_authority: Option<String>,
    keep_alive: Duration,
    clock: Clock,
    faults: Faults,
    recorder: Recorder,
    grants: AtomicUsize,
    token_requests: AtomicUsize,
    api_requests: AtomicUsize,
    connections: AtomicUsize,
    world: Mutex<World>,
}

/// What requests change.
struct World {
    default: Tenant,
    admin: Tenant,
    resource: String,
    token_ttl: Duration,
}

/// One Logto tenant: issuer, keys and data.
struct Tenant {
    issuer: String,
    keys: jwt::Keys,
    store: Store,
}

impl Shared {
    fn new(options: Options, addr: SocketAddr) -> io::Result<Self> {
        let endpoint = options.endpoint.clone().unwrap_or_else(|| format!("http://{addr}"));
        let authority = endpoint.split_once("://").map_or(endpoint.as_str(), |(_, rest)| rest);
        let authority = authority.split('/').next().unwrap_or_default().to_ascii_lowercase();
        let admin_authority = options.admin_authority.clone().map(|name| name.to_ascii_lowercase());
        let now = unix_ms(&options.clock);
        let world = seed::world(&options, &endpoint, now)?;
        Ok(Self {
            endpoint,
            authority,
            admin_authority,
            keep_alive: options.keep_alive,
            clock: options.clock,
            faults: Faults::default(),
            recorder: Recorder::new(options.limits),
            grants: AtomicUsize::new(0),
            token_requests: AtomicUsize::new(0),
            api_requests: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            world: Mutex::new(world),
        })
    }

    fn world(&self) -> MutexGuard<'_, World> {
        // A panic in one handler must not take the rest of a test down with it.
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> u64 {
        unix_ms(&self.clock)
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

fn unix_ms(clock: &Clock) -> u64 {
    let since = clock().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
