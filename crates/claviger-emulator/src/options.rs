//! How an emulator is started: what there is from the start, where the time comes from, what bounds the memory.
//!
//! Decides the defaults, which are Logto's where it has any. It must never read anything itself, an environment or a file.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::quota::Quota;

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
    /// What it allows all of its clients together; `None`: there is no such bound, as in an installation of one's own.
    pub quota: Option<Quota>,
    /// The personal access token of an account at Logto Cloud, which it is then, instead of a tenant.
    pub cloud: Option<String>,
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
            quota: None,
            cloud: None,
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
