//! The note that a creation was begun, which is in the vault from before anything is sent until its credential is: a process that
//! dies between leaves it, and the next one looks at the account's tenants for what became of it. Where the tenant exists, the
//! note says so from then on; nobody has its credential.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{list::List, unresolved::Asked};
use crate::{
    ids::TenantName,
    proxy::{
        error::{CreationError, Failure},
        pipeline::Pipeline,
    },
    upstream::Tenant,
    vault::{Creating, Record, Reservation, Stored, Vault, VaultError, Version},
};

/// A note that is stored.
pub(super) struct Note {
    record: Record,
    version: Version,
}

impl Note {
    /// An alias that nobody has, for a creation that gets its own later.
    pub(super) fn new_alias() -> Option<TenantName> {
        TenantName::parse(&format!("creating-{:016x}", fastrand::u64(..))).ok()
    }

    /// Stores it, under the alias that is reserved where one is.
    pub(super) async fn store(
        vault: &Vault,
        reservation: Option<&Reservation>,
        record: Record,
    ) -> Result<Self, VaultError> {
        let version = match reservation {
            Some(reservation) => reservation.store(record.clone()).await?,
            None => vault.reserve(record.alias.clone()).await?.store(record.clone()).await?,
        };
        Ok(Self { record, version })
    }

    /// Under which alias.
    pub(super) fn alias(&self) -> &TenantName {
        &self.record.alias
    }

    /// The credential takes its place, under the same alias. What somebody else made of the note meanwhile, who took its process for dead, does not
    /// matter: this one knows better.
    pub(super) async fn give_way(
        &self,
        vault: &Vault,
        reservation: &Reservation,
        record: Record,
    ) -> Result<(), VaultError> {
        match vault.replace(record.clone(), self.version).await {
            Ok(_) => Ok(()),
            Err(VaultError::Unknown(_)) => reservation.store(record).await.map(drop),
            Err(VaultError::Changed(alias)) => match vault.get(&alias).await? {
                Some(Stored { record: found, version }) if found.creating.is_some() => {
                    vault.replace(record, version).await.map(drop)
                }
                _ => Err(VaultError::Changed(alias)),
            },
            Err(error) => Err(error),
        }
    }

    /// Nobody knows what became of it: whoever asks for the alias next, of any process, looks at the account's tenants first.
    pub(super) async fn mark_unanswered(mut self, vault: &Vault) {
        if let Some(creating) = &mut self.record.creating {
            creating.is_unanswered = true;
        }
        if let Err(error) = vault.replace(self.record, self.version).await {
            tracing::warn!(%error, "a creation that got no answer reads as one that is under way, until it was silent for twice timeouts.deadline");
        }
    }

    /// The tenant exists and nobody has its credential: so it says until that is adopted or deleted. Under the alias that is
    /// reserved for that, where there is one, so that the adoption replaces it.
    pub(super) async fn complete(mut self, vault: &Vault, reservation: Option<&Reservation>, id: String) {
        self.record.tenant_id = Some(id);
        if let Some(reservation) = reservation
            && *reservation.alias() != self.record.alias
            && reservation.store(self.record.clone()).await.is_ok()
        {
            return self.forget(vault).await;
        }
        if let Err(error) = vault.replace(self.record, self.version).await {
            tracing::warn!(%error, "the note of a creation does not say which tenant came of it, until the account's tenants are listed");
        }
    }

    /// Nobody needs it any more.
    pub(super) async fn forget(&self, vault: &Vault) {
        let alias = &self.record.alias;
        if let Err(error) = vault.remove(alias, self.version).await {
            tracing::warn!(tenant = %alias, %error, "the note of a creation that is over stays in the vault: claviger tenant remove takes it out");
        }
    }
}

/// Why a tenant is there that nobody has the credential of, and no other is created.
pub(super) const UNANSWERED: &str = "an earlier request to create it got no answer, or none that could be kept, and another is sent only once that is adopted or deleted";

/// Why nobody has the credential of a tenant that was found.
fn why_lost(creating: &Creating) -> &'static str {
    match creating.is_unanswered {
        true => UNANSWERED,
        false => "the process that created it could not store its credential, or ended before it had",
    }
}

/// How often is looked for notes that another process has left.
const SELDOM: Duration = Duration::from_mins(10);

impl Pipeline {
    /// Finds out what became of the creations whose process has died, as far as the accounts' tenants tell it; when to look again.
    pub async fn settle_creations(&self) -> Duration {
        let Some(vault) = &self.vault else { return SELDOM };
        let Ok(all) = vault.list().await else { return SELDOM };
        let open: Vec<_> = all.into_iter().filter(|stored| stored.record.is_open_note()).collect();
        self.unresolved.notes.keep(|alias| open.iter().any(|stored| stored.record.alias == *alias));
        let mut again = SELDOM;
        for stored in open {
            let alias = stored.record.alias.clone();
            if !self.is_cut_off(vault, &stored) {
                again = self.patience();
                continue;
            }
            match self.settle(vault, stored).await {
                Ok(()) => {
                    tracing::info!(tenant = %alias, "a creation was cut off before Logto Cloud had a tenant: its alias is free");
                }
                Err(error) => {
                    tracing::error!(tenant = %alias, "the creation of a tenant was cut off: {error}")
                }
            }
        }
        again
    }

    /// How long a creation takes at most.
    fn patience(&self) -> Duration {
        self.config.timeouts.deadline * 2
    }

    /// Whether it can only be of a process that is gone. Other processes' clocks say nothing: a note of theirs ages from when it was
    /// first seen here.
    fn is_cut_off(&self, vault: &Vault, Stored { record, version }: &Stored) -> bool {
        let age = if vault.is_shared() {
            self.unresolved.notes.unchanged_for(&record.alias, *version)
        } else {
            self.broker.clock.now().wall.duration_since(record.created_at).unwrap_or_default()
        };
        age >= self.patience()
    }

    /// The same of one alias, before it is asked for again.
    pub(super) async fn settle_alias(&self, alias: &TenantName) -> Result<(), Failure> {
        let Some(vault) = &self.vault else { return Ok(()) };
        match vault.get(alias).await? {
            Some(stored)
                if stored.record.is_unanswered_note()
                    || stored.record.is_open_note() && self.is_cut_off(vault, &stored) =>
            {
                self.settle(vault, stored).await
            }
            Some(Stored {
                record: Record { creating: Some(creating), tenant_id: Some(id), template, .. },
                ..
            }) => {
                let why = why_lost(&creating);
                Err(CreationError::not_stored(&[id], Some(alias), template.as_ref(), why).into())
            }
            _ => Ok(()),
        }
    }

    /// Takes the note out where there is no such tenant, and completes it where there is one.
    async fn settle(&self, vault: &Vault, stored: Stored) -> Result<(), Failure> {
        let Stored { mut record, version } = stored;
        let Some(creating) = &record.creating else { return Ok(()) };
        let account: Arc<Tenant> = self
            .accounts
            .get(TenantName::of_account(&creating.account).as_str())
            .ok_or(CreationError::NoAccount)?;
        let mut apart = self.apart(&account);
        let idle = self.config.timeouts.body;
        let list = List { tenant: &account, worker: 0, idle, name: creating.name.as_deref(), vault };
        let found = list.found(&mut apart).await?;
        match found.as_deref() {
            Some([]) => match vault.remove(&record.alias, version).await {
                // Another process was faster.
                Err(VaultError::Changed(_) | VaultError::Unknown(_)) => Ok(()),
                removed => Ok(removed?),
            },
            found => {
                let ids = found.unwrap_or_default().to_vec();
                let why = why_lost(creating);
                let failure =
                    CreationError::not_stored(&ids, Some(&record.alias), record.template.as_ref(), why);
                if let [only] = &*ids {
                    record.tenant_id = Some(only.clone());
                    // Whoever asks for it by another alias is told, too.
                    let asked = Asked::of(account.config().name.clone(), creating.name.clone());
                    self.unresolved.add(asked, Instant::now());
                    vault.replace(record, version).await?;
                }
                Err(failure.into())
            }
        }
    }
}
