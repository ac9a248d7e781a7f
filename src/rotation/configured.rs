//! Tenants of the configuration whose client secret is to be replaced: a record of the vault begins with the secret that is
//! written there, and from then on the record's come first. What is written is not changed, and is nobody's any more once it
//! was replaced.

use super::{ROUND, RotationError, Rotator, SCHEDULE};
use crate::{
    ids::TenantName,
    observe::audit::TenantRecord,
    secret::SecretProvider as _,
    vault::{Record, Stored, VaultError},
};

/// Whom such a record names as its creator.
const CONFIGURATION: &str = "configuration";

impl Rotator {
    /// Begins a record for each tenant whose table says `rotate`: its age counts from now, as nobody knows it.
    pub(super) async fn take_over_all(&self) {
        let config = self.pipeline.load().config();
        for tenant in config.tenants.iter().filter(|tenant| tenant.rotate.is_some()) {
            let there = match self.vault() {
                Ok(vault) => vault.get(&tenant.name).await,
                Err(_) => return,
            };
            if matches!(there, Ok(None))
                && self.failed.left(&tenant.name).is_none()
                && let Err(error) = self.take_over(&tenant.name, SCHEDULE).await
            {
                let failure = self.told_of(&tenant.name, &error);
                self.failed.add(tenant.name.clone(), ROUND, Some(failure));
            }
        }
    }

    /// Begins the record of a tenant of the configuration, which is a change of the vault, or an attempt at one.
    pub(super) async fn take_over(
        &self,
        alias: &TenantName,
        by: &'static str,
    ) -> Result<Stored, RotationError> {
        let taken = self.taken_over(alias).await;
        match &taken {
            Ok(_) => {
                if let Some(audit) = &self.shared.audit {
                    audit.tenant(TenantRecord::new(self.now(), alias.clone(), "adopt", by, "done", None));
                }
            }
            Err(error) => self.record(alias, by, "failed", None, Some(error.to_string())),
        }
        taken
    }

    async fn taken_over(&self, alias: &TenantName) -> Result<Stored, RotationError> {
        let unknown = || VaultError::Unknown(alias.clone());
        let tenant = self.pipeline.load().tenants().get(alias.as_str()).ok_or_else(unknown)?;
        let own = tenant.config();
        let first = tenant.secrets().first().ok_or_else(unknown)?;
        let reading = first.read().await.map_err(|error| RotationError::Unreadable(error.to_string()))?;
        let (endpoint, resource) = (own.endpoint.clone(), own.resource.clone());
        let (client_id, now) = (own.client_id.clone(), self.now());
        let record =
            Record::new(alias.clone(), endpoint, resource, client_id, reading.secret, CONFIGURATION, now);
        let record = Record { configured: true, ..record };
        // A record that cannot be rotated would only come before what is written.
        self.has_own_application(&record)?;
        let reservation = self.vault()?.reserve(alias.clone()).await?;
        let version = reservation.store(record.clone()).await?;
        Ok(Stored { record, version })
    }
}
