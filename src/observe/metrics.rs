//! Every metric, in one place, with its labels. `prometheus` panics on a wrong number of labels, so label
//! arrays are written here and nowhere else; the request path holds handles that were resolved before
//! (see `cells`).

mod make;

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry,
    TextEncoder, core::Collector,
};

use self::make::{counter, counter_gauge, counters, float_gauge, gauge, gauges, histograms};
use crate::ids::{IssuerName, TenantName};

/// The metrics of a process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    duration: HistogramVec,
    upstream_duration: HistogramVec,
    /// `claviger_requests_in_flight`
    pub in_flight: IntGauge,
    /// `claviger_connections`
    pub connections: IntGauge,
    retries: IntCounterVec,
    rate_limited: IntCounterVec,
    policy_denied: IntCounterVec,
    identification_failed: IntCounterVec,
    token_requests: IntCounterVec,
    token_duration: HistogramVec,
    token_cache: IntCounterVec,
    token_expiry: GaugeVec,
    token_failures: IntGaugeVec,
    upstream_failures: IntGaugeVec,
    token_secret_fallbacks: IntCounterVec,
    issuer_keys: IntGaugeVec,
    issuer_failures: IntGaugeVec,
    handshakes_failed: IntCounterVec,
    certificate_expiry: GaugeVec,
    crl_next_update: GaugeVec,
    quota_used: IntCounterVec,
    quota_remaining: IntGaugeVec,
    reload_ok: IntGauge,
    reload_time: Gauge,
    echo_guard: IntCounterVec,
    panics: IntCounter,
    log_lost: IntCounter,
    audit_lost: IntCounter,
    /// Held while the gauges that are read are set and shown.
    scrape: Mutex<()>,
}

impl Metrics {
    /// A new set, all at zero.
    pub fn new() -> Self {
        let registry = Registry::new();
        let build = counter_gauge("build_info", "Constant 1; the labels say what runs.", &["version"]);
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let metrics = Self {
            requests: counters(
                "requests_total",
                "Answers, by who asked for what and who made them.",
                &["caller", "tenant", "operation", "code", "source"],
            ),
            duration: histograms(
                "request_duration_seconds",
                "From a request's head to the end of its answer.",
                &["tenant", "operation"],
            ),
            upstream_duration: histograms(
                "upstream_request_duration_seconds",
                "From a request sent upstream to the head of its answer, each try.",
                &["tenant", "operation"],
            ),
            in_flight: gauge("requests_in_flight", "Requests under way."),
            connections: gauge("connections", "Open connections of callers."),
            retries: counters("retries_total", "Requests sent to the upstream again.", &["reason"]),
            rate_limited: counters("rate_limited_total", "Requests refused by a limit.", &["policy"]),
            policy_denied: counters(
                "policy_denied_total",
                "Requests refused by caller identification or policy.",
                &["reason"],
            ),
            identification_failed: counters(
                "identification_failed_total",
                "Requests of nobody we know, by the way that was tried and what was wrong.",
                &["way", "reason"],
            ),
            token_requests: counters(
                "token_requests_total",
                "Token requests to the issuer.",
                &["tenant", "outcome"],
            ),
            token_duration: histograms(
                "token_request_duration_seconds",
                "Token requests to the issuer.",
                &["tenant"],
            ),
            token_cache: counters("token_cache_total", "Where a request found its token.", &["result"]),
            token_expiry: gauges(
                "token_expiry_timestamp_seconds",
                "When the current token expires.",
                &["tenant"],
            ),
            upstream_failures: counter_gauge(
                "upstream_failures_consecutive",
                "Tries in a row that the upstream did not answer.",
                &["tenant"],
            ),
            token_failures: counter_gauge(
                "token_refresh_failures_consecutive",
                "Failed token requests in a row, of the token that fares worst.",
                &["tenant"],
            ),
            token_secret_fallbacks: counters(
                "token_secret_fallback_total",
                "Grants for which the first of two secrets was refused and the second accepted.",
                &["tenant"],
            ),
            issuer_keys: counter_gauge(
                "issuer_keys",
                "Keys of an issuer of callers' tokens that count now; at 0 none of its tokens is accepted.",
                &["issuer"],
            ),
            issuer_failures: counter_gauge(
                "issuer_key_fetch_failures_consecutive",
                "Failed fetches of an issuer's keys in a row.",
                &["issuer"],
            ),
            handshakes_failed: counters(
                "tls_handshakes_failed_total",
                "Connections of callers that ended before a TLS session.",
                &["reason"],
            ),
            certificate_expiry: gauges(
                "tls_certificate_expiry_timestamp_seconds",
                "When the listener's certificate ends.",
                &[],
            ),
            crl_next_update: gauges(
                "tls_crl_next_update_timestamp_seconds",
                "When the first of the revocation lists ends.",
                &[],
            ),
            quota_used: counters(
                "quota_used_total",
                "Requests drawn from a tenant's quota, token requests included.",
                &["tenant"],
            ),
            quota_remaining: counter_gauge(
                "quota_remaining",
                "Requests left in a tenant's quota now.",
                &["tenant"],
            ),
            reload_ok: gauge(
                "config_last_reload_successful",
                "1 if the last attempt to read the configuration succeeded.",
            ),
            reload_time: float_gauge(
                "config_last_reload_success_timestamp_seconds",
                "When the configuration was last taken over.",
            ),
            echo_guard: counters(
                "echo_guard_total",
                "Answers stopped because they repeated a credential that Claviger holds.",
                &["tenant"],
            ),
            panics: counter("panics_total", "Requests that ended in a panic: each is a bug."),
            log_lost: counter("log_lines_lost_total", "Log lines that could not be written."),
            audit_lost: counter(
                "audit_lost_total",
                "Records of the audit log that found no room or could not be written.",
            ),
            scrape: Mutex::default(),
            registry,
        };
        metrics.register(build);
        metrics.register_all();
        metrics
    }

    fn register_all(&self) {
        self.register(self.requests.clone());
        self.register(self.duration.clone());
        self.register(self.upstream_duration.clone());
        self.register(self.in_flight.clone());
        self.register(self.connections.clone());
        self.register(self.retries.clone());
        self.register(self.rate_limited.clone());
        self.register(self.policy_denied.clone());
        self.register(self.identification_failed.clone());
        self.register(self.token_requests.clone());
        self.register(self.token_duration.clone());
        self.register(self.token_cache.clone());
        self.register(self.token_expiry.clone());
        self.register(self.token_failures.clone());
        self.register(self.upstream_failures.clone());
        self.register(self.token_secret_fallbacks.clone());
        self.register(self.issuer_keys.clone());
        self.register(self.issuer_failures.clone());
        self.register(self.handshakes_failed.clone());
        self.register(self.certificate_expiry.clone());
        self.register(self.crl_next_update.clone());
        self.register(self.quota_used.clone());
        self.register(self.quota_remaining.clone());
        self.register(self.reload_ok.clone());
        self.register(self.reload_time.clone());
        self.register(self.echo_guard.clone());
        self.register(self.panics.clone());
        self.register(self.log_lost.clone());
        self.register(self.audit_lost.clone());
    }

    fn register(&self, metric: impl Collector + 'static) {
        self.registry.register(Box::new(metric)).expect("the names in this file are distinct");
    }

    /// The counter of answers of one kind; for `cells` alone, which keeps what it gets.
    pub(super) fn requests(
        &self,
        caller: &str,
        tenant: &str,
        operation: &str,
        code: &str,
        source: &str,
    ) -> IntCounter {
        self.requests.with_label_values(&[caller, tenant, operation, code, source])
    }

    /// Durations of an operation, whole; for `cells` alone.
    pub(super) fn duration(&self, tenant: &str, operation: &str) -> Histogram {
        self.duration.with_label_values(&[tenant, operation])
    }

    /// The upstream's share of them; for `cells` alone.
    pub(super) fn upstream_duration(&self, tenant: &str, operation: &str) -> Histogram {
        self.upstream_duration.with_label_values(&[tenant, operation])
    }

    /// A request goes upstream again. `reason` is from the closed set in `upstream::retry`.
    pub fn retried(&self, reason: &'static str) {
        self.retries.with_label_values(&[reason]).inc();
    }

    /// A limit refused a request: `caller`, `quota`, `in_flight` or `identification`.
    pub fn rate_limited(&self, policy: &'static str) {
        self.rate_limited.with_label_values(&[policy]).inc();
    }

    /// Identification or policy refused a request. `reason` is an error code without its prefix.
    pub fn policy_denied(&self, reason: &'static str) {
        self.policy_denied.with_label_values(&[reason]).inc();
    }

    /// Nobody was identified. `way` and `reason` are from the closed sets in `authn::cause`.
    pub fn identification_failed(&self, way: &'static str, reason: &'static str) {
        self.identification_failed.with_label_values(&[way, reason]).inc();
    }

    /// A token request ended. `outcome` is from the token engine's closed set.
    pub fn token_request(&self, tenant: &TenantName, outcome: &'static str, took: Duration) {
        self.token_requests.with_label_values(&[tenant.as_str(), outcome]).inc();
        self.token_duration.with_label_values(&[tenant.as_str()]).observe(took.as_secs_f64());
    }

    /// The counter of requests that found their token as `result` says (`hit`, `wait`).
    pub fn token_cache(&self, result: &'static str) -> IntCounter {
        self.token_cache.with_label_values(&[result])
    }

    /// The current token's end.
    pub fn token_expires(&self, tenant: &TenantName, at: SystemTime) {
        self.token_expiry.with_label_values(&[tenant.as_str()]).set(seconds(at));
    }

    /// Tries in a row without any answer; 0 after one.
    pub fn upstream_failures(&self, tenant: &TenantName, consecutive: u32) {
        self.upstream_failures.with_label_values(&[tenant.as_str()]).set(consecutive.into());
    }

    /// Failed token requests in a row; 0 after a success.
    pub fn token_failures(&self, tenant: &TenantName, consecutive: u32) {
        self.token_failures.with_label_values(&[tenant.as_str()]).set(consecutive.into());
    }

    /// The first secret was refused, the second accepted.
    pub fn token_secret_fallback(&self, tenant: &TenantName) {
        self.token_secret_fallbacks.with_label_values(&[tenant.as_str()]).inc();
    }

    /// How many keys of an issuer count, and how many fetches have failed in a row.
    pub fn issuer_keys(&self, issuer: &IssuerName, keys: usize, failures: u32) {
        let label = &[issuer.as_str()];
        self.issuer_keys.with_label_values(label).set(keys.try_into().unwrap_or(i64::MAX));
        self.issuer_failures.with_label_values(label).set(failures.into());
    }

    /// A TLS handshake failed. `reason` is from the closed set in `listen::tls::failure`.
    pub fn handshake_failed(&self, reason: &'static str) {
        self.handshakes_failed.with_label_values(&[reason]).inc();
    }

    /// When the listener's certificate ends. Set when the metrics are read.
    pub fn certificate_expires(&self, at: SystemTime) {
        self.certificate_expiry.with_label_values(NO_LABELS).set(seconds(at));
    }

    /// When the first of the revocation lists ends. Set when the metrics are read.
    pub fn crl_next_update(&self, at: SystemTime) {
        self.crl_next_update.with_label_values(NO_LABELS).set(seconds(at));
    }

    /// The counter of what is drawn from a tenant's quota.
    pub fn quota_used(&self, tenant: &TenantName) -> IntCounter {
        self.quota_used.with_label_values(&[tenant.as_str()])
    }

    /// Set when the metrics are read.
    pub fn quota_remaining(&self, tenant: &TenantName, remaining: u32) {
        self.quota_remaining.with_label_values(&[tenant.as_str()]).set(remaining.into());
    }

    /// The configuration was read: taken over at `now`, or refused.
    pub fn reloaded(&self, taken_over: Option<SystemTime>) {
        self.reload_ok.set(taken_over.is_some().into());
        if let Some(now) = taken_over {
            self.reload_time.set(seconds(now));
        }
    }

    /// An answer repeated a credential and was stopped.
    pub fn echo_stopped(&self, tenant: &str) {
        self.echo_guard.with_label_values(&[tenant]).inc();
    }

    /// A request ended in a panic.
    pub fn panicked(&self) {
        self.panics.inc();
    }

    /// The counter of log lines that could not be written.
    pub fn log_lost(&self) -> IntCounter {
        self.log_lost.clone()
    }

    /// The counter of lost records of the audit log.
    pub fn audit_lost(&self) -> IntCounter {
        self.audit_lost.clone()
    }

    /// The Prometheus text format, version 0.0.4. `read` sets the gauges that are read, which are forgotten
    /// before; two scrapes at a time take turns.
    pub fn render_with(&self, read: impl FnOnce()) -> String {
        let _turn = self.scrape.lock().unwrap_or_else(PoisonError::into_inner);
        for gauge in [
            &self.token_failures,
            &self.upstream_failures,
            &self.quota_remaining,
            &self.issuer_keys,
            &self.issuer_failures,
        ] {
            gauge.reset();
        }
        for gauge in [&self.token_expiry, &self.certificate_expiry, &self.crl_next_update] {
            gauge.reset();
        }
        read();
        self.render()
    }

    fn render(&self) -> String {
        // The encoder fails only on a family without metrics, which `gather` leaves out.
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_default()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// A vector without labels: unlike a plain gauge it can be absent where there is nothing to tell.
const NO_LABELS: &[&str] = &[];

#[cfg(test)]
mod tests;
