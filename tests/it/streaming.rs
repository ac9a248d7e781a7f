//! Large and long bodies, in both directions: nothing is gathered, and nobody waits for the end of anything.

use std::time::Duration;

use claviger_emulator::Effect;

use crate::support::{Logto, Proxy, Reaction, Request, Scripted, quoted, soon};

const MIB: usize = 1024 * 1024;
/// What 20 MiB on their way may cost, in KiB.
const BOUND: u64 = 6 * 1024;

fn multipart(target: &str, length: usize) -> Request {
    Request::new("POST", target)
        .header("Content-Type", "multipart/form-data; boundary=x")
        .header("Content-Length", &length.to_string())
}

#[tokio::test]
async fn b22_twenty_megabytes_go_up_without_being_held() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    assert_eq!(proxy.get("/api/roles").await.status, 200);
    let before = proxy.memory().0;
    let mut client = proxy.connect().await;
    client.write(&multipart("/api/user-assets", 20 * MIB).head()).await.expect("it is read");
    let piece = vec![b'x'; 64 * 1024];
    for _ in 0..20 * MIB / piece.len() {
        client.write(&piece).await.expect("it is read");
    }
    let answer = client.read_answer("POST").await.expect("there is an answer");
    assert_eq!(answer.outcome().1, "", "{}", answer.text());
    assert_eq!(logto.last().body_len, 20 * MIB);
    let highest = proxy.memory().1;
    assert!(highest < before + BOUND, "{before} KiB before, {highest} KiB at the most");
}

#[tokio::test]
async fn b22_a_slow_upstream_slows_the_caller_and_fills_no_memory() {
    let logto = Logto::start().await;
    // The issuer works, the API takes nothing.
    let upstream = Scripted::start(&logto, Reaction::None).await;
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("tenants.acme.endpoint", quoted(upstream.base_url()))
        .start()
        .await;
    soon("a token", || logto.grants() == 1).await;
    let before = proxy.memory().0;
    let mut client = proxy.connect().await;
    client.write(&multipart("/api/user-assets", 20 * MIB).head()).await.expect("it is read");
    let piece = vec![b'x'; 64 * 1024];
    let mut taken = 0;
    while let Ok(Ok(())) = tokio::time::timeout(Duration::from_millis(300), client.write(&piece)).await {
        taken += piece.len();
    }
    assert!(taken < 19 * MIB, "{taken} bytes were taken by nobody");
    let highest = proxy.memory().1;
    assert!(highest < before + BOUND, "{before} KiB before, {highest} KiB at the most");
}

#[tokio::test]
async fn b22_a_slow_caller_slows_the_upstream_and_fills_no_memory() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    assert_eq!(proxy.get("/api/roles").await.status, 200);
    let before = proxy.memory().0;
    logto.api_fault(Effect::body(200, "application/json", vec![b'1'; 24 * MIB]));
    let read = four_slow_callers_fill_no_memory(&proxy, &Request::get("/api/roles"), before, 24 * MIB).await;
    assert_eq!(read, 24 * MIB);
}

/// Four callers that send `request` and read no further than the head: memory stays within [`BOUND`] of `before` (KiB),
/// and one that reads after all gets `length` bytes at least. How many it got, with what frames them.
pub(crate) async fn four_slow_callers_fill_no_memory(
    proxy: &Proxy,
    request: &Request,
    before: u64,
    length: usize,
) -> usize {
    let mut clients = Vec::new();
    for _ in 0..4 {
        let mut client = proxy.connect().await;
        client.write(&request.head()).await.expect("it is read");
        client.read_head().await.expect("the head comes");
        clients.push(client);
    }
    assert_eq!(proxy.status().await["tenants"]["acme"]["in_flight"], 4);
    let highest = proxy.memory().1;
    assert!(highest < before + BOUND, "{before} KiB before, {highest} KiB at the most");
    let mut client = clients.remove(0);
    let mut read = client.take_unread().len();
    while read < length {
        assert!(client.read_more().await.expect("it goes on") > 0, "it ended after {read} bytes");
        read += client.take_unread().len();
    }
    read
}

#[tokio::test]
async fn b22_the_beginning_arrives_before_the_end_is_there() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    assert_eq!(proxy.get("/api/roles").await.status, 200);
    logto.api_fault_times(1, Effect::Drip { bytes: 1, every_ms: 50 });
    let mut client = proxy.connect().await;
    client.write(&Request::get("/api/roles?page=1&page_size=1").head()).await.expect("it is read");
    let head = client.read_head().await.expect("the head comes at once");
    let length: usize =
        head.value("content-length").and_then(|value| value.parse().ok()).expect("it is known");
    while client.read_more().await.expect("it goes on") == 0 {}
    let begun = client.take_unread().len();
    assert!(begun < length, "the first of {length} bytes came with the last");
}

#[tokio::test]
async fn no_body_is_refused_before_it_makes_an_empty_user() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    let users = async || {
        let page = proxy.ask(&Request::get("/api/users?page_size=1")).await;
        page.value("total-number").expect("how many there are").to_owned()
    };
    let before = users().await;
    let bare = Request::new("POST", "/api/users");
    let form = "application/x-www-form-urlencoded";
    let of = |content_type| bare.clone().header("Content-Type", content_type);
    for empty in [
        bare.clone(),
        of("application/json"),
        of("application/json").header("Transfer-Encoding", "chunked"),
        of(form),
        of(form).header("Transfer-Encoding", "chunked"),
        of("text/plain"),
        of("multipart/form-data"),
    ] {
        let answer = proxy.ask(&empty).await;
        assert_eq!(answer.outcome(), (400, "claviger.bad_request".into()), "{}", answer.text());
        assert!(answer.text().contains("Send JSON, or {}"), "{}", answer.text());
    }
    // A line end is no form, either.
    let line = proxy.ask(&Request::form("/api/users", "\n")).await;
    assert_eq!(line.outcome(), (400, "claviger.bad_request".into()), "{}", line.text());
    // What comes in pieces is waited for: there is nothing to be sent.
    let client = async |body: &[u8]| {
        let mut client = proxy.connect().await;
        let chunked = of("application/json").header("Transfer-Encoding", "chunked").head();
        client.write(&[&chunked[..], body].concat()).await.expect("it is read");
        client
    };
    let sent = logto.api_requests();
    let mut late = client(b"").await;
    late.write(b"0\r\n\r\n").await.expect("it is read");
    let answer = late.read_answer("POST").await.expect("an answer");
    assert_eq!(answer.outcome(), (400, "claviger.bad_request".into()), "{}", answer.text());
    assert_eq!(logto.api_requests(), sent);
    // Nor is what comes behind a body.
    for body in ["0\r\nX-Sum: 1\r\n\r\n", "1\r\n \r\n0\r\nX-Sum: 1\r\n\r\n"] {
        let answer = client(body.as_bytes()).await.read_answer("POST").await.expect("an answer");
        assert_eq!(answer.outcome(), (400, "claviger.bad_request".into()), "{}", answer.text());
    }
    // The head of what begins with a blank was sent, and its end was not.
    assert_eq!(users().await, before, "none of them was carried out");
    let chunked = Request::post("/api/users", "{}").header("Transfer-Encoding", "chunked");
    assert_eq!(proxy.ask(&chunked).await.status, 200);
}

/// An empty object is what is meant, as of `curl -X POST …/rotate`.
#[tokio::test]
async fn a_rotation_of_keys_needs_no_body() {
    let logto = Logto::start().await;
    let builder = Proxy::builder().tenant("acme", &logto).set("policies.all.allow", "['RotateOidcKeys']");
    let proxy = builder.start().await;
    let rotate = Request::new("POST", "/api/configs/oidc/private-keys/rotate");
    let answer = proxy.ask(&rotate).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// Of the quota, the attempts and the places among the tenant's requests nothing is used for a body that turns out to be none.
#[tokio::test]
async fn an_empty_body_in_pieces_costs_the_tenant_nothing() {
    let logto = Logto::start().await;
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("tenants.acme.quota", "{ requests = 2, per = '60s', tokens = false }")
        .set("callers.local.priority", "'interactive'")
        .set("timeouts.quota", "'0s'")
        .start()
        .await;
    let empty = Request::new("POST", "/api/users")
        .header("Content-Type", "application/json")
        .header("Transfer-Encoding", "chunked");
    for _ in 0..4 {
        proxy.ask(&empty).await.assert_problem(400, "bad_request");
    }
    assert_eq!(logto.api_requests(), 0);
    let user = |name: &str| Request::post("/api/users", format!("{{\"username\":\"{name}\"}}"));
    for request in [user("one"), user("two").header("Transfer-Encoding", "chunked")] {
        assert_eq!(proxy.ask(&request).await.status, 200);
    }
    proxy.ask(&user("three")).await.assert_problem(429, "quota_exhausted");
}
