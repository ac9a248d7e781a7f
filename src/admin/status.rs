//! `/status`: what an operator wants to know at three in the morning, in one page.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::time::Instant;

use super::Admin;
use crate::{
    authn::jwt::KeyringStatus,
    limit::Limited as _,
    listen::tls::dates::{Dates, date},
    token::SlotStatus,
    upstream::Tenant,
};

impl Admin {
    pub(super) fn status(&self) -> Value {
        let pipeline = self.pipeline.load();
        let now = self.shared.clock.now();
        let reload = self.health.last_reload();
        let (config, settings, tenants) = (pipeline.config(), self.settings.load(), pipeline.tenants().all());
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "uptime_seconds": now.instant.saturating_duration_since(self.health.since.instant).as_secs(),
            "ready": self.health.is_ready(),
            "connections": self.workers.connections(),
            "workers": config.workers,
            "configuration": {
                "in_force_since": seconds(reload.at.wall),
                "last_reload_error": reload.error,
                "pending_restart": reload.pending_restart,
                "callers": config.callers.iter().map(|caller| caller.name.as_str()).collect::<Vec<_>>(),
            },
            "tls": settings.tls.as_ref().map(|tls| listen_tls(tls.dates(), now.wall)),
            "audit": self.shared.audit.as_ref().map(|audit| audit.status()),
            "tenants": tenants.iter().map(|it| {
                (it.config().name.to_string(), tenant(it, now.wall))
            }).collect::<serde_json::Map<_, _>>(),
            "issuers": pipeline.authenticators().keyrings().iter().map(|keyring| keyring.status()).map(|keyring| {
                (keyring.issuer.name.to_string(), issuer(&keyring))
            }).collect::<serde_json::Map<_, _>>(),
        })
    }
}

fn tenant(tenant: &Tenant, now: SystemTime) -> Value {
    let config = tenant.config();
    json!({
        "endpoint": config.endpoint.to_string(),
        "resource": config.resource,
        "scopes": config.scopes,
        "token": token(&tenant.token_status(), now),
        "tokens_of_grants": tenant.narrowed_status().map(|status| {
            json!({
                "scopes": status.scopes,
                "organization_id": status.organization_id,
                "token": token(&status, now),
            })
        }).collect::<Vec<_>>(),
        "upstream": {
            "consecutive_failures": tenant.health().consecutive(),
            "last_error": tenant.health().last().map(|(at, what)| json!({
                "what": what,
                "seconds_ago": at.elapsed().as_secs(),
            })),
        },
        "in_flight": tenant.in_flight().used(),
        "max_in_flight": config.max_in_flight,
        "quota": config.quota.map(|quota| json!({
            "requests": quota.requests,
            "per_seconds": quota.per.as_secs_f64(),
            "remaining": tenant.quota().remaining(),
        })),
    })
}

fn token(status: &SlotStatus, now: SystemTime) -> Value {
    json!({
        "usable": status.usable_for.is_some(),
        "age_seconds": status.age.map(|age| age.as_secs()),
        "usable_for_seconds": status.usable_for.map(|left| left.as_secs()),
        "usable_until": status.usable_for.map(|left| seconds(now + left)),
        "granted": status.generation,
        "consecutive_failures": status.consecutive_failures,
        "last_error": status.last_error.as_ref().map(|error| json!({
            "kind": error.label(),
            "what": error.to_string(),
            "remedy": error.remedy(),
            "next_try_in_seconds": error.retry_after(Instant::now()).as_secs(),
        })),
    })
}

/// The listener's certificate, and what clients' certificates are judged by; dates as people read them.
fn listen_tls(dates: &Dates, now: SystemTime) -> Value {
    json!({
        "certificate": dates.server().map(|server| json!({
            "subject": server.subject.to_string(),
            "names": dates.names(),
            "not_before": date(server.not_before),
            "not_after": date(server.not_after),
        })),
        "client_ca": dates.authorities().map(|names| names.map(ToString::to_string).collect::<Vec<_>>()),
        "crl": dates.lists().map(|lists| lists.iter().map(|list| json!({
            "issuer": list.issuer.to_string(),
            "next_update": list.next_update.map(date),
        })).collect::<Vec<_>>()),
        "warnings": dates.concerns(now).iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

/// An issuer of callers' tokens: whether its keys are there to verify them with.
fn issuer(keyring: &KeyringStatus) -> Value {
    json!({
        "issuer": keyring.issuer.issuer,
        "keys": keyring.keys,
        "kids": keyring.kids,
        "tokens_of_unknown_keys": keyring.missed,
        "from": if keyring.is_fetched { "issuer" } else { "file" },
        "asked_seconds_ago": keyring.asked.map(|ago| ago.as_secs()),
        "consecutive_failures": keyring.consecutive_failures,
        "last_error": keyring.last_error.as_ref().map(ToString::to_string),
    })
}

/// Seconds since 1970.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}
