//! Client secrets of tenants of the configuration, replaced while the program runs and kept in the vault.

use claviger_emulator::Emulator;
use serde_json::Value;

use super::{Place, adopt, tenant};
use crate::support::{Logto, Request, canary::MARK, command::claviger, quoted, until, within};

#[tokio::test]
async fn the_secret_of_a_configured_tenant_is_replaced_and_the_vault_comes_first() {
    let (logto, place) = (Logto::start().await, Place::new());
    let start = || {
        place
            .builder(&logto)
            .set("tenants.configured.rotate", "{ every = '30d', overlap = '0s' }")
            .set("callers.local.tenants", "'configured'")
            .start()
    };
    let proxy = start().await;
    let works = async |proxy: &crate::support::Proxy| proxy.get("/api/roles?page=1&page_size=1").await.status;
    assert_eq!(works(&proxy).await, 200);
    let rotated = tenant(&proxy.file(), &["rotate", "configured"]).await;
    rotated.assert_code(0).keep(proxy.tap());
    assert!(rotated.stdout.contains("by configuration"), "{rotated:?}");
    assert_eq!(works(&proxy).await, 200);
    let requests = logto.api_requests_seen();
    assert!(requests.iter().any(|it| it.method == "DELETE"), "the one that is written is gone at Logto");
    // The process has the vault: what is written is tried, is no longer good, and says nothing of the tenant.
    let checking = async |file: &std::path::Path| {
        claviger(&["check", "--online", "--config", &file.display().to_string()]).await
    };
    let blind = checking(&proxy.file()).await;
    for said in [
        "configured: this is the secret that is configured; the vault may have a newer one\n",
        "vault: another process has it, so its tenants and the secrets that were rotated were not tried here. How they are, that process \
         shows: claviger status\n",
        "claviger: 1 tenant cannot be used; the tenants of the vault were not tried\n",
    ] {
        assert!(blind.assert_code(1).stderr.contains(said), "{said}: {blind:?}");
    }
    let other = Logto::start().await;
    adopt(&place, &proxy.file(), "acme", &other, other.secret()).await.assert_code(0);
    let file = std::fs::read(proxy.file()).expect("it is there");
    assert!(proxy.stop().await.success());

    let kept = place.path("kept.toml");
    std::fs::write(&kept, file).expect("it can be written to");
    let check = claviger(&["check", "--config", &kept.display().to_string()]).await;
    let said = "tenants.configured.client_secret: the secret of the vault comes first";
    assert!(check.assert_code(0).stderr.contains(said), "{check:?}");
    let online = checking(&kept).await;
    for said in ["configured: fine: a token was granted", "acme: fine: a token was granted"] {
        assert!(online.assert_code(0).stdout.contains(said), "{said}: {online:?}");
    }
    other.set_secrets(other.client(), vec![format!("{MARK}another-secret")]);
    let online = checking(&kept).await;
    assert!(online.assert_code(1).stderr.contains("acme: no token from"), "{online:?}");
    let before = Emulator::token_requests(&logto);
    let proxy = start().await;
    assert_eq!(works(&proxy).await, 200, "with a token of the new secret");
    assert_eq!(Emulator::token_requests(&logto), before + 1, "and nothing else was tried");

    // Removed, the one that is written counts again, which Logto has no more.
    for file in [proxy.file(), kept.clone()] {
        let refused = tenant(&file, &["remove", "configured"]).await;
        let said = "nothing was removed: tenants.configured.client_secret of the configuration was replaced, last at 20";
        assert!(refused.assert_code(1).stderr.contains(said), "{refused:?}");
        assert!(refused.stderr.ends_with("claviger tenant remove configured --yes\n"), "{refused:?}");
    }
    tenant(&proxy.file(), &["remove", "acme"]).await.assert_code(0);
    tenant(&proxy.file(), &["remove", "configured", "--yes"]).await.assert_code(0);
    let answer = proxy.ask(&Request::get("/api/roles")).await;
    assert_eq!(answer.status, 200, "a token that is held stays good");
}

/// What is refused before it begins leaves no record, whose secret would come before the one that is written.
#[tokio::test]
async fn a_configured_tenant_whose_application_is_anothers_as_well_stays_out_of_the_vault() {
    let (logto, place) = (Logto::start().await, Place::new());
    let audit = place.path("audit.jsonl");
    let output = format!("{{ file = {} }}", quoted(audit.display()));
    let proxy = place.builder(&logto).set("audit.output", &output).start().await;
    adopt(&place, &proxy.file(), "acme", &logto, logto.secret()).await.assert_code(0);
    let listed = async || tenant(&proxy.file(), &["list"]).await.assert_code(0).stdout.clone();
    let before = listed().await;
    let refused = tenant(&proxy.file(), &["rotate", "configured"]).await;
    let said = "the tenants configured and acme are one application at Logto";
    assert!(refused.assert_code(1).stderr.contains(said), "{refused:?}");
    assert_eq!(listed().await, before);
    // With an application of its own it is taken in, and that is a change of the vault like another.
    let removed = async || tenant(&proxy.file(), &["remove", "acme"]).await.code == Some(0);
    within("acme to be removed", async { while !removed().await {} }).await;
    tenant(&proxy.file(), &["rotate", "configured"]).await.assert_code(0).keep(proxy.tap());
    let told = || {
        let text = std::fs::read_to_string(&audit).expect("it is there");
        let lines: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let ours = lines.iter().filter(|it| it["event"] == "tenant" && it["tenant"] == "configured");
        ours.map(|it| format!("{} {}", it["action"], it["outcome"]).replace('"', "")).collect::<Vec<_>>()
    };
    let all = until("the rotation", || Some(told()).filter(|all| all.len() > 2)).await;
    assert_eq!(all, ["rotate failed", "adopt done", "rotate switched"]);
}
