//! Rates: so many requests in so much time, or "off".

use std::time::Duration;

use super::checker::{Checker, DAY, MILLISECOND};
use crate::config::{
    leaf::{Either, Off},
    path::KeyPath,
    quota::{GivenQuota, Quota},
    rate::Rate,
    raw::{RawQuota, RawRate},
};

impl Checker<'_> {
    /// A rate that is given: `Some(None)` for "off".
    pub(super) fn rate(
        &mut self,
        section: &KeyPath,
        key: &str,
        rate: Option<Either<Off, RawRate>>,
    ) -> Option<Option<Rate>> {
        let path = section.key(key);
        let raw = match rate? {
            Either::Text(leaf) => return self.leaf(section, key, Some(leaf)).map(|Off| None),
            Either::Table(raw) => raw,
        };
        const FORM: &str = "Write { requests = 50, per = \"1s\" }.";
        if raw.requests.is_none() {
            self.missing(&path.key("requests"), "the number of requests is missing", FORM);
        }
        if raw.per.is_none() {
            self.missing(&path.key("per"), "the period is missing", FORM);
        }
        let requests = self.count(&path, "requests", raw.requests, 1..=1_000_000);
        let per = self.duration(&path, "per", raw.per, MILLISECOND..=DAY);
        let burst = self.count(&path, "burst", raw.burst, 1..=1_000_000);
        let requests = requests?;
        Some(Some(Rate { requests, per: per?, burst: burst.unwrap_or(requests) }))
    }

    /// A quota that is given. Its rate may be left out where it is Logto Cloud's.
    pub(super) fn quota(
        &mut self,
        section: &KeyPath,
        quota: Option<Either<Off, RawQuota>>,
    ) -> Option<GivenQuota> {
        let path = section.key("quota");
        let raw = match quota? {
            Either::Text(leaf) => return self.leaf(section, "quota", Some(leaf)).map(|Off| GivenQuota::Off),
            Either::Table(raw) => raw,
        };
        const FORM: &str = "Write { requests = 200, per = \"10s\" }.";
        let is_whole = raw.requests.is_some() == raw.per.is_some();
        if raw.requests.is_none() && !is_whole {
            self.missing(&path.key("requests"), "the number of requests is missing", FORM);
        }
        if raw.per.is_none() && !is_whole {
            self.missing(&path.key("per"), "the period is missing", FORM);
        }
        let is_given = raw.requests.is_some();
        let requests = self.count(&path, "requests", raw.requests, 1..=1_000_000);
        let per = self.duration(&path, "per", raw.per, MILLISECOND..=DAY);
        let share = self.fraction(&path, "share", raw.share, 0.01..=1.0);
        let burst = self.count(&path, "burst", raw.burst, 1..=1_000_000);
        let tokens = self.leaf(&path, "tokens", raw.tokens);
        let rate = if is_given { Some((requests?, per?)) } else { None };
        is_whole.then_some(GivenQuota::Given { rate, share, burst, tokens })
    }

    /// What a tenant's quota comes to. Says where it leaves no room: a burst that fills the quota is somebody's to write, and theirs to know.
    pub(super) fn quota_of(
        &mut self,
        section: &KeyPath,
        given: Option<GivenQuota>,
        resource: &str,
    ) -> Option<Quota> {
        let quota = GivenQuota::of(given, resource);
        if quota.is_none() && matches!(given, Some(GivenQuota::Given { .. })) {
            let remedy = "Write { requests = 200, per = \"10s\" }; only what Logto Cloud allows is known.";
            self.missing(&section.key("quota").key("requests"), "the number of requests is missing", remedy);
        }
        if let (Some(quota), Some(GivenQuota::Given { burst: Some(_), .. })) = (quota, given)
            && quota.share < 1.0
            && quota.most() > quota.requests
        {
            let fits = quota.requests - quota.spent().requests.min(quota.requests) + 1;
            let what = format!(
                "share and burst together let {} requests pass in some periods, where the tenant allows {}",
                quota.most(),
                quota.requests
            );
            self.warn(
                &section.key("quota").key("burst"),
                what,
                format!("Write {fits} at most, or leave burst out."),
            );
        }
        if let Some(quota) = quota
            && quota.tokens
            && quota.burst <= 2
            // Half of the burst is left to interactive callers.
            && let wait = quota.interval() / u64::from(quota.burst)
            && Duration::from_nanos(wait) >= Duration::from_secs(1)
        {
            let what = format!(
                "a token request draws on the quota too, and leaves nothing of a burst of {} to callers with the priority normal: their first request waits {} then, or is refused",
                quota.burst,
                humantime::format_duration(Duration::from_millis(wait / 1_000_000))
            );
            let remedy = "Allow more, write a burst of 3 or more, or tokens = false if token requests do not count at Logto.";
            self.warn(&section.key("quota"), what, remedy);
        }
        quota
    }
}
