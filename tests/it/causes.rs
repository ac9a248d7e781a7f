//! What the operator learns of requests that were refused, and the one who asks does not: in the log, the audit log
//! and the metrics.

use claviger::authn::Seal;
use serde_json::{Value, json};

use crate::support::{
    Logto, Proxy, Request,
    canary::MARK,
    issuer::{Issuer, Signer, account, in_seconds, key_set},
    quoted, until,
};

const CLUSTER: &str = "https://kubernetes.default.svc.cluster.local";
/// What senders write into their tokens: no line may hold it.
const CHOSEN: &str = "SENDER-chosen-3kQ8vT";

fn bearer(token: &str) -> Request {
    Request::get("/api/roles").header("Authorization", &format!("Bearer {token}"))
}

fn of_request(text: &str, id: &str) -> Option<Value> {
    let mut parsed = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    parsed.find(|line| line["request_id"] == id)
}

/// The log line of a request, by its id.
pub(crate) async fn line(proxy: &Proxy, id: &str) -> Value {
    until("the log line", || of_request(&proxy.log(), id)).await
}

/// The record of a request in the audit log, by its id.
pub(crate) async fn record(proxy: &Proxy, id: &str) -> Value {
    let file = proxy.directory().join("audit.jsonl");
    until("the record", || of_request(&std::fs::read_to_string(&file).ok()?, id)).await
}

#[tokio::test]
async fn an_unknown_caller_has_a_cause_in_the_log_the_audit_log_and_the_metrics_and_none_in_the_answer() {
    let logto = Logto::start().await;
    let (signer, stranger) = (Signer::new("one"), Signer::new(CHOSEN));
    let builder = Proxy::builder().tenant("acme", &logto).without("callers.local");
    std::fs::write(builder.directory().join("jwks.json"), key_set(&[&signer])).expect("it can be written");
    let proxy = builder
        .set("audit.output", "{ file = 'audit.jsonl' }")
        .set("issuers.kubernetes.issuer", quoted(CLUSTER))
        .set("issuers.kubernetes.audience", "'claviger'")
        .set("issuers.kubernetes.jwks", "{ file = 'jwks.json' }")
        .set("callers.billing.identify", "{ service_account = 'shop/billing' }")
        .set("callers.billing.policies", "['all']")
        .set("callers.keyed.identify", format!("{{ api_key = '{MARK}key-of-keyed-0123456789' }}"))
        .set("callers.keyed.policies", "['all']")
        .start()
        .await;
    let with = |name: &str, value: Value| {
        let mut claims = account(CLUSTER, "shop", "billing");
        claims[name] = value;
        signer.sign(&claims)
    };
    let foreign = Seal::new(None).expect("there is randomness");
    let foreign = foreign
        .issue(
            &claviger::ids::CallerName::parse("keyed").expect("a name"),
            None,
            std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(9_000_000_000),
            std::time::Duration::from_secs(60),
        )
        .expect("there is randomness");
    let foreign = String::from_utf8(foreign.expose().to_vec()).expect("text");
    let of_cluster = |text: &str| format!("issuer kubernetes: {text}");
    let cases = [
        (
            bearer(&with("aud", json!(CHOSEN))),
            "jwt",
            "audience",
            of_cluster("aud names none of the configured audiences"),
        ),
        (bearer(&with("exp", json!(in_seconds(-7300)))), "jwt", "expired", of_cluster("expired 2 h ago")),
        (
            bearer(&with("nbf", json!(in_seconds(7300)))),
            "jwt",
            "not_yet_valid",
            of_cluster("not valid for another 2 h"),
        ),
        (
            bearer(&with("iss", json!(format!("https://{CHOSEN}.example")))),
            "jwt",
            "issuer_unknown",
            "iss names no configured issuer".into(),
        ),
        (
            bearer(&signer.sign(&account(CLUSTER, "shop", CHOSEN))),
            "jwt",
            "no_caller",
            of_cluster("verified, but its claims match no caller"),
        ),
        (
            bearer(&stranger.sign(&account(CLUSTER, "shop", "billing"))),
            "jwt",
            "key_unknown",
            of_cluster("kid names no key of the issuer (1 key held)"),
        ),
        (
            bearer(&Signer::new("one").sign(&account(CLUSTER, "shop", "billing"))),
            "jwt",
            "signature",
            of_cluster("the signature is invalid"),
        ),
        (
            Request::get("/api/roles").key(&format!("{MARK}wrong")),
            "api_key",
            "unknown",
            "Claviger-Key is not a caller's key".into(),
        ),
        (
            bearer(
                signer.sign(&account(CLUSTER, "shop", "billing")).rsplit_once('.').expect("a signature").0,
            ),
            "jwt",
            "cut",
            "the JWT is incomplete: one of its three parts, or the end of its signature, is missing".into(),
        ),
        (
            bearer(&format!("{MARK}wrong")),
            "api_key",
            "unknown",
            "the bearer token is neither a caller's key nor a token that is accepted here".into(),
        ),
        (
            bearer(&foreign),
            "claviger_token",
            "sealed",
            "broker token: cannot be opened (another broker.key, or other client secrets?)".into(),
        ),
        (
            Request::get("/api/roles"),
            "none",
            "none_sent",
            "no credential was sent, and this listener accepts no caller by locality".into(),
        ),
    ];
    let mut answers = std::collections::BTreeSet::new();
    for (number, (request, method, reason, cause)) in cases.into_iter().enumerate() {
        let id = format!("case-{number}");
        let answer = proxy.ask(&request.header("X-Request-Id", &id)).await;
        answer.assert_problem(401, "caller_unknown");
        if reason != "expired" {
            answers.insert(answer.text().replace(&id, ""));
        }
        let (line, record) = (line(&proxy, &id).await, record(&proxy, &id).await);
        assert_eq!(
            (line["auth_method"].as_str(), line["cause"].as_str()),
            (Some(method), Some(cause.as_str()))
        );
        assert!(line["peer"].as_str().is_some_and(|peer| peer.starts_with("127.0.0.1:")), "{line}");
        assert_eq!(
            (record["auth_method"].as_str(), record["cause"].as_str()),
            (Some(method), Some(cause.as_str()))
        );
        assert_eq!(record["peer"], line["peer"]);
        let metric =
            format!("claviger_authentication_failed_total{{method=\"{method}\",reason=\"{reason}\"}}");
        assert!(proxy.metric(&metric).await >= 1.0, "{metric}");
    }
    assert_eq!(answers.len(), 1, "the same answer to all that have not expired: {answers:?}");
    let status = proxy.status().await["issuers"]["kubernetes"].clone();
    assert_eq!((&status["kids"], &status["tokens_of_unknown_keys"]), (&json!(["one"]), &json!(1)));
    let metrics = proxy.admin("/metrics").await.text();
    let audit = std::fs::read_to_string(proxy.directory().join("audit.jsonl")).expect("it is there");
    for (where_to, text) in [("log", proxy.log()), ("audit log", audit), ("metrics", metrics)] {
        assert!(!text.contains(CHOSEN), "{where_to}: {text}");
    }
    let known = proxy.ask(&bearer(&signer.sign(&account(CLUSTER, "shop", "billing")))).await;
    assert_eq!(known.status, 200);
}

#[tokio::test]
async fn an_issuer_without_keys_is_not_the_callers_fault() {
    let logto = Logto::start().await;
    let signer = Signer::new("one");
    let issuer = Issuer::start("{}".into()).await;
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("audit.output", "{ file = 'audit.jsonl' }")
        .set("issuers.ci.issuer", quoted(issuer.url()))
        .set("issuers.ci.audience", "'claviger'")
        .set("callers.ci.identify", "{ jwt = { issuer = 'ci', claims = { sub = 'x' } } }")
        .set("callers.ci.policies", "['all']")
        .start()
        .await;
    proxy.logged("none is held: every token of this issuer is refused").await;
    let token = |exp: i64| {
        signer.sign(&json!({ "iss": issuer.url(), "aud": "claviger", "sub": "x", "exp": in_seconds(exp) }))
    };
    let answer = proxy.ask(&bearer(&token(60)).header("X-Request-Id", "down")).await;
    answer.assert_problem(503, "issuer_unavailable");
    assert!(answer.retry_after().is_some_and(|seconds| (1..=10).contains(&seconds)), "{answer:?}");
    assert_eq!(answer.json()["side"], "issuer");
    assert_eq!(answer.value("www-authenticate"), None);
    let cause = json!("issuer ci: the issuer's signing keys are unavailable");
    assert_eq!(line(&proxy, "down").await["cause"], cause);
    let record = record(&proxy, "down").await;
    assert_eq!((&record["cause"], &record["outcome"]), (&cause, &json!("failed")));
    proxy.ask(&bearer(&token(-60))).await.assert_problem(401, "caller_unknown");
    let form = "grant_type=client_credentials&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
    let asserted = |token: &str| Request::form("/oidc/token", &format!("{form}&client_assertion={token}%0A"));
    let answer = proxy.ask(&asserted(&token(60))).await;
    assert_eq!((answer.status, &answer.json()["error"]), (503, &json!("temporarily_unavailable")));
    assert_eq!(proxy.get("/api/roles").await.status, 200, "others are unaffected");
    assert_eq!(proxy.metric("claviger_policy_denied_total{reason=\"issuer_unavailable\"}").await, 0.0);
}

#[tokio::test]
async fn an_assertion_from_a_file_may_end_with_its_line() {
    let logto = Logto::start().await;
    let signer = Signer::new("one");
    let issuer = Issuer::start(key_set(&[&signer])).await;
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .without("callers.local")
        .set("issuers.ci.issuer", quoted(issuer.url()))
        .set("issuers.ci.audience", "'claviger'")
        .set("callers.ci.identify", "{ jwt = { issuer = 'ci', claims = { repository = 'r' } } }")
        .set("callers.ci.policies", "['all']")
        .start()
        .await;
    let token = signer.sign(&json!({
        "iss": issuer.url(), "aud": "claviger", "sub": "x", "exp": in_seconds(60), "repository": "r",
    }));
    let form = "grant_type=client_credentials&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
    for end in ["", "%0A", "%0D%0A"] {
        let request = Request::form("/oidc/token", &format!("{form}&client_assertion={token}{end}"));
        assert_eq!(proxy.ask(&request).await.status, 200, "{end}");
    }
}

#[tokio::test]
async fn what_is_known_of_a_refused_request_is_in_its_line_and_its_labels() {
    let logto = Logto::start().await;
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("audit.output", "{ file = 'audit.jsonl' }")
        .set("authz.enabled", "true")
        .set("callers.keyed.identify", format!("{{ api_key = '{MARK}key-of-keyed-0123456789' }}"))
        .set("callers.keyed.policies", "['some']")
        .set("policies.some.allow", "['users:read', 'applications:read', 'ListApplications', { operation = 'UpdateUser', body = ['name'] }]")
        .start()
        .await;
    let keyed = |method: &str, target: &str, id: &str| {
        Request::new(method, target).key(&format!("{MARK}key-of-keyed-0123456789")).header("X-Request-Id", id)
    };
    let refused = |operation: &str, tenant: &str| {
        format!(
            "claviger_requests_total{{caller=\"keyed\",code=\"4xx\",operation=\"{operation}\",source=\"claviger\",tenant=\"{tenant}\"}}"
        )
    };
    proxy.ask(&keyed("DELETE", "/api/users/x", "deny")).await.assert_problem(403, "not_permitted");
    let denied = line(&proxy, "deny").await;
    assert_eq!((&denied["tenant"], &denied["operation"]), (&json!("acme"), &json!("DeleteUser")));
    assert!(denied["peer"].as_str().is_some_and(|peer| peer.starts_with("127.0.0.1:")), "{denied}");
    assert_eq!(proxy.metric(&refused("DeleteUser", "acme")).await, 1.0);

    proxy.ask(&keyed("GET", "/api/nothing", "unknown")).await.assert_problem(404, "operation_unknown");
    let unknown = line(&proxy, "unknown").await;
    assert_eq!((&unknown["tenant"], &unknown["operation"]), (&json!("acme"), &Value::Null));
    let cause = "no operation of the catalog has this method and path, and no rule names them";
    assert_eq!(unknown["cause"], cause);
    assert_eq!(proxy.metric(&refused("", "acme")).await, 1.0);

    proxy.ask(&keyed("GET", "/t/nobodys/api/users", "tenant")).await.assert_problem(404, "tenant_unknown");
    assert_eq!(line(&proxy, "tenant").await["tenant"], Value::Null, "what a caller made up is no label");
    assert_eq!(proxy.metric(&refused("", "")).await, 1.0);

    let asked = |method: &str, target: &str, id: &str| {
        keyed("GET", "/authz", id).header("X-Original-URI", target).header("X-Original-Method", method)
    };
    proxy.ask(&asked("DELETE", "/api/users/x", "asked")).await.assert_problem(403, "not_permitted");
    for shown in [line(&proxy, "asked").await, record(&proxy, "asked").await] {
        assert_eq!((&shown["via"], &shown["method"]), (&json!("authz"), &json!("DELETE")), "{shown}");
    }
    proxy.ask(&asked("GET", "/api/applications", "masked")).await.assert_problem(403, "not_permitted");
    let masked = line(&proxy, "masked").await;
    assert!(
        masked["cause"].as_str().is_some_and(|cause| cause.contains("ListApplications holds secrets")),
        "{masked}"
    );
    proxy.ask(&asked("PATCH", "/api/users/x", "unseen")).await.assert_problem(403, "not_permitted");
    let remedy = line(&proxy, "unseen").await["remedy"].clone();
    let remedy = remedy.as_str().unwrap_or_default();
    assert!(
        remedy.starts_with(
            "Nothing that is sent can meet it: grant UpdateUser without conditions on the body ("
        ) && remedy.ends_with("), or let the request pass through Claviger's own proxy."),
        "{remedy}"
    );
    proxy.ask(&keyed("GET", "/authz", "half")).await.assert_problem(400, "bad_request");
    assert_eq!(line(&proxy, "half").await["via"], "authz");
    assert_eq!(line(&proxy, "deny").await["via"], Value::Null);
}
