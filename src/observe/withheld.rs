//! Answers that were withheld from their callers, by tenant, until somebody looks: those of a tenant that is gone are kept no longer
//! than the next look.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use tokio::time::Instant;

/// Those since the last look.
#[derive(Debug, Default)]
pub(super) struct Withheld(Mutex<HashMap<Box<str>, LastWithheld>>);

/// The last one of a tenant, and how many there were.
#[derive(Debug, Clone)]
pub struct LastWithheld {
    /// When.
    pub at: Instant,
    /// How many.
    pub count: u64,
    /// Whether it repeated a credential.
    pub is_echo: bool,
    /// In a sentence.
    pub what: String,
}

impl Withheld {
    pub(super) fn add(&self, tenant: &str, is_echo: bool, what: String) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.get(tenant).map_or(0, |before| before.count) + 1;
        all.insert(tenant.into(), LastWithheld { at: Instant::now(), count, is_echo, what });
    }

    pub(super) fn take(&self) -> HashMap<Box<str>, LastWithheld> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
