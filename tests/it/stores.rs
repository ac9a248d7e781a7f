//! The vault in stores that replicas share: a real `redis-server`, and a double of a Kubernetes API server. The same is asked
//! of both; beside it what is each one's own, and what two replicas do together.

#[path = "stores/creations.rs"]
mod creations;
#[path = "stores/idempotency.rs"]
mod idempotency;
#[path = "stores/kubernetes.rs"]
mod kubernetes;
#[path = "stores/limits.rs"]
mod limits;
#[path = "stores/redis.rs"]
mod redis;
#[path = "stores/refused.rs"]
mod refused;
#[path = "stores/replicas.rs"]
mod replicas;
#[path = "stores/tls.rs"]
mod tls;
#[path = "stores/tokens.rs"]
mod tokens;

use std::time::{Duration, SystemTime};

use claviger::{
    config::Endpoint,
    ids::TenantName,
    secret::Secret,
    vault::{Holder, Notice, Record, Store, VaultError, Version, export, exported},
};
use tokio::sync::mpsc;

use crate::support::{canary::MARK, within};

fn key(text: &str) -> Secret {
    Secret::new(text.repeat(32).into())
}

fn alias(text: &str) -> TenantName {
    TenantName::parse(text).expect("it is a name")
}

/// A record whose secret is a canary.
fn record(name: &str, secret: &str) -> Record {
    let endpoint = Endpoint::parse("https://acme.logto.app").expect("it is one");
    let since = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let secret = Secret::new(format!("{MARK}{secret}").into());
    Record::new(
        alias(name),
        endpoint,
        "https://acme.logto.app/api".into(),
        "m2m".into(),
        secret,
        "operator",
        since,
    )
}

/// What every shared store does.
async fn keeps_records(one: &dyn Store, other: &dyn Store) {
    let first = one.create(record("b.1", "s")).await.expect("it is free");
    let taken = VaultError::AliasTaken { alias: alias("b.1"), by: Holder::Vault };
    assert_eq!(other.create(record("b.1", "t")).await, Err(taken));
    one.create(record("a_2-", "s")).await.expect("it is free");
    let all = other.list().await.expect("it answers");
    let names: Vec<_> = all.iter().map(|it| it.record.alias.as_str().to_owned()).collect();
    assert_eq!(names, ["a_2-", "b.1"]);
    let second = other.replace(record("b.1", "t"), first).await.expect("nobody was first");
    assert_eq!(one.replace(record("b.1", "u"), first).await, Err(VaultError::Changed(alias("b.1"))));
    assert_eq!(one.remove(&alias("b.1"), first).await, Err(VaultError::Changed(alias("b.1"))));
    let found = one.get(&alias("b.1")).await.expect("it answers").expect("it is there");
    assert_eq!((found.record, found.version), (record("b.1", "t"), second));
    assert_eq!(one.remove(&alias("b.1"), second).await, Ok(()));
    assert_eq!(other.remove(&alias("b.1"), second).await, Err(VaultError::Unknown(alias("b.1"))));
    assert_eq!(one.replace(record("b.1", "u"), second).await, Err(VaultError::Unknown(alias("b.1"))));
    let again = one.create(record("b.1", "s")).await.expect("it is free again");
    assert!(again != first && again != second, "whoever knows an old version is told so");
    assert_eq!(other.replace(record("b.1", "u"), first).await, Err(VaultError::Changed(alias("b.1"))));
    let checkup = other.verify().await.expect("it answers");
    assert_eq!(checkup.records, 2);

    let text = export(&other.list().await.expect("it answers"), &key("w")).expect("they can be sealed");
    assert!(!text.contains(MARK));
    one.remove(&alias("b.1"), again).await.expect("it is there");
    let imported = one.import(exported(&text, &key("w")).expect("it is one")).await.expect("it answers");
    assert_eq!((imported.added, imported.taken), (vec![alias("b.1")], vec![alias("a_2-")]));
    assert_eq!(other.list().await.expect("it answers").len(), 2);
}

/// Two hundred at once, of which each alias is one's.
async fn has_one_winner(one: &dyn Store, other: &dyn Store) {
    let version = one.create(record("race", "0")).await.expect("it is free");
    let tries = (0..40).map(|n| {
        let store = if n % 2 == 0 { one } else { other };
        store.replace(record("race", &n.to_string()), version)
    });
    let won = futures_util::future::join_all(tries).await.into_iter().filter(Result::is_ok).count();
    assert_eq!(won, 1);
    let tries = (0..40).map(|n| if n % 2 == 0 { one } else { other }.create(record("race2", &n.to_string())));
    let won = futures_util::future::join_all(tries).await.into_iter().filter(Result::is_ok).count();
    assert_eq!(won, 1);
}

/// What two replicas of a shared store do: they keep records, and the one learns what the other changes.
async fn are_one(one: &dyn Store, other: &dyn Store) {
    keeps_records(one, other).await;
    let mut notices = other.notices().expect("it is shared");
    is_told(&mut notices, Notice::Any).await;
    one.create(record("acme", "s")).await.expect("it is free");
    is_told(&mut notices, Notice::One(alias("acme"))).await;
}

/// That the next notices include this one.
async fn is_told(notices: &mut mpsc::Receiver<Notice>, want: Notice) {
    within(format!("{want:?}"), async { while notices.recv().await.expect("it goes on") != want {} }).await;
}

/// Seals all with another key, under the eyes of one who has the key of before.
async fn takes_another_key(one: &dyn Store, other: &dyn Store, count: usize) {
    assert_eq!(one.rekey(key("n")).await, Ok(count));
    for refused in [
        other.list().await.map(drop),
        other.create(record("late", "s")).await.map(drop),
        other.get(&alias("a_2-")).await.map(drop),
    ] {
        let error = refused.expect_err("it has the key of before");
        assert!(error.to_string().contains("vault.key is not the key"), "{error}");
    }
}

/// What one does whose vault was lost, after the other has begun another one in its place.
async fn goes_over_when_all_are_there(one: &dyn Store, other: &dyn Store, known: Version) {
    let says = |error: VaultError, what: &str| assert!(error.to_string().contains(what), "{error}");
    says(one.list().await.expect_err("it is another"), "another vault is in the place");
    says(one.get(&alias("acme")).await.expect_err("it is another"), "another vault is in the place");
    says(one.create(record("beta", "s")).await.expect_err("it is another"), "another vault is in the place");
    assert!(one.remove(&alias("acme"), known).await.is_err());
    let all = vec![alias("acme"), alias("beta")];
    says(one.go_over(all.clone()).await.expect_err("they are missing"), "in force: acme, beta");
    other.create(record("acme", "t")).await.expect("it is free");
    says(one.go_over(all.clone()).await.expect_err("it is missing"), "in force: beta");
    other.create(record("beta", "t")).await.expect("it is free");
    let found = one.go_over(all).await.expect("all are there");
    let mut found: Vec<_> = found.into_iter().map(|stored| stored.record).collect();
    assert_eq!(found.pop(), Some(record("beta", "t")));
    assert_eq!(one.list().await.map(|all| all.len()), Ok(2));
    one.create(record("gamma", "s")).await.expect("it follows that one now");
}

const NONE: Version = Version(0);
