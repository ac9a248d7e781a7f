//! The vault in a Redis or Valkey: one hash, with a sealed record in the field of each alias. Each change is a script that
//! compares the version first, so that of two replicas one is told that it came late, and that publishes the alias, so that
//! all replicas look. Versions come from a counter: no two records have the same. A script also compares the proof of the
//! key, so that nobody writes with the key of before a `rekey`.

mod concerns;
mod notices;
mod scripts;
mod sealing;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use redis::Cmd;
use tokio::sync::mpsc;

use self::sealing::{PLACE, Sealing, ours};
use super::{
    encoding,
    error::{Holder, Unavailable, VaultError},
    record::Record,
    seal,
    store::{self, Checkup, Imported, Notice, Pending, Store, Stored, Version},
};
use crate::{
    ids::TenantName,
    redis::{Redis, RedisError},
    secret::Secret,
};

/// The fields that are no alias: no alias has a colon.
const PROOF: &str = ":key";
const COUNTER: &str = ":version";
/// Records that are read in one go.
const PAGE: usize = 1000;
/// Records that are written in one go.
const AT_A_TIME: usize = 500;
/// How long a start waits for Redis, which may be starting as well.
const PATIENCE: Duration = Duration::from_secs(10);

/// A vault in a Redis.
pub struct InRedis {
    redis: Redis,
    key: String,
    channel: String,
    sealing: Mutex<Arc<Sealing>>,
}

impl InRedis {
    /// Opens the vault, or makes it.
    ///
    /// # Errors
    /// [`VaultError::Unavailable`]; one that another key has sealed stays as it is.
    pub async fn open(redis: Redis, key: Secret) -> Result<Self, VaultError> {
        let opened = Self::opened(redis, key, Open::Made).await?;
        Ok(opened.ok_or_else(|| damaged("it has no proof of its key"))?)
    }

    /// The same for one that must be there; `None` where there is none.
    ///
    /// # Errors
    /// As of [`InRedis::open`].
    pub async fn open_existing(redis: Redis, key: Secret) -> Result<Option<Self>, VaultError> {
        Self::opened(redis, key, Open::Existing).await
    }

    async fn opened(redis: Redis, key: Secret, open: Open) -> Result<Option<Self>, VaultError> {
        redis.connected(PATIENCE).await.map_err(unavailable)?;
        let sealer = seal::sealer(&key);
        let name = format!("{}:vault", redis.prefix());
        if matches!(open, Open::Made) {
            let proof = seal::proof(&sealer).ok_or_else(Unavailable::no_seal)?;
            let ask =
                redis::cmd("EVAL").arg(scripts::OPEN).arg(1).arg(&name).arg(PROOF).arg(proof).to_owned();
            let made: String = redis.ask(&ask).await.map_err(unavailable)?;
            match &*made {
                "foreign" => {
                    return Err(damaged(&format!("the hash {name} is not a vault of Claviger")).into());
                }
                "made" => store::begun(format_args!("the hash {name} in Redis")),
                _ => {}
            }
        }
        let proof: Option<Vec<u8>> = redis.ask(&field(&name, PROOF)).await.map_err(unavailable)?;
        let Some(proof) = proof else { return Ok(None) };
        if !seal::proves(&sealer, &proof) {
            return Err(Unavailable::other_key(PLACE).into());
        }
        let (channel, sealing) = (name.clone(), Sealing { sealer: Arc::new(sealer), proof });
        Ok(Some(Self { redis, key: name, channel, sealing: Mutex::new(Arc::new(sealing)) }))
    }

    fn sealing(&self) -> Arc<Sealing> {
        self.sealing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn seal_as(&self, sealing: Sealing) {
        *self.sealing.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(sealing);
    }

    async fn ask<T: redis::FromRedisValue>(&self, command: &Cmd) -> Result<T, Unavailable> {
        self.redis.ask(command).await.map_err(unavailable)
    }

    /// A version that no record has.
    async fn version(&self, count: usize) -> Result<Version, Unavailable> {
        let mut ask = redis::cmd("EVAL");
        ask.arg(scripts::COUNT).arg(1).arg(&self.key).arg(PROOF).arg(COUNTER).arg(count);
        self.ask::<Option<u64>>(&ask).await?.map(Version).ok_or_else(|| Unavailable::gone(PLACE))
    }

    async fn put(&self, record: Record, known: Option<Version>) -> Result<Version, VaultError> {
        let text = encoding::write(&record).map_err(VaultError::Unfit)?;
        let (sealing, version) = (self.sealing(), self.version(1).await?);
        let alias = record.alias.as_str();
        let sealed = seal::sealed(&sealing.sealer, alias, version, text).ok_or_else(Unavailable::no_seal)?;
        self.change(&record.alias, known, &sealed, &sealing).await?;
        Ok(version)
    }

    /// Puts `sealed`, or nothing, in the place of what is of `known` version.
    async fn change(
        &self,
        alias: &TenantName,
        known: Option<Version>,
        sealed: &[u8],
        sealing: &Sealing,
    ) -> Result<(), VaultError> {
        let known = known.map(|version| version.0.to_be_bytes().to_vec()).unwrap_or_default();
        let ask = redis::cmd("EVAL")
            .arg(scripts::CHANGE)
            .arg(1)
            .arg(&self.key)
            .arg(alias.as_str())
            .arg(known)
            .arg(&sealing.proof)
            .arg(sealed)
            .arg(&self.channel)
            .arg(PROOF)
            .to_owned();
        let said: String = self.ask(&ask).await?;
        match &*said {
            "done" => Ok(()),
            "taken" => Err(VaultError::AliasTaken { alias: alias.clone(), by: Holder::Vault }),
            "unknown" => Err(VaultError::Unknown(alias.clone())),
            "changed" => Err(VaultError::Changed(alias.clone())),
            _ => Err(self.sealed_otherwise(sealing).await.into()),
        }
    }

    /// Why the proof in Redis was not ours.
    async fn sealed_otherwise(&self, sealing: &Sealing) -> Unavailable {
        match self.proof().await {
            Ok(proof) => ours(sealing, proof)
                .err()
                .unwrap_or_else(|| Unavailable::new("the vault was another meanwhile", "Try again.")),
            Err(error) => error,
        }
    }

    async fn proof(&self) -> Result<Option<Vec<u8>>, Unavailable> {
        self.ask(&field(&self.key, PROOF)).await
    }

    async fn found(&self, alias: TenantName) -> Result<Option<Stored>, VaultError> {
        let ask = redis::cmd("HMGET").arg(&self.key).arg(alias.as_str()).arg(PROOF).to_owned();
        let (found, proof): (Option<Vec<u8>>, Option<Vec<u8>>) = self.ask(&ask).await?;
        let sealing = self.sealing();
        ours(&sealing, proof)?;
        let Some(found) = found else { return Ok(None) };
        Ok(Some(self.stored(alias.as_str(), &found, &sealing).await?))
    }

    /// The record of what stands under the alias.
    async fn stored(&self, alias: &str, found: &[u8], sealing: &Sealing) -> Result<Stored, Unavailable> {
        if let Some(stored) = seal::opened(&sealing.sealer, alias, found) {
            return Ok(stored);
        }
        // Somebody may have sealed it with another key since.
        ours(sealing, self.proof().await?)?;
        Err(damaged(&format!("the record of {} does not open", alias.escape_debug())))
    }

    /// What stands under each alias of this vault.
    async fn sealed(&self, sealing: &Sealing) -> Result<BTreeMap<String, Vec<u8>>, Unavailable> {
        ours(sealing, self.proof().await?)?;
        let (mut cursor, mut all) = (0_u64, BTreeMap::new());
        loop {
            let ask = redis::cmd("HSCAN").arg(&self.key).arg(cursor).arg("COUNT").arg(PAGE).to_owned();
            let (next, page): (u64, Vec<(String, Vec<u8>)>) = self.ask(&ask).await?;
            all.extend(page.into_iter().filter(|(alias, _)| !alias.starts_with(':')));
            if next == 0 {
                // It may have been lost between two pages.
                ours(sealing, self.proof().await?)?;
                return Ok(all);
            }
            cursor = next;
        }
    }

    async fn all(&self) -> Result<Vec<Stored>, VaultError> {
        let sealing = self.sealing();
        let sealed = self.sealed(&sealing).await?;
        self.all_of(&sealed, &sealing).await
    }

    async fn gone_over(&self, known: Vec<TenantName>) -> Result<Vec<Stored>, VaultError> {
        let before = self.sealing();
        let proof = self.proof().await?.ok_or_else(|| Unavailable::gone(PLACE))?;
        if !seal::proves(&before.sealer, &proof) {
            return Err(Unavailable::other_key(PLACE).into());
        }
        let sealing = Sealing { sealer: before.sealer.clone(), proof };
        let sealed = self.sealed(&sealing).await?;
        let missing = store::missing(&known, |alias| sealed.contains_key(alias.as_str()));
        if !missing.is_empty() {
            return Err(Unavailable::replaced(PLACE, &missing).into());
        }
        let all = self.all_of(&sealed, &sealing).await?;
        self.seal_as(sealing);
        Ok(all)
    }

    async fn all_of(
        &self,
        sealed: &BTreeMap<String, Vec<u8>>,
        sealing: &Sealing,
    ) -> Result<Vec<Stored>, VaultError> {
        let mut all = Vec::with_capacity(sealed.len());
        for (n, (alias, found)) in sealed.iter().enumerate() {
            all.push(self.stored(alias, found, sealing).await?);
            if n % 256 == 255 {
                // Opening takes a while, and others are served here.
                tokio::task::yield_now().await;
            }
        }
        Ok(all)
    }

    async fn checkup(&self) -> Result<Checkup, VaultError> {
        let bytes = self.sealed(&self.sealing()).await?.values().map(|sealed| sealed.len() as u64).sum();
        let records = self.all().await?.len();
        Ok(Checkup { records, bytes, open_to_others: None, concerns: self.concerns().await })
    }

    /// How Redis may lose what it was given, as far as it says.
    pub async fn concerns(&self) -> Vec<String> {
        concerns::concerns(&self.redis).await
    }

    async fn resealed(&self, key: Secret) -> Result<usize, VaultError> {
        let old = self.sealing();
        let sealer = seal::sealer(&key);
        let proof = seal::proof(&sealer).ok_or_else(Unavailable::no_seal)?;
        let all = self.all().await?;
        let mut ask = redis::cmd("EVAL");
        ask.arg(scripts::REKEY).arg(1).arg(&self.key).arg(PROOF).arg(&old.proof).arg(&proof);
        ask.arg(COUNTER).arg(all.len()).arg(&self.channel);
        for Stored { record, version } in &all {
            let text = encoding::write(record).map_err(VaultError::Unfit)?;
            let alias = record.alias.as_str();
            let sealed = seal::sealed(&sealer, alias, *version, text).ok_or_else(Unavailable::no_seal)?;
            ask.arg(alias).arg(&version.0.to_be_bytes()[..]).arg(sealed);
        }
        let said: String = self.ask(&ask).await?;
        match &*said {
            "done" => {
                self.seal_as(Sealing { sealer: Arc::new(sealer), proof });
                Ok(all.len())
            }
            "key" => Err(self.sealed_otherwise(&old).await.into()),
            _ => Err(Unavailable::new(
                "somebody changed a record meanwhile",
                "Run it again; nothing was changed.",
            )
            .into()),
        }
    }

    async fn taken_in(&self, records: Vec<Record>) -> Result<Imported, VaultError> {
        let (sealing, mut imported) = (self.sealing(), Imported::default());
        let mut records = records.into_iter();
        loop {
            let page: Vec<_> = records.by_ref().take(AT_A_TIME).collect();
            if page.is_empty() {
                return Ok(imported);
            }
            let Version(last) = self.version(page.len()).await?;
            let mut ask = redis::cmd("EVAL");
            ask.arg(scripts::IMPORT).arg(1).arg(&self.key).arg(PROOF).arg(&sealing.proof).arg(&self.channel);
            for (version, record) in (0..=last).rev().zip(&page) {
                let text = encoding::write(record).map_err(VaultError::Unfit)?;
                let alias = record.alias.as_str();
                let sealed = seal::sealed(&sealing.sealer, alias, Version(version), text);
                ask.arg(alias).arg(sealed.ok_or_else(Unavailable::no_seal)?);
            }
            let added: Vec<u8> = self.ask(&ask).await?;
            if added.len() != page.len() {
                return Err(self.sealed_otherwise(&sealing).await.into());
            }
            for (record, added) in page.into_iter().zip(added) {
                let to = if added == 1 { &mut imported.added } else { &mut imported.taken };
                to.push(record.alias);
            }
        }
    }
}

enum Open {
    Made,
    Existing,
}

fn field(key: &str, name: &str) -> Cmd {
    redis::cmd("HGET").arg(key).arg(name).to_owned()
}

fn unavailable(error: RedisError) -> Unavailable {
    Unavailable::new(error.to_string(), error.remedy())
}

fn damaged(what: &str) -> Unavailable {
    Unavailable::wrong(
        format!("what is in Redis is damaged: {what}"),
        "Restore a copy of Redis' data, or take an export in under another redis.prefix. Nothing was changed.",
    )
}

impl Store for InRedis {
    fn create(&self, record: Record) -> Pending<'_, Version> {
        Box::pin(self.put(record, None))
    }

    fn get(&self, alias: &TenantName) -> Pending<'_, Option<Stored>> {
        Box::pin(self.found(alias.clone()))
    }

    fn replace(&self, record: Record, known: Version) -> Pending<'_, Version> {
        Box::pin(self.put(record, Some(known)))
    }

    fn remove(&self, alias: &TenantName, known: Version) -> Pending<'_, ()> {
        let alias = alias.clone();
        Box::pin(async move { self.change(&alias, Some(known), &[], &self.sealing()).await })
    }

    fn list(&self) -> Pending<'_, Vec<Stored>> {
        Box::pin(self.all())
    }

    fn go_over(&self, known: Vec<TenantName>) -> Pending<'_, Vec<Stored>> {
        Box::pin(self.gone_over(known))
    }

    fn notices(&self) -> Option<mpsc::Receiver<Notice>> {
        Some(notices::notices(
            &self.redis,
            &self.channel,
            field(&self.key, PROOF),
            self.sealing().proof.clone(),
        ))
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn verify(&self) -> Pending<'_, Checkup> {
        Box::pin(self.checkup())
    }

    /// All records or none.
    fn rekey(&self, key: Secret) -> Pending<'_, usize> {
        Box::pin(self.resealed(key))
    }

    fn import(&self, records: Vec<Record>) -> Pending<'_, Imported> {
        Box::pin(self.taken_in(records))
    }
}

impl fmt::Debug for InRedis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InRedis({})", self.key)
    }
}
