//! A Redis that answers and refuses: users without a permission, replicas, one that is full.

use std::time::Duration;

use claviger::{
    config::RedisOptions,
    redis::Redis,
    secret::{Bearer, Secret},
    vault::{InRedis, Store as _},
};
use tokio::time::Instant;

use super::{key, record};
use crate::support::{Logto, Proxy, RedisServer, claviger, quoted, wait};

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
        [&["--port", &*port, "--bind", "127.0.0.1"][..], &ALL, &["-pexpire", "-subscribe"]].concat();
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
    let limited = text.replace("redis.url", "redis.username = 'app'\nredis.password = 'hunter2'\nredis.url");
    let told = check(limited).await;
    let told = told.assert_code(1);
    assert!(told.stderr.contains("redis: the user of `redis.username` lacks a permission: "), "{told:?}");
    for command in ["pexpire", "subscribe"] {
        assert!(told.stderr.to_lowercase().contains(command), "{command}: {told:?}");
    }
    let began = Instant::now();
    check(text).await.assert_code(0);
    assert!(began.elapsed() < Duration::from_secs(8));
}
