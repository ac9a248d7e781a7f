//! Who gets an alias, who comes late, and when a change is answered.

use super::*;
use crate::vault::{Creating, Memory, record::tests::record};

fn alias(text: &str) -> TenantName {
    TenantName::parse(text).unwrap()
}

#[tokio::test]
async fn an_alias_is_given_once_and_is_free_again_when_nothing_came_of_it() {
    let vault = Vault::new(Memory::default());
    let first = vault.reserve(alias("acme")).await.unwrap();
    let taken = |by| VaultError::AliasTaken { alias: alias("acme"), by };
    assert_eq!(vault.reserve(alias("acme")).await.unwrap_err(), taken(Holder::Underway));
    drop(first);
    let second = vault.reserve(alias("acme")).await.unwrap();
    assert_eq!(second.store(record("acme", "s")).await, Ok(Version(1)));
    drop(second);
    assert_eq!(vault.reserve(alias("acme")).await.unwrap_err(), taken(Holder::Vault));
    let drawn = vault.list().await.unwrap();
    assert_eq!(drawn.len(), 1);
    assert!(!format!("{vault:?} {drawn:?}").contains("\"s\""), "no secret can be printed");
}

#[tokio::test]
async fn of_two_who_change_the_same_record_one_is_told_that_it_came_late() {
    let vault = Vault::new(Memory::default());
    let version = vault.reserve(alias("acme")).await.unwrap().store(record("acme", "s")).await.unwrap();
    assert_eq!(vault.replace(record("acme", "t"), version).await, Ok(Version(2)));
    assert_eq!(vault.replace(record("acme", "u"), version).await, Err(VaultError::Changed(alias("acme"))));
    assert_eq!(vault.remove(&alias("acme"), version).await, Err(VaultError::Changed(alias("acme"))));
    assert_eq!(vault.get(&alias("acme")).await.unwrap().unwrap().record, record("acme", "t"));
    assert_eq!(vault.remove(&alias("acme"), Version(2)).await, Ok(()));
    assert_eq!(vault.remove(&alias("acme"), Version(2)).await, Err(VaultError::Unknown(alias("acme"))));
    assert_eq!(vault.get(&alias("acme")).await, Ok(None));
}

#[tokio::test(start_paused = true)]
async fn a_change_is_answered_when_it_has_been_taken_up_or_nobody_does() {
    let vault = Vault::new(Memory::default());
    let mut changes = vault.changes(BTreeMap::new(), PATIENCE);
    let reservation = vault.reserve(alias("acme")).await.unwrap();
    let storing = tokio::spawn(async move { reservation.store(record("acme", "s")).await });
    let changed = changes.recv().await.unwrap();
    assert!(!storing.is_finished());
    assert_eq!((changed.alias, changed.now.unwrap().version), (alias("acme"), Version(1)));
    drop(changed.done);
    assert_eq!(storing.await.unwrap(), Ok(Version(1)));
    // Nobody takes it up: the time passes by itself.
    assert_eq!(vault.replace(record("acme", "t"), Version(1)).await, Ok(Version(2)));
}

#[tokio::test]
async fn the_note_of_a_creation_is_there_until_what_is_adopted_takes_its_place() {
    let vault = Vault::new(Memory::default());
    let creating = Creating { account: alias("default"), name: None, is_unanswered: false };
    let note = |tenant_id: Option<&str>, is_unanswered| Record {
        creating: Some(Creating { is_unanswered, ..creating.clone() }),
        secrets: Vec::new(),
        tenant_id: tenant_id.map(Into::into),
        ..record("acme", "s")
    };
    for (at_rest, note) in
        [(false, note(None, false)), (true, note(None, true)), (true, note(Some("abc123"), false))]
    {
        let known = vault.reserve(alias("acme")).await.unwrap().store(note.clone()).await.unwrap();
        assert!(vault.reserve(alias("acme")).await.is_err(), "for another creation it is taken");
        match vault.reserve_to_adopt(alias("acme")).await {
            Ok(_) => assert!(at_rest),
            Err(error) => {
                let by = Holder::Underway;
                assert_eq!((at_rest, error), (false, VaultError::AliasTaken { alias: alias("acme"), by }));
            }
        }
        assert_eq!(vault.get(&alias("acme")).await.unwrap().unwrap().record, note, "nothing was stored yet");
        if at_rest {
            let adopting = vault.reserve_to_adopt(alias("acme")).await.unwrap();
            adopting.store(record("acme", "t")).await.unwrap();
            let now = vault.get(&alias("acme")).await.unwrap().unwrap();
            assert_eq!(now.record, record("acme", "t"));
            vault.remove(&alias("acme"), now.version).await.unwrap();
        } else {
            vault.remove(&alias("acme"), known).await.unwrap();
        }
    }
    // Another replica adopts it meanwhile, or takes it out.
    let note = note(Some("abc123"), false);
    let known = vault.reserve(alias("acme")).await.unwrap().store(note.clone()).await.unwrap();
    let adopting = vault.reserve_to_adopt(alias("acme")).await.unwrap();
    let theirs = vault.replace(record("acme", "theirs"), known).await.unwrap();
    let taken = VaultError::AliasTaken { alias: alias("acme"), by: Holder::Vault };
    assert_eq!(adopting.store(record("acme", "ours")).await, Err(taken));
    vault.remove(&alias("acme"), theirs).await.unwrap();
    assert!(adopting.store(record("acme", "ours")).await.is_ok());
}
