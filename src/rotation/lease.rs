//! Of several processes with one store, exactly one goes on with a rotation. It puts its name into the record, by the version
//! that it has seen: of two who do so one comes late. Each step that it stores changes the version again, and so says that
//! it lives. Whoever has seen the same version for as long as `vault.lease`, by its own clock, takes over; the holder itself
//! gives a step up in half of that time. A holder that was stopped and wakes up finds that its version is gone, and the name
//! of the new secret, which Logto takes once, keeps it from making a second one before it has found out.

use std::time::Duration;

use super::{RotationError, Rotator};
use crate::{
    config::VaultOptions,
    ids::TenantName,
    vault::{Lease, Record, Step, Stored, Vault, VaultError, Version},
};

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
    pub(super) async fn with_lease(&self, stored: Stored, by: &'static str) -> Result<Stored, RotationError> {
        self.has_own_application(&stored.record)?;
        let alias = stored.record.alias.clone();
        let stored = match stored.record.rotation.step {
            // What is begun is claimed in the same write.
            None => stored,
            Some(_) if !self.is_shared() => stored,
            Some(_) => self.claimed(stored.record, stored.version).await?,
        };
        let done = self.steps(stored, by).await;
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
            record.rotation.lease = Some(Lease { holder: self.leases.me().to_owned() });
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
        // One that was removed meanwhile is not begun anew.
        let Ok(vault) = self.vault() else { return };
        let Ok(Some(Stored { record, version })) = vault.get(alias).await else { return };
        if record.rotation.lease.as_ref().is_some_and(|lease| lease.holder == self.leases.me())
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
