//! A tenant at this moment: its tokens, the health of its upstream, and what is wrong with either.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    moments::{after, at, before},
    problems::{Problem, Severity, remedy, state},
};
use crate::{
    admin::traffic::{Ring, WINDOW},
    catalog::Api,
    clock::Moment,
    config::Class,
    ids::TenantName,
    limit::Limited as _,
    proxy::{REMEDY_OF_ACCOUNT, Tries, remedy_of_try},
    token::SlotStatus,
    trust,
    upstream::{LastFailure, Tenant, TryFailure},
};

/// A tenant, and what is known about it now.
pub(super) struct TenantNow {
    pub(super) tenant: Arc<Tenant>,
    /// Its own, then those that grants are for instead.
    pub(super) tokens: Vec<SlotStatus>,
    /// Within the window.
    pub(super) tries: Tries,
    pub(super) problems: Vec<Problem>,
}

impl TenantNow {
    pub(super) fn of(tenant: Arc<Tenant>, traffic: &Ring, now: Moment) -> Self {
        let tokens = [tenant.token_status()].into_iter().chain(tenant.narrowed_status()).collect();
        let tries = traffic.tries(&tenant.config().name);
        let mut made = Self { tenant, tokens, tries, problems: Vec::new() };
        made.problems = made.judged(now);
        made
    }

    pub(super) fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    pub(super) fn name(&self) -> &TenantName {
        &self.tenant.config().name
    }

    /// Its name, of an account without what tells it from tenants.
    pub(super) fn plain_name(&self) -> &str {
        let name = self.name().as_str();
        name.strip_prefix(Api::Cloud.prefix()).unwrap_or(name)
    }

    /// The part of the configuration that it is.
    pub(super) fn place(&self) -> String {
        let section = if self.tenant.config().is_account() { "cloud" } else { "tenants" };
        format!("{section}.{}", self.plain_name())
    }

    pub(super) fn severity(&self) -> Option<Severity> {
        self.problems.iter().map(|problem| problem.severity).min()
    }

    pub(super) fn shown(&self, now: Moment) -> Value {
        let (tenant, config) = (&self.tenant, self.tenant.config());
        let (own, others) = self.tokens.split_at(1);
        json!({
            "state": state(self.severity()),
            "endpoint": config.endpoint.to_string(),
            "resource": config.resource,
            "scopes": config.scopes,
            "labels": config.labels.iter().map(|label| label.as_str()).collect::<Vec<_>>(),
            "token": own.first().map(|status| token(status, now)),
            "tokens_of_grants": others.iter().map(|status| json!({
                "scopes": status.scopes,
                "organization_id": status.organization_id,
                "token": token(status, now),
            })).collect::<Vec<_>>(),
            "upstream": self.upstream(now),
            "in_flight": tenant.in_flight().used(),
            "max_in_flight": config.max_in_flight,
            "in_flight_limit": tenant.in_flight().limit(),
            "waiting": by_class(tenant.in_flight().waiting()),
            "quota": tenant.quota().status().map(|quota| json!({
                "requests": quota.config.requests,
                "per_seconds": quota.config.per.as_secs_f64(),
                "share": quota.config.share,
                "burst": quota.config.burst,
                "believed_per_second": rounded(quota.believed()),
                "remaining": quota.remaining,
                "waiting": by_class(quota.waiting),
            })),
        })
    }

    /// An account at Logto Cloud has neither scopes nor a quota, and its token is what is configured.
    pub(super) fn shown_as_account(&self, now: Moment) -> Value {
        json!({
            "state": state(self.severity()),
            "endpoint": self.tenant.config().endpoint.to_string(),
            "upstream": self.upstream(now),
            "in_flight": self.tenant.in_flight().used(),
            "max_in_flight": self.tenant.config().max_in_flight,
        })
    }

    /// What the operator does about tries that fail in this way.
    pub(super) fn remedy_of(&self, failure: &LastFailure) -> &'static str {
        match failure.kind {
            TryFailure::TokenRejected if self.tenant.config().is_account() => REMEDY_OF_ACCOUNT,
            _ if trust::says_what_to_do(&failure.what) => "",
            other => remedy_of_try(other),
        }
    }

    fn circuit(&self, now: Moment) -> Value {
        let circuit = self.tenant.circuit().status();
        json!({
            "state": circuit.state,
            "opened": circuit.opened,
            "since": circuit.since.map(|since| at(now, since)),
            "next_try_in_seconds": circuit.next_try.map(|left| left.as_secs()),
        })
    }

    fn upstream(&self, now: Moment) -> Value {
        let health = self.tenant.health();
        let (failed, all) = (self.tries.failed, self.tries.failed + self.tries.served);
        json!({
            "window_seconds": WINDOW.as_secs(),
            "tries": all,
            "failed": failed,
            "failed_share": (all > 0).then(|| share(failed, all)),
            "consecutive_failures": health.consecutive(),
            "circuit": self.circuit(now),
            "last_error": health.last().map(|last| json!({
                "what": last.what,
                "remedy": remedy(self.remedy_of(&last)),
                "at": at(now, last.at),
                "seconds_ago": now.instant.saturating_duration_since(last.at).as_secs(),
            })),
        })
    }
}

fn by_class(waiting: [usize; 3]) -> Value {
    Class::ALL.iter().map(|class| (class.name(), waiting[class.index()])).collect()
}

/// To three digits.
fn rounded(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

/// To three digits.
#[expect(clippy::cast_precision_loss, reason = "a share, rounded")]
fn share(part: u64, whole: u64) -> f64 {
    (part as f64 / whole as f64 * 1000.0).round() / 1000.0
}

fn token(status: &SlotStatus, now: Moment) -> Value {
    json!({
        "usable": status.usable_for.is_some(),
        "age_seconds": status.age.map(|age| age.as_secs()),
        "usable_for_seconds": status.usable_for.map(|left| left.as_secs()),
        "usable_until": status.usable_for.map(|left| after(now, left)),
        "granted": status.generation,
        "consecutive_failures": status.consecutive_failures,
        "last_error": status.last_error.as_ref().map(|error| json!({
            "kind": error.label(),
            "what": error.to_string(),
            "remedy": remedy(error.remedy()),
            "at": status.failed.map(|ago| before(now, ago)),
            "seconds_ago": status.failed.map(|ago| ago.as_secs()),
            "next_try_in_seconds": error.retry_after(Instant::now()).as_secs(),
        })),
    })
}
