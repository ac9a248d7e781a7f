//! What is wrong now, and what to do about it. The texts are those of the errors themselves; here it is only decided what of them is
//! a problem at this moment, and how bad it is.

use std::time::Duration;

use serde_json::{Value, json};

use super::moments::before;
use crate::{
    admin::{Admin, health::Reload},
    authn::jwt::KeyringStatus,
    clock::Moment,
    idempotency::SharedKeys,
    limit::{Replicas, agreement},
    listen::tls::dates::{Dates, date},
    redis::RedisStatus,
    vault::VaultError,
};

/// How late the deletion of an old client secret may be.
const LATE: Duration = Duration::from_mins(1);

/// How bad it is; the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    /// Requests are refused or fail.
    Error,
    /// They will be, or something waits for somebody.
    Warning,
}

impl Severity {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) severity: Severity,
    /// The part of the configuration that it is about, such as `tenants.acme`.
    pub(super) about: String,
    pub(super) what: String,
    pub(super) remedy: String,
    /// When it was last seen, where that is known.
    pub(super) at: Option<String>,
}

impl Problem {
    pub(super) fn shown(&self) -> Value {
        json!({
            "severity": self.severity.as_str(),
            "about": self.about,
            "what": self.what,
            "remedy": remedy(&self.remedy),
            "at": self.at,
        })
    }
}

/// Of some what is wrong says what to do.
pub(super) fn remedy(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// Errors and warnings.
pub(super) fn count(problems: &[Problem]) -> (usize, usize) {
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    (errors, problems.len() - errors)
}

impl Admin {
    /// All but those of tenants.
    pub(super) fn problems(
        &self,
        reload: &Reload,
        now: Moment,
        dates: Option<&Dates>,
        keyrings: &[KeyringStatus],
    ) -> Vec<Problem> {
        let mut problems = of_configuration(reload);
        problems.extend(keyrings.iter().filter_map(|keyring| of_issuer(keyring, now)));
        problems.extend(dates.into_iter().flat_map(|dates| of_tls(dates, now)));
        problems.extend(self.of_audit());
        problems.extend(self.of_redis());
        problems.extend(self.of_replicas());
        problems.extend(self.of_vault());
        problems.extend(self.of_rotations(now));
        problems
    }

    /// What could not be gone on with here, and old secrets that work longer than they should, whoever was to delete them.
    fn of_rotations(&self, now: Moment) -> Vec<Problem> {
        let mut problems = Vec::new();
        for dates in self.rotator.dates() {
            let overdue =
                dates.retires_at.filter(|at| at.checked_add(LATE).is_some_and(|late| late < now.wall));
            let failure = self.rotator.failure(&dates.tenant);
            let what = match (&failure, overdue) {
                (Some(failure), _) => failure.what.clone(),
                (None, Some(at)) => format!(
                    "the client secret was rotated, and the old one, which was to be deleted at Logto at {}, still works there",
                    date(at)
                ),
                (None, None) => continue,
            };
            problems.push(Problem {
                severity: Severity::Warning,
                about: format!("tenants.{}", dates.tenant),
                what: match &failure {
                    Some(failure) => format!("{what}; next try at {}", date(failure.next_try)),
                    None => what,
                },
                remedy: failure.as_ref().map_or(
                    "The log of the replica that rotates says why; `claviger tenant show` whether it is done.".to_owned(),
                    |failure| failure.remedy.clone(),
                ),
                at: failure.map(|failure| date(failure.at)),
            });
        }
        problems
    }

    /// What is in force stays in force without it, at this replica's part of each limit; no tenant can be changed, and what other
    /// replicas change is not learnt.
    fn of_redis(&self) -> Option<Problem> {
        let connection = self.shared.redis.as_ref()?.status().borrow().clone();
        let replicas = self.shared.limiters.replicas().map(Replicas::status);
        let keys = self.shared.keys.as_ref();
        let keys_why = keys.and_then(SharedKeys::why_away);
        let mut effects = Vec::new();
        let is_away = connection != RedisStatus::Connected;
        let error = match (connection, replicas.as_ref().and_then(|it| it.why.clone())) {
            (RedisStatus::Away(why), _) => {
                if self.shared.vault.is_some() {
                    effects.push("tenants in force are served, and none can be added or changed".to_owned());
                }
                why
            }
            (RedisStatus::Connected, Some(why)) => why,
            (RedisStatus::Connected, None) => keys_why.clone()?,
        };
        let replicas = replicas.filter(|it| is_away || it.why.is_some());
        effects.extend(replicas.map(|it| match it.count {
            1 => "limits are counted by this replica alone".to_owned(),
            count => format!("this replica keeps to one part in {count} of each limit"),
        }));
        if keys.is_some() && (is_away || keys_why.is_some()) {
            effects.push("requests with an Idempotency-Key are refused".to_owned());
        }
        Some(Problem {
            severity: Severity::Warning,
            about: "redis".into(),
            what: [vec![error.to_string()], effects].concat().join("; "),
            remedy: error.remedy().to_owned(),
            at: None,
        })
    }

    /// Settings that have been others at another replica for longer than a rollout takes.
    fn of_replicas(&self) -> Vec<Problem> {
        let lasting = self.shared.limiters.replicas().map(|replicas| replicas.status().lasting);
        let problem = |setting: String| Problem {
            severity: Severity::Warning,
            what: agreement::effect(&setting).into(),
            about: setting,
            remedy: agreement::REMEDY.into(),
            at: None,
        };
        lasting.into_iter().flatten().map(problem).collect()
    }

    /// A Redis that is away is a problem of its own.
    fn of_vault(&self) -> Option<Problem> {
        let trouble = VaultError::from(self.shared.vault.as_ref()?.trouble()?);
        let redis = self.shared.redis.as_ref();
        if redis.is_some_and(|redis| *redis.status().borrow() != RedisStatus::Connected) {
            return None;
        }
        Some(Problem {
            severity: Severity::Warning,
            about: "vault".into(),
            what: format!("{trouble}; tenants in force are served, and none can be added or changed"),
            remedy: trouble.remedy().to_owned(),
            at: None,
        })
    }

    fn of_audit(&self) -> Option<Problem> {
        let audit = self.shared.audit.as_ref()?.status();
        let (severity, what, remedy) = match (audit.last_error, audit.lost) {
            (Some(error), _) => (
                Severity::Error,
                format!("records are being lost, as {} cannot be written: {error}", audit.file),
                audit.remedy.unwrap_or_default(),
            ),
            (None, 0) => return None,
            (None, lost) => (
                Severity::Warning,
                match lost {
                    1 => "1 record was lost since the start".to_owned(),
                    _ => format!("{lost} records were lost since the start"),
                },
                "The disk was slower than the requests, or full for a while; records come whole again."
                    .to_owned(),
            ),
        };
        Some(Problem { severity, about: "audit".into(), what, remedy, at: None })
    }
}

fn of_configuration(reload: &Reload) -> Vec<Problem> {
    let refused = reload.refused.as_ref().map(|(at, error)| Problem {
        severity: Severity::Error,
        about: "configuration".into(),
        what: format!("the changed configuration was refused, and the previous one stays in force: {error}"),
        remedy: "`claviger check` names its problems.".into(),
        at: Some(date(at.wall)),
    });
    let pending = (!reload.pending_restart.is_empty()).then(|| Problem {
        severity: Severity::Warning,
        about: "configuration".into(),
        what: format!("new values wait for a restart: {}", reload.pending_restart.join(", ")),
        remedy: "Restart the process when it suits; the rest of the change is in force.".into(),
        at: Some(date(reload.at.wall)),
    });
    refused.into_iter().chain(pending).collect()
}

/// An issuer of callers' tokens.
fn of_issuer(keyring: &KeyringStatus, now: Moment) -> Option<Problem> {
    let error = keyring.last_error.as_ref();
    let severity = match (keyring.keys, error) {
        (0, Some(_)) => Severity::Error,
        (_, Some(_)) => Severity::Warning,
        // Those of a file are never none; those that are fetched may be on their way.
        (_, None) => return None,
    };
    let consequence = match keyring.keys {
        0 => "none is held: every token of this issuer is refused",
        _ => "those that are held stay in use for a while",
    };
    Some(Problem {
        severity,
        about: format!("issuers.{}", keyring.issuer.name),
        what: format!(
            "the signing keys cannot be fetched, and {consequence}: {} ({})",
            error?,
            keyring.issuer.asked()?
        ),
        remedy: error?.remedy().into(),
        at: keyring.asked.map(|ago| before(now, ago)),
    })
}

fn of_tls(dates: &Dates, now: Moment) -> Vec<Problem> {
    let shown = |concern: crate::config::Problem| Problem {
        // A certificate that ends soon still works; a list that has ended refuses everybody.
        severity: match concern.key == "listen.tls.cert" && dates.chain_is_valid(now.wall) {
            true => Severity::Warning,
            false => Severity::Error,
        },
        about: concern.key,
        what: concern.what,
        remedy: concern.remedy,
        at: None,
    };
    dates.concerns(now.wall).into_iter().map(shown).collect()
}

/// What a thing is that has, or has not, a problem.
pub(super) fn state(severity: Option<Severity>) -> &'static str {
    severity.map_or("ok", Severity::as_str)
}
