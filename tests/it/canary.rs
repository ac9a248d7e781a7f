//! Secrets of the upstream and of Claviger, through the answers of every operation of the catalog, with the log at its
//! loudest, the audit log on, and everything that comes out searched. Whom an answer is revealed to gets its secrets in
//! the answer, and they are nowhere else.

#[path = "canary/answers.rs"]
mod answers;
#[path = "canary/broad.rs"]
mod broad;
#[path = "canary/credentials.rs"]
mod credentials;
#[path = "canary/errors.rs"]
mod errors;
#[path = "canary/shapes.rs"]
mod shapes;
#[path = "canary/tls.rs"]
mod tls;

use std::collections::BTreeSet;

use claviger::catalog::{Catalog, Operation, Requirement, Risk, Verb, template::Segment};
use claviger_emulator::CANARY;
use serde_json::{Value, json};

use self::answers::{Fate, Sown, Way, answer, echoes, sown, ways};
use crate::support::{
    Answer, Logto, Proxy, Reaction, Request, Scripted, Told, Whole,
    canary::{Canary, MARK},
    proxy::Builder,
    quoted,
    tap::Tap,
};

const MASK: &str = "[redacted by claviger]";
/// Of the upstream, in its answers; not what Claviger holds, so not with its mark.
const SECRETS: Sown<'static> = Sown { text: "UPSTREAM-own-9fK2xQ7vLm4Zs8Tb", number: "918273645546372819" };
/// Of the caller, in its requests' bodies and queries.
const SENT: &str = "CALLER-sent-5hW3nR8jYc6Xd1Pg";

/// As loud as it gets, with the audit log on.
fn loud(audit: &str) -> Builder {
    Proxy::builder()
        .set("log.level", "'trace'")
        .set("log.requests", "'all'")
        .set("audit.output", audit)
        .set("retry.attempts", 1)
}

/// Every operation that can be granted, by its name.
fn granted() -> Vec<&'static Operation> {
    let all = Catalog::logto().operations().map(|(_, operation)| operation);
    all.filter(|operation| operation.requirement != Requirement::Withheld).collect()
}

fn names(operations: &[&Operation]) -> String {
    let names: Vec<&str> = operations.iter().map(|operation| operation.id).collect();
    format!("{names:?}")
}

/// The path of an operation, with `id` for each of its parameters, given what comes before.
fn path(operation: &Operation, id: impl Fn(&str) -> String) -> String {
    operation.template.segments().iter().fold(String::new(), |path, segment| match segment {
        Segment::Literal(literal) => format!("{path}/{literal}"),
        Segment::Param => format!("{path}/{}", id(&path)),
    })
}

fn request(operation: &Operation, target: &str, body: &Value) -> Request {
    let request = Request::new(operation.verb.as_str(), target);
    if operation.verb.reads() { request } else { request.body("application/json", body.to_string()) }
}

/// Asks, and keeps the answer in `tap`.
async fn ask(proxy: &Proxy, request: &Request, tap: &Tap) -> (Answer, Whole) {
    proxy.places()[0].connect(tap.clone()).await.expect("it listens").ask_to_the_end(request).await
}

async fn look_everywhere(proxy: &Proxy) {
    for page in ["/metrics", "/status", "/config", "/livez", "/readyz", "/nonsense"] {
        proxy.admin(page).await;
    }
}

fn key(of: &str) -> String {
    format!("{MARK}key-of-{of}-0123456789")
}

/// Fails unless what came is what was to become of the answer.
#[track_caller]
fn assert_fate(operation: &Operation, way: &Way, (answer, whole): &(Answer, Whole)) {
    let is_so = match way.fate {
        Fate::Masked => {
            *whole == Whole::Yes && (200..300).contains(&answer.status) && answer.text().contains(MASK)
        }
        Fate::Passed => *whole == Whole::Yes && answer.outcome().1.is_empty() && answer.status > 0,
        Fate::Withheld => answer.outcome() == (502, "claviger.upstream_invalid".into()),
        Fate::Cut => *whole == Whole::No,
    };
    assert!(is_so, "{} {}: not {:?}: {answer:?} {}", operation.id, way.what, way.fate, answer.text());
}

#[test]
fn the_shapes_are_those_of_the_operations_that_answer_with_secrets() {
    let with_secrets = granted().into_iter().filter(|o| o.risks.contains(&Risk::Secrets)).map(|o| o.id);
    let with_shapes: BTreeSet<&str> = shapes::operations().collect();
    assert_eq!(with_secrets.collect::<BTreeSet<_>>(), with_shapes);
    assert_eq!(Catalog::logto().operations().count(), 275);
    for operation in with_shapes {
        for shape in shapes::of(operation) {
            let body = sown(shape, SECRETS);
            assert!(body.contains(SECRETS.text) && serde_json::from_str::<Value>(&body).is_ok(), "{body}");
        }
    }
}

#[tokio::test]
async fn the_secrets_in_the_answers_of_every_operation_come_out_where_they_are_revealed_alone() {
    let logto = Logto::start().await;
    let told = Told::default();
    let upstream = Scripted::start(&logto, Reaction::AsTold(told.clone())).await;
    let operations = granted();
    let secret: Vec<&Operation> =
        operations.iter().copied().filter(|o| !shapes::of(o.id).is_empty()).collect();
    let mut builder = loud("'stdout'")
        .tenant("acme", &logto)
        .set("tenants.acme.endpoint", quoted(upstream.base_url()))
        .set("policies.every.allow", names(&operations))
        .set("callers.auditor.reveal", names(&secret))
        .without("callers.local");
    for caller in ["hidden", "auditor"] {
        builder = builder
            .set(&format!("callers.{caller}.identify"), format!("{{ api_key = '{}' }}", key(caller)))
            .set(&format!("callers.{caller}.policies"), "['every']");
    }
    let proxy = builder.start().await;
    let (tap, aside) = (proxy.tap().clone(), Tap::default());
    let body = json!({"config": {"clientSecret": SENT}, "password": SENT, "secret": SENT});
    let (mut asked, mut revealed) = (0, 0);
    let all = echoes("").len();
    for (index, operation) in operations.iter().enumerate() {
        let path = path(operation, |_| "x".into());
        let request = request(operation, &format!("{path}?secret={SENT}"), &body);
        let hidden = request.clone().key(&key("hidden"));
        // Four ways for each operation, so that each way comes with many of them, with the token and with the secret.
        for turn in 4 * index..4 * index + 4 {
            let (way, secret) = (turn % all, (turn / all % 2 == 1).then(|| logto.secret().to_owned()));
            told.answers(move |token| echoes(secret.as_deref().unwrap_or(token)).swap_remove(way).bytes);
            assert_fate(operation, &echoes("")[way], &ask(&proxy, &hidden, &tap).await);
            asked += 1;
        }
        for shape in shapes::of(operation.id) {
            let body = sown(shape, SECRETS);
            for way in ways(&body, SECRETS) {
                let bytes = way.bytes.clone();
                told.answers(move |_| bytes.clone());
                assert_fate(operation, &way, &ask(&proxy, &hidden, &tap).await);
                asked += 1;
            }
            if operation.verb == Verb::Get {
                let head = Request::new("HEAD", &path).key(&key("hidden")).header("If-None-Match", "\"x\"");
                for status in ["200 OK", "304 Not Modified"] {
                    told.answers(move |_| format!("HTTP/1.1 {status}\r\nETag: \"x\"\r\n\r\n").into_bytes());
                    let same = Request::get(&path).key(&key("hidden")).header("If-None-Match", "\"x\"");
                    ask(&proxy, if status == "200 OK" { &head } else { &same }, &tap).await;
                }
            }
            // Errors are the caller's to read; what is in one is nobody else's.
            let error =
                answer("422 Unprocessable Entity", "Content-Type: application/json\r\n", body.as_bytes());
            told.answers(move |_| error.clone());
            let (shown, _) = ask(&proxy, &hidden, &aside).await;
            assert_eq!(shown.status, 422, "{}: {}", operation.id, shown.text());

            let whole = answer("200 OK", "Content-Type: application/json\r\n", body.as_bytes());
            told.answers(move |_| whole.clone());
            let (shown, _) = ask(&proxy, &request.clone().key(&key("auditor")), &aside).await;
            assert_eq!((shown.status, shown.text()), (200, body.clone()), "{}", operation.id);
            revealed += 1;
        }
    }
    look_everywhere(&proxy).await;
    assert!(asked > 3000 && revealed > 60, "{asked} answers, {revealed} of them revealed");

    assert!(proxy.stop().await.success());
    let log = tap.text("stderr");
    assert!(log.contains("\"level\":\"TRACE\"") && log.contains("a response was blocked"), "it was loud");
    let audit = tap.text("stdout");
    for operation in &operations {
        assert!(
            audit.contains(&format!("\"operation\":\"{}\"", operation.id)),
            "{} left no record",
            operation.id
        );
    }
    let mut canary = Canary::default();
    canary.watch("a secret in an answer", SECRETS.text);
    canary.watch_as_it_is("a number in an answer", SECRETS.number);
    canary.watch_as_it_is("what a caller sent", SENT);
    canary.watch("the tenant's secret", logto.secret());
    canary.watch("a caller's key", &key("hidden"));
    for token in told.tokens() {
        canary.watch("the upstream token", &token);
    }
    canary.assert_silent(&tap);
}

#[tokio::test]
async fn every_operation_of_the_emulator_keeps_its_secrets() {
    let logto = Logto::start().await;
    let operations = granted();
    let proxy = loud("{ file = 'audit.jsonl' }")
        .tenant("acme", &logto)
        .set("policies.all.allow", names(&operations))
        .start()
        .await;
    let user = proxy.get("/api/users?page_size=1").await.json()[0]["id"].as_str().expect("a user").to_owned();
    let id = |path: &str| match path.split('/').nth(2) {
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
    let secret = |name: &str| format!("{CANARY}{name}");
    // Logto drops what it does not know, so one body has what any of them needs.
    let body = |operation: &Operation| {
        if operation.tag == "configs" {
            return json!({"script": secret("script"), "environmentVariables": {"K": secret("variable")}});
        }
        json!({
            "name": format!("of-{}", operation.id), "description": "d", "username": "abc", "email": "a@example.com",
            "userId": user, "events": ["PostRegister"], "connectorId": "github-universal",
            "providerName": "OIDC", "connectorName": "n", "indicator": "https://i.example",
            "roleIds": [], "userIds": [], "applicationIds": [], "scopeIds": [], "token": "t", "status": "active",
            "password": "p", "customData": {}, "profile": {}, "isSuspended": false, "isDefault": false,
            "type": if operation.tag == "users" { "Totp" } else { "MachineToMachine" },
            "config": match operation.tag {
                "hooks" => json!({"url": "https://h.example", "headers": {"X": secret("header")}}),
                "captcha-provider" => json!({"type": "Turnstile", "siteKey": "s", "secretKey": secret("captcha")}),
                "connectors" | "sso-connectors" => json!({"clientId": "i", "clientSecret": secret("connector")}),
                _ => json!({}),
            },
        })
    };
    let (mut implemented, mut answered) = (0, 0);
    // What reads and what changes comes before what deletes.
    for verb in [Verb::Get, Verb::Patch, Verb::Put, Verb::Post, Verb::Delete] {
        for operation in operations.iter().filter(|operation| operation.verb == verb) {
            let request = request(operation, &path(operation, id), &body(operation));
            let (answer, whole) = ask(&proxy, &request, proxy.tap()).await;
            assert!(whole == Whole::Yes && answer.outcome().1.is_empty(), "{}: {answer:?}", operation.id);
            implemented += usize::from(answer.status != 501);
            answered += usize::from(answer.status < 300);
        }
    }
    look_everywhere(&proxy).await;
    assert!(implemented >= 124 && answered > 85, "{implemented} operations, {answered} successes");
    let tap = proxy.tap().clone();
    let file = proxy.directory().join("audit.jsonl");
    let mut proxy = proxy;
    proxy.signal(rustix::process::Signal::TERM);
    assert!(proxy.ended().await.success());
    tap.keep("audit log", &std::fs::read(file).expect("it is there"));
    let mut canary = Canary::default();
    canary.watch("a secret of Logto", CANARY);
    canary.watch("the tenant's secret", logto.secret());
    for token in logto.tokens_seen() {
        canary.watch("the upstream token", &token);
    }
    canary.assert_silent(&tap);
}
