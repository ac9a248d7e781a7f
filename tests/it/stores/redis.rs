//! A real `redis-server`.

use claviger::vault::{InRedis, Notice, Store as _};

use super::{NONE, alias, has_one_winner, is_told, keeps_records, key, record, takes_another_key};
use crate::support::{RedisServer, canary::MARK, within};

async fn opened(server: &RedisServer) -> InRedis {
    InRedis::open(server.connect(), key("k")).await.expect("it can be opened")
}

#[tokio::test]
async fn records_are_kept_sealed_and_versions_are_compared() {
    let Some(server) = RedisServer::start("records_are_kept_sealed_and_versions_are_compared").await else { return };
    let (one, other) = (opened(&server).await, opened(&server).await);
    keeps_records(&one, &other).await;
    has_one_winner(&one, &other).await;
    let redis = server.connect();
    redis.connected(std::time::Duration::from_secs(10)).await.expect("it is there");
    let all: Vec<Vec<u8>> =
        redis.ask(&::redis::cmd("HGETALL").arg("{claviger}:vault").to_owned()).await.expect("it answers");
    let shows = |text: &str| all.iter().any(|part| memchr::memmem::find(part, text.as_bytes()).is_some());
    assert!(all.len() >= 8 && !shows(MARK) && !shows("logto.app") && !shows("m2m"));
    let why = InRedis::open(server.connect(), key("x")).await.expect_err("it is another key");
    assert!(why.to_string().contains("vault.key is not the key that the vault in Redis is sealed with"), "{why}");
    takes_another_key(&one, &other, 4).await;
    assert_eq!(InRedis::open(server.connect(), key("n")).await.expect("the new one").list().await.map(|it| it.len()), Ok(4));
}

#[tokio::test]
async fn others_are_told_of_a_change_and_of_what_they_may_have_missed() {
    let Some(mut server) = RedisServer::start("others_are_told_of_a_change_and_of_what_they_may_have_missed").await
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

#[tokio::test]
async fn what_is_no_vault_and_what_is_damaged_is_said_and_left_alone() {
    let Some(server) = RedisServer::start("what_is_no_vault_and_what_is_damaged_is_said_and_left_alone").await else {
        return;
    };
    assert!(InRedis::open_existing(server.connect(), key("k")).await.expect("it answers").is_none());
    let redis = server.connect();
    redis.connected(std::time::Duration::from_secs(10)).await.expect("it is there");
    let ask = async |words: &[&str]| {
        let mut command = ::redis::cmd(words[0]);
        words[1..].iter().for_each(|word| drop(command.arg(*word)));
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
