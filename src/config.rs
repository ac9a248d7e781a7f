//! The typed configuration: what every other module is given. A value of these types is right: names are
//! parsed, references resolved, numbers in range, every name that is used is defined. The way there is
//! `raw` (what a file may say) → `load` (figment layers) → `check` (all problems at once) → [`Config`].

use std::{net::SocketAddr, num::NonZeroUsize, path::PathBuf, sync::Arc, time::Duration};

use crate::{
    ids::{Label, TenantName},
    secret::Secret,
};

mod audit;
mod caller;
mod changed;
mod check;
mod env;
mod issuer;
mod layer;
mod leaf;
mod load;
mod path;
mod policy;
mod problem;
mod raw;
mod redacted;
mod restart;
mod schema;
mod scope;
mod short;
mod tls;
mod toml;
mod tree;
mod yaml;

#[cfg(test)]
mod tests;

pub use audit::{Audit, AuditOutput};
pub use caller::{Caller, ClaimMatch, Identity, Issue};
pub use changed::changed;
pub use env::Environment;
pub use issuer::{Algorithm, Issuer, Jwks};
pub use load::{LoadRequest, Loaded, References, load, read_whole as read};
pub use policy::{Conditions, Policy, QueryCondition, RuleCheck, RuleList, RuleText};
pub use problem::{Problem, Problems};
pub use redacted::redacted;
pub use restart::needs_restart;
pub use schema::schema;
pub use scope::{InvalidPattern, TenantMatch, TenantPattern, TenantScope};
pub use tls::{ListenTls, PemFile};

/// A whole, checked configuration. `Default` holds the documented defaults.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen, and for whom.
    pub listen: Listen,
    /// Worker threads, each with its own runtime and upstream connections.
    pub workers: NonZeroUsize,
    /// How long each wait may last.
    pub timeouts: Timeouts,
    /// Bounds on what a request may be and on what is held in memory.
    pub limits: Limits,
    /// When a request is sent again.
    pub retry: Retry,
    /// When tokens are renewed.
    pub token: TokenOptions,
    /// The token broker.
    pub broker: Broker,
    /// The endpoint that answers for other proxies.
    pub authz: bool,
    /// Logging.
    pub log: Log,
    /// The audit log.
    pub audit: Audit,
    /// How the configuration is watched.
    pub reload: Reload,
    /// How the process ends.
    pub shutdown: Shutdown,
    /// In order of name.
    pub issuers: Vec<Arc<Issuer>>,
    /// In order of name.
    pub tenants: Vec<Arc<Tenant>>,
    /// In order of name.
    pub policies: Vec<Policy>,
    /// In order of name.
    pub callers: Vec<Caller>,
}

/// `[listen]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// `proxy`: one or more addresses.
    pub proxy: Vec<Address>,
    /// `admin`: probes, metrics, status. `None` for `"off"`.
    pub admin: Option<Address>,
    /// `unix_mode`: permission bits of a Unix socket, such as `0o660`.
    pub unix_mode: u32,
    /// `public_url`: scheme and authority (and path prefix) for `Link` and `Location`; left out: as the caller addressed us.
    pub public_url: Option<String>,
    /// `allowed_hosts`: host names (without port) that a loopback listener answers to, beside `localhost` and loopback addresses.
    pub allowed_hosts: Vec<String>,
    /// `max_connections`: on all proxy listeners together.
    pub max_connections: usize,
    /// `tls`: on every TCP address of the proxy; Unix sockets and `admin` stay without.
    pub tls: Option<ListenTls>,
}

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// `127.0.0.1:3600`, `[::1]:3600`
    Tcp(SocketAddr),
    /// `unix:/run/claviger/claviger.sock`
    Unix(PathBuf),
}

/// `[timeouts]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// `head`: from the first byte of a request (or the start of a connection) to the end of its head.
    pub head: Duration,
    /// `idle`: a caller's connection without a request.
    pub idle: Duration,
    /// `body`: silence inside a body, in either direction.
    pub body: Duration,
    /// `deadline`: from the end of the request's head to the head of the answer, retries included.
    pub deadline: Duration,
    /// `connect`: connection and TLS handshake to an upstream or issuer.
    pub connect: Duration,
    /// `response`: from the request sent to the head of the upstream's answer, each try.
    pub response: Duration,
    /// `token`: one token request, whole.
    pub token: Duration,
    /// `upstream_idle`: how long an idle upstream connection is kept. Logto closes at 6 s (fact 8.2).
    pub upstream_idle: Duration,
}

/// `[limits]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// `head`: bytes of a request's head. Logto answers 431 above 16 kB (fact 5.4).
    pub head: usize,
    /// `body`: bytes of a JSON request body. Logto's limit is 1 MiB (fact 5.1).
    pub body: u64,
    /// `form_body`: bytes of a form or text body. Logto's limit is 56 kB.
    pub form_body: u64,
    /// `multipart_body`: bytes of a multipart body. Logto's limit is 20 MiB.
    pub multipart_body: u64,
    /// `replay`: bytes of a request body that are kept to send it again.
    pub replay: usize,
    /// `queue`: requests of one tenant that may wait for one of its `max_in_flight` places.
    pub queue: usize,
    /// `failed_identifications`: per second and peer address, before 429.
    pub failed_identifications: u32,
}

/// `[retry]`
#[derive(Debug, Clone, PartialEq)]
pub struct Retry {
    /// `attempts`: in all, the first included.
    pub attempts: u32,
    /// `backoff`: before the second attempt; doubles, with full jitter.
    pub backoff: Duration,
    /// `max_backoff`: also the longest `Retry-After` that is waited for.
    pub max_backoff: Duration,
    /// `budget`: share of requests that may be retries, as a fraction.
    pub budget: f32,
}

/// `[token]`
#[derive(Debug, Clone, PartialEq)]
pub struct TokenOptions {
    /// `refresh_at`: fraction of a token's life after which it is renewed in the background (a jitter of up to 10 % of the life comes off).
    pub refresh_at: f64,
    /// `min_interval`: the floor between two grants that a rejected token causes.
    pub min_interval: Duration,
    /// `backoff`: after a failed grant; doubles, with jitter.
    pub backoff: Duration,
    /// `max_backoff`: longest wait between two tries.
    pub max_backoff: Duration,
}

/// `[broker]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// `ttl`: life of a Claviger token.
    pub ttl: Duration,
    /// `key`: secret that seals Claviger tokens, shared by replicas; left out: random at start.
    pub key: Option<Secret>,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// `format`
    pub format: LogFormat,
    /// `level`: a tracing filter directive such as `info` or `claviger::token=debug`.
    pub level: String,
    /// `requests`
    pub requests: LogRequests,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For a terminal.
    Human,
}

/// Which requests get a log line of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogRequests {
    /// Every one.
    All,
    /// Those that Claviger refused and those that failed (5xx).
    Failures,
    /// None.
    Off,
}

/// `[reload]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reload {
    /// `interval`: how often files and secrets are looked at; zero: on SIGHUP alone.
    pub interval: Duration,
}

/// `[shutdown]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shutdown {
    /// `delay`: after SIGTERM, not ready but still accepting, so that load balancers notice.
    pub delay: Duration,
    /// `drain`: how long requests in flight may take to finish.
    pub drain: Duration,
}

/// `[tenants.NAME]`
#[derive(Debug, Clone, PartialEq)]
pub struct Tenant {
    /// The alias.
    pub name: TenantName,
    /// `labels`: by which grants may name it; in the order given, each once.
    pub labels: Vec<Label>,
    /// `endpoint`: scheme and authority, no path, no trailing slash: `https://acme.logto.app`.
    pub endpoint: Endpoint,
    /// `resource`: the API resource indicator (RFC 8707).
    pub resource: String,
    /// `client_id` of the M2M application.
    pub client_id: String,
    /// `client_secret`: one, or two in overlap during a rotation, the new one first.
    pub client_secrets: Vec<Secret>,
    /// `client_auth`: how the credentials are sent.
    pub client_auth: ClientAuth,
    /// `scopes`: in the order given, without repetition.
    pub scopes: Vec<String>,
    /// `organization_id`
    pub organization_id: Option<String>,
    /// `parameters`: further members of the token request.
    pub parameters: Vec<(String, String)>,
    /// `quota`: what the tenant allows us.
    pub quota: Option<Rate>,
    /// `max_in_flight`: requests to this tenant's upstream at one time.
    pub max_in_flight: usize,
    /// `tls`
    pub tls: UpstreamTls,
}

/// Scheme and authority of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// `http` or `https`.
    pub scheme: http::uri::Scheme,
    /// Host, and port where it is not the scheme's own.
    pub authority: http::uri::Authority,
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

/// How the client credentials are sent (RFC 6749 section 2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientAuth {
    /// `client_secret_basic`
    Basic,
    /// `client_secret_post`
    Post,
}

/// `[tenants.NAME.tls]`
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UpstreamTls {
    /// `roots`
    pub roots: Roots,
    /// `http2`: offer HTTP/2 by ALPN.
    pub http2: bool,
}

/// Which certificate authorities are believed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Roots {
    /// `"system"`: the system's store, and the bundled one where there is none.
    System,
    /// `"bundled"`: Mozilla's, as compiled in.
    Bundled,
    /// `{ file = "ca.pem" }`: these alone.
    File {
        /// The path, for messages.
        path: PathBuf,
        /// The file's PEM text as read: a changed file is a changed configuration.
        pem: Vec<u8>,
    },
}

/// `{ requests = 200, per = "10s" }`: a token bucket of `burst`, refilled at `requests` / `per`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Requests in each period; at least 1.
    pub requests: u32,
    /// The period; at least 1 ms.
    pub per: Duration,
    /// The most at once; left out: `requests`.
    pub burst: u32,
}

/// The place of a value in the configuration: `claviger.toml:12`, or `environment variable CLAVIGER_ALLOW`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin(pub Arc<str>);

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where something is written, for messages. No part of what it is: two that differ in nothing else are equal.
#[derive(Debug, Clone, Default, Eq)]
pub struct Written(pub Option<Origin>);

impl PartialEq for Written {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Config {
    /// Whether `other` differs in nothing but its tenants.
    pub fn is_same_but_for_tenants(&self, other: &Self) -> bool {
        let Self {
            listen,
            workers,
            timeouts,
            limits,
            retry,
            token,
            broker,
            authz,
            log,
            audit,
            reload,
            shutdown,
            issuers,
            tenants: _,
            policies,
            callers,
        } = self;
        *listen == other.listen
            && *workers == other.workers
            && *timeouts == other.timeouts
            && *limits == other.limits
            && *retry == other.retry
            && *token == other.token
            && *broker == other.broker
            && *authz == other.authz
            && *log == other.log
            && *audit == other.audit
            && *reload == other.reload
            && *shutdown == other.shutdown
            && *issuers == other.issuers
            && *policies == other.policies
            && *callers == other.callers
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: Listen::default(),
            workers: default_workers(),
            timeouts: Timeouts::default(),
            limits: Limits::default(),
            retry: Retry::default(),
            token: TokenOptions::default(),
            broker: Broker { ttl: Duration::from_mins(10), key: None },
            authz: false,
            log: Log { format: LogFormat::Json, level: "info".into(), requests: LogRequests::Failures },
            audit: Audit { output: AuditOutput::Off },
            reload: Reload { interval: Duration::from_secs(5) },
            shutdown: Shutdown { delay: Duration::ZERO, drain: Duration::from_secs(25) },
            issuers: Vec::new(),
            tenants: Vec::new(),
            policies: Vec::new(),
            callers: Vec::new(),
        }
    }
}

/// One worker a core, at most four: a proxy that needs more is the exception, and each worker holds its own upstream connections.
fn default_workers() -> NonZeroUsize {
    let four = const { NonZeroUsize::new(4).expect("4 is not zero") };
    std::thread::available_parallelism().map_or(NonZeroUsize::MIN, |cores| cores.min(four))
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            proxy: vec![Address::Tcp(SocketAddr::from(([127, 0, 0, 1], 3600)))],
            admin: Some(Address::Tcp(SocketAddr::from(([127, 0, 0, 1], 3601)))),
            unix_mode: 0o660,
            public_url: None,
            allowed_hosts: Vec::new(),
            max_connections: 4096,
            tls: None,
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            body: Duration::from_secs(60),
            // Logto's own statement timeout answers after 60 s (fact 8.4): its answer is better than ours.
            deadline: Duration::from_secs(75),
            connect: Duration::from_secs(5),
            response: Duration::from_secs(65),
            token: Duration::from_secs(10),
            upstream_idle: Duration::from_secs(4),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: 16 * 1024,
            body: 1024 * 1024,
            form_body: 56 * 1024,
            multipart_body: 20 * 1024 * 1024,
            replay: 64 * 1024,
            queue: 1024,
            failed_identifications: 5,
        }
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 3,
            backoff: Duration::from_millis(50),
            max_backoff: Duration::from_secs(2),
            budget: 0.2,
        }
    }
}

impl Default for TokenOptions {
    fn default() -> Self {
        Self {
            refresh_at: 0.8,
            min_interval: Duration::from_secs(10),
            backoff: Duration::from_secs(1),
            max_backoff: Duration::from_secs(30),
        }
    }
}

impl Default for UpstreamTls {
    fn default() -> Self {
        Self { roots: Roots::System, http2: false }
    }
}

/// The default of `max_in_flight`: Logto has 20 database connections a tenant (fact 8.5).
pub const DEFAULT_MAX_IN_FLIGHT: usize = 16;
