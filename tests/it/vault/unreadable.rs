//! What the commands say where the vault's key, its file or `admin.token` cannot be read.

use super::{Place, tenant};
use crate::support::{
    Logto, Settings, claviger,
    command::{finish, program},
    quoted,
};

fn settings(place: &Place) -> Settings {
    let file = |name: &str| format!("{{ file = {} }}", quoted(place.path(name).display().to_string()));
    Settings::usual()
        .set("tenants.acme.endpoint", "'http://127.0.0.1:9'")
        .set("tenants.acme.client_id", "'c'")
        .set("tenants.acme.client_secret", "'0123456789abcdef'")
        .set("vault.store", file("vault.redb"))
        .set("vault.key", file("key"))
}

fn written(place: &Place, settings: &Settings) -> std::path::PathBuf {
    let path = place.path("c.toml");
    settings.write(&path);
    path
}

#[tokio::test]
async fn a_missing_key_of_the_vault_is_named_by_each_command() {
    let place = Place::new();
    std::fs::remove_file(place.path("key")).expect("it is there");
    let file = written(&place, &settings(&place));
    let missing = place.path("key").display().to_string();
    let says =
        format!(": vault.key: cannot read the file {missing}: there is no such file. Look at the path");
    let config = file.display().to_string();
    let verify = claviger(&["vault", "verify", "--config", &config]).await;
    let line = r#"{"alias":"beta","endpoint":"http://127.0.0.1:9","client_id":"c","client_secret":"0123456789abcdef"}"#;
    std::fs::write(place.path("tenants"), line).expect("it can be written to");
    let import = place.path("tenants").display().to_string();
    for told in [verify, tenant(&file, &["list"]).await, tenant(&file, &["import", &import]).await] {
        let told = told.assert_code(1);
        assert!(told.stderr.contains("claviger: the vault cannot be opened: "), "{told:?}");
        assert!(told.stderr.contains(&says), "{told:?}");
    }

    let none = written(&place, &settings(&place).without("vault.store").without("vault.key"));
    for told in [
        tenant(&none, &["list"]).await,
        claviger(&["vault", "verify", "--config", &none.display().to_string()]).await,
    ] {
        let says = "claviger: The vault is unavailable: none is configured. Write [vault] with store";
        assert!(told.assert_code(1).stderr.to_lowercase().starts_with(&says.to_lowercase()), "{told:?}");
    }
}

#[tokio::test]
async fn a_vault_in_a_directory_that_is_not_there_is_no_empty_vault() {
    let place = Place::new();
    let nowhere = place.path("nodir/vault.redb").display().to_string();
    let file = written(
        &place,
        &settings(&place).set("vault.store", format!("{{ file = {} }}", quoted(nowhere.clone()))),
    );
    for arguments in [&["list"][..], &["show", "acme"]] {
        let told = tenant(&file, arguments).await;
        let says = format!("claviger: there is no vault at {nowhere}: its directory does not exist\n");
        assert_eq!(told.assert_code(1).stderr, says);
    }
    let fresh = tenant(&written(&place, &settings(&place)), &["list"]).await;
    assert!(fresh.assert_code(0).stdout.starts_with("ALIAS"), "{fresh:?}");
}

/// With a process and without.
#[tokio::test]
async fn a_tenant_of_the_configuration_is_said_to_be_one() {
    let (logto, place) = (Logto::start().await, Place::new());
    let proxy = place.builder(&logto).start().await;
    let alone = place.path("alone.toml");
    std::fs::copy(proxy.file(), &alone).expect("it can be copied");
    let says = "claviger: configured is a tenant of the configuration, and the vault has nothing of it: `claviger status` shows it; \
                to remove it, take [tenants.configured] out.\n";
    for arguments in [["show", "configured"], ["remove", "configured"]] {
        assert_eq!(tenant(&proxy.file(), &arguments).await.assert_code(1).stderr, says);
    }
    let nobody = tenant(&proxy.file(), &["show", "nobody"]).await;
    assert!(nobody.assert_code(1).stderr.contains("the vault has no tenant nobody"), "{nobody:?}");
    assert!(proxy.stop().await.success());
    for arguments in [["show", "configured"], ["remove", "configured"]] {
        assert_eq!(tenant(&alone, &arguments).await.assert_code(1).stderr, says);
    }
    let (out, key) = (place.path("out").display().to_string(), place.path("vex.key").display().to_string());
    let config = alone.display().to_string();
    let export = claviger(&["vault", "export", &out, "--key", &key, "--config", &config]).await;
    let says = format!("Make it with: openssl rand -hex 32 > {key}\n");
    assert!(export.assert_code(1).stderr.ends_with(&says), "{export:?}");
}

#[tokio::test]
async fn an_admin_token_that_cannot_be_read_is_said_to_be_the_reason() {
    let (logto, place) = (Logto::start().await, Place::new());
    let proxy = place.builder(&logto).start().await;
    let (file, token) = (proxy.file(), place.path("admin-token"));
    let config = file.display().to_string();
    std::fs::remove_file(&token).expect("it is there");
    let missing = format!(
        "admin.token: cannot read the file {}: there is no such file. Look at the path",
        token.display()
    );
    for command in [&["status"][..], &["explain", "/api/users"]] {
        let told = finish(program().args(command).current_dir(proxy.directory())).await;
        for says in [" asks for admin.token, and the one that is configured here cannot be used: ", &missing]
        {
            assert!(told.stderr.contains(says), "{says}: {told:?}");
        }
    }
    let listed = tenant(&file, &["list"]).await;
    for says in ["vault.redb open, and it could not be asked: ", &missing] {
        assert!(listed.assert_code(1).stderr.contains(says), "{says}: {listed:?}");
    }
    std::fs::write(&token, "another-token-than-the-one-of-the-process").expect("it can be written");
    for command in [&["status"][..], &["explain", "/api/users"], &["tenant", "list"]] {
        let told = finish(program().args(command).current_dir(proxy.directory())).await;
        let says = " does not accept the admin.token that is configured here; was it changed after the process started, or does another process listen there?";
        assert!(told.stderr.contains(says), "{command:?}: {told:?}");
    }
    std::fs::remove_file(&token).expect("it is there");
    let created = tenant(&file, &["create", "x", "--name", "x", "--region", "EU"]).await;
    assert!(created.assert_code(1).stderr.contains(&missing), "{created:?}");

    for (text, says) in [
        ("", "is empty"),
        (
            "a-token-of-some-length\nand-another-line\n",
            "the token has 2 lines. Write it in one line, with nothing else beside it.",
        ),
        ("a-token-of-s\u{f6}me-length", "the token has characters other than visible ASCII. "),
        ("short", "the token has 5 bytes; 16 is the least. "),
    ] {
        std::fs::write(&token, text).expect("it can be written to");
        let told = claviger(&["status", "--config", &config]).await;
        assert!(
            told.assert_code(1).stderr.contains("and the one that is configured here cannot be used: "),
            "{told:?}"
        );
        assert!(told.stderr.contains(says), "{says}: {told:?}");
    }
}
