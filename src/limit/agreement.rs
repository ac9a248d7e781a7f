//! Whether replicas that share limits and tokens have been configured alike. A limit that is another at another replica shows with the
//! leases of both; `redis.token_key` by a mark that each replica shows. Both differ for a while wherever a change is rolled out, so only
//! what lasts is a fault.

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
/// After which a limit is no longer known to differ: at a tenant with little to do both lease at the same time now and then only.
const FADES: Duration = Duration::from_mins(5);
/// As many limits are named at the most.
const MOST: usize = 100;

/// The key that tokens and kept answers are sealed with.
const TOKEN_KEY: &str = "redis.token_key";

/// What to do about settings that differ.
pub const REMEDY: &str =
    "Give all replicas the same one. What is another deployment needs a `redis.prefix` of its own.";

/// What comes of it that this setting differs.
pub fn effect(setting: &str) -> &'static str {
    if setting == TOKEN_KEY {
        "another replica has another one, or none; neither can use the tokens, nor the answers to an Idempotency-Key, that the other one keeps"
    } else {
        "another replica has another one; both spend of the same, so neither holds"
    }
}

/// What is known to differ.
#[derive(Debug)]
pub(super) struct Agreement {
    key_mark: String,
    /// By the name of the setting.
    settings: BTreeMap<String, Differs>,
}

/// What differs, as it is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Differing {
    /// Whether another replica has another `redis.token_key`, or none.
    pub keys: bool,
    /// The limits that do.
    pub limits: Vec<String>,
    /// What has for longer than a rollout takes, the key included.
    pub lasting: Vec<String>,
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
        Self { key_mark, settings: BTreeMap::new() }
    }

    /// What this replica shows.
    pub(super) fn key_mark(&self) -> &str {
        &self.key_mark
    }

    /// So many marks are shown. The setting that somebody is to be told of now.
    pub(super) fn counted_keys(&mut self, marks: u32, now: Instant) -> Option<&'static str> {
        if marks > 1 {
            return self.differs(TOKEN_KEY, now).then_some(TOKEN_KEY);
        }
        self.settings.remove(TOKEN_KEY);
        None
    }

    /// Another replica has another value of this setting. Whether somebody is to be told now.
    pub(super) fn differs(&mut self, setting: &str, now: Instant) -> bool {
        self.settings.retain(|_, differs| now.saturating_duration_since(differs.last) < FADES);
        if !self.settings.contains_key(setting) && self.settings.len() < MOST {
            self.settings.insert(setting.to_owned(), Differs { since: now, last: now, is_told: false });
        }
        let Some(differs) = self.settings.get_mut(setting) else { return false };
        differs.last = now;
        now.saturating_duration_since(differs.since) >= LASTS
            && !std::mem::replace(&mut differs.is_told, true)
    }

    pub(super) fn differing(&self, now: Instant) -> Differing {
        let mut differing = Differing::default();
        for (setting, it) in &self.settings {
            if now.saturating_duration_since(it.last) >= FADES {
                continue;
            }
            if it.is_told {
                differing.lasting.push(setting.clone());
            }
            if setting == TOKEN_KEY {
                differing.keys = true;
            } else if it.last.saturating_duration_since(it.since) >= AGAIN {
                // This replica's own, of before a change, shows once.
                differing.limits.push(setting.clone());
            }
        }
        differing
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
            let shown = agreement.differing(now);
            let once = seconds == 0;
            let named = |is: bool| if is { vec![quota.to_owned()] } else { Vec::new() };
            assert_eq!((shown.limits, shown.lasting), (named(!once), named(lasts)), "{seconds}");
        }
        let later = begun + Duration::from_secs(140) + FADES;
        assert_eq!(agreement.differing(later), Differing::default());
        assert!(!agreement.differs(quota, later), "it begins anew");
        for at in [later, later + AGAIN] {
            (0..2 * MOST).for_each(|n| _ = agreement.differs(&n.to_string(), at));
        }
        assert_eq!(agreement.differing(later + AGAIN).limits.len(), MOST - 1, "and the quota, once");
    }

    #[tokio::test(start_paused = true)]
    async fn another_key_is_shown_at_once_told_when_it_lasts_and_over_when_all_have_the_same() {
        let mut agreement = Agreement::new(None);
        let now = Instant::now();
        assert_eq!(agreement.counted_keys(2, now), None);
        assert_eq!(agreement.differing(now), Differing { keys: true, ..Differing::default() });
        assert_eq!(agreement.counted_keys(2, now + LASTS), Some(TOKEN_KEY));
        assert_eq!(agreement.differing(now + LASTS).lasting, [TOKEN_KEY]);
        assert_eq!(agreement.counted_keys(2, now + LASTS), None, "once");
        assert_eq!(agreement.counted_keys(1, now + LASTS), None);
        assert_eq!(agreement.differing(now + LASTS), Differing::default());
    }

    #[test]
    fn the_mark_of_a_key_tells_others_apart_and_nothing_of_it() {
        let mark = |key: &str| Agreement::new(Some(&Secret::new(key.into()))).key_mark().to_owned();
        assert_eq!(mark("one"), mark("one"));
        assert_ne!(mark("one"), mark("other"));
        assert_eq!((mark("one").len(), Agreement::new(None).key_mark()), (32, NONE));
    }
}
