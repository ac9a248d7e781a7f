//! The vault in Secrets of Kubernetes: one for each tenant, found by their labels. What is in a Secret is sealed as in any
//! other store, because whoever may read a namespace's Secrets, or etcd and its copies, is not to have credentials. The
//! version of a record is its Secret's `resourceVersion`, which the API server compares: of two who change a record one is
//! told that it came late. A watch tells of changes; where it may have missed some, all are read.

mod api;
mod name;
mod object;
mod watch;

use std::{
    collections::HashSet,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::{StreamExt as _, TryStreamExt as _};
use tokio::sync::mpsc;

pub use self::api::Server;
use self::{
    api::{Answer, Api},
    object::{List, Secret as Object},
};
use super::{
    encoding,
    error::{Holder, Unavailable, VaultError},
    record::Record,
    seal::{self, Sealer},
    store::{self, Checkup, Imported, Notice, Pending, Store, Stored, Version},
};
use crate::{ids::TenantName, secret::Secret};

/// What errors call it.
const PLACE: &str = "the vault in Kubernetes";

/// Secrets that are read in one go.
const PAGE: usize = 500;
/// Writes at one time.
const AT_A_TIME: usize = 16;
/// Notices that wait.
const QUEUE: usize = 1024;
/// How often a list is begun anew whose pages expired (410) while it was read.
const MOST_LISTS: usize = 5;

/// A vault in Secrets.
pub struct KubernetesSecrets {
    api: Arc<Api>,
    sealer: Sealer,
    /// The proof of the key as it was found. No two vaults have the same, as each is sealed with a nonce of its own.
    opened: Mutex<Vec<u8>>,
}

impl KubernetesSecrets {
    /// Opens the vault, or makes it.
    ///
    /// # Errors
    /// [`VaultError::Unavailable`]; one that another key has sealed stays as it is.
    pub async fn open(server: Server, key: Secret) -> Result<Self, VaultError> {
        let this = Self::at(server, &key)?;
        if this.proof().await?.is_none() {
            let proof = seal::proof(&this.sealer).ok_or_else(Unavailable::no_seal)?;
            // Another replica may have been first: then its proof is looked at.
            if let Answer::Done(_) = this.api.create(&Object::proof(&proof)).await? {
                store::begun(format_args!("Secrets of the namespace {}", this.api.namespace()));
            }
        }
        let there = this.proof().await?.ok_or_else(|| Unavailable::gone(PLACE))?;
        this.goes_by(&there);
        Ok(this)
    }

    /// The same for one that must be there; `None` where there is none.
    ///
    /// # Errors
    /// As of [`KubernetesSecrets::open`].
    pub async fn open_existing(server: Server, key: Secret) -> Result<Option<Self>, VaultError> {
        let this = Self::at(server, &key)?;
        let Some(there) = this.proof().await? else { return Ok(None) };
        this.goes_by(&there);
        Ok(Some(this))
    }

    fn at(server: Server, key: &Secret) -> Result<Self, Unavailable> {
        let api = Arc::new(Api::new(server)?);
        Ok(Self { api, sealer: seal::sealer(key), opened: Mutex::default() })
    }

    /// From now on this vault is the one that is there.
    fn goes_by(&self, proof: &Object) {
        *self.opened.lock().unwrap_or_else(PoisonError::into_inner) = proof.sealed().unwrap_or_default();
    }

    /// The Secret with the proof of the key, which must be ours.
    async fn proof(&self) -> Result<Option<Object>, Unavailable> {
        let Some(found) = self.api.get(name::PROOF).await? else { return Ok(None) };
        match found.sealed() {
            Some(proof) if seal::proves(&self.sealer, &proof) => Ok(Some(found)),
            _ => Err(Unavailable::other_key(PLACE)),
        }
    }

    /// The same of a vault that has been opened. Without it nobody knows which tenants there are: a namespace that was emptied is not one
    /// whose tenants were removed.
    async fn there(&self) -> Result<Object, Unavailable> {
        let proof = self.proof().await?.ok_or_else(|| Unavailable::gone(PLACE))?;
        if proof.sealed().as_ref() != Some(&*self.opened.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Err(Unavailable::replaced(PLACE, &[]));
        }
        Ok(proof)
    }

    fn sealed(&self, record: &Record, sealer: &Sealer) -> Result<Object, VaultError> {
        let text = encoding::write(record).map_err(VaultError::Unfit)?;
        // Bound to a number of its own, because the API server's version of a Secret is not known before it is stored.
        let number = Version(fastrand::u64(1..));
        let alias = &record.alias;
        let sealed = seal::sealed(sealer, alias.as_str(), number, text).ok_or_else(Unavailable::no_seal)?;
        Ok(Object::record(alias, &sealed))
    }

    /// The record in a Secret.
    fn stored(&self, object: &Object, sealer: &Sealer) -> Option<Stored> {
        let alias = object.alias()?;
        let Stored { record, .. } = seal::opened(sealer, alias.as_str(), &object.sealed()?)?;
        Some(Stored { record, version: object.version()? })
    }

    async fn opened(&self, object: &Object) -> Result<Stored, Unavailable> {
        if let Some(stored) = self.stored(object, &self.sealer) {
            return Ok(stored);
        }
        // Somebody may have sealed it with another key since.
        self.proof().await?;
        Err(Unavailable::wrong(
            format!("the Secret {} does not open, or is none of Claviger's", object.name().escape_debug()),
            "If `claviger vault rekey` was run, start this process anew, with the new key. Otherwise restore the Secret, or take its labels away. Nothing was changed.",
        ))
    }

    async fn made(&self, record: Record) -> Result<Version, VaultError> {
        // Nobody makes a record with the key of before a `rekey`.
        self.there().await?;
        match self.api.create(&self.sealed(&record, &self.sealer)?).await? {
            Answer::Done(version) => Ok(version),
            _ => Err(VaultError::AliasTaken { alias: record.alias, by: Holder::Vault }),
        }
    }

    async fn replaced(&self, record: Record, known: Version) -> Result<Version, VaultError> {
        let object = self.sealed(&record, &self.sealer)?;
        match self.api.replace(&object.of(known)).await? {
            Answer::Done(version) => Ok(version),
            Answer::Conflict => Err(VaultError::Changed(record.alias)),
            Answer::Nothing => Err(self.unknown(record.alias).await),
        }
    }

    async fn removed(&self, alias: TenantName, known: Version) -> Result<(), VaultError> {
        match self.api.delete(&name::of(&alias), known).await? {
            Answer::Done(_) => Ok(()),
            Answer::Conflict => Err(VaultError::Changed(alias)),
            Answer::Nothing => Err(self.unknown(alias).await),
        }
    }

    /// Why there is no record under the alias.
    async fn unknown(&self, alias: TenantName) -> VaultError {
        match self.there().await {
            Ok(_) => VaultError::Unknown(alias),
            Err(gone) => gone.into(),
        }
    }

    async fn found(&self, alias: TenantName) -> Result<Option<Stored>, VaultError> {
        match self.api.get(&name::of(&alias)).await? {
            Some(object) => Ok(Some(self.opened(&object).await?)),
            None => self.there().await.map(|_| None).map_err(VaultError::from),
        }
    }

    /// All Secrets with our labels, page by page.
    async fn objects(&self) -> Result<Vec<Object>, Unavailable> {
        for _ in 0..MOST_LISTS {
            let (mut all, mut rest) = (Vec::new(), None);
            loop {
                let Some(List { items, metadata }) = self.api.list(PAGE, rest.as_deref()).await? else {
                    break;
                };
                all.extend(items);
                rest = metadata.rest();
                if rest.is_none() {
                    return Ok(all);
                }
            }
        }
        Err(Unavailable::new("the API server does not finish a list", "Look at the API server and its load."))
    }

    async fn all(&self) -> Result<Vec<Stored>, VaultError> {
        let objects = self.objects().await?;
        self.there().await?;
        self.all_of(&objects).await
    }

    async fn gone_over(&self, known: Vec<TenantName>) -> Result<Vec<Stored>, VaultError> {
        let proof = self.proof().await?.ok_or_else(|| Unavailable::gone(PLACE))?;
        let objects = self.objects().await?;
        let there: HashSet<_> = objects.iter().filter_map(Object::alias).collect();
        let missing = store::missing(&known, |alias| there.contains(alias));
        if !missing.is_empty() {
            return Err(Unavailable::replaced(PLACE, &missing).into());
        }
        let all = self.all_of(&objects).await?;
        self.goes_by(&proof);
        Ok(all)
    }

    async fn all_of(&self, objects: &[Object]) -> Result<Vec<Stored>, VaultError> {
        let mut all = Vec::with_capacity(objects.len());
        for (n, object) in objects.iter().enumerate() {
            all.push(self.opened(object).await?);
            if n % 256 == 255 {
                // Opening takes a while, and others are served here.
                tokio::task::yield_now().await;
            }
        }
        all.sort_unstable_by(|one, other| one.record.alias.cmp(&other.record.alias));
        Ok(all)
    }

    async fn checkup(&self) -> Result<Checkup, VaultError> {
        let objects = self.objects().await?;
        self.there().await?;
        let bytes = objects.iter().filter_map(Object::sealed).map(|sealed| sealed.len() as u64).sum();
        for object in &objects {
            self.opened(object).await?;
        }
        Ok(Checkup { records: objects.len(), bytes, ..Checkup::default() })
    }

    /// One after the other, because the API server knows nothing of several: whoever is cut short runs it again.
    async fn resealed(&self, key: Secret) -> Result<usize, VaultError> {
        let new = seal::sealer(&key);
        let proof = self.there().await?;
        let mut left = 10;
        let count = loop {
            let objects = self.objects().await?;
            let count = objects.len();
            let is_old = |object: &Object| self.stored(object, &new).is_none();
            let old: Vec<Object> = objects.into_iter().filter(is_old).collect();
            if old.is_empty() {
                break count;
            }
            if left == 0 {
                return Err(Unavailable::new(
                    "others go on changing records with the key of before",
                    "Stop the replicas, and run it again.",
                )
                .into());
            }
            left -= 1;
            let written = futures_util::stream::iter(old).map(|object| self.exchanged(object, &new));
            written.buffer_unordered(AT_A_TIME).try_collect::<()>().await?;
        };
        let bytes = seal::proof(&new).ok_or_else(Unavailable::no_seal)?;
        let version = proof.version().ok_or_else(|| Unavailable::gone(PLACE))?;
        match self.api.replace(&Object::proof(&bytes).of(version)).await? {
            Answer::Done(_) => Ok(count),
            _ => Err(Unavailable::new("somebody else seals it with another key", "Run it again.").into()),
        }
    }

    async fn exchanged(&self, object: Object, new: &Sealer) -> Result<(), VaultError> {
        let Stored { record, version } = self.opened(&object).await?;
        // Whoever changed it meanwhile is seen in the next round.
        self.api.replace(&self.sealed(&record, new)?.of(version)).await?;
        Ok(())
    }

    async fn made_if_free(&self, record: Record) -> Result<(TenantName, bool), VaultError> {
        let alias = record.alias.clone();
        match self.made(record).await {
            Ok(_) => Ok((alias, true)),
            Err(VaultError::AliasTaken { .. }) => Ok((alias, false)),
            Err(error) => Err(error),
        }
    }

    async fn taken_in(&self, records: Vec<Record>) -> Result<Imported, VaultError> {
        let made = futures_util::stream::iter(records).map(|record| self.made_if_free(record));
        let made: Vec<_> = made.buffered(AT_A_TIME).try_collect().await?;
        let of =
            |wanted| made.iter().filter(move |(_, is_new)| *is_new == wanted).map(|(alias, _)| alias.clone());
        Ok(Imported { added: of(true).collect(), taken: of(false).collect() })
    }
}

impl Store for KubernetesSecrets {
    fn create(&self, record: Record) -> Pending<'_, Version> {
        Box::pin(self.made(record))
    }

    fn get(&self, alias: &TenantName) -> Pending<'_, Option<Stored>> {
        Box::pin(self.found(alias.clone()))
    }

    fn replace(&self, record: Record, known: Version) -> Pending<'_, Version> {
        Box::pin(self.replaced(record, known))
    }

    fn remove(&self, alias: &TenantName, known: Version) -> Pending<'_, ()> {
        Box::pin(self.removed(alias.clone(), known))
    }

    fn list(&self) -> Pending<'_, Vec<Stored>> {
        Box::pin(self.all())
    }

    fn go_over(&self, known: Vec<TenantName>) -> Pending<'_, Vec<Stored>> {
        Box::pin(self.gone_over(known))
    }

    fn notices(&self) -> Option<mpsc::Receiver<Notice>> {
        let (sender, notices) = mpsc::channel(QUEUE);
        tokio::spawn(watch::watch(self.api.clone(), sender));
        Some(notices)
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn verify(&self) -> Pending<'_, Checkup> {
        Box::pin(self.checkup())
    }

    fn rekey(&self, key: Secret) -> Pending<'_, usize> {
        Box::pin(self.resealed(key))
    }

    fn import(&self, records: Vec<Record>) -> Pending<'_, Imported> {
        Box::pin(self.taken_in(records))
    }
}

impl fmt::Debug for KubernetesSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KubernetesSecrets({})", self.api.namespace())
    }
}
