//! `/status`: what an operator wants to know at three in the morning, in one document. Every moment is in RFC 3339, UTC, and every
//! length of time in seconds (`…_seconds`). What is wrong comes first, each thing with what to do about it. With ten thousand tenants it
//! is as long as with a hundred: the rest is asked for by name.

mod callers;
mod expiring;
mod judged;
mod moments;
mod problems;
mod process;
mod tenants;
mod usage;

use serde_json::{Value, json};

use self::{problems::Problem, tenants::TenantNow};
use super::{Admin, query::Query};
use crate::listen::tls::dates::date;

impl Admin {
    /// The document; `None`: the tenant that is asked for is not there.
    pub(super) fn status(&self, query: &Query) -> Option<Value> {
        let pipeline = self.pipeline.load();
        if query.one().is_some_and(|name| pipeline.tenants().get(name.as_str()).is_none()) {
            return None;
        }
        let now = self.shared.clock.now();
        let traffic = self.traffic.look(&pipeline, now.instant);
        let (config, settings, reload) = (pipeline.config(), self.settings.load(), self.health.last_reload());
        let dates = settings.tls.as_ref().map(|tls| tls.dates());
        let keyrings: Vec<_> =
            pipeline.authenticators().keyrings().iter().map(|keyring| keyring.status()).collect();
        let all = pipeline.tenants().all().into_iter();
        let mut tenants: Vec<_> = all.map(|tenant| TenantNow::of(tenant, &traffic, now)).collect();
        let total = tenants.len();
        let healthy = tenants.iter().filter(|tenant| tenant.severity().is_none()).count();

        let mut problems = self.problems(&reload, now, dates, &keyrings);
        let accounts = pipeline.accounts().all().into_iter();
        let accounts: Vec<_> = accounts.map(|account| TenantNow::of(account, &traffic, now)).collect();
        problems.extend(tenants.iter().chain(&accounts).flat_map(|tenant| tenant.problems.iter().cloned()));
        // Those that are asked about first: the rest may be cut off.
        let rank = |problem: &Problem| (!query.concerns(&problem.about), problem.severity);
        problems.sort_by(|one, other| (rank(one), &one.about).cmp(&(rank(other), &other.about)));
        let elsewhere = problems.iter().filter(|problem| !query.concerns(&problem.about)).count();
        let (errors, warnings) = problems::count(&problems);

        tenants.retain(|tenant| query.wants(tenant.name()));
        let matching = tenants.len();
        // Those with problems first: the rest may be cut off. Within, by name, as they came.
        tenants.sort_by_key(|tenant| tenant.severity().map_or(2, |severity| severity as u8));
        tenants.truncate(query.limit);

        Some(json!({
            "time": date(now.wall),
            "version": env!("CARGO_PKG_VERSION"),
            "state": self.health.state(),
            "ready": self.health.is_ready(),
            "started": date(self.health.since.wall),
            "uptime_seconds": now.instant.saturating_duration_since(self.health.since.instant).as_secs(),
            "connections": self.workers.connections(),
            "workers": config.workers,
            "errors": errors,
            "warnings": warnings,
            "problems": problems.iter().take(query.limit).map(Problem::shown).collect::<Vec<_>>(),
            "problems_elsewhere": elsewhere,
            "configuration": {
                "digest": self.digest.of(&config),
                "in_force_since": date(reload.at.wall),
                "last_reload_error": reload.refused.as_ref().map(|(_, error)| error),
                "last_reload_failed": reload.refused.as_ref().map(|(at, _)| date(at.wall)),
                "pending_restart": reload.pending_restart,
                "callers": config.callers.len(),
                "policies": config.policies.len(),
                "tenants": total,
            },
            "tls": dates.map(|dates| process::listen_tls(dates, now.wall)),
            "audit": self.shared.audit.as_ref().map(|audit| audit.status()),
            "redis": self.shared.redis.as_ref().map(|redis| process::redis(redis, &config, &self.shared)),
            "tenants_total": total,
            "tenants_healthy": healthy,
            "tenants_matching": matching,
            "tenants": tenants.iter().map(|tenant| {
                (tenant.name().to_string(), tenant.shown(now))
            }).collect::<serde_json::Map<_, _>>(),
            "accounts": accounts.iter().map(|account| {
                (account.plain_name().to_owned(), account.shown_as_account(now))
            }).collect::<serde_json::Map<_, _>>(),
            "traffic": callers::traffic(&config, &traffic, query.limit, now),
            "issuers": keyrings.iter().map(|keyring| {
                (keyring.issuer.name.to_string(), process::issuer(keyring, now))
            }).collect::<serde_json::Map<_, _>>(),
            "keys": usage::keys(&pipeline, query.limit, now),
            "grants": usage::grants(tenants.iter().map(TenantNow::tenant), query.limit, now),
            "expiring": expiring::all(dates, &keyrings, now),
        }))
    }
}
