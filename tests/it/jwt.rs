//! Callers by JWT: ServiceAccount tokens and those of another issuer, signed here.

use serde_json::json;

use super::lending::aside;
use crate::support::{
    Logto, Proxy, Request,
    issuer::{Issuer, Signer, account, in_seconds, key_set},
    pki::{Authority, Wanted},
    quoted,
    secure::Secure,
};

const CLUSTER: &str = "https://kubernetes.default.svc.cluster.local";

fn with_token(token: &str) -> Request {
    Request::get("/api/roles").header("Authorization", &format!("Bearer {token}"))
}

#[tokio::test]
async fn a_service_account_is_known_by_its_token_and_its_keys_by_a_file() {
    let logto = Logto::start().await;
    let (old, new) = (Signer::new("one"), Signer::new("two"));
    let builder = Proxy::builder().tenant("acme", &logto).without("callers.local");
    let keys = builder.directory().join("jwks.json");
    std::fs::write(&keys, key_set(&[&old])).expect("it can be written");
    let proxy = builder
        .set("issuers.kubernetes.issuer", quoted(CLUSTER))
        .set("issuers.kubernetes.audience", "'claviger'")
        .set("issuers.kubernetes.jwks", format!("{{ file = {} }}", quoted(keys.display())))
        .set("callers.billing.identify", "{ service_account = 'shop/billing', issuer = 'kubernetes' }")
        .set("callers.billing.policies", "['all']")
        .set("log.requests", "'all'")
        .start()
        .await;
    let claims = account(CLUSTER, "shop", "billing");
    let token = old.sign(&claims);
    for _ in 0..3 {
        assert_eq!(proxy.ask(&with_token(&token)).await.status, 200);
    }
    proxy.logged("\"caller\":\"billing\"").await;
    let with = |name: &str, value: serde_json::Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        claims
    };
    for (what, token) in [
        ("another account", old.sign(&account(CLUSTER, "shop", "other"))),
        ("not yet valid", old.sign(&with("nbf", json!(in_seconds(90))))),
        ("for another", old.sign(&with("aud", json!(["other"])))),
        ("of another issuer", old.sign(&with("iss", json!("https://other.example")))),
        ("of an unknown key", new.sign(&claims)),
        ("forged", Signer::new("one").sign(&claims)),
        ("cut", token[..token.len() - 1].to_owned()),
    ] {
        let answer = proxy.ask(&with_token(&token)).await;
        answer.assert_problem(401, "caller_unknown");
        assert!(!answer.text().contains("token"), "{what}: no hint which part was wrong: {}", answer.text());
    }
    let expired = proxy.ask(&with_token(&old.sign(&with("exp", json!(in_seconds(-31)))))).await;
    expired.assert_problem(401, "caller_unknown");
    assert!(expired.text().contains("The token has expired"), "which its sender can read in it");
    let twice = with_token(&token).header("Authorization", &format!("Bearer {token}"));
    proxy.ask(&twice).await.assert_problem(401, "caller_unknown");
    for seen in logto.api_requests_seen() {
        assert!(!format!("{seen:?}").contains(&token), "a caller's token went upstream");
    }

    std::fs::write(&keys, key_set(&[&new])).expect("it can be written");
    assert!(proxy.reload().await);
    proxy.ask(&with_token(&token)).await.assert_problem(401, "caller_unknown");
    assert_eq!(proxy.ask(&with_token(&new.sign(&claims))).await.status, 200);

    std::fs::write(&keys, r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#).expect("it can be written");
    assert!(!proxy.reload().await, "no usable key");
    assert_eq!(proxy.ask(&with_token(&new.sign(&claims))).await.status, 200, "the old set stays");
}

#[tokio::test]
async fn a_service_account_token_is_a_client_assertion_at_the_broker() {
    let logto = Logto::start().await;
    let signer = Signer::new("one");
    let builder = Proxy::builder().tenant("acme", &logto).without("callers.local");
    let keys = builder.directory().join("jwks.json");
    std::fs::write(&keys, key_set(&[&signer])).expect("it can be written");
    let proxy = builder
        .set("issuers.kubernetes.issuer", quoted(CLUSTER))
        .set("issuers.kubernetes.audience", "'claviger'")
        .set("issuers.kubernetes.jwks", format!("{{ file = {} }}", quoted(keys.display())))
        .set("callers.billing.identify", "{ service_account = 'shop/billing' }")
        .set("callers.billing.policies", "['all']")
        .set("callers.reports.identify", "{ service_account = 'shop/reports' }")
        .set("callers.reports.policies", "['all']")
        .set("callers.reports.issue", "'upstream'")
        .set("callers.near.identify", "{ loopback = true }")
        .set("callers.near.policies", "['all']")
        .start()
        .await;
    let billing = signer.sign(&account(CLUSTER, "shop", "billing"));
    let reports = signer.sign(&account(CLUSTER, "shop", "reports"));
    let ask = |assertion: &str, more: &str| {
        const FORM: &str = "grant_type=client_credentials&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
        Request::form("/oidc/token", &format!("{FORM}&client_assertion={assertion}{more}"))
    };
    let token = |answer: crate::support::Answer| {
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["access_token"].as_str().expect("a token").to_owned()
    };
    for more in ["", "&client_id=billing"] {
        let token = token(proxy.ask(&ask(&billing, more)).await);
        assert!(token.starts_with("cvt_"), "the broker's own");
        assert_eq!(proxy.ask(&with_token(&token)).await.status, 200);
    }
    assert!(
        token(aside(&proxy, &ask(&reports, "")).await).starts_with("eyJ"),
        "Logto's own, as its grant says"
    );
    let forged = Signer::new("one").sign(&account(CLUSTER, "shop", "billing"));
    for (assertion, more) in [(&billing, "&client_id=reports"), (&forged, ""), (&"x".to_owned(), "")] {
        let answer = proxy.ask(&ask(assertion, more)).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]),
            (401, &json!("invalid_client")),
            "not even locally"
        );
    }
    let half =
        proxy.ask(&Request::form("/oidc/token", "grant_type=client_credentials&client_assertion=x")).await;
    assert_eq!((half.status, &half.json()["error"]), (400, &json!("invalid_request")));
}

#[tokio::test]
async fn another_issuer_is_discovered_and_asked_once_for_many() {
    let logto = Logto::start().await;
    let signer = Signer::new("one");
    let issuer = Issuer::start(key_set(&[&signer])).await;
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .without("callers.local")
        .set("issuers.ci.issuer", quoted(issuer.url()))
        .set("issuers.ci.audience", "['claviger']")
        .set("callers.ci.identify", "{ jwt = { issuer = 'ci', claims = { repository = 'acme/app' } } }")
        .set("callers.ci.policies", "['all']")
        .start()
        .await;
    let claims = |repository: &str| {
        json!({
            "iss": issuer.url(), "aud": "claviger", "sub": "x", "exp": in_seconds(60), "repository": repository,
        })
    };
    let token = signer.sign(&claims("acme/app"));
    for _ in 0..5 {
        assert_eq!(proxy.ask(&with_token(&token)).await.status, 200);
    }
    proxy.ask(&with_token(&signer.sign(&claims("acme/other")))).await.assert_problem(401, "caller_unknown");
    assert_eq!(issuer.asked(), 2, "its configuration and its keys");
    assert_eq!(proxy.metric("claviger_issuer_keys{issuer=\"ci\"}").await, 1.0);
    assert_eq!(proxy.status().await["issuers"]["ci"]["last_error"], json!(null));
    let (new, stranger) = (Signer::new("two"), Signer::new("three"));
    issuer.publish(key_set(&[&signer, &new]));
    for _ in 0..5 {
        let answer = proxy.ask(&with_token(&new.sign(&claims("acme/app")))).await;
        assert_eq!(answer.status, 200, "at first use");
    }
    assert_eq!(issuer.asked(), 4);
    for _ in 0..5 {
        let answer = proxy.ask(&with_token(&stranger.sign(&claims("acme/app")))).await;
        answer.assert_problem(401, "caller_unknown");
    }
    assert_eq!(issuer.asked(), 4, "a token had it asked a moment ago");
    assert!(proxy.reload().await || issuer.asked() == 4, "a reload forgets no keys");
    assert_eq!(proxy.ask(&with_token(&token)).await.status, 200);
    assert_eq!(issuer.asked(), 4);
}

#[tokio::test]
async fn one_policy_file_for_a_sidecar_a_socket_and_gateways_by_certificate_and_by_service_account() {
    let logto = Logto::start().await;
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let signer = Signer::new("one");
    let server = servers.server(&["localhost"]);
    let uid = rustix::process::getuid().as_raw();
    // All of it in one file; what differs from one place to the next is how it listens.
    let place = |listen: &'static str, is_gateway: bool| {
        let builder = Proxy::builder().tenant("acme", &logto).without("callers.local");
        let directory = builder.directory().to_owned();
        for (name, text) in [
            ("jwks.json", key_set(&[&signer])),
            ("ca.crt", clients.pem.clone()),
            ("tls.crt", server.cert_pem.clone()),
            ("tls.key", server.key_pem.clone()),
        ] {
            std::fs::write(directory.join(name), text).expect("it can be written");
        }
        let at = |name: &str| quoted(directory.join(name).display());
        let builder = if is_gateway {
            builder
                .set("listen.tls.cert", at("tls.crt"))
                .set("listen.tls.key", format!("{{ file = {} }}", at("tls.key")))
                .set("listen.tls.client_ca", at("ca.crt"))
        } else {
            builder
        };
        builder
            .set("listen.proxy", listen.replace("DIR", &directory.display().to_string()))
            .set("policies.billing.allow", "['roles:read']")
            .set("policies.billing.deny", "['GetRole']")
            .set("issuers.kubernetes.issuer", quoted(CLUSTER))
            .set("issuers.kubernetes.audience", "'claviger'")
            .set("issuers.kubernetes.jwks", format!("{{ file = {} }}", at("jwks.json")))
            .set(
                "callers.billing.identify",
                format!(
                    "[{{ loopback = true }}, {{ unix_uid = {uid} }}, {{ spiffe = 'spiffe://prod/ns/*/sa/billing' }}, {{ service_account = 'shop/billing', issuer = 'kubernetes' }}]"
                ),
            )
            .set("callers.billing.policies", "['billing']")
    };
    let token = signer.sign(&account(CLUSTER, "shop", "billing"));
    let own = clients.issue(&Wanted { uris: vec!["spiffe://prod/ns/shop/sa/billing"], ..Wanted::default() });
    let plain = |target: &str| Request::get(target);
    let bearer = |target: &str| Request::get(target).header("Authorization", &format!("Bearer {token}"));

    let sidecar = place("['127.0.0.1:0']", false).start().await;
    let socket = place("['unix:DIR/s']", false).start().await;
    let gateway = place("['0.0.0.0:0']", true).start().await;
    let by_certificate = Secure::new(&servers, Some(&own));
    let by_token = Secure::new(&servers, None);
    for (target, status) in [("/api/roles", 200), ("/api/roles/x", 403), ("/api/users", 403)] {
        assert_eq!(sidecar.ask(&plain(target)).await.status, status, "sidecar {target}");
        assert_eq!(socket.ask(&plain(target)).await.status, status, "socket {target}");
        let (mut client, _) = by_certificate.connect(&gateway).await.expect("it is good");
        assert_eq!(client.ask(&plain(target)).await.status, status, "certificate {target}");
        let (mut client, _) = by_token.connect(&gateway).await.expect("none is asked for");
        assert_eq!(client.ask(&bearer(target)).await.status, status, "token {target}");
        client.ask(&plain(target)).await.assert_problem(401, "caller_unknown");
    }
}
