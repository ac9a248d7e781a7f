//! Fresh, due, over: by two clocks.

use super::*;

#[tokio::test(start_paused = true)]
async fn b02_after_the_first_grant_no_request_waits() {
    let world = World::new(Reply::Slow(5 * SECOND, Box::new(Reply::Token(100))));
    let handle = world.handle();
    assert!(handle.current().is_none(), "the first waits");
    handle.get(soon()).await.unwrap();
    let first = Instant::now();
    for _ in 0..1000 {
        pass(SECOND).await;
        at_once(&handle).await;
    }
    assert_eq!(first.elapsed(), 1000 * SECOND, "and no other");
    // Each token is renewed 80 s after it was asked for, and the renewal takes five seconds.
    assert_eq!(world.issuer.count(), 13);
}

#[tokio::test(start_paused = true)]
async fn b02_a_warm_token_is_fresh_after_an_idle_day() {
    let world = World::new(Reply::Token(3600));
    let handle = world.handle();
    handle.warm();
    pass((24 * 60 + 1) * MINUTE).await;
    at_once(&handle).await;
    // Every 48 minutes: what an idle tenant costs.
    assert_eq!(world.issuer.count(), 31);
}

#[tokio::test(start_paused = true)]
async fn b02_renewal_comes_early_by_a_jitter_that_is_fixed_for_each_token() {
    for (chance, renewed_after) in [(0.0, 80), (0.5, 75), (0.99, 70)] {
        let world = World::with_chance(Reply::Token(100), chance);
        let handle = world.handle();
        handle.get(soon()).await.unwrap();
        pass(95 * SECOND).await;
        let calls = world.issuer.calls();
        assert_eq!((calls[1].at - calls[0].at).as_secs(), renewed_after, "chance {chance}");
    }
}

#[tokio::test(start_paused = true)]
async fn b02_a_key_nobody_uses_is_not_renewed_for_ever() {
    let world = World::new(Reply::Token(100));
    let handle = world.handle();
    handle.get(soon()).await.unwrap();
    pass(60 * MINUTE).await;
    assert_eq!(world.issuer.count(), 2, "the life after the last use is the last one");
    assert_eq!(value(&handle.get(soon()).await.unwrap()), "token-3", "and a request brings it back");
}

#[tokio::test(start_paused = true)]
async fn b02_the_first_use_of_a_token_that_is_due_has_it_renewed() {
    let world = World::new(Reply::Token(100));
    let handle = world.handle();
    handle.get(soon()).await.unwrap();
    // The second token is granted at 80 s and not used before its own renewal at 160 s is left out.
    pass(165 * SECOND).await;
    assert_eq!(world.issuer.count(), 2);
    assert_eq!(at_once(&handle).await, "token-2", "still good, and handed out");
    let now = world.clock.now();
    let is_due = |token: &Token| token.renewal_in(now).is_zero();
    assert!(is_due(&handle.current().unwrap()), "to each look until it is renewed");
    pass(SECOND).await;
    assert_eq!(at_once(&handle).await, "token-3");
    assert_eq!(world.issuer.count(), 3, "renewed once, however many looks found it due");
}

#[tokio::test(start_paused = true)]
async fn b04_an_expired_token_is_never_handed_out() {
    let world = World::new(BROKEN);
    world.issuer.once(Reply::Token(100));
    let handle = world.handle();
    handle.warm();
    pass(SECOND).await;
    // Ten seconds before its end is the end: the request still has to get there.
    pass(88 * SECOND).await;
    assert_eq!(at_once(&handle).await, "token-1");
    pass(SECOND).await;
    assert!(handle.current().is_none());
    assert_eq!(refused_at_once(&handle).await.label(), "status");
    pass(10 * MINUTE).await;
    assert!(handle.current().is_none());
}

#[tokio::test(start_paused = true)]
async fn b04_the_margin_of_a_short_life_is_a_tenth_of_it() {
    let world = World::new(BROKEN);
    world.issuer.once(Reply::Token(10));
    let handle = world.handle();
    handle.get(soon()).await.unwrap();
    pass(Duration::from_millis(8_900)).await;
    at_once(&handle).await;
    pass(Duration::from_millis(100)).await;
    assert!(handle.current().is_none());
}

#[tokio::test(start_paused = true)]
async fn b04_the_margin_of_a_very_short_life_is_the_second_that_exp_may_lack() {
    let world = World::new(BROKEN);
    world.issuer.once(Reply::Token(3));
    let handle = world.handle();
    handle.get(soon()).await.unwrap();
    pass(Duration::from_millis(1_900)).await;
    at_once(&handle).await;
    pass(Duration::from_millis(100)).await;
    assert!(handle.current().is_none());
}

#[tokio::test(start_paused = true)]
async fn b04_the_life_counts_from_the_request_not_from_the_answer() {
    let world = World::new(BROKEN);
    world.issuer.once(Reply::Slow(9 * SECOND, Box::new(Reply::Token(100))));
    let handle = world.handle();
    handle.get(soon()).await.unwrap();
    pass(80 * SECOND).await;
    at_once(&handle).await;
    pass(SECOND).await;
    assert!(handle.current().is_none());
}

#[tokio::test(start_paused = true)]
async fn b04_a_wall_clock_set_forward_ends_a_life() {
    let world = World::new(Reply::Token(3600));
    let handle = world.handle();
    handle.get(soon()).await.unwrap();
    world.set_wall_clock(3_589);
    assert_eq!(at_once(&handle).await, "token-1");
    world.set_wall_clock(100_000);
    assert!(handle.current().is_none());
    assert_eq!(value(&handle.get(soon()).await.unwrap()), "token-2");
    assert_eq!(at_once(&handle).await, "token-2", "good by the clock as it stands now");
}

#[tokio::test(start_paused = true)]
async fn b04_a_wall_clock_set_back_does_not_prolong_a_life() {
    let world = World::new(BROKEN);
    world.issuer.once(Reply::Token(100));
    let handle = world.handle();
    handle.get(soon()).await.unwrap();
    world.set_wall_clock(-100_000);
    assert_eq!(at_once(&handle).await, "token-1");
    pass(90 * SECOND).await;
    assert!(handle.current().is_none());
}

/// The monotonic clock, and with it every timer, stands still while the machine sleeps.
#[tokio::test(start_paused = true)]
async fn b04_a_machine_that_slept_renews_by_itself_within_half_a_minute() {
    let world = World::new(Reply::Token(3600));
    let handle = world.handle();
    handle.warm();
    pass(MINUTE).await;
    world.set_wall_clock(50 * 60);
    pass(30 * SECOND).await;
    assert_eq!(world.issuer.count(), 2, "renewed, though the timer would not have rung for 47 minutes");
    world.set_wall_clock(200 * 60);
    assert!(handle.current().is_none(), "slept past the end");
    assert_eq!(value(&handle.get(soon()).await.unwrap()), "token-3");
}
