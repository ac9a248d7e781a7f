//! The file: what it keeps, what it refuses, and that nothing is overwritten when something is wrong.

mod versions;

use std::{collections::BTreeMap, os::unix::fs::PermissionsExt as _, path::Path};

use super::{
    file::dying::{self, Plan},
    *,
};
use crate::vault::{
    Vault,
    error::ExportError,
    export::{export, exported},
    record::tests::record,
};

fn key(text: &str) -> Secret {
    Secret::new(text.repeat(32).into())
}

fn alias(text: &str) -> TenantName {
    TenantName::parse(text).unwrap()
}

async fn opened(path: &Path) -> Embedded {
    Embedded::open(path.into(), key("k")).await.unwrap()
}

/// Why it cannot be opened.
async fn refusal(path: &Path, with: Secret) -> String {
    let error = Embedded::open(path.into(), with).await.unwrap_err();
    let text = format!("{error}. {}", error.remedy());
    text.replace(path.to_str().unwrap(), "FILE")
}

/// The thread lets go of the file a moment after its last handle did.
async fn closed(file: Embedded) {
    let jobs = file.jobs.clone();
    drop(file);
    let (tell, told) = oneshot::channel::<()>();
    jobs.send(Box::new(move |file| {
        *file = VaultFile::nowhere();
        drop(tell);
    }))
    .await
    .unwrap();
    let _closed = told.await;
}

#[tokio::test]
async fn records_outlive_the_process_and_no_secret_is_in_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vault.redb");
    let file = opened(&path).await;
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    for (name, version) in [("b", 1), ("a", 2)] {
        assert_eq!(file.create(record(name, "hunter2hunter2")).await, Ok(Version(version)));
    }
    assert_eq!(file.replace(record("a", "hunter3hunter3"), Version(2)).await, Ok(Version(3)));
    closed(file).await;
    let file = opened(&path).await;
    let stored = |name, secret, version| Stored { record: record(name, secret), version: Version(version) };
    assert_eq!(
        file.list().await.unwrap(),
        [stored("a", "hunter3hunter3", 3), stored("b", "hunter2hunter2", 1)]
    );
    assert_eq!(file.get(&alias("b")).await.unwrap(), Some(stored("b", "hunter2hunter2", 1)));
    let checkup = file.verify().await.unwrap();
    assert_eq!((checkup.records, checkup.open_to_others), (2, None));
    let bytes = std::fs::read(&path).unwrap();
    let shows = |text: &[u8]| memchr::memmem::find(&bytes, text).is_some();
    assert!(!shows(b"hunter") && !shows(b"m2m") && !shows(b"logto.app"));
}

#[tokio::test]
async fn versions_are_compared_as_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    let file = opened(&dir.path().join("v")).await;
    let vault = Vault::new(file);
    let reservation = vault.reserve(alias("a")).await.unwrap();
    assert_eq!(reservation.store(record("a", "s")).await, Ok(Version(1)));
    assert!(matches!(reservation.store(record("a", "t")).await, Err(VaultError::AliasTaken { .. })));
    assert_eq!(vault.replace(record("a", "t"), Version(2)).await, Err(VaultError::Changed(alias("a"))));
    assert_eq!(vault.remove(&alias("b"), Version(1)).await, Err(VaultError::Unknown(alias("b"))));
    assert_eq!(vault.remove(&alias("a"), Version(1)).await, Ok(()));
    assert_eq!(vault.get(&alias("a")).await, Ok(None));
    assert!(matches!(
        vault.reserve(alias("c")).await.unwrap().store(record("c", "\n")).await,
        Err(VaultError::Unfit(_))
    ));
}

#[tokio::test]
async fn a_second_process_a_wrong_key_and_a_foreign_file_are_refused_and_nothing_is_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vault.redb");
    let file = opened(&path).await;
    file.create(record("a", "s")).await.unwrap();
    assert!(
        refusal(&path, key("k")).await.starts_with("the vault is unavailable: another process has FILE open")
    );
    closed(file).await;
    assert!(
        refusal(&path, key("other"))
            .await
            .contains("vault.key is not the key that FILE is sealed with. Write the key of before")
    );
    let text = dir.path().join("claviger.toml");
    std::fs::write(&text, "[vault]\n".repeat(1000)).unwrap();
    assert!(refusal(&text, key("k")).await.contains("FILE is not a vault of Claviger"));
    assert_eq!(std::fs::read_to_string(&text).unwrap(), "[vault]\n".repeat(1000));
    assert!(
        refusal(&dir.path().join("none/vault"), key("k"))
            .await
            .contains("FILE: there is no such file or directory")
    );
    assert!(refusal(Path::new("/dev/null"), key("k")).await.contains("FILE is not a vault of Claviger"));
    assert_eq!(opened(&path).await.list().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_file_that_is_damaged_anywhere_is_refused_or_read_right() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vault.redb");
    let file = opened(&path).await;
    for name in ["a", "b", "c"] {
        file.create(record(name, "secret")).await.unwrap();
    }
    let whole = file.list().await.unwrap();
    closed(file).await;
    let bytes = std::fs::read(&path).unwrap();
    let damaged = dir.path().join("damaged");
    let mut refused = 0;
    let step = bytes.len() / 60;
    let flips = (0..60).map(|n| n * step).chain((0..64).map(|n| n * 8));
    let cuts = [bytes.len() / 2, 4096, 100, 1];
    let flipped = flips.map(|at| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x55;
        bytes
    });
    for bytes in flipped.chain(cuts.map(|end| bytes[..end].to_vec())) {
        std::fs::write(&damaged, bytes).unwrap();
        let read = match Embedded::open_existing(damaged.clone(), key("k")).await {
            Ok(file) => {
                let read = file.list().await;
                closed(file).await;
                read
            }
            Err(error) => Err(error),
        };
        match read {
            Ok(records) => assert_eq!(records, whole),
            Err(VaultError::Unavailable(_)) => refused += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(refused > 4, "{refused} were refused");
}

#[tokio::test]
async fn another_key_takes_all_records_or_none() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vault.redb");
    let file = opened(&path).await;
    file.create(record("a", "s")).await.unwrap();
    assert_eq!(file.rekey(key("n")).await, Ok(1));
    assert_eq!(file.list().await.unwrap().len(), 1, "it goes on with the new key");
    closed(file).await;
    assert!(refusal(&path, key("k")).await.contains("is not the key"));
    assert_eq!(
        Embedded::open(path, key("n")).await.unwrap().list().await.unwrap()[0].record,
        record("a", "s")
    );
}

#[test]
fn an_export_that_was_cut_off_anywhere_or_lacks_a_line_is_refused_whole() {
    let whole = export_of(3);
    let way = key("way");
    assert_eq!(exported(&whole, &way).unwrap().len(), 3);
    assert_eq!(exported(&whole.replace('\n', "\r\n"), &way).unwrap().len(), 3, "copied by way of Windows");
    let not_whole =
        |text: &str| matches!(exported(text, &way), Err(VaultError::NoExport(ExportError::NotWhole)));
    let lines: Vec<_> = whole.lines().collect();
    for count in 1..lines.len() {
        assert!(not_whole(&format!("{}\n", lines[..count].join("\n"))), "{count} lines");
    }
    // The line end alone is nothing.
    for bytes in whole.len() - 60..whole.len() - 1 {
        assert!(exported(&whole[..bytes], &way).is_err(), "{bytes} bytes");
    }
    for missing in 1..=3 {
        let mut lines = lines.clone();
        lines.remove(missing);
        assert!(not_whole(&lines.join("\n")), "without line {missing}");
    }
    let twice = [&lines[..2], &lines[1..]].concat();
    assert!(not_whole(&twice.join("\n")));
    let error = VaultError::from(ExportError::NotWhole);
    assert!(error.remedy().starts_with("Nothing was taken in."), "{error}");
    assert_eq!(exported(&export_of(0), &way).unwrap(), []);
}

#[tokio::test]
async fn an_export_is_sealed_and_is_taken_in_where_the_alias_is_free() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (opened(&dir.path().join("from")).await, opened(&dir.path().join("to")).await);
    from.create(record("a", "hunter2hunter2")).await.unwrap();
    from.create(record("b", "hunter2hunter2")).await.unwrap();
    to.create(record("a", "another")).await.unwrap();
    let text = export(&from.list().await.unwrap(), &key("way")).unwrap();
    assert!(!text.contains("hunter"));
    let refused = exported(&text, &key("k")).unwrap_err();
    assert_eq!(
        format!("{refused}. {}", refused.remedy()),
        "this is no export of a vault, or the key is not the one it is sealed with. Name a file of `claviger vault export`, and with --key the file with the key that it was given."
    );
    let moved = exported(&text.replace("\na ", "\nc "), &key("way"));
    assert!(matches!(moved, Err(VaultError::NoExport(ExportError::NotWhole))));
    let imported = to.import(exported(&text, &key("way")).unwrap()).await.unwrap();
    assert_eq!(imported, Imported { added: vec![alias("b")], taken: vec![alias("a")] });
    let secrets: Vec<_> = to.list().await.unwrap().into_iter().map(|it| it.record).collect();
    assert_eq!(secrets, [record("a", "another"), record("b", "hunter2hunter2")]);
}

/// By alias: the version, and the secret, of which there are no two the same.
type Known = BTreeMap<String, (u64, String)>;

/// Of which alias, and to which secret; `None`: taken out.
type Underway = Option<(String, Option<String>)>;

/// What the file has.
fn found(file: &mut VaultFile) -> Option<Known> {
    let secret = |record: &Record| String::from_utf8(record.secrets[0].value.expose().to_vec()).unwrap();
    let all = file.list().ok()?.into_iter();
    Some(all.map(|it| (it.record.alias.to_string(), (it.version.0, secret(&it.record)))).collect())
}

/// One life of a vault: changes, until the power goes. Returns what was answered as stored, by alias, and what was under way.
fn live(path: &Path, seed: u64, operations: usize) -> (Known, Underway) {
    let mut chance = fastrand::Rng::with_seed(seed);
    dying::dies(Some(Plan { operations, seed, refused: None }));
    let opened = VaultFile::open_existing(path.into(), &key("k"));
    dying::dies(None);
    let Ok(mut file) = opened else { return (Known::new(), None) };
    let Some(mut known) = found(&mut file) else { return (Known::new(), None) };
    for n in 0.. {
        let name = format!("t{}", chance.usize(..6));
        let there = known.get(&name).map(|(version, _)| Version(*version));
        if let Some(there) = there.filter(|_| chance.usize(..8) == 0) {
            match file.remove(&alias(&name), there) {
                Ok(()) => known.remove(&name),
                Err(_) => return (known, Some((name, None))),
            };
            continue;
        }
        // A rotation stores another with each step.
        let secret = format!("secret-{seed}-{n}");
        match file.put(&record(&name, &secret), there) {
            Ok(Version(version)) => known.insert(name, (version, secret)),
            Err(_) => return (known, Some((name, Some(secret)))),
        };
    }
    unreachable!("the power goes")
}

/// Held against every point: a thousand power cuts, each in the middle of whatever is going on.
#[test]
fn b52_a_thousand_power_cuts_lose_nothing_that_was_answered_and_halve_nothing() {
    // In memory where there is such a place: a real disk has nothing to add to a simulated one but time.
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let path = dir.path().join("vault.redb");
    drop(VaultFile::open(path.clone(), &key("k")).unwrap());
    let (mut cut, mut stored) = (0, 0);
    let mut used = BTreeMap::new();
    for seed in 0..1000 {
        let (known, underway) = live(&path, seed, 1 + (seed as usize * 7) % 90);
        let mut file =
            VaultFile::open_existing(path.clone(), &key("k")).expect("a power cut damages nothing");
        let found = found(&mut file).expect("every record opens");
        for (version, secret) in found.values().chain(known.values()) {
            let before = used.insert(*version, secret.clone());
            assert!(before.is_none_or(|before| before == *secret), "version {version} is used twice");
        }
        // What was under way happened whole or not at all; where it was not even begun, nobody knows of anything.
        let mut after = known.clone();
        match underway {
            Some((name, Some(secret))) => {
                let version = found.get(&name).map_or(0, |(version, _)| *version);
                drop(after.insert(name, (version, secret)));
            }
            Some((name, None)) => drop(after.remove(&name)),
            None => continue,
        }
        assert!(
            found == known || found == after,
            "run {seed}: {known:?} and then {after:?}; found {found:?}"
        );
        cut += 1;
        stored += usize::from(found == after);
    }
    assert!(
        cut > 500 && stored > 0 && stored < cut,
        "{cut} were cut in a change, {stored} of which happened"
    );
}

#[test]
fn a_disk_that_takes_nothing_more_is_named_and_nothing_that_was_stored_is_lost() {
    use std::io::ErrorKind::{ReadOnlyFilesystem, StorageFull};
    for (kind, said) in
        [(StorageFull, "the disk is full"), (ReadOnlyFilesystem, "the file system is read-only")]
    {
        for operations in (0..60).step_by(3) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("vault.redb");
            let mut file = VaultFile::open(path.clone(), &key("k")).unwrap();
            file.put(&record("before", "secret"), None).unwrap();
            drop(file);
            dying::dies(Some(Plan { operations, seed: 0, refused: Some(kind) }));
            let opened = VaultFile::open_existing(path.clone(), &key("k"));
            let mut stored = vec!["before".to_owned()];
            let mut refused = None;
            match opened {
                Err(error) => refused = Some(VaultError::from(error)),
                Ok(mut file) => {
                    for n in 0..20 {
                        let name = format!("t{n}");
                        match file.put(&record(&name, "secret"), None) {
                            Ok(_) => stored.push(name),
                            Err(error) => {
                                refused = Some(error);
                                break;
                            }
                        }
                    }
                }
            }
            dying::dies(None);
            let refused = refused.expect("twenty records take more writes").to_string();
            assert!(refused.contains(said), "{operations}: {refused}");
            let mut file = VaultFile::open_existing(path, &key("k")).unwrap();
            let found: Vec<_> =
                file.list().unwrap().into_iter().map(|it| it.record.alias.to_string()).collect();
            let missing: Vec<_> = stored.iter().filter(|name| !found.contains(name)).collect();
            assert!(
                missing.is_empty() && found.len() <= stored.len() + 1,
                "{operations}: {stored:?} {found:?}"
            );
            file.put(&record("after", "secret"), None).expect("there is room again");
        }
    }
}

/// An export of so many records.
fn export_of(count: usize) -> String {
    let record = |n: usize| record(&format!("tenant-{n}"), "a-secret-of-thirty-two-characters");
    let all: Vec<_> = (0..count).map(|n| Stored { record: record(n), version: Version(1) }).collect();
    export(&all, &key("way")).unwrap()
}

#[tokio::test]
async fn a_record_takes_less_than_4_kib() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vault.redb");
    let file = opened(&path).await;
    file.import(exported(&export_of(500), &key("way")).unwrap()).await.unwrap();
    assert_eq!(file.list().await.unwrap().len(), 500);
    let bytes = std::fs::metadata(&path).unwrap().len();
    assert!(bytes < 500 * 4096, "{bytes} bytes");
}

/// A vault to measure with, at the path that the environment names.
#[tokio::test]
#[ignore = "for measurements"]
async fn make_a_vault_of_ten_thousand() {
    let path = std::env::var_os("TEST_VAULT").expect("TEST_VAULT names a file");
    let file = opened(Path::new(&path)).await;
    let imported = file.import(exported(&export_of(10_000), &key("way")).unwrap()).await.unwrap();
    assert_eq!(imported.added.len(), 10_000);
    closed(file).await;
}
