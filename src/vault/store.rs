//! What a backend of the vault does. All of it may wait, and whoever implements it bounds the wait. A write that is answered
//! with a version has survived a crash by then; one that is answered with an error may have happened where that says
//! [`VaultError::Unavailable`], and then reading tells.

use std::{fmt, pin::Pin};

use serde::Serialize;
use tokio::sync::mpsc;

use super::{
    error::{Unavailable, VaultError},
    record::Record,
};
use crate::{ids::TenantName, secret::Secret};

/// Where records are kept.
pub trait Store: fmt::Debug + Send + Sync {
    /// Keeps a new record.
    ///
    /// # Errors
    /// [`VaultError::AliasTaken`] where there is one of that alias.
    fn create(&self, record: Record) -> Pending<'_, Version>;

    /// The record of an alias.
    fn get(&self, alias: &TenantName) -> Pending<'_, Option<Stored>>;

    /// Puts a record in the place of the one of `known` version.
    ///
    /// # Errors
    /// [`VaultError::Changed`] or [`VaultError::Unknown`] where that is not the one there is.
    fn replace(&self, record: Record, known: Version) -> Pending<'_, Version>;

    /// Takes out the record of `known` version.
    ///
    /// # Errors
    /// As of [`Store::replace`].
    fn remove(&self, alias: &TenantName, known: Version) -> Pending<'_, ()>;

    /// All records, in order of alias.
    fn list(&self) -> Pending<'_, Vec<Stored>>;

    /// Of a store whose reads say that another vault is in the place of the one that was opened: goes over to that one, where it has a
    /// record of each of these, and reads all of it.
    fn go_over(&self, _known: Vec<TenantName>) -> Pending<'_, Vec<Stored>> {
        self.list()
    }

    /// What other processes change, from now on; `None` where there are no others. The first notice is [`Notice::Any`].
    fn notices(&self) -> Option<mpsc::Receiver<Notice>> {
        None
    }

    /// Whether other processes change it as well.
    fn is_shared(&self) -> bool {
        false
    }

    /// Why it did not answer the last time, where somebody keeps count of that.
    fn trouble(&self) -> Option<Unavailable> {
        None
    }

    /// What is there, and whether all of it can be read.
    fn verify(&self) -> Pending<'_, Checkup>;

    /// Seals every record with another master key.
    fn rekey(&self, key: Secret) -> Pending<'_, usize>;

    /// Takes in records whose alias is free; the others stay as they are.
    fn import(&self, records: Vec<Record>) -> Pending<'_, Imported>;
}

/// What somebody changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The record of this alias.
    One(TenantName),
    /// Perhaps any.
    Any,
}

/// What [`Store::verify`] found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Checkup {
    /// Records, all of which can be read.
    pub records: usize,
    /// Bytes of the file, or of the sealed records.
    pub bytes: u64,
    /// Permission bits of the file where others than its owner have some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_to_others: Option<u32>,
    /// What may lose records: sentences.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub concerns: Vec<String>,
}

/// What an import did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Imported {
    /// Taken in.
    pub added: Vec<TenantName>,
    /// Left out: there is a tenant of this alias.
    pub taken: Vec<TenantName>,
}

/// An operation under way.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, VaultError>> + Send + 'a>>;

/// A record as it is in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stored {
    /// The record.
    #[serde(flatten)]
    pub record: Record,
    /// Which of the records that the alias has had.
    pub version: Version,
}

/// Which of the records that an alias has had. No two records of an alias have the same, also where it was removed between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Version(pub u64);

/// Which of the tenants that are known has no record.
pub(super) fn missing(known: &[TenantName], is_there: impl Fn(&TenantName) -> bool) -> Vec<&TenantName> {
    known.iter().filter(|alias| !is_there(alias)).collect()
}

/// Says that a vault was begun, where one may have been expected.
pub(super) fn begun(place: impl fmt::Display) {
    tracing::warn!(
        "a new vault was begun, as there was none: {place}. If there should have been one, its data was lost or this is another place: bring it back, \
         or run `claviger vault import` with an export"
    );
}

impl Store for Box<dyn Store> {
    fn create(&self, record: Record) -> Pending<'_, Version> {
        (**self).create(record)
    }

    fn get(&self, alias: &TenantName) -> Pending<'_, Option<Stored>> {
        (**self).get(alias)
    }

    fn replace(&self, record: Record, known: Version) -> Pending<'_, Version> {
        (**self).replace(record, known)
    }

    fn remove(&self, alias: &TenantName, known: Version) -> Pending<'_, ()> {
        (**self).remove(alias, known)
    }

    fn list(&self) -> Pending<'_, Vec<Stored>> {
        (**self).list()
    }

    fn go_over(&self, known: Vec<TenantName>) -> Pending<'_, Vec<Stored>> {
        (**self).go_over(known)
    }

    fn notices(&self) -> Option<mpsc::Receiver<Notice>> {
        (**self).notices()
    }

    fn is_shared(&self) -> bool {
        (**self).is_shared()
    }

    fn trouble(&self) -> Option<Unavailable> {
        (**self).trouble()
    }

    fn verify(&self) -> Pending<'_, Checkup> {
        (**self).verify()
    }

    fn rekey(&self, key: Secret) -> Pending<'_, usize> {
        (**self).rekey(key)
    }

    fn import(&self, records: Vec<Record>) -> Pending<'_, Imported> {
        (**self).import(records)
    }
}
