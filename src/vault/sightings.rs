//! Since when records have not changed, by the clock of this process. Whoever has something under way shows by each change of its record
//! that it lives; whose record has stayed the same for long enough is taken for dead. No two clocks are compared. Only of stores that
//! replicas share: there no two records of an alias have the same version.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::store::Version;
use crate::ids::TenantName;

/// Which version of each record was seen last, and since when.
#[derive(Debug, Default)]
pub struct Sightings(Mutex<HashMap<TenantName, (Version, Instant)>>);

impl Sightings {
    /// Sees a version; for how long it has been there, as far as this process knows.
    pub fn unchanged_for(&self, alias: &TenantName, version: Version) -> Duration {
        let (mut seen, now) = (self.lock(), Instant::now());
        let (known, since) = seen.entry(alias.clone()).or_insert((version, now));
        if *known != version {
            (*known, *since) = (version, now);
        }
        now.duration_since(*since)
    }

    /// Nobody has anything under way there.
    pub fn forget(&self, alias: &TenantName) {
        self.lock().remove(alias);
    }

    /// Forgets all others.
    pub fn keep(&self, is_kept: impl Fn(&TenantName) -> bool) {
        self.lock().retain(|alias, _| is_kept(alias));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantName, (Version, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_version_ages_from_when_it_was_first_seen() {
        let (seen, second) = (Sightings::default(), Duration::from_secs(1));
        let [acme, beta] = ["acme", "beta"].map(|name| TenantName::parse(name).unwrap());
        assert_eq!(seen.unchanged_for(&acme, Version(1)), Duration::ZERO);
        tokio::time::advance(second).await;
        assert_eq!(seen.unchanged_for(&beta, Version(1)), Duration::ZERO, "each for itself");
        assert_eq!(seen.unchanged_for(&acme, Version(1)), second);
        assert_eq!(seen.unchanged_for(&acme, Version(2)), Duration::ZERO, "it lives");
        tokio::time::advance(second).await;
        assert_eq!(seen.unchanged_for(&acme, Version(2)), second);
        seen.keep(|alias| *alias == beta);
        assert_eq!(seen.unchanged_for(&acme, Version(2)), Duration::ZERO, "it was forgotten");
        assert_eq!(seen.unchanged_for(&beta, Version(1)), second);
        seen.forget(&beta);
        assert_eq!(seen.unchanged_for(&beta, Version(1)), Duration::ZERO);
    }
}
