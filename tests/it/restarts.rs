//! An upstream that refuses connections for a while, as during a deploy: what was not sent waits for it.

use std::time::Duration;

use tokio::{task::JoinSet, time::Instant};

use crate::support::{Logto, Proxy, Relay, Request, proxy::Builder, quoted, wait::pass};

fn builder(logto: &Logto, relay: &Relay) -> Builder {
    Proxy::builder().tenant("acme", logto).set("tenants.acme.endpoint", quoted(relay.base_url()))
}

/// Closes the way and lets the program notice that its connections are gone.
async fn close(relay: &mut Relay) {
    relay.close().await;
    pass(Duration::from_millis(200)).await;
}

#[tokio::test]
async fn b36_a_restart_of_seven_seconds_fails_nobody_whose_request_was_not_sent() {
    let logto = Logto::start().await;
    let mut relay = Relay::to(&logto).await;
    let proxy = builder(&logto, &relay).start().await;
    assert_eq!(proxy.get("/api/roles").await.status, 200);
    close(&mut relay).await;
    let (mut requests, before) = (JoinSet::new(), logto.api_requests());
    for n in 0..60 {
        // Small bodies that are held, and large ones that are streamed.
        let description = "x".repeat(if n % 10 == 0 { 100 * 1024 } else { 10 });
        let request = match n % 2 {
            0 => Request::post(
                "/api/roles",
                format!(r#"{{"name":"waiting-{n}","description":"{description}"}}"#),
            ),
            _ => Request::get("/api/roles?page=1&page_size=1"),
        };
        let mut client = proxy.connect().await;
        requests.spawn(async move { client.ask(&request).await });
    }
    pass(Duration::from_secs(7)).await;
    assert_eq!(requests.try_join_next().map(|answer| answer.expect("no panic").text()), None, "all wait");
    relay.open().await;
    let answers = requests.join_all().await;
    let failed: Vec<_> = answers.iter().filter(|it| it.status != 200).map(|it| it.text()).collect();
    assert!(failed.is_empty(), "{} of 60 failed: {failed:?}", failed.len());
    assert_eq!(logto.api_requests() - before, 60, "each arrived once");
    proxy.logged("the upstream takes connections again").await;
    for said in ["requests wait for the upstream", "takes connections again"] {
        assert_eq!(proxy.log().matches(said).count(), 1, "{said}");
    }
}

#[tokio::test]
async fn b36_those_who_wait_are_bounded_and_more_are_told_to_come_back() {
    let logto = Logto::start().await;
    let mut relay = Relay::to(&logto).await;
    let proxy =
        builder(&logto, &relay).set("tenants.acme.max_in_flight", 2).set("limits.queue", 3).start().await;
    assert_eq!(proxy.get("/api/roles").await.status, 200);
    close(&mut relay).await;
    let mut requests = JoinSet::new();
    for _ in 0..8 {
        let mut client = proxy.connect().await;
        requests.spawn(async move { client.ask(&Request::get("/api/roles")).await });
    }
    for _ in 5..8 {
        let refused = requests.join_next().await.expect("there are eight").expect("no panic");
        refused.assert_problem(503, "overloaded");
        assert_eq!(refused.retry_after(), Some(1));
    }
    relay.open().await;
    assert!(requests.join_all().await.iter().all(|answer| answer.status == 200), "five waited");
}

#[tokio::test]
async fn an_upstream_that_stays_away_is_waited_for_once_and_not_by_each_request() {
    let logto = Logto::start().await;
    let mut relay = Relay::to(&logto).await;
    let proxy = builder(&logto, &relay).set("retry.unreachable", "'1s'").start().await;
    assert_eq!(proxy.get("/api/roles").await.status, 200);
    close(&mut relay).await;
    let begun = Instant::now();
    proxy.get("/api/roles").await.assert_problem(502, "upstream_unreachable");
    let waited = begun.elapsed();
    // The next look would be half a second away at the most, and none is begun that ends too late.
    assert!(waited >= Duration::from_millis(500), "{waited:?}");
    let begun = Instant::now();
    proxy.get("/api/roles").await.assert_problem(502, "upstream_unreachable");
    assert!(begun.elapsed() < waited, "{:?}", begun.elapsed());
    relay.open().await;
    assert_eq!(proxy.get("/api/roles").await.status, 200);
}
