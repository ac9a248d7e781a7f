//! Requests with an `Idempotency-Key` at replicas that share one `redis-server`: whichever has it, one is sent.

use std::time::Duration;

use claviger_emulator::Effect;
use tokio::time::Instant;

use crate::{
    idempotency::{
        count, creation,
        cuts::{an_upstream_breaks_off, callers_leave},
        is_replayed, until_answered,
    },
    support::{Cutter, Logto, Proxy, RedisServer, Request, proxy::Builder, quoted, soon, wait, within},
};

const SECOND: Duration = Duration::from_secs(1);
const KEY: &str = "0123456789abcdef0123456789abcdef";

fn shared(builder: Builder, server: &RedisServer) -> Builder {
    builder.set("redis.url", quoted(server.url())).set("redis.token_key", quoted(KEY))
}

fn replica(logto: &Logto, server: &RedisServer) -> Builder {
    shared(Proxy::builder().tenant("acme", logto), server)
}

async fn two(logto: &Logto, server: &RedisServer) -> (Proxy, Proxy) {
    tokio::join!(replica(logto, server).start(), replica(logto, server).start())
}

#[tokio::test]
async fn b60_a_repeat_at_another_replica_gets_the_answer_and_redis_learns_nothing_of_it() {
    let name = "b60_a_repeat_at_another_replica_gets_the_answer_and_redis_learns_nothing_of_it";
    let Some(server) = RedisServer::start(name).await else { return };
    let logto = Logto::start().await;
    let (one, other) = two(&logto, &server).await;
    let request = creation("ada-lovelace", "\"key-of-ada\"");
    let first = one.ask(&request).await;
    assert_eq!((first.status, is_replayed(&first)), (200, false), "{}", first.text());
    for proxy in [&other, &one] {
        let again = proxy.ask(&request).await;
        assert!(is_replayed(&again) && again.status == 200, "{}", again.text());
        assert_eq!((&again.body, again.value("content-type")), (&first.body, first.value("content-type")));
    }
    other.ask(&creation("bob", "key-of-ada")).await.assert_problem(422, "idempotency_key_reused");
    assert_eq!(count(&one, "ada-lovelace").await, 1);
    // Neither what was asked nor what was answered, under which key or by whom.
    let written = server.written();
    let rests = |what: &[u8]| written.windows(what.len()).any(|part| part == what);
    let id = first.json()["id"].as_str().expect("it has an ID").to_owned();
    for what in ["ada-lovelace", "key-of-ada", "application/json", "/api/users", &id] {
        assert!(!rests(what.as_bytes()), "{what} rests in Redis");
    }
    assert!(rests(b"{claviger}:idempotency:records") && rests(b"{claviger}:idempotency:answers"));
    // A secret that a grant reveals does not rest there, however sealed: the status does.
    let left: i64 = server.told(&["PTTL", "{claviger}:idempotency:answers"]).await.parse().expect("a number");
    assert!((86_000_000..=86_400_000).contains(&left), "{left}");
    // What is changed there is not given out.
    server.told(&["DEL", "{claviger}:idempotency:answers"]).await;
    let again = other.ask(&request).await;
    again.assert_problem(409, "idempotency_not_kept");
    assert_eq!(again.json()["first_status"], 200);
    for name in server.told(&["HKEYS", "{claviger}:idempotency:records"]).await.lines() {
        server.told(&["HSET", "{claviger}:idempotency:records", name, "nonsense"]).await;
    }
    one.ask(&request).await.assert_problem(409, "idempotency_unknown");
    assert_eq!(count(&one, "ada-lovelace").await, 1);
}

#[tokio::test]
async fn b60_of_many_at_once_at_three_replicas_one_is_sent() {
    let name = "b60_of_many_at_once_at_three_replicas_one_is_sent";
    let Some(server) = RedisServer::start(name).await else { return };
    let logto = Logto::start().await;
    let (one, two) = two(&logto, &server).await;
    let three = replica(&logto, &server).start().await;
    let replicas = [&one, &two, &three];
    for round in 0..20 {
        logto.api_fault_times(1, Effect::latency(Duration::from_millis(100)));
        let name = format!("crowd-{round}");
        let request = creation(&name, &name);
        let asked = (0..12).map(|n| replicas[n % 3].ask(&request));
        let told = futures_util::future::join_all(asked).await;
        let sent = told.iter().filter(|answer| answer.status == 200 && !is_replayed(answer)).count();
        assert_eq!(sent, 1, "{round}");
        for answer in told.iter().filter(|answer| answer.status != 200) {
            answer.assert_problem(409, "idempotency_in_progress");
            assert_eq!(answer.retry_after(), Some(1));
        }
        for replica in replicas {
            assert!(is_replayed(&replica.ask(&request).await), "{round}");
        }
        assert_eq!(count(&one, &name).await, 1);
    }
}

#[tokio::test]
async fn b60_the_outcome_at_a_replica_that_died_is_unknown() {
    let name = "b60_the_outcome_at_a_replica_that_died_is_unknown";
    let Some(server) = RedisServer::start(name).await else { return };
    let logto = Logto::start().await;
    let mut one = replica(&logto, &server).set("timeouts.deadline", "'1s'").start().await;
    let other = replica(&logto, &server).start().await;
    logto.api_fault_times(1, Effect::BlackHole);
    let request = creation("ada", "k");
    let mut client = one.connect().await;
    client.write(&[request.head(), br#"{"name":"ada"}"#.to_vec()].concat()).await.expect("it is read");
    soon("it to be sent", || !logto.api_requests_seen().is_empty()).await;
    one.kill().await;
    other.ask(&request).await.assert_problem(409, "idempotency_in_progress");
    let began = Instant::now();
    let answer = until_answered(&other, &request).await;
    answer.assert_problem(409, "idempotency_unknown");
    assert!(began.elapsed() > 4 * SECOND, "as long as it could have been answered: {:?}", began.elapsed());
    // It stays so, and another key is another request.
    other.ask(&request).await.assert_problem(409, "idempotency_unknown");
    assert_eq!(other.ask(&creation("ada", "l")).await.status, 200);
}

#[tokio::test]
async fn b60_without_its_redis_no_request_with_a_key_is_sent_and_all_others_are() {
    let name = "b60_without_its_redis_no_request_with_a_key_is_sent_and_all_others_are";
    let Some(mut server) = RedisServer::start(name).await else { return };
    let logto = Logto::start().await;
    let builder = || replica(&logto, &server).set("redis.timeout", "'300ms'");
    let (one, other) = tokio::join!(builder().start(), builder().start());
    let request = creation("before", "before");
    assert_eq!(one.ask(&request).await.status, 200);
    // One that is under way when it goes.
    logto.clear_recorded();
    logto.api_fault_times(1, Effect::latency(SECOND));
    let meanwhile = creation("meanwhile", "meanwhile");
    let mut client = one.connect().await;
    client
        .write(&[meanwhile.head(), br#"{"name":"meanwhile"}"#.to_vec()].concat())
        .await
        .expect("it is read");
    soon("it to be sent", || !logto.api_requests_seen().is_empty()).await;
    server.kill().await;
    let refused = within("it to be noticed", async {
        loop {
            let answer = other.ask(&creation("ada", "k")).await;
            if answer.status == 503 {
                return answer;
            }
        }
    })
    .await;
    refused.assert_problem(503, "idempotency_unavailable");
    assert_eq!(refused.retry_after(), Some(5));
    assert!(refused.text().contains("send it again with the same key"), "{}", refused.text());
    other.ask(&request).await.assert_problem(503, "idempotency_unavailable");
    assert_eq!(other.ask(&Request::post("/api/users", r#"{"name":"free"}"#)).await.status, 200);
    assert_eq!(other.get("/api/users?page=1&page_size=1").await.status, 200);
    assert!(other.metric("claviger_idempotency_keys_total{outcome=\"unavailable\"}").await > 1.5);
    let problems = other.status().await["problems"].to_string();
    assert!(problems.contains("requests with an Idempotency-Key are refused"), "{problems}");
    let answer = client.read_answer("POST").await.expect("it is answered");
    assert_eq!(answer.status, 200, "it was under way: {}", answer.text());

    server.restart().await;
    let answer = within("it to be back", async {
        loop {
            let answer = other.ask(&request).await;
            if answer.status != 503 {
                return answer;
            }
        }
    })
    .await;
    assert!(is_replayed(&answer), "{}", answer.text());
    // It is told what became of that one, as soon as it is back.
    assert!(is_replayed(&until_answered(&other, &meanwhile).await));
    assert_eq!(other.ask(&creation("ada", "k")).await.status, 200);

    server.hang(true);
    let asked = Instant::now();
    other.ask(&creation("bob", "l")).await.assert_problem(503, "idempotency_unavailable");
    assert!(asked.elapsed() < 2 * SECOND, "{:?}", asked.elapsed());
    server.hang(false);
    // The claim that had no answer is given back.
    let answer = within("it to be free", async {
        loop {
            let answer = one.ask(&creation("bob", "l")).await;
            if answer.status == 200 {
                return answer;
            }
            wait::pass(SECOND / 50).await;
        }
    })
    .await;
    assert!(!is_replayed(&answer));
    for name in ["before", "meanwhile", "ada", "bob", "free"] {
        assert_eq!(count(&one, name).await, 1, "{name}");
    }
}

#[tokio::test]
async fn b60_a_replica_that_stops_has_told_what_became_of_its_requests() {
    let name = "b60_a_replica_that_stops_has_told_what_became_of_its_requests";
    let Some(server) = RedisServer::start(name).await else { return };
    let logto = Logto::start().await;
    let (one, other) = two(&logto, &server).await;
    logto.api_fault_times(1, Effect::latency(SECOND / 2));
    let request = creation("ada", "k");
    let mut client = one.connect().await;
    client.write(&[request.head(), br#"{"name":"ada"}"#.to_vec()].concat()).await.expect("it is read");
    soon("it to be sent", || !logto.api_requests_seen().is_empty()).await;
    let (status, answer) = tokio::join!(one.stop(), client.read_answer("POST"));
    assert!(status.success() && answer.expect("it is answered").status == 200);
    assert!(is_replayed(&other.ask(&request).await));
}

#[tokio::test]
async fn b60_keys_are_shared_wherever_there_is_a_redis_unless_it_is_said_otherwise() {
    let name = "b60_keys_are_shared_wherever_there_is_a_redis_unless_it_is_said_otherwise";
    let Some(server) = RedisServer::start(name).await else { return };
    let logto = Logto::start().await;
    let bare = || replica(&logto, &server).without("redis.token_key");
    let apart = || replica(&logto, &server).set("redis.share_idempotency", false);
    let (one, other) = tokio::join!(bare().start(), bare().start());
    let (lone, another) = tokio::join!(apart().start(), apart().start());
    // There is nothing to seal answers with, and one is sent all the same.
    let request = creation("bare", "k");
    assert_eq!(one.ask(&request).await.status, 200);
    for proxy in [&one, &other] {
        let again = proxy.ask(&request).await;
        again.assert_problem(409, "idempotency_not_kept");
        assert!(again.text().contains("redis.token_key"), "{}", again.text());
    }
    // Whoever only asks, of a key that nobody had, leaves no trace.
    let only = creation("asked", "asked").header("Claviger-Replay", "only");
    one.ask(&only).await.assert_problem(409, "idempotency_unknown");
    assert_eq!(other.ask(&creation("asked", "asked")).await.status, 200);
    // As does whatever Claviger itself refuses.
    assert_eq!((count(&one, "bare").await, count(&one, "asked").await), (1, 1));
    for proxy in [&lone, &another, &lone] {
        assert_eq!(proxy.ask(&creation("apart", "k")).await.status, 200);
    }
    assert_eq!(count(&lone, "apart").await, 2, "each for itself");
}

#[tokio::test]
async fn b60_a_redis_that_lost_its_data_has_forgotten_the_keys() {
    let name = "b60_a_redis_that_lost_its_data_has_forgotten_the_keys";
    let Some(server) = RedisServer::start(name).await else { return };
    let logto = Logto::start().await;
    let (one, other) = two(&logto, &server).await;
    assert_eq!(one.ask(&creation("ada", "k")).await.status, 200);
    logto.clear_recorded();
    logto.api_fault_times(1, Effect::latency(SECOND / 2));
    let meanwhile = creation("meanwhile", "meanwhile");
    let (answer, ()) = tokio::join!(one.ask(&meanwhile), async {
        soon("it to be sent", || !logto.api_requests_seen().is_empty()).await;
        server.told(&["FLUSHALL"]).await;
    });
    assert_eq!(answer.status, 200);
    // What was under way is known again; what was over is not.
    assert!(is_replayed(&other.ask(&meanwhile).await));
    let again = other.ask(&creation("ada", "k")).await;
    assert!(again.status == 200 && !is_replayed(&again), "{}", again.text());
}

#[tokio::test]
async fn b60_callers_that_leave_one_replica_at_any_byte_get_one_user_each_at_another() {
    let name = "b60_callers_that_leave_one_replica_at_any_byte_get_one_user_each_at_another";
    let Some(server) = RedisServer::start(name).await else { return };
    let logto = Logto::start().await;
    let (one, other) = two(&logto, &server).await;
    callers_leave([&one, &other]).await;
}

#[tokio::test]
async fn b60_an_upstream_that_breaks_off_at_any_byte_never_has_two_users_whichever_replica_is_asked() {
    let name = "b60_an_upstream_that_breaks_off_at_any_byte_never_has_two_users_whichever_replica_is_asked";
    let Some(server) = RedisServer::start(name).await else { return };
    let logto = Logto::start().await;
    let cutter = Cutter::to(&logto).await;
    let builder = || shared(cutter.builder(&logto), &server);
    let (one, other) = tokio::join!(builder().start(), builder().start());
    an_upstream_breaks_off(&logto, &cutter, [&one, &other]).await;
}
