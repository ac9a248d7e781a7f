//! Two processes over one `redis-server`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, SystemTime},
};

use claviger::{
    clock::Clock,
    config::Endpoint,
    secret::Secret,
    vault::{InRedis, Record, Store as _},
};
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::Instant};

use super::alias;
use crate::{
    quota::{builder, logto, of},
    support::{Logto, Proxy, RedisServer, Request, claviger, proxy::Builder, quoted, wait, within},
    vault::{Place, adopt},
};

/// As the program sees it.
fn now() -> SystemTime {
    Clock::system().now().wall
}

const MONTH: Duration = Duration::from_hours(30 * 24);

/// One of several replicas.
fn replica(place: &Place, logto: &Logto, server: &RedisServer, name: &str) -> Builder {
    let socket = place.path(&format!("{name}.sock"));
    place
        .builder(logto)
        .without("tenants.configured")
        .set("listen.admin", quoted(format!("unix:{}", socket.display())))
        .set("vault.store", "{ redis = true }")
        .set("vault.lease", "'2s'")
        .set("redis.url", quoted(server.url()))
        .set("tenant_templates.customer.rotate", "{ every = '30d', overlap = '1h' }")
}

async fn works(proxy: &Proxy) -> bool {
    proxy.get("/t/acme/api/roles?page=1&page_size=1").await.status == 200
}

async fn in_force(proxy: &Proxy) -> Duration {
    let began = Instant::now();
    within("the tenant to come into force", async {
        while !works(proxy).await {
            tokio::task::yield_now().await;
        }
    })
    .await;
    began.elapsed()
}

/// Puts the tenant into the store, with a secret that is due then.
async fn stored(place: &Place, server: &RedisServer, logto: &Logto, due: SystemTime) {
    let key = std::fs::read(place.path("key")).expect("it is there");
    let store = InRedis::open(server.connect(), Secret::new(key)).await.expect("it can be opened");
    let endpoint = Endpoint::parse(&logto.base_url()).expect("it is one");
    let secret = Secret::new(logto.secret().as_bytes().to_vec());
    let resource = "https://default.logto.app/api".into();
    let since = due - MONTH;
    let mut record =
        Record::new(alias("acme"), endpoint, resource, logto.client().into(), secret, "operator", since);
    record.template = claviger::ids::TemplateName::parse("customer").ok();
    store.create(record).await.expect("it is free");
}

fn creations(logto: &Logto) -> usize {
    let made =
        |it: &&claviger_emulator::Recorded| it.method == "POST" && it.target_text().ends_with("/secrets");
    logto.api_requests_seen().iter().filter(made).count()
}

async fn switched(proxies: &[&Proxy]) -> f64 {
    let mut sum = 0.0;
    for proxy in proxies {
        sum += proxy.metric("claviger_rotations_total{outcome=\"switched\"}").await;
    }
    sum
}

#[tokio::test]
async fn b49_replicas_learn_of_a_tenant_within_a_second_and_keep_it_while_redis_is_away() {
    let name = "b49_replicas_learn_of_a_tenant_within_a_second_and_keep_it_while_redis_is_away";
    let Some(mut server) = RedisServer::start(name).await else { return };
    let (logto, place) = (Logto::start().await, Place::new());
    let one = replica(&place, &logto, &server, "one").start().await;
    let other = replica(&place, &logto, &server, "other").start().await;
    adopt(&place, &one.file(), "acme", &logto, logto.secret()).await.assert_code(0).keep(one.tap());
    assert!(works(&one).await, "in the next request");
    let took = in_force(&other).await;
    assert!(took < Duration::from_secs(1), "{took:?}");

    server.kill().await;
    for _ in 0..20 {
        assert!(works(&one).await && works(&other).await, "what is in force stays in force");
    }
    let refused = adopt(&place, &one.file(), "beta", &logto, logto.secret()).await;
    let said = refused.assert_code(1).stderr.clone();
    assert!(said.contains("the vault is unavailable"), "{said}");
    assert!(one.metric("claviger_redis_connected").await.abs() < 0.1);
    server.restart().await;
    within("it to come back", async {
        while adopt(&place, &one.file(), "beta", &logto, logto.secret()).await.code != Some(0) {}
    })
    .await;
    within("the other to have it", async {
        while other.get("/t/beta/api/roles").await.status != 200 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(works(&one).await && works(&other).await);
    assert!((one.metric("claviger_redis_connected").await - 1.0).abs() < 0.1);
}

#[tokio::test]
async fn b50_of_two_replicas_exactly_one_rotates_under_load_and_no_request_fails() {
    let name = "b50_of_two_replicas_exactly_one_rotates_under_load_and_no_request_fails";
    let Some(server) = RedisServer::start(name).await else { return };
    let (logto, place) = (Logto::start().await, Place::new());
    let due = now() + Duration::from_secs(8);
    stored(&place, &server, &logto, due).await;
    let one = replica(&place, &logto, &server, "one").start().await;
    let other = replica(&place, &logto, &server, "other").start().await;
    let (over, answered, mut load) =
        (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)), JoinSet::new());
    for proxy in [&one, &other, &one, &other] {
        let (mut client, over, answered) = (proxy.connect().await, over.clone(), answered.clone());
        load.spawn(async move {
            while !over.load(SeqCst) {
                let answer = client.ask(&Request::get("/t/acme/api/roles?page=1&page_size=1")).await;
                assert_eq!(answer.status, 200, "{}", answer.text());
                answered.fetch_add(1, SeqCst);
                // The emulator remembers the last 10,000 requests, among which the rotation has to be.
                wait::pass(Duration::from_millis(5)).await;
            }
        });
    }
    within("a replica to rotate", async {
        while switched(&[&one, &other]).await < 0.5 {
            wait::pass(Duration::from_millis(50)).await;
        }
    })
    .await;
    // Longer than the other one waits before it would go on with what it believes abandoned.
    wait::pass(Duration::from_secs(6)).await;
    over.store(true, SeqCst);
    while let Some(done) = load.join_next().await {
        done.expect("no request failed");
    }
    assert!((switched(&[&one, &other]).await - 1.0).abs() < 0.1);
    assert_eq!(creations(&logto), 1, "one new secret at Logto");
    assert!(answered.load(SeqCst) > 100);
    for proxy in [&one, &other] {
        let failed = proxy.metric("claviger_rotations_total{outcome=\"failed\"}").await;
        assert!(failed.abs() < 0.1);
        assert!(works(proxy).await);
    }
}

#[tokio::test]
async fn b51_a_rotation_whose_replica_died_is_gone_on_with_by_another() {
    let name = "b51_a_rotation_whose_replica_died_is_gone_on_with_by_another";
    for point in ["rotate.named", "rotate.made", "rotate.stored", "rotate.proved"] {
        let Some(server) = RedisServer::start(name).await else { return };
        let (logto, place) = (Logto::start().await, Place::new());
        stored(&place, &server, &logto, now()).await;
        let mut one =
            replica(&place, &logto, &server, "one").env("TEST_CLAVIGER_DIE_AT", point).start().await;
        assert!(!one.ended().await.success(), "{point}");
        drop(one);
        let other = replica(&place, &logto, &server, "other").start().await;
        let began = Instant::now();
        within("the other to go on", async {
            while switched(&[&other]).await < 0.5 {
                wait::pass(Duration::from_millis(20)).await;
            }
        })
        .await;
        assert!(
            began.elapsed() > Duration::from_millis(1500),
            "{point}: the dead one's lease was waited for"
        );
        assert_eq!(creations(&logto), 1, "{point}");
        assert!(works(&other).await, "{point}");
    }
}

/// What has become due by another's change is not due ten minutes later.
#[tokio::test]
async fn b50_a_replica_learns_at_once_what_another_changed_of_a_secret() {
    let name = "b50_a_replica_learns_at_once_what_another_changed_of_a_secret";
    let Some(server) = RedisServer::start(name).await else { return };
    let (logto, place) = (Logto::start().await, Place::new());
    let one = replica(&place, &logto, &server, "one").start().await;
    let other = replica(&place, &logto, &server, "other").start().await;
    adopt(&place, &one.file(), "acme", &logto, logto.secret()).await.assert_code(0);
    within("the other to know its age", async {
        while other.metric("claviger_client_secret_created_timestamp_seconds{tenant=\"acme\"}").await < 1.0 {
            wait::pass(Duration::from_millis(20)).await;
        }
    })
    .await;
    let key = std::fs::read(place.path("key")).expect("it is there");
    let store = InRedis::open(server.connect(), Secret::new(key)).await.expect("it can be opened");
    let stored = store.get(&alias("acme")).await.expect("it answers").expect("it is there");
    let mut record = stored.record;
    record.secrets[0].since = now() - 2 * MONTH;
    store.replace(record, stored.version).await.expect("nobody else changes it");
    within("a replica to rotate", async {
        while switched(&[&one, &other]).await < 0.5 {
            wait::pass(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(creations(&logto), 1, "one new secret at Logto");
}

/// Whoever starts over a Redis that has lost its data begins a vault anew; nobody takes that for the removal of all tenants.
#[tokio::test]
async fn b49_a_vault_that_was_begun_anew_takes_no_tenant_from_those_who_run() {
    let name = "b49_a_vault_that_was_begun_anew_takes_no_tenant_from_those_who_run";
    let Some(server) = RedisServer::start(name).await else { return };
    let (logto, place) = (Logto::start().await, Place::new());
    let one = replica(&place, &logto, &server, "one").start().await;
    adopt(&place, &one.file(), "acme", &logto, logto.secret()).await.assert_code(0);
    let config = one.file().display().to_string();
    let (out, way) = (place.path("out").display().to_string(), place.path("way").display().to_string());
    std::fs::write(&way, "0123456789".repeat(4)).expect("it can be written to");
    claviger(&["vault", "export", &out, "--key", &way, "--config", &config]).await.assert_code(0);

    let token = std::fs::read_to_string(place.path("admin-token")).expect("it is there");
    let ask = Request::get("/status").header("authorization", &format!("Bearer {token}"));
    let problems = async || one.ask_admin(&ask).await.json()["problems"].to_string();
    let told = async |says: &str| {
        within(format!("{says:?} to be a problem"), async {
            while !problems().await.contains(says) {
                wait::pass(Duration::from_millis(50)).await;
            }
        })
        .await;
    };
    server.told(&["FLUSHALL"]).await;
    told("the vault in Redis is gone").await;
    assert!(problems().await.contains("before any Claviger is started"), "{}", problems().await);
    let other = replica(&place, &logto, &server, "other").start().await;
    other.logged("a new vault was begun").await;
    told("another vault is in the place").await;
    one.logged("another vault is in the place").await;
    assert!(problems().await.contains("acme"), "which tenants it lacks: {}", problems().await);
    assert!(works(&one).await, "what is in force stays in force");

    claviger(&["vault", "import", &out, "--key", &way, "--config", &config]).await.assert_code(0);
    in_force(&other).await;
    within("the vault to be taken up", async {
        while problems().await.contains("another vault") {
            assert!(works(&one).await);
            wait::pass(Duration::from_millis(20)).await;
        }
    })
    .await;
    adopt(&place, &one.file(), "beta", &logto, logto.secret()).await.assert_code(0);
}

#[tokio::test]
async fn b55_replicas_that_are_configured_otherwise_are_shown() {
    let name = "b55_replicas_that_are_configured_otherwise_are_shown";
    let Some(mut server) = RedisServer::start(name).await else { return };
    let logto = logto(1000, Duration::from_secs(1)).await;
    let with = |quota: &'static str, key: &'static str| {
        let builder = builder(&logto, quota).set("redis.url", quoted(server.url()));
        builder.set("redis.token_key", quoted(key))
    };
    let key = "0123456789abcdef0123456789abcdef";
    let one = with("{ requests = 1000, per = '10s' }", key).start().await;
    let redis = async |replica: &Proxy| replica.status().await["redis"].clone();
    within("one replica to agree with itself", async {
        while one.metric("claviger_redis_fallback").await > 0.0 {
            wait::pass(Duration::from_millis(50)).await;
        }
    })
    .await;
    assert_eq!(
        (&redis(&one).await["other_token_keys"], &redis(&one).await["other_limits"]),
        (&false.into(), &json!([]))
    );
    let other = with("{ requests = 999, per = '10s', share = 1.0 }", "f123456789abcdef0123456789abcdef")
        .start()
        .await;
    within("both to be shown at both", async {
        loop {
            for replica in [&one, &other] {
                assert_eq!(replica.ask(&of("interactive")).await.status, 200);
            }
            let shown = [redis(&one).await, redis(&other).await];
            let both = |shown: &Value| {
                shown["other_token_keys"] == true && shown["other_limits"] == json!(["tenants.acme.quota"])
            };
            if shown.iter().all(both) {
                return;
            }
            wait::pass(Duration::from_millis(50)).await;
        }
    })
    .await;
    server.kill().await;
    within("nothing to be said of keys", async {
        while !redis(&one).await["other_token_keys"].is_null() {
            wait::pass(Duration::from_millis(50)).await;
        }
    })
    .await;
}
