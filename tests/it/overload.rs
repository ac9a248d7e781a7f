//! A Logto that fails or is overloaded: what is sent there, what callers are told meanwhile, and that nobody else notices.

use std::time::Duration;

use claviger_emulator::{Effect, Fault, Target};
use tokio::{task::JoinSet, time::Instant};

use crate::support::{
    Answer, Logto, Proxy, Relay, Request, proxy::Builder, quoted, soon, wait::pass, within,
};

const SECOND: Duration = Duration::from_secs(1);
/// Operations that have little to do with each other.
const READS: [&str; 4] = ["/api/users", "/api/roles", "/api/organizations", "/api/applications"];

fn key(caller: &str) -> String {
    format!("CANARY-held-key-of-{caller}")
}

/// With callers `interactive`, `normal` and `batch`, by their keys.
fn with_callers(builder: Builder) -> Builder {
    ["interactive", "normal", "batch"].iter().fold(builder, |builder, caller| {
        builder
            .set(&format!("callers.{caller}.identify"), format!("{{ api_key = '{}' }}", key(caller)))
            .set(&format!("callers.{caller}.policies"), "['all']")
            .set(&format!("callers.{caller}.tenants"), "['*']")
            .set(&format!("callers.{caller}.priority"), quoted(caller))
    })
}

fn of(caller: &str, target: &str) -> Request {
    Request::get(target).key(&key(caller))
}

/// Asks for this and that on behalf of two callers, so often.
async fn ask_around(proxy: &Proxy, times: usize) -> Vec<Answer> {
    let mut answers = Vec::new();
    for n in 0..times {
        answers.push(proxy.ask(&of(["normal", "batch"][n % 2], READS[n % READS.len()])).await);
    }
    answers
}

#[tokio::test]
async fn b56_a_logto_that_fails_whatever_it_is_asked_is_left_alone_until_one_request_succeeds() {
    let logto = Logto::start().await;
    let builder = with_callers(Proxy::builder().tenant("acme", &logto)).set("retry.attempts", 1);
    let proxy = builder.start().await;
    assert!(ask_around(&proxy, 4).await.iter().all(|answer| answer.status == 200));
    logto.api_fault(Effect::status(500));
    let answers = ask_around(&proxy, 10).await;
    assert!(answers.iter().all(|answer| answer.text().contains("Internal server error")), "as Logto says it");
    let before = logto.api_requests();
    for answer in ask_around(&proxy, 20).await {
        answer.assert_problem(503, "upstream_unavailable");
        assert_eq!(answer.retry_after(), Some(1), "{answer:?}");
        assert!(answer.text().contains("this one was not sent"), "{}", answer.text());
    }
    assert_eq!(logto.api_requests(), before, "nothing is sent");
    assert_eq!(proxy.metric("claviger_circuit_state{tenant=\"acme\"}").await, 2.0);
    assert_eq!(proxy.metric("claviger_circuit_opened_total{tenant=\"acme\"}").await, 1.0);
    assert_eq!(proxy.metric("claviger_rate_limited_total{policy=\"circuit\"}").await, 20.0);
    let status = proxy.status().await;
    let problem = &status["problems"][0];
    assert!(
        problem["what"].as_str().is_some_and(|what| what.contains("nothing is sent there")),
        "{problem:#}"
    );
    assert_eq!(status["tenants"]["acme"]["upstream"]["circuit"]["state"], "open");
    // One is tried, in vain; then Logto is well again, and one more is.
    pass(SECOND).await;
    assert_eq!(proxy.ask(&of("normal", READS[0])).await.status, 500, "the one that is tried");
    assert_eq!(logto.api_requests(), before + 1);
    let refused = proxy.ask(&of("normal", READS[1])).await;
    refused.assert_problem(503, "upstream_unavailable");
    assert_eq!(refused.retry_after(), Some(2), "longer than before");
    logto.faults().clear();
    pass(2 * SECOND).await;
    // Another operation than the one that was tried before is preferred: that one may be broken.
    assert_eq!(proxy.ask(&of("normal", READS[1])).await.status, 200);
    assert!(ask_around(&proxy, 8).await.iter().all(|answer| answer.status == 200));
    assert_eq!(proxy.metric("claviger_circuit_state{tenant=\"acme\"}").await, 0.0);
    proxy.logged("Logto answers again").await;
}

#[tokio::test]
async fn b56_neither_one_operation_nor_one_caller_closes_the_tenant_to_others() {
    let logto = Logto::start().await;
    let builder = with_callers(Proxy::builder().tenant("acme", &logto)).set("retry.attempts", 1);
    let proxy = builder.start().await;
    logto.faults().add(Fault::new(Target::Api, Effect::status(500)).path("/api/roles"));
    for caller in ["interactive", "normal", "batch"].into_iter().cycle().take(60) {
        assert_eq!(proxy.ask(&of(caller, "/api/roles")).await.status, 500, "Logto's own answer, each time");
    }
    assert!(ask_around(&proxy, 1).await.iter().all(|answer| answer.status == 200));
    logto.faults().set(vec![Fault::new(Target::Api, Effect::status(500))]);
    for target in READS.into_iter().cycle().take(60) {
        assert_eq!(proxy.ask(&of("batch", target)).await.status, 500);
    }
    logto.faults().clear();
    assert_eq!(proxy.ask(&of("interactive", "/api/users")).await.status, 200);
    assert_eq!(proxy.metric("claviger_circuit_opened_total{tenant=\"acme\"}").await, 0.0);
}

/// Logto says so of invitations, say, where there is no e-mail connector.
#[tokio::test]
async fn b56_a_501_of_logtos_own_is_no_outage() {
    let logto = Logto::start().await;
    let builder = with_callers(Proxy::builder().tenant("acme", &logto)).set("retry.attempts", 1);
    let proxy = builder.start().await;
    logto.api_fault(Effect::status(501));
    assert!(ask_around(&proxy, 30).await.iter().all(|answer| answer.status == 501));
    assert_eq!(proxy.metric("claviger_circuit_opened_total{tenant=\"acme\"}").await, 0.0);
    assert_eq!(proxy.status().await["problems"], serde_json::json!([]));
}

/// First requests wait, and only then is the circuit open.
#[tokio::test]
async fn b56_connections_that_are_refused_for_longer_than_is_waited_open_it_whoever_asks() {
    let logto = Logto::start().await;
    let mut relay = Relay::to(&logto).await;
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("tenants.acme.endpoint", quoted(relay.base_url()))
        .set("retry.unreachable", "'2s'")
        .start()
        .await;
    assert_eq!(proxy.get("/api/roles").await.status, 200);
    relay.close().await;
    pass(SECOND / 5).await;
    let mut waiting = JoinSet::new();
    let begun = Instant::now();
    for _ in 0..10 {
        let mut client = proxy.connect().await;
        waiting.spawn(async move { client.ask(&Request::get("/api/roles")).await });
    }
    let mut failed = waiting.join_all().await;
    assert!(begun.elapsed() >= SECOND, "they have waited first: {:?}", begun.elapsed());
    // However few it took so far, now it takes no more than ten.
    for _ in 0..10 {
        failed.push(proxy.get("/api/roles").await);
    }
    assert!(failed.iter().all(|answer| matches!(answer.status, 502 | 503)), "{failed:?}");
    // Whoever fails when it opens is told when the next one is tried, as those are who come after it.
    let told = failed.iter().filter(|answer| answer.status == 502 && answer.retry_after().is_some());
    assert!(told.count() > 0, "{failed:?}");
    proxy.get("/api/roles").await.assert_problem(503, "upstream_unavailable");
    relay.open().await;
    let back = async { while proxy.get("/api/roles").await.status != 200 {} };
    within("one to be tried", back).await;
    assert_eq!(proxy.get("/api/roles").await.status, 200);
}

#[tokio::test]
async fn b57_a_tenant_that_stands_still_slows_no_other_down() {
    let (stuck, well) = (Logto::start().await, Logto::start().await);
    let proxy = with_callers(Proxy::builder().tenant("stuck", &stuck).tenant("well", &well))
        .set("callers.local.tenants", "['*']")
        .set("limits.queue", 50)
        .start()
        .await;
    for tenant in ["stuck", "well"] {
        assert_eq!(proxy.ask(&of("normal", &format!("/t/{tenant}/api/roles"))).await.status, 200);
    }
    let before = stuck.api_requests();
    stuck.api_fault(Effect::BlackHole);
    let mut hanging = Vec::new();
    for n in 0..100 {
        let mut client = proxy.connect().await;
        let request = of("batch", &format!("/t/stuck{}", READS[n % READS.len()]));
        client.write(&request.head()).await.expect("it is read");
        hanging.push(client);
    }
    soon("all that one caller may have to be taken", || stuck.api_requests() - before >= 8).await;
    let waits = "claviger_in_flight_waiting{class=\"batch\",tenant=\"stuck\"}";
    within("the line to be full", async { while proxy.metric(waits).await < 50.0 {} }).await;
    let mut slowest = Duration::ZERO;
    for n in 0..100 {
        // The very caller whose requests hang, too.
        let caller = ["batch", "normal"][n % 2];
        let asked = Instant::now();
        assert_eq!(proxy.ask(&of(caller, "/t/well/api/roles")).await.status, 200);
        slowest = slowest.max(asked.elapsed());
    }
    assert!(slowest < SECOND, "{slowest:?}");
}

#[tokio::test]
async fn b57_the_least_urgent_gives_way_when_the_line_is_full() {
    let logto = Logto::start().await;
    let proxy = with_callers(Proxy::builder().tenant("acme", &logto))
        .set("tenants.acme.max_in_flight", 1)
        .set("limits.queue", 3)
        .start()
        .await;
    assert_eq!(proxy.ask(&of("normal", "/api/roles")).await.status, 200);
    logto.api_fault(Effect::latency(2 * SECOND));
    let mut batch = JoinSet::new();
    for _ in 0..4 {
        let mut client = proxy.connect().await;
        batch.spawn(async move { client.ask(&of("batch", "/api/roles")).await });
    }
    let waits = "claviger_in_flight_waiting{class=\"batch\",tenant=\"acme\"}";
    within("three to wait", async { while proxy.metric(waits).await < 3.0 {} }).await;
    let mut urgent = proxy.connect().await;
    urgent.write(&of("interactive", "/api/users").head()).await.expect("it is read");
    let refused = batch.join_next().await.expect("there are four").expect("no panic");
    refused.assert_problem(503, "overloaded");
    assert!(refused.retry_after().is_some_and(|wait| wait >= 1), "{refused:?}");
    // And those who wait are served in the order of their classes.
    let asked = Instant::now();
    assert_eq!(urgent.read_answer("GET").await.expect("it is answered").status, 200);
    assert!(batch.try_join_next().is_none() || asked.elapsed() < 5 * SECOND);
    logto.faults().clear();
    assert!(batch.join_all().await.iter().all(|answer| answer.status == 200));
}

#[tokio::test]
async fn b58_fewer_are_sent_at_one_time_while_logto_is_overloaded_and_as_many_afterwards() {
    let logto = Logto::start().await;
    let proxy = with_callers(Proxy::builder().tenant("acme", &logto)).start().await;
    for target in READS.iter().cycle().take(40) {
        assert_eq!(proxy.ask(&of("normal", target)).await.status, 200);
    }
    let limit = "claviger_in_flight_limit{tenant=\"acme\"}";
    assert_eq!(proxy.metric(limit).await, 10.0);
    logto.api_fault(Effect::latency(SECOND + SECOND / 2));
    let ask = async |n: usize| proxy.ask(&of("normal", READS[n % READS.len()])).await;
    futures_util::future::join_all((0..8).map(ask)).await;
    let narrowed = proxy.metric(limit).await;
    assert!((4.0..10.0).contains(&narrowed), "{narrowed}");
    let status = proxy.status().await;
    let what = &status["problems"][0]["what"];
    assert!(what.as_str().is_some_and(|what| what.contains("Logto is overloaded")), "{status:#}");
    logto.faults().clear();
    let whole = async {
        while proxy.metric(limit).await < 10.0 {
            ask_around(&proxy, 4).await;
            pass(SECOND / 10).await;
        }
    };
    tokio::time::timeout(20 * SECOND, whole).await.expect("as many as before");
    proxy.logged("no longer overloaded").await;
}

#[tokio::test]
async fn b58_a_slow_operation_is_no_overload() {
    let logto = Logto::start().await;
    let proxy = with_callers(Proxy::builder().tenant("acme", &logto)).start().await;
    assert!(ask_around(&proxy, 16).await.iter().all(|answer| answer.status == 200));
    logto.faults().add(Fault::new(Target::Api, Effect::latency(SECOND + SECOND / 2)).path("/api/users"));
    let ask = async |_| proxy.ask(&of("normal", READS[0])).await;
    futures_util::future::join_all((0..12).map(ask)).await;
    assert_eq!(proxy.metric("claviger_in_flight_limit{tenant=\"acme\"}").await, 10.0);
}
