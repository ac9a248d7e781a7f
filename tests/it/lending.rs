//! Upstream tokens that leave the process: from the broker by `issue = "upstream"`, and from `/authz`.

use serde_json::json;

use super::grants::{audit_of, records};
use crate::support::{Answer, Logto, Proxy, Request, canary::MARK, tap::Tap};

/// An answer that holds a token on purpose, kept out of what is searched for leaks.
pub(super) async fn aside(proxy: &Proxy, request: &Request) -> Answer {
    proxy.places()[0].connect(Tap::default()).await.expect("it listens").ask(request).await
}

#[tokio::test]
async fn the_broker_hands_out_the_upstreams_token_only_where_the_grant_says_so() {
    let logto = Logto::start().await;
    let key = |of: &str| format!("{MARK}key-of-{of}-0123456789");
    // Whoever is known by locality needs no secret, so a wrong one would not matter.
    let mut builder = Proxy::builder()
        .tenant("acme", &logto)
        .without("callers.local")
        .set("audit.output", "{ file = 'audit.jsonl' }");
    for caller in ["real", "sealed"] {
        builder = builder
            .set(&format!("callers.{caller}.identify"), format!("{{ api_key = '{}' }}", key(caller)))
            .set(&format!("callers.{caller}.policies"), "['all']");
    }
    let proxy = builder.set("callers.real.issue", "'upstream'").start().await;
    let form = |of: &str| {
        Request::form(
            "/oidc/token",
            &format!("grant_type=client_credentials&client_id={of}&client_secret={}", key(of)),
        )
    };
    let sealed = proxy.ask(&form("sealed")).await;
    assert!(sealed.json()["access_token"].as_str().is_some_and(|token| !token.starts_with("eyJ")));
    let real = aside(&proxy, &form("real")).await;
    assert_eq!(real.status, 200, "{}", real.text());
    assert_eq!(real.value("cache-control"), Some("no-store"));
    let token = real.json()["access_token"].as_str().expect("a token").to_owned();
    assert!(token.starts_with("eyJ"));
    let life = real.json()["expires_in"].as_u64().expect("a number");
    assert!((1..=3600).contains(&life), "{life}");
    // It is the one that the proxy itself sends.
    assert_eq!(proxy.ask(&Request::get("/api/roles").key(&key("sealed"))).await.status, 200);
    assert_eq!(logto.tokens_seen(), [token]);

    let refused = |form: &str| Request::form("/oidc/token", form);
    let wrong = proxy.ask(&refused("grant_type=client_credentials&client_id=real&client_secret=nope")).await;
    assert_eq!((wrong.status, wrong.json()["error"].as_str()), (401, Some("invalid_client")));
    assert_eq!(wrong.value("www-authenticate"), None, "the secret was not sent by HTTP's own authentication");
    for tried in [None, Some("Basic cmVhbDpub3Bl")] {
        let mut request = refused("grant_type=client_credentials");
        if let Some(basic) = tried {
            request = request.header("Authorization", basic);
        }
        let wrong = proxy.ask(&request).await;
        assert_eq!((wrong.status, wrong.json()["error"].as_str()), (401, Some("invalid_client")));
        let challenge = Some("Basic realm=\"claviger\", error=\"invalid_client\"");
        assert_eq!(wrong.value("www-authenticate"), challenge, "{tried:?}");
    }
    let form_of = |rest: &str| format!("client_id=sealed&client_secret={}&{rest}", key("sealed"));
    for (form, error) in [
        (form_of("grant_type=password"), "unsupported_grant_type"),
        (form_of("grant_type=client_credentials&grant_type=client_credentials"), "invalid_request"),
    ] {
        let answer = proxy.ask(&refused(&form)).await;
        assert_eq!((answer.status, answer.json()["error"].as_str()), (400, Some(error)), "{}", answer.text());
        assert_eq!(answer.value("content-type"), Some("application/json"));
    }
    let elsewhere = Request::form("/t/nowhere/oidc/token", &form_of("grant_type=client_credentials"));
    assert_eq!(proxy.ask(&elsewhere).await.status, 400);

    let text = audit_of(proxy).await;
    let records = records(&text);
    let requests = records.iter().filter(|record| record["event"] == "request");
    let issued: Vec<_> = requests.map(|record| record["issued"].clone()).collect();
    assert_eq!(issued[..2], [json!("claviger"), json!("upstream")], "{text}");
}

#[tokio::test]
async fn an_error_description_is_made_of_what_oauth_allows() {
    let logto = Logto::start().await;
    let names = ["a", "b", "c", "d", "e", "f"];
    let builder = names.into_iter().fold(Proxy::builder(), |builder, name| builder.tenant(name, &logto));
    let proxy = builder.set("callers.local.tenants", format!("{names:?}")).start().await;
    let which = proxy.ask(&Request::form("/oidc/token", "grant_type=client_credentials")).await;
    assert_eq!((which.status, which.json()["error"].as_str()), (400, Some("invalid_request")));
    assert!(which.json()["detail"].as_str().is_some_and(|detail| !detail.is_ascii()), "{}", which.text());
    let described = which.json()["error_description"].as_str().expect("a description").to_owned();
    assert!(described.contains("Claviger-Tenant"), "{described}");
    assert!(described.bytes().all(|b| matches!(b, b' '..=b'~') && !matches!(b, b'"' | b'\\')), "{described}");
}

#[tokio::test]
async fn another_proxy_may_ask_where_it_is_allowed_to() {
    let logto = Logto::start().await;
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set(
            "policies.all.allow",
            "['users:read', 'ListApplications', { operation = 'UpdateUser', body = ['name'] }]",
        )
        .set("callers.local.rate", "{ requests = 1, per = '1h', burst = 12 }")
        .set("authz.enabled", "true")
        .start()
        .await;
    let nginx = |method: &str, uri: &str| {
        Request::get("/authz").header("X-Original-URI", uri).header("X-Original-Method", method)
    };
    let yes = aside(&proxy, &nginx("GET", "/api/users?page=1")).await;
    assert_eq!((yes.status, yes.body.len()), (200, 0));
    assert_eq!(yes.value("claviger-caller"), Some("local"));
    assert_eq!(yes.value("claviger-tenant"), Some("acme"));
    assert_eq!(yes.value("claviger-operation"), Some("ListUsers"));
    assert_eq!(yes.value("cache-control"), Some("no-store"));
    let token = yes.value("authorization").expect("a token").to_owned();
    assert!(token.starts_with("Bearer eyJ"));
    let envoy = aside(&proxy, &Request::get("/authz/t/acme/api/users/u1")).await;
    assert_eq!((envoy.status, envoy.value("authorization")), (200, Some(token.as_str())));
    for (what, request, status) in [
        ("no rule", nginx("DELETE", "/api/users/u1"), 403),
        ("another method by path", Request::new("DELETE", "/authz/api/users/u1"), 403),
        ("conditions on a body", nginx("PATCH", "/api/users/u1"), 403),
        ("secrets in the answer", nginx("GET", "/api/applications"), 403),
        ("another spelling", nginx("GET", "/api/Users"), 400),
        ("a trailing slash", nginx("GET", "/api/users/"), 400),
        ("an ambiguous path", nginx("GET", "/api/x/../users"), 400),
        ("an absolute target", nginx("GET", "http://x/api/users"), 400),
        ("no tenant of that name", nginx("GET", "/t/x/api/users"), 404),
        ("what another server would send on", nginx("GET", "/api/users/u1#/../../hooks"), 400),
        ("the broker", nginx("POST", "/oidc/token"), 400),
        ("outside of the API", nginx("GET", "/authz"), 404),
        ("nothing", Request::get("/authz"), 400),
        ("nobody", nginx("GET", "/api/users").key("wrong-key-0123456789"), 401),
    ] {
        let answer = proxy.ask(&request).await;
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
        assert_eq!(answer.value("authorization"), None, "{what}");
    }
    let near = proxy.get("/authx").await;
    near.assert_problem(404, "not_found");
    assert!(near.text().contains("/oidc/token, and other proxies ask at /authz."), "{}", near.text());
    let mut last = 0;
    for _ in 0..12 {
        last = aside(&proxy, &nginx("GET", "/api/users")).await.status;
    }
    assert_eq!(last, 429, "the caller's limit counts here as well");
    assert!(logto.api_requests_seen().is_empty());
}

#[tokio::test]
async fn nobody_may_ask_unless_it_is_enabled() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    let request =
        Request::get("/authz").header("X-Original-URI", "/api/users").header("X-Original-Method", "GET");
    let off = proxy.ask(&request).await;
    assert_eq!(off.outcome(), (404, "claviger.not_found".into()));
    assert!(off.text().contains("authz.enabled = true"), "{}", off.text());
    assert_eq!(proxy.get("/authz/api/users").await.outcome(), (404, "claviger.not_found".into()));
}
