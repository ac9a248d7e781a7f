//! `Idempotency-Key`: what a repeat is told, and that nothing is sent twice.

#[path = "idempotency/cuts.rs"]
pub(crate) mod cuts;

use std::time::Duration;

use claviger_emulator::Effect;

use crate::support::{Answer, Logto, Proxy, Relay, Request, quoted, soon, within};

/// A creation that nothing keeps from being carried out twice: the user has no unique identifier.
pub(crate) fn creation(name: &str, key: &str) -> Request {
    Request::post("/api/users", format!(r#"{{"name":"{name}"}}"#)).header("Idempotency-Key", key)
}

pub(crate) async fn count(proxy: &Proxy, name: &str) -> usize {
    proxy.users("name").await.iter().filter(|it| *it == name).count()
}

pub(crate) fn is_replayed(answer: &Answer) -> bool {
    answer.value("idempotency-replayed") == Some("true")
}

#[tokio::test]
async fn b60_a_repeat_gets_the_answer_of_the_first_and_nothing_is_sent() {
    let logto = Logto::start().await;
    let proxy = Proxy::builder().tenant("acme", &logto).set("log.requests", "'all'").start().await;
    let first = proxy.ask(&creation("ada", "\"k-1\"").header("Accept-Encoding", "gzip")).await;
    assert_eq!((first.status, is_replayed(&first)), (200, false), "{}", first.text());
    assert_eq!(logto.last().header("idempotency-key"), None, "a Management API knows nothing of it");
    logto.clear_recorded();
    for key in ["\"k-1\"", "k-1"] {
        let again = proxy.ask(&creation("ada", key)).await;
        assert!(is_replayed(&again) && again.status == 200, "{again:?}");
        assert_eq!((&again.body, again.value("content-type")), (&first.body, first.value("content-type")));
        assert_ne!(again.value("x-request-id"), first.value("x-request-id"));
    }
    assert!(logto.api_requests_seen().is_empty());
    assert_eq!(count(&proxy, "ada").await, 1);
    assert!((proxy.metric("claviger_idempotency_keys_total{outcome=\"replayed\"}").await - 2.0).abs() < 0.1);
    proxy.logged("\"replayed\":true").await;
    let log = proxy.log();
    let creations: Vec<_> = log.lines().filter(|line| line.contains("\"CreateUser\"")).collect();
    let marked = |line: &&&str| line.contains("\"source\":\"cache\"") && line.contains("\"replayed\":true");
    assert_eq!((creations.len(), creations.iter().filter(marked).count()), (3, 2), "{creations:?}");
}

#[tokio::test]
async fn b60_a_key_is_for_one_request_of_one_caller() {
    let logto = Logto::start().await;
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .tenant("other", &logto)
        .set("callers.other.identify", "{ api_key = 'CANARY-held-key-of-the-other-caller' }")
        .set("callers.other.policies", "['all']")
        .set("callers.other.tenants", "['acme']")
        .set("callers.local.tenants", "['acme', 'other']")
        .start()
        .await;
    let at = |tenant: &str, body: &str| {
        Request::post(&format!("/t/{tenant}/api/users"), body).header("Idempotency-Key", "k")
    };
    let body = r#"{"name":"ada"}"#;
    assert_eq!(proxy.ask(&at("acme", body)).await.status, 200);
    proxy.ask(&at("acme", r#"{"name":"bob"}"#)).await.assert_problem(422, "idempotency_key_reused");
    let elsewhere = Request::post("/t/acme/api/users?x=1", body).header("Idempotency-Key", "k");
    proxy.ask(&elsewhere).await.assert_problem(422, "idempotency_key_reused");
    let other_kind = Request::new("POST", "/t/acme/api/users").body("application/json; charset=utf-8", body);
    let other_kind = other_kind.header("Idempotency-Key", "k");
    proxy.ask(&other_kind).await.assert_problem(422, "idempotency_key_reused");
    // At another tenant, and of another caller, it is another key.
    for request in [at("other", body), at("acme", body).key("CANARY-held-key-of-the-other-caller")] {
        let answer = proxy.ask(&request).await;
        assert!(answer.status == 200 && !is_replayed(&answer), "{}", answer.text());
    }
    // A refusal of Claviger's own leaves no trace, and a method that is idempotent has no key.
    let refused = Request::new("POST", "/t/acme/api/users").body("", body).header("Idempotency-Key", "l");
    proxy.ask(&refused).await.assert_problem(415, "content_type_missing");
    let good = Request::post("/t/acme/api/users", body).header("Idempotency-Key", "l");
    assert_eq!(proxy.ask(&good).await.status, 200);
    let read = Request::get("/t/acme/api/users").header("Idempotency-Key", "\"");
    assert_eq!(proxy.ask(&read).await.status, 200);
}

#[tokio::test]
async fn b60_what_is_no_key_is_refused_before_anything_is_sent() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    for key in ["", "\"", "a, b", &"k".repeat(256)] {
        proxy.ask(&creation("ada", key)).await.assert_problem(400, "bad_request");
    }
    let twice = creation("ada", "a").header("Idempotency-Key", "a");
    proxy.ask(&twice).await.assert_problem(400, "bad_request");
    let large = Request::post("/api/users", format!(r#"{{"name":"{}"}}"#, "x".repeat(70_000)));
    let answer = proxy.ask(&large.header("Idempotency-Key", "large")).await;
    answer.assert_problem(413, "body_too_large");
    let remedy = "or for its Idempotency-Key: send less, or have the operator raise `limits.replay`.\"";
    assert!(answer.text().contains(remedy), "{}", answer.text());
    assert!(logto.api_requests_seen().is_empty());
}

#[tokio::test]
async fn b60_a_repeat_that_comes_too_early_is_told_to_wait() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    logto.api_fault_times(1, Effect::latency(Duration::from_secs(1)));
    let request = creation("ada", "k");
    let mut client = proxy.connect().await;
    let (first, early) = tokio::join!(client.ask(&request), async {
        soon("the first to be there", || !logto.api_requests_seen().is_empty()).await;
        proxy.ask(&request).await
    });
    assert_eq!(first.status, 200);
    early.assert_problem(409, "idempotency_in_progress");
    assert_eq!(early.retry_after(), Some(1));
    assert!(is_replayed(&proxy.ask(&request).await));
    assert_eq!(count(&proxy, "ada").await, 1);
}

#[tokio::test]
async fn b60_an_answer_that_trickles_is_handed_on_at_the_deadline_and_not_kept() {
    let logto = Logto::start().await;
    let proxy = Proxy::builder().tenant("acme", &logto).set("timeouts.deadline", "'1s'").start().await;
    logto.api_fault_times(1, Effect::Drip { bytes: 1, every_ms: 200 });
    let request = creation("ada", "k");
    let mut client = proxy.connect().await;
    client.write(&[&request.head()[..], br#"{"name":"ada"}"#].concat()).await.expect("it is read");
    let head = client.read_head().await.expect("it is handed on");
    assert_eq!(head.status, 200, "{head:?}");
    let again = proxy.ask(&request).await;
    again.assert_problem(409, "idempotency_not_kept");
    assert!(again.text().contains("timeouts.deadline"), "{}", again.text());
}

#[tokio::test]
async fn b60_a_request_goes_on_when_its_caller_has_left_and_its_repeat_gets_the_answer() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    logto.api_fault_times(1, Effect::latency(Duration::from_millis(300)));
    let request = creation("ada", "k");
    let mut client = proxy.connect().await;
    let mut bytes = request.head();
    bytes.extend_from_slice(br#"{"name":"ada"}"#);
    client.write(&bytes).await.expect("it is read");
    soon("it to be sent", || !logto.api_requests_seen().is_empty()).await;
    drop(client);
    let answer = until_answered(&proxy, &request).await;
    assert!(answer.status == 200 && is_replayed(&answer), "{}", answer.text());
    assert_eq!(count(&proxy, "ada").await, 1);
}

/// Repeats a request while the first one is under way.
pub(crate) async fn until_answered(proxy: &Proxy, request: &Request) -> Answer {
    within("an answer", async {
        loop {
            let answer = proxy.ask(request).await;
            if answer.outcome().1 != "claviger.idempotency_in_progress" {
                return answer;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

#[tokio::test]
async fn b60_an_unknown_outcome_is_said_and_nothing_is_sent_again() {
    let logto = Logto::start().await;
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("timeouts.response", "'200ms'")
        .set("limits.idempotency_answer", "'4KiB'")
        .start()
        .await;
    for (key, effect, first, repeat) in [
        ("reset", Effect::Reset, 502, "idempotency_unknown"),
        ("timeout", Effect::BlackHole, 504, "idempotency_unknown"),
        ("page", Effect::body(200, "text/html", "<p>"), 502, "idempotency_unknown"),
        // It was carried out, and the status came.
        ("cut", Effect::Truncate { after: 3 }, 502, "idempotency_not_kept"),
        (
            "large",
            Effect::body(200, "application/json", format!("[{}]", " ".repeat(5000))),
            200,
            "idempotency_not_kept",
        ),
    ] {
        logto.clear_recorded();
        logto.api_fault_times(1, effect);
        let answer = proxy.ask(&creation(key, key)).await;
        assert_eq!(answer.status, first, "{key}: {}", answer.text());
        for _ in 0..2 {
            let answer = proxy.ask(&creation(key, key)).await;
            answer.assert_problem(409, repeat);
            assert_eq!(answer.retry_after(), None);
            let says = if repeat == "idempotency_unknown" {
                "may have been carried out"
            } else {
                "answered with 200"
            };
            assert!(answer.text().contains(says), "{key}: {}", answer.text());
        }
        assert_eq!(logto.api_requests_seen().len(), 1, "{key}");
    }
    // Whoever only asks, of a key that nobody had, makes nothing.
    logto.clear_recorded();
    let asked = creation("asked", "asked").header("Claviger-Replay", "only");
    proxy.ask(&asked).await.assert_problem(409, "idempotency_unknown");
    let large = creation("large", "large").header("Claviger-Replay", "only");
    assert_eq!(proxy.ask(&large).await.json()["first_status"], 200);
    assert!(logto.api_requests_seen().is_empty());
    assert_eq!(proxy.ask(&creation("asked", "asked")).await.status, 200);
    assert_eq!(proxy.ask(&asked).await.value("idempotency-replayed"), Some("true"));
    let nameless = Request::post("/api/roles", "{}").header("Claviger-Replay", "only");
    let nameless = proxy.ask(&nameless).await;
    assert!(nameless.text().contains("\"No Idempotency-Key\""), "{}", nameless.text());
    nameless.assert_problem(400, "bad_request");
    // Another key is another request.
    assert_eq!(proxy.ask(&creation("reset", "anew")).await.status, 200);
}

#[tokio::test]
async fn b60_what_certainly_did_not_go_out_leaves_no_trace() {
    let logto = Logto::start().await;
    let mut relay = Relay::to(&logto).await;
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("tenants.acme.endpoint", quoted(relay.base_url()))
        .set("tenants.acme.resource", quoted("https://default.logto.app/api"))
        .set("retry.unreachable", "'0s'")
        .start()
        .await;
    assert_eq!(proxy.get("/api/users").await.status, 200);
    relay.close().await;
    proxy.ask(&creation("ada", "k")).await.assert_problem(502, "upstream_unreachable");
    relay.open().await;
    let answer = proxy.ask(&creation("ada", "k")).await;
    assert!(answer.status == 200 && !is_replayed(&answer), "{}", answer.text());
    // The tenant says that it did not take it.
    logto.api_fault_times(1, Effect::status(429));
    assert_eq!(proxy.ask(&creation("bob", "l")).await.status, 429);
    let answer = proxy.ask(&creation("bob", "l")).await;
    assert!(answer.status == 200 && !is_replayed(&answer), "{}", answer.text());
    assert_eq!(count(&proxy, "ada").await, 1);
}

#[tokio::test]
async fn b60_what_a_grant_reveals_is_kept_nowhere_and_what_it_masks_stays_masked() {
    let logto = Logto::start().await;
    let mut proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set(
            "policies.all.allow",
            "['*', 'CreateApplicationSecret', 'CreateApplication', 'ListApplications']",
        )
        .set("callers.open.identify", "{ api_key = 'CANARY-held-key-of-the-open-caller' }")
        .set("callers.open.policies", "['all']")
        .set("callers.open.reveal", "['CreateApplicationSecret']")
        .start()
        .await;
    let id =
        proxy.get("/api/applications").await.json()[0]["id"].as_str().expect("an application").to_owned();
    let secret = |name: &str, key: &str| {
        Request::post(&format!("/api/applications/{id}/secrets"), format!(r#"{{"name":"{name}"}}"#))
            .header("Idempotency-Key", key)
    };
    let masked = secret("masked", "k");
    let first = proxy.ask(&masked).await;
    assert_eq!((first.status, first.json()["value"].as_str()), (201, Some("[redacted by claviger]")));
    let again = proxy.ask(&masked).await;
    assert!(is_replayed(&again) && again.body == first.body, "{}", again.text());
    let open = secret("open", "k").key("CANARY-held-key-of-the-open-caller");
    let first = proxy.ask(&open).await;
    assert_eq!(first.status, 201);
    assert_ne!(first.json()["value"], "[redacted by claviger]");
    let again = proxy.ask(&open).await;
    again.assert_problem(409, "idempotency_not_kept");
    assert!(again.text().contains("answered with 201"), "{}", again.text());
    // The grant of now decides, as for any other request.
    assert!(proxy.reload_with(|settings| settings.set("policies.all.allow", "['ListApplications']")).await);
    proxy.ask(&masked).await.assert_problem(403, "not_permitted");
    let named = "[{ operation = 'CreateApplicationSecret', body = ['expiresAt'] }]";
    assert!(proxy.reload_with(|settings| settings.set("policies.all.allow", named)).await);
    proxy.ask(&masked).await.assert_problem(403, "not_permitted");
    let named = named.replace("expiresAt", "name");
    assert!(proxy.reload_with(|settings| settings.set("policies.all.allow", named)).await);
    assert!(is_replayed(&proxy.ask(&masked).await), "a key outlives a reload");
}
