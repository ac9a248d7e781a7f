//! Every metric, in one place, with its labels: a field, and the line that declares it. Code that counts asks a family for the
//! metric with its labels; the request path holds handles that were resolved before (see `operations`).

mod closed;
mod families;
mod process;
mod state;

use std::sync::atomic::AtomicUsize;

use prometheus::{Gauge, IntCounter, IntGauge, IntGaugeVec};

pub(crate) use self::families::Label;
use self::{
    families::{Counters, Families, Gauges, Histograms},
    process::Process,
};
use super::withheld::Withheld;

/// The metrics of a process. A reason, an outcome or a result is from the closed set of the room that counts it.
#[derive(Debug)]
pub struct Metrics {
    pub(crate) requests: Counters<5>,
    pub(crate) duration: Histograms<2>,
    pub(crate) upstream_duration: Histograms<2>,
    pub(crate) in_flight: IntGauge,
    pub(crate) connections: IntGauge,
    pub(crate) retries: Counters<1>,
    pub(crate) rotations: Counters<1>,
    pub(crate) vault_operations: Counters<2>,
    pub(crate) vault_duration: Histograms<1>,
    /// There where there is a vault.
    pub(crate) vault_answers: IntGaugeVec,
    pub(crate) redis_connected: Gauges<0>,
    pub(crate) redis_connections: Gauges<0>,
    pub(crate) redis_replicas: Gauges<0>,
    pub(crate) redis_fallback: Gauges<0>,
    pub(crate) redis_leases: Gauges<1>,
    pub(crate) secret_created: Gauges<1>,
    pub(crate) secret_expiry: Gauges<1>,
    pub(crate) rate_limited: Counters<1>,
    pub(crate) policy_denied: Counters<1>,
    pub(crate) authentication_failed: Counters<2>,
    pub(crate) explanations: Counters<1>,
    pub(crate) token_requests: Counters<2>,
    pub(crate) token_duration: Histograms<1>,
    pub(crate) token_cache: Counters<1>,
    pub(crate) token_expiry: Gauges<1>,
    pub(crate) token_failures: Gauges<1>,
    pub(crate) token_shared: Counters<1>,
    pub(crate) token_secret_fallbacks: Counters<1>,
    pub(crate) upstream_failures: Gauges<1>,
    pub(crate) circuit_state: Gauges<1>,
    pub(crate) circuit_opened: Counters<1>,
    pub(crate) in_flight_limit: Gauges<1>,
    pub(crate) in_flight_waiting: Gauges<2>,
    pub(crate) issuer_keys: Gauges<1>,
    pub(crate) issuer_failures: Gauges<1>,
    pub(crate) handshakes_failed: Counters<1>,
    pub(crate) unreadable: Counters<1>,
    pub(crate) admin_refused: Counters<1>,
    pub(crate) certificate_expiry: Gauges<0>,
    pub(crate) crl_next_update: Gauges<0>,
    pub(crate) idempotency: Counters<1>,
    pub(crate) quota_used: Counters<1>,
    pub(crate) quota_remaining: Gauges<1>,
    pub(crate) quota_limit: Gauges<1>,
    pub(crate) quota_share: Gauges<1>,
    pub(crate) quota_believed: Gauges<1>,
    pub(crate) quota_waiting: Gauges<2>,
    pub(crate) quota_wait: Histograms<2>,
    pub(crate) quota_rejected: Counters<2>,
    pub(crate) cache_requests: Counters<1>,
    pub(crate) cache_bytes: Gauges<0>,
    pub(crate) cache_answers: Gauges<0>,
    pub(crate) openapi_fetches: Counters<2>,
    pub(crate) echo_guard: Counters<1>,
    pub(crate) panics: IntCounter,
    pub(crate) log_lost: IntCounter,
    pub(crate) audit_lost: IntCounter,
    reload_ok: IntGauge,
    reload_time: Gauge,
    withheld: Withheld,
    process: Process,
    tenants: AtomicUsize,
    families: Families,
}

impl Metrics {
    /// A new set, all at zero. What has labels of closed sets alone is there from the start.
    pub fn new() -> Self {
        let mut families = Families::default();
        families.fact(
            "build_info",
            "Constant 1, with the version of the running program as label.",
            "version",
            env!("CARGO_PKG_VERSION"),
        );
        Self {
            requests: families.counters(
                "requests_total",
                "Number of requests answered, by caller, tenant, operation, class of the status, and who made the answer.",
                ["caller", "tenant", "operation", "code", "source"],
            ),
            duration: families.histograms(
                "request_duration_seconds",
                "Time from a request's head to the end of its answer, in seconds.",
                ["tenant", "operation"],
            ),
            upstream_duration: families.histograms(
                "upstream_request_duration_seconds",
                "Time from a request sent upstream to the head of its answer, for each attempt, in seconds.",
                ["tenant", "operation"],
            ),
            in_flight: families.gauge("requests_in_flight", "Number of requests under way."),
            connections: families.gauge("connections", "Number of open connections of callers."),
            secret_created: families.gauges(
                "client_secret_created_timestamp_seconds",
                "Since when Claviger has the client secret of a tenant of the vault, in seconds since 1970.",
                ["tenant"],
            ),
            secret_expiry: families.gauges(
                "client_secret_expiry_timestamp_seconds",
                "When Logto ceases to take the client secret of a tenant of the vault, in seconds since 1970.",
                ["tenant"],
            ),
            vault_operations: families.closed_counters(
                "vault_operations_total",
                "Number of operations of the vault's store, by operation and what came of them.",
                ["operation", "outcome"],
                closed::VAULT,
            ),
            vault_duration: families.histograms(
                "vault_operation_duration_seconds",
                "Time of an operation of the vault's store, in seconds.",
                ["operation"],
            ),
            vault_answers: families.gauge_if_set(
                "vault_last_operation_successful",
                "Whether the vault's store answered the last operation (1) or not (0).",
            ),
            redis_connected: families.gauges("redis_connected", "Number of connections to Redis that there are now, 0 or 1.", []),
            redis_connections: families.gauges(
                "redis_connections",
                "Number of connections to Redis that there have been, one after the other.",
                [],
            ),
            redis_replicas: families.gauges("redis_replicas", "Number of replicas that share limits, this one included.", []),
            redis_fallback: families.gauges(
                "redis_fallback",
                "Whether this replica keeps to its own part of each limit, as Redis is away (1), or not (0).",
                [],
            ),
            redis_leases: families.gauges(
                "redis_leases",
                "Number of times that permits were asked for, by what came of it.",
                ["outcome"],
            ),
            rotations: families.closed_counters(
                "rotations_total",
                "Number of steps towards another client secret, by what came of them.",
                ["outcome"],
                closed::ROTATIONS,
            ),
            retries: families.closed_counters(
                "retries_total",
                "Number of requests sent upstream again, by reason.",
                ["reason"],
                closed::RETRIES,
            ),
            rate_limited: families.closed_counters(
                "rate_limited_total",
                "Number of requests refused by a limit, by limit.",
                ["policy"],
                closed::LIMITS,
            ),
            policy_denied: families.closed_counters(
                "policy_denied_total",
                "Number of requests refused by authentication or policy, by error code.",
                ["reason"],
                closed::DENIALS,
            ),
            authentication_failed: families.closed_counters(
                "authentication_failed_total",
                "Number of requests not authenticated, by authentication method and reason.",
                ["method", "reason"],
                closed::AUTHENTICATION,
            ),
            explanations: families.closed_counters(
                "explanations_total",
                "Number of requests explained on the admin listener, by what came of it.",
                ["result"],
                closed::EXPLANATIONS,
            ),
            token_requests: families.counters(
                "token_requests_total",
                "Number of token requests to the issuer, by outcome.",
                ["tenant", "outcome"],
            ),
            token_duration: families.histograms(
                "token_request_duration_seconds",
                "Time of a token request to the issuer, in seconds.",
                ["tenant"],
            ),
            token_cache: families.closed_counters(
                "token_cache_total",
                "Number of look-ups of a token by requests, by whether it was there (hit) or waited for (wait).",
                ["result"],
                closed::LOOK_UPS,
            ),
            token_expiry: families.gauges(
                "token_expiry_timestamp_seconds",
                "Unix time at which the tenant's current token expires, in seconds.",
                ["tenant"],
            ),
            token_failures: families.gauges(
                "token_refresh_failures_consecutive",
                "Number of failed token requests in a row, of the tenant's token that fares worst.",
                ["tenant"],
            ),
            token_shared: families.counters(
                "token_shared_total",
                "Number of tokens that were taken from another replica.",
                ["tenant"],
            ),
            token_secret_fallbacks: families.counters(
                "token_secret_fallback_total",
                "Number of grants for which the first of two secrets was refused and the second accepted.",
                ["tenant"],
            ),
            upstream_failures: families.gauges(
                "upstream_failures_consecutive",
                "Number of attempts in a row that the upstream did not answer.",
                ["tenant"],
            ),
            circuit_state: families.gauges(
                "circuit_state",
                "State of a tenant's circuit breaker: 0 closed, 1 half open, 2 open; with 2 its requests are refused.",
                ["tenant"],
            ),
            circuit_opened: families.counters(
                "circuit_opened_total",
                "Number of times that a tenant's circuit breaker has opened.",
                ["tenant"],
            ),
            in_flight_limit: families.gauges(
                "in_flight_limit",
                "Number of requests that are sent to a tenant at one time: `max_in_flight`, and fewer while it is overloaded.",
                ["tenant"],
            ),
            in_flight_waiting: families.gauges(
                "in_flight_waiting",
                "Number of requests that wait for a place among those that are sent to a tenant at one time.",
                ["tenant", "class"],
            ),
            issuer_keys: families.gauges(
                "issuer_keys",
                "Number of usable signing keys of an issuer of callers' tokens; with 0 none of its tokens is accepted.",
                ["issuer"],
            ),
            issuer_failures: families.gauges(
                "issuer_key_fetch_failures_consecutive",
                "Number of failed fetches of an issuer's keys in a row.",
                ["issuer"],
            ),
            handshakes_failed: families.closed_counters(
                "tls_handshakes_failed_total",
                "Number of callers' connections that ended before a TLS session, by reason.",
                ["reason"],
                closed::HANDSHAKES,
            ),
            unreadable: families.closed_counters(
                "unreadable_requests_total",
                "Number of requests that could not be read, by reason.",
                ["reason"],
                closed::UNREADABLE,
            ),
            admin_refused: families.closed_counters(
                "admin_refused_total",
                "Number of requests to the admin listener that were refused for their token, by reason.",
                ["reason"],
                closed::ADMIN,
            ),
            certificate_expiry: families.gauges(
                "tls_certificate_expiry_timestamp_seconds",
                "Unix time at which the listener's certificate expires, in seconds.",
                [],
            ),
            crl_next_update: families.gauges(
                "tls_crl_next_update_timestamp_seconds",
                "Unix time at which the first of the revocation lists expires, in seconds.",
                [],
            ),
            idempotency: families.closed_counters(
                "idempotency_keys_total",
                "Number of requests with an Idempotency-Key, by what they were told.",
                ["outcome"],
                closed::IDEMPOTENCY,
            ),
            quota_used: families.counters(
                "quota_used_total",
                "Number of requests drawn from a tenant's quota, token requests included.",
                ["tenant"],
            ),
            quota_remaining: families.gauges(
                "quota_remaining",
                "Number of requests left in a tenant's quota now.",
                ["tenant"],
            ),
            quota_limit: families.gauges(
                "quota_limit",
                "Number of requests per second that a tenant allows all of its clients, as configured.",
                ["tenant"],
            ),
            quota_share: families.gauges(
                "quota_share",
                "The fraction of a tenant's quota that is spent here, as configured.",
                ["tenant"],
            ),
            quota_believed: families.gauges(
                "quota_believed",
                "Number of requests per second that are spent at most: the share of the quota, and less after the tenant answered 429.",
                ["tenant"],
            ),
            quota_waiting: families.gauges(
                "quota_waiting",
                "Number of requests that wait for their turn in a tenant's quota.",
                ["tenant", "class"],
            ),
            quota_wait: families.histograms(
                "quota_wait_seconds",
                "How long requests waited for their turn in a tenant's quota, in seconds; those that did not wait are not counted.",
                ["tenant", "class"],
            ),
            quota_rejected: families.counters(
                "quota_rejected_total",
                "Number of requests refused because they would not have had their turn in a tenant's quota in time.",
                ["tenant", "class"],
            ),
            cache_requests: families.closed_counters(
                "cache_requests_total",
                "Number of requests by how the cache answered them, or that were given the answer of another under way (collapsed).",
                ["result"],
                closed::CACHE,
            ),
            cache_bytes: families.gauges("cache_bytes", "Number of bytes that answers kept in the cache take.", []),
            cache_answers: families.gauges("cache_answers", "Number of answers kept in the cache.", []),
            openapi_fetches: families.counters(
                "openapi_fetches_total",
                "Number of OpenAPI documents fetched from Logto for callers to read, by what came of it.",
                ["tenant", "outcome"],
            ),
            echo_guard: families.counters(
                "echo_guard_total",
                "Number of answers blocked because they repeated a credential that Claviger holds.",
                ["tenant"],
            ),
            panics: families.counter("panics_total", "Number of requests that ended in a panic, each of which is a bug."),
            log_lost: families.counter("log_lines_lost_total", "Number of log lines that could not be written."),
            audit_lost: families.counter(
                "audit_lost_total",
                "Number of audit records that found no room or could not be written.",
            ),
            reload_ok: families.gauge(
                "config_last_reload_successful",
                "Whether the last attempt to read the configuration succeeded: 1 or 0.",
            ),
            reload_time: families.time(
                "config_last_reload_success_timestamp_seconds",
                "Unix time at which the configuration was last taken over, in seconds.",
            ),
            withheld: Withheld::default(),
            process: Process::new(&families),
            tenants: AtomicUsize::new(0),
            families,
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
