//! How a secret is obtained while the program runs: the one interface of everything that provides one. Reading may
//! take a while, and whoever gives bounds that while. What is handed on says how old it is, because a secret from
//! memory that the issuer refuses is worth fetching anew, and one that was fetched just now is not. An error says what
//! failed, never what was read.

use std::{fmt, pin::Pin, sync::Arc};

use super::Secret;

/// Something that has a secret to give.
pub trait SecretProvider: fmt::Debug + Send + Sync {
    /// The secret of now. Waits no longer than the provider's own timeout.
    fn read(&self) -> Read<'_>;

    /// The secret that a reader got last, without waiting; `None` where there has been none.
    fn last(&self) -> Option<Secret>;

    /// The issuer refused `secret`: it is not given again from memory.
    fn refused(&self, secret: &Secret);
}

/// A read under way.
pub type Read<'a> = Pin<Box<dyn Future<Output = Result<Reading, Unreadable>> + Send + 'a>>;

/// A secret that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The secret.
    pub secret: Secret,
    /// How old it is.
    pub age: Age,
}

/// How old a secret is that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Age {
    /// Reading again at once would give the same.
    Fresh,
    /// From memory, as it is read again only now and then.
    Cached,
    /// From memory, because it was due to be read again and could not be.
    Stale(Unreadable),
}

/// Why a secret could not be read: a sentence without a capital, for the operator, without anything secret in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(Arc<str>);

impl Unreadable {
    /// For this reason.
    pub fn new(why: impl Into<Arc<str>>) -> Self {
        Self(why.into())
    }
}
