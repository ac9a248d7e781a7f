//! A vault that is away for a moment, or whose answer gets lost after it has written.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::SystemTime,
};

use super::*;
use crate::{
    config::Endpoint,
    secret::Secret,
    vault::{Checkup, Creating, Imported, Memory, Pending, Store, Stored, Unavailable, Version},
};

/// Its next reads and writes say that it is unavailable; those writes happen or not.
#[derive(Debug, Default)]
struct Failing {
    memory: Memory,
    reads: AtomicUsize,
    writes: AtomicUsize,
    writes_happen: bool,
}

fn fails(count: &AtomicUsize) -> bool {
    count.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok()
}

fn unavailable<T>() -> Result<T, VaultError> {
    Err(Unavailable::new("it is away", "Wait.").into())
}

impl Failing {
    fn write<'a, T: Send + 'a>(&'a self, write: impl FnOnce(&'a Memory) -> Pending<'a, T>) -> Pending<'a, T> {
        if !fails(&self.writes) {
            return write(&self.memory);
        }
        let written = self.writes_happen.then(|| write(&self.memory));
        Box::pin(async move {
            if let Some(written) = written {
                written.await?;
            }
            unavailable()
        })
    }
}

/// As a test and the vault have it.
#[derive(Debug)]
struct Shared(Arc<Failing>);

impl Store for Shared {
    fn create(&self, record: Record) -> Pending<'_, Version> {
        self.0.write(|memory| memory.create(record))
    }

    fn get(&self, alias: &TenantName) -> Pending<'_, Option<Stored>> {
        if fails(&self.0.reads) {
            return Box::pin(async { unavailable() });
        }
        self.0.memory.get(alias)
    }

    fn replace(&self, record: Record, known: Version) -> Pending<'_, Version> {
        self.0.write(|memory| memory.replace(record, known))
    }

    fn remove(&self, alias: &TenantName, known: Version) -> Pending<'_, ()> {
        self.0.memory.remove(alias, known)
    }

    fn list(&self) -> Pending<'_, Vec<Stored>> {
        self.0.memory.list()
    }

    fn verify(&self) -> Pending<'_, Checkup> {
        self.0.memory.verify()
    }

    fn rekey(&self, key: Secret) -> Pending<'_, usize> {
        self.0.memory.rekey(key)
    }

    fn import(&self, records: Vec<Record>) -> Pending<'_, Imported> {
        self.0.memory.import(records)
    }
}

fn record(secret: &str) -> Record {
    let endpoint = Endpoint::parse("https://abc123.logto.app").unwrap();
    let secret = Secret::new(secret.into());
    let record = Record::new(
        name("acme"),
        endpoint,
        "api".into(),
        "m2m".into(),
        secret,
        "caller",
        SystemTime::UNIX_EPOCH,
    );
    Record { tenant_id: Some("abc123".into()), ..record }
}

fn name(text: &str) -> TenantName {
    TenantName::parse(text).unwrap()
}

/// Begins a creation: its alias and the note of it, under that or one of its own.
async fn begun(vault: &Vault, noted_as: &str) -> (Reservation, Note) {
    let creating = Creating { account: name("default"), name: None, is_unanswered: false };
    let note = Record {
        alias: name(noted_as),
        tenant_id: None,
        secrets: Vec::new(),
        creating: Some(creating),
        ..record("s")
    };
    let reservation = vault.reserve(name("acme")).await.unwrap();
    let own = if noted_as == "acme" { Some(&reservation) } else { None };
    let note = Note::store(vault, own, note).await.unwrap();
    (reservation, note)
}

/// What is stored when some of the writes that store the credential are answered with an error.
async fn stored_when(
    failing: usize,
    writes_happen: bool,
    noted_as: &str,
) -> (Result<(), VaultError>, Vec<Stored>) {
    let store = Arc::new(Failing { writes_happen, ..Failing::default() });
    let vault = Vault::new(Shared(store.clone()));
    let (reservation, note) = begun(&vault, noted_as).await;
    store.writes.store(failing, Relaxed);
    let stored = Tries::new().store(&vault, &reservation, Some(&note), record("s")).await;
    (stored, vault.list().await.unwrap())
}

#[tokio::test(start_paused = true)]
async fn what_was_written_before_its_answer_got_lost_counts_as_stored() {
    for noted_as in ["acme", "creating-1"] {
        for failing in [1, 2, 4, 9] {
            let (stored, found) = stored_when(failing, true, noted_as).await;
            assert_eq!(stored, Ok(()), "{noted_as}, {failing}");
            let found: Vec<_> = found.into_iter().map(|it| it.record).collect();
            assert_eq!(found, [record("s")], "{noted_as}, {failing}: and no note is left");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_tried_four_times_and_said_when_that_was_for_nothing() {
    for noted_as in ["acme", "creating-1"] {
        for (failing, is_stored) in [(0, true), (1, true), (3, true), (4, false)] {
            let (stored, found) = stored_when(failing, false, noted_as).await;
            assert_eq!(stored.is_ok(), is_stored, "{noted_as}, {failing}");
            assert_eq!(found.iter().any(|it| it.record == record("s")), is_stored, "{noted_as}, {failing}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn anothers_tenant_under_the_alias_is_none_of_ours() {
    let vault = Vault::new(Memory::default());
    let reservation = vault.reserve(name("acme")).await.unwrap();
    let other = Record { tenant_id: Some("other".into()), ..record("s") };
    reservation.store(other.clone()).await.unwrap();
    for ours in [record("s"), Record { tenant_id: other.tenant_id.clone(), ..record("another") }] {
        let stored = Tries::new().store(&vault, &reservation, None, ours).await;
        assert!(matches!(stored, Err(VaultError::AliasTaken { .. })), "{stored:?}");
    }
    assert_eq!(vault.get(&name("acme")).await.unwrap().unwrap().record, other);
}

#[tokio::test(start_paused = true)]
async fn an_alias_is_reserved_when_the_vault_is_back() {
    for (failing, is_reserved) in [(1, true), (3, true), (4, false)] {
        let store = Arc::new(Failing::default());
        let vault = Vault::new(Shared(store.clone()));
        store.reads.store(failing, Relaxed);
        let mut tries = Tries::new();
        let reserved = tries.reserve(&vault, &Directory::default(), &name("acme")).await;
        assert_eq!(reserved.is_ok(), is_reserved, "{failing}: {reserved:?}");
    }
}
