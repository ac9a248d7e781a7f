//! What one caller holds, and what became of one operation, stays its own when a reload puts another before it in the order of names.

use std::time::Duration;

use claviger_emulator::{Effect, Fault, Target};

use crate::support::{Logto, Proxy, Request, Settings, proxy::Builder, quoted, soon, wait::pass, within};

const GREEDY: &str = "CANARY-held-key-of-greedy";
const NEWCOMER: &str = "CANARY-held-key-of-a-newcomer";

fn of(key: &'static str) -> impl Fn(&str) -> Request {
    move |target| Request::get(target).key(key)
}

fn with_a_caller(settings: Settings, name: &str, key: &str) -> Settings {
    settings
        .set(&format!("callers.{name}.identify"), format!("{{ api_key = '{key}' }}"))
        .set(&format!("callers.{name}.policies"), "['all']")
}

fn with_a_greedy_caller(logto: &Logto) -> Builder {
    Proxy::builder()
        .tenant("acme", logto)
        .set("callers.greedy.identify", format!("{{ api_key = '{GREEDY}' }}"))
        .set("callers.greedy.policies", "['all']")
}

#[tokio::test]
async fn b23_a_caller_that_is_added_before_others_is_charged_with_nothing_of_theirs() {
    let logto = Logto::start().await;
    let mut proxy = with_a_greedy_caller(&logto).start().await;
    assert_eq!(proxy.get("/api/roles").await.status, 200);
    let before = logto.api_requests();
    logto.api_fault_times(10, Effect::body(200, "application/json", vec![b'1'; 24 << 20]));
    let mut unread = Vec::new();
    for _ in 0..10 {
        let mut client = proxy.connect().await;
        client.write(&of(GREEDY)("/api/roles").head()).await.expect("it is read");
        client.read_head().await.expect("the answer has begun");
        unread.push(client);
    }
    assert_eq!(logto.api_requests() - before, 10);
    assert!(proxy.reload_with(|settings| with_a_caller(settings, "aaa", NEWCOMER)).await);
    let mut newcomer = proxy.connect().await;
    assert_eq!(newcomer.ask(&of(NEWCOMER)("/api/roles")).await.status, 200, "it has asked for nothing yet");
    assert_eq!(proxy.get("/api/roles").await.status, 200);
    let mut more = proxy.connect().await;
    more.write(&of(GREEDY)("/api/roles").head()).await.expect("it is read");
    pass(Duration::from_millis(100)).await;
    assert_eq!(logto.api_requests() - before, 12, "a reload is no fresh allowance");
    drop(unread);
    assert_eq!(more.read_answer("GET").await.expect("there is room").status, 200);
}

#[tokio::test]
async fn b63_a_caller_that_is_added_before_others_waits_for_nobody_elses_turn() {
    let logto = Logto::start().await;
    // Of four places a caller may have three.
    let mut proxy = with_a_greedy_caller(&logto)
        .set("limits.coalesce", true)
        .set("tenants.acme.max_in_flight", 4)
        .start()
        .await;
    assert_eq!(proxy.get("/api/roles").await.status, 200);
    let before = logto.api_requests();
    logto.api_fault_times(3, Effect::BlackHole);
    let mut held = Vec::new();
    for target in ["/api/users", "/api/organizations", "/api/applications"] {
        let mut client = proxy.connect().await;
        client.write(&of(GREEDY)(target).head()).await.expect("it is read");
        held.push(client);
    }
    soon("three places to be taken", || logto.api_requests() - before == 3).await;
    let mut waits = proxy.connect().await;
    waits.write(&of(GREEDY)("/api/roles").head()).await.expect("it is read");
    let metric = "claviger_in_flight_waiting{class=\"normal\",tenant=\"acme\"}";
    within("it to wait", async { while proxy.metric(metric).await < 1.0 {} }).await;
    assert!(proxy.reload_with(|settings| with_a_caller(settings, "aaa", NEWCOMER)).await);
    let answer = proxy.ask(&of(NEWCOMER)("/api/roles")).await;
    assert_eq!((answer.status, answer.value("cache-status")), (200, None), "it is sent on its own");
}

#[tokio::test]
async fn b28_an_operation_that_is_added_before_others_is_not_paused_in_their_place() {
    const DEVICES: &str = "/api/users/u1/trusted-devices";
    const BADGES: &str = "/api/users/u1/badges";
    let line = |path: &str, name| format!("GET\t/api/users/{{userId}}/{path}\t{name}\tusers\t-\t-\ttoken\n");
    let (devices, badges) = (line("trusted-devices", "ListDevices"), line("badges", "ListBadges"));
    let logto = Logto::start().await;
    let builder = Proxy::builder().tenant("acme", &logto);
    let file = builder.directory().join("catalog.tsv");
    std::fs::write(&file, &devices).expect("written");
    let proxy = builder
        .set("catalog.file", quoted(file.display()))
        .set("policies.all.allow", "['*', 'ListDevices', 'GET /api/users/{id}/badges']")
        .start()
        .await;
    logto.faults().add(Fault::new(Target::Api, Effect::too_many(30)).path(DEVICES).times(1));
    proxy.get(DEVICES).await;
    let before = logto.api_requests();
    assert_eq!(proxy.get(DEVICES).await.status, 429, "it is paused");
    std::fs::write(&file, badges + &devices).expect("written");
    assert!(proxy.reload().await);
    assert_eq!(proxy.get(DEVICES).await.status, 429, "and still is");
    assert_eq!(logto.api_requests() - before, 0);
    assert_eq!(proxy.get(BADGES).await.status, 404, "the emulator has none");
    assert_eq!(logto.api_requests() - before, 1);
}
