//! Every metric, in one place, with its labels: a field, and the line that declares it. Whoever counts asks a family for the
//! metric with its labels; the request path holds handles that were resolved before (see `operations`).

mod families;

use std::time::SystemTime;

use prometheus::{Gauge, IntCounter, IntGauge};

pub(crate) use self::families::Label;
use self::families::{Counters, Families, Gauges, Histograms};

/// The metrics of a process. A reason, an outcome or a result is from the closed set of the room that counts it.
#[derive(Debug)]
pub struct Metrics {
    pub(crate) requests: Counters<5>,
    pub(crate) duration: Histograms<2>,
    pub(crate) upstream_duration: Histograms<2>,
    pub(crate) in_flight: IntGauge,
    pub(crate) connections: IntGauge,
    pub(crate) retries: Counters<1>,
    pub(crate) rate_limited: Counters<1>,
    pub(crate) policy_denied: Counters<1>,
    pub(crate) identification_failed: Counters<2>,
    pub(crate) token_requests: Counters<2>,
    pub(crate) token_duration: Histograms<1>,
    pub(crate) token_cache: Counters<1>,
    pub(crate) token_expiry: Gauges<1>,
    pub(crate) token_failures: Gauges<1>,
    pub(crate) token_secret_fallbacks: Counters<1>,
    pub(crate) upstream_failures: Gauges<1>,
    pub(crate) issuer_keys: Gauges<1>,
    pub(crate) issuer_failures: Gauges<1>,
    pub(crate) handshakes_failed: Counters<1>,
    pub(crate) certificate_expiry: Gauges<0>,
    pub(crate) crl_next_update: Gauges<0>,
    pub(crate) quota_used: Counters<1>,
    pub(crate) quota_remaining: Gauges<1>,
    pub(crate) openapi_fetches: Counters<2>,
    pub(crate) echo_guard: Counters<1>,
    pub(crate) panics: IntCounter,
    pub(crate) log_lost: IntCounter,
    pub(crate) audit_lost: IntCounter,
    reload_ok: IntGauge,
    reload_time: Gauge,
    families: Families,
}

impl Metrics {
    /// A new set, all at zero.
    pub fn new() -> Self {
        let mut families = Families::default();
        families.fact(
            "build_info",
            "Constant 1; the labels say what runs.",
            "version",
            env!("CARGO_PKG_VERSION"),
        );
        Self {
            requests: families.counters(
                "requests_total",
                "Answers, by who asked for what and who made them.",
                ["caller", "tenant", "operation", "code", "source"],
            ),
            duration: families.histograms(
                "request_duration_seconds",
                "From a request's head to the end of its answer.",
                ["tenant", "operation"],
            ),
            upstream_duration: families.histograms(
                "upstream_request_duration_seconds",
                "From a request sent upstream to the head of its answer, each try.",
                ["tenant", "operation"],
            ),
            in_flight: families.gauge("requests_in_flight", "Requests under way."),
            connections: families.gauge("connections", "Open connections of callers."),
            retries: families.counters("retries_total", "Requests sent to the upstream again.", ["reason"]),
            rate_limited: families.counters("rate_limited_total", "Requests refused by a limit.", ["policy"]),
            policy_denied: families.counters(
                "policy_denied_total",
                "Requests refused by caller identification or policy.",
                ["reason"],
            ),
            identification_failed: families.counters(
                "identification_failed_total",
                "Unauthenticated requests, by authentication method and reason.",
                ["way", "reason"],
            ),
            token_requests: families.counters(
                "token_requests_total",
                "Token requests to the issuer.",
                ["tenant", "outcome"],
            ),
            token_duration: families.histograms(
                "token_request_duration_seconds",
                "Token requests to the issuer.",
                ["tenant"],
            ),
            token_cache: families.counters(
                "token_cache_total",
                "Where a request found its token.",
                ["result"],
            ),
            token_expiry: families.gauges(
                "token_expiry_timestamp_seconds",
                "When the current token expires.",
                ["tenant"],
            ),
            token_failures: families.gauges(
                "token_refresh_failures_consecutive",
                "Failed token requests in a row, of the token that fares worst.",
                ["tenant"],
            ),
            token_secret_fallbacks: families.counters(
                "token_secret_fallback_total",
                "Grants for which the first of two secrets was refused and the second accepted.",
                ["tenant"],
            ),
            upstream_failures: families.gauges(
                "upstream_failures_consecutive",
                "Tries in a row that the upstream did not answer.",
                ["tenant"],
            ),
            issuer_keys: families.gauges(
                "issuer_keys",
                "Keys of an issuer of callers' tokens that count now; at 0 none of its tokens is accepted.",
                ["issuer"],
            ),
            issuer_failures: families.gauges(
                "issuer_key_fetch_failures_consecutive",
                "Failed fetches of an issuer's keys in a row.",
                ["issuer"],
            ),
            handshakes_failed: families.counters(
                "tls_handshakes_failed_total",
                "Connections of callers that ended before a TLS session.",
                ["reason"],
            ),
            certificate_expiry: families.gauges(
                "tls_certificate_expiry_timestamp_seconds",
                "When the listener's certificate ends.",
                [],
            ),
            crl_next_update: families.gauges(
                "tls_crl_next_update_timestamp_seconds",
                "When the first of the revocation lists ends.",
                [],
            ),
            quota_used: families.counters(
                "quota_used_total",
                "Requests drawn from a tenant's quota, token requests included.",
                ["tenant"],
            ),
            quota_remaining: families.gauges(
                "quota_remaining",
                "Requests left in a tenant's quota now.",
                ["tenant"],
            ),
            openapi_fetches: families.counters(
                "openapi_fetches_total",
                "OpenAPI documents fetched from Logto for callers to read, by what came of it.",
                ["tenant", "outcome"],
            ),
            echo_guard: families.counters(
                "echo_guard_total",
                "Answers stopped because they repeated a credential that Claviger holds.",
                ["tenant"],
            ),
            panics: families.counter("panics_total", "Requests that ended in a panic: each is a bug."),
            log_lost: families.counter("log_lines_lost_total", "Log lines that could not be written."),
            audit_lost: families.counter(
                "audit_lost_total",
                "Records of the audit log that found no room or could not be written.",
            ),
            reload_ok: families.gauge(
                "config_last_reload_successful",
                "1 if the last attempt to read the configuration succeeded.",
            ),
            reload_time: families.time(
                "config_last_reload_success_timestamp_seconds",
                "When the configuration was last taken over.",
            ),
            families,
        }
    }

    /// The configuration was read: taken over at `taken_over`, or refused.
    pub fn reloaded(&self, taken_over: Option<SystemTime>) {
        self.reload_ok.set(taken_over.is_some().into());
        if let Some(at) = taken_over {
            self.reload_time.set(families::unix_seconds(at));
        }
    }

    /// The Prometheus text format, version 0.0.4. `set` sets the gauges that are set for each scrape: what it leaves out is
    /// not shown.
    pub fn render_with(&self, set: impl FnOnce()) -> String {
        self.families.render_with(set)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
