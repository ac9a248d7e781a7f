//! Replicas over one real `redis-server`.

mod model;

use std::process::Stdio;

use http::StatusCode;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use super::{super::Begun, *};
use crate::{
    config::{RedisAddress, RedisOptions},
    redis::RedisStatus,
};

const MINUTE: Duration = Duration::from_mins(1);

/// On a socket of its own; it ends with its test.
struct Server {
    directory: tempfile::TempDir,
    child: Option<Child>,
}

impl Server {
    /// `None` where the program is not installed.
    async fn start() -> Option<Self> {
        let mut server = Self { directory: tempfile::tempdir().unwrap(), child: None };
        server.run().then_some(())?;
        server.redis().connected(Duration::from_secs(20)).await.unwrap();
        Some(server)
    }

    /// With nothing in it.
    fn run(&mut self) -> bool {
        let mut command = Command::new("redis-server");
        command.args(["--port", "0", "--save", "", "--unixsocket"]).arg(self.socket());
        self.child = command.stdout(Stdio::null()).kill_on_drop(true).spawn().ok();
        self.child.is_some()
    }

    async fn kill(&mut self) {
        self.child.take().unwrap().kill().await.unwrap();
        std::fs::remove_file(self.socket()).unwrap();
    }

    /// Stops it in its tracks, or lets it go on.
    fn hang(&self, hangs: bool) {
        let id = self.child.as_ref().and_then(Child::id).and_then(|id| i32::try_from(id).ok());
        let pid = id.and_then(Pid::from_raw).expect("it runs");
        kill_process(pid, if hangs { Signal::STOP } else { Signal::CONT }).unwrap();
    }

    fn socket(&self) -> std::path::PathBuf {
        self.directory.path().join("redis.sock")
    }

    fn redis(&self) -> Redis {
        let options = RedisOptions {
            timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(20),
            ..RedisOptions::at(vec![RedisAddress::Unix(self.socket())])
        };
        Redis::new(&options).expect("there is no TLS")
    }

    /// One more replica, with this key.
    fn replica(&self, key: Option<&str>) -> SharedKeys {
        SharedKeys::new(self.redis(), key.map(|key| Secret::new(key.into())).as_ref())
    }

    async fn ask<T: ::redis::FromRedisValue>(&self, words: &str) -> T {
        let mut words = words.split(' ');
        let mut command = ::redis::cmd(words.next().unwrap());
        words.for_each(|word| _ = command.arg(word));
        let redis = self.redis();
        redis.connected(Duration::from_secs(20)).await.unwrap();
        redis.ask(&command).await.unwrap()
    }
}

async fn claim(keys: &SharedKeys, key: u8, content: u8) -> Result<Claim, IdempotencyError> {
    claim_for(Purpose::Send, keys, key, content).await
}

async fn claim_for(
    purpose: Purpose,
    keys: &SharedKeys,
    key: u8,
    content: u8,
) -> Result<Claim, IdempotencyError> {
    let digests = Digests { scope: [key; 32], content: [content; 32] };
    let (caller, now) = (CallerName::parse("a").unwrap(), Instant::now());
    keys.claim(&caller, digests, now, now + MINUTE, &Limits::default(), purpose).await
}

async fn first(keys: &SharedKeys, key: u8) -> Ticket {
    match claim(keys, key, 0).await {
        Ok(Claim::First(ticket)) => ticket,
        other => panic!("key {key} is not the first: {other:?}"),
    }
}

async fn settled(keys: &SharedKeys, key: u8, outcome: Outcome) {
    keys.settle(first(keys, key).await, outcome).receiver().unwrap().await.unwrap_err();
}

fn answer() -> Outcome {
    Outcome::Answered(KeptAnswer::of(StatusCode::CREATED, 100))
}

/// What a repeat is told.
async fn told(keys: &SharedKeys, key: u8) -> String {
    match claim(keys, key, 0).await {
        Ok(Claim::First(_)) => "first".into(),
        Ok(Claim::Answered(answer)) => format!("replayed {}", answer.status().as_u16()),
        Err(IdempotencyError::NotKept { status, why }) => format!("not_kept {} {why:?}", status.as_u16()),
        Err(error) => error.label().into(),
    }
}

#[tokio::test]
async fn b60_what_became_of_a_request_is_told_at_each_replica() {
    let Some(server) = Server::start().await else { return };
    let (one, other) = (server.replica(Some("k")), server.replica(Some("k")));
    let ticket = first(&one, 1).await;
    assert_eq!([told(&one, 1).await, told(&other, 1).await], ["in_progress", "in_progress"]);
    assert!(matches!(claim(&other, 1, 9).await, Err(IdempotencyError::Reused)));
    assert!(other.settle(ticket, Outcome::NotSent).receiver().is_none(), "it is no claim of its own");
    Begun::new(Arc::new(one.clone()), ticket).settle(answer()).await;
    assert_eq!([told(&one, 1).await, told(&other, 1).await], ["replayed 201", "replayed 201"]);
    assert!(matches!(claim(&other, 1, 9).await, Err(IdempotencyError::Reused)));
    settled(&one, 2, Outcome::Unknown).await;
    settled(&one, 3, Outcome::NotKept(StatusCode::CREATED, NotKept::InClear)).await;
    settled(&one, 4, Outcome::NotSent).await;
    let all = [told(&other, 2).await, told(&other, 3).await, told(&other, 4).await];
    assert_eq!(all, ["unknown", "not_kept 201 InClear", "first"]);
    // Whoever only asks claims nothing.
    let ask = async |key, content| claim_for(Purpose::Ask, &other, key, content).await;
    let records: u64 = server.ask("HLEN {claviger}:idempotency:records").await;
    assert!(matches!(ask(7, 0).await, Err(IdempotencyError::NotKnown)));
    assert!(matches!(ask(1, 9).await, Err(IdempotencyError::Reused)));
    assert!(matches!(ask(1, 0).await, Ok(Claim::Answered(_))));
    assert_eq!(server.ask::<u64>("HLEN {claviger}:idempotency:records").await, records);
    // A caller that leaves while the key is claimed has sent nothing.
    server.hang(true);
    tokio::select! {
        said = claim(&one, 5, 0) => panic!("by a server that hangs: {said:?}"),
        () = async { for _ in 0..1000 { tokio::task::yield_now().await } } => {}
    }
    server.hang(false);
    one.flush(MINUTE).await;
    assert_eq!(told(&other, 5).await, "first");
    let mut begun = Begun::new(Arc::new(one.clone()), first(&one, 6).await);
    begun.is_sent();
    drop(begun);
    one.flush(MINUTE).await;
    assert_eq!(told(&other, 6).await, "unknown");
}

#[tokio::test]
async fn b60_what_rests_in_redis_is_sealed_for_its_request_and_nothing_else_is_given_out() {
    let Some(server) = Server::start().await else { return };
    let keys = server.replica(Some("k"));
    for key in [1, 2, 3] {
        settled(&keys, key, answer()).await;
    }
    let answers: Vec<Vec<u8>> = server.ask("HVALS {claviger}:idempotency:answers").await;
    assert_eq!(answers.len(), 3);
    assert!(answers.iter().all(|sealed| sealed.len() > 100 && !sealed.windows(8).any(|it| it == [b'x'; 8])));
    // Of another key nothing can be said but that there was an answer, with none at all as well.
    for other in [Some("l"), None] {
        let other = server.replica(other);
        assert_eq!(told(&other, 1).await, "not_kept 201 NotOpened");
        assert!(matches!(claim(&other, 1, 9).await, Err(IdempotencyError::NotKept { .. })));
    }
    let redis = server.redis();
    redis.connected(MINUTE).await.unwrap();
    let [one, two, three] = [1, 2, 3].map(|key| hex(&digest(&[b"name", &[key; 32]])[..16]));
    let put = async |hash: &str, field: &str, value: &[u8]| {
        let mut ask = ::redis::cmd("HSET");
        ask.arg(format!("{{claviger}}:idempotency:{hash}")).arg(field).arg(value);
        redis.ask::<u64>(&ask).await.unwrap();
    };
    let sealed = server.ask::<Vec<u8>>(&format!("HGET {{claviger}}:idempotency:answers {two}")).await;
    put("answers", &one, &sealed).await;
    assert_eq!(told(&keys, 1).await, "not_kept 201 NotOpened", "another request's answer");
    put("answers", &two, &sealed[..sealed.len() - 1]).await;
    assert_eq!(told(&keys, 2).await, "not_kept 201 NotOpened");
    let line: String = server.ask(&format!("HGET {{claviger}}:idempotency:records {three}")).await;
    put("records", &three, line.replace(" 201 ", " 200 ").as_bytes()).await;
    assert_eq!(told(&keys, 3).await, "not_kept 200 NotOpened", "another status");
    put("records", &three, line.replace(" 201 ", " 999999 ").as_bytes()).await;
    assert_eq!(told(&keys, 3).await, "unknown");
    for garbage in ["", "x", &line[1..], line.rsplit_once(' ').unwrap().0, &line.replace(" A ", " Z ")] {
        put("records", &three, garbage.as_bytes()).await;
        assert_eq!(told(&keys, 3).await, "unknown", "{garbage:?}");
    }
    server.ask::<u64>(&format!("HDEL {{claviger}}:idempotency:answers {two}")).await;
    assert_eq!(told(&keys, 2).await, "not_kept 201 NotOpened");
    // With nothing to seal them with, the status is kept.
    let bare = server.replica(None);
    settled(&bare, 4, answer()).await;
    assert_eq!(told(&bare, 4).await, "not_kept 201 NoKey");
    assert!(matches!(claim(&bare, 4, 9).await, Err(IdempotencyError::Reused)));
}

#[tokio::test]
async fn b60_without_its_redis_nothing_is_the_first_and_what_was_is_told_when_it_is_back() {
    let Some(mut server) = Server::start().await else { return };
    let keys = server.replica(Some("k"));
    let tickets = [first(&keys, 1).await, first(&keys, 2).await, first(&keys, 3).await];
    server.kill().await;
    let mut status = keys.0.redis.status();
    status.wait_for(|status| *status != RedisStatus::Connected).await.unwrap();
    assert_eq!(told(&keys, 4).await, "unavailable");
    assert!(keys.why_away().is_some());
    let [one, two, three] = tickets;
    let began = Instant::now();
    for (ticket, outcome) in [(one, answer()), (two, Outcome::Unknown), (three, Outcome::NotSent)] {
        let _ = keys.settle(ticket, outcome);
    }
    assert!(began.elapsed() < Duration::from_secs(1), "nobody waits");
    assert_eq!(*keys.0.untold.borrow(), 3);
    // It comes back with nothing in it: what is known of them is said anew.
    assert!(server.run());
    keys.flush(MINUTE).await;
    assert!(keys.why_away().is_none(), "it is back, whether anybody sends a key or not");
    let all = [told(&keys, 1).await, told(&keys, 2).await, told(&keys, 3).await, told(&keys, 4).await];
    assert_eq!(all, ["replayed 201", "unknown", "first", "first"]);
    assert!(keys.why_away().is_none());
    assert_eq!(keys.0.untold_bytes.load(Relaxed), 0);
}

/// What is wrong is told for as long as it is, whether anybody sends a key or not.
#[tokio::test]
async fn a_redis_that_has_room_again_is_known_to_have_it_before_the_next_key() {
    let Some(server) = Server::start().await else { return };
    let keys = server.replica(Some("k"));
    settled(&keys, 1, answer()).await;
    server.ask::<()>("CONFIG SET maxmemory 1").await;
    assert_eq!(told(&keys, 2).await, "unavailable");
    assert_eq!(keys.why_away(), Some(RedisError::Full));
    server.ask::<()>("CONFIG SET maxmemory 0").await;
    let back = async {
        while keys.why_away().is_some() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(MINUTE, back).await.expect("it is asked again");
    let over = async {
        while keys.0.asks_again.load(Relaxed) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(MINUTE, over).await.expect("it is not asked for ever");
    // Nothing of it stays.
    assert_eq!(server.ask::<usize>("HLEN {claviger}:idempotency:records").await, 1);
    assert_eq!(told(&keys, 1).await, "replayed 201");
}

#[tokio::test(start_paused = true)]
async fn b60_what_cannot_be_told_is_given_up_when_its_time_is_over_and_never_too_much_waits() {
    let options = RedisOptions {
        timeout: Duration::from_secs(2),
        ..RedisOptions::at(vec![RedisAddress::Unix("/nobody/is/there".into())])
    };
    let keys = SharedKeys::new(Redis::new(&options).unwrap(), Some(&Secret::new(b"k".to_vec())));
    let limits = Limits { idempotency_memory: 250, ..Limits::default() };
    let (caller, digests, now) =
        (CallerName::parse("a").unwrap(), Digests { scope: [1; 32], content: [1; 32] }, Instant::now());
    let identity = keys.0.identity(digests);
    let claimed = keys.0.request(&caller, digests, &identity, &limits);
    let holding = Holding { claimed, identity, holds: now + MINUTE, ends: now + 2 * MINUTE, memory: 250 };
    for _ in 0..5000 {
        let _ = keys.tell(holding.clone(), answer());
    }
    assert_eq!(*keys.0.untold.borrow(), 4096);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(keys.0.untold_bytes.load(Relaxed), 200, "of the others the status waits");
    keys.flush(MINUTE + Duration::from_secs(10)).await;
    assert!(now.elapsed() >= MINUTE, "{:?}", now.elapsed());
    assert_eq!((*keys.0.untold.borrow(), keys.0.untold_bytes.load(Relaxed)), (0, 0));
}
