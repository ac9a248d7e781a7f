//! When the issuer fails, says no, or says nothing.

use super::*;

#[tokio::test(start_paused = true)]
async fn b03_an_outage_is_not_noticed_while_the_token_lives() {
    let world = World::new(BROKEN);
    world.issuer.once(Reply::Token(480));
    let handle = world.handle();
    handle.warm();
    pass(SECOND).await;
    for _ in 0..468 {
        at_once(&handle).await;
        pass(SECOND).await;
    }
    pass(SECOND).await;
    // Over: fail at once, and say when to come back.
    let error = refused_at_once(&handle).await;
    assert_eq!(error.fault(), &Fault::Status(500));
    assert!(!error.is_terminal());
    let retry_after = error.retry_after(Instant::now());
    assert!((SECOND..=30 * SECOND).contains(&retry_after), "{retry_after:?}");
    // From 6:24 to 10:00 the steps are 1, 2, 4, 8, 16, then 30 s, each halved by this test's chance.
    pass(130 * SECOND).await;
    assert!(world.issuer.count() < 25, "{} grants", world.issuer.count());
    // It is back: within one step without anybody asking.
    world.issuer.always(Reply::Token(480));
    pass(30 * SECOND).await;
    at_once(&handle).await;
    assert_eq!(world.events.count("acme finished ok"), 2);
    assert_eq!(handle.status().consecutive_failures, 0);
}

#[tokio::test(start_paused = true)]
async fn backoff_doubles_from_the_first_step_to_the_longest() {
    let world = World::with_chance(BROKEN, 0.999_999);
    let handle = world.handle();
    handle.warm();
    pass(200 * SECOND).await;
    let calls = world.issuer.calls();
    let gaps: Vec<_> =
        calls.windows(2).map(|pair| (pair[1].at - pair[0].at).as_secs_f64().round() as u64).collect();
    assert_eq!(gaps[..7], [1, 2, 4, 8, 16, 30, 30]);
}

#[tokio::test(start_paused = true)]
async fn the_pace_starts_anew_when_the_kind_of_trouble_changes() {
    let world = World::new(BROKEN);
    let handle = world.handle();
    handle.warm();
    pass(5 * MINUTE).await;
    world.issuer.always(WRONG_SECRET);
    pass(30 * SECOND).await;
    let error = refused_at_once(&handle).await;
    assert!(error.is_terminal() && error.retry_after(Instant::now()) <= MINUTE);
}

#[tokio::test(start_paused = true)]
async fn b11_a_start_with_the_issuer_offline_recovers_by_itself() {
    let world = World::new(Reply::Fault(Fault::Unreachable("connection refused".into())));
    let handle = world.handle();
    handle.warm();
    pass(5 * MINUTE).await;
    let error = refused_at_once(&handle).await;
    assert_eq!(error.label(), "unreachable");
    assert!(error.retry_after(Instant::now()) >= SECOND);
    world.issuer.always(Reply::Token(3600));
    pass(30 * SECOND).await;
    at_once(&handle).await;
}

#[tokio::test(start_paused = true)]
async fn b11_an_issuer_that_hangs_costs_each_caller_its_own_deadline_and_no_more() {
    let world = World::new(Reply::Hang);
    let handle = world.handle();
    let begun = Instant::now();
    let error = handle.get(begun + 3 * SECOND).await.expect_err("no token");
    assert_eq!((error.label(), begun.elapsed()), ("deadline", 3 * SECOND));
    let error = handle.get(soon()).await.expect_err("no token");
    assert_eq!((error.label(), begun.elapsed()), ("timeout", 10 * SECOND), "the time of one request is up");
    assert_eq!(refused_at_once(&handle).await.label(), "timeout");
    assert_eq!(world.issuer.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn b12_retry_after_is_obeyed_to_the_second() {
    // 1_800_000_000 is 2027-01-15 08:00:00 GMT.
    for value in ["30", "Fri, 15 Jan 2027 08:00:30 GMT"] {
        for status in [429, 503] {
            let world = World::new(Reply::Token(3600));
            world.issuer.once(Reply::RetryAfter(status, value.into()));
            let handle = world.handle();
            handle.warm();
            handle.get(soon()).await.expect_err("no token");
            assert_eq!(refused_at_once(&handle).await.retry_after(Instant::now()), 30 * SECOND);
            pass(Duration::from_millis(29_990)).await;
            refused_at_once(&handle).await;
            assert_eq!(world.issuer.count(), 1, "{status} {value}");
            pass(Duration::from_millis(20)).await;
            assert_eq!(at_once(&handle).await, "token-2");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn b12_retry_after_is_believed_up_to_ten_minutes() {
    for value in ["86400", "99999999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"] {
        let world = World::new(Reply::RetryAfter(429, value.into()));
        let error = world.handle().get(soon()).await.expect_err("no token");
        assert_eq!(error.retry_after(Instant::now()), 10 * MINUTE, "{value}");
    }
    for value in ["-1", "soon", "", "1.5", "Fri, 15 Jan 2021 08:00:30 GMT"] {
        let world = World::new(Reply::RetryAfter(429, value.into()));
        let error = world.handle().get(soon()).await.expect_err("no token");
        assert_eq!(error.retry_after(Instant::now()), SECOND, "{value:?}: our own first step");
    }
}

#[tokio::test(start_paused = true)]
async fn b12_a_wall_clock_set_forward_does_not_shorten_a_wait() {
    let world = World::new(Reply::RetryAfter(429, "30".into()));
    let handle = world.handle();
    handle.get(soon()).await.expect_err("no token");
    world.set_wall_clock(3600);
    refused_at_once(&handle).await;
    assert_eq!(world.issuer.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn b13_terminal_faults_are_not_hammered() {
    let refusals = [
        (
            401,
            r#"{"error":"invalid_client","error_description":"client authentication failed"}"#,
            "invalid_client",
        ),
        (400, r#"{"error":"invalid_client","error_description":"invalid client app"}"#, "invalid_client"),
        (400, r#"{"error":"invalid_scope"}"#, "invalid_scope"),
        (400, r#"{"error":"invalid_target"}"#, "invalid_target"),
        (400, r#"{"error":"unauthorized_client"}"#, "rejected"),
        (403, r#"{"error":"access_denied"}"#, "rejected"),
        (400, r#"{"error":"invalid_request","error_description":"client secret has expired"}"#, "rejected"),
    ];
    for (status, body, label) in refusals {
        let world = World::new(Reply::Status(status, body));
        let handle = world.handle();
        handle.warm();
        handle.get(soon()).await.expect_err("no token");
        // Nobody asks: nothing is tried, not even for a warm token.
        pass(60 * MINUTE).await;
        assert_eq!(world.issuer.count(), 1, "{body}");
        // An hour of a request each second: at 0, 1, 3, 7, 15 and 25 … minutes.
        for _ in 0..3600 {
            let error = handle.get(soon()).await.expect_err("no token");
            assert!(error.is_terminal() && error.label() == label, "{error}");
            assert!(error.remedy().len() > 20);
            pass(SECOND).await;
        }
        assert!((7..=10).contains(&world.issuer.count()), "{} grants for {body}", world.issuer.count());
    }
}

#[tokio::test(start_paused = true)]
async fn b13_what_was_mended_on_the_issuers_side_is_noticed_within_ten_minutes() {
    let world = World::new(WRONG_SECRET);
    let handle = world.handle();
    for _ in 0..1800 {
        handle.get(soon()).await.expect_err("no token");
        pass(SECOND).await;
    }
    world.issuer.always(Reply::Token(3600));
    pass(10 * MINUTE).await;
    handle.get(soon()).await.expect("a token");
}

#[tokio::test(start_paused = true)]
async fn b13_a_terminal_fault_leaves_a_living_token_alone() {
    let world = World::new(WRONG_SECRET);
    world.issuer.once(Reply::Token(3600));
    let handle = world.handle();
    handle.warm();
    pass(SECOND).await;
    for _ in 0..3588 {
        assert_eq!(at_once(&handle).await, "token-1");
        pass(SECOND).await;
    }
    pass(2 * SECOND).await;
    assert_eq!(refused_at_once(&handle).await.label(), "invalid_client");
    // At 48, 49, 51 and 55 minutes.
    assert_eq!(world.issuer.count(), 5);
}

#[tokio::test(start_paused = true)]
async fn b13_faults_that_pass_are_not_terminal() {
    for reply in [
        Reply::Status(400, r#"{"error":"temporarily_unavailable"}"#),
        Reply::Status(500, r#"{"error":"server_error"}"#),
        Reply::Status(503, r#"{"error":"invalid_client"}"#),
        Reply::Status(404, "Not Found"),
        Reply::Status(404, r#"{"error":"invalid_request"}"#),
        Reply::Status(302, ""),
        Reply::Status(408, r#"{"error":"invalid_request"}"#),
        Reply::Status(429, r#"{"error":"invalid_client"}"#),
        Reply::Body("<html>"),
    ] {
        let world = World::new(reply);
        let handle = world.handle();
        let error = handle.get(soon()).await.expect_err("no token");
        assert!(!error.is_terminal(), "{error}");
        world.issuer.always(Reply::Token(3600));
        pass(SECOND).await;
        handle.get(soon()).await.expect("a token");
    }
}

#[tokio::test(start_paused = true)]
async fn b13_a_plan_that_is_used_up_is_asked_seldom_and_is_not_our_credential() {
    let world = World::new(Reply::Status(429, r#"{"code":"auth.exceed_token_limit","message":"…"}"#));
    let handle = world.handle();
    handle.warm();
    pass(30 * MINUTE).await;
    let error = refused_at_once(&handle).await;
    assert!(error.label() == "token_cap" && !error.is_terminal());
    assert_eq!(world.issuer.count(), 6, "at 0, 1, 3, 7, 15 and 25 minutes");
}

#[tokio::test(start_paused = true)]
async fn b14_a_token_without_its_scope_is_not_kept() {
    for body in [
        r#"{"access_token":"x","expires_in":3600,"token_type":"Bearer"}"#,
        r#"{"access_token":"x","expires_in":3600,"token_type":"Bearer","scope":""}"#,
        r#"{"access_token":"x","expires_in":3600,"token_type":"Bearer","scope":"allx al l"}"#,
        r#"{"access_token":"x","expires_in":3600,"token_type":"Bearer","scope":["all"]}"#,
    ] {
        let world = World::new(Reply::Body(body));
        let handle = world.handle();
        let error = handle.get(soon()).await.expect_err("no token");
        assert_eq!(error.fault(), &Fault::ScopeMissing { missing: "all".into() }, "{body}");
        assert!(error.remedy().starts_with("Assign a role"), "{}", error.remedy());
        assert!(error.is_terminal() && error.remedy().contains("role"), "{}", error.remedy());
        assert!(handle.current().is_none());
        // The role is assigned: the next try has it.
        world.issuer.always(Reply::Token(3600));
        pass(MINUTE).await;
        assert_eq!(value(&handle.get(soon()).await.unwrap()), "token-2");
    }
}

#[tokio::test(start_paused = true)]
async fn b05_an_answer_that_is_no_token_poisons_nothing() {
    for body in
        ["", "<!doctype html>", "{}", "null", "[]", r#"{"access_token":""}"#, r#"{"access_token":"a b"}"#]
    {
        let world = World::new(Reply::Body(body));
        let handle = world.handle();
        let error = handle.get(soon()).await.expect_err("no token");
        assert_eq!(error.label(), "invalid", "{body:?}");
        assert!(handle.current().is_none() && !error.is_terminal());
        world.issuer.always(Reply::Token(3600));
        pass(SECOND).await;
        handle.get(soon()).await.expect("a token");
    }
}

#[tokio::test(start_paused = true)]
async fn b05_a_token_that_arrives_expired_is_a_failure_and_not_a_loop() {
    let world = World::new(Reply::Slow(2 * SECOND, Box::new(Reply::Token(1))));
    let handle = world.handle();
    let error = handle.get(soon()).await.expect_err("no token");
    assert_eq!(error.fault(), &Fault::Invalid(Flaw::ExpiredOnArrival));
    refused_at_once(&handle).await;
    assert_eq!(world.issuer.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_quota_without_room_is_waited_for_within_the_deadline() {
    let world = World::new(Reply::Token(3600));
    let free_at = Instant::now() + 20 * SECOND;
    let mut source = world.source("acme");
    source.quota = Some(Arc::new(move || {
        Box::pin(async move {
            let left = free_at.saturating_duration_since(Instant::now());
            if left.is_zero() { Ok(()) } else { Err(left) }
        })
    }));
    let handle = world.tokens.handle(source);
    let patient = tokio::spawn({
        let handle = handle.clone();
        async move { handle.get(soon()).await }
    });
    let hasty = handle.get(Instant::now() + 5 * SECOND).await.expect_err("no token");
    assert_eq!((hasty.label(), hasty.retry_after(Instant::now())), ("quota", 20 * SECOND));
    assert_eq!(world.issuer.count(), 0);
    patient.await.unwrap().expect("a token");
    assert_eq!(Instant::now(), free_at);
}

#[tokio::test(start_paused = true)]
async fn every_fault_has_a_remedy_and_a_status_that_shows_it() {
    let world = World::new(BROKEN);
    let handle = world.handle();
    handle.get(soon()).await.expect_err("no token");
    let status = &world.tokens.status()[0];
    assert_eq!((status.consecutive_failures, status.generation, status.age), (1, 0, None));
    assert_eq!(status.last_error.as_ref().unwrap().label(), "status");
    world.issuer.always(Reply::Token(100));
    pass(SECOND).await;
    handle.get(soon()).await.unwrap();
    pass(2 * SECOND).await;
    let status = handle.status();
    assert_eq!((status.consecutive_failures, status.generation), (0, 1));
    assert_eq!((status.age, status.usable_for), (Some(2 * SECOND), Some(88 * SECOND)));
    assert!(status.last_error.is_none());
}

#[test]
fn a_scope_that_the_management_api_does_not_know_is_to_be_left_out() {
    let remedy = Fault::ScopeMissing { missing: "users:read".into() }.remedy();
    assert!(remedy.contains("one scope, all: for it leave `scopes` out"), "{remedy}");
}
