//! The way to the vault: who may have an alias, and who is told of changes. A change is answered when it is stored and the
//! tenants in force have taken it up, so that the next request finds what the last one made.

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{broadcast, mpsc, oneshot};

use super::{
    change::{Changed, Changes},
    error::{Holder, Unavailable, VaultError},
    follow::{Asked, Follower},
    record::Record,
    store::{Store, Stored, Version},
};
use crate::ids::TenantName;

/// How long a change waits until the tenants in force have it. It is stored by then, and comes into force all the same.
const PATIENCE: Duration = Duration::from_secs(10);
/// Changes that wait to come into force.
const QUEUE: usize = 1024;

/// The way to the vault. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    underway: Mutex<HashSet<TenantName>>,
    listener: Mutex<Option<Listener>>,
    /// Tenants whose records have changed, once what is in force follows them.
    news: broadcast::Sender<TenantName>,
}

/// Who is told of a change that this process made.
#[derive(Clone)]
enum Listener {
    /// Whoever keeps the tenants in force.
    Direct(mpsc::Sender<Changed>),
    /// What follows the store, and tells them.
    Follower(mpsc::Sender<Asked>),
}

/// An alias that nobody else gets while this is held.
#[derive(Debug)]
pub struct Reservation {
    vault: Vault,
    alias: TenantName,
    /// What is stored takes the place of this note of a creation.
    note: Option<Version>,
}

impl Vault {
    /// The vault in `store`.
    pub fn new(store: impl Store + 'static) -> Self {
        Self(Arc::new(Inner {
            store: Arc::new(store),
            underway: Mutex::default(),
            listener: Mutex::default(),
            news: broadcast::Sender::new(QUEUE),
        }))
    }

    /// Takes an alias, so that a tenant can be created or adopted under it. It is free again when the reservation is
    /// dropped. Other processes know of it by what [`Reservation::store`] stores: where something is to be done once at Logto, a
    /// note comes first.
    ///
    /// # Errors
    /// [`VaultError::AliasTaken`]; nothing may be done at Logto then.
    pub async fn reserve(&self, alias: TenantName) -> Result<Reservation, VaultError> {
        let (reservation, found) = self.held(alias).await?;
        match found {
            Some(found) => Err(reservation.taken(&found)),
            None => Ok(reservation),
        }
    }

    /// The same for a tenant that exists: the alias may have the note of a creation that nobody goes on with. The note stays until what is
    /// stored takes its place.
    ///
    /// # Errors
    /// As of [`Vault::reserve`].
    pub async fn reserve_to_adopt(&self, alias: TenantName) -> Result<Reservation, VaultError> {
        let (mut reservation, found) = self.held(alias).await?;
        if let Some(found) = found {
            if !found.record.is_note_at_rest() {
                return Err(reservation.taken(&found));
            }
            reservation.note = Some(found.version);
        }
        Ok(reservation)
    }

    /// An alias that nobody else of this process is at, and what the store has of it.
    async fn held(&self, alias: TenantName) -> Result<(Reservation, Option<Stored>), VaultError> {
        if !self.underway().insert(alias.clone()) {
            return Err(VaultError::AliasTaken { alias, by: Holder::Underway });
        }
        // From here on dropping it frees the alias.
        let reservation = Reservation { vault: self.clone(), alias, note: None };
        let found = self.get(&reservation.alias).await?;
        Ok((reservation, found))
    }

    /// Who has an alias in the store.
    async fn holder(&self, alias: &TenantName) -> Result<Option<Holder>, VaultError> {
        Ok(self.get(alias).await?.map(|found| holder_of(&found)))
    }

    /// The record of an alias.
    ///
    /// # Errors
    /// [`VaultError::Unavailable`].
    pub async fn get(&self, alias: &TenantName) -> Result<Option<Stored>, VaultError> {
        self.0.store.get(alias).await
    }

    /// All records, in order of alias.
    ///
    /// # Errors
    /// [`VaultError::Unavailable`].
    pub async fn list(&self) -> Result<Vec<Stored>, VaultError> {
        self.0.store.list().await
    }

    /// Puts a record in the place of the one of `known` version, and brings it into force.
    ///
    /// # Errors
    /// [`VaultError::Changed`] where somebody else was first; [`VaultError`].
    pub async fn replace(&self, record: Record, known: Version) -> Result<Version, VaultError> {
        let version = self.0.store.replace(record.clone(), known).await?;
        self.tell(record.alias.clone(), Some(Stored { record, version })).await;
        Ok(version)
    }

    /// Takes a record out, and its tenant out of force. At Logto nothing changes.
    ///
    /// # Errors
    /// As of [`Vault::replace`].
    pub async fn remove(&self, alias: &TenantName, known: Version) -> Result<(), VaultError> {
        self.0.store.remove(alias, known).await?;
        self.tell(alias.clone(), None).await;
        Ok(())
    }

    /// Every change from now on: of this process, and in a store that others change as well, theirs. `known` is what is in
    /// force now; `relist` is how often such a store is read whole. There is one listener; another one takes its place. To be
    /// called in the runtime that outlives those of requests.
    pub fn changes(&self, known: BTreeMap<TenantName, Version>, relist: Duration) -> Changes {
        let (tell, changes) = mpsc::channel(QUEUE);
        let listener = match self.0.store.notices() {
            None => Listener::Direct(tell),
            Some(notices) => {
                let (ask, asked) = mpsc::channel(QUEUE);
                let store = self.0.store.clone();
                tokio::spawn(Follower { store, notices, asked, tell, known, relist }.run());
                Listener::Follower(ask)
            }
        };
        *self.0.listener.lock().unwrap_or_else(PoisonError::into_inner) = Some(listener);
        changes
    }

    /// The tenants whose records somebody changes from now on, here or in another process, each once what is in force follows it. Who
    /// does not read in time misses some, and is told so.
    pub fn news(&self) -> broadcast::Receiver<TenantName> {
        self.0.news.subscribe()
    }

    /// What is in force follows the record of this tenant.
    pub fn took_up(&self, alias: &TenantName) {
        // Without a reader it is news to nobody.
        let _ = self.0.news.send(alias.clone());
    }

    /// Why the store did not answer the last time; `None` where it did.
    pub fn trouble(&self) -> Option<Unavailable> {
        self.0.store.trouble()
    }

    /// Whether other processes change the store as well.
    pub fn is_shared(&self) -> bool {
        self.0.store.is_shared()
    }

    async fn tell(&self, alias: TenantName, now: Option<Stored>) {
        let listener = self.0.listener.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (done, taken_up) = oneshot::channel();
        // What cannot be told is stored, and comes into force at the next start.
        let told = match listener {
            None => return,
            Some(Listener::Direct(tell)) => {
                tell.send(Changed { alias: alias.clone(), now, done }).await.is_ok()
            }
            Some(Listener::Follower(ask)) => ask.send((alias.clone(), done)).await.is_ok(),
        };
        if told && tokio::time::timeout(PATIENCE, taken_up).await.is_err() {
            tracing::warn!(tenant = %alias, "the change is stored, and not in force yet");
        }
    }

    fn underway(&self) -> MutexGuard<'_, HashSet<TenantName>> {
        self.0.underway.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reservation {
    /// The alias.
    pub fn alias(&self) -> &TenantName {
        &self.alias
    }

    /// Stores a record under the alias, whatever alias it says, and brings its tenant into force: the next request to it
    /// works. A failure leaves the reservation, so that it can be tried again.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn store(&self, record: Record) -> Result<Version, VaultError> {
        let record = Record { alias: self.alias.clone(), ..record };
        let version = match self.put(&record).await {
            Err(VaultError::AliasTaken { alias, by }) => {
                // Another process was faster: the store is where one of several wins.
                let by = self.vault.holder(&alias).await.ok().flatten().unwrap_or(by);
                return Err(VaultError::AliasTaken { alias, by });
            }
            put => put?,
        };
        self.vault.tell(self.alias.clone(), Some(Stored { record, version })).await;
        Ok(version)
    }

    async fn put(&self, record: &Record) -> Result<Version, VaultError> {
        let store = &self.vault.0.store;
        let replaced = match self.note {
            Some(note) => store.replace(record.clone(), note).await,
            None => return store.create(record.clone()).await,
        };
        match replaced {
            // Somebody took the note out.
            Err(VaultError::Unknown(_)) => store.create(record.clone()).await,
            Err(VaultError::Changed(alias)) => Err(VaultError::AliasTaken { alias, by: Holder::Vault }),
            replaced => replaced,
        }
    }

    fn taken(self, found: &Stored) -> VaultError {
        VaultError::AliasTaken { alias: self.alias.clone(), by: holder_of(found) }
    }
}

/// What another process is creating has its note in the store.
fn holder_of(found: &Stored) -> Holder {
    if found.record.is_open_note() { Holder::Underway } else { Holder::Vault }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.vault.underway().remove(&self.alias);
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vault({:?})", self.0.store)
    }
}

#[cfg(test)]
mod tests;
