//! One grant for everybody, whoever comes and goes.

use super::*;

fn slow(life: u64) -> Reply {
    Reply::Slow(SECOND, Box::new(Reply::Token(life)))
}

async fn first_requests_cause_one_grant(count: usize) {
    let world = World::new(slow(3600));
    let handle = world.handle();
    let callers: Vec<_> = (0..count)
        .map(|_| {
            let handle = handle.clone();
            tokio::spawn(async move { handle.get(soon()).await })
        })
        .collect();
    while world.issuer.count() == 0 {
        tokio::task::yield_now().await;
    }
    // The one who was first hangs up while the grant is under way.
    let mut callers = callers.into_iter();
    let first = callers.next().unwrap();
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    for caller in callers {
        assert_eq!(value(&caller.await.unwrap().expect("a token")), "token-1");
    }
    assert_eq!(world.issuer.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn b01_hundred_first_requests_cause_one_grant() {
    first_requests_cause_one_grant(100).await;
}

#[tokio::test(start_paused = true)]
async fn b01_ten_thousand_first_requests_cause_one_grant() {
    first_requests_cause_one_grant(10_000).await;
}

#[tokio::test(start_paused = true)]
async fn b01_a_grant_that_everybody_left_is_still_kept() {
    let world = World::new(slow(3600));
    let handle = world.handle();
    let left = tokio::time::timeout(SECOND / 10, handle.get(soon())).await;
    assert!(left.is_err(), "the only caller left");
    pass(SECOND).await;
    assert_eq!(at_once(&handle).await, "token-1");
    assert_eq!(world.issuer.count(), 1);
}

/// Real time and real threads: the callers' runtimes are not the grant's, and one of them goes down.
#[test]
fn b01_a_grant_does_not_depend_on_the_callers_runtime() {
    let control = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let worker = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let gate = Arc::new(Notify::new());
    let world = World::on(control.handle(), Reply::Gate(gate.clone(), Box::new(Reply::Token(3600))), 0.0);
    let handle = world.handle();

    let first = worker();
    first.spawn({
        let handle = handle.clone();
        async move { handle.get(soon()).await }
    });
    first.block_on(world.issuer.called.notified());
    drop(first);

    let token = worker().block_on(async {
        let waiting = tokio::spawn({
            let handle = handle.clone();
            async move { handle.get(soon()).await }
        });
        tokio::task::yield_now().await;
        gate.notify_one();
        waiting.await.unwrap().expect("a token")
    });
    assert_eq!(value(&token), "token-1");
    assert_eq!(world.issuer.count(), 1);
}

/// The control runtime goes down in the middle of a grant: whoever waits is told.
#[test]
fn a_grant_cut_short_is_a_failure_and_not_a_wait_for_ever() {
    let control = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let worker = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let world = World::on(control.handle(), Reply::Hang, 0.0);
    let handle = world.handle();
    let waiting = worker.spawn({
        let handle = handle.clone();
        async move { handle.get(soon()).await }
    });
    worker.block_on(world.issuer.called.notified());
    control.shutdown_background();
    let error = worker.block_on(waiting).unwrap().expect_err("no token");
    assert_eq!(error.label(), "interrupted");
    // And a grant that could not even begin.
    let again = worker.block_on(handle.get(Instant::now() + MINUTE)).expect_err("no token");
    assert_eq!(again.label(), "interrupted");
}

/// A panic that takes the runtime along finds refresh tasks asleep and at work, and ends all the same.
#[test]
fn a_runtime_that_goes_down_in_a_panic_goes_down() {
    let down = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let world = World::on(runtime.handle(), Reply::Token(3600), 0.0);
        let (asleep, at_work) = (world.handle(), world.tokens.handle(world.source("other")));
        runtime.block_on(async {
            asleep.get(soon()).await.unwrap();
            world.issuer.always(Reply::Hang);
            at_work.warm();
            while world.issuer.count() < 2 {
                tokio::task::yield_now().await;
            }
        });
        let _held = (asleep, at_work);
        // Dropped before the handles, as a variable bound later.
        let _runtime = runtime;
        std::panic::panic_any("on purpose");
    });
    assert_eq!(down.join().unwrap_err().downcast_ref::<&str>(), Some(&"on purpose"));
}

#[tokio::test(start_paused = true)]
async fn a_bug_in_a_grant_is_one_failure_and_the_renewals_go_on() {
    let world = World::new(Reply::Token(3600));
    world.issuer.once(Reply::Panic);
    let handle = world.handle();
    handle.warm();
    let error = handle.get(soon()).await.expect_err("no token");
    assert_eq!(error.label(), "interrupted");
    pass(SECOND).await;
    assert_eq!(at_once(&handle).await, "token-2");
}

#[tokio::test(start_paused = true)]
async fn one_handle_after_another_is_the_same_slot_while_one_lives() {
    let world = World::new(Reply::Token(3600));
    let first = world.handle();
    first.get(soon()).await.unwrap();
    let second = world.handle();
    drop(first);
    assert_eq!(at_once(&second).await, "token-1", "a reload keeps the token");
    drop(second);
    assert_eq!(world.tokens.status().len(), 0);
    assert_eq!(value(&world.handle().get(soon()).await.unwrap()), "token-2", "and nobody else does");
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_is_gone_is_no_longer_renewed() {
    let world = World::new(Reply::Token(100));
    let handle = world.handle();
    handle.warm();
    pass(SECOND).await;
    drop(handle);
    pass(10 * MINUTE).await;
    assert_eq!(world.issuer.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_does_not_wait_for_its_tenants_turn_at_start() {
    let world = World::with_chance(Reply::Token(3600), 0.9);
    let handles: Vec<_> = (0..1000).map(|n| world.tokens.handle(world.source(&format!("t{n}")))).collect();
    handles.iter().for_each(TokenHandle::warm);
    tokio::task::yield_now().await;
    let before = Instant::now();
    handles[500].get(soon()).await.expect("a token");
    assert_eq!((before.elapsed(), world.issuer.count()), (Duration::ZERO, 1));
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_tenants_do_not_start_at_once() {
    let world = World::with_chance(Reply::Slow(SECOND, Box::new(Reply::Token(36_000))), 0.5);
    let handles: Vec<_> = (0..10_000).map(|n| world.tokens.handle(world.source(&format!("t{n}")))).collect();
    handles.iter().for_each(TokenHandle::warm);
    pass(SECOND / 100).await;
    assert_eq!(world.issuer.count(), 0, "spread");
    pass(10 * SECOND).await;
    assert!(world.issuer.count() <= 16 * 11, "{} grants at one time", world.issuer.count());

    // A request does not queue behind them.
    let before = Instant::now();
    handles[9_999].get(soon()).await.expect("a token");
    assert!(before.elapsed() <= 2 * SECOND, "{:?}", before.elapsed());
    pass(700 * SECOND).await;
    assert_eq!(world.issuer.count(), 10_000, "each got its own, once");
}
