//! Gauges that are read, not kept: set anew for each scrape, so that nothing is left of a tenant or an issuer
//! that a reload took away, and an alert on it ends.

use super::Admin;

impl Admin {
    /// The Prometheus text, with all gauges as they are now.
    pub(super) fn metrics(&self) -> String {
        let metrics = &self.shared.metrics;
        metrics.render_with(|| {
            let (pipeline, now) = (self.pipeline.load(), tokio::time::Instant::now());
            for upstream in pipeline.upstreams() {
                let tenant = &upstream.tenant.name;
                if let Some(remaining) = upstream.quota.remaining(now) {
                    metrics.quota_remaining(tenant, remaining);
                }
                if let Some(expiry) = upstream.token.status().expiry {
                    metrics.token_expires(tenant, expiry);
                }
                let failures = upstream.handles().map(|token| token.status().consecutive_failures).max();
                metrics.token_failures(tenant, failures.unwrap_or_default());
                metrics.upstream_failures(tenant, upstream.trouble.consecutive());
            }
            let dates = pipeline.tls().map(|tls| tls.dates());
            if let Some(server) = dates.and_then(|dates| dates.server()) {
                metrics.certificate_expires(server.not_after);
            }
            if let Some(next_update) = dates.and_then(|dates| dates.next_update()) {
                metrics.crl_next_update(next_update);
            }
            for keyring in pipeline.keyrings().iter().map(|keyring| keyring.status()) {
                metrics.issuer_keys(&keyring.issuer.name, keyring.keys, keyring.consecutive_failures);
            }
        })
    }
}
