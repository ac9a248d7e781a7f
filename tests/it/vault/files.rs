//! What the commands say of a vault's file, and of those that it is moved by.

use super::{Place, tenant};
use crate::support::{Logto, claviger, command::Finished};

async fn vault(place: &Place, arguments: &[&str]) -> Finished {
    let config = place.path("c.toml").display().to_string();
    claviger(&[&["vault"], arguments, &["--config", &config]].concat()).await
}

/// A place with a vault that has a tenant, which no process has open.
async fn with_a_vault() -> (Place, Logto) {
    let (logto, place) = (Logto::start().await, Place::new());
    let proxy = place.builder(&logto).start().await;
    super::adopt(&place, &proxy.file(), "acme", &logto, logto.secret()).await.assert_code(0);
    std::fs::copy(proxy.file(), place.path("c.toml")).expect("it can be copied");
    assert!(proxy.stop().await.success());
    std::fs::write(place.path("way"), "0123456789".repeat(4)).expect("it can be written to");
    (place, logto)
}

#[tokio::test]
async fn an_empty_file_is_no_new_vault_and_a_damaged_one_is_to_be_moved_away() {
    let (place, _logto) = with_a_vault().await;
    let file = place.path("vault.redb");
    let config = place.path("c.toml").display().to_string();
    std::fs::write(&file, "").expect("it can be written to");
    let says = format!("{} is empty", file.display());
    let checked = claviger(&["check", "--config", &config]).await;
    for told in [vault(&place, &["verify"]).await, checked, tenant(&place.path("c.toml"), &["list"]).await] {
        assert!(told.stderr.contains(&says) && told.code != Some(0), "{told:?}");
        assert!(told.stderr.contains("Restore a copy, or remove it to begin anew."), "{told:?}");
    }
    assert_eq!(std::fs::metadata(&file).expect("it is there").len(), 0, "nothing was written");
    let served = claviger(&["serve", "--config", &config]).await;
    assert!(served.code == Some(1) && served.stderr.contains(&says), "{served:?}");
    assert_eq!(std::fs::metadata(&file).expect("it is there").len(), 0, "nothing was written");

    std::fs::write(&file, vec![1; 20_000]).expect("it can be written to");
    let way = place.path("way").display().to_string();
    let told = vault(&place, &["import", "none", "--key", &way]).await;
    assert!(told.stderr.contains("Write the path of another file"), "{told:?}");
}

#[tokio::test]
async fn exports_and_keys_that_cannot_be_used_are_named() {
    let (place, _logto) = with_a_vault().await;
    let path = |name: &str| place.path(name).display().to_string();
    let (out, way) = (path("out"), path("way"));
    let nowhere = path("nodir/out");
    let told = vault(&place, &["export", &nowhere, "--key", &way]).await;
    assert!(told.assert_code(1).stderr.contains("its directory does not exist"), "{told:?}");
    vault(&place, &["export", &out, "--key", &way]).await.assert_code(0);
    let verified = path("vault.redb");
    let told = vault(&place, &["import", &verified, "--key", &way]).await;
    assert!(told.assert_code(1).stderr.contains("is no export of a vault"), "{told:?}");
    assert!(told.stderr.contains("claviger vault export"), "{told:?}");
    let told = vault(&place, &["import", &path("none"), "--key", &way]).await;
    assert!(told.assert_code(1).stderr.contains("there is no such file"), "{told:?}");
    assert!(told.stderr.contains("look at the path"), "{told:?}");
    let told = vault(&place, &["rekey", "--new-key", &path("none")]).await;
    assert!(told.assert_code(1).stderr.contains("Make it with: openssl rand -hex 32 > "), "{told:?}");
    let told = vault(&place, &["rekey", "--new-key", &path("key")]).await;
    assert!(told.assert_code(1).stderr.contains("is sealed with already"), "{told:?}");
    let told = tenant(&place.path("c.toml"), &["import", &out]).await;
    assert!(told.assert_code(1).stderr.contains("`claviger vault import`"), "{told:?}");
    let told = tenant(&place.path("c.toml"), &["import", &path("vault.redb")]).await;
    assert_eq!(told.code, Some(1), "{told:?}");
    std::fs::remove_file(place.path("vault.redb")).expect("it is there");
    let listed = tenant(&place.path("c.toml"), &["list"]).await;
    assert!(listed.assert_code(0).stderr.contains("there is no vault at "), "{listed:?}");
}

#[tokio::test]
async fn a_file_that_a_process_has_is_to_be_exported_through_it_or_left() {
    let (logto, place) = (Logto::start().await, Place::new());
    let proxy = place.builder(&logto).start().await;
    std::fs::copy(proxy.file(), place.path("c.toml")).expect("it can be copied");
    let told = vault(&place, &["verify"]).await;
    assert!(told.assert_code(1).stderr.contains("vault.redb open. Stop it first; "), "{told:?}");
    assert!(told.stderr.contains("`claviger tenant`"), "{told:?}");
}
