//! Of several processes with one store, exactly one goes on with a rotation. It puts its name into the record, by the version
//! that it has seen: of two who do so one comes late. Each step that it stores changes the version again, and so says that
//! it lives. Whoever has seen the same version for as long as `vault.lease`, by its own clock, takes over; the holder itself
//! gives a step up in half of that time. A holder that was stopped and wakes up finds that its version is gone, and the name
//! of the new secret, which Logto takes once, keeps it from making a second one before it has found out.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{RotationError, Rotator};
use crate::{
    config::VaultOptions,
    ids::TenantName,
    vault::{Lease, Record, Step, Stored, Vault, VaultError, Version},
};

/// What is known of the others.
pub(super) struct Leases {
    /// This process.
    me: String,
    /// Since when a version with another's name has been seen.
    seen: Mutex<HashMap<TenantName, (Version, Instant)>>,
}

impl Leases {
    pub(super) fn new() -> Self {
        Self { me: format!("{:016x}", fastrand::u64(..)), seen: Mutex::default() }
    }

    /// How long another one may go on with this record without being heard of; `None`: nobody does.
    fn left(&self, stored: &Stored, lease: Duration) -> Option<Duration> {
        let alias = &stored.record.alias;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match &stored.record.rotation.lease {
            Some(Lease { holder }) if *holder != self.me => {}
            _ => {
                seen.remove(alias);
                return None;
            }
        }
        let now = Instant::now();
        let (version, since) = seen.entry(alias.clone()).or_insert((stored.version, now));
        if *version != stored.version {
            (*version, *since) = (stored.version, now);
        }
        let left = lease.saturating_sub(now.duration_since(*since));
        if left.is_zero() {
            seen.remove(alias);
        }
        Some(left).filter(|left| !left.is_zero())
    }
}

impl Rotator {
    /// `vault.lease`
    pub(super) fn lease(&self) -> Duration {
        let config = self.pipeline.load().config();
        config.vault.as_ref().map_or(VaultOptions::LEASE, |vault| vault.lease)
    }

    fn is_shared(&self) -> bool {
        self.shared.vault.as_ref().is_some_and(Vault::is_shared)
    }

    /// For how long this record is another process's to go on with, unless it is heard of.
    pub(super) fn elsewhere(&self, stored: &Stored) -> Option<Duration> {
        if self.is_shared() { self.leases.left(stored, self.lease()) } else { None }
    }

    /// Goes on with what nobody else does; afterwards others may.
    pub(super) async fn with_lease(&self, stored: Stored) -> Result<Stored, RotationError> {
        let alias = stored.record.alias.clone();
        let stored = match stored.record.rotation.step {
            // What is begun is claimed in the same write.
            None => stored,
            Some(_) if !self.is_shared() => stored,
            Some(_) => self.claimed(stored.record, stored.version).await?,
        };
        let done = self.steps(stored).await;
        match done {
            Ok(Stored { record, version }) if record.rotation.lease.is_some() => {
                self.released(record, version).await
            }
            Ok(stored) => Ok(stored),
            Err(error) => {
                if self.is_shared() && !matches!(error, RotationError::Underway(_)) {
                    self.release(&alias).await;
                }
                Err(error)
            }
        }
    }

    /// Stores the record with the name of this process; whoever comes late is told so.
    pub(super) async fn claimed(&self, mut record: Record, known: Version) -> Result<Stored, RotationError> {
        let alias = record.alias.clone();
        if self.is_shared() {
            record.rotation.lease = Some(Lease { holder: self.leases.me.clone() });
        }
        match self.store(record, known).await {
            Err(RotationError::Vault(VaultError::Changed(_) | VaultError::Unknown(_)))
                if self.is_shared() =>
            {
                Err(RotationError::Underway(alias))
            }
            other => other,
        }
    }

    /// A step that takes longer than half a lease is given up: another process may go on with it soon.
    pub(super) async fn in_time<T>(
        &self,
        alias: TenantName,
        step: impl Future<Output = Result<T, RotationError>>,
    ) -> Result<T, RotationError> {
        if !self.is_shared() {
            return step.await;
        }
        match tokio::time::timeout(self.lease() / 2, step).await {
            Ok(Err(RotationError::Vault(VaultError::Changed(_) | VaultError::Unknown(_)))) | Err(_) => {
                Err(RotationError::Underway(alias))
            }
            Ok(done) => done,
        }
    }

    async fn released(&self, mut record: Record, version: Version) -> Result<Stored, RotationError> {
        record.rotation.lease = None;
        self.store(record, version).await
    }

    /// After a failure, so that others may try. Where this fails too, they wait.
    async fn release(&self, alias: &TenantName) {
        let Ok(Stored { record, version }) = self.stored(alias).await else { return };
        if record.rotation.lease.as_ref().is_some_and(|lease| lease.holder == self.leases.me)
            && matches!(
                record.rotation.step,
                Some(Step::Create { .. } | Step::Prove(_) | Step::Retire { .. }) | None
            )
            && let Err(error) = self.released(record, version).await
        {
            tracing::debug!(tenant = %alias, %error, "the lease of a rotation is not given back");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::{config::Endpoint, secret::Secret};

    const LEASE: Duration = Duration::from_secs(60);

    fn stored(version: u64, holder: Option<&str>) -> Stored {
        let endpoint = Endpoint::parse("https://acme.logto.app").unwrap();
        let (alias, secret) = (TenantName::parse("acme").unwrap(), Secret::new(b"s".to_vec()));
        let now = SystemTime::UNIX_EPOCH;
        let mut record =
            Record::new(alias, endpoint, "https://x/api".into(), "m2m".into(), secret, "operator", now);
        record.rotation.lease = holder.map(|holder| Lease { holder: holder.into() });
        Stored { record, version: Version(version) }
    }

    #[tokio::test(start_paused = true)]
    async fn anothers_lease_holds_while_its_version_changes_and_for_a_while_after() {
        let leases = Leases::new();
        assert_eq!(leases.left(&stored(1, None), LEASE), None);
        assert_eq!(leases.left(&stored(1, Some(&leases.me.clone())), LEASE), None, "it is ours");
        assert_eq!(leases.left(&stored(2, Some("other")), LEASE), Some(LEASE));
        tokio::time::advance(LEASE / 2).await;
        assert_eq!(leases.left(&stored(2, Some("other")), LEASE), Some(LEASE / 2));
        assert_eq!(leases.left(&stored(3, Some("other")), LEASE), Some(LEASE), "it lives");
        tokio::time::advance(LEASE).await;
        assert_eq!(leases.left(&stored(3, Some("other")), LEASE), None, "it is dead");
        assert_eq!(leases.left(&stored(4, Some("third")), LEASE), Some(LEASE), "another one was faster");
    }
}
