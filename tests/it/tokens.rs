//! Tokens: what callers notice of the issuer's troubles, which is as little as can be.

use std::time::Duration;

use claviger_emulator::{Effect, ManagementRole, Options, Seed};

use crate::support::{Logto, Proxy, Request, claviger, quoted, soon, wait::pass, within};

const REPLY: Duration = Duration::from_secs(2);

#[tokio::test]
async fn b02_a_renewal_keeps_nobody_waiting() {
    let logto = Logto::start().await;
    logto.set_token_ttl(Duration::from_secs(4));
    let proxy = Proxy::builder().tenant("acme", &logto).set("token.refresh_at", 0.3).start().await;
    assert_eq!(proxy.get("/api/roles").await.status, 200);
    // From here on a caller that had to wait for a grant would wait in vain.
    logto.token_fault(Effect::latency(Duration::from_millis(300)));
    let waited = proxy.metric("claviger_token_cache_total{result=\"wait\"}").await;
    while logto.grants() < 3 {
        assert_eq!(proxy.get("/api/roles").await.status, 200);
    }
    assert_eq!(proxy.metric("claviger_token_cache_total{result=\"wait\"}").await, waited);
}

#[tokio::test]
async fn b03_b04_a_dead_issuer_harms_nobody_while_the_token_lives_and_no_longer() {
    let logto = Logto::start().await;
    logto.set_token_ttl(Duration::from_secs(3));
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("token.refresh_at", 0.3)
        .set("token.backoff", "'200ms'")
        .set("token.max_backoff", "'500ms'")
        .start()
        .await;
    assert_eq!(proxy.get("/api/roles").await.status, 200);
    logto.token_fault(Effect::status(500));
    soon("a renewal that fails", || logto.token_requests() >= 2).await;
    assert_eq!(proxy.get("/api/roles").await.status, 200, "the token is good for a while");
    let mut last = proxy.get("/api/roles").await;
    while last.status == 200 {
        last = proxy.get("/api/roles").await;
    }
    last.assert_problem(503, "token_unavailable");
    assert!(last.retry_after() >= Some(1));
    let arrived = logto.api_requests();
    for _ in 0..10 {
        assert_eq!(proxy.get("/api/roles").await.status, 503);
    }
    assert_eq!(logto.api_requests(), arrived, "an expired token is never sent");
    logto.faults().clear();
    let recovery =
        tokio::time::timeout(REPLY, async { while proxy.get("/api/roles").await.status != 200 {} });
    recovery.await.expect("it recovers within a step of the back-off");
}

#[tokio::test]
async fn b08_without_a_token_there_is_neither_an_empty_answer_nor_a_bare_request() {
    let logto = Logto::start().await;
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("token.backoff", "'10ms'")
        .set("token.max_backoff", "'10ms'")
        .start()
        .await;
    soon("the first token", || logto.grants() == 1).await;
    let json = |body: &str| Effect::body(200, "application/json", body);
    let useless = [
        json(""),
        json("{}"),
        json("[]"),
        json(r#"{"access_token":""}"#),
        json(r#"{"access_token":"a b","token_type":"Bearer","expires_in":60,"scope":"all"}"#),
        json(r#"{"access_token":"abc","token_type":"Bearer","expires_in":0,"scope":"all"}"#),
        json(r#"{"access_token":"abc","token_type":"Bearer","expires_in":-1,"scope":"all"}"#),
        json(r#"{"access_token":"abc","token_type":"mac","expires_in":60,"scope":"all"}"#),
        Effect::body(200, "text/html", "<html>console</html>"),
        Effect::status(500),
        Effect::redirect(302, "http://127.0.0.1:9/"),
        Effect::Close,
        Effect::Truncate { after: 20 },
    ];
    // A token that the upstream refuses is gone; what follows depends on the issuer alone.
    for (index, effect) in useless.into_iter().enumerate() {
        let logto = Logto::start().await;
        let what = format!("{effect:?}");
        logto.token_fault(effect);
        let proxy = Proxy::builder()
            .tenant("acme", &logto)
            .set("token.backoff", "'10ms'")
            .set("token.max_backoff", "'10ms'")
            .start()
            .await;
        let answer = proxy.get("/api/roles").await;
        assert_eq!(answer.outcome(), (503, "claviger.token_unavailable".into()), "{index} {what}");
        assert_eq!(logto.api_requests(), 0, "{what}");
        logto.faults().clear();
        let recovery =
            tokio::time::timeout(REPLY, async { while proxy.get("/api/roles").await.status != 200 {} });
        assert!(recovery.await.is_ok(), "{what}: the next good token is taken");
    }
    drop(proxy);
}

#[tokio::test]
async fn b05_an_odd_life_is_bounded_and_not_the_end() {
    for life in [r#""3600""#, "1e300", "3599.9", "null", r#""soon""#] {
        let logto = Logto::start().await;
        let token = logto.forge(&serde_json::json!({}), &claims(&logto)).expect("it signs");
        let body = format!(
            r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":{life},"scope":"all"}}"#
        );
        logto.token_fault(Effect::body(200, "application/json", body));
        let proxy = Proxy::of(&logto).await;
        assert_eq!(proxy.get("/api/roles").await.status, 200, "{life}");
        let usable = proxy.status().await["tenants"]["acme"]["token"]["usable_for_seconds"].as_u64();
        assert!(usable.is_some_and(|seconds| seconds <= 24 * 3600), "{life}: {usable:?}");
    }
}

fn claims(logto: &Logto) -> serde_json::Value {
    let now = std::time::UNIX_EPOCH.elapsed().expect("it is past 1970").as_secs();
    serde_json::json!({
        "jti": "forged", "sub": logto.client(), "client_id": logto.client(), "iat": now, "exp": now + 3600, "scope": "all",
        "iss": format!("{}/oidc", logto.endpoint()), "aud": claviger_emulator::MANAGEMENT_API,
    })
}

#[tokio::test]
async fn b11_it_starts_without_its_issuer_and_recovers_by_itself() {
    let logto = Logto::start().await;
    logto.faults().add(claviger_emulator::Fault::new(claviger_emulator::Target::Any, Effect::Reset));
    let proxy = Proxy::builder().tenant("acme", &logto).set("token.backoff", "'300ms'").start().await;
    for probe in ["/livez", "/startupz"] {
        assert_eq!(proxy.admin(probe).await.status, 200, "{probe}");
    }
    while proxy.admin("/readyz").await.status != 200 {}
    let answer = proxy.get("/api/roles").await;
    answer.assert_problem(503, "token_unavailable");
    assert!(answer.retry_after().is_some_and(|seconds| (1..=30).contains(&seconds)), "{answer:?}");
    logto.faults().clear();
    soon("a token that nobody asked for", || logto.grants() == 1).await;
    assert_eq!(proxy.get("/api/roles").await.status, 200);
}

#[tokio::test]
async fn b11_an_issuer_that_nobody_listens_for_is_said_so() {
    let logto = Logto::start().await;
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("tenants.acme.endpoint", quoted(format!("http://{}", unused_address().await)))
        .start()
        .await;
    proxy.get("/api/roles").await.assert_problem(503, "token_unavailable");
    let error = &proxy.status().await["tenants"]["acme"]["token"]["last_error"];
    assert_eq!(error["kind"], "unreachable", "{error}");
    assert!(error["remedy"].as_str().is_some_and(|text| text.contains("endpoint")), "{error}");
}

/// An address that was free a moment ago and that the system gives to nobody else so soon.
async fn unused_address() -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    listener.local_addr().expect("it is bound")
}

#[tokio::test]
async fn b12_an_issuer_that_asks_for_a_pause_gets_it() {
    let logto = Logto::start().await;
    logto.token_fault(Effect::too_many(30));
    let proxy = Proxy::builder().tenant("acme", &logto).set("token.backoff", "'10ms'").start().await;
    soon("the first try", || logto.token_requests() == 1).await;
    for _ in 0..20 {
        let asked = tokio::time::Instant::now();
        let answer = proxy.get("/api/roles").await;
        answer.assert_problem(503, "token_unavailable");
        assert!(answer.retry_after().is_some_and(|seconds| (25..=33).contains(&seconds)), "{answer:?}");
        assert!(asked.elapsed() < REPLY, "callers fail fast");
    }
    pass(Duration::from_millis(300)).await;
    assert_eq!(logto.token_requests(), 1);
}

#[tokio::test]
async fn b13_what_only_a_person_can_mend_is_not_hammered() {
    let logto = Logto::start().await;
    let mut proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("tenants.acme.client_secret", "'CANARY-held-wrong-secret'")
        .set("token.backoff", "'10ms'")
        .set("token.max_backoff", "'20ms'")
        .start()
        .await;
    for _ in 0..50 {
        proxy.get("/api/roles").await.assert_problem(502, "credential_rejected");
    }
    let tries = logto.token_requests();
    assert!(tries <= 2, "{tries} grants for 50 requests");
    let error = &proxy.status().await["tenants"]["acme"]["token"]["last_error"];
    assert_eq!(error["kind"], "invalid_client", "{error}");
    // The mended configuration counts at once.
    let secret = quoted(logto.secret());
    assert!(proxy.reload_with(|settings| settings.set("tenants.acme.client_secret", secret)).await);
    assert_eq!(proxy.get("/api/roles").await.status, 200);
}

#[tokio::test]
async fn b13_a_wrong_resource_and_a_wrong_scope_are_told_apart() {
    let logto = Logto::start().await;
    for (key, value, kind) in [
        ("resource", "'https://acme.example/not-the-api'", "invalid_target"),
        ("scopes", "['no-such-scope']", "invalid_scope"),
        ("client_id", "'nobody'", "invalid_client"),
    ] {
        let proxy =
            Proxy::builder().tenant("acme", &logto).set(&format!("tenants.acme.{key}"), value).start().await;
        let answer = proxy.get("/api/roles").await;
        assert_eq!(answer.status, 502, "{key}: {}", answer.text());
        let error = &proxy.status().await["tenants"]["acme"]["token"]["last_error"];
        assert!(error["kind"] == kind || error["kind"] == "scope_missing", "{key}: {error}");
        assert!(!error["remedy"].as_str().unwrap_or_default().is_empty());
    }
}

#[tokio::test]
async fn b14_a_token_without_the_scope_is_not_kept() {
    let logto = Logto::with(Options { seed: Seed::Demo { users: 2 }, ..Options::default() }).await;
    logto.set_role(logto.client(), ManagementRole::Missing);
    let mut proxy = Proxy::of(&logto).await;
    let answer = proxy.get("/api/roles").await;
    answer.assert_problem(502, "scope_missing");
    proxy.logged("Assign a role").await;
    assert_eq!(logto.api_requests(), 0);
    logto.set_role(logto.client(), ManagementRole::Granted);
    assert!(proxy.reload_with(|settings| settings.set("tenants.acme.parameters", "{ again = '1' }")).await);
    assert_eq!(proxy.ask(&Request::get("/api/roles")).await.status, 200);
}

/// A tenant whose application lost its role, with a caller that was told so; the role is back.
async fn mended(logto: &Logto) -> Proxy {
    logto.set_role(logto.client(), ManagementRole::Missing);
    let proxy = Proxy::builder().tenant("acme", logto).set("reload.interval", "'0s'").start().await;
    proxy.get("/api/roles").await.assert_problem(502, "scope_missing");
    logto.set_role(logto.client(), ManagementRole::Granted);
    proxy.get("/api/roles").await.assert_problem(502, "scope_missing");
    proxy
}

#[tokio::test]
async fn b37_a_mended_role_counts_at_the_next_sighup_though_no_file_changed() {
    let logto = Logto::start().await;
    let proxy = mended(&logto).await;
    assert!(proxy.reload().await);
    within("a token", async { while proxy.get("/api/roles").await.status != 200 {} }).await;
}

#[tokio::test]
async fn b37_a_mended_role_counts_at_the_next_change_of_the_tenant() {
    let logto = Logto::start().await;
    let mut proxy = mended(&logto).await;
    assert!(proxy.reload_with(|settings| settings.set("tenants.acme.max_in_flight", 7)).await);
    assert_eq!(proxy.get("/api/roles").await.status, 200);
}

/// What a script or a tired operator takes for a success has to be one.
#[tokio::test]
async fn b37_token_retry_says_what_came_of_it() {
    let logto = Logto::start().await;
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("tenants.acme.endpoint", "'http://127.0.0.1:9'")
        .start()
        .await;
    let told = claviger(&["token", "retry", "--address", &proxy.admin_authority()]).await;
    told.assert_code(1);
    assert_eq!(
        told.stderr,
        "claviger: acme: no token: Logto cannot be reached: connection refused. Does Logto run there? Compare host and port with `endpoint` (LOGTO_ENDPOINT).\n"
    );
}

/// Of each tenant: one that fails does not hide what came of the others.
#[tokio::test]
async fn b37_token_retry_of_all_names_each_tenant() {
    let logto = Logto::start().await;
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .tenant("beta", &logto)
        .tenant("gone", &logto)
        .set("tenants.gone.endpoint", "'http://127.0.0.1:9'")
        .set("callers.local.tenants", "['acme', 'beta', 'gone']")
        .start()
        .await;
    assert_eq!(proxy.get("/t/acme/api/roles").await.status, 200);
    assert_eq!(proxy.get("/t/beta/api/roles").await.status, 200);
    let told = claviger(&["token", "retry", "--address", &proxy.admin_authority()]).await;
    let lines: Vec<_> = told.assert_code(1).stderr.lines().collect();
    assert!(lines[0].starts_with("claviger: gone: no token: Logto cannot be reached"), "{lines:?}");
    for (line, name) in lines[1..].iter().zip(["acme", "beta"]) {
        let rest = line.strip_prefix(&format!("{name}: has a token, good for ")).unwrap_or_default();
        assert!(rest.ends_with(" s more; nothing was asked"), "{lines:?}");
    }
    assert_eq!(lines.len(), 3, "{lines:?}");
}

#[tokio::test]
async fn b37_token_retry_ends_a_cool_down_at_once() {
    let logto = Logto::start().await;
    let proxy = mended(&logto).await;
    let address = proxy.admin_authority();
    let nobody = claviger(&["token", "retry", "nobody", "--address", &address]).await;
    nobody.assert_code(1);
    assert!(nobody.stderr.contains("there is no such tenant"), "{}", nobody.stderr);
    proxy.get("/api/roles").await.assert_problem(502, "scope_missing");
    let retried = claviger(&["token", "retry", "acme", "--address", &address]).await;
    retried.assert_code(0);
    assert_eq!(retried.stdout, "acme: got a token\n");
    assert_eq!(proxy.get("/api/roles").await.status, 200);
    let held = claviger(&["token", "retry", "acme", "--address", &address]).await;
    let said = held.assert_code(0).stdout.strip_prefix("acme: has a token, good for ").unwrap_or_default();
    assert!(said.ends_with(" s more; nothing was asked\n"), "{}", held.stdout);
    claviger(&["token", "retry", "--address", &address]).await.assert_code(0);
    assert_eq!(proxy.admin("/token/retry").await.status, 405, "asking changes nothing");
}

/// Files are read again first, whatever `reload.interval` is.
#[tokio::test]
async fn b37_token_retry_takes_a_secret_from_the_file_that_was_mended() {
    let logto = Logto::start().await;
    let builder = Proxy::builder().tenant("acme", &logto);
    let secret = builder.directory().join("secret");
    std::fs::write(&secret, "a-wrong-secret").expect("it can be written to");
    let reference = format!("{{ file = {} }}", quoted(secret.display().to_string()));
    let proxy = builder.set("tenants.acme.client_secret", reference).start().await;
    proxy.get("/api/roles").await.assert_problem(502, "credential_rejected");
    std::fs::write(&secret, logto.secret()).expect("it can be written to");
    let retry = async || claviger(&["token", "retry", "acme", "--address", &proxy.admin_authority()]).await;
    assert_eq!(retry().await.assert_code(0).stdout, "acme: got a token\n");

    std::fs::write(&secret, "").expect("it can be written to");
    let invalid = retry().await;
    let says = "the configuration is invalid now, and the old one stays in force: `claviger check` says why\nacme: has a token";
    assert!(invalid.assert_code(0).stdout.starts_with(says), "{invalid:?}");
}
