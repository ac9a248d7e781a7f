//! A Redis that answers and refuses: users without a permission, replicas, one that is full.

use std::time::Duration;

use claviger::{
    config::RedisOptions,
    redis::{Redis, RedisStatus, Script},
    secret::{Bearer, Secret},
    vault::{InRedis, Store as _},
};
use tokio::time::Instant;

use super::{key, record};
use crate::support::{Logto, Proxy, RedisServer, claviger, quoted, wait};

/// One that may do next to nothing.
const BARE: [&str; 8] =
    ["--user", "bare", "on", ">hunter2", "~{claviger}:*", "resetchannels", "+hello", "+get"];
const ALL: [&str; 8] = ["--user", "app", "on", ">hunter2", "~{claviger}:*", "resetchannels", "+@all", "-acl"];

/// A server with a user that may do this.
async fn with_user(name: &str, more: &[&str]) -> Option<(RedisServer, RedisOptions)> {
    let server = RedisServer::start_with(name, &[&ALL[..], more].concat()).await?;
    let options = RedisOptions {
        username: Some("app".into()),
        password: Some(Bearer::Held(Secret::new("hunter2".into()))),
        ..server.options()
    };
    Some((server, options))
}

async fn connections(server: &RedisServer) -> usize {
    let stats = server.told(&["INFO", "stats"]).await;
    let count = stats.lines().find_map(|line| line.strip_prefix("total_connections_received:"));
    count.and_then(|count| count.trim().parse().ok()).expect("a number")
}

#[tokio::test]
async fn a_user_without_the_channel_lacks_a_permission_and_comes_back_with_pauses() {
    let name = "a_user_without_the_channel_lacks_a_permission_and_comes_back_with_pauses";
    let Some((server, options)) = with_user(name, &[]).await else { return };
    let redis = Redis::new(&options).expect("there is no TLS");
    redis.connected(Duration::from_secs(10)).await.expect("it may connect");
    let _messages = redis.messages("{claviger}:vault");
    let before = connections(&server).await;
    wait::pass(Duration::from_secs(4)).await;
    let tries = connections(&server).await - before;
    assert!((2..9).contains(&tries), "{tries} connections in 4 s");
    let why = redis.connected(Duration::ZERO).await.expect_err("it may not subscribe");
    assert!(why.to_string().starts_with("the user of `redis.username` lacks a permission: "), "{why}");
    assert!(why.to_string().contains("channel"), "{why}");
    assert!(why.remedy().contains("ACL SETUSER") && why.remedy().contains("docs/tenants.md"), "{why}");
}

#[tokio::test]
async fn what_redis_refuses_is_said_in_its_operators_terms() {
    let name = "what_redis_refuses_is_said_in_its_operators_terms";
    let Some((server, options)) = with_user(name, &["&*", "-hset"]).await else { return };
    let connect = |options: &RedisOptions| Redis::new(options).expect("there is no TLS");
    let why = InRedis::open(connect(&options), key("k")).await.expect_err("it may not HSET");
    let says = "the user of `redis.username` lacks a permission: ";
    assert!(why.to_string().contains(says) && !why.to_string().contains("script:"), "{why}");
    assert!(why.remedy().contains("ACL SETUSER"), "{}", why.remedy());

    let others = RedisOptions { prefix: "other".into(), ..options.clone() };
    let redis = connect(&others);
    let why = redis.connected(Duration::from_secs(1)).await.expect_err("these are not its keys");
    assert!(why.to_string().contains(says) && why.to_string().contains("{other}:"), "{why}");

    let store = InRedis::open(server.connect(), key("k")).await.expect("it can be opened");
    server.told(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let why = store.create(record("acme", "s")).await.expect_err("it is full");
    assert!(
        why.to_string().contains("Redis is full (maxmemory)") && !why.to_string().contains("script"),
        "{why}"
    );
    assert!(why.remedy().contains("more memory"), "{}", why.remedy());
}

#[tokio::test]
async fn check_online_says_what_a_redis_does_not_allow() {
    let name = "check_online_says_what_a_redis_does_not_allow";
    let port = RedisServer::free_port().to_string();
    let arguments =
        [&["--port", &*port, "--bind", "127.0.0.1"][..], &ALL, &["-pexpire", "-subscribe"], &BARE].concat();
    let Some(master) = RedisServer::start_with(name, &arguments).await else { return };
    let follows = ["--replicaof", "127.0.0.1", &*port];
    let Some(replica) = RedisServer::start_with(name, &follows).await else { return };
    let logto = Logto::start().await;
    let there = Proxy::builder()
        .tenant("acme", &logto)
        .set("redis.url", quoted(master.url()))
        .set("redis.timeout", "'5s'")
        .set("vault.store", "{ redis = true }")
        .set("vault.key", quoted("0123456789abcdef0123456789abcdef"))
        .start()
        .await;
    let text = std::fs::read_to_string(there.file()).expect("it is there");
    let directory = tempfile::tempdir().expect("there is a temporary directory");
    let check = async |text: String| {
        let file = directory.path().join("c.toml");
        std::fs::write(&file, text).expect("it can be written to");
        claviger(&["check", "--online", "--config", &file.display().to_string()]).await
    };
    let told = check(text.replace(&master.url(), &replica.url())).await;
    let says = format!("is a read-only replica of 127.0.0.1:{port}");
    assert!(told.assert_code(1).stderr.contains(&says), "{told:?}");
    assert!(told.stderr.contains("redis.master"), "{told:?}");
    let of_user = |name: &str| {
        text.replace(
            "redis.url",
            &format!("redis.username = '{name}'\nredis.password = 'hunter2'\nredis.url"),
        )
    };
    // All of it at once, and not where to read it: it is here.
    let told = check(of_user("bare")).await;
    let lacks = "redis: the user of `redis.username` lacks a permission: eval, evalsha, exists, hdel, hexists, hget, hincrby, hlen, hmget, hscan, hset, hsetnx, pexpire, ping, publish, subscribe on the channels of its prefix (&{claviger}:*), time, type, zadd, zcard, zcount, zincrby, zrange, zrangebylex, zrangebyscore, zrem, zremrangebyscore. Give the user what docs/tenants.md lists, with ACL SETUSER.\n";
    assert!(told.assert_code(1).stderr.contains(lacks), "{told:?}");
    let told = check(of_user("app")).await;
    let told = told.assert_code(1);
    assert!(told.stderr.contains("redis: the user of `redis.username` lacks a permission: "), "{told:?}");
    for command in ["pexpire", "subscribe"] {
        assert!(told.stderr.to_lowercase().contains(command), "{command}: {told:?}");
    }
    for (rights, lacks) in [
        (&["+@all", "-acl"][..], "the channels of its prefix (&{claviger}:*). Give"),
        (&["&*", "resetkeys"][..], "the keys of its prefix (~{claviger}:*). Give"),
        (&["~*", "-publish"][..], "publish. Give"),
    ] {
        master.told(&[&["ACL", "SETUSER", "app"][..], rights].concat()).await;
        let told = check(of_user("app")).await;
        let says = format!("redis: the user of `redis.username` lacks a permission: {lacks}");
        assert!(told.assert_code(1).stderr.contains(&says), "{told:?}");
    }
    master.told(&["CONFIG", "SET", "maxmemory", "1mb"]).await;
    let full = check(text.clone()).await;
    let says = "redis: Redis is full (maxmemory). Give it more memory";
    assert!(full.assert_code(1).stderr.contains(says), "{full:?}");
    master.told(&["CONFIG", "SET", "maxmemory", "0"]).await;
    let began = Instant::now();
    check(text).await.assert_code(0);
    assert_eq!(master.told(&["EXISTS", "{claviger}:check"]).await, "0");
    assert!(began.elapsed() < Duration::from_secs(8));
}

/// As after a failover that Claviger knows nothing of.
#[tokio::test]
async fn a_server_that_becomes_a_replica_is_said_to_be_one() {
    let name = "a_server_that_becomes_a_replica_is_said_to_be_one";
    let Some(server) = RedisServer::start(name).await else { return };
    let port = RedisServer::free_port().to_string();
    let store = InRedis::open(server.connect(), key("k")).await.expect("it can be opened");
    let redis = server.connect();
    redis.connected(Duration::from_secs(10)).await.expect("it is there");
    server.told(&["REPLICAOF", "127.0.0.1", &port]).await;
    let script = Script::new("return redis.call('SET', KEYS[1], '1')");
    let why = redis.run::<()>(&script, &["{claviger}:x"], &[""]).await.expect_err("it takes no writes");
    let says = "Redis cannot be reached: it has become a read-only replica: ";
    assert!(why.to_string().starts_with(says) && !why.to_string().contains("script"), "{why}");
    let mut status = redis.status();
    let away = status.wait_for(|status| *status != RedisStatus::Connected).await.expect("it is watched");
    let RedisStatus::Away(why) = &*away else { panic!("{away:?}") };
    assert!(why.to_string().contains("read-only replica"), "{why}");
    let why = store.create(record("acme", "s")).await.expect_err("it takes no writes");
    assert!(why.to_string().contains("read-only replica"), "{why}");
    assert!(!why.remedy().contains("allow"), "{}", why.remedy());
}
