//! Counts and times what is asked of the vault's store, whichever it is.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{sync::mpsc, time::Instant};

use crate::{
    ids::TenantName,
    observe::Metrics,
    secret::Secret,
    vault::{Checkup, Imported, Notice, Pending, Record, Store, Stored, Unavailable, VaultError, Version},
};

/// A store that is watched.
pub(super) struct Metered {
    store: Box<dyn Store>,
    metrics: Arc<Metrics>,
    /// Why the last operation was not answered, where it was not.
    trouble: Mutex<Option<Unavailable>>,
}

impl Metered {
    pub(super) fn new(store: Box<dyn Store>, metrics: Arc<Metrics>) -> Self {
        metrics.vault_answers.with_label_values::<&str>(&[]).set(1);
        Self { store, metrics, trouble: Mutex::default() }
    }

    fn timed<'a, T: 'a>(&'a self, operation: &'static str, pending: Pending<'a, T>) -> Pending<'a, T> {
        Box::pin(async move {
            let began = Instant::now();
            let done = pending.await;
            self.metrics.vault_duration.of([&operation]).observe(began.elapsed().as_secs_f64());
            let outcome = match &done {
                Ok(_) => "done",
                Err(VaultError::Unavailable(_)) => "unavailable",
                Err(_) => "refused",
            };
            let trouble = match &done {
                Err(VaultError::Unavailable(why)) => Some(why.clone()),
                _ => None,
            };
            *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
            self.metrics.vault_operations.of([&operation, &outcome]).inc();
            self.metrics
                .vault_answers
                .with_label_values::<&str>(&[])
                .set(i64::from(outcome != "unavailable"));
            done
        })
    }
}

impl Store for Metered {
    fn create(&self, record: Record) -> Pending<'_, Version> {
        self.timed("create", self.store.create(record))
    }

    fn get(&self, alias: &TenantName) -> Pending<'_, Option<Stored>> {
        self.timed("get", self.store.get(alias))
    }

    fn replace(&self, record: Record, known: Version) -> Pending<'_, Version> {
        self.timed("replace", self.store.replace(record, known))
    }

    fn remove(&self, alias: &TenantName, known: Version) -> Pending<'_, ()> {
        self.timed("remove", self.store.remove(alias, known))
    }

    fn list(&self) -> Pending<'_, Vec<Stored>> {
        self.timed("list", self.store.list())
    }

    fn go_over(&self, known: Vec<TenantName>) -> Pending<'_, Vec<Stored>> {
        self.timed("list", self.store.go_over(known))
    }

    fn notices(&self) -> Option<mpsc::Receiver<Notice>> {
        self.store.notices()
    }

    fn is_shared(&self) -> bool {
        self.store.is_shared()
    }

    fn trouble(&self) -> Option<Unavailable> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn verify(&self) -> Pending<'_, Checkup> {
        self.store.verify()
    }

    fn rekey(&self, key: Secret) -> Pending<'_, usize> {
        self.store.rekey(key)
    }

    fn import(&self, records: Vec<Record>) -> Pending<'_, Imported> {
        self.store.import(records)
    }
}

impl fmt::Debug for Metered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.store.fmt(f)
    }
}
