//! Answers that are kept: for how long, for whom, and in how much memory.

use std::time::Duration;

use claviger_emulator::{Effect, Fault, Target};

use super::{ROLES, a_role, cache, keeping, metric};
use crate::support::{Logto, Request, wait::pass};

#[tokio::test]
async fn b63_an_answer_is_kept_for_as_long_as_the_rule_says_and_asked_for_again_by_its_tag() {
    let logto = Logto::start().await;
    let mut proxy = keeping(&logto, "2s").start().await;
    let first = proxy.get(ROLES).await;
    assert_eq!((first.status, cache(&first)), (200, "claviger; fwd=miss; stored"));
    assert_eq!(first.value("age"), None);
    let before = logto.api_requests();
    let second = proxy.get(ROLES).await;
    assert_eq!((second.status, second.text()), (200, first.text()));
    assert!(["claviger; hit; ttl=1", "claviger; hit; ttl=0"].contains(&cache(&second)), "{second:?}");
    assert!(second.value("age").is_some_and(|age| age.parse::<u64>().is_ok()), "{second:?}");
    assert_eq!((second.values("link"), second.value("etag")), (first.values("link"), first.value("etag")));
    assert_eq!(second.value("logto-core-request-id"), None);
    // Addressed by another name, its links begin with that.
    let other = proxy.ask(&Request::get("/t/acme/api/roles?page=1&page_size=20")).await;
    assert!(cache(&other).starts_with("claviger; hit"), "{other:?}");
    assert!(other.values("link").iter().all(|link| link.contains("/t/acme/api/roles")), "{other:?}");
    assert_eq!(logto.api_requests(), before);
    // Whoever asks for what is there now gets it.
    for (name, value) in
        [("Cache-Control", "no-cache"), ("Cache-Control", "max-age=0"), ("Pragma", "no-cache")]
    {
        let fresh = proxy.ask(&Request::get(ROLES).header(name, value)).await;
        assert_eq!((fresh.status, cache(&fresh)), (200, "claviger; fwd=request"));
    }
    let own = proxy.ask(&Request::get(ROLES).header("If-None-Match", "\"x\"")).await;
    assert_eq!((own.status, cache(&own)), (200, "claviger; fwd=bypass"));
    assert_eq!(logto.api_requests(), before + 4);
    pass(Duration::from_secs(2)).await;
    let again = proxy.get(ROLES).await;
    assert_eq!((again.status, again.text()), (200, first.text()));
    assert_eq!(cache(&again), "claviger; fwd=stale; fwd-status=304; stored");
    let tag = first.value("etag").expect("Logto gives one");
    assert_eq!(logto.last().header_values("if-none-match"), [tag]);
    assert!(cache(&proxy.get(ROLES).await).starts_with("claviger; hit"));
    let said = [metric(&proxy, "miss").await, metric(&proxy, "revalidated").await];
    assert_eq!(said, [1.0, 1.0]);
    assert_eq!(proxy.metric("claviger_cache_answers").await, 1.0);
    assert!(
        proxy
            .log()
            .lines()
            .all(|line| !line.contains("\"cache\":\"hit\"") || line.contains("\"source\":\"cache\""))
    );
    // After a write nothing from before is given, whatever it was about.
    assert_eq!(proxy.ask(&a_role(1)).await.status, 200);
    let after = proxy.get(ROLES).await;
    assert_eq!(cache(&after), "claviger; fwd=stale; stored");
    assert_ne!(after.text(), first.text());
    // Without the rule nothing is kept; the authorisation of now decides.
    assert!(proxy.reload_with(|it| it.set("policies.all.allow", "['ListUsers']")).await);
    proxy.get(ROLES).await.assert_problem(403, "not_permitted");
    assert!(proxy.reload_with(|it| it.set("policies.all.allow", "['ListRoles']")).await);
    assert_eq!(proxy.get(ROLES).await.value("cache-status"), None);
}

#[tokio::test]
async fn b63_answers_that_are_kept_take_no_more_memory_than_they_may() {
    let logto = Logto::start().await;
    let proxy = keeping(&logto, "1h").set("limits.cache", "'64KiB'").start().await;
    logto.api_fault(Effect::body(200, "application/json", vec![b'1'; 10_000]));
    for number in 0..40 {
        let answer = proxy.get(&format!("/api/roles?page={}&page_size=1", number + 1)).await;
        assert_eq!(cache(&answer), "claviger; fwd=miss; stored");
        let bytes = proxy.metric("claviger_cache_bytes").await;
        assert!(bytes <= 65_536.0, "{bytes}");
    }
    let kept = proxy.metric("claviger_cache_answers").await;
    assert!((4.0..=6.0).contains(&kept), "{kept}");
    assert!(cache(&proxy.get("/api/roles?page=40&page_size=1").await).starts_with("claviger; hit"));
    logto.faults().clear();
    logto.api_fault(Effect::body(200, "application/json", vec![b'1'; 70_000]));
    assert_eq!(cache(&proxy.get("/api/roles?page=50&page_size=1").await), "claviger; fwd=miss");
}

#[tokio::test]
async fn b63_a_write_that_nobody_knows_the_outcome_of_keeps_answers_from_being_kept() {
    let logto = Logto::start().await;
    let proxy =
        keeping(&logto, "1h").set("timeouts.response", "'300ms'").set("retry.attempts", 1).start().await;
    assert_eq!(cache(&proxy.get(ROLES).await), "claviger; fwd=miss; stored");
    logto.faults().add(Fault::new(Target::Api, Effect::BlackHole).method("POST"));
    proxy.ask(&a_role(1)).await.assert_problem(504, "upstream_timeout");
    assert_eq!(cache(&proxy.get(ROLES).await), "claviger; fwd=stale; fwd-status=304");
    assert_eq!(cache(&proxy.get(ROLES).await), "claviger; fwd=miss");
}

#[tokio::test]
async fn b63_a_tenant_that_is_another_is_given_nothing_from_before() {
    let (one, other) = (Logto::start().await, Logto::start().await);
    let mut proxy = keeping(&one, "1h").start().await;
    assert_eq!(cache(&proxy.get(ROLES).await), "claviger; fwd=miss; stored");
    assert!(cache(&proxy.get(ROLES).await).starts_with("claviger; hit"));
    // What has nothing to do with it changes nothing.
    assert!(proxy.reload_with(|it| it.set("retry.budget", 0.1).set("callers.local.rate", "'off'")).await);
    assert!(proxy.reload_with(|it| it.tenant("acme", &other)).await);
    let before = other.api_requests();
    assert_eq!(cache(&proxy.get(ROLES).await), "claviger; fwd=miss; stored");
    assert_eq!(other.api_requests() - before, 1);
    assert!(proxy.reload_with(|it| it.without("tenants.acme").tenant("beta", &other)).await);
    assert_eq!(cache(&proxy.get(ROLES).await), "claviger; fwd=miss; stored");
}
