//! Tenants of the configuration whose client secret is to be replaced: a record of the vault begins with the secret that is
//! written there, and from then on the record's come first. What is written is not changed, and is nobody's any more once it
//! was replaced.

use super::{RotationError, Rotator};
use crate::{
    ids::TenantName,
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
                && let Err(error) = self.take_over(&tenant.name).await
            {
                tracing::error!(tenant = %tenant.name, %error, remedy = error.remedy(), "its client secret is not replaced");
            }
        }
    }

    /// Begins the record of a tenant of the configuration.
    pub(super) async fn take_over(&self, alias: &TenantName) -> Result<Stored, RotationError> {
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
        let reservation = self.vault()?.reserve(alias.clone()).await?;
        let version = reservation.store(record.clone()).await?;
        Ok(Stored { record, version })
    }
}
