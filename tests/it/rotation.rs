//! Secrets that change while the program runs.

#[path = "rotation/exec.rs"]
mod exec;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use tokio::task::JoinSet;

use crate::support::{Logto, Proxy, Request, canary::MARK, soon};

/// A Kubernetes secret volume: `secret` → `..data/secret`, `..data` → a directory with a time in its name.
struct Volume<'a>(&'a Path);

impl Volume<'_> {
    /// Swaps all files at once, as the kubelet does.
    fn swap(&self, version: &str, content: &str) {
        let fresh = self.0.join(format!("..{version}"));
        std::fs::create_dir_all(&fresh).expect("a temporary directory can be written to");
        std::fs::write(fresh.join("secret"), content).expect("likewise");
        let link = self.0.join("..data_tmp");
        std::os::unix::fs::symlink(format!("..{version}"), &link).expect("likewise");
        std::fs::rename(&link, self.0.join("..data")).expect("likewise");
        if !self.0.join("secret").exists() {
            std::os::unix::fs::symlink("..data/secret", self.0.join("secret")).expect("likewise");
        }
    }
}

#[tokio::test]
async fn b10_a_swapped_secret_is_taken_up_under_load() {
    let logto = Logto::start().await;
    let (old, new) = (logto.secret().to_owned(), format!("{MARK}the-next-secret-9876543210"));
    let volume = tempfile::tempdir().expect("there is a temporary directory");
    Volume(volume.path()).swap("1", &format!("{old}\n"));
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set(
            "tenants.acme.client_secret",
            format!("{{ file = '{}' }}", volume.path().join("secret").display()),
        )
        .set("reload.interval", "'50ms'")
        .start()
        .await;
    assert_eq!(proxy.get("/api/roles").await.status, 200);

    let over = Arc::new(AtomicBool::new(false));
    let mut load = JoinSet::new();
    for _ in 0..8 {
        let (mut client, over) = (proxy.connect().await, over.clone());
        load.spawn(async move {
            while !over.load(SeqCst) {
                assert_eq!(client.ask(&Request::get("/api/roles?page=1&page_size=1")).await.status, 200);
            }
        });
    }
    logto.set_secrets(logto.client(), vec![old.clone(), new.clone()]);
    Volume(volume.path()).swap("2", &format!("{new}\n"));
    proxy.logged("the configuration was reloaded").await;
    // Now only the new one is good, and every token of the old one is refused.
    logto.set_secrets(logto.client(), vec![new]);
    logto.rotate_keys().expect("a key can be made");
    logto.rotate_keys().expect("a key can be made");
    let grants = logto.grants();
    soon("a grant with the new secret", || logto.grants() > grants).await;
    let arrived = logto.api_requests();
    soon("some more load", || logto.api_requests() > arrived + 50).await;
    over.store(true, SeqCst);
    load.join_all().await;
    assert_eq!(proxy.get("/api/roles").await.status, 200);
}

#[tokio::test]
async fn b10_an_empty_or_missing_file_changes_nothing_and_is_said() {
    let logto = Logto::start().await;
    let volume = tempfile::tempdir().expect("there is a temporary directory");
    let file = volume.path().join("secret");
    std::fs::write(&file, logto.secret()).expect("a temporary directory can be written to");
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("tenants.acme.client_secret", format!("{{ file = '{}' }}", file.display()))
        .start()
        .await;
    assert_eq!(proxy.get("/api/roles").await.status, 200);
    for content in [Some(""), Some("\n"), Some("\0half"), None] {
        match content {
            Some(content) => std::fs::write(&file, content).expect("likewise"),
            None => std::fs::remove_file(&file).expect("likewise"),
        }
        assert!(!proxy.reload().await, "{content:?}");
        let status = proxy.status().await;
        let error = status["configuration"]["last_reload_error"].as_str().unwrap_or_default();
        assert!(error.contains("tenants.acme.client_secret"), "{content:?}: {error}");
        assert_eq!(proxy.metric("claviger_config_last_reload_successful").await, 0.0);
        assert_eq!(proxy.get("/api/roles").await.status, 200, "{content:?}: the old secret stays in force");
    }
    std::fs::write(&file, logto.secret()).expect("likewise");
    assert!(proxy.reload().await);
    assert_eq!(proxy.metric("claviger_config_last_reload_successful").await, 1.0);
}

#[tokio::test]
async fn b10_of_two_secrets_the_one_that_works_is_used() {
    let logto = Logto::start().await;
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("tenants.acme.client_secret", format!("['{MARK}not-yet-known-to-logto', '{}']", logto.secret()))
        .start()
        .await;
    assert_eq!(proxy.get("/api/roles").await.status, 200);
    proxy.logged("one of the two client secrets was refused").await;
    let metrics = proxy.admin("/metrics").await.text();
    let fallback = metrics.lines().find(|line| line.contains("secret_fallback") && !line.starts_with('#'));
    assert!(fallback.is_some_and(|line| line.ends_with(" 1")), "{fallback:?}");
}
