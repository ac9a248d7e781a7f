//! A tenant that is created through Claviger: its credential is kept here and seen by nobody, and it is used at once.

use claviger_emulator::{CANARY, Effect, Emulator, Fault, Target};
use serde_json::json;

use super::{account, create, with};
use crate::support::{Proxy, Request, canary::Canary, proxy::Builder, quoted};

const MASK: &str = "[redacted by claviger]";

/// With a vault, and a caller that may create, delete and use whatever there is.
pub(crate) fn capturing(cloud: &Emulator, token: &str) -> Builder {
    let builder = with(cloud, token);
    let file = builder.directory().join("vault.redb");
    builder
        .set("vault.store", format!("{{ file = {} }}", quoted(file.display())))
        .set("vault.key", quoted("CANARY-held-vault-key-0123456789-0123456789"))
        .set("tenant_templates.customer.labels", "['customer']")
        .set("cloud.default.template", "'customer'")
        .set("callers.local.tenants", "['*']")
        .set("policies.all.allow", "['*', 'cloud:*', 'cloud:CreateTenant', 'cloud:DeleteTenant']")
}

/// What no answer, log or metric may have: the secrets of tenants that were created.
pub(crate) fn assert_unseen(proxy: &Proxy) {
    let mut canary = Canary::common();
    canary.watch_as_it_is("a created tenant's secret", CANARY);
    canary.assert_silent(proxy.tap());
}

fn only_post(effect: Effect) -> Fault {
    Fault::new(Target::Api, effect).method("POST")
}

#[tokio::test]
async fn a_created_tenant_is_used_in_the_next_request_and_nobody_sees_its_secret() {
    let (cloud, token) = account().await;
    let proxy = capturing(&cloud, &token).start().await;
    let answer = proxy.ask(&create("Acme").header("Claviger-Tenant", "acme")).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let tenant = answer.json();
    assert_eq!(tenant["name"], "Acme");
    assert_eq!(tenant["defaultApplication"]["secret"], MASK);
    let (id, logto) = cloud.cloud_tenants().remove(0);
    assert_eq!((tenant["id"].as_str(), tenant["indicator"].as_str()), (Some(&*id), Some(logto.endpoint())));
    let base = "http://localhost/t/acme";
    assert_eq!(
        tenant["claviger"],
        json!({ "tenant": "acme", "base_url": base, "usable": true }),
        "as addressed"
    );
    let applications = proxy.get("/t/acme/api/applications").await;
    assert_eq!(applications.status, 200, "{}", applications.text());
    assert_eq!(applications.json()[0]["id"], tenant["defaultApplication"]["id"]);
    assert_eq!((cloud.surprises(), logto.surprises()), (vec![], vec![]));
    assert_unseen(&proxy);
}

#[tokio::test]
async fn the_alias_is_the_id_or_what_the_account_makes_of_it() {
    let (cloud, token) = account().await;
    let proxy = capturing(&cloud, &token).start().await;
    let tenant = proxy.ask(&create("Acme")).await.json();
    assert_eq!(tenant["claviger"]["tenant"], tenant["id"]);
    let proxy = capturing(&cloud, &token)
        .set("cloud.default.alias", "'customer-{id}'")
        .set("cloud.default.indicator", "'claviger'")
        .set("callers.local.tenants", "[{ label = 'customer' }]")
        .start()
        .await;
    let tenant = proxy.ask(&create("Acme")).await.json();
    let alias = format!("customer-{}", tenant["id"].as_str().expect("an ID"));
    assert_eq!(tenant["claviger"]["tenant"], alias);
    assert_eq!(tenant["indicator"], tenant["claviger"]["base_url"]);
    assert_eq!(
        proxy.get(&format!("/t/{alias}/api/applications")).await.status,
        200,
        "by the template's label"
    );
}

#[tokio::test]
async fn an_alias_that_is_taken_or_is_none_is_refused_before_anything_is_sent() {
    let (cloud, token) = account().await;
    let (logto, proxy) = (crate::support::Logto::start().await, capturing(&cloud, &token));
    let proxy = proxy.tenant("taken", &logto).start().await;
    let as_alias = |alias: &str| create("Acme").header("Claviger-Tenant", alias);
    proxy.ask(&as_alias("taken")).await.assert_problem(409, "alias_taken");
    proxy.ask(&as_alias("No Alias")).await.assert_problem(400, "bad_request");
    assert_eq!(cloud.api_requests(), 0);
    assert_eq!(proxy.ask(&as_alias("acme")).await.status, 201);
    proxy.ask(&as_alias("acme")).await.assert_problem(409, "alias_taken");
    assert_eq!(cloud.cloud_tenants().len(), 1);
}

#[tokio::test]
async fn without_a_vault_nothing_is_created_but_for_who_sees_the_secret() {
    let (cloud, token) = account().await;
    let may_create = "['cloud:CreateTenant']";
    let proxy = with(&cloud, &token).set("policies.all.allow", may_create).start().await;
    let answer = proxy.ask(&create("Acme")).await;
    answer.assert_problem(503, "vault_unavailable");
    assert_eq!(answer.value("retry-after"), None, "nobody waits for what never comes");
    assert_eq!(answer.json()["detail"], "No vault is configured. The operator writes `[vault]`.");
    proxy.logged("the vault is unavailable: none is configured").await;
    proxy.logged("Write [vault] with store").await;
    assert_eq!(cloud.api_requests(), 0);
    let proxy = with(&cloud, &token)
        .set("policies.all.allow", may_create)
        .set("callers.local.reveal", may_create)
        .start()
        .await;
    let tenant = proxy.ask(&create("Acme")).await.json();
    assert!(tenant["defaultApplication"]["secret"].as_str().expect("a secret").starts_with(CANARY));
}

#[tokio::test]
async fn a_creation_of_unknown_outcome_is_looked_up_and_never_sent_again() {
    let (cloud, token) = account().await;
    let proxy = capturing(&cloud, &token).set("timeouts.body", "'1s'").start().await;
    let posts = || cloud.recorded().iter().filter(|request| request.method == "POST").count();
    // Created, and the answer breaks off.
    cloud.faults().add(only_post(Effect::Truncate { after: 10 }).times(1));
    let answer = proxy.ask(&create("Lost")).await;
    answer.assert_problem(502, "tenant_not_stored");
    let (id, _) = cloud.cloud_tenants().remove(0);
    assert!(answer.text().contains(&id) && answer.text().contains("adopt"), "{}", answer.text());
    assert_eq!(posts(), 1);
    // The caller tries again: it is found, and not sent.
    let answer = proxy.ask(&create("Lost")).await;
    answer.assert_problem(502, "tenant_not_stored");
    assert_eq!(posts(), 1);
    // Not created, as far as the list says: said so, with what happened.
    cloud.faults().add(only_post(Effect::Reset).times(1));
    let answer = proxy.ask(&create("Never")).await;
    answer.assert_problem(502, "upstream_unreachable");
    let safe = "The same request may be given again: they are listed before anything is sent.";
    assert!(answer.text().contains(safe), "{}", answer.text());
    assert_eq!(posts(), 2);
    // Then its caller may.
    assert_eq!(proxy.ask(&create("Never")).await.status, 201);
    assert_eq!((posts(), cloud.cloud_tenants().len()), (3, 2));
    assert_unseen(&proxy);
}

#[tokio::test]
async fn a_tenant_is_stored_though_its_caller_has_left() {
    let (cloud, token) = account().await;
    let proxy = capturing(&cloud, &token).start().await;
    cloud.faults().add(only_post(Effect::Latency { ms: 300 }));
    let mut client = proxy.connect().await;
    let request = create("Acme").header("Claviger-Tenant", "acme");
    let whole = [request.head(), super::body("Acme").into_bytes()].concat();
    client.write(&whole).await.expect("it listens");
    crate::support::until("the creation to be sent", || (cloud.api_requests() > 0).then_some(())).await;
    drop(client);
    proxy.logged("its credential stored").await;
    assert_eq!(proxy.get("/t/acme/api/applications").await.status, 200);
}

#[tokio::test]
async fn a_deleted_tenant_is_gone_here_too_and_after_a_restart_the_others_are_there() {
    let (cloud, token) = account().await;
    let directory = tempfile::tempdir().expect("there is a temporary directory");
    let store = format!("{{ file = {} }}", quoted(directory.path().join("vault.redb").display()));
    let start = || capturing(&cloud, &token).set("vault.store", &store).start();
    let proxy = start().await;
    let create = |alias: &str| create(alias).header("Claviger-Tenant", alias);
    let gone = proxy.ask(&create("gone")).await.json();
    assert_eq!(proxy.ask(&create("kept")).await.status, 201);
    assert_eq!(proxy.get("/t/gone/api/applications").await.status, 200);
    let target = format!("/cloud/api/tenants/{}", gone["id"].as_str().expect("an ID"));
    assert_eq!(proxy.ask(&Request::new("DELETE", &target)).await.status, 204);
    proxy.get("/t/gone/api/applications").await.assert_problem(404, "tenant_unknown");
    assert_eq!(proxy.ask(&create("gone")).await.status, 201, "the alias is free again");
    assert_eq!(cloud.cloud_tenants().len(), 2);
    assert_unseen(&proxy);
    proxy.stop().await;
    let proxy = start().await;
    assert_eq!(proxy.get("/t/kept/api/applications").await.status, 200);
    assert_unseen(&proxy);
}

#[tokio::test]
async fn a_tenant_whose_credential_cannot_be_kept_is_named_and_how_to_adopt_it() {
    let (cloud, token) = account().await;
    let proxy = capturing(&cloud, &token).start().await;
    let answer = r#"{"id":"abc123","name":"Acme","indicator":"https://abc123.logto.app"}"#;
    cloud.faults().add(only_post(Effect::body(201, "application/json", answer)));
    let answer = proxy.ask(&create("Acme").header("Claviger-Tenant", "acme")).await;
    answer.assert_problem(502, "tenant_not_stored");
    let text = answer.text();
    assert!(text.contains("The tenant abc123 exists at Logto Cloud"), "{text}");
    assert!(
        text.contains("has no defaultApplication")
            && text.contains("claviger tenant adopt acme --tenant-id abc123"),
        "{text}"
    );
    proxy.logged("its credential is not stored").await;
    assert_eq!(proxy.ask(&create("Acme").header("Claviger-Tenant", "acme")).await.status, 502);
}

#[tokio::test]
async fn two_hundred_tenants_at_once_are_two_hundred_tenants() {
    const MANY: usize = 200;
    let (cloud, token) = account().await;
    let proxy = capturing(&cloud, &token)
        .set("cloud.default.max_in_flight", "64")
        .set("limits.queue", "256")
        .set("timeouts.deadline", "'60s'")
        .start()
        .await;
    assert_eq!(proxy.ask(&create("first").header("Claviger-Tenant", "first")).await.status, 201);
    let creating = (0..MANY).map(|n| {
        let proxy = &proxy;
        async move {
            let request = create(&format!("Tenant {n}")).header("Claviger-Tenant", &format!("t{n}"));
            let answer = proxy.ask(&request).await;
            assert_eq!(answer.status, 201, "{n}: {}", answer.text());
            let other = proxy.get("/t/first/api/applications").await;
            assert_eq!(other.status, 200, "{n}: {}", other.text());
            let own = proxy.get(&format!("/t/t{n}/api/applications")).await;
            assert_eq!(own.status, 200, "{n}: {}", own.text());
            own.json()[0]["id"].as_str().expect("an ID").to_owned()
        }
    });
    let mut applications = futures_util::future::join_all(creating).await;
    applications.sort_unstable();
    applications.dedup();
    assert_eq!((applications.len(), cloud.cloud_tenants().len()), (MANY, MANY + 1));
    assert_unseen(&proxy);
}
