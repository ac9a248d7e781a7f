//! Tenants of the vault, in the real program: adopted, used, restarted, removed, and who may do so.

#[path = "vault/audit.rs"]
mod audit;
#[path = "vault/configured.rs"]
mod configured;
#[path = "vault/files.rs"]
mod files;
#[path = "vault/import.rs"]
mod import;
#[path = "vault/rotation.rs"]
mod rotation;
#[path = "vault/unreadable.rs"]
mod unreadable;

use std::{
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use rustix::process::Signal;

use crate::support::{
    Logto, Proxy, Request,
    canary::MARK,
    command::{Finished, claviger},
    quoted,
};

const TOKEN: &str = "an-admin-token-of-some-length";

/// A directory for a vault that outlives the processes of a test.
pub(crate) struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("there is a temporary directory");
        let place = Self { directory };
        for (name, text) in [
            ("key", format!("{MARK}0123456789abcdef0123456789abcdef")),
            ("other-key", format!("{MARK}fedcba9876543210fedcba9876543210")),
            ("admin-token", TOKEN.to_owned()),
        ] {
            std::fs::write(place.path(name), text).expect("it can be written to");
            let owner = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            std::fs::set_permissions(place.path(name), owner).expect("it is ours");
        }
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A program with this vault, a tenant of the configuration, and grants by label.
    pub(crate) fn builder(&self, logto: &Logto) -> crate::support::proxy::Builder {
        let reference =
            |name: &str| format!("{{ file = {} }}", quoted(self.path(name).display().to_string()));
        Proxy::builder()
            .tenant("configured", logto)
            .set("listen.admin", quoted(format!("unix:{}", self.path("admin.sock").display())))
            .set("admin.token", reference("admin-token"))
            .set("admin.tenants", "true")
            .set("vault.store", reference("vault.redb"))
            .set("vault.key", reference("key"))
            .set("tenant_templates.customer.labels", "['customer']")
            .set("callers.local.tenants", "['configured', { label = 'customer' }]")
    }

    pub(crate) fn secret_file(&self, secret: &str) -> PathBuf {
        let path = self.path("app-secret");
        std::fs::write(&path, format!("{secret}\n")).expect("it can be written to");
        path
    }
}

pub(crate) async fn tenant(file: &Path, arguments: &[&str]) -> Finished {
    let file = file.display().to_string();
    let all: Vec<_> = [&["tenant"], arguments, &["--config", &file]].concat();
    claviger(&all).await
}

pub(crate) async fn adopt(place: &Place, file: &Path, alias: &str, logto: &Logto, secret: &str) -> Finished {
    let secret = place.secret_file(secret).display().to_string();
    let (endpoint, client) = (logto.base_url(), logto.client());
    let arguments = [
        "adopt",
        alias,
        "--endpoint",
        &endpoint,
        "--client-id",
        client,
        "--client-secret-file",
        &secret,
        "--template",
        "customer",
    ];
    tenant(file, &arguments).await
}

#[tokio::test]
async fn b53_an_adopted_tenant_is_used_at_once_outlives_a_kill_and_is_gone_when_removed() {
    let (logto, place) = (Logto::start().await, Place::new());
    let mut proxy = place.builder(&logto).start().await;
    assert_eq!(proxy.get("/t/acme/api/roles").await.status, 404);
    let adopted = adopt(&place, &proxy.file(), "acme", &logto, logto.secret()).await;
    adopted.assert_code(0).keep(proxy.tap());
    assert_eq!(proxy.get("/t/acme/api/roles").await.status, 200, "in the next request");
    proxy.signal(Signal::KILL);
    assert!(!proxy.ended().await.success());
    drop(proxy);

    let proxy = place.builder(&logto).start().await;
    assert_eq!(proxy.get("/t/acme/api/roles").await.status, 200, "after a restart");
    let shown = tenant(&proxy.file(), &["show", "acme", "--json"]).await;
    shown.assert_code(0).keep(proxy.tap());
    let shown: serde_json::Value = serde_json::from_str(&shown.stdout).expect("JSON");
    assert_eq!((&shown["in_force"], &shown["created_by"]), (&true.into(), &"operator".into()));
    assert_eq!(shown["template_labels"], serde_json::json!(["customer"]));
    let text = tenant(&proxy.file(), &["show", "acme"]).await;
    assert!(text.assert_code(0).stdout.contains("labels     customer\n"), "{text:?}");
    let removed = tenant(&proxy.file(), &["remove", "acme"]).await;
    removed.assert_code(0);
    assert_eq!(proxy.get("/t/acme/api/roles").await.status, 404);
    assert_eq!(proxy.get("/t/configured/api/roles").await.status, 200);
}

#[tokio::test]
async fn a_credential_that_does_not_work_and_an_alias_that_is_taken_are_not_stored() {
    let (logto, place) = (Logto::start().await, Place::new());
    let proxy = place.builder(&logto).start().await;
    let refused = adopt(&place, &proxy.file(), "acme", &logto, &format!("{MARK}wrong")).await;
    refused.assert_code(1).keep(proxy.tap());
    assert!(
        refused.stderr.contains("the credential could not be verified, so it is not stored"),
        "{refused:?}"
    );
    assert!(refused.stderr.contains("The client secret is wrong"), "{refused:?}");
    proxy.logged("the credential could not be verified, so it is not stored").await;
    let taken = adopt(&place, &proxy.file(), "configured", &logto, logto.secret()).await;
    assert!(taken.assert_code(1).stderr.contains("the configuration has a tenant of this name"), "{taken:?}");
    let unknown = tenant(&proxy.file(), &["show", "acme"]).await;
    assert!(unknown.assert_code(1).stderr.contains("the vault has no tenant acme"), "{unknown:?}");
    let list = tenant(&proxy.file(), &["list"]).await;
    assert_eq!(list.assert_code(0).stdout.lines().count(), 1, "{list:?}");
}

#[tokio::test]
async fn without_a_process_the_commands_go_to_the_file_and_with_one_it_is_locked() {
    let (logto, place) = (Logto::start().await, Place::new());
    let proxy = place.builder(&logto).set("admin.tenants", "false").start().await;
    let file = proxy.file();
    let off = tenant(&file, &["list"]).await;
    assert!(off.assert_code(1).stderr.contains("set `admin.tenants = true`"), "{off:?}");
    let text = std::fs::read_to_string(&file).expect("it is there");
    let alone = place.path("claviger.toml");
    std::fs::write(&alone, text).expect("it can be written to");
    let name = alone.display().to_string();
    let locked = claviger(&["vault", "verify", "--config", &name]).await;
    assert!(locked.assert_code(1).stderr.contains("another process has"), "{locked:?}");
    assert!(proxy.stop().await.success());

    let empty = tenant(&alone, &["list"]).await;
    assert_eq!(empty.assert_code(0).stdout.lines().count(), 1, "{empty:?}");
    let adopted = adopt(&place, &alone, "acme", &logto, logto.secret()).await;
    // Those of its template, as the running process shows them.
    assert!(adopted.assert_code(0).stdout.contains("\nlabels     customer\n"), "{adopted:?}");
    let shown = tenant(&alone, &["show", "acme"]).await;
    assert!(shown.assert_code(0).stdout.contains("\nlabels     customer\n"), "{shown:?}");
    // As with a label that is misspelt.
    let misspelt = place.path("misspelt.toml");
    let text = std::fs::read_to_string(&alone).expect("it is there");
    std::fs::write(&misspelt, text.replace("{ label = 'customer' }", "{ label = 'costumer' }"))
        .expect("it can be written to");
    let nobodys = tenant(&misspelt, &["show", "acme"]).await;
    let nobody = "\ncallers    none may use it: no callers.NAME.tenants has its alias, a pattern for it, or one of its labels\n";
    assert!(nobodys.assert_code(0).stdout.contains(nobody), "{nobodys:?}");
    assert!(![&adopted, &shown].iter().any(|it| it.stdout.contains("none may use it")), "{shown:?}");
    let list = tenant(&alone, &["list"]).await;
    assert!(list.assert_code(0).stdout.contains("acme"), "{list:?}");
    let doubled = place.path("doubled.toml");
    let text =
        std::fs::read_to_string(&alone).expect("it is there").replace("tenants.configured.", "tenants.acme.");
    std::fs::write(&doubled, text).expect("it can be written to");
    let doubled = claviger(&["check", "--config", &doubled.display().to_string()]).await;
    let said = "tenants.acme: the vault has a tenant of this name too; the configuration wins";
    assert!(doubled.assert_code(0).stderr.contains(said), "{doubled:?}");
    let checked = claviger(&["vault", "verify", "--config", &name]).await;
    assert!(checked.assert_code(0).stdout.contains("1 record"), "{checked:?}");

    let (way, out) =
        (place.path("other-key").display().to_string(), place.path("export").display().to_string());
    let export = ["vault", "export", &out, "--key", &way, "--config", &name];
    claviger(&export).await.assert_code(0);
    let again = claviger(&export).await;
    let said = "it is there already and stays as it is. Name another file.";
    assert!(again.assert_code(1).stderr.contains(said), "{again:?}");
    assert!(!std::fs::read_to_string(&out).expect("it is there").contains(MARK));
    tenant(&alone, &["remove", "acme"]).await.assert_code(0);
    claviger(&["vault", "import", &out, "--key", &way, "--config", &name]).await.assert_code(0);
    let rekeyed = claviger(&["vault", "rekey", "--new-key", &way, "--config", &name]).await;
    let said = format!("let `vault.key` in the configuration name {way} before the next start");
    assert!(rekeyed.assert_code(0).stdout.contains(&said), "{rekeyed:?}");
    let wrong = tenant(&alone, &["list"]).await;
    assert!(wrong.assert_code(1).stderr.contains("vault.key is not the key"), "{wrong:?}");
    std::fs::copy(place.path("other-key"), place.path("key")).expect("it can be written to");
    let list = tenant(&alone, &["list"]).await;
    assert!(list.assert_code(0).stdout.contains("acme"), "{list:?}");

    claviger(&["vault", "verify", "--config", &name]).await.assert_code(0);
    // All pages behind the head of the file: the store's code panics at them, which nobody is shown.
    let file = std::fs::File::options().write(true).open(place.path("vault.redb")).expect("it is there");
    for page in (4096..file.metadata().expect("it is there").len()).step_by(4096) {
        file.write_all_at(&[0x5a; 512], page).expect("it can be written to");
    }
    let damaged = claviger(&["vault", "verify", "--config", &name]).await;
    assert!(
        damaged.assert_code(1).stderr.contains(&format!(
            "the vault is unavailable: {} is damaged",
            place.path("vault.redb").display()
        )),
        "{damaged:?}"
    );
    assert!(!damaged.stderr.contains("panicked"), "{damaged:?}");
}

#[tokio::test]
async fn nobody_without_the_token_sees_or_changes_a_tenant() {
    let (logto, place) = (Logto::start().await, Place::new());
    let proxy = place.builder(&logto).start().await;
    adopt(&place, &proxy.file(), "acme", &logto, logto.secret()).await.assert_code(0);
    for request in [
        Request::get("/tenants"),
        Request::get("/tenants/acme"),
        Request::new("DELETE", "/tenants/acme"),
        Request::post("/tenants", "{}"),
    ] {
        assert_eq!(proxy.ask_admin(&request).await.status, 401);
        let wrong = request.header("Authorization", "Bearer of-something-else-entirely");
        assert_eq!(proxy.ask_admin(&wrong).await.status, 401);
    }
    let bearer = format!("Bearer {TOKEN}");
    let list = proxy.ask_admin(&Request::get("/tenants").header("Authorization", &bearer)).await;
    assert_eq!(list.json()["tenants"][0]["alias"], "acme");
    let garbage = Request::post("/tenants", format!("{{\"client_secret\":\"{MARK}x\",\"y\":1}}"));
    let refused = proxy.ask_admin(&garbage.header("Authorization", &bearer)).await;
    assert_eq!((refused.status, &refused.json()["code"]), (400, &"claviger.bad_request".into()));
    assert!(!refused.text().contains(MARK));
}

#[tokio::test]
async fn a_configuration_with_another_admin_address_is_told_where_nobody_answers() {
    let (logto, place) = (Logto::start().await, Place::new());
    let proxy = place.builder(&logto).start().await;
    let elsewhere = format!("unix:{}", place.path("elsewhere.sock").display());
    let text = std::fs::read_to_string(proxy.file()).expect("it is there");
    let other = place.path("other.toml");
    std::fs::write(&other, text.replace("admin.sock", "elsewhere.sock")).expect("it can be written to");
    let listed = tenant(&other, &["list"]).await;
    let says =
        format!("open, and nothing answers at {elsewhere}, which is listen.admin of this configuration.");
    assert!(listed.assert_code(1).stderr.contains(&says), "{listed:?}");
    tenant(&proxy.file(), &["list"]).await.assert_code(0);
}
