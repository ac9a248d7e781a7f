//! When something is to be done for a tenant's secret: a pure function of its record.

use std::time::{Duration, SystemTime};

use crate::{
    config::Rotate,
    vault::{Record, Step},
};

/// A secret that expires is replaced so long before, or after three quarters of a short life.
const AHEAD: Duration = Duration::from_hours(24);

/// When; `None`: never by itself. What was begun is due at once.
pub(super) fn at(record: &Record, plan: Option<Rotate>) -> Option<SystemTime> {
    match &record.rotation.step {
        Some(Step::Create { .. } | Step::Prove(_)) => return Some(SystemTime::UNIX_EPOCH),
        Some(Step::Retire { at }) => return Some(*at),
        None => {}
    }
    let secret = record.secrets.first()?;
    let by_age = plan.and_then(|plan| secret.since.checked_add(plan.every));
    let by_expiry = secret.expires_at.and_then(|end| {
        let life = end.duration_since(secret.since).unwrap_or_default();
        end.checked_sub(AHEAD.min(life / 4))
    });
    match (by_age, by_expiry) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::Endpoint, ids::TenantName, secret::Secret};

    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn a_secret_is_due_by_its_age_before_its_end_and_at_once_where_something_was_begun() {
        let start = SystemTime::UNIX_EPOCH + Duration::from_hours(24 * 365 * 50);
        let endpoint = Endpoint::parse("https://acme.logto.app").unwrap();
        let (alias, secret) = (TenantName::parse("acme").unwrap(), Secret::new(b"s".to_vec()));
        let mut record =
            Record::new(alias, endpoint, "https://x/api".into(), "m2m".into(), secret, "operator", start);
        let plan = Some(Rotate { every: 720 * HOUR, overlap: HOUR });
        assert_eq!((at(&record, None), at(&record, plan)), (None, Some(start + 720 * HOUR)));
        record.secrets[0].expires_at = Some(start + 240 * HOUR);
        assert_eq!(at(&record, plan), Some(start + 216 * HOUR), "a day before its end");
        record.secrets[0].expires_at = Some(start + 4 * HOUR);
        assert_eq!(at(&record, None), Some(start + 3 * HOUR), "after three quarters of a short life");
        record.rotation.step = Some(Step::Retire { at: start + HOUR });
        assert_eq!(at(&record, plan), Some(start + HOUR));
        record.rotation.step = Some(Step::Create { name: "x".into() });
        assert_eq!(at(&record, plan), Some(SystemTime::UNIX_EPOCH));
    }
}
