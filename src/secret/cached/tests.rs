//! The cache over a scripted origin, in paused time.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use super::*;

const TTL: Duration = Duration::from_mins(5);
const TIMEOUT: Duration = Duration::from_secs(10);

/// Gives what is scripted, a second after it was asked; then hangs.
#[derive(Debug, Default)]
struct Script {
    replies: Mutex<VecDeque<Result<&'static str, &'static str>>>,
    asked: Arc<AtomicUsize>,
}

impl Fetch for Script {
    fn fetch(&self) -> Fetching<'_> {
        self.asked.fetch_add(1, SeqCst);
        let reply = self.replies.lock().unwrap().pop_front();
        Box::pin(async move {
            let Some(reply) = reply else { std::future::pending().await };
            tokio::time::sleep(Duration::from_secs(1)).await;
            reply.map(secret).map_err(Unreadable::new)
        })
    }

    fn name(&self) -> String {
        "the script".into()
    }
}

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

fn cached(replies: &[Result<&'static str, &'static str>]) -> (Cached<Script>, Arc<AtomicUsize>) {
    let script = Script { replies: Mutex::new(replies.iter().copied().collect()), asked: Arc::default() };
    let asked = script.asked.clone();
    (Cached::new(script, TTL, TIMEOUT), asked)
}

fn reading(text: &str, age: Age) -> Result<Reading, Unreadable> {
    Ok(Reading { secret: secret(text), age })
}

fn stale(why: &str) -> Age {
    Age::Stale(Unreadable::new(why))
}

#[tokio::test(start_paused = true)]
async fn a_secret_is_fetched_again_when_its_time_is_over() {
    let (cached, asked) = cached(&[Ok("one"), Ok("two")]);
    assert_eq!(cached.last(), None);
    assert_eq!(cached.read().await, reading("one", Age::Fresh));
    tokio::time::advance(TTL - Duration::from_millis(1)).await;
    assert_eq!(cached.read().await, reading("one", Age::Cached));
    assert_eq!(asked.load(SeqCst), 1);
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(cached.last(), Some(secret("one")), "nobody has asked yet");
    assert_eq!(cached.read().await, reading("two", Age::Fresh));
    assert_eq!(asked.load(SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn all_who_ask_meanwhile_share_one_fetch_whatever_comes_of_it() {
    for (reply, shared) in
        [(Ok("one"), reading("one", Age::Fresh)), (Err("down"), Err(Unreadable::new("down")))]
    {
        let (cached, asked) = cached(&[reply, Ok("next")]);
        let all = futures_util::future::join_all((0..100).map(|_| cached.read())).await;
        assert!(all.iter().all(|one| *one == shared));
        assert_eq!(asked.load(SeqCst), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_in_the_middle_leaves_the_turn_to_the_next() {
    let (cached, asked) = cached(&[Ok("lost"), Ok("one")]);
    let (left, got) = tokio::join!(tokio::time::timeout(Duration::from_millis(500), cached.read()), async {
        cached.read().await
    });
    assert!(left.is_err());
    assert_eq!(got, reading("one", Age::Fresh));
    assert_eq!(asked.load(SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_failure_keeps_the_last_secret_in_use_and_is_tried_again_soon() {
    let (cached, asked) = cached(&[Ok("one"), Err("down"), Ok("two")]);
    cached.read().await.unwrap();
    tokio::time::advance(TTL).await;
    assert_eq!(cached.read().await, reading("one", stale("down")));
    assert_eq!(cached.read().await, reading("one", stale("down")), "nobody waits for it again");
    assert_eq!(asked.load(SeqCst), 2);
    tokio::time::advance(AGAIN).await;
    assert_eq!(cached.read().await, reading("two", Age::Fresh));
    assert_eq!(cached.read().await, reading("two", Age::Cached));
}

#[tokio::test(start_paused = true)]
async fn without_a_secret_each_reader_asks_again() {
    let (cached, _) = cached(&[Err("down"), Ok("one")]);
    assert_eq!(cached.read().await, Err(Unreadable::new("down")));
    assert_eq!(cached.read().await, reading("one", Age::Fresh));
}

#[tokio::test(start_paused = true)]
async fn what_was_refused_is_not_given_again() {
    let (cached, asked) = cached(&[Ok("one"), Ok("two"), Err("down"), Ok("three")]);
    cached.read().await.unwrap();
    cached.refused(&secret("one"));
    assert_eq!(cached.read().await, reading("two", Age::Fresh));
    // A verdict on an older one, that comes late.
    cached.refused(&secret("one"));
    assert_eq!(cached.read().await, reading("two", Age::Cached));
    assert_eq!(asked.load(SeqCst), 2);
    cached.refused(&secret("two"));
    assert_eq!(cached.read().await, Err(Unreadable::new("down")), "not even when nothing else is there");
    assert_eq!(cached.read().await, reading("three", Age::Fresh));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_the_timeout() {
    let (cached, _) = cached(&[Ok("one")]);
    let before = Instant::now();
    cached.read().await.unwrap();
    cached.refused(&secret("one"));
    let error = cached.read().await.unwrap_err();
    assert_eq!(error.to_string(), "the script did not answer within its timeout of 10s");
    assert_eq!(before.elapsed(), TIMEOUT + Duration::from_secs(1));
}
