//! A vault that is gone with its process: for tests, and what a backend has to do in its shortest form.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{
    error::{Holder, VaultError},
    record::Record,
    store::{Checkup, Imported, Pending, Store, Stored, Version},
};
use crate::{ids::TenantName, secret::Secret};

/// Records in memory.
#[derive(Debug, Default)]
pub struct Memory(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    records: BTreeMap<TenantName, Stored>,
    /// The version that was given last.
    last: u64,
}

impl Memory {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, record: Record, known: Option<Version>) -> Result<Version, VaultError> {
        let mut kept = self.kept();
        matches(&record.alias, kept.records.get(&record.alias).map(|it| it.version), known)?;
        kept.last += 1;
        let version = Version(kept.last);
        kept.records.insert(record.alias.clone(), Stored { record, version });
        Ok(version)
    }
}

/// Whether the version `there` is the one `known`; without a known one nothing may be there.
pub(super) fn matches(
    alias: &TenantName,
    there: Option<Version>,
    known: Option<Version>,
) -> Result<(), VaultError> {
    match (there, known) {
        (Some(_), None) => Err(VaultError::AliasTaken { alias: alias.clone(), by: Holder::Vault }),
        (None, Some(_)) => Err(VaultError::Unknown(alias.clone())),
        (Some(there), Some(known)) if there != known => Err(VaultError::Changed(alias.clone())),
        _ => Ok(()),
    }
}

impl Store for Memory {
    fn create(&self, record: Record) -> Pending<'_, Version> {
        Box::pin(std::future::ready(self.put(record, None)))
    }

    fn get(&self, alias: &TenantName) -> Pending<'_, Option<Stored>> {
        Box::pin(std::future::ready(Ok(self.kept().records.get(alias).cloned())))
    }

    fn replace(&self, record: Record, known: Version) -> Pending<'_, Version> {
        Box::pin(std::future::ready(self.put(record, Some(known))))
    }

    fn remove(&self, alias: &TenantName, known: Version) -> Pending<'_, ()> {
        let records = &mut self.kept().records;
        let found = matches(alias, records.get(alias).map(|it| it.version), Some(known));
        Box::pin(std::future::ready(found.map(|()| {
            records.remove(alias);
        })))
    }

    fn list(&self) -> Pending<'_, Vec<Stored>> {
        Box::pin(std::future::ready(Ok(self.kept().records.values().cloned().collect())))
    }

    fn verify(&self) -> Pending<'_, Checkup> {
        let records = self.kept().records.len();
        Box::pin(std::future::ready(Ok(Checkup { records, ..Checkup::default() })))
    }

    /// Nothing here is sealed.
    fn rekey(&self, _: Secret) -> Pending<'_, usize> {
        Box::pin(std::future::ready(Ok(self.kept().records.len())))
    }

    fn import(&self, records: Vec<Record>) -> Pending<'_, Imported> {
        let mut imported = Imported::default();
        for record in records {
            let alias = record.alias.clone();
            match self.put(record, None) {
                Ok(_) => imported.added.push(alias),
                Err(_) => imported.taken.push(alias),
            }
        }
        Box::pin(std::future::ready(Ok(imported)))
    }
}
