//! Versions of records: none is used twice, whatever becomes of the record or of the file.

use super::*;

/// Whoever holds a version of a record that was removed must not find it again in the one that comes after.
#[tokio::test]
async fn a_version_is_never_used_twice_for_an_alias() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vault.redb");
    let memory: Box<dyn Store> = Box::new(crate::vault::Memory::default());
    for store in [memory, Box::new(opened(&path).await)] {
        let mut used = Vec::new();
        for _ in 0..3 {
            let first = store.create(record("a", "s")).await.unwrap();
            let second = store.replace(record("a", "t"), first).await.unwrap();
            store.remove(&alias("a"), second).await.unwrap();
            assert_eq!(store.import(vec![record("a", "s")]).await.unwrap().added.len(), 1);
            let third = store.get(&alias("a")).await.unwrap().unwrap().version;
            assert_eq!(store.replace(record("a", "u"), first).await, Err(VaultError::Changed(alias("a"))));
            store.rekey(key("k")).await.unwrap();
            let last = store.get(&alias("a")).await.unwrap().unwrap().version;
            store.remove(&alias("a"), last).await.unwrap();
            used.extend([first, second, third]);
        }
        assert!(used.is_sorted_by(|one, next| one < next), "{used:?}");
    }
}

/// The files of before have no counter of versions.
#[tokio::test]
async fn a_file_without_a_counter_goes_on_above_its_highest_version() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vault.redb");
    let file = opened(&path).await;
    let mut version = file.create(record("a", "s")).await.unwrap();
    for _ in 0..5 {
        version = file.replace(record("a", "t"), version).await.unwrap();
    }
    closed(file).await;
    let database = redb::Database::open(&path).unwrap();
    let change = database.begin_write().unwrap();
    let about = redb::TableDefinition::<&str, &[u8]>::new("about");
    change.open_table(about).unwrap().remove("version").unwrap();
    change.commit().unwrap();
    drop(database);
    let file = opened(&path).await;
    file.remove(&alias("a"), version).await.unwrap();
    assert!(file.create(record("a", "s")).await.unwrap() > version);
}
