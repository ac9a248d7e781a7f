//! Secrets that a command prints: `/bin/sh` stands in for the command line of a secret manager, and a file for the
//! secrets in it. That no secret shows anywhere is looked at after each test, as always.

use std::path::PathBuf;

use claviger_emulator::Effect;

use crate::support::{Logto, Proxy, canary::MARK, claviger, soon};

/// A secret manager with one secret. It is down while there is no file.
struct Vault(tempfile::TempDir);

impl Vault {
    fn down() -> Self {
        Self(tempfile::tempdir().expect("there is a temporary directory"))
    }

    fn with(secret: &str) -> Self {
        let vault = Self::down();
        vault.put(secret);
        vault
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("secret")
    }

    fn put(&self, secret: &str) {
        // At once, as nobody may see half of it.
        let fresh = self.0.path().join("fresh");
        std::fs::write(&fresh, format!("{secret}\n")).expect("a temporary directory can be written to");
        std::fs::rename(&fresh, self.file()).expect("likewise");
    }

    fn take_down(&self) {
        std::fs::remove_file(self.file()).expect("it was up");
    }

    /// How often it was asked.
    fn asked(&self) -> usize {
        std::fs::read_to_string(self.0.path().join("asked")).map_or(0, |asked| asked.lines().count())
    }

    /// What asks it, as in a configuration.
    fn client_secret(&self, ttl: &str) -> String {
        let directory = self.0.path().display();
        let script = format!(
            "echo >> {directory}/asked; [ -e {directory}/secret ] || {{ echo the vault is sealed >&2; exit 2; }}; cat {directory}/secret"
        );
        format!("{{ exec = ['/bin/sh', '-c', '{script}'], ttl = '{ttl}' }}")
    }
}

#[tokio::test]
async fn b10_a_command_gives_the_secret_and_is_not_run_for_each_grant() {
    let logto = Logto::start().await;
    let vault = Vault::with(logto.secret());
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("tenants.acme.client_secret", vault.client_secret("5m"))
        .set("token.min_interval", "'1ms'")
        .start()
        .await;
    assert_eq!(proxy.get("/api/roles").await.status, 200);
    logto.rotate_keys().expect("a key can be made");
    logto.rotate_keys().expect("a key can be made");
    assert_eq!(proxy.get("/api/roles").await.status, 200, "with another token");
    assert!(logto.grants() >= 2);
    assert_eq!(vault.asked(), 1);
    let shown = proxy.admin("/config").await.text();
    assert!(shown.contains("/bin/sh") && !shown.contains("the vault is sealed"), "{shown}");
}

#[tokio::test]
async fn b13_a_tenant_whose_vault_is_down_answers_503_and_recovers() {
    let logto = Logto::start().await;
    let vault = Vault::down();
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("tenants.acme.client_secret", vault.client_secret("5m"))
        .set("token.backoff", "'10ms'")
        .set("token.max_backoff", "'50ms'")
        .start()
        .await;
    let answer = proxy.get("/api/roles").await;
    let problem = answer.json();
    assert_eq!((answer.status, &problem["code"]), (503, &"claviger.token_unavailable".into()));
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.starts_with("The client secret cannot be read."), "{detail}");
    assert!(!detail.contains("sealed") && !detail.contains("/bin/sh"), "that is for the operator: {detail}");
    assert!(answer.value("retry-after").is_some());
    proxy.logged("the command /bin/sh ended with exit status: 2: the vault is sealed").await;
    assert_eq!(logto.grants(), 0);
    vault.put(logto.secret());
    soon("a grant", || logto.grants() > 0).await;
    assert_eq!(proxy.get("/api/roles").await.status, 200);
}

#[tokio::test]
async fn b10_a_rotated_secret_is_read_anew_when_the_issuer_refuses_the_old_one() {
    let logto = Logto::start().await;
    let vault = Vault::with(logto.secret());
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("tenants.acme.client_secret", vault.client_secret("24h"))
        .set("token.min_interval", "'1ms'")
        .start()
        .await;
    assert_eq!(proxy.get("/api/roles").await.status, 200);
    let next = format!("{MARK}the-next-secret-1234567890");
    vault.put(&next);
    logto.set_secrets(logto.client(), vec![next]);
    // Every token of the old one is refused, and so is the old one.
    logto.rotate_keys().expect("a key can be made");
    logto.rotate_keys().expect("a key can be made");
    assert_eq!(proxy.get("/api/roles").await.status, 200, "without a reload, and without a failed request");
    proxy.logged("the issuer refused the client secret, reading it anew").await;
    assert_eq!(vault.asked(), 2);
}

#[tokio::test]
async fn b10_a_reload_goes_on_with_what_is_remembered_unless_the_command_changes() {
    let logto = Logto::start().await;
    let vault = Vault::with(logto.secret());
    let mut proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("tenants.acme.client_secret", vault.client_secret("5m"))
        .set("token.min_interval", "'1ms'")
        .start()
        .await;
    assert_eq!(proxy.get("/api/roles").await.status, 200);
    assert!(proxy.reload_with(|settings| settings.set("tenants.acme.max_in_flight", 7)).await);
    logto.rotate_keys().expect("a key can be made");
    logto.rotate_keys().expect("a key can be made");
    assert_eq!(proxy.get("/api/roles").await.status, 200);
    assert_eq!(vault.asked(), 1);
    let another = vault.client_secret("6m");
    assert!(proxy.reload_with(|settings| settings.set("tenants.acme.client_secret", another)).await);
    proxy.logged("tenants.acme.client_secret").await;
    logto.rotate_keys().expect("a key can be made");
    logto.rotate_keys().expect("a key can be made");
    assert_eq!(proxy.get("/api/roles").await.status, 200);
    assert_eq!(vault.asked(), 2);
}

#[tokio::test]
async fn b10_the_last_secret_stays_in_use_while_the_vault_is_down() {
    let logto = Logto::start().await;
    let vault = Vault::with(logto.secret());
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("tenants.acme.client_secret", vault.client_secret("1s"))
        .set("token.min_interval", "'1ms'")
        .start()
        .await;
    assert_eq!(proxy.get("/api/roles").await.status, 200);
    vault.take_down();
    soon_refused(&proxy, &logto, "cannot read the client secret anew").await;
    assert_eq!(proxy.get("/api/roles").await.status, 200);
}

/// Has tokens refused, and others asked for, until the log says `text`.
async fn soon_refused(proxy: &Proxy, logto: &Logto, text: &str) {
    while !proxy.log().contains(text) {
        logto.rotate_keys().expect("a key can be made");
        logto.rotate_keys().expect("a key can be made");
        assert_eq!(proxy.get("/api/roles").await.status, 200);
    }
}

#[tokio::test]
async fn an_upstream_that_repeats_a_printed_secret_is_stopped() {
    let logto = Logto::start().await;
    let vault = Vault::with(logto.secret());
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("tenants.acme.client_secret", vault.client_secret("5m"))
        .start()
        .await;
    let body = format!("{{\"secret\":\"{}\"}}", logto.secret());
    logto.api_fault(Effect::body(200, "application/json", body));
    assert_eq!(proxy.get("/api/roles").await.status, 502);
}

#[tokio::test]
async fn check_runs_the_command_only_online() {
    let logto = Logto::start().await;
    let vault = Vault::with(logto.secret());
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("tenants.acme.client_secret", vault.client_secret("5m"))
        .start()
        .await;
    soon("the first grant", || logto.grants() > 0).await;
    let file = proxy.file().display().to_string();
    let asked = vault.asked();
    claviger(&["check", "--config", &file]).await.assert_code(0);
    assert_eq!(vault.asked(), asked);
    claviger(&["check", "--online", "--config", &file]).await.assert_code(0);
    assert_eq!(vault.asked(), asked + 1);
}
