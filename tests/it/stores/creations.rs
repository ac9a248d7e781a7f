//! Tenants that two processes with one store create at Logto Cloud.

use std::time::{Duration, SystemTime};

use claviger::{
    secret::Secret,
    vault::{Creating, InRedis, Record, Store as _, Vault, VaultError},
};
use claviger_emulator::{Effect, Emulator, Fault, Target};
use tokio::{task::JoinSet, time::Instant};

use super::{alias, record};
use crate::{
    cloud::{
        account, body,
        capture::{assert_unseen, capturing},
        create,
    },
    support::{Proxy, RedisServer, proxy::Builder, quoted, within},
};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);
const KEY: &str = "CANARY-held-vault-key-0123456789-0123456789";

fn replica(cloud: &Emulator, token: &str, server: &RedisServer) -> Builder {
    let builder = capturing(cloud, token).set("vault.key", quoted(KEY));
    builder.set("vault.store", "{ redis = true }").set("redis.url", quoted(server.url()))
}

/// How often Logto Cloud was asked for a new tenant.
fn creations(cloud: &Emulator) -> usize {
    cloud.recorded().iter().filter(|it| it.method == "POST" && it.target_text() == "/api/tenants").count()
}

/// The note of a creation by a process whose clock says this.
fn note(name: &str, created_at: SystemTime) -> Record {
    let creating = Creating { account: alias("default"), name: Some("Acme".into()), is_unanswered: false };
    Record { creating: Some(creating), secrets: Vec::new(), created_at, ..record(name, "s") }
}

/// Of those who reserve an alias in different processes one goes on, whichever store it is.
pub(super) async fn reserve_once(vaults: [Vault; 2]) {
    let mut all = JoinSet::new();
    for n in 0..16 {
        let vault = vaults[n % 2].clone();
        all.spawn(async move {
            let reservation = vault.reserve(alias("reserved")).await?;
            reservation.store(note("reserved", SystemTime::UNIX_EPOCH)).await
        });
    }
    let all = all.join_all().await;
    assert_eq!(all.iter().filter(|it| it.is_ok()).count(), 1, "{all:?}");
    for refused in all.into_iter().filter_map(Result::err) {
        assert!(matches!(refused, VaultError::AliasTaken { .. }), "{refused}");
        assert!(refused.to_string().contains("is being created or adopted"), "{refused}");
        assert!(!refused.remedy().contains("remove"), "it is in use: {}", refused.remedy());
    }
}

#[tokio::test]
async fn b52_of_two_replicas_one_creates_a_tenant_and_the_other_is_refused_before_logto_is_asked() {
    let name = "b52_of_two_replicas_one_creates_a_tenant_and_the_other_is_refused_before_logto_is_asked";
    let Some(server) = RedisServer::start(name).await else { return };
    let (cloud, token) = account().await;
    // Long enough for all of them to meet.
    let slow = Effect::latency(SECOND / 2);
    cloud.faults().add(Fault::new(Target::Api, slow).method("POST"));
    let replicas =
        [replica(&cloud, &token, &server).start().await, replica(&cloud, &token, &server).start().await];
    for round in 0..3 {
        let named = format!("acme-{round}");
        let mut asked = JoinSet::new();
        for n in 0..12 {
            let mut client = replicas[n % 2].connect().await;
            let request = create(&named).header("Claviger-Tenant", &named);
            asked.spawn(async move { client.ask(&request).await });
        }
        let answers = asked.join_all().await;
        let created = answers.iter().filter(|it| it.status == 201).count();
        assert_eq!((created, creations(&cloud), cloud.cloud_tenants().len()), (1, round + 1, round + 1));
        for refused in answers.iter().filter(|it| it.status != 201) {
            refused.assert_problem(409, "alias_taken");
        }
        for replica in &replicas {
            let target = format!("/t/{named}/api/applications");
            within("the tenant to be in force", async { while replica.get(&target).await.status != 200 {} })
                .await;
        }
    }
    replicas.iter().for_each(assert_unseen);
}

/// Whose clock is an hour slow or fast makes no difference: by ours it lives until it was silent for twice `timeouts.deadline`.
#[tokio::test]
async fn b52_the_note_of_another_replica_holds_its_alias_while_it_may_live_and_no_longer() {
    let name = "b52_the_note_of_another_replica_holds_its_alias_while_it_may_live_and_no_longer";
    let Some(server) = RedisServer::start(name).await else { return };
    let (cloud, token) = account().await;
    let replica = replica(&cloud, &token, &server).set("timeouts.deadline", "'1s'").start().await;
    let store = InRedis::open(server.connect(), Secret::new(KEY.into())).await.expect("it can be opened");
    let now = claviger::clock::Clock::system().now().wall;
    for (named, clock) in [("slow", now - HOUR), ("fast", now + HOUR)] {
        let noted = Instant::now();
        store.create(note(named, clock)).await.expect("it is free");
        let request = create(named).header("Claviger-Tenant", named);
        let refused = replica.ask(&request).await;
        refused.assert_problem(409, "alias_taken");
        assert!(refused.text().contains("is being created or adopted"), "{named}: {}", refused.text());
        let answer = within("the alias to be free", async {
            loop {
                let answer = replica.ask(&request).await;
                if answer.status != 409 {
                    break answer;
                }
            }
        })
        .await;
        assert_eq!(answer.status, 201, "{named}: {}", answer.text());
        assert!(noted.elapsed() >= 2 * SECOND, "{named}: {:?}", noted.elapsed());
    }
    assert_eq!(creations(&cloud), 2);
}

/// The process dies between its note and its request; the other one gets the alias for whoever asks again.
#[tokio::test]
async fn b52_an_alias_whose_replica_died_is_free_for_another() {
    let name = "b52_an_alias_whose_replica_died_is_free_for_another";
    let Some(server) = RedisServer::start(name).await else { return };
    let (cloud, token) = account().await;
    let replica = || replica(&cloud, &token, &server).set("timeouts.deadline", "'1s'");
    let other: Proxy = replica().start().await;
    let mut one = replica().env("TEST_CLAVIGER_DIE_AT", "create.noted").start().await;
    let request = create("Acme").header("Claviger-Tenant", "acme");
    let mut client = one.connect().await;
    let whole = [request.head(), body("Acme").into_bytes()].concat();
    client.write(&whole).await.expect("it listens");
    assert!(!one.ended().await.success());
    let answer = within("the alias to be free", async {
        loop {
            let answer = other.ask(&request).await;
            if answer.status != 409 {
                break answer;
            }
        }
    })
    .await;
    assert_eq!((answer.status, creations(&cloud)), (201, 1), "{}", answer.text());
}

/// What one replica got no answer to, another looks up before it sends the like.
#[tokio::test]
async fn b52_a_creation_that_got_no_answer_is_looked_up_by_whichever_replica_is_asked_next() {
    let name = "b52_a_creation_that_got_no_answer_is_looked_up_by_whichever_replica_is_asked_next";
    let Some(server) = RedisServer::start(name).await else { return };
    let (cloud, token) = account().await;
    let replica = || replica(&cloud, &token, &server).set("timeouts.body", "'1s'");
    let (one, other): (Proxy, Proxy) = (replica().start().await, replica().start().await);
    // Created, and the answer breaks off.
    cloud.faults().add(Fault::new(Target::Api, Effect::Truncate { after: 10 }).method("POST").times(1));
    let lost = create("Lost").header("Claviger-Tenant", "lost");
    one.ask(&lost).await.assert_problem(502, "tenant_not_stored");
    let (id, _) = cloud.cloud_tenants().remove(0);
    for replica in [&other, &one] {
        let answer = replica.ask(&lost).await;
        answer.assert_problem(502, "tenant_not_stored");
        assert!(answer.text().contains(&id), "{}", answer.text());
    }
    assert_eq!(creations(&cloud), 1);
    // Not created, as far as the list says: whoever is asked next sends it.
    cloud.faults().add(Fault::new(Target::Api, Effect::Reset).method("POST").times(1));
    let never = create("Never").header("Claviger-Tenant", "never");
    one.ask(&never).await.assert_problem(502, "upstream_unreachable");
    assert_eq!(other.ask(&never).await.status, 201);
    assert_eq!((creations(&cloud), cloud.cloud_tenants().len()), (3, 2));
}
