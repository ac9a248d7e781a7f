//! No caller stops another, and no operation the others: while somebody stands still, somebody else is served.

use std::time::Duration;

use claviger_emulator::Effect;
use tokio::time::Instant;

use crate::support::{Client, Logto, Proxy, Request, soon, wait::pass};

const AT_ONCE: Duration = Duration::from_millis(250);
const GREEDY: &str = "CANARY-held-key-of-greedy";

async fn with_a_greedy_caller(logto: &Logto) -> Proxy {
    let proxy = Proxy::builder()
        .tenant("acme", logto)
        .set("callers.greedy.identify", format!("{{ api_key = '{GREEDY}' }}"))
        .set("callers.greedy.policies", "['all']")
        .start()
        .await;
    assert_eq!(proxy.get("/api/roles").await.status, 200);
    proxy
}

/// Asks twenty times, each with the time that it takes.
async fn assert_served_at_once(proxy: &Proxy, make: impl Fn(usize) -> Request) {
    let mut client = proxy.connect().await;
    for n in 0..20 {
        let begun = Instant::now();
        let answer = client.ask(&make(n)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(begun.elapsed() < AT_ONCE, "number {n} took {:?}", begun.elapsed());
    }
}

/// Sends this on as many connections, and keeps them.
async fn send_and_stand_still(proxy: &Proxy, times: usize, bytes: &[u8]) -> Vec<Client> {
    let mut clients = Vec::new();
    for _ in 0..times {
        let mut client = proxy.connect().await;
        client.write(bytes).await.expect("it is read");
        clients.push(client);
    }
    clients
}

#[tokio::test]
async fn b30_a_caller_that_does_not_take_its_answers_delays_nobody() {
    let logto = Logto::start().await;
    let proxy = with_a_greedy_caller(&logto).await;
    let before = logto.api_requests();
    logto.api_fault_times(10, Effect::body(200, "application/json", vec![b'1'; 24 << 20]));
    let request = Request::get("/api/roles").key(GREEDY).head();
    let mut unread = send_and_stand_still(&proxy, 10, &request).await;
    soon("all to arrive", || logto.api_requests() - before == 10).await;
    for client in &mut unread {
        client.read_head().await.expect("the answer has begun");
    }
    assert_served_at_once(&proxy, |_| Request::get("/api/roles")).await;
    // What it asks for beyond that waits for itself.
    let mut more = proxy.connect().await;
    more.write(&request).await.expect("it is read");
    pass(Duration::from_millis(100)).await;
    assert_eq!(logto.api_requests() - before, 10 + 20);
    drop(unread);
    assert_eq!(more.read_answer("GET").await.expect("there is room").status, 200);
}

#[tokio::test]
async fn b30_a_caller_that_uploads_slowly_delays_nobody() {
    let logto = Logto::start().await;
    let proxy = with_a_greedy_caller(&logto).await;
    let head = |length: usize| {
        Request::new("POST", "/api/roles")
            .key(GREEDY)
            .header("Content-Type", "application/json")
            .header("Content-Length", &length.to_string())
            .head()
    };
    let begun = |length| [head(length), b"{".to_vec()].concat();
    let mut large = send_and_stand_still(&proxy, 10, &begun(500_000)).await;
    let _small = send_and_stand_still(&proxy, 10, &begun(1000)).await;
    let role = |n| Request::post("/api/roles", format!(r#"{{"name":"fair-{n}","description":"d"}}"#));
    assert_served_at_once(&proxy, role).await;
    // What comes whole after all is carried out.
    let rest = format!(r#""name":"slow","description":"{}"}}"#, "x".repeat(500_000 - 32));
    let mut slow = large.remove(0);
    slow.write(rest.as_bytes()).await.expect("it is read");
    assert_eq!(slow.read_answer("POST").await.expect("an answer").status, 200);
}

#[tokio::test]
async fn b30_an_operation_that_stands_still_delays_no_other() {
    let logto = Logto::start().await;
    let proxy = with_a_greedy_caller(&logto).await;
    pass(AT_ONCE).await;
    let before = logto.api_requests();
    logto.api_fault_times(5, Effect::BlackHole);
    let _locked = send_and_stand_still(&proxy, 30, &Request::get("/api/users").head()).await;
    soon("half of the places to be taken", || logto.api_requests() - before == 5).await;
    assert_served_at_once(&proxy, |_| Request::get("/api/roles")).await;
    assert_eq!(logto.api_requests() - before, 5 + 20, "the rest of the users wait in line");
}

/// As when a table is locked under load: all that came back lately says nothing of what comes next.
#[tokio::test]
async fn b30_an_operation_that_was_fast_a_moment_ago_delays_no_other_when_it_stands_still() {
    let logto = Logto::start().await;
    let proxy = with_a_greedy_caller(&logto).await;
    let mut lively = proxy.connect().await;
    for _ in 0..20 {
        assert_eq!(lively.ask(&Request::get("/api/users").key(GREEDY)).await.status, 200);
    }
    let before = logto.api_requests();
    logto.api_fault_times(30, Effect::BlackHole);
    let _locked = send_and_stand_still(&proxy, 30, &Request::get("/api/users").key(GREEDY).head()).await;
    soon("the operation's places to be taken", || logto.api_requests() - before >= 5).await;
    pass(Duration::from_millis(100)).await;
    let held = logto.api_requests() - before;
    logto.faults().clear();
    assert_served_at_once(&proxy, |_| Request::get("/api/roles")).await;
    assert_served_at_once(&proxy, |_| Request::get("/api/roles").key(GREEDY)).await;
    assert_eq!(held, 5, "half of the places");
}

/// Logto reads and counts a page at the same time, so what one caller may hold must leave some of its 20 connections to others.
#[tokio::test]
async fn b30_lists_of_several_operations_that_stand_still_leave_logto_connections_for_others() {
    let logto = Logto::start().await;
    let proxy = with_a_greedy_caller(&logto).await;
    let before = logto.api_requests();
    logto.api_fault_times(60, Effect::BlackHole);
    let mut locked = Vec::new();
    for path in ["/api/users", "/api/organizations", "/api/resources"] {
        locked.extend(send_and_stand_still(&proxy, 20, &Request::get(path).key(GREEDY).head()).await);
    }
    soon("its places to be taken", || logto.api_requests() - before >= 8).await;
    pass(Duration::from_millis(100)).await;
    let held = logto.api_requests() - before;
    assert!(2 * held <= 16, "{held} lists are {} queries", 2 * held);
    logto.faults().clear();
    assert_served_at_once(&proxy, |_| Request::get("/api/roles")).await;
}
