//! Gauges that are read, not kept: set anew for each scrape, so that nothing is left of a tenant or an issuer
//! that a reload took away, and an alert on it ends.

use super::Admin;
use crate::{
    config::Class,
    limit::{Limited as _, Replicas},
    redis::RedisStatus,
};

impl Admin {
    /// The Prometheus text, with all gauges as they are now.
    pub(super) fn metrics(&self) -> String {
        let metrics = &self.shared.metrics;
        metrics.render_with(|| {
            let (pipeline, settings) = (self.pipeline.load(), self.settings.load());
            for tenant in pipeline.tenants().all() {
                let name = &tenant.config().name;
                if let Some(quota) = tenant.quota().status() {
                    metrics.quota_remaining.set([name], quota.remaining.unwrap_or_default());
                    metrics.quota_limit.set([name], quota.config.per_second());
                    metrics.quota_share.set([name], quota.config.share);
                    metrics.quota_believed.set([name], quota.believed());
                    for class in Class::ALL {
                        let waiting = quota.waiting[class.index()];
                        metrics.quota_waiting.set([name, &class.name()], count(waiting));
                    }
                }
                let own = tenant.token_status();
                if let Some(expiry) = own.expiry {
                    metrics.token_expiry.set_time([name], expiry);
                }
                let others = tenant.narrowed_status().map(|token| token.consecutive_failures).max();
                let failures = own.consecutive_failures.max(others.unwrap_or_default());
                metrics.token_failures.set([name], failures);
                metrics.upstream_failures.set([name], tenant.health().consecutive());
                let state = match tenant.circuit().status().state {
                    "closed" => 0_u32,
                    "half_open" => 1,
                    _ => 2,
                };
                metrics.circuit_state.set([name], state);
                let places = tenant.in_flight();
                metrics.in_flight_limit.set([name], count(places.limit()));
                for (class, waiting) in Class::ALL.iter().zip(places.waiting()) {
                    metrics.in_flight_waiting.set([name, &class.name()], count(waiting));
                }
            }
            let (bytes, answers) = self.shared.reads.size();
            metrics.cache_bytes.set([], u32::try_from(bytes).unwrap_or(u32::MAX));
            metrics.cache_answers.set([], u32::try_from(answers).unwrap_or(u32::MAX));
            if let Some(redis) = &self.shared.redis {
                let is_there = *redis.status().borrow() == RedisStatus::Connected;
                metrics.redis_connected.set([], u32::from(is_there));
                metrics.redis_connections.set([], u32::try_from(redis.connections()).unwrap_or(u32::MAX));
            }
            if let Some(replicas) = self.shared.limiters.replicas().map(Replicas::status) {
                metrics.redis_replicas.set([], replicas.count);
                metrics.redis_fallback.set([], u32::from(replicas.is_away));
                for (outcome, count) in Replicas::OUTCOMES.iter().zip(replicas.leases) {
                    metrics.redis_leases.set([outcome], u32::try_from(count).unwrap_or(u32::MAX));
                }
            }
            for secret in self.rotator.dates() {
                metrics.secret_created.set_time([&secret.tenant], secret.since);
                if let Some(end) = secret.expires_at {
                    metrics.secret_expiry.set_time([&secret.tenant], end);
                }
            }
            let dates = settings.tls.as_ref().map(|tls| tls.dates());
            if let Some(server) = dates.and_then(|dates| dates.server()) {
                metrics.certificate_expiry.set_time([], server.not_after);
            }
            if let Some(next_update) = dates.and_then(|dates| dates.next_update()) {
                metrics.crl_next_update.set_time([], next_update);
            }
            for keyring in pipeline.authenticators().keyrings().iter().map(|keyring| keyring.status()) {
                let issuer = &keyring.issuer.name;
                metrics.issuer_keys.set([issuer], u32::try_from(keyring.keys).unwrap_or(u32::MAX));
                metrics.issuer_failures.set([issuer], keyring.consecutive_failures);
            }
        })
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
