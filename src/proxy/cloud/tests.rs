//! What becomes of a deleted tenant's record that somebody changes meanwhile.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use super::*;
use crate::{
    config::Endpoint,
    secret::Secret,
    vault::{self, Checkup, Imported, Memory, Pending, Store, Stored, Version},
};

/// A store in which the rotator is faster so many times.
#[derive(Debug, Clone)]
struct Busy(Arc<(Memory, AtomicUsize)>);

impl Store for Busy {
    fn create(&self, record: vault::Record) -> Pending<'_, Version> {
        self.0.0.create(record)
    }

    fn get(&self, alias: &TenantName) -> Pending<'_, Option<Stored>> {
        self.0.0.get(alias)
    }

    fn replace(&self, record: vault::Record, known: Version) -> Pending<'_, Version> {
        self.0.0.replace(record, known)
    }

    fn remove(&self, alias: &TenantName, known: Version) -> Pending<'_, ()> {
        let alias = alias.clone();
        Box::pin(async move {
            let Busy(inner) = self;
            if inner.1.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok() {
                let there = inner.0.get(&alias).await?.unwrap();
                inner.0.replace(there.record, there.version).await?;
            }
            inner.0.remove(&alias, known).await
        })
    }

    fn list(&self) -> Pending<'_, Vec<Stored>> {
        self.0.0.list()
    }

    fn verify(&self) -> Pending<'_, Checkup> {
        self.0.0.verify()
    }

    fn rekey(&self, key: Secret) -> Pending<'_, usize> {
        self.0.0.rekey(key)
    }

    fn import(&self, records: Vec<vault::Record>) -> Pending<'_, Imported> {
        self.0.0.import(records)
    }
}

#[tokio::test]
async fn the_record_of_a_deleted_tenant_goes_though_a_rotation_changes_it_meanwhile() {
    let store = Busy(Arc::new((Memory::default(), AtomicUsize::new(2))));
    let endpoint = Endpoint::parse("https://gone.logto.app").unwrap();
    for (alias, id) in [("gone", "gone"), ("stays", "stays")] {
        let (alias, secret) = (TenantName::parse(alias).unwrap(), Secret::new(b"s".to_vec()));
        let since = std::time::SystemTime::UNIX_EPOCH;
        let record = vault::Record::new(
            alias,
            endpoint.clone(),
            "https://gone.logto.app/api".into(),
            "m2m".into(),
            secret,
            "operator",
            since,
        );
        store.create(vault::Record { tenant_id: Some(id.into()), ..record }).await.unwrap();
    }
    forget(Vault::new(store.clone()), TenantName::parse("default").unwrap(), "gone".into()).await;
    let left = store.list().await.unwrap();
    assert_eq!(left.iter().map(|it| it.record.alias.as_str()).collect::<Vec<_>>(), ["stays"]);
}
