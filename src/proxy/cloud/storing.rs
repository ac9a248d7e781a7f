//! Storing the only copy of a credential: tried again while the vault is unavailable, from the reservation on. An answer of the vault
//! may get lost after it has written, so what is found there is compared before anything counts as not stored.

use std::{array, time::Duration};

use super::note::Note;
use crate::{
    ids::TenantName,
    proxy::build::reserve,
    tenants::Directory,
    upstream::Tenant,
    vault::{Record, Reservation, Vault, VaultError},
};

/// Between tries.
const AGAIN: [Duration; 3] = [Duration::from_millis(100), Duration::from_millis(400), Duration::from_secs(2)];

/// The tries that one credential has, for all that it takes to store it.
pub(super) struct Tries(array::IntoIter<Duration, 3>);

impl Tries {
    pub(super) fn new() -> Self {
        Self(AGAIN.into_iter())
    }

    /// Waits for the next try, where one may help.
    async fn go_on(&mut self, error: &VaultError) -> bool {
        let VaultError::Unavailable(_) = error else { return false };
        let Some(pause) = self.0.next() else { return false };
        tokio::time::sleep(pause).await;
        true
    }

    /// Takes an alias that neither the vault nor any of `taken` has.
    pub(super) async fn reserve(
        &mut self,
        vault: &Vault,
        taken: &Directory<Tenant>,
        alias: &TenantName,
    ) -> Result<Reservation, VaultError> {
        loop {
            let error = match reserve(Some(vault), taken, alias.clone()).await {
                Ok(reservation) => return Ok(reservation),
                Err(error) => error,
            };
            if !self.go_on(&error).await {
                return Err(error);
            }
        }
    }

    /// Stores a record under the alias that is reserved, in the place of the note of its creation.
    pub(super) async fn store(
        &mut self,
        vault: &Vault,
        reservation: &Reservation,
        note: Option<&Note>,
        record: Record,
    ) -> Result<(), VaultError> {
        loop {
            let stored = match note.filter(|note| note.alias() == reservation.alias()) {
                Some(note) => note.give_way(vault, reservation, record.clone()).await,
                None => reservation.store(record.clone()).await.map(drop),
            };
            let Err(error) = stored else { break };
            if self.go_on(&error).await {
                continue;
            }
            if !is_stored(vault, &record).await {
                return Err(error);
            }
            break;
        }
        if let Some(note) = note.filter(|note| note.alias() != reservation.alias()) {
            note.forget(vault).await;
        }
        Ok(())
    }
}

/// Whether the vault has this credential under its alias.
async fn is_stored(vault: &Vault, record: &Record) -> bool {
    let Ok(Some(found)) = vault.get(&record.alias).await else { return false };
    let there = found.record;
    let has_secret = there.all_secrets().any(|secret| record.all_secrets().any(|ours| ours == secret));
    there.tenant_id == record.tenant_id && there.client_id == record.client_id && has_secret
}

#[cfg(test)]
mod tests;
