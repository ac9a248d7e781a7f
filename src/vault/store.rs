//! What a backend of the vault does. All of it may wait, and whoever implements it bounds the wait. A write that is answered
//! with a version has survived a crash by then; one that is answered with an error may have happened where that says
//! [`VaultError::Unavailable`], and then reading tells.

use std::{fmt, pin::Pin};

use serde::Serialize;

use super::{error::VaultError, record::Record};
use crate::ids::TenantName;

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

/// Which of the records that an alias has had. An alias that was removed and comes again begins anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Version(pub u64);
