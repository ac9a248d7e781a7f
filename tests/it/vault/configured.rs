//! Client secrets of tenants of the configuration, replaced while the program runs and kept in the vault.

use claviger_emulator::Emulator;

use super::{Place, adopt, tenant};
use crate::support::{Logto, Request, canary::MARK, command::claviger};

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
