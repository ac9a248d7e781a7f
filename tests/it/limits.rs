//! What a caller may use, what a tenant allows, and how much is under way at once.

use std::time::Duration;

use claviger_emulator::Effect;
use tokio::task::JoinSet;

use crate::support::{Logto, Proxy, Request, soon, wait::pass, within};

#[tokio::test]
async fn b27_a_caller_over_its_limit_learns_when_to_come_back_and_nobody_else_notices() {
    let logto = Logto::start().await;
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("callers.greedy.identify", "{ api_key = 'CANARY-held-key-of-greedy' }")
        .set("callers.greedy.policies", "['all']")
        .set("callers.greedy.rate", "{ requests = 1, per = '2s', burst = 3 }")
        .start()
        .await;
    let greedy = Request::get("/api/roles").key("CANARY-held-key-of-greedy");
    let mut client = proxy.connect().await;
    for _ in 0..3 {
        assert_eq!(client.ask(&greedy).await.status, 200);
    }
    let answer = client.ask(&greedy).await;
    answer.assert_problem(429, "rate_limited");
    let wait = answer.retry_after().expect("it says when");
    assert!((1..=2).contains(&wait), "{wait}");
    assert_eq!(answer.value("ratelimit"), Some(format!("\"caller\";r=0;t={wait}").as_str()));
    assert_eq!(answer.value("ratelimit-policy"), Some("\"caller\";q=1;w=2"));
    assert_eq!(proxy.get("/api/roles").await.status, 200, "others are unaffected");
    assert_eq!(proxy.metric("claviger_rate_limited_total{policy=\"caller\"}").await, 1.0);
    // Right to the second: as long as it says is enough, and a second less is not.
    pass(Duration::from_secs(wait - 1)).await;
    assert_eq!(client.ask(&greedy).await.status, 429);
    pass(Duration::from_secs(1)).await;
    assert_eq!(client.ask(&greedy).await.status, 200);
}

#[tokio::test]
async fn b27_the_quota_of_a_tenant_counts_for_all_callers_and_for_grants() {
    let (logto, other) = (Logto::start().await, Logto::start().await);
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .tenant("other", &other)
        .set("tenants.acme.quota", "{ requests = 5, per = '60s' }")
        .set("timeouts.quota", "'0s'")
        .set("callers.local.priority", "'interactive'")
        .set("callers.local.tenants", "['*']")
        .start()
        .await;
    let (mut answered, mut refused) = (0, 0);
    for _ in 0..10 {
        let answer = proxy.get("/t/acme/api/roles").await;
        if answer.status == 200 {
            answered += 1;
        } else {
            refused += 1;
            answer.assert_problem(429, "quota_exhausted");
            assert!(answer.retry_after().is_some_and(|seconds| (1..=12).contains(&seconds)), "{answer:?}");
            assert_eq!(answer.value("ratelimit-policy"), Some("\"quota\";q=5;w=60"));
        }
    }
    assert_eq!((answered, refused), (4, 6), "the grant was one of the five");
    assert_eq!(logto.api_requests() + logto.token_requests(), 5);
    assert_eq!(proxy.get("/t/other/api/roles").await.status, 200);
    assert_eq!(proxy.metric("claviger_quota_remaining{tenant=\"acme\"}").await, 0.0);
}

#[tokio::test]
async fn only_so_many_are_under_way_the_rest_waits_and_too_many_are_told() {
    let logto = Logto::start().await;
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("tenants.acme.max_in_flight", 2)
        .set("limits.queue", 3)
        .start()
        .await;
    assert_eq!(proxy.get("/api/roles").await.status, 200);
    let before = logto.api_requests();
    logto.api_fault(Effect::latency(Duration::from_millis(500)));
    let mut callers = JoinSet::new();
    for _ in 0..8 {
        let mut client = proxy.connect().await;
        callers.spawn(async move { client.ask(&Request::get("/api/roles")).await });
    }
    soon("two under way", || logto.api_requests() - before == 2).await;
    pass(Duration::from_millis(100)).await;
    assert_eq!(logto.api_requests() - before, 2, "never more than max_in_flight");
    let answers = callers.join_all().await;
    let passed = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(passed, 5, "two under way, three in line");
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        answer.assert_problem(503, "overloaded");
        assert_eq!(answer.retry_after(), Some(1));
    }
    logto.faults().clear();
    assert_eq!(proxy.get("/api/roles").await.status, 200, "every place is given back");
}

#[tokio::test]
async fn a_place_is_given_back_when_a_caller_leaves() {
    let logto = Logto::start().await;
    let proxy = Proxy::builder().tenant("acme", &logto).set("tenants.acme.max_in_flight", 1).start().await;
    assert_eq!(proxy.get("/api/roles").await.status, 200);
    let before = logto.api_requests();
    logto.api_fault_times(1, Effect::BlackHole);
    let mut leaver = proxy.connect().await;
    leaver.write(&Request::get("/api/roles").head()).await.expect("it is read");
    soon("the request to arrive", || logto.api_requests() > before).await;
    assert_eq!(proxy.status().await["tenants"]["acme"]["in_flight"], 1);
    drop(leaver);
    assert_eq!(proxy.get("/api/roles").await.status, 200);
    // The place goes to the next before the record of the one that left is written.
    let none = async { while proxy.metric("claviger_requests_in_flight").await != 0.0 {} };
    within("no request to be in flight", none).await;
}

#[tokio::test]
async fn more_connections_than_allowed_take_the_place_of_the_oldest_idle_one() {
    let logto = Logto::start().await;
    let proxy = Proxy::builder().tenant("acme", &logto).set("listen.max_connections", 2).start().await;
    let (mut first, mut second) = (proxy.connect().await, proxy.connect().await);
    let request = Request::get("/api/roles");
    assert_eq!((first.ask(&request).await.status, second.ask(&request).await.status), (200, 200));
    let before = logto.api_requests();
    logto.api_fault_times(1, Effect::BlackHole);
    first.write(&request.head()).await.expect("it is read");
    soon("the request to arrive", || logto.api_requests() > before).await;
    assert_eq!(proxy.get("/api/roles").await.status, 200);
    assert!(second.read_to_end().await.is_empty(), "it was idle, and the other is not");
    assert!(proxy.metric("claviger_rate_limited_total{policy=\"connections\"}").await >= 1.0);
    proxy
        .logged(
            "all places for connections are taken: the connection that costs least gives way to a new one",
        )
        .await;
}
