//! Certificates that end, and revocation lists: who is told, and how.

use super::*;
use crate::support::command::{finish, program};

/// What `check` says of the configuration of `proxy`, which must be valid; two warnings are of secrets in the open.
async fn check(proxy: &Proxy) -> String {
    let file = proxy.file().display().to_string();
    let environment = ("KEYED", "a-key-of-some-length-0123456789");
    let check = finish(program().env(environment.0, environment.1).args(["check", "--config", &file])).await;
    check.assert_code(0);
    let said = format!("{}{}", check.stdout, check.stderr);
    check.keep(proxy.tap());
    said
}

#[tokio::test]
async fn an_expired_certificate_is_told_everywhere() {
    let logto = Logto::start().await;
    let authority = Authority::new("servers");
    let expired = authority.issue(&Wanted {
        dns: vec!["localhost"],
        common_name: "proxy",
        until: 2025,
        ..Wanted::default()
    });
    let proxy = with_tls(&logto, &expired).start().await;
    let said = "expired 2025-01-01T00:00:00Z: clients will refuse it. Renew it.";
    proxy.logged(said).await;
    let checked = check(&proxy).await;
    assert!(checked.contains(said) && checked.contains(", 3 warnings"), "{checked}");
    assert!(checked.contains("listen.tls.cert: the certificate in "), "{checked}");
    assert!(checked.contains(&format!("warning: {}:", proxy.file().display())), "{checked}");
    let gauge = "claviger_tls_certificate_expiry_timestamp_seconds";
    assert_eq!(proxy.metric(gauge).await, 1_735_689_600.0);
    let status = proxy.status().await;
    let certificate = &status["tls"]["certificate"];
    assert_eq!(certificate["not_after"], "2025-01-01T00:00:00Z", "{status}");
    assert_eq!(
        (&certificate["subject"], &certificate["names"][0]),
        (&"CN=proxy".into(), &"localhost".into())
    );
    assert!(status["tls"]["warnings"][0].as_str().is_some_and(|text| text.contains(said)), "{status}");
    assert_eq!((&status["tls"]["client_ca"], &status["tls"]["crl"]), (&().into(), &().into()));

    show(proxy.directory(), &authority.server(&["localhost"]));
    assert!(proxy.reload().await);
    assert_eq!(proxy.status().await["tls"]["warnings"], serde_json::json!([]));
    assert_eq!(proxy.metric(gauge).await, 4_102_444_800.0);
    assert!(check(&proxy).await.contains(", 2 warnings"));
    show(proxy.directory(), &expired);
    assert!(proxy.reload().await);
    soon("the warning again", || proxy.log().matches(said).count() == 2).await;
}

#[tokio::test]
async fn a_list_that_ran_out_is_told_with_those_whom_it_cuts_off() {
    let logto = Logto::start().await;
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let proxy = mutual(&logto, &servers, &clients).await;
    let wanted = Wanted { uris: vec!["spiffe://prod/ns/shop/sa/billing"], ..Wanted::default() };
    let secure = Secure::new(&servers, Some(&clients.issue(&wanted)));
    let roles = Request::get("/api/roles");
    let outcome = async || match secure.connect(&proxy).await {
        Ok((mut connection, _)) => connection.try_ask(&roles).await.ok().map(|answer| answer.status),
        Err(_) => None,
    };
    assert!(check(&proxy).await.contains(", 2 warnings"));

    write(proxy.directory(), "crl.pem", &clients.revoke(&[], 2025));
    assert!(proxy.reload().await);
    let said = "expired 2025-01-01T00:00:00Z: every client certificate that it issued is refused";
    proxy.logged(said).await;
    assert!(check(&proxy).await.contains(said));
    assert_eq!(proxy.metric("claviger_tls_crl_next_update_timestamp_seconds").await, 1_735_689_600.0);
    let status = proxy.status().await;
    assert_eq!(status["tls"]["client_ca"], serde_json::json!(["CN=clients"]));
    let list = serde_json::json!([{ "issuer": "CN=clients", "next_update": "2025-01-01T00:00:00Z" }]);
    assert_eq!(status["tls"]["crl"], list);
    assert_eq!((outcome().await, outcome().await), (None, None));
    within("both to be counted", async { while failed(&proxy, "revocation_list").await != 2.0 {} }).await;
    proxy.logged("\"reason\":\"revocation_list\"").await;
    let log = proxy.log();
    let line = log.lines().find(|line| line.contains("TLS handshake failed")).expect("it was logged");
    assert!(line.contains("\"peer\":\"127.0.0.1:") && line.contains("\"level\":\"WARN\""), "{line}");
    assert_eq!(log.matches("TLS handshake failed").count(), 1, "one a minute: {log}");

    let others = Authority::new("others");
    write(proxy.directory(), "crl.pem", &others.revoke(&[], 2100));
    assert!(proxy.reload().await);
    proxy.logged("holds no revocation list of CN=clients, an authority in ").await;
    write(proxy.directory(), "crl.pem", &clients.revoke(&[], 2100));
    assert!(proxy.reload().await);
    assert_eq!(outcome().await, Some(200));
}
