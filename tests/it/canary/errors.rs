//! Every row of the table of errors, brought about from outside by callers that put their credentials where they do not
//! belong: in queries, paths, names of tenants and hosts, bodies, and headers of all kinds.

use std::{collections::BTreeSet, time::Duration};

use claviger_emulator::{Effect, Fault, Target};
use serde_json::json;

use super::{
    answer, ask,
    credentials::{Credentials, Says},
    key, look_everywhere, loud,
};
use crate::support::{
    Answer, Logto, Proxy, Reaction, Request, Scripted, Settings, Told,
    canary::{Canary, MARK},
    issuer::{Signer, account, key_set},
    quoted, soon,
    tap::Tap,
    wait::pass,
};

const CLUSTER: &str = "https://kubernetes.default.svc.cluster.local";
/// An issuer that nobody answers for.
const LOST: &str = "http://127.0.0.1:1";

/// What nothing from outside brings about, and why.
const OUT_OF_REACH: [(&str, &str); 5] = [
    ("claviger.internal", "a panic, or a system without randomness: each would be a bug of its own"),
    ("claviger.alias_taken", ADMIN_ALONE),
    ("claviger.tenant_changed", ADMIN_ALONE),
    ("claviger.vault_unavailable", ADMIN_ALONE),
    (
        "claviger.tenant_not_stored",
        "of creations at Logto Cloud alone: tests/it/cloud/capture.rs looks for secrets, too",
    ),
];
const ADMIN_ALONE: &str = "for whoever changes tenants on the admin listener: tests/it/vault.rs";

/// Code, title and side: what tells the rows of the table apart.
type Row = (String, String, String);

/// The rows as they stand in the source, so that a new one is missed here.
fn table() -> BTreeSet<Row> {
    let rows = include_str!("../../../src/proxy/error/table.rs")
        .lines()
        .filter_map(|line| line.split_once("= row("));
    let row = |(_, row): (&str, &str)| {
        let fields: Vec<&str> = row.split(", ").map(|field| field.trim_matches('"')).collect();
        (fields[1].to_owned(), fields[4].to_owned(), fields[2].to_lowercase())
    };
    rows.map(row).collect()
}

/// Reads the rows of its answers, and keeps the answers.
struct Driver<'a> {
    proxy: &'a Proxy,
    seen: BTreeSet<Row>,
}

impl Driver<'_> {
    async fn drive(&mut self, request: &Request) {
        let (answer, _) = ask(self.proxy, request, self.proxy.tap()).await;
        self.note(&answer);
    }

    fn note(&mut self, answer: &Answer) {
        let problem = answer.json();
        let text = |member: &str| problem[member].as_str().unwrap_or_default().to_owned();
        assert!(text("code").starts_with("claviger."), "not refused: {answer:?} {}", answer.text());
        self.seen.insert((text("code"), text("title"), text("side")));
    }

    /// Several at once, each begun when `count` says that the one before has got where it is to stay.
    async fn drive_together(&mut self, requests: &[Request], mut count: impl FnMut() -> usize) {
        let mut clients = Vec::new();
        for (index, request) in requests.iter().enumerate() {
            let before = count();
            let mut client = self.proxy.connect().await;
            client.write(&request.head()).await.expect("it is read");
            if index == 0 {
                soon("the first to be under way", || count() > before).await;
            } else {
                // Nothing shows from outside that it waits in line.
                pass(Duration::from_millis(20)).await;
            }
            clients.push(client);
        }
        for client in &mut clients {
            let answer = client.read_answer("GET").await.expect("it is answered");
            self.note(&answer);
        }
    }
}

/// An issuer's key file, tenants in every state of health, and callers of every kind.
async fn start(logto: &Logto, gone: &Scripted, signer: &Signer, held: &[String; 3]) -> Proxy {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let dead = closed.local_addr().expect("it is bound");
    drop(closed);
    let mut builder = loud("{ file = 'audit.jsonl' }");
    for tenant in ["acme", "wrong", "roleless", "dead", "gone", "poor", "locked"] {
        builder = builder.tenant(tenant, logto);
    }
    std::fs::write(builder.directory().join("jwks.json"), key_set(&[signer])).expect("it can be written");
    for (caller, identify) in [
        ("keyed", format!("{{ api_key = '{}' }}", key("keyed"))),
        ("slow", format!("{{ api_key = '{}' }}", key("slow"))),
        ("real", format!("{{ api_key = '{}' }}", key("real"))),
        ("vouched", "{ service_account = 'shop/billing', issuer = 'kubernetes' }".into()),
    ] {
        builder = builder
            .set(&format!("callers.{caller}.identify"), identify)
            .set(&format!("callers.{caller}.tenants"), "['*']")
            .set(&format!("callers.{caller}.policies"), "['some']");
    }
    builder
        .without("callers.local")
        .set("limits.headers", 60)
        .set("callers.slow.rate", "{ requests = 1, per = '1h' }")
        .set("callers.real.issue", "'upstream'")
        .set("callers.real.tenants", "['acme']")
        .set("issuers.kubernetes.issuer", quoted(CLUSTER))
        .set("issuers.kubernetes.audience", "'claviger'")
        .set("issuers.kubernetes.jwks", "{ file = 'jwks.json' }")
        .set("issuers.lost.issuer", quoted(LOST))
        .set("issuers.lost.audience", "'claviger'")
        .set(
            "policies.some.allow",
            "['roles:read', 'CreateRole', 'GetUser', { operation = 'UpdateUser', body = ['name'] }, \
             { operation = 'ListUsers', query = { page_size = { max = 5 } } }]",
        )
        .set("tenants.acme.max_in_flight", 1)
        .set("tenants.wrong.client_secret", format!("['{}', '{}']", held[0], held[1]))
        // What it prints is a secret, whatever it says of itself; and what it is called with may hold one.
        .set(
            "tenants.locked.client_secret",
            format!("{{ exec = ['/bin/sh', '-c', 'echo {MARK}printed; echo {MARK}printed >&2; exit 1'] }}"),
        )
        .set("tenants.roleless.client_id", "'m2m-without-role'")
        .set("tenants.dead.endpoint", quoted(format!("http://{dead}")))
        .set("tenants.gone.endpoint", quoted(gone.base_url()))
        .set("tenants.poor.quota", "{ requests = 1, per = '1h' }")
        .set("broker.key", "{ env = 'BROKER_KEY' }")
        .env("BROKER_KEY", &held[2])
        .set("authz.enabled", "true")
        .set("limits.body", "'4KiB'")
        .set("limits.queue", 1)
        .set("timeouts.response", "'300ms'")
        .set("retry.unreachable", "'0s'")
        .set("breaker.failures", 3)
        .set("timeouts.body", "'300ms'")
        .start()
        .await
}

/// A request whose `Idempotency-Key` is the credential, and what its repeats are told, while Logto does not answer.
/// One whose Redis nobody answers for.
async fn without_its_redis(logto: &Logto) -> Proxy {
    loud("{ file = 'audit.jsonl' }")
        .tenant("acme", logto)
        .without("callers.local")
        .set("callers.keyed.identify", format!("{{ api_key = '{}' }}", key("keyed")))
        .set("callers.keyed.policies", "['all']")
        .set("redis.url", "'unix:/nobody/is/there'")
        .set("redis.timeout", "'50ms'")
        .start()
        .await
}

async fn drive_repeats(driver: &mut Driver<'_>, credentials: &Credentials, logto: &Logto, aside: &Tap) {
    let with = |body: &str| {
        let request = credentials.from(Says::Key, "POST", "/t/acme/api/roles");
        request.body("application/json", body).header("Idempotency-Key", &credentials.key)
    };
    let (request, other) = (with(r#"{"name":"a"}"#), with(r#"{"name":"b"}"#));
    let mut first = driver.proxy.places()[0].connect(aside.clone()).await.expect("it listens");
    logto.clear_recorded();
    first.write(&[request.head(), br#"{"name":"a"}"#.to_vec()].concat()).await.expect("it is read");
    soon("it to be sent", || !logto.api_requests_seen().is_empty()).await;
    driver.drive(&request).await;
    first.read_answer("POST").await.expect("it is answered");
    driver.drive(&request).await;
    driver.drive(&other).await;
    logto.faults().set(vec![Fault::new(Target::Api, Effect::Truncate { after: 3 })]);
    let again = credentials.from(Says::Key, "POST", "/t/acme/api/roles");
    let again = again.body("application/json", r#"{"name":"c"}"#).header("Idempotency-Key", "another");
    driver.drive(&again).await;
    driver.drive(&again).await;
    let only =
        credentials.from(Says::Key, "POST", "/t/acme/api/roles").body("application/json", r#"{"name":"d"}"#);
    driver.drive(&only.header("Idempotency-Key", "never-seen").header("Claviger-Replay", "only")).await;
}

#[tokio::test]
async fn no_credential_comes_out_of_any_error() {
    let logto = Logto::start().await;
    let told = Told::default();
    told.answers(|_| answer("200 OK", "Content-Type: application/json\r\n", b"[]"));
    let gone = Scripted::start(&logto, Reaction::AsTold(told)).await;
    let signer = Signer::new("one");
    let held = ["wrong-0123456789", "also-wrong-0123456789", "broker-0123456789-0123456789-0123456789"]
        .map(|text| format!("{MARK}{text}"));
    let mut proxy = start(&logto, &gone, &signer, &held).await;
    let (tap, aside) = (proxy.tap().clone(), Tap::default());

    let jwt = signer.sign(&account(CLUSTER, "shop", "billing"));
    let form = |of: &str| {
        let secret = key(of);
        Request::form(
            "/oidc/token",
            &format!("grant_type=client_credentials&client_id={of}&client_secret={secret}"),
        )
        .header("Claviger-Tenant", "acme")
    };
    let token_in = |answer: &Answer| answer.json()["access_token"].as_str().expect("a token").to_owned();
    let sealed = token_in(&ask(&proxy, &form("keyed"), &aside).await.0);
    let credentials = Credentials { key: key("keyed"), jwt, sealed };

    // What is answered, with credentials where ids stand: each as good as any other to the upstream.
    for says in [Says::Key, Says::BearerKey, Says::Jwt, Says::Sealed] {
        for id in [&credentials.key, &credentials.jwt, &credentials.sealed] {
            let request = credentials.from(says, "GET", &format!("/t/acme/api/users/{id}"));
            let (answer, _) = ask(&proxy, &request, &aside).await;
            assert_eq!(
                (answer.status, answer.outcome().1.as_str()),
                (404, ""),
                "{says:?}: {}",
                answer.text()
            );
            assert_ne!(answer.value("x-request-id"), Some(credentials.key.as_str()));
        }
    }
    let first = ask(&proxy, &credentials.from(Says::Key, "GET", "/t/gone/api/roles"), &aside).await.0;
    assert_eq!(first.status, 200, "it has a token: {}", first.text());
    drop(gone);

    let mut driver = Driver { proxy: &proxy, seen: BTreeSet::new() };
    let mut expired = account(CLUSTER, "shop", "billing");
    expired["exp"] = json!(1_000_000_000);
    let bearer = format!("Bearer {}", signer.sign(&expired));
    driver.drive(&Request::get("/t/acme/api/roles").header("Authorization", &bearer)).await;
    for says in [Says::Key, Says::BearerKey, Says::Jwt, Says::Sealed] {
        for request in credentials.refused(says) {
            driver.drive(&request).await;
        }
        let roles = |method: &str| credentials.from(says, method, "/t/acme/api/roles");
        let upstream = token_in(&ask(&proxy, &form("real"), &aside).await.0);
        let echo = Effect::Answer {
            status: 200,
            headers: vec![("X-Debug".to_owned(), format!("Bearer {upstream}"))],
            body: Vec::new(),
        };
        let claims = json!({"code": "auth.unauthorized", "message": upstream, "data": {"token": upstream}});
        for effect in [
            echo,
            Effect::body(401, "application/json", claims.to_string()),
            Effect::body(200, "text/html", format!("<html>{upstream}</html>")),
            Effect::Close,
            Effect::Reset,
            Effect::BlackHole,
        ] {
            logto.faults().set(vec![Fault::new(Target::Api, effect)]);
            driver.drive(&roles("GET")).await;
        }
        logto.faults().set(vec![Fault::new(Target::Api, Effect::BlackHole)]);
        let three = [roles("GET"), roles("GET"), roles("GET")];
        driver.drive_together(&three, || logto.api_requests()).await;
        logto.faults().clear();

        let mut client = proxy.connect().await;
        let begun =
            roles("POST").header("Content-Type", "application/json").header("Content-Length", "999").head();
        client.write(&[&begun, credentials.key.as_bytes()].concat()).await.expect("it is read");
        driver.note(&client.read_answer("POST").await.expect("it is answered"));
    }
    // What is no request at all is refused before there is a record of it.
    let Credentials { key: own, jwt, .. } = &credentials;
    for nonsense in [
        format!("GET /api/roles {own} HTTP/1.1\r\nClaviger-Key: {own}\r\n\r\n"),
        format!("GET /{jwt} HTTP/1.1\r\nClaviger-Key {own}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nClaviger-Key: {own}\r\nX: {}\r\n\r\n", own.repeat(1000)),
    ] {
        let mut client = proxy.connect().await;
        // It may be answered before all of it has left.
        let _ = client.write(nonsense.as_bytes()).await;
        client.read_to_end().await;
    }
    for request in credentials.forms() {
        driver.drive(&request).await;
    }
    let many = credentials.from(Says::Key, "GET", "/t/acme/api/roles");
    driver.drive(&(0..60).fold(many, |request, n| request.header(&format!("X-{n}"), own))).await;
    let lost = signer.sign(&account(LOST, "shop", "billing"));
    let keyless = Request::get("/t/acme/api/roles").header("Authorization", &format!("Bearer {lost}"));
    driver.drive(&keyless).await;
    for _ in 0..2 {
        let (answer, _) = ask(&proxy, &Request::get("/t/acme/api/roles").key(&key("slow")), &tap).await;
        if answer.status != 200 {
            driver.note(&answer);
        }
    }
    // Logto throttles one operation: the next request of it is told of the pause.
    logto.faults().set(vec![Fault::new(Target::Api, Effect::too_many(20)).times(1)]);
    let role = credentials.from(Says::Key, "GET", "/t/acme/api/roles/x");
    assert_eq!(ask(&proxy, &role, &aside).await.0.status, 429);
    driver.drive(&role).await;
    logto.faults().clear();
    let nobody_there = credentials.from(Says::Key, "GET", "/t/gone/api/roles");
    for _ in 0..3 {
        driver.drive(&nobody_there).await;
    }
    let mut seen = driver.seen;
    // An issuer that complains of a token that it gave out before. Other parameters make it be asked again.
    let token = logto.tokens_seen().pop().expect("a token arrived");
    let complaint = json!({"error": "invalid_request", "error_description": format!("{token} is not over")});
    logto
        .faults()
        .set(vec![Fault::new(Target::Token, Effect::body(400, "application/json", complaint.to_string()))]);
    assert!(proxy.reload_with(|settings| settings.set("tenants.acme.parameters", "{ n = '1' }")).await);
    let roles = credentials.from(Says::Key, "GET", "/t/acme/api/roles");
    let (refused, _) = ask(&proxy, &roles, &tap).await;
    refused.assert_problem(502, "credential_rejected");
    proxy.logged("it repeats a token").await;
    look_everywhere(&proxy).await;
    logto.faults().clear();
    assert!(proxy.reload_with(|settings| settings.set("tenants.acme.parameters", "{ n = '2' }")).await);
    // Warm again before it is about something else.
    while ask(&proxy, &roles, &aside).await.0.status != 200 {}
    let shorter =
        |settings: Settings| settings.set("timeouts.deadline", "'700ms'").set("timeouts.response", "'2s'");
    assert!(proxy.reload_with(shorter).await);
    logto.faults().set(vec![Fault::new(Target::Api, Effect::BlackHole)]);
    let mut driver = Driver { proxy: &proxy, seen: BTreeSet::new() };
    let roles = credentials.from(Says::Jwt, "GET", "/t/acme/api/roles");
    driver.drive(&roles).await;
    drive_repeats(&mut driver, &credentials, &logto, &aside).await;
    // An answer that takes its time keeps the only place.
    logto.faults().set(vec![Fault::new(Target::Api, Effect::Drip { bytes: 1, every_ms: 50 })]);
    let mut slow = proxy.places()[0].connect(aside.clone()).await.expect("it listens");
    slow.write(&roles.head()).await.expect("it is read");
    assert_eq!(slow.read_head().await.expect("it is answered").status, 200);
    driver.drive(&roles).await;
    drop(slow);
    seen.extend(driver.seen);
    look_everywhere(&proxy).await;

    let away = without_its_redis(&logto).await;
    let mut driver = Driver { proxy: &away, seen };
    let keyed = credentials.from(Says::Key, "POST", "/t/acme/api/roles").body("application/json", "{}");
    driver.drive(&keyed.header("Idempotency-Key", &credentials.key)).await;
    let text = credentials.from(Says::Key, "POST", "/t/acme/api/roles").body("text/plain", &*credentials.key);
    driver.drive(&text).await;
    let seen = driver.seen;
    look_everywhere(&away).await;

    let out_of_reach = |(code, ..): &&Row| OUT_OF_REACH.iter().any(|(known, _)| known == code);
    let missed: Vec<Row> = table().difference(&seen).filter(|row| !out_of_reach(row)).cloned().collect();
    assert!(missed.is_empty(), "errors that nothing here brings about: {missed:?}");

    proxy.signal(rustix::process::Signal::TERM);
    assert!(proxy.ended().await.success());
    let audit = std::fs::read(proxy.directory().join("audit.jsonl")).expect("it is there");
    assert!(audit.split(|byte| *byte == b'\n').count() > 200, "an entry for each request");
    assert!(String::from_utf8_lossy(&audit).contains("\"path\":\"/api/users/[redacted]\""));
    assert!(tap.text("stderr").contains("\"level\":\"TRACE\""), "it was loud");
    tap.keep("audit log", &audit);
    let mut canary = Canary::default();
    let Credentials { key, jwt, sealed } = &credentials;
    let signature = jwt.rsplit('.').next().unwrap_or_default();
    for (what, secret) in [
        ("the caller's key", key.as_str()),
        ("the caller's JWT", jwt),
        ("the signature of the caller's JWT", signature),
        ("the JWT of an issuer without keys", &lost),
        ("the Claviger token", sealed),
        ("the wrong secret", &held[0]),
        ("the other wrong secret", &held[1]),
        ("the broker key", &held[2]),
        ("the tenant's secret", logto.secret()),
    ] {
        canary.watch(what, secret);
    }
    for token in logto.tokens_seen() {
        canary.watch("an upstream token", &token);
    }
    canary.assert_silent(&tap);
    canary.assert_silent(away.tap());
}
