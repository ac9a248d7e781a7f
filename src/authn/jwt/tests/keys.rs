//! Keys that are fetched: when, how often, and what happens while the issuer does not answer.

use std::{collections::BTreeMap, sync::Mutex};

use reqwest::Url;
use tokio::time::{advance, timeout};

use super::{
    super::{
        fetch::{Document, Fetch, Getting, Server},
        keyring::{COOL_DOWN, GRACE, PATIENCE},
    },
    *,
};
use crate::{clock::Random, secret::Bearer};

const DISCOVERY: &str = "https://kubernetes.default.svc/.well-known/openid-configuration";
pub(super) const KEYS: &str = "https://kubernetes.default.svc/openid/v1/jwks";

/// An issuer that serves documents, counts, and can be slow or gone.
#[derive(Default)]
pub(super) struct Fake {
    documents: Mutex<BTreeMap<&'static str, Vec<u8>>>,
    asked: Mutex<Vec<(String, Server)>>,
    takes: Mutex<Duration>,
}

impl Fetch for Fake {
    fn get(&self, url: Url, server: Server) -> Getting<'_> {
        let takes = *self.takes.lock().unwrap();
        self.asked.lock().unwrap().push((url.to_string(), server));
        Box::pin(async move {
            tokio::time::sleep(takes).await;
            let documents = self.documents.lock().unwrap();
            let body = documents.get(url.as_str()).cloned().ok_or(FetchError::Status(503))?;
            Ok(Document { body, shown: None })
        })
    }
}

impl Fake {
    pub(super) fn put(&self, url: &'static str, document: Vec<u8>) {
        self.documents.lock().unwrap().insert(url, document);
    }

    pub(super) fn gone(&self) {
        self.documents.lock().unwrap().clear();
    }

    fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

pub(super) fn at_a_url() -> (Arc<Fake>, World) {
    let fake = Arc::new(Fake::default());
    fake.put(KEYS, set(&[&EC]));
    let world = over(&fake, Jwks::Url(KEYS.into()));
    (fake, world)
}

fn over(fake: &Arc<Fake>, jwks: Jwks) -> World {
    let cluster = issuer("kubernetes", CLUSTER, jwks);
    let keyring = Keyring::fetched(cluster.clone(), fake.clone(), Random::with(|| 0.0));
    let world = World::new(keyring, cluster);
    world.start();
    world
}

pub(super) fn valid() -> String {
    EC.sign(&account("shop", "billing"))
}

fn by_new_key() -> String {
    RSA.sign(&account("shop", "billing"))
}

async fn who<'w>(world: &'w World, token: &str) -> Result<&'w str, Unauthenticated> {
    world.ask(&Peer::at(Reach::Network), token).await
}

/// Lets the background task do what there is to do now.
pub(super) async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_requests_wait_for_the_first_keys() {
    let (fake, world) = at_a_url();
    *fake.takes.lock().unwrap() = Duration::from_secs(1);
    assert_eq!(who(&world, &valid()).await, Ok("billing"));
    assert_eq!(who(&world, &valid()).await, Ok("billing"));
    assert_eq!(fake.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_new_key_is_fetched_when_a_token_names_it_and_once_for_all_that_ask() {
    let (fake, world) = at_a_url();
    assert_eq!(who(&world, &valid()).await, Ok("billing"));
    advance(COOL_DOWN).await;
    fake.put(KEYS, set(&[&EC, &RSA]));
    *fake.takes.lock().unwrap() = Duration::from_secs(1);
    let token = by_new_key();
    let all = futures_util::future::join_all((0..50).map(|_| who(&world, &token))).await;
    assert!(all.iter().all(|who| *who == Ok("billing")));
    assert_eq!(fake.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn unknown_keys_are_asked_for_once_in_a_while() {
    let (fake, world) = at_a_url();
    assert_eq!(who(&world, &valid()).await, Ok("billing"));
    assert_eq!(fake.count(), 1);
    assert_eq!(who(&world, &by_new_key()).await, Err(Unauthenticated));
    assert_eq!(fake.count(), 2);
    for _ in 0..100 {
        assert_eq!(world.who(&by_new_key()), Err(Unauthenticated), "too soon: no wait");
    }
    assert_eq!(fake.count(), 2);
    advance(COOL_DOWN).await;
    for _ in 0..100 {
        assert_eq!(who(&world, &by_new_key()).await, Err(Unauthenticated));
    }
    assert_eq!(fake.count(), 3);
}

#[tokio::test(start_paused = true)]
async fn b38_a_new_key_works_at_first_use_right_after_a_scheduled_fetch() {
    let (fake, world) = at_a_url();
    assert_eq!(who(&world, &valid()).await, Ok("billing"));
    fake.put(KEYS, set(&[&EC, &RSA]));
    assert_eq!(who(&world, &by_new_key()).await, Ok("billing"), "no token had caused a fetch before");
    assert_eq!(fake.count(), 2);
    fake.put(KEYS, set(&[&EC]));
    advance(Duration::from_secs(600)).await;
    settle().await;
    assert_eq!(fake.count(), 3, "refreshed by itself");
    fake.put(KEYS, set(&[&EC, &RSA]));
    assert_eq!(who(&world, &by_new_key()).await, Ok("billing"));
}

/// Nobody knows whose fault it is: the issuer may have published the key since.
#[tokio::test(start_paused = true)]
async fn b38_an_unknown_key_after_a_failed_fetch_is_the_issuers_fault() {
    let (fake, world) = at_a_url();
    assert_eq!(who(&world, &valid()).await, Ok("billing"));
    fake.gone();
    let why = world.why(&by_new_key()).await;
    assert_eq!((fake.count(), why.reason(), why.retry_after()), (2, "issuer_unavailable", Some(COOL_DOWN)));
    assert_eq!(
        why.cause(),
        "issuer kubernetes: no key of the issuer fits (1 key held), and its keys could not be fetched again"
    );
    advance(Duration::from_secs(4)).await;
    let why = world.why(&by_new_key()).await;
    assert_eq!(
        (why.reason(), why.retry_after()),
        ("issuer_unavailable", Some(COOL_DOWN - Duration::from_secs(4)))
    );
    let without = EC.sign_text(&with(EC.header(), json!({ "kid": null })).to_string(), "{}");
    assert_eq!(world.why(&without).await.retry_after(), None, "malformed in any case");
    assert_eq!(who(&world, &valid()).await, Ok("billing"), "the keys that are held stay in use");
    fake.put(KEYS, set(&[&EC]));
    advance(COOL_DOWN).await;
    let why = world.why(&by_new_key()).await;
    assert_eq!((why.reason(), why.retry_after()), ("key_unknown", None), "now the issuer has said so");
}

#[tokio::test(start_paused = true)]
async fn b38_an_unknown_key_while_a_fetch_goes_on_is_the_issuers_fault() {
    let (fake, world) = at_a_url();
    assert_eq!(who(&world, &valid()).await, Ok("billing"));
    *fake.takes.lock().unwrap() = Duration::from_secs(8);
    let (start, why) = (Instant::now(), world.why(&by_new_key()).await);
    assert_eq!((start.elapsed(), why.reason()), (PATIENCE, "issuer_unavailable"));
    assert!(why.retry_after().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_request_does_not_wait_longer_than_three_seconds() {
    let (fake, world) = at_a_url();
    *fake.takes.lock().unwrap() = Duration::from_secs(60);
    let start = Instant::now();
    assert_eq!(who(&world, &valid()).await, Err(Unauthenticated));
    assert_eq!(start.elapsed(), PATIENCE);
}

#[tokio::test(start_paused = true)]
async fn only_what_is_cheap_and_right_so_far_makes_it_ask() {
    let (fake, world) = at_a_url();
    assert_eq!(who(&world, &valid()).await, Ok("billing"));
    advance(COOL_DOWN).await;
    for changes in [json!({ "exp": NOW - 100 }), json!({ "aud": "x" }), json!({ "iss": "https://x.example" })]
    {
        assert_eq!(world.who(&RSA.sign(&with(account("shop", "billing"), changes))), Err(Unauthenticated));
    }
    assert_eq!(fake.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_withdrawn_takes_its_tokens_with_it() {
    let (fake, world) = at_a_url();
    let token = valid();
    assert_eq!(who(&world, &token).await, Ok("billing"));
    fake.put(KEYS, set(&[&RSA]));
    advance(Duration::from_secs(599)).await;
    settle().await;
    assert_eq!(world.who(&token), Ok("billing"), "remembered");
    advance(Duration::from_secs(2)).await;
    settle().await;
    assert_eq!(fake.count(), 2, "refreshed by itself");
    assert_eq!(who(&world, &token).await, Err(Unauthenticated));
    assert_eq!(who(&world, &by_new_key()).await, Ok("billing"));
}

#[tokio::test(start_paused = true)]
async fn old_keys_stay_for_a_day_while_the_issuer_is_gone() {
    let (fake, world) = at_a_url();
    let token = EC.sign(&with(account("shop", "billing"), json!({ "exp": NOW + 10_000_000 })));
    assert_eq!(who(&world, &token).await, Ok("billing"));
    fake.gone();
    tokio::time::sleep(GRACE - Duration::from_secs(60)).await;
    assert_eq!(world.who(&token), Ok("billing"));
    assert!(fake.count() > 100, "it keeps trying");
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(
        who(&world, &token).await,
        Err(Unauthenticated),
        "not for ever, although it was verified once"
    );
    fake.put(KEYS, set(&[&EC]));
    tokio::time::sleep(Duration::from_secs(601)).await;
    assert_eq!(world.who(&token), Ok("billing"));
}

#[tokio::test(start_paused = true)]
async fn a_failed_fetch_is_tried_again_sooner_and_then_less_often() {
    let (fake, _world) = at_a_url();
    fake.gone();
    settle().await;
    assert_eq!(fake.count(), 1);
    // Five times within the 30 s of a startup probe, which a pod without a network yet may need.
    for (wait, count) in [(1, 2), (2, 3), (4, 4), (8, 5), (16, 6), (32, 7)] {
        advance(Duration::from_secs(wait) - Duration::from_millis(500)).await;
        settle().await;
        assert_eq!(fake.count(), count - 1);
        advance(Duration::from_millis(501)).await;
        settle().await;
        assert_eq!(fake.count(), count);
    }
}

#[tokio::test(start_paused = true)]
async fn discovery_finds_the_keys_and_must_be_the_issuers_own() {
    let document =
        |issuer: &str, keys: &str| json!({ "issuer": issuer, "jwks_uri": keys }).to_string().into_bytes();
    let found = |document: Vec<u8>| async move {
        let fake = Arc::new(Fake::default());
        fake.put(KEYS, set(&[&EC]));
        fake.put("http://kubernetes.default.svc/openid/v1/jwks", set(&[&EC]));
        fake.put("https://keys.example/jwks", set(&[&EC]));
        fake.put("https://kubernetes.default.svc:6443/openid/v1/jwks", set(&[]));
        fake.put(DISCOVERY, document);
        let world = over(&fake, Jwks::Discovery);
        let found = timeout(Duration::from_secs(9), who(&world, &valid())).await.unwrap().is_ok();
        let shown = |(_, server): &&(String, Server)| *server == Server::Configured;
        let asked = fake.asked.lock().unwrap();
        (found, asked.len(), asked.iter().filter(shown).count())
    };
    assert_eq!(found(document(CLUSTER, KEYS)).await, (true, 2, 2));
    // Whatever a document says, what it names is shown no bearer token.
    assert_eq!(found(document(CLUSTER, "https://keys.example/jwks")).await, (true, 2, 1));
    assert_eq!(
        found(document(CLUSTER, "https://kubernetes.default.svc:6443/openid/v1/jwks")).await,
        (false, 2, 1)
    );
    assert_eq!(found(document("https://kubernetes.default.svc/", KEYS)).await, (false, 1, 1));
    assert_eq!(found(document("https://evil.example", KEYS)).await, (false, 1, 1));
    assert_eq!(found(document(CLUSTER, "http://kubernetes.default.svc/openid/v1/jwks")).await, (false, 1, 1));
    assert_eq!(found(document(CLUSTER, "file:///etc/passwd")).await, (false, 1, 1));
    assert_eq!(found(document(CLUSTER, "/openid/v1/jwks")).await, (false, 1, 1));
    assert_eq!(found(b"[]".to_vec()).await, (false, 1, 1));
}

/// A kubelet replaces the authority and the token of a cluster while the program runs.
#[tokio::test(start_paused = true)]
async fn b38_another_way_to_the_same_keys_goes_on_with_those_that_are_held() {
    let (fake, world) = at_a_url();
    assert_eq!(who(&world, &valid()).await, Ok("billing"));
    let old = &world.callers.keyrings()[0];
    let cluster = |changes: fn(&mut config::Issuer)| {
        let mut issuer = (*issuer("kubernetes", CLUSTER, Jwks::Url(KEYS.into()))).clone();
        changes(&mut issuer);
        issuer
    };
    assert!(old.serves(&cluster(|_| {})));
    fn file(path: &str) -> Option<Bearer> {
        Some(Bearer::File(path.into()))
    }
    for another in [
        cluster(|it| it.bearer = file("/token")),
        cluster(|it| it.ca = Roots::System),
        cluster(|it| it.refresh = Duration::from_secs(60)),
    ] {
        assert!(!old.serves(&another) && old.has_keys_of(&another), "{another:?}");
    }
    for other in
        [cluster(|it| it.issuer = "https://other.example".into()), cluster(|it| it.jwks = Jwks::Discovery)]
    {
        assert!(!old.serves(&other) && !old.has_keys_of(&other), "{other:?}");
    }
    fake.gone();
    let config = Arc::new(cluster(|it| it.bearer = file("/token")));
    let new = Keyring::fetched(config.clone(), fake.clone(), Random::with(|| 0.0));
    assert!(new.is_empty());
    new.take_over(old);
    let world = World::new(new, config);
    world.start();
    settle().await;
    assert_eq!(world.who(&valid()), Ok("billing"), "the new way does not work, or not yet");
    assert_eq!(world.why(&by_new_key()).await.reason(), "issuer_unavailable");
    fake.put(KEYS, set(&[&RSA]));
    advance(COOL_DOWN).await;
    assert_eq!(who(&world, &by_new_key()).await, Ok("billing"));
    assert_eq!(world.who(&valid()), Err(Unauthenticated), "withdrawn");
}

#[tokio::test(start_paused = true)]
async fn only_issuers_that_callers_rely_on_are_waited_for_and_until_keys_have_come() {
    let (fake, world) = at_a_url();
    fake.gone();
    settle().await;
    let waited = |world: &World| {
        world.callers.issuers_without_keys().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(waited(&world), ["kubernetes"]);
    fake.put(KEYS, set(&[]));
    advance(Duration::from_secs(1)).await;
    settle().await;
    assert_eq!((fake.count(), waited(&world)), (2, vec!["kubernetes".to_owned()]), "no key is none");
    fake.put(KEYS, set(&[&EC]));
    advance(Duration::from_secs(600)).await;
    settle().await;
    assert_eq!(waited(&world), [""; 0]);
    assert_eq!(waited(&World::offline()), [""; 0]);
    let unused = issuer("unused", "https://unused.example", Jwks::Discovery);
    let keyring = Keyring::fetched(unused.clone(), fake.clone(), Random::with(|| 0.0));
    let world = World::new(keyring, unused);
    assert_eq!(waited(&world), [""; 0], "nobody relies on it");
}

#[tokio::test(start_paused = true)]
async fn the_fetching_ends_with_the_last_holder() {
    let (fake, world) = at_a_url();
    settle().await;
    drop(world);
    tokio::time::sleep(Duration::from_secs(6000)).await;
    assert_eq!(fake.count(), 1);
    assert_eq!(Arc::strong_count(&fake), 1);
}

/// What passes by itself is not to be looked for in the configuration.
#[test]
fn an_answer_that_says_no_is_told_by_whose_fault_it_is() {
    for (status, says) in [
        (500, "It is an error of the server there: look at its log. The fetch is repeated by itself."),
        (503, "It is an error of the server there: look at its log. The fetch is repeated by itself."),
        (429, "The server there limits the rate of requests; the fetch is repeated by itself."),
        (404, "Check `issuer` and `jwks`: nothing with keys is at this address."),
    ] {
        assert_eq!(FetchError::Status(status).remedy(), says, "{status}");
    }
}
