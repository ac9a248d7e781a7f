//! Tokens that replicas share over one `redis-server`.

use std::{sync::Arc, time::Duration};

use claviger_emulator::Effect;
use tokio::{task::JoinSet, time::Instant};

use crate::{
    stampede::open_files,
    support::{
        Logto, Proxy, RedisServer, Request,
        command::{finish, program},
        quoted, wait,
    },
};

const SECOND: Duration = Duration::from_secs(1);
/// What is asked.
const ROLES: &str = "/api/roles?page=1&page_size=1";

async fn replica(logto: &Logto, server: &RedisServer) -> Arc<Proxy> {
    let builder = Proxy::builder()
        .tenant("acme", logto)
        .set("redis.url", quoted(server.url()))
        .set("redis.token_key", quoted("0123456789abcdef0123456789abcdef"))
        .set("tenants.acme.max_in_flight", 64)
        .set("limits.queue", 2000)
        .set("listen.max_connections", 2000)
        .set("limits.memory", "'1GiB'");
    Arc::new(builder.start().await)
}

async fn three(logto: &Logto, server: &RedisServer) -> Vec<Arc<Proxy>> {
    let (one, two, three) =
        tokio::join!(replica(logto, server), replica(logto, server), replica(logto, server));
    vec![one, two, three]
}

/// The keys are forgotten by which it knows its tokens.
fn no_longer_takes_any(logto: &Logto) {
    for _ in 0..2 {
        logto.rotate_keys().expect("a key can be made");
    }
}

/// So many at once at each.
async fn crowd(replicas: &[Arc<Proxy>], connections: usize, each: usize) {
    let mut callers = JoinSet::new();
    for replica in replicas {
        for _ in 0..connections {
            let mut client = replica.connect().await;
            callers.spawn(async move {
                let mut statuses = Vec::new();
                for _ in 0..each {
                    statuses.push(client.ask(&Request::get(ROLES)).await.status);
                }
                statuses
            });
        }
    }
    let statuses = callers.join_all().await.concat();
    assert_eq!(statuses.len(), replicas.len() * connections * each);
    assert!(statuses.iter().all(|status| *status == 200), "{:?}", statuses.iter().find(|s| **s != 200));
}

#[tokio::test]
async fn b59_three_thousand_first_requests_at_three_replicas_cost_one_grant() {
    let name = "b59_three_thousand_first_requests_at_three_replicas_cost_one_grant";
    let Some(server) = RedisServer::start(name).await else { return };
    let connections = 1000.min(usize::try_from(open_files() / 5).unwrap_or(1000));
    let logto = Logto::start().await;
    // Long enough for all of them to be waiting for it.
    logto.token_fault(Effect::latency(3 * SECOND));
    logto.api_fault(Effect::body(200, "application/json", "[]"));
    let replicas = three(&logto, &server).await;
    crowd(&replicas, connections, 1000 / connections).await;
    assert_eq!((logto.grants(), logto.token_requests()), (1, 1));
    let mut taken = 0.0;
    for replica in &replicas {
        taken += replica.metric("claviger_token_shared_total{tenant=\"acme\"}").await;
    }
    assert!((taken - 2.0).abs() < 0.1, "{taken}");
    // What rests in Redis tells nothing.
    let names = server.told(&["KEYS", "*:token:*"]).await;
    assert!(names.starts_with("{claviger}:token:") && names.lines().count() == 1, "{names}");
    let token = logto.tokens_seen().pop().expect("one was sent");
    let rests = server.told(&["GET", &names]).await;
    assert!(!rests.is_empty() && !rests.contains(&token[..20]) && !rests.contains("eyJ"));
    let left: i64 = server.told(&["PTTL", &names]).await.parse().expect("a number");
    assert!((1..=3_600_000).contains(&left), "{left}");
}

#[tokio::test]
async fn b59_a_token_that_logto_no_longer_takes_is_replaced_once_for_all_replicas() {
    let name = "b59_a_token_that_logto_no_longer_takes_is_replaced_once_for_all_replicas";
    let Some(server) = RedisServer::start(name).await else { return };
    let logto = Logto::start().await;
    let replicas = three(&logto, &server).await;
    crowd(&replicas, 5, 2).await;
    assert_eq!(logto.grants(), 1);
    no_longer_takes_any(&logto);
    crowd(&replicas, 20, 2).await;
    assert_eq!(logto.grants(), 2);
}

#[tokio::test]
async fn b59_one_replica_renews_and_the_others_take_the_new_one() {
    let name = "b59_one_replica_renews_and_the_others_take_the_new_one";
    let Some(server) = RedisServer::start(name).await else { return };
    let logto = Logto::start().await;
    logto.set_token_ttl(5 * SECOND);
    let replicas = three(&logto, &server).await;
    let end = Instant::now() + 7 * SECOND;
    while Instant::now() < end {
        crowd(&replicas, 1, 5).await;
        wait::pass(SECOND / 20).await;
    }
    // Due after 70 to 80 % of five seconds; each for itself they would be six at least.
    assert!((2..=3).contains(&logto.grants()), "{}", logto.grants());
}

#[tokio::test]
async fn b59_without_its_redis_each_replica_gets_its_own_token() {
    let name = "b59_without_its_redis_each_replica_gets_its_own_token";
    let Some(mut server) = RedisServer::start(name).await else { return };
    server.kill().await;
    let logto = Logto::start().await;
    let replicas = three(&logto, &server).await;
    crowd(&replicas, 5, 2).await;
    assert_eq!(logto.grants(), 3);
    server.restart().await;
    server.hang(true);
    no_longer_takes_any(&logto);
    let asked = Instant::now();
    crowd(&replicas, 5, 2).await;
    assert!(asked.elapsed() < 3 * SECOND, "{:?}", asked.elapsed());
    server.hang(false);
}

#[tokio::test]
async fn b59_a_replica_that_died_while_it_got_a_token_is_waited_for_and_no_longer() {
    let name = "b59_a_replica_that_died_while_it_got_a_token_is_waited_for_and_no_longer";
    let Some(server) = RedisServer::start(name).await else { return };
    let logto = Logto::start().await;
    let replica = replica(&logto, &server).await;
    crowd(std::slice::from_ref(&replica), 1, 1).await;
    let lock = format!("{}:lock", server.told(&["KEYS", "*:token:*"]).await);
    // Keys take their time to be made: the lock comes after.
    no_longer_takes_any(&logto);
    assert_eq!(server.told(&["SET", &lock, "another", "PX", "1500"]).await, "OK");
    let asked = Instant::now();
    crowd(&[replica], 3, 1).await;
    let took = asked.elapsed();
    assert!((SECOND..5 * SECOND).contains(&took), "{took:?}");
    assert_eq!(logto.grants(), 2);
}

/// A rollout with a wrong secret must not go green by the token of a replica that it is to replace.
#[tokio::test]
async fn a_wrong_secret_is_found_by_strict_though_another_replica_shares_its_token() {
    let name = "a_wrong_secret_is_found_by_strict_though_another_replica_shares_its_token";
    let Some(server) = RedisServer::start(name).await else { return };
    let logto = Logto::start().await;
    let good = replica(&logto, &server).await;
    assert_eq!(good.get(ROLES).await.status, 200);
    let directory = tempfile::tempdir().expect("there is a temporary directory");
    let file = directory.path().join("claviger.toml");
    let text = std::fs::read_to_string(good.file()).expect("it is there");
    std::fs::write(&file, text.replace(logto.secret(), "not-the-secret")).expect("it can be written");
    let strict = finish(program().args(["serve", "--strict", "--config"]).arg(&file)).await;
    let said = format!("{}{}", strict.stdout, strict.stderr);
    assert!(strict.assert_code(1).code == Some(1) && said.contains("invalid_client"), "{said}");
}
