//! A real `redis-server`.

use std::{sync::Arc, time::Duration};

use claviger::{
    config::{Class, Limits, Quota, RedisAddress, RedisOptions},
    idempotency::{self, Begun, Claim, Digests, NotKept, Outcome, SharedKeys},
    ids::CallerName,
    limit::{Limiters, Replicas},
    redis::Redis,
    secret::{Bearer, Secret},
    vault::{InRedis, Notice, Store as _, Vault, VaultError},
};

use tokio::time::Instant;

use super::{
    NONE, alias, are_one, creations::reserve_once, goes_over_when_all_are_there, has_one_winner, is_told,
    keeps_records, key, record, takes_another_key, tls::refused,
};
use crate::support::{RedisServer, canary::MARK, within};

const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no connection to a server that answers all it is sent with what `answer` makes of it.
async fn away_from(answer: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it is bound");
    let server = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut asked = [0; 4096];
            while let Ok(count @ 1..) = stream.read(&mut asked).await {
                if stream.write_all(&answer(&asked[..count])).await.is_err() {
                    break;
                }
            }
        }
    });
    let options = RedisOptions {
        password: Some(Bearer::Held(Secret::new(MARK.into()))),
        connect_timeout: Duration::from_secs(30),
        timeout: Duration::from_secs(30),
        ..RedisOptions::at(vec![RedisAddress::parse(&format!("redis://{address}")).expect("it is one")])
    };
    let why = refused(&options).await;
    server.abort();
    why
}

/// As Redis 5 does, which repeats the arguments of a command that it does not know.
#[tokio::test]
async fn a_server_that_repeats_the_command_does_not_bring_the_password_into_the_log() {
    let why = away_from(|asked| {
        let words = String::from_utf8_lossy(asked).replace("\r\n", " ");
        format!("-ERR unknown command `HELLO`, with args beginning with: {words}\r\n").repeat(4).into_bytes()
    })
    .await;
    assert!(!why.contains(MARK) && why.contains("Redis 6.2 or later"), "{why}");
    let why = away_from(|_| b"-WRONGPASS invalid username-password pair\r\n".repeat(4)).await;
    assert!(
        why.contains("it refuses user or password: compare `redis.password` and `redis.username`"),
        "{why}"
    );
    let why = away_from(|_| b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()).await;
    assert!(why.contains("does not speak Redis' protocol"), "{why}");
}

#[tokio::test]
async fn a_server_that_sends_without_end_is_left() {
    let why = away_from(|_| [b"$9999999999\r\n".to_vec(), vec![b'a'; 17 << 20]].concat()).await;
    assert!(why.contains("it sends more than 16 MiB"), "{why}");
}

async fn opened(server: &RedisServer) -> InRedis {
    InRedis::open(server.connect(), key("k")).await.expect("it can be opened")
}

#[tokio::test]
async fn records_are_kept_sealed_and_versions_are_compared() {
    let Some(server) = RedisServer::start("records_are_kept_sealed_and_versions_are_compared").await else {
        return;
    };
    let (one, other) = (opened(&server).await, opened(&server).await);
    keeps_records(&one, &other).await;
    has_one_winner(&one, &other).await;
    let redis = server.connect();
    redis.connected(PATIENCE).await.expect("it is there");
    let all: Vec<(String, Vec<u8>)> =
        redis.ask(&::redis::cmd("HGETALL").arg("{claviger}:vault").to_owned()).await.expect("it answers");
    let shows =
        |text: &str| all.iter().any(|(_, part)| memchr::memmem::find(part, text.as_bytes()).is_some());
    assert!(all.len() == 6 && !shows(MARK) && !shows("logto.app") && !shows("m2m"));
    let why = InRedis::open(server.connect(), key("x")).await.expect_err("it is another key");
    assert!(
        why.to_string().contains("vault.key is not the key that the vault in Redis is sealed with"),
        "{why}"
    );
    reserve_once([Vault::new(opened(&server).await), Vault::new(opened(&server).await)]).await;
    takes_another_key(&one, &other, 5).await;
    assert_eq!(
        InRedis::open(server.connect(), key("n")).await.expect("the new one").list().await.map(|it| it.len()),
        Ok(5)
    );
}

#[tokio::test]
async fn others_are_told_of_a_change_and_of_what_they_may_have_missed() {
    let Some(mut server) =
        RedisServer::start("others_are_told_of_a_change_and_of_what_they_may_have_missed").await
    else {
        return;
    };
    let (one, other) = (opened(&server).await, opened(&server).await);
    let mut notices = other.notices().expect("it is shared");
    is_told(&mut notices, Notice::Any).await;
    one.create(record("acme", "s")).await.expect("it is free");
    is_told(&mut notices, Notice::One(alias("acme"))).await;
    server.kill().await;
    let error = within("the loss to be seen", async {
        loop {
            if let Err(error) = one.create(record("beta", "s")).await {
                break error;
            }
        }
    })
    .await;
    assert!(error.to_string().starts_with("the vault is unavailable: "), "{error}");
    server.restart().await;
    is_told(&mut notices, Notice::Any).await;
    assert_eq!(other.list().await.expect("it is back").len(), 1, "what was answered has survived");
}

/// Nobody has removed the tenants of a Redis that has lost its data: they stay in force.
#[tokio::test]
async fn a_vault_that_is_gone_is_no_empty_one() {
    let Some(server) = RedisServer::start("a_vault_that_is_gone_is_no_empty_one").await else { return };
    let store = opened(&server).await;
    let known = store.create(record("acme", "s")).await.expect("it is free");
    let _: String = server.told(&["FLUSHALL"]).await;
    let gone =
        |error: VaultError| assert!(error.to_string().contains("the vault in Redis is gone"), "{error}");
    gone(store.list().await.expect_err("nobody knows"));
    gone(store.get(&alias("acme")).await.expect_err("nobody knows"));
    gone(store.create(record("beta", "s")).await.expect_err("there is no vault"));
    gone(store.replace(record("acme", "t"), known).await.expect_err("there is no vault"));
    gone(store.remove(&alias("acme"), known).await.expect_err("there is no vault"));
    gone(store.verify().await.expect_err("there is no vault"));
    assert_eq!(server.told(&["DBSIZE"]).await.trim(), "0", "nothing is made in its place");
    goes_over_when_all_are_there(&store, &opened(&server).await, known).await;
}

#[tokio::test]
async fn what_is_no_vault_and_what_is_damaged_is_said_and_left_alone() {
    let Some(server) =
        RedisServer::start("what_is_no_vault_and_what_is_damaged_is_said_and_left_alone").await
    else {
        return;
    };
    assert!(InRedis::open_existing(server.connect(), key("k")).await.expect("it answers").is_none());
    let redis = server.connect();
    redis.connected(PATIENCE).await.expect("it is there");
    let ask = async |words: &[&str]| {
        let mut command = ::redis::cmd(words[0]);
        words[1..].iter().for_each(|word| {
            command.arg(*word);
        });
        redis.ask::<::redis::Value>(&command).await.expect("it answers")
    };
    ask(&["SET", "{claviger}:vault", "something else"]).await;
    let why = InRedis::open(server.connect(), key("k")).await.expect_err("it is no vault");
    assert!(why.to_string().contains("is not a vault of Claviger"), "{why}");
    ask(&["DEL", "{claviger}:vault"]).await;
    let store = opened(&server).await;
    store.create(record("acme", "s")).await.expect("it is free");
    ask(&["HSET", "{claviger}:vault", "acme", "garbage"]).await;
    let why = store.list().await.expect_err("it is damaged");
    assert!(why.to_string().contains("the record of acme does not open"), "{why}");
    assert!(store.replace(record("acme", "t"), NONE).await.is_err());
    let ours = store.verify().await.expect_err("it is damaged");
    assert_eq!(ours, why);
}

/// Of requests with an `Idempotency-Key`, more than may be remembered.
async fn claims_keys(redis: Redis) {
    let keys = SharedKeys::new(redis, None);
    let (caller, at) = (CallerName::parse("a").expect("it is a name"), Instant::now());
    let limits = Limits { idempotency_keys: 2, ..Limits::default() };
    for round in 0..4 {
        let digests = Digests { scope: [round; 32], content: [1; 32] };
        let claimed = idempotency::Store::claim(
            &keys,
            &caller,
            digests,
            at,
            at + PATIENCE,
            &limits,
            idempotency::Purpose::Send,
        )
        .await;
        let Ok(Claim::First(ticket)) = claimed else { panic!("{claimed:?}") };
        let outcome = Outcome::NotKept(http::StatusCode::OK, NotKept::TooLarge);
        Begun::new(Arc::new(keys.clone()), ticket).settle(outcome).await;
    }
}

#[tokio::test]
async fn a_user_with_what_the_documentation_lists_can_do_all_and_no_more() {
    let page = include_str!("../../../docs/tenants.md");
    let rights =
        page.split("ACL SETUSER claviger on >PASSWORD").nth(1).and_then(|rest| rest.split("```").next());
    let rights: Vec<_> = rights.expect("it is listed").split_whitespace().collect();
    let arguments: Vec<_> = ["--user", "claviger", "on", ">hunter2"].into_iter().chain(rights).collect();
    let name = "a_user_with_what_the_documentation_lists_can_do_all_and_no_more";
    let Some(server) = RedisServer::start_with(name, &arguments).await else { return };
    let options = |password: &str| RedisOptions {
        username: Some("claviger".into()),
        password: Some(Bearer::Held(Secret::new(password.into()))),
        ..server.options()
    };
    let connect = |password| Redis::new(&options(password)).expect("there is no TLS");
    let opened = async || InRedis::open(connect("hunter2"), key("k")).await.expect("it can be opened");
    let (one, other) = (opened().await, opened().await);
    are_one(&one, &other).await;
    assert_eq!(one.concerns().await, Vec::<String>::new());
    takes_another_key(&one, &other, 3).await;
    let replicas = Replicas::new(connect("hunter2"), 1, None);
    let limiter = Limiters::shared(replicas.clone())
        .of_quota(&alias("acme"), Some(Quota::new(1000, Duration::from_secs(1), 1.0)));
    within("a lease", async {
        while replicas.status().leases[0] == 0 {
            let _taken = limiter.take(Instant::now(), Class::Normal).await;
            tokio::task::yield_now().await;
        }
    })
    .await;
    claims_keys(connect("hunter2")).await;
    let more = connect("hunter2");
    more.connected(PATIENCE).await.expect("it is there");
    for words in [&["SET", "t", "v", "NX", "PX", "99"][..], &["GET", "t"], &["PTTL", "t"], &["DEL", "t"]] {
        let mut ask = ::redis::cmd(words[0]);
        ask.arg("{claviger}:token:t").arg(&words[2..]);
        let _said: ::redis::Value = more.ask(&ask).await.expect("as tokens are shared");
    }
    let refused = more.ask::<::redis::Value>(&::redis::cmd("FLUSHALL")).await.expect_err("it may not");
    assert!(refused.to_string().starts_with("the user of `redis.username` lacks a permission"), "{refused}");
    let wrong = connect("hunter3").connected(Duration::from_secs(1)).await.expect_err("it is wrong");
    let wrong = wrong.to_string();
    assert!(wrong.contains("it refuses user or password") && !wrong.contains("hunter"), "{wrong}");
}

/// At this TCP port, beside its socket.
async fn at_port(name: &str, port: u16, more: &[&str]) -> Option<RedisServer> {
    let port = port.to_string();
    let arguments: Vec<_> =
        ["--port", &port, "--bind", "127.0.0.1"].into_iter().chain(more.iter().copied()).collect();
    RedisServer::start_with(name, &arguments).await
}

fn tcp(port: u16) -> RedisAddress {
    RedisAddress::parse(&format!("redis://127.0.0.1:{port}")).expect("it is one")
}

#[tokio::test]
async fn in_a_cluster_the_node_that_has_the_keys_is_found_and_followed() {
    let name = "in_a_cluster_the_node_that_has_the_keys_is_found_and_followed";
    let ports = [RedisServer::free_port(), RedisServer::free_port()];
    let cluster = ["--cluster-enabled", "yes"];
    let Some(one) = at_port(name, ports[0], &cluster).await else { return };
    let Some(other) = at_port(name, ports[1], &cluster).await else { return };
    // The slot of {claviger}.
    let slot: u16 = one.told(&["CLUSTER", "KEYSLOT", "{claviger}:vault"]).await.parse().expect("a number");
    let half = if slot < 8192 { ["8192", "16383", "0", "8191"] } else { ["0", "8191", "8192", "16383"] };
    one.told(&["CLUSTER", "ADDSLOTSRANGE", half[0], half[1]]).await;
    other.told(&["CLUSTER", "ADDSLOTSRANGE", half[2], half[3]]).await;
    one.told(&["CONFIG", "SET", "cluster-require-full-coverage", "no"]).await;
    one.told(&["CLUSTER", "MEET", "127.0.0.1", &ports[1].to_string()]).await;
    within("the nodes to know each other", async {
        for node in [&one, &other] {
            while !node.told(&["CLUSTER", "INFO"]).await.contains("cluster_slots_ok:16384") {
                tokio::task::yield_now().await;
            }
        }
    })
    .await;
    let options = RedisOptions { url: vec![tcp(ports[0])], ..one.options() };
    let redis = Redis::new(&options).expect("there is no TLS");
    let store = InRedis::open(redis.clone(), key("k")).await.expect("the other node has it");
    store.create(record("acme", "s")).await.expect("it is free");
    assert_eq!(other.told(&["HLEN", "{claviger}:vault"]).await, "3");
    claims_keys(redis).await;
    assert_eq!(other.told(&["HLEN", "{claviger}:idempotency:records"]).await, "2");
}

#[tokio::test]
async fn a_redis_where_a_sentinel_should_be_is_called_that() {
    let Some(server) = RedisServer::start("a_redis_where_a_sentinel_should_be_is_called_that").await else {
        return;
    };
    let why = refused(&RedisOptions { master: Some("main".into()), ..server.options() }).await;
    assert!(why.contains("it is no Sentinel"), "{why}");
}

#[tokio::test]
async fn sentinels_say_who_the_master_is_also_after_a_failover() {
    let name = "sentinels_say_who_the_master_is_also_after_a_failover";
    let [first, second, watch] = [(); 3].map(|()| RedisServer::free_port());
    let Some(mut one) = at_port(name, first, &[]).await else { return };
    let Some(other) = at_port(name, second, &["--replicaof", "127.0.0.1", &first.to_string()]).await else {
        return;
    };
    let directory = tempfile::tempdir().expect("there is a temporary directory");
    let file = directory.path().join("sentinel.conf");
    let text = format!(
        "port {watch}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 {first} 1\nsentinel down-after-milliseconds main 3000\n\
         sentinel failover-timeout main 2000\n"
    );
    std::fs::write(&file, text).expect("it can be written to");
    let mut sentinel = tokio::process::Command::new("redis-server");
    sentinel.arg(&file).arg("--sentinel").stdout(std::process::Stdio::null()).kill_on_drop(true);
    let _sentinel = sentinel.spawn().expect("it starts");
    within("the replica to follow", async {
        while !other.told(&["INFO", "replication"]).await.contains("master_link_status:up") {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let options = RedisOptions {
        url: vec![tcp(watch)],
        master: Some("main".into()),
        timeout: PATIENCE,
        ..one.options()
    };
    let store = within("a Sentinel to know the master", async {
        loop {
            let redis = Redis::new(&options).expect("there is no TLS");
            if let Ok(store) = InRedis::open(redis, key("k")).await {
                break store;
            }
        }
    })
    .await;
    store.create(record("acme", "s")).await.expect("it is free");
    // A Sentinel learns of replicas every ten seconds.
    within("the Sentinel to know the replica", async {
        let port = watch.to_string();
        let asked = ["-p", &port, "SENTINEL", "replicas", "main"];
        loop {
            let said =
                tokio::process::Command::new("redis-cli").args(asked).output().await.expect("it starts");
            if String::from_utf8_lossy(&said.stdout).contains(&second.to_string()) {
                break;
            }
        }
    })
    .await;
    // Replication is asynchronous.
    within("the replica to have it", async {
        while other.told(&["HLEN", "{claviger}:vault"]).await.trim() != "3" {
            tokio::task::yield_now().await;
        }
    })
    .await;
    one.kill().await;
    within("the other to be the master", async {
        // One whose answer was lost was carried out.
        while !matches!(store.create(record("beta", "s")).await, Ok(_) | Err(VaultError::AliasTaken { .. })) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(store.list().await.expect("it answers").len(), 2);
}

/// `cargo test --release --test it -- --ignored --nocapture ten_thousand_tenants`
#[tokio::test]
#[ignore = "for measurements"]
async fn ten_thousand_tenants_are_read_in_less_than_a_second() {
    let Some(server) = RedisServer::start("ten_thousand_tenants").await else { return };
    let store = opened(&server).await;
    let records =
        (0..10_000).map(|n| record(&format!("tenant-{n}"), "a-secret-of-thirty-two-characters")).collect();
    assert_eq!(store.import(records).await.expect("it answers").added.len(), 10_000);
    let began = tokio::time::Instant::now();
    let read = opened(&server).await.list().await.expect("it answers").len();
    let (took, checkup) = (began.elapsed(), store.verify().await.expect("it answers"));
    println!("{read} records, {} bytes, read in {took:?}", checkup.bytes);
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test]
async fn a_database_that_the_server_does_not_have_is_named() {
    let port = RedisServer::free_port();
    let name = "a_database_that_the_server_does_not_have_is_named";
    let Some(_server) = RedisServer::start_with(name, &["--port", &port.to_string()]).await else { return };
    let url = RedisAddress::parse(&format!("redis://127.0.0.1:{port}/99")).expect("it is one");
    let why = refused(&RedisOptions::at(vec![url])).await;
    assert!(why.contains("it has no database 99: leave /99 out of redis.url"), "{why}");
}
