//! Redaction, `reveal` and the echo guard, with the real program in front of an embedded Logto. After each test
//! everything that came out of the program is searched for held secrets and upstream tokens.

#[allow(dead_code, unused_imports, reason = "shared with the other integration tests, which use more of it")]
#[path = "support/lib.rs"]
mod support;

use claviger::catalog::{Catalog, Risk, Verb, template::Segment};
use claviger_emulator::{CANARY, Effect, Fault, Target};
use serde_json::{Value, json};
use support::{Logto, Proxy, Request, within};

const MASK: &str = "[redacted by claviger]";
const KEY: &str = "the-key-of-the-auditor-0123456789";

fn with_secrets() -> Vec<&'static str> {
    let operations = Catalog::logto().operations().map(|(_, operation)| operation);
    operations.filter(|operation| operation.risks.contains(&Risk::Secrets)).map(|o| o.id).collect()
}

/// Two callers with the same policy, which names every operation; the answers of all come unmasked to `auditor`, who
/// has a key.
async fn proxy(logto: &Logto) -> Proxy {
    let all: Vec<&str> = Catalog::logto()
        .operations()
        .filter(|(_, operation)| !operation.id.contains("OpenapiJson") && operation.id != "GetSwaggerJson")
        .map(|(_, operation)| operation.id)
        .chain(["GET /api/newer/**", "POST /api/newer/**"])
        .collect();
    Proxy::builder()
        .tenant("acme", logto)
        .set("tenants.acme.compression", true)
        .set("policies.all.allow", format!("{all:?}"))
        .set("callers.auditor.identify", format!("{{ api_key = '{KEY}' }}"))
        .set("callers.auditor.policies", "['all']")
        .set("callers.auditor.reveal", format!("{:?}", with_secrets()))
        .set("log.requests", "'all'")
        .start()
        .await
}

/// Every string and number in a value.
fn leaves(value: &Value) -> Vec<String> {
    match value {
        Value::Array(values) => values.iter().flat_map(leaves).collect(),
        Value::Object(members) => members.values().flat_map(leaves).collect(),
        Value::String(text) => vec![text.clone()],
        Value::Number(number) => vec![number.to_string()],
        Value::Null | Value::Bool(_) => Vec::new(),
    }
}

/// The id of the user who has a personal access token.
async fn first_user(proxy: &Proxy) -> String {
    let users = proxy.get("/api/users?page_size=100").await.json();
    let users = users.as_array().expect("a list");
    let first = users.iter().find(|user| user["username"] == "user1").expect("there is one");
    first["id"].as_str().expect("it has an id").to_owned()
}

#[tokio::test]
async fn b25_secrets_of_every_operation_are_masked_unless_they_are_revealed() {
    let logto = Logto::start().await;
    let proxy = proxy(&logto).await;
    let user = first_user(&proxy).await;
    let pats = format!("/api/users/{user}/personal-access-tokens");
    let mfa = format!("/api/users/{user}/mfa-verifications");
    let secret = json!({"name": "another"});
    let hook = json!({"name": "h", "events": ["PostRegister"],
        "config": {"url": "https://h.example", "headers": {"X": format!("{CANARY}header")}}});
    let connector = json!({"config": {"clientId": "i", "clientSecret": format!("{CANARY}new")}});
    let script = json!({"script": "x", "environmentVariables": {"K": format!("{CANARY}variable")}});
    let captcha =
        json!({"config": {"type": "Turnstile", "siteKey": "s", "secretKey": format!("{CANARY}captcha")}});
    for (method, path, body, places) in [
        ("GET", "/api/applications", json!(null), &["/3/secret"][..]),
        ("GET", "/api/applications?page_size=100", json!(null), &[]),
        ("GET", "/api/applications/demo-web", json!(null), &["/secret"]),
        ("PATCH", "/api/applications/demo-web", json!({"description": "d"}), &["/secret"]),
        ("GET", "/api/applications/demo-m2m/secrets", json!(null), &["/0/value"]),
        ("POST", "/api/applications/demo-m2m/secrets", secret, &["/value"]),
        ("PATCH", "/api/applications/demo-m2m/secrets/another", json!({"name": "renamed"}), &["/value"]),
        ("GET", "/api/connectors", json!(null), &["/0/config/clientSecret", "/1/config/auth/pass"]),
        ("GET", "/api/connectors/connector002", json!(null), &["/config/auth/pass", "/config/port"]),
        ("PATCH", "/api/connectors/connector001", connector, &["/config/clientSecret"]),
        ("GET", "/api/sso-connectors", json!(null), &["/0/config/clientSecret"]),
        ("GET", "/api/sso-connectors/ssoconnector", json!(null), &["/config/clientSecret"]),
        ("GET", "/api/hooks", json!(null), &["/0/signingKey", "/0/config/headers/Authorization"]),
        ("GET", "/api/hooks/hook00000000000000001", json!(null), &["/signingKey"]),
        ("POST", "/api/hooks", hook, &["/signingKey", "/config/headers/X"]),
        ("PATCH", "/api/hooks/hook00000000000000001/signing-key", json!(null), &["/signingKey"]),
        ("GET", "/api/one-time-tokens", json!(null), &["/0/token"]),
        ("POST", "/api/one-time-tokens", json!({"email": "a@example.com"}), &["/token"]),
        ("GET", "/api/captcha-provider", json!(null), &["/config/secretKey"]),
        ("PUT", "/api/captcha-provider", captcha, &["/config/secretKey"]),
        (
            "GET",
            "/api/configs/jwt-customizer",
            json!(null),
            &["/0/value/script", "/0/value/environmentVariables/API_KEY"],
        ),
        (
            "GET",
            "/api/configs/jwt-customizer/client-credentials",
            json!(null),
            &["/environmentVariables/API_KEY"],
        ),
        (
            "PUT",
            "/api/configs/jwt-customizer/client-credentials",
            script,
            &["/environmentVariables/K", "/script"],
        ),
        ("GET", &pats, json!(null), &["/0/value"]),
        ("POST", &pats, json!({"name": "another"}), &["/value"]),
        ("POST", &mfa, json!({"type": "Totp"}), &["/secret", "/secretQrCode"]),
        ("POST", &mfa, json!({"type": "BackupCode"}), &["/codes/0", "/codes/9"]),
        ("POST", "/api/subject-tokens", json!({"userId": user}), &["/subjectToken"]),
    ] {
        let request = Request::new(method, path).header("If-None-Match", "\"x\"");
        let request = request.header("Accept-Encoding", "gzip, br");
        let request =
            if body.is_null() { request } else { request.body("application/json", body.to_string()) };
        let answer = proxy.ask(&request).await;
        let text = answer.text();
        assert!((200..300).contains(&answer.status), "{method} {path}: {} {text}", answer.status);
        assert!(!text.contains(CANARY), "{method} {path}: {text}");
        for place in places {
            let found = answer.json().pointer(place).cloned();
            assert_eq!(found, Some(MASK.into()), "{method} {path} {place}: {text}");
        }
        assert_eq!((answer.value("etag"), answer.value("content-length")), (None, None), "{method} {path}");
        assert_eq!(answer.value("content-type"), Some("application/json; charset=utf-8"));
        let seen = logto.last();
        assert_eq!(seen.header("accept-encoding").as_deref(), Some("gzip"));
        assert_eq!(seen.header("if-none-match"), None);
        if method == "GET" {
            let revealed = proxy.ask(&Request::get(path).key(KEY)).await;
            if path == "/api/applications?page_size=100" || !places.is_empty() {
                assert!(revealed.text().contains(CANARY), "{path}: {}", revealed.text());
                assert!(!revealed.text().contains(MASK));
            }
            let tag = revealed.value("etag").expect("as the upstream sent it").to_owned();
            let same = proxy.ask(&Request::get(path).key(KEY).header("If-None-Match", &tag)).await;
            // The emulator's captcha provider is made anew for each answer, with the time.
            assert!(same.status == 304 || path == "/api/captcha-provider", "{path}");
        }
    }
    assert_eq!(logto.surprises(), [], "a well-behaved proxy");
}

#[tokio::test]
async fn no_operation_shows_a_secret_of_the_upstream() {
    let logto = Logto::start().await;
    let proxy = proxy(&logto).await;
    let user = first_user(&proxy).await;
    let id_for = |path: &str| match path.split('/').nth(2) {
        Some("users") => user.clone(),
        Some("applications") => "demo-web".into(),
        Some("connectors") => "connector001".into(),
        Some("sso-connectors") => "ssoconnector".into(),
        Some("hooks") => "hook00000000000000001".into(),
        Some("one-time-tokens") => "ott000000000000000001".into(),
        Some("organizations") => "org000000001".into(),
        Some("configs") => "client-credentials".into(),
        _ => "x".to_owned(),
    };
    let mut read = 0;
    for (_, operation) in Catalog::logto().operations().filter(|(_, o)| o.verb == Verb::Get) {
        let path = operation.template.segments().iter().fold(String::new(), |path, segment| {
            let segment = match segment {
                Segment::Literal(literal) => literal.to_string(),
                Segment::Param => id_for(&path),
            };
            format!("{path}/{segment}")
        });
        for method in ["GET", "HEAD"] {
            let answer = proxy.connect().await.ask(&Request::new(method, &path)).await;
            let text = answer.text();
            assert!(!text.contains(CANARY), "{method} {path}: {text}");
            read += usize::from(answer.status == 200);
        }
    }
    assert!(read > 60, "{read} answers");
}

#[tokio::test]
async fn shapes_of_other_versions_are_masked() {
    let logto = Logto::start().await;
    let proxy = proxy(&logto).await;
    // An answer with everything that any version is known to answer with, as an object and as a list.
    let everything = json!({
        "id": "i", "secret": "#internal:S", "value": "S", "token": "S", "subjectToken": "S", "signingKey": "S",
        "secretQrCode": "S", "codes": ["S", "S"], "script": "S", "environmentVariables": {"A": "S", "B": {"C": "S"}},
        "config": {"secretKey": "S", "headers": {"A": "S"}}, "providerConfig": {"clientSecret": "S"},
    });
    for (op, operation) in Catalog::logto().operations() {
        if Catalog::logto().secrets(op).is_none() {
            continue;
        }
        let nested = json!({"key": "k", "value": everything});
        let body = if operation.id.starts_with("List") && operation.template.as_str().contains("configs") {
            nested
        } else {
            everything.clone()
        };
        let path = operation.template.as_str().replace(['{', '}'], "");
        for body in [body.clone(), json!([body, body])] {
            let effect = Effect::body(200, "application/json", body.to_string());
            logto.faults().set(vec![Fault::new(Target::Api, effect)]);
            let request = Request::new(operation.verb.as_str(), &path);
            let request =
                if operation.verb.reads() { request } else { request.body("application/json", "{}") };
            let answer = proxy.ask(&request).await;
            assert_eq!(answer.status, 200, "{} {}", operation.id, answer.text());
            assert!(leaves(&answer.json()).iter().any(|leaf| leaf == MASK), "{}", operation.id);
            assert!(answer.text().contains("\"id\":\"i\""), "{}", operation.id);
            let revealed = proxy.ask(&request.key(KEY)).await;
            assert_eq!(revealed.json(), body, "{}", operation.id);
        }
    }
}

#[tokio::test]
async fn an_operation_newer_than_the_catalog_is_masked_by_name() {
    let logto = Logto::start().await;
    let proxy = proxy(&logto).await;
    let body =
        json!({"items": [{"clientSecret": "S", "name": "n", "nested": {"privateKey": "S"}}], "total": 1});
    logto.api_fault(Effect::body(200, "application/json", body.to_string()));
    for request in [Request::get("/api/newer/things"), Request::get("/api/newer/things").key(KEY)] {
        let answer = proxy.ask(&request).await;
        let want = json!({"items": [{"clientSecret": MASK, "name": "n", "nested": {"privateKey": MASK}}], "total": 1});
        assert_eq!(answer.json(), want, "nothing that nobody knows can be revealed");
    }
    logto.faults().set(vec![Fault::new(Target::Api, Effect::body(201, "text/plain", "Created"))]);
    let answer = proxy.ask(&Request::post("/api/newer/things", "{}")).await;
    assert_eq!((answer.status, answer.text().as_str()), (201, "Created"));
    assert_eq!(answer.value("content-length"), Some("7"));
}

#[tokio::test]
async fn what_cannot_be_masked_does_not_come_out() {
    let logto = Logto::start().await;
    let proxy = proxy(&logto).await;
    let secret = format!("{{\"signingKey\":\"{CANARY}x\"}}");
    let encoded = |coding: &str| {
        let headers = [("Content-Type", "application/json"), ("Content-Encoding", coding)];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Effect::Answer { status: 200, headers, body: secret.clone().into_bytes() }
    };
    for effect in [
        encoded("gzip"),
        encoded("br, identity"),
        Effect::body(200, "text/plain", secret.clone()),
        Effect::body(200, "application/json; charset=utf-16", secret.clone()),
        Effect::body(206, "application/json", secret.clone()),
    ] {
        logto.faults().set(vec![Fault::new(Target::Api, effect.clone())]);
        let answer = proxy.get("/api/hooks/h").await;
        assert_eq!(answer.outcome(), (502, "claviger.upstream_invalid".into()), "{effect:?}");
    }
    for body in [
        format!("{{\"a\":1}} {secret}"),
        format!("{{'a':1, {secret}"),
        format!("{{\"a\":{}{secret}", "[".repeat(80)),
        secret.replace('}', ""),
        secret.replace("\":", "\" "),
    ] {
        logto
            .faults()
            .set(vec![Fault::new(Target::Api, Effect::body(200, "application/json", body.clone()))]);
        let answer = proxy.get("/api/hooks/h").await;
        assert_eq!(answer.outcome(), (502, "claviger.upstream_invalid".into()), "{body}");
    }
    // An upstream that hangs up in the middle.
    logto.faults().set(vec![Fault::new(Target::Api, Effect::Truncate { after: 40 })]);
    assert!(proxy.connect().await.try_ask(&Request::get("/api/hooks")).await.is_err());
    proxy.logged("a response was blocked").await;
    proxy.logged("is not the JSON in which they could be masked").await;
    let out = proxy.log();
    assert!(!out.contains(CANARY), "{out}");
    proxy.tap().each(|place, bytes| {
        assert!(memchr::memmem::find(bytes, CANARY.as_bytes()).is_none(), "{place}");
    });
    // Errors are for the caller to read.
    logto.faults().set(vec![Fault::new(Target::Api, Effect::body(404, "text/plain", "Not Found"))]);
    assert_eq!(proxy.get("/api/hooks/h").await.text(), "Not Found");
}

#[tokio::test]
async fn an_answer_that_repeats_a_credential_is_stopped_and_counted() {
    let logto = Logto::start().await;
    let proxy = proxy(&logto).await;
    assert_eq!(proxy.get("/api/roles").await.status, 200);
    let token = logto.tokens_seen().pop().expect("a token arrived");
    let mut stopped = 0.0;
    for credential in [token.as_str(), logto.secret()] {
        let long = format!("{{\"pad\":\"{}\",\"echo\":\"{credential}\"}}", "e".repeat(100_000));
        let short = format!("{{\"echo\":\"Bearer {credential}\"}}");
        for (path, status, body) in [
            ("/api/users", 200, &short),
            ("/api/users", 422, &short),
            ("/api/users", 500, &short),
            ("/api/users", 200, &long),
            ("/api/newer/x", 200, &short),
            ("/api/hooks", 200, &short),
        ] {
            logto
                .faults()
                .set(vec![Fault::new(Target::Api, Effect::body(status, "application/json", body.clone()))]);
            let outcome = proxy.connect().await.try_ask(&Request::get(path)).await;
            match outcome {
                Ok(answer) if body.len() < 10_000 => {
                    assert_eq!(
                        answer.outcome(),
                        (502, "claviger.upstream_invalid".into()),
                        "{path} {status}"
                    );
                }
                outcome => assert!(outcome.is_err(), "cut off: {path} {status}"),
            }
            stopped += 1.0;
        }
        let headers = vec![("X-Debug".to_owned(), format!("Bearer {credential}"))];
        let in_head = Effect::Answer { status: 200, headers, body: b"[]".to_vec() };
        logto.faults().set(vec![Fault::new(Target::Api, in_head)]);
        let answer = proxy.get("/api/users").await;
        assert_eq!(answer.outcome(), (502, "claviger.upstream_invalid".into()));
        stopped += 1.0;
    }
    logto.faults().clear();
    assert_eq!(proxy.metric("claviger_echo_guard_total{tenant=\"acme\"}").await, stopped);
    proxy.logged("repeats a credential").await;
    assert!(proxy.log().contains("\"operation\":\"ListUsers\""));

    // Even whom everything is revealed to does not get what Claviger itself lives on.
    let own = format!("/api/applications/{}/secrets", logto.client());
    let shown = proxy.ask(&Request::get(&own).key(KEY).header("Accept-Encoding", "gzip")).await;
    assert_eq!(shown.outcome(), (502, "claviger.upstream_invalid".into()));
    let masked = proxy.get(&own).await;
    assert_eq!((masked.status, &masked.json()[0]["value"]), (200, &Value::from(MASK)));
}

#[tokio::test]
async fn an_echo_in_small_pieces_is_stopped_before_it_is_half_out() {
    let logto = Logto::start().await;
    let proxy = proxy(&logto).await;
    // The upstream carries it out, and its answer repeats what it was given.
    let created = Request::post("/api/users", json!({"username": "u1", "name": logto.secret()}).to_string());
    assert_eq!(proxy.ask(&created).await.outcome(), (502, "claviger.upstream_invalid".into()));
    logto.faults().set(vec![Fault::new(Target::Api, Effect::Drip { bytes: 7, every_ms: 1 })]);
    let broken = proxy.connect().await.try_ask(&Request::get("/api/users?search.username=u1")).await;
    assert!(broken.is_err(), "{broken:?}");
    let masked = within("the pieces", proxy.get("/api/connectors")).await;
    assert_eq!(masked.json()[0]["config"]["clientSecret"], MASK);
}

#[tokio::test]
async fn a_large_list_is_masked_in_little_memory() {
    let logto = Logto::start().await;
    let proxy = proxy(&logto).await;
    let row = json!({"id": "abcdefghijkl", "name": "an application", "secret": "S3CR3T", "customData": {"a": [1, 2]}});
    let rows = 20_000_000 / row.to_string().len();
    let body = serde_json::to_vec(&vec![row; rows]).expect("it is JSON");
    proxy.get("/api/applications").await;
    let (_, before) = proxy.memory();
    logto.api_fault(Effect::body(200, "application/json", body));
    let answer = proxy.get("/api/applications").await;
    let (_, after) = proxy.memory();
    assert_eq!(memchr::memmem::find(&answer.body, b"S3CR3T"), None);
    assert_eq!(memchr::memmem::find_iter(&answer.body, MASK.as_bytes()).count(), rows);
    assert!(serde_json::from_slice::<serde::de::IgnoredAny>(&answer.body).is_ok());
    assert!(after < before + 8 * 1024, "from {before} to {after} KiB for 20 MB");
}
