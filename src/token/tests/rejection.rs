//! The upstream says 401.

use super::*;

#[tokio::test(start_paused = true)]
async fn b06_a_hundred_rejections_of_one_token_cause_one_grant() {
    let world = World::new(Reply::Slow(SECOND, Box::new(Reply::Token(3600))));
    let handle = world.handle();
    let old = handle.get(soon()).await.unwrap();
    let mut verdicts: Vec<_> = (0..50).map(|_| handle.reject(old.generation())).collect();
    let callers: Vec<_> = (0..100)
        .map(|_| {
            let handle = handle.clone();
            tokio::spawn(async move { handle.get(soon()).await })
        })
        .collect();
    for caller in callers {
        assert_eq!(value(&caller.await.unwrap().unwrap()), "token-2");
    }
    // Late ones, of requests that were sent with the old token.
    verdicts.extend((0..50).map(|_| handle.reject(old.generation())));
    pass(MINUTE).await;
    assert_eq!(world.issuer.count(), 2);
    assert_eq!(verdicts.iter().filter(|v| **v == Rejection::Forgotten).count(), 1);
    assert_eq!(verdicts.iter().filter(|v| **v == Rejection::Superseded).count(), 99);
}

#[tokio::test(start_paused = true)]
async fn b06_a_permanent_401_costs_one_grant_in_each_interval() {
    let world = World::new(Reply::Token(3600));
    let handle = world.handle();
    for tenth in 0..600 {
        let token = handle.get(soon()).await.expect("within the floor the newer token stays");
        let verdict = handle.reject(token.generation());
        assert_eq!(verdict == Rejection::Forgotten, tenth % 100 == 0, "after {tenth} tenths of a second");
        pass(SECOND / 10).await;
    }
    assert_eq!(world.issuer.count(), 1 + 6, "the first, and one for every ten seconds of a minute");
}

#[tokio::test(start_paused = true)]
async fn b06_the_replacement_is_on_its_way_before_anybody_asks() {
    let world = World::new(Reply::Token(3600));
    let handle = world.handle();
    let token = handle.get(soon()).await.unwrap();
    assert_eq!(handle.reject(token.generation()), Rejection::Forgotten);
    assert!(handle.current().is_none(), "a rejected token is not handed out");
    pass(SECOND).await;
    assert_eq!(at_once(&handle).await, "token-2");
}

#[tokio::test(start_paused = true)]
async fn b06_what_was_asked_for_before_the_rejection_is_not_used_after_it() {
    let world = World::new(Reply::Slow(SECOND, Box::new(Reply::Token(100))));
    let handle = world.handle();
    handle.warm();
    let first = handle.get(soon()).await.unwrap();
    while world.issuer.count() < 2 {
        pass(SECOND / 10).await;
    }
    assert_eq!(handle.reject(first.generation()), Rejection::Forgotten, "while its renewal is under way");
    assert_eq!(value(&handle.get(soon()).await.unwrap()), "token-3");
    pass(MINUTE).await;
    assert_eq!(world.issuer.count(), 3);
}

#[tokio::test(start_paused = true)]
async fn b25_the_one_before_is_known_until_it_expires() {
    let world = World::new(Reply::Token(3600));
    let handle = world.handle();
    let first = handle.get(soon()).await.unwrap();
    let other = |generation| handle.other(generation).map(|token| value(&token).to_owned());
    assert_eq!(other(first.generation()), None);
    handle.reject(first.generation());
    assert_eq!((other(first.generation()), other(2)), (None, Some("token-1".into())), "none has come yet");
    let second = handle.get(soon()).await.unwrap();
    assert_eq!(other(second.generation()), Some("token-1".into()));
    assert_eq!(other(first.generation()), Some("token-2".into()), "for an answer that is late");
    pass(60 * MINUTE).await;
    let third = handle.get(soon()).await.unwrap();
    assert_eq!((third.generation(), other(third.generation())), (3, None), "the second has expired");
}

#[tokio::test(start_paused = true)]
async fn b06_a_rejection_does_not_break_into_a_cool_down() {
    let world = World::new(Reply::RetryAfter(429, "30".into()));
    world.issuer.once(Reply::Token(100));
    let handle = world.handle();
    handle.warm();
    pass(81 * SECOND).await;
    assert_eq!(world.issuer.count(), 2, "the renewal was refused");
    let token = handle.current().unwrap();
    handle.reject(token.generation());
    assert_eq!(refused_at_once(&handle).await.label(), "rate_limited");
    pass(SECOND).await;
    assert_eq!(world.issuer.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn b06_an_unknown_generation_means_nothing() {
    let world = World::new(Reply::Token(3600));
    let handle = world.handle();
    assert_eq!(handle.reject(0), Rejection::Superseded);
    handle.get(soon()).await.unwrap();
    for generation in [0, 2, u64::MAX] {
        assert_eq!(handle.reject(generation), Rejection::Superseded);
    }
    assert_eq!(at_once(&handle).await, "token-1");
}
