//! A program that dies again and again while it creates tenants and rotates their secrets: at a named place or after any number of
//! requests to Logto. In the end Logto has no tenant that is not known here, and no secret that is not in use.

use std::{collections::BTreeMap, os::unix::process::ExitStatusExt as _};

use claviger_emulator::Emulator;
use serde_json::Value;
use tokio::task::JoinSet;

use super::{
    account, body,
    capture::{assert_unseen, capturing},
    crash::with_store,
};
use crate::{
    support::{Proxy, Request, canary::MARK, proxy::Builder, soon, within},
    vault::tenant,
};

const PLACES: &[&str] = &[
    "create.noted",
    "create.answered",
    "create.stored",
    "rotate.named",
    "rotate.made",
    "rotate.stored",
    "rotate.proved",
    "rotate.switched",
    "rotate.deleted",
];
/// Creations and rotations, each, that are begun in one life.
const AT_ONCE: usize = 4;

#[tokio::test]
async fn b52_what_dies_again_and_again_loses_no_tenant_and_leaves_no_secret_behind() {
    storm(12).await;
}

/// A thousand flows that are cut off, or may be.
#[tokio::test]
#[ignore = "takes a minute: `make crash-test`"]
async fn b52_a_thousand_flows_that_are_cut_off_lose_no_tenant_and_leave_no_secret_behind() {
    storm(1000 / (2 * AT_ONCE)).await;
}

#[expect(clippy::print_stdout, reason = "figures for whoever runs it alone")]
async fn storm(lives: usize) {
    let mut random = fastrand::Rng::with_seed(52);
    let (cloud, token) = account().await;
    let directory = tempfile::tempdir().expect("there is a temporary directory");
    let builder = || {
        with_store(capturing(&cloud, &token), directory.path())
            .set("tenant_templates.customer.rotate", "{ every = '30d', overlap = '0s' }")
    };
    let mut cut = BTreeMap::<_, usize>::new();
    for life in 0..lives {
        let place = PLACES.get(random.usize(0..PLACES.len() + 6)).copied();
        let (proxy, most) = match place {
            Some(place) => (builder().env("TEST_CLAVIGER_DIE_AT", place), usize::MAX),
            None => (builder(), requests(&cloud) + random.usize(1..40)),
        };
        let by = one_life(proxy, &cloud, life, most, &mut random).await;
        *cut.entry((place, by)).or_default() += 1;
    }
    let proxy = builder().set("timeouts.deadline", "'10s'").start().await;
    let known = at_rest(&proxy).await;
    let there = cloud.cloud_tenants();
    for (id, logto) in &there {
        let found: Vec<_> = known.iter().filter(|it| it["tenant_id"] == **id).collect();
        let [record] = found[..] else { panic!("{id} is known {} times: {known:?}", found.len()) };
        let alias = record["alias"].as_str().expect("a name");
        if !record["creating"].is_null() {
            let shown = tenant(&proxy.file(), &["show", alias]).await;
            assert!(shown.assert_code(0).stdout.contains("its credential is lost"), "{shown:?}");
            continue;
        }
        let applications = proxy.get(&format!("/t/{alias}/api/applications")).await;
        assert_eq!(applications.status, 200, "{alias}: {}", applications.text());
        let client = applications.json()[0]["id"].as_str().expect("an ID").to_owned();
        let secrets = proxy.get(&format!("/t/{alias}/api/applications/{client}/secrets")).await.json();
        let (there, ours) = (secrets.as_array().map(Vec::len), record["secrets"].as_array().map(Vec::len));
        assert_eq!((there, ours), (Some(1), Some(1)), "{alias}: {secrets} {record}");
        assert_eq!(logto.surprises(), []);
    }
    assert_eq!(known.len(), there.len(), "nothing is known that is not there: {known:?}");
    assert_unseen(&proxy);
    println!("{lives} lives, {} tenants; ended by {cut:?}", there.len());
}

/// Begins what can be cut off, and ends: by a fault, or once Logto was asked `most` requests. Says by which signal.
async fn one_life(
    builder: Builder,
    cloud: &Emulator,
    life: usize,
    most: usize,
    random: &mut fastrand::Rng,
) -> Option<i32> {
    let mut proxy = builder.start().await;
    let mut clients = Vec::new();
    for n in 0..AT_ONCE {
        // Of tenants with one name nobody could tell which of them is whose.
        let alias = format!("t-{life}-{n}");
        let new = Request::post("/cloud/api/tenants", body(&alias)).header("Claviger-Tenant", &alias);
        // What an earlier life began goes on at once, and may end this one before anybody has come.
        let Ok(client) = proxy.try_connect().await else { break };
        clients.push((client, new));
        let old = format!("/tenants/t-{}-{n}/rotate", random.usize(0..life.max(1)));
        let token = format!("Bearer {MARK}admin-token-0123456789");
        let Ok(client) = proxy.try_connect_admin().await else { break };
        clients.push((client, Request::post(&old, "").header("Authorization", &token)));
    }
    let mut flows = JoinSet::new();
    for (mut client, request) in clients {
        flows.spawn(async move { drop(client.try_ask(&request).await) });
    }
    tokio::select! {
        _ended = proxy.ended() => {}
        () = async { while flows.join_next().await.is_some() {} } => {}
        () = soon("requests to Logto", || requests(cloud) >= most) => {}
    }
    proxy.kill().await.signal()
}

/// What Logto was asked, by the account and by its tenants.
fn requests(cloud: &Emulator) -> usize {
    let tenants = cloud.cloud_tenants();
    let asked = |it: &Emulator| it.api_requests() + it.token_requests();
    asked(cloud) + tenants.iter().map(|(_, logto)| asked(logto)).sum::<usize>()
}

/// The vault's tenants, once all that was cut off has been gone on with.
async fn at_rest(proxy: &Proxy) -> Vec<Value> {
    within("all flows to be at rest", async {
        loop {
            let list = tenant(&proxy.file(), &["list", "--json"]).await;
            let list: Value = serde_json::from_str(&list.assert_code(0).stdout).expect("JSON");
            let all = list["tenants"].as_array().expect("a list").clone();
            let rests = |it: &Value| {
                (it["creating"].is_null() || it["tenant_id"].is_string()) && it["rotation"]["step"].is_null()
            };
            if all.iter().all(rests) {
                return all;
            }
        }
    })
    .await
}
