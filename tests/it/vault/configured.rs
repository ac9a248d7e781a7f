//! Client secrets of tenants of the configuration, replaced while the program runs and kept in the vault.

use claviger_emulator::Emulator;

use super::{Place, tenant};
use crate::support::{Logto, Request, command::claviger};

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
    let file = std::fs::read(proxy.file()).expect("it is there");
    assert!(proxy.stop().await.success());

    let kept = place.path("kept.toml");
    std::fs::write(&kept, file).expect("it can be written to");
    let check = claviger(&["check", "--config", &kept.display().to_string()]).await;
    let said = "tenants.configured.client_secret: the secret of the vault comes first";
    assert!(check.assert_code(0).stderr.contains(said), "{check:?}");
    let before = Emulator::token_requests(&logto);
    let proxy = start().await;
    assert_eq!(works(&proxy).await, 200, "with a token of the new secret");
    assert_eq!(Emulator::token_requests(&logto), before + 1, "and nothing else was tried");

    // Removed, the one that is written counts again, which Logto has no more.
    tenant(&proxy.file(), &["remove", "configured"]).await.assert_code(0);
    let answer = proxy.ask(&Request::get("/api/roles")).await;
    assert_eq!(answer.status, 200, "a token that is held stays good");
}
