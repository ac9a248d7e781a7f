//! A process that is told to stop while it creates a tenant, or sends a request once: it waits for that, whoever has left.

use std::{path::Path, time::Duration};

use claviger_emulator::{Effect, Emulator, Fault, Target};
use rustix::process::Signal;
use serde_json::json;

use super::{account, body, capture::capturing, crash::with_store, create};
use crate::{
    idempotency::creation,
    support::{Logto, Proxy, Request, canary::MARK, proxy::Builder, soon},
};

const SECOND: Duration = Duration::from_secs(1);

fn slow(cloud: &Emulator, wait: Duration) {
    cloud.faults().add(Fault::new(Target::Api, Effect::latency(wait)).method("POST"));
}

async fn sent(cloud: &Emulator) {
    soon("the creation to be sent", || cloud.api_requests() > 0).await;
}

/// With its vault there, and time for a creation that is slow.
fn patient(cloud: &Emulator, token: &str, directory: &Path) -> Builder {
    with_store(capturing(cloud, token), directory).set("timeouts.deadline", "'20s'")
}

/// Asks by the proxy for a tenant `acme`, and leaves.
async fn ask_and_leave(proxy: &Proxy, cloud: &Emulator) {
    let mut client = proxy.connect().await;
    let request = create("Acme").header("Claviger-Tenant", "acme");
    client.write(&[request.head(), body("Acme").into_bytes()].concat()).await.expect("it listens");
    sent(cloud).await;
}

async fn assert_kept(builder: Builder) {
    let proxy = builder.start().await;
    let answer = proxy.get("/t/acme/api/applications").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test]
async fn b52_a_creation_whose_caller_has_left_is_completed_before_the_process_ends() {
    let (cloud, token) = account().await;
    let directory = tempfile::tempdir().expect("there is a temporary directory");
    let builder = || patient(&cloud, &token, directory.path());
    let mut proxy = builder().start().await;
    slow(&cloud, SECOND);
    ask_and_leave(&proxy, &cloud).await;
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.ended().await.code(), Some(0), "{}", proxy.log());
    cloud.faults().clear();
    assert_kept(builder()).await;
}

#[tokio::test]
async fn b52_a_creation_of_the_operators_is_completed_and_answered_before_the_process_ends() {
    let (cloud, token) = account().await;
    let directory = tempfile::tempdir().expect("there is a temporary directory");
    let builder = || patient(&cloud, &token, directory.path());
    let mut proxy = builder().start().await;
    slow(&cloud, SECOND);
    let bearer = format!("Bearer {MARK}admin-token-0123456789");
    let new = Request::post("/tenants", json!({ "alias": "acme", "name": "Acme" }).to_string());
    let new = new.header("Authorization", &bearer);
    let mut client = proxy.connect_admin().await;
    let asked = tokio::spawn(async move { client.try_ask(&new).await });
    sent(&cloud).await;
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.ended().await.code(), Some(0), "{}", proxy.log());
    let answer = asked.await.expect("it does not panic").expect("it is answered");
    assert_eq!((answer.status, &answer.json()["alias"]), (200, &json!("acme")), "{}", answer.text());
    cloud.faults().clear();
    assert_kept(builder()).await;
}

#[tokio::test]
async fn b52_a_creation_that_takes_longer_than_the_drain_is_named() {
    let (cloud, token) = account().await;
    let directory = tempfile::tempdir().expect("there is a temporary directory");
    let builder = with_store(capturing(&cloud, &token), directory.path()).set("timeouts.deadline", "'60s'");
    let mut proxy = builder.set("shutdown.drain", "'200ms'").start().await;
    slow(&cloud, 60 * SECOND);
    ask_and_leave(&proxy, &cloud).await;
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.ended().await.code(), Some(1), "{}", proxy.log());
    let log = proxy.log();
    assert!(log.contains("the creation of the tenant acme") && log.contains("cut off"), "{log}");
    assert!(!log.contains("all requests were finished"), "{log}");
}

#[tokio::test]
async fn b60_a_request_with_a_key_whose_caller_has_left_is_waited_for() {
    let logto = Logto::start().await;
    for (drain, wait, code) in [("10s", SECOND, 0), ("200ms", 60 * SECOND, 1)] {
        let builder = Proxy::builder().tenant("acme", &logto).set("shutdown.drain", format!("'{drain}'"));
        let mut proxy = builder.start().await;
        let before = logto.api_requests();
        logto.api_fault(Effect::latency(wait));
        let request = creation("ada", "\"k-1\"");
        let mut client = proxy.connect().await;
        let whole = [request.head(), br#"{"name":"ada"}"#.to_vec()].concat();
        client.write(&whole).await.expect("it listens");
        soon("it to be sent", || logto.api_requests() > before).await;
        drop(client);
        proxy.signal(Signal::TERM);
        assert_eq!(proxy.ended().await.code(), Some(code), "{}", proxy.log());
        assert_eq!(proxy.log().contains("a request with an Idempotency-Key"), code == 1, "{}", proxy.log());
        logto.faults().clear();
    }
    let proxy = Proxy::of(&logto).await;
    assert_eq!(proxy.users("name").await.iter().filter(|it| *it == "ada").count(), 1, "the first one");
}
