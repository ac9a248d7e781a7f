//! Requests that are sent again, and those that must not be.

use std::time::Duration;

use claviger_emulator::{Effect, Fault, Target};

use super::causes;
use crate::support::{Logto, Proxy, Request, wire::Answer};

/// Sends one request while `effect` hits the next `times`; the answer, and how often the request arrived.
async fn tried(request: &Request, times: usize, effect: Effect) -> (Answer, usize) {
    let logto = Logto::start().await;
    let proxy = Proxy::builder().tenant("acme", &logto).set("retry.backoff", "'1ms'").start().await;
    assert_eq!(proxy.get("/api/roles").await.status, 200);
    logto.clear_recorded();
    logto.api_fault_times(times, effect);
    let answer = proxy.ask(request).await;
    (answer, logto.api_requests_seen().len())
}

#[tokio::test]
async fn b07_a_small_body_goes_out_again_byte_for_byte() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    logto.api_fault_times(
        1,
        Effect::body(401, "application/json", r#"{"code":"auth.unauthorized","data":{"claims":"x"}}"#),
    );
    let body = "{\"name\" : \"a role\",\n\t\"description\":\"\\u00e9 \u{e9}\"}";
    let answer = proxy.ask(&Request::post("/api/roles", body)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = logto.api_requests_seen();
    assert_eq!(seen.iter().map(|request| request.status).collect::<Vec<_>>(), [Some(401), Some(200)]);
    for request in &seen {
        assert_eq!(request.body, body.as_bytes());
        assert_eq!(request.header("content-type").as_deref(), Some("application/json"));
    }
    assert_ne!(seen[0].header("authorization"), seen[1].header("authorization"));
    assert_eq!(seen[0].header("x-request-id"), seen[1].header("x-request-id"));
}

#[tokio::test]
async fn b07_a_streamed_body_does_not_and_the_caller_is_told() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    let large = format!(r#"{{"name":"{}"}}"#, "x".repeat(100 * 1024));
    let chunked = Request::post("/api/roles", r#"{"name":"a","description":"b"}"#)
        .header("Transfer-Encoding", "chunked");
    for request in [Request::post("/api/roles", large), chunked] {
        logto.clear_recorded();
        logto.api_fault_times(1, Effect::body(401, "application/json", "{}"));
        let answer = proxy.ask(&request).await;
        answer.assert_problem(502, "token_rejected");
        assert!(answer.text().contains("streamed, so it was not sent again"), "{}", answer.text());
        assert_eq!(logto.api_requests_seen().len(), 1);
    }
}

#[tokio::test]
async fn b26_the_body_of_a_401_stays_here() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    let echo = r#"{"code":"auth.unauthorized","data":{"claim":"aud","payload":{"jti":"THE-CLAIMS","client_id":"ID"}}}"#;
    let echo = echo.replace("ID", logto.client());
    logto.api_fault(Effect::body(401, "application/json", echo));
    for _ in 0..3 {
        let answer = proxy.get("/api/roles").await;
        answer.assert_problem(502, "token_rejected");
        assert!(!answer.text().contains("THE-CLAIMS") && !proxy.log().contains("THE-CLAIMS"));
        assert!(answer.text().contains("auth.unauthorized"), "the code is no secret: {}", answer.text());
        assert_eq!(answer.value("www-authenticate"), None);
    }
    let problems = proxy.status().await["problems"].to_string();
    assert!(problems.contains("a proxy between Claviger and Logto replaces the Authorization"), "{problems}");
}

/// What Logto says of an Authorization that is not the one of Claviger: of another scheme, of no JWT, of another application's.
#[tokio::test]
async fn what_takes_out_or_replaces_the_token_on_its_way_is_told_from_a_token_that_is_refused() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    let (stripped, replaced) = ("takes it out, and has to pass it on", "replaces it, and has to pass it on");
    let of_another = r#"{"code":"ERR_JWT_EXPIRED","payload":{"client_id":"THE-OTHER","sub":"THE-OTHER"}}"#;
    for (body, says) in [
        (r#"{"code":"auth.authorization_header_missing"}"#, stripped),
        (r#"{"code":"auth.authorization_token_type_not_supported"}"#, replaced),
        (r#"{"code":"auth.unauthorized","data":{"code":"ERR_JWS_INVALID"}}"#, replaced),
        (of_another, replaced),
    ] {
        logto.faults().clear();
        logto.api_fault(Effect::body(401, "application/json", body));
        let answer = proxy.get("/api/roles").await;
        answer.assert_problem(502, "token_rejected");
        let text = answer.text();
        assert!(text.contains(says) && !text.contains("clocks") && !text.contains("THE-OTHER"), "{text}");
        let line = causes::line(&proxy, answer.value("x-request-id").expect("it has one")).await;
        assert!(line["cause"].as_str().is_some_and(|it| it.contains(says)), "{line}");
        assert!(line["remedy"].is_null(), "{line}");
        let problems = proxy.status().await["problems"].to_string();
        assert!(problems.contains(says) && !problems.contains("the clocks of both sides"), "{problems}");
    }
}

#[tokio::test]
async fn b25_the_token_before_the_last_is_not_repeated_either() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    assert_eq!(proxy.get("/api/roles").await.status, 200);
    let former = logto.tokens_seen().last().expect("it arrived").clone();
    logto.api_fault_times(1, Effect::status(401));
    assert_eq!(proxy.get("/api/roles").await.status, 200);
    assert_ne!(logto.tokens_seen().last(), Some(&former), "there is another by now");
    logto.api_fault(Effect::body(200, "application/json", format!("[\"{former}\"]")));
    proxy.get("/api/roles").await.assert_problem(502, "upstream_invalid");
}

#[tokio::test]
async fn b19_what_passes_is_tried_again_where_that_is_safe() {
    for effect in
        [Effect::Reset, Effect::Close, Effect::status(502), Effect::status(503), Effect::status(504)]
    {
        let (answer, arrived) = tried(&Request::get("/api/roles"), 2, effect.clone()).await;
        assert_eq!((answer.status, arrived), (200, 3), "GET {effect:?}");
    }
    let role = r#"{"name":"n","description":"d"}"#;
    for effect in [Effect::Reset, Effect::status(502), Effect::status(503), Effect::status(500)] {
        let (answer, arrived) = tried(&Request::post("/api/roles", role), 1, effect.clone()).await;
        assert_eq!(arrived, 1, "POST {effect:?}");
        match effect {
            Effect::Reset => {
                answer.assert_problem(502, "upstream_unreachable");
                assert!(answer.text().contains("may have been carried out"));
            }
            _ => assert_eq!(answer.outcome().1, "", "the upstream's own answer: {}", answer.text()),
        }
    }
}

#[tokio::test]
async fn b19_a_deterministic_500_is_tried_once_more_and_then_handed_on() {
    let (answer, arrived) = tried(&Request::get("/api/roles"), 10, Effect::status(500)).await;
    assert_eq!((answer.status, arrived), (500, 2));
    assert_eq!(answer.json()["message"], "Internal server error.");
    let (answer, arrived) = tried(&Request::get("/api/roles"), 10, Effect::Reset).await;
    assert_eq!(arrived, 3, "retry.attempts");
    answer.assert_problem(502, "upstream_unreachable");
}

#[tokio::test]
async fn b19_retry_after_is_obeyed_and_capped() {
    let wait = |seconds: &str| Effect::Answer {
        status: 503,
        headers: vec![("Retry-After".into(), seconds.into())],
        body: b"busy".to_vec(),
    };
    let begun = tokio::time::Instant::now();
    let (answer, arrived) = tried(&Request::get("/api/roles"), 1, wait("1")).await;
    assert_eq!((answer.status, arrived), (200, 2));
    assert!(begun.elapsed() >= Duration::from_secs(1));
    let (answer, arrived) = tried(&Request::get("/api/roles"), 1, wait("30")).await;
    assert_eq!((answer.status, arrived), (503, 1), "longer than max_backoff: the caller is told instead");
    assert_eq!((answer.retry_after(), answer.text().as_str()), (Some(30), "busy"));
}

#[tokio::test]
async fn b19_the_budget_ends_a_storm() {
    let logto = Logto::start().await;
    let proxy = Proxy::builder().tenant("acme", &logto).set("retry.backoff", "'1ms'").start().await;
    assert_eq!(proxy.get("/api/roles").await.status, 200);
    logto.api_fault(Effect::status(503));
    let before = logto.api_requests();
    for _ in 0..200 {
        assert_eq!(proxy.get("/api/roles").await.status, 503);
    }
    let arrived = logto.api_requests() - before;
    assert!((201..=200 + 20 + 45).contains(&arrived), "{arrived} requests for 200");
}

#[tokio::test]
async fn b19_a_connection_that_logto_closed_costs_nobody_an_error() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    logto.faults().add(Fault::new(Target::Api, Effect::CloseAfterAnswer));
    for n in 0..20 {
        let role = format!(r#"{{"name":"role-{n}x","description":"d"}}"#);
        let answer = proxy.ask(&Request::post("/api/roles", role)).await;
        assert_eq!(answer.status, 200, "POST {n}: {}", answer.text());
    }
    assert_eq!(logto.api_requests(), 20);
}

#[tokio::test]
async fn b27_an_upstream_429_with_retry_after_pauses_the_operation_and_nothing_beside_it() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    assert_eq!(proxy.get("/api/roles").await.status, 200);
    logto.api_fault_times(1, Effect::too_many(20));
    assert_eq!(proxy.get("/api/roles").await.outcome(), (429, String::new()), "the upstream's own answer");
    let before = logto.api_requests();
    let answer = proxy.get("/api/roles?page=2").await;
    answer.assert_problem(429, "quota_exhausted");
    assert!(answer.retry_after().is_some_and(|seconds| (15..=20).contains(&seconds)), "{answer:?}");
    assert_eq!(logto.api_requests(), before, "all requests of the operation wait");
    for other in ["/api/users", "/api/organizations", "/api/roles/nobody"] {
        assert!(matches!(proxy.get(other).await.status, 200 | 404), "{other} was not throttled");
    }
    let role = Request::post("/api/roles", r#"{"name":"n","description":"d"}"#);
    assert_eq!(proxy.ask(&role).await.status, 200, "another method is another operation");
}

#[tokio::test]
async fn b27_several_operations_with_429_pause_the_tenant() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    assert_eq!(proxy.get("/api/roles").await.status, 200);
    logto.api_fault_times(3, Effect::too_many(20));
    for throttled in ["/api/roles", "/api/users", "/api/resources"] {
        assert_eq!(proxy.get(throttled).await.outcome(), (429, String::new()), "{throttled}");
    }
    let before = logto.api_requests();
    let answer = proxy.get("/api/organizations").await;
    answer.assert_problem(429, "quota_exhausted");
    assert!(answer.retry_after().is_some_and(|seconds| (15..=20).contains(&seconds)), "{answer:?}");
    assert_eq!(logto.api_requests(), before, "everybody waits");
}
