//! Every wait has an end, each with a limit of its own. These tests take the time that the limits take.

use std::time::Duration;

use claviger_emulator::Effect;
use tokio::time::Instant;

use crate::support::{Logto, Proxy, Reaction, Request, Scripted, quoted, wait::pass};

/// A limit of a second is looked at once a second.
const LATEST: Duration = Duration::from_millis(3500);

async fn with(logto: &Logto, key: &str, limit: &str) -> Proxy {
    let proxy = Proxy::builder().tenant("acme", logto).set(key, format!("'{limit}'")).start().await;
    assert_eq!(proxy.get("/api/roles").await.status, 200);
    proxy
}

#[tokio::test]
async fn b22_a_head_that_does_not_come() {
    let logto = Logto::start().await;
    let proxy = with(&logto, "timeouts.head", "1s").await;
    let begun = Instant::now();
    let (mut silent, mut partial, mut trickling) =
        (proxy.connect().await, proxy.connect().await, proxy.connect().await);
    partial.write(b"GET /api/roles HTTP/1.1\r\nHost: loc").await.expect("it is read");
    let trickle = async {
        while trickling.write(b"x").await.is_ok() && begun.elapsed() < 2 * LATEST {
            pass(Duration::from_millis(200)).await;
        }
    };
    tokio::join!(silent.read_to_end(), partial.read_to_end(), trickle);
    assert!((Duration::from_millis(900)..LATEST).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    proxy.logged("was not there within `timeouts.head`").await;
    let counted = proxy.metric("claviger_unreadable_requests_total{reason=\"head_too_slow\"}").await;
    assert!((counted - 2.0).abs() < 0.1, "{counted}: who said nothing was no request");
}

#[tokio::test]
async fn b22_a_connection_that_nobody_uses() {
    let logto = Logto::start().await;
    let proxy = with(&logto, "timeouts.idle", "1s").await;
    let mut client = proxy.connect().await;
    assert_eq!(client.ask(&Request::get("/api/roles")).await.status, 200);
    let begun = Instant::now();
    assert_eq!(client.read_to_end().await, b"");
    assert!((Duration::from_millis(900)..LATEST).contains(&begun.elapsed()), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn b22_a_request_body_that_stands_still() {
    let logto = Logto::start().await;
    let proxy = with(&logto, "timeouts.body", "1s").await;
    let head = |length: usize| {
        Request::new("POST", "/api/roles")
            .header("Content-Type", "application/json")
            .header("Content-Length", &length.to_string())
            .head()
    };
    let (mut small, mut large) = (proxy.connect().await, proxy.connect().await);
    small.write(&[head(100), b"{".to_vec()].concat()).await.expect("it is read");
    large.write(&[head(500_000), b"{".to_vec()].concat()).await.expect("it is read");
    for client in [&mut small, &mut large] {
        let answer = client.read_answer("POST").await.expect("the caller is told");
        answer.assert_problem(408, "bad_request");
        assert!(answer.text().contains("timeouts.body"), "{}", answer.text());
    }
}

#[tokio::test]
async fn b22_an_answer_that_does_not_begin_is_a_504() {
    let logto = Logto::start().await;
    let proxy = with(&logto, "timeouts.body", "1s").await;
    logto.api_fault_times(1, Effect::Drip { bytes: 1, every_ms: 60_000 });
    let mut client = proxy.connect().await;
    let begun = Instant::now();
    let answer = client.ask(&Request::get("/api/roles?page=1&page_size=1")).await;
    answer.assert_problem(504, "upstream_timeout");
    assert!((Duration::from_millis(900)..LATEST).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    assert_eq!(proxy.status().await["tenants"]["acme"]["in_flight"], 0);
}

#[tokio::test]
async fn b22_an_answer_that_stands_still_in_the_middle_is_cut_off() {
    let logto = Logto::start().await;
    let part = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n[1,";
    let upstream = Scripted::start(&logto, Reaction::Part(part.into())).await;
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("tenants.acme.endpoint", quoted(upstream.base_url()))
        .set("timeouts.body", "'1s'")
        .start()
        .await;
    let begun = Instant::now();
    let error = proxy.connect().await.try_ask(&Request::get("/api/roles")).await;
    assert!(error.is_err(), "a part is not the whole: {error:?}");
    assert!((Duration::from_millis(900)..LATEST).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    assert_eq!(proxy.status().await["tenants"]["acme"]["in_flight"], 0);
}

#[tokio::test]
async fn b22_a_caller_that_does_not_read_is_let_go() {
    let logto = Logto::start().await;
    let proxy = with(&logto, "timeouts.body", "1s").await;
    logto.api_fault(Effect::body(200, "application/json", vec![b'1'; 24 << 20]));
    let mut client = proxy.connect().await;
    client.write(&Request::get("/api/roles").head()).await.expect("it is read");
    client.read_head().await.expect("the head comes");
    let begun = Instant::now();
    while proxy.status().await["tenants"]["acme"]["in_flight"] != 0 {
        assert!(begun.elapsed() < 2 * LATEST, "its place is still taken");
    }
    assert!(begun.elapsed() >= Duration::from_millis(900), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn b22_an_upstream_that_does_not_answer() {
    let logto = Logto::start().await;
    let slow = Proxy::builder()
        .tenant("acme", &logto)
        .set("timeouts.response", "'400ms'")
        .set("retry.attempts", 1)
        .start()
        .await;
    let late = Proxy::builder().tenant("acme", &logto).set("timeouts.deadline", "'600ms'").start().await;
    for proxy in [&slow, &late] {
        assert_eq!(proxy.get("/api/roles").await.status, 200);
    }
    logto.api_fault(Effect::BlackHole);
    let begun = Instant::now();
    slow.get("/api/roles").await.assert_problem(504, "upstream_timeout");
    assert!(begun.elapsed() >= Duration::from_millis(400));
    late.get("/api/roles").await.assert_problem(504, "deadline");
    assert!(begun.elapsed() < LATEST);
    // A write is not sent again: it may have been carried out.
    let before = logto.api_requests();
    slow.ask(&Request::post("/api/roles", "{}")).await.assert_problem(504, "upstream_timeout");
    assert_eq!(logto.api_requests() - before, 1);
}

#[tokio::test]
async fn b22_an_issuer_that_does_not_answer() {
    let logto = Logto::start().await;
    logto.token_fault(Effect::BlackHole);
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("timeouts.token", "'30s'")
        .set("timeouts.deadline", "'700ms'")
        .start()
        .await;
    let begun = Instant::now();
    let answer = proxy.get("/api/roles").await;
    assert!(matches!(answer.status, 503 | 504), "{}", answer.text());
    assert!((Duration::from_millis(600)..LATEST).contains(&begun.elapsed()), "{:?}", begun.elapsed());
}
