//! The sections of plain keys, declared: `section` says what comes of it. What is asked of several keys together is in
//! `check/settings.rs`.

use std::time::Duration;

use super::{
    check::checker::{DAY, HOUR, MILLISECOND, MINUTE, SECOND},
    words::{LogFormat, LogRequests},
};
use crate::secret::Secret;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

sections! {
    /// How long each wait may last.
    timeouts: Timeouts, from RawTimeouts {
        /// From the first byte of a request (or the start of a connection) to the end of its head.
        head: Duration = Duration::from_secs(10), duration(MILLISECOND..=HOUR);
        /// A caller's connection without a request.
        idle: Duration = Duration::from_secs(75), duration(MILLISECOND..=HOUR);
        /// The longest pause inside a body, in either direction.
        body: Duration = Duration::from_secs(60), duration(MILLISECOND..=HOUR);
        /// From the end of the request's head to the head of the answer, retries included.
        // Logto's own statement timeout answers after 60 s (fact 8.4): its answer is better than ours.
        deadline: Duration = Duration::from_secs(75), duration(MILLISECOND..=HOUR);
        /// The whole form of a token request, by whose content its caller is authenticated.
        form: Duration = Duration::from_secs(10), duration(MILLISECOND..=HOUR);
        /// Connection and TLS handshake to an upstream or issuer.
        connect: Duration = Duration::from_secs(5), duration(MILLISECOND..=HOUR);
        /// From the request sent to the head of the upstream's answer, each try.
        response: Duration = Duration::from_secs(65), duration(MILLISECOND..=HOUR);
        /// How long a request may wait for its turn in the tenant's quota, within `deadline`. One that would wait longer is refused at once (429). "0s": none waits.
        quota: Duration = Duration::from_secs(30), duration(Duration::ZERO..=HOUR);
        /// One whole token request.
        token: Duration = Duration::from_secs(10), duration(MILLISECOND..=HOUR);
        /// How long `/startupz` answers 503 while an issuer that callers rely on has not given its keys once. Make it longer than the startup probe waits, or a rollout passes without the keys. "0s": it does not wait.
        startup: Duration = Duration::from_mins(5), duration(Duration::ZERO..=HOUR);
        /// How long an idle upstream connection is kept. Logto closes at 6 s.
        // Fact 8.2.
        upstream_idle: Duration = Duration::from_secs(4), duration(MILLISECOND..=HOUR);
    }

    /// Bounds on what a request may be and on what is held in memory.
    limits: Limits, from RawLimits {
        /// Bytes of memory that the process may fill; docs/memory.md says how they are divided. "0": three quarters of what the control group allows; 1 GiB where nothing limits it.
        memory: u64 = 0, size(0..=1024 * GIB), restart;
        /// Fields of a request's head.
        headers: usize = 100, count(16..=1000);
        /// Requests that may wait for a form or for an issuer's keys before it is known whose they are; a quarter of them from one peer address that is no loopback address. 0: as many as `limits.memory` allows, at most 1024. A larger number has no effect.
        unauthenticated: usize = 0, count(0..=1_000_000), restart;
        /// Bytes of a request's head. Logto refuses more than about 16 kB.
        // Fact 5.4: 431.
        head: usize = 16 * 1024, size(KIB..=MIB);
        /// Bytes of a JSON request body. Logto refuses more than 1 MiB.
        // Fact 5.1.
        body: u64 = MIB, size(1..=GIB);
        /// Bytes of a form or text body. Logto refuses more than 56 kB.
        form_body: u64 = 56 * KIB, size(1..=GIB);
        /// Bytes of a multipart body, with all that is around its files. Logto takes files of up to 20 MiB.
        multipart_body: u64 = 21 * MIB, size(1..=GIB);
        /// Bytes of a request body that are kept to send it again. Larger ones are streamed, once.
        replay: usize = 64 * 1024, size(0..=64 * MIB);
        /// Requests of one tenant that may wait for one of its `max_in_flight` places. Where so many do, one that is more urgent takes the place of the least urgent.
        queue: usize = 1024, count(0..=1_000_000);
        /// Whether fewer requests than `max_in_flight` are sent to a tenant at one time while it is overloaded: while most answers to several operations do not come, are a 503 or 504, or take many times as long as usual.
        adaptive: bool = true, value;
        /// Requests of one tenant that may wait for their turn in its quota. Where so many do, one that is more urgent takes the place of the least urgent.
        quota_queue: usize = 1024, count(0..=1_000_000);
        /// Whether identical reads that are under way at the same time are sent to Logto once, and their callers given the same answer. Answers that differ between callers, and those of sensitive operations, are never shared.
        coalesce: bool = true, value;
        /// Bytes of the largest answer that is given to several requests, or kept. Larger ones are handed on as they come.
        shared_answer: usize = 128 * 1024, size(KIB..=MIB);
        /// Bytes of answers that are kept for rules with `cache`, of all tenants together; those not used for the longest make room. They count towards what requests that wait may hold of `limits.memory`, of which they take half at the most.
        cache: usize = 8 * 1024 * 1024, size(0..=GIB);
        /// Values of `Idempotency-Key` that are remembered. Where there are so many, the caller that has the most loses its oldest that was answered; one that is under way or of unknown outcome never goes before its time.
        idempotency_keys: usize = 20_000, count(1..=1_000_000);
        /// How long such a key is remembered.
        idempotency_ttl: Duration = DAY, duration(MINUTE..=30 * DAY);
        /// Bytes of answers that are kept for them. Where there is no room, the oldest answer of the caller that has the most goes; its key stays.
        idempotency_memory: usize = 4 * MIB as usize, size(0..=GIB);
        /// Bytes of an answer that is kept for them, head included. Of a larger one, only its status is.
        idempotency_answer: usize = 32 * 1024, size(0..=MIB);
        /// How many times its size a compressed answer of the upstream may expand to, beyond its first MiB.
        expansion: u32 = 200, count(1..=2000);
        /// Failed identifications per second and peer address before the answer is 429. Peers on loopback addresses and Unix sockets are not limited.
        failed_identifications: u32 = 5, count(1..=1_000_000);
    }

    /// When a request is sent again.
    retry: Retry, from RawRetry {
        /// Attempts in all, the first included; 1: no retries.
        attempts: u32 = 3, count(1..=10);
        /// The wait before the second attempt; doubles, with full jitter.
        backoff: Duration = Duration::from_millis(50), duration(MILLISECOND..=HOUR);
        /// The longest wait, and the longest `Retry-After` that is waited for.
        max_backoff: Duration = Duration::from_secs(2), duration(MILLISECOND..=HOUR);
        /// How long after an upstream began to refuse connections requests still wait for it, within their deadline and beyond `attempts`: nothing was sent. "0s": not at all.
        // A restart of Logto took 5 to 9 s.
        unreachable: Duration = Duration::from_secs(20), duration(Duration::ZERO..=HOUR);
        /// The share of requests that may be retries, as a fraction.
        budget: f32 = 0.2, fraction(0.0..=1.0);
    }

    /// When nothing is sent to a tenant for a while: each has a circuit breaker of its own.
    breaker: Breaker, from RawBreaker {
        /// Whether there is one.
        enabled: bool = true, value;
        /// So many failures in a row open it. A third of them counts of one operation at most, and two thirds of one caller, unless there was no connection; refused connections count after `retry.unreachable`.
        failures: usize = 10, count(3..=100);
        /// The time within which they come.
        window: Duration = Duration::from_secs(30), duration(MILLISECOND..=HOUR);
        /// How long it stays open until one request is tried; doubles with each that fails.
        open: Duration = Duration::from_secs(1), duration(MILLISECOND..=HOUR);
        /// The longest that it stays open.
        max_open: Duration = Duration::from_secs(10), duration(MILLISECOND..=HOUR);
    }

    /// When tokens are renewed.
    token: TokenOptions, from RawToken {
        /// The fraction of a token's life after which it is renewed in the background. A jitter of up to a tenth of the life comes off.
        refresh_at: f64 = 0.8, fraction(0.1..=0.95);
        /// The least time between two grants that a rejected token causes.
        min_interval: Duration = Duration::from_secs(10), duration(MILLISECOND..=HOUR);
        /// The wait after a failed grant; doubles, with jitter.
        backoff: Duration = Duration::from_secs(1), duration(MILLISECOND..=HOUR);
        /// The longest wait between two tries.
        max_backoff: Duration = Duration::from_secs(30), duration(MILLISECOND..=HOUR);
    }

    /// The token broker.
    broker: BrokerOptions, from RawBroker {
        /// The life of a Claviger token.
        ttl: Duration = Duration::from_mins(10), duration(SECOND..=DAY);
        /// The secret of 32 bytes or more that seals Claviger tokens, the same on all replicas. Left out: made of each tenant's client secret.
        key: Option<Secret> = None, secret;
    }

    /// The admin listener, `listen.admin`.
    admin: AdminOptions, from RawAdmin {
        /// The token that /status, /config, /events and the page ask for (`Authorization: Bearer`), of 16 bytes or more; probes and /metrics stay open. Left out: none on a loopback address or a Unix socket; on any other address they are not shown.
        token: Option<Secret> = None, secret;
        /// Whether tenants of the vault can be listed, created, adopted, rotated and removed here, by `claviger tenant`. Needs `admin.token` and a `[vault]`.
        tenants: bool = false, value;
        /// Open pages and other readers of /events at the same time. While one is open, Claviger collects for each request what the audit log would record. 0: none.
        readers: usize = 8, count(0..=32);
    }

    /// The endpoint that answers for other proxies.
    authz: AuthzOptions, from RawAuthz {
        /// Whether `/authz` answers.
        enabled: bool = false, value;
    }

    /// The OpenAPI document that callers read: `/api/swagger.json`, cut down to what each may do.
    openapi: OpenApiOptions, from RawOpenApi {
        /// Whether it is answered. "false": 404.
        enabled: bool = true, value;
        /// How old a tenant's document may be before it is fetched from Logto again, in the background and when somebody asks for it.
        // Logto rebuilds it for seconds on each call, which holds up everybody else (fact 10.1).
        refresh: Duration = DAY, duration(MINUTE..=365 * DAY);
        /// Bytes of a document; a larger one is not taken from Logto. Logto 1.42 has 650 kB.
        max_bytes: usize = 2 * MIB as usize, size(KIB..=64 * MIB);
        /// Bytes that documents may fill in memory, and as many for what is cut of them.
        memory: usize = 4 * MIB as usize, size(KIB..=GIB);
    }

    /// Logging.
    log: Log, from RawLog {
        /// "json", one object a line; "human", for a terminal; or "auto": "human" where standard error is a terminal, else "json". Colours only on a terminal, and not where `NO_COLOR` is set.
        format: LogFormat = LogFormat::Auto, value, restart;
        /// A filter, such as "info" or "info,claviger::token=debug".
        level: String = "info".into(), value, restart;
        /// Which requests get a line of their own: "all", "failures" (refused by Claviger, answered with 5xx, or left by the caller), "off", or "auto": "all" in the "human" format, else "failures".
        requests: LogRequests = LogRequests::Auto, value;
    }

    /// How the configuration is watched.
    reload: Reload, from RawReload {
        /// How often files and secrets are read again; "0s": on SIGHUP alone.
        interval: Duration = Duration::from_secs(5), duration(Duration::ZERO..=DAY);
    }

    /// How the process ends.
    shutdown: Shutdown, from RawShutdown {
        /// After SIGTERM: not ready, but still accepting, so that load balancers notice.
        delay: Duration = Duration::ZERO, duration(Duration::ZERO..=10 * MINUTE);
        /// How long requests in flight may take to finish.
        drain: Duration = Duration::from_secs(25), duration(Duration::ZERO..=HOUR);
    }
}

impl Limits {
    /// Bytes of `memory` that the process takes before anybody connects, with some tenants.
    pub const OF_PROCESS: u64 = 20 * MIB;
}
