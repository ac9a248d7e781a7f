//! Whether replicas that share limits and tokens have been configured alike. A limit that is another at another replica shows with the
//! leases of both; `redis.token_key` by a mark that each replica shows. Limits differ for a while wherever a change is rolled out, so only
//! what lasts is a fault; keys may differ on purpose, so that is a fact.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use crate::{sealer::Sealer, secret::Secret};

/// What the mark of a `redis.token_key` is made for.
const PURPOSE: &[u8] = b"claviger agreement 1";
/// Of no key.
const NONE: &str = "none";
/// A rollout takes no longer, mostly.
const LASTS: Duration = Duration::from_mins(2);
/// How far apart it has to have shown at least, to be another replica's.
const AGAIN: Duration = Duration::from_secs(1);
/// After which a limit is no longer known to differ.
const FADES: Duration = Duration::from_mins(1);
/// As many limits are named at the most.
const MOST: usize = 100;

/// What to do about limits that differ.
pub const REMEDY: &str =
    "Give all replicas the same one. What is another deployment needs a `redis.prefix` of its own.";

/// What is known to differ.
#[derive(Debug)]
pub(super) struct Agreement {
    key_mark: String,
    other_keys: bool,
    /// By the name of the setting.
    limits: BTreeMap<String, Differs>,
}

#[derive(Debug, Clone, Copy)]
struct Differs {
    since: Instant,
    last: Instant,
    is_told: bool,
}

impl Agreement {
    /// Nothing is, of a replica with this `redis.token_key`.
    pub(super) fn new(token_key: Option<&Secret>) -> Self {
        let alias = token_key.and_then(|key| Sealer::new(key, PURPOSE).alias(b"redis.token_key").ok());
        let key_mark = alias.map_or_else(
            || NONE.to_owned(),
            |alias| alias.iter().map(|byte| format!("{byte:02x}")).collect(),
        );
        Self { key_mark, other_keys: false, limits: BTreeMap::new() }
    }

    /// What this replica shows.
    pub(super) fn key_mark(&self) -> &str {
        &self.key_mark
    }

    /// So many marks are shown.
    pub(super) fn counted_keys(&mut self, marks: u32) {
        self.other_keys = marks > 1;
    }

    /// Another replica leases by another limit. Whether somebody is to be told now.
    pub(super) fn differs(&mut self, setting: &str, now: Instant) -> bool {
        self.limits.retain(|_, differs| now.saturating_duration_since(differs.last) < FADES);
        if !self.limits.contains_key(setting) && self.limits.len() < MOST {
            self.limits.insert(setting.to_owned(), Differs { since: now, last: now, is_told: false });
        }
        let Some(differs) = self.limits.get_mut(setting) else { return false };
        differs.last = now;
        now.saturating_duration_since(differs.since) >= LASTS
            && !std::mem::replace(&mut differs.is_told, true)
    }

    /// Whether another replica has another `redis.token_key`, or none; and the limits that differ, each with whether that has lasted.
    pub(super) fn differing(&self, now: Instant) -> (bool, Vec<(String, bool)>) {
        // This replica's own, of before a change, shows once.
        let again = |it: &Differs| it.last.saturating_duration_since(it.since) >= AGAIN;
        let known =
            self.limits.iter().filter(|(_, it)| again(it) && now.saturating_duration_since(it.last) < FADES);
        (self.other_keys, known.map(|(setting, it)| (setting.clone(), it.is_told)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_limit_that_differs_for_a_moment_is_shown_and_one_that_lasts_is_told_once() {
        let mut agreement = Agreement::new(None);
        let quota = "tenants.acme.quota";
        let begun = Instant::now();
        for (seconds, is_told, lasts) in [
            (0, false, false),
            (50, false, false),
            (100, false, false),
            (130, true, true),
            (140, false, true),
        ] {
            let now = begun + Duration::from_secs(seconds);
            assert_eq!(agreement.differs(quota, now), is_told, "{seconds}");
            let shown = agreement.differing(now).1;
            let once = seconds == 0;
            assert_eq!(shown.first(), (!once).then_some(&(quota.to_owned(), lasts)), "{seconds}");
        }
        let later = begun + Duration::from_secs(140) + FADES;
        assert!(agreement.differing(later).1.is_empty());
        assert!(!agreement.differs(quota, later), "it begins anew");
        for at in [later, later + AGAIN] {
            (0..2 * MOST).for_each(|n| _ = agreement.differs(&n.to_string(), at));
        }
        assert_eq!(agreement.differing(later + AGAIN).1.len(), MOST - 1, "and the quota, once");
    }

    #[test]
    fn the_mark_of_a_key_tells_others_apart_and_nothing_of_it() {
        let mark = |key: &str| Agreement::new(Some(&Secret::new(key.into()))).key_mark().to_owned();
        assert_eq!(mark("one"), mark("one"));
        assert_ne!(mark("one"), mark("other"));
        assert_eq!((mark("one").len(), Agreement::new(None).key_mark()), (32, NONE));
    }
}
