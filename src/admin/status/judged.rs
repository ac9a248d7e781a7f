//! What is wrong with a tenant: its tokens, its upstream.

use std::time::Duration;

use super::{
    moments::{at, before},
    problems::{Problem, Severity},
    tenants::TenantNow,
};
use crate::{
    clock::Moment,
    limit::Limited as _,
    proxy::{REMEDY_OF_ACCOUNT, Tries},
    upstream::TryFailure,
};

/// Others that use a tenant's quota are a problem for so long since they last did.
const LATELY: Duration = Duration::from_mins(5);

/// Fewer are the business of Logto and of who asks.
const FEW_FORBIDDEN: u64 = 3;

/// What is done about an API that answers 403 to most requests.
const REMEDY_OF_FORBIDDEN: &str = "Give the application a role with the permissions of the Management API in Logto, or have a firewall in front of Logto let Claviger through: `claviger check --online` says which.";

impl TenantNow {
    /// Of a tenant's tokens and upstream.
    pub(super) fn judged(&self, now: Moment) -> Vec<Problem> {
        let about = || self.place();
        let mut problems = Vec::new();
        for token in &self.tokens {
            let Some(error) = &token.last_error else { continue };
            let (severity, what) = match token.usable_for {
                None => (Severity::Error, "there is no access token"),
                Some(_) => (Severity::Warning, "the access token cannot be renewed"),
            };
            problems.push(Problem {
                severity,
                about: about(),
                what: format!("{what}: {error}"),
                remedy: error.remedy().into(),
                at: token.failed.map(|ago| before(now, ago)),
            });
        }
        // The grants' tokens mostly fail for the reason that the tenant's own does.
        problems.dedup_by(|one, other| (&one.what, one.severity) == (&other.what, other.severity));
        let circuit = self.tenant.circuit().status();
        if circuit.state != "closed" {
            let last = self.tenant.health().last();
            let why = last.as_ref().map(|last| format!("; the last failure: {}", last.what));
            problems.push(Problem {
                severity: Severity::Error,
                about: about(),
                what: format!(
                    "Logto fails whatever it is asked, so nothing is sent there, and requests are answered with 503, until one that is tried succeeds{}",
                    why.unwrap_or_default()
                ),
                remedy: last.map_or("", |last| self.remedy_of(&last)).into(),
                at: circuit.since.map(|since| at(now, since)),
            });
            return problems;
        }
        let (places, max) = (self.tenant.in_flight().limit(), self.tenant.config().max_in_flight);
        if places < max {
            problems.push(Problem {
                severity: Severity::Warning,
                about: about(),
                what: format!(
                    "Logto is overloaded: {places} requests are sent at one time instead of {max}, and more again step by step"
                ),
                remedy: "Look at how Logto and its database fare; claviger_upstream_request_duration_seconds says which operations are slow.".into(),
                at: None,
            });
        }
        if let Some(quota) = self.tenant.quota().status()
            && let Some(ago) = quota.ran_out.filter(|ago| *ago < LATELY)
        {
            let spent = quota.config.per_second() * quota.config.share;
            problems.push(Problem {
                severity: Severity::Warning,
                about: about(),
                what: format!(
                    "Logto answered 429 although Claviger keeps to its share, so others use this tenant's quota: {:.1} requests a second are sent instead of {spent:.1}",
                    quota.believed()
                ),
                remedy: "Find out who else asks this tenant, or lower the share in its quota.".into(),
                at: Some(before(now, ago)),
            });
        }
        let Tries { served, failed, forbidden } = self.tries;
        // What was answered may be counted before it was served.
        let all = failed + served.max(forbidden);
        if forbidden >= FEW_FORBIDDEN && forbidden * 2 > all {
            let is_account = self.tenant.config().is_account();
            problems.push(Problem {
                severity: if forbidden < all { Severity::Warning } else { Severity::Error },
                about: about(),
                what: format!(
                    "{forbidden} of {all} attempts were answered with 403 in the last minutes, although Claviger allowed them and the access token is accepted"
                ),
                remedy: if is_account { REMEDY_OF_ACCOUNT } else { REMEDY_OF_FORBIDDEN }.into(),
                at: None,
            });
        }
        let last = self.tenant.health().last();
        let has_echo = last.is_some_and(|last| last.kind == TryFailure::Echo);
        let severity = match () {
            () if failed == 0 => return problems,
            () if failed * 2 >= all => Severity::Error,
            () if failed * 20 >= all && failed > 1 => Severity::Warning,
            () if has_echo => Severity::Warning,
            () => return problems,
        };
        let health = self.tenant.health();
        if let Some(last) = health.last() {
            let unanswered =
                matches!(last.kind, TryFailure::Unreachable | TryFailure::Broken | TryFailure::Timeout);
            let (severity, since) = match unanswered && health.consecutive() == 0 {
                true => (Severity::Warning, ", and Logto answers again"),
                false => (severity, ""),
            };
            problems.push(Problem {
                severity,
                about: about(),
                what: format!(
                    "{failed} of {all} attempts failed in the last minutes{since}; the last: {}",
                    last.what
                ),
                remedy: self.remedy_of(&last).into(),
                at: Some(at(now, last.at)),
            });
        }
        problems
    }
}
