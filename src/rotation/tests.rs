//! When two rotators over one store look, on paused time. Their tenants are not in force, so an attempt ends where Logto would be asked:
//! what it claimed before shows in the store.

use tokio::{sync::mpsc, time::Instant};

use super::*;
use crate::{
    app::GrantMetrics,
    clock::{Clock, Random},
    config::{Endpoint, TenantTemplate},
    ids::TemplateName,
    observe::Metrics,
    secret::Secret,
    token::Tokens,
    vault::{Checkup, Imported, Lease, Memory, Notice, Pending, Rotation, Store, StoredSecret, Version},
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

/// A store that replicas share. All clones are one.
#[derive(Debug, Clone, Default)]
struct OneStore(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    records: Memory,
    followers: Mutex<Vec<mpsc::Sender<Notice>>>,
    /// When a rotator has claimed something, and for what.
    claims: Mutex<Vec<(Instant, String)>>,
}

impl OneStore {
    async fn noticed<T>(&self, alias: TenantName, done: Pending<'_, T>) -> Result<T, VaultError> {
        let done = done.await?;
        let followers = self.0.followers.lock().unwrap().clone();
        for follower in followers {
            follower.send(Notice::One(alias.clone())).await.unwrap();
        }
        Ok(done)
    }

    fn claims(&self) -> Vec<(Instant, String)> {
        self.0.claims.lock().unwrap().clone()
    }

    /// What somebody else does with the record of `acme`.
    async fn changed(&self, change: impl FnOnce(&mut Record)) {
        let alias = TenantName::parse("acme").unwrap();
        let Stored { mut record, version } = self.get(&alias).await.unwrap().unwrap();
        change(&mut record);
        self.noticed(alias, self.0.records.replace(record, version)).await.unwrap();
    }
}

impl Store for OneStore {
    fn create(&self, record: Record) -> Pending<'_, Version> {
        Box::pin(self.noticed(record.alias.clone(), self.0.records.create(record)))
    }

    fn get(&self, alias: &TenantName) -> Pending<'_, Option<Stored>> {
        self.0.records.get(alias)
    }

    fn replace(&self, record: Record, known: Version) -> Pending<'_, Version> {
        if record.rotation.lease.is_some() {
            let step = format!("{:?}", record.rotation.step);
            let step = step.split(&[' ', '(']).nth(1).unwrap_or("").to_owned();
            self.0.claims.lock().unwrap().push((Instant::now(), step));
        }
        Box::pin(self.noticed(record.alias.clone(), self.0.records.replace(record, known)))
    }

    fn remove(&self, alias: &TenantName, known: Version) -> Pending<'_, ()> {
        Box::pin(self.noticed(alias.clone(), self.0.records.remove(alias, known)))
    }

    fn list(&self) -> Pending<'_, Vec<Stored>> {
        self.0.records.list()
    }

    fn notices(&self) -> Option<mpsc::Receiver<Notice>> {
        let (follower, notices) = mpsc::channel(64);
        self.0.followers.lock().unwrap().push(follower);
        Some(notices)
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn verify(&self) -> Pending<'_, Checkup> {
        self.0.records.verify()
    }

    fn rekey(&self, key: Secret) -> Pending<'_, usize> {
        self.0.records.rekey(key)
    }

    fn import(&self, records: Vec<Record>) -> Pending<'_, Imported> {
        self.0.records.import(records)
    }
}

fn wall(began: Instant) -> SystemTime {
    SystemTime::UNIX_EPOCH + 10_000 * DAY + began.elapsed()
}

fn config(every: Option<Duration>) -> Arc<Config> {
    let rotate = every.map(|every| Rotate { every, overlap: MINUTE });
    let name = TemplateName::parse("customer").ok();
    let template = TenantTemplate { name, rotate, ..TenantTemplate::default() };
    Arc::new(Config { tenant_templates: vec![template], ..Config::default() })
}

/// One of two processes.
struct Replica {
    rotator: Arc<Rotator>,
}

impl Replica {
    fn over(store: &OneStore, began: Instant) -> Self {
        let clock = Clock::with_wall(move || wall(began));
        let metrics = Arc::new(Metrics::new());
        let grants = Arc::new(GrantMetrics(metrics.clone()));
        let tokens = Tokens::new(clock.clone(), Random::system(), grants, tokio::runtime::Handle::current());
        let mut shared = Shared::new(metrics, clock, tokens);
        let vault = Vault::new(store.clone());
        shared.vault = Some(vault.clone());
        let pipeline = shared.pipeline(config(None), None, None).unwrap();
        let rotator = Arc::new(Rotator::new(Arc::new(shared), Arc::new(ArcSwap::from_pointee(pipeline))));
        let mut changes = vault.changes(BTreeMap::new(), 10 * DAY);
        tokio::spawn(async move {
            while let Some(changed) = changes.recv().await {
                vault.took_up(&changed.alias);
            }
        });
        tokio::spawn(rotator.clone().run());
        Self { rotator }
    }

    fn reconfigured(&self, config: Arc<Config>) {
        let shared = &self.rotator.shared;
        let pipeline = shared.pipeline(config, None, Some(&self.rotator.pipeline.load())).unwrap();
        self.rotator.pipeline.store(Arc::new(pipeline));
        shared.reconfigured.notify_one();
    }
}

/// Two replicas that have looked, and a record with which nothing is due.
async fn two() -> (OneStore, [Replica; 2], Instant) {
    let (store, began) = (OneStore::default(), Instant::now());
    let endpoint = Endpoint::parse("https://acme.logto.app").unwrap();
    let (alias, secret) = (TenantName::parse("acme").unwrap(), Secret::new(b"s".to_vec()));
    let since = wall(began) - 8 * DAY;
    let mut record =
        Record::new(alias, endpoint, "https://x/api".into(), "m2m".into(), secret, "operator", since);
    record.secrets[0].name = Some("known".into());
    record.template = TemplateName::parse("customer").ok();
    store.create(record).await.unwrap();
    let replicas = [Replica::over(&store, began), Replica::over(&store, began)];
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(store.claims(), []);
    (store, replicas, began)
}

/// Claims by how many seconds after the beginning they were made.
fn seconds(store: &OneStore, began: Instant) -> Vec<(u64, String)> {
    let since = |at: Instant| at.duration_since(began).as_secs();
    store.claims().into_iter().map(|(at, step)| (since(at), step)).collect()
}

#[tokio::test(start_paused = true)]
async fn b50_nobody_sleeps_past_an_expiry_that_came_nearer() {
    let (store, _replicas, began) = two().await;
    // Due a day before.
    store.changed(|record| record.secrets[0].expires_at = Some(wall(began) + DAY + MINUTE)).await;
    tokio::time::sleep(9 * MINUTE).await;
    // Each tries once, one after the other: that one has failed does not make either try again.
    let claims = seconds(&store, began);
    assert_eq!(claims, [(70, "Create".to_owned()), (70, "Create".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn b50_nobody_tries_what_another_has_done() {
    let (store, replicas, began) = two().await;
    let (due, secret) = (wall(began) + 2 * MINUTE, b"new".to_vec());
    store.changed(|record| record.secrets[0].expires_at = Some(due + DAY)).await;
    tokio::time::sleep(MINUTE).await;
    let since = wall(began);
    let new = StoredSecret { value: Secret::new(secret), name: Some("n".into()), since, expires_at: None };
    store.changed(|record| record.secrets = vec![new]).await;
    tokio::time::sleep(SECOND).await;
    for replica in &replicas {
        assert_eq!(replica.rotator.dates()[0].since, since, "it is known at once");
    }
    tokio::time::sleep(30 * MINUTE).await;
    assert_eq!(store.claims(), []);
}

#[tokio::test(start_paused = true)]
async fn b51_whoever_waits_for_another_learns_when_it_has_gone_on() {
    let (store, _replicas, began) = two().await;
    let lease = Some(Lease { holder: "another".into() });
    let step = Some(Step::Create { name: "claviger-1".into() });
    let last = None;
    store.changed(|record| record.rotation = Rotation { last, step, lease }).await;
    tokio::time::sleep(10 * SECOND).await;
    // It would be waited for until 70 s; the overlap ends before.
    let step = Some(Step::Retire { at: wall(began) + 10 * SECOND });
    store.changed(|record| record.rotation = Rotation { last, step, lease: None }).await;
    tokio::time::sleep(MINUTE).await;
    assert_eq!(seconds(&store, began).first(), Some(&(30, "Retire".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn b54_another_plan_of_the_configuration_is_kept_to_at_once() {
    let (store, replicas, began) = two().await;
    replicas[0].reconfigured(config(Some(9 * DAY)));
    tokio::time::sleep(SECOND).await;
    assert_eq!(store.claims(), [], "not before it is due");
    replicas[0].reconfigured(config(Some(7 * DAY)));
    tokio::time::sleep(5 * SECOND).await;
    // It failed, and the other one goes on with what was begun.
    assert_eq!(seconds(&store, began), [(11, "Create".to_owned()), (11, "Create".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn what_logto_did_not_answer_is_asked_again_less_and_less_often() {
    let (store, replicas, _) = two().await;
    store.changed(|record| record.secrets[0].name = None).await;
    let acme = TenantName::parse("acme").unwrap();
    let record = store.get(&acme).await.unwrap().unwrap().record;
    let failures = || replicas[0].rotator.questions.failures(&record);
    assert_eq!(failures(), 0, "its name was known");
    replicas[0].reconfigured(config(None));
    tokio::time::sleep(SECOND).await;
    assert_eq!(failures(), 1);
    tokio::time::sleep(2 * MINUTE).await;
    assert_eq!(failures(), 3, "after 20 s and 40 s more");
    tokio::time::sleep(DAY).await;
    let times = failures();
    assert!((20..40).contains(&times), "hourly at last: {times}");
}
