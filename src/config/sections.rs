//! The sections of plain keys.

use std::time::Duration;

use crate::secret::Secret;

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
pub struct BrokerOptions {
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
