//! The Logto Cloud API as a second upstream: the same callers, policies and masking, and the account's personal access token
//! in no one's hands.

#[path = "cloud/capture.rs"]
pub(crate) mod capture;
#[path = "cloud/crash.rs"]
mod crash;
#[path = "cloud/created.rs"]
mod created;
#[path = "cloud/operator.rs"]
mod operator;
#[path = "cloud/probe.rs"]
mod probe;
#[path = "cloud/stopping.rs"]
mod stopping;
#[path = "cloud/storm.rs"]
mod storm;
#[path = "cloud/unusable.rs"]
mod unusable;

use claviger_emulator::{Effect, Emulator, Options};
use serde_json::json;

use crate::support::{Logto, Proxy, Request, canary::MARK, proxy::Builder, quoted};

/// An account, with its token.
pub(crate) async fn account() -> (Emulator, String) {
    let token = format!("{MARK}pat-0123456789");
    let emulator = Emulator::start(Options { cloud: Some(token.clone()), ..Options::default() }).await;
    (emulator.expect("a port is free"), token)
}

/// A Claviger with no tenant and this account.
fn with(emulator: &Emulator, token: &str) -> Builder {
    Proxy::builder()
        .set("cloud.default.endpoint", quoted(emulator.base_url()))
        .set("cloud.default.token", quoted(token))
        .set("callers.local.cloud", "'default'")
        .set("policies.all.allow", "['*', 'cloud:*', 'cloud:DeleteTenant']")
}

pub(crate) fn create(name: &str) -> Request {
    Request::post("/cloud/api/tenants", body(name))
}

pub(crate) fn body(name: &str) -> String {
    json!({ "name": name, "tag": "development", "regionName": "EU" }).to_string()
}

#[tokio::test]
async fn whoever_asks_where_there_is_no_account_is_told_that_there_is_none() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    proxy.get("/cloud/api/tenants").await.assert_problem(403, "not_permitted");
    proxy.logged("No account at Logto Cloud is configured: write [cloud.NAME], and add its name to callers.local.cloud.").await;
}

#[tokio::test]
async fn the_cloud_api_is_reached_with_the_accounts_own_token() {
    let (cloud, token) = account().await;
    let proxy = with(&cloud, &token).start().await;
    let regions = proxy.get("/cloud/api/me/regions").await;
    assert_eq!(regions.status, 200, "{}", regions.text());
    assert_eq!(regions.json()["regions"][0]["name"], "EU");
    assert_eq!(proxy.get("/cloud/default/api/tenants").await.json(), json!([]));
    let seen = cloud.recorded();
    assert!(seen.iter().all(|request| request.header("authorization") == Some(format!("Bearer {token}"))));
    assert_eq!(cloud.token_requests(), 0, "a personal access token is not exchanged");
    assert_eq!(cloud.surprises(), []);
    let labels = "{caller=\"local\",code=\"2xx\",operation=\"cloud:ListRegions\",source=\"upstream\",tenant=\"cloud:default\"}";
    assert_eq!(proxy.metric(&format!("claviger_requests_total{labels}")).await, 1.0);
}

#[tokio::test]
async fn what_is_sensitive_is_granted_by_its_name_alone() {
    let (cloud, token) = account().await;
    let proxy = with(&cloud, &token).start().await;
    for request in [
        create("acme"),
        Request::post("/cloud/api/tenants/abc123/subscription", "{}"),
        Request::new("DELETE", "/cloud/api/tenants/abc123/subscription"),
        Request::post("/cloud/api/checkout-session", "{}"),
    ] {
        let answer = proxy.ask(&request).await;
        answer.assert_problem(403, "not_permitted");
        assert!(answer.text().contains("cloud:"), "{}", answer.text());
    }
    assert_eq!(proxy.ask(&Request::new("DELETE", "/cloud/api/tenants/abc123")).await.status, 404);
    proxy.get("/cloud/api/swagger.json").await.assert_problem(404, "not_found");
    proxy.get("/cloud/api/tenant").await.assert_problem(404, "operation_unknown");
    assert_eq!(cloud.api_requests(), 1);
}

#[tokio::test]
async fn only_callers_with_an_account_may_use_it_and_no_star_gives_it() {
    let (cloud, token) = account().await;
    let proxy = with(&cloud, &token).without("callers.local.cloud").start().await;
    let answer = proxy.get("/cloud/api/tenants").await;
    answer.assert_problem(403, "not_permitted");
    proxy.get("/cloud/other/api/tenants").await.assert_problem(403, "not_permitted");
    let proxy = with(&cloud, &token).set("policies.all.allow", "['*']").start().await;
    proxy.get("/cloud/api/tenants").await.assert_problem(403, "not_permitted");
    let proxy = with(&cloud, &token).set("policies.all.deny", "['*']").start().await;
    proxy.get("/cloud/api/tenants").await.assert_problem(403, "not_permitted");
    assert_eq!(cloud.api_requests(), 0);
}

#[tokio::test]
async fn a_token_of_a_tenants_own_is_said_to_be_none_for_an_account() {
    let (cloud, token) = account().await;
    let logto = crate::support::Logto::start().await;
    let key = format!("{MARK}caller-key-0123456789");
    let proxy = with(&cloud, &token)
        .tenant("acme", &logto)
        .set("callers.local.identify", format!("{{ api_key = '{key}' }}"))
        .set("callers.local.tenants", "['acme']")
        .start()
        .await;
    let form = format!("grant_type=client_credentials&client_id=local&client_secret={key}");
    let issued = proxy.ask(&Request::form("/t/acme/oidc/token", &form)).await;
    assert_eq!(issued.status, 200, "{}", issued.text());
    let bearer = format!("Bearer {}", issued.json()["access_token"].as_str().expect("a token"));
    let answer = proxy.ask(&Request::get("/cloud/api/me/regions").header("Authorization", &bearer)).await;
    answer.assert_problem(403, "not_permitted");
    let text = answer.text();
    assert!(text.contains("broker.key") && !text.contains("/oidc/token"), "{text}");
}

#[tokio::test]
async fn one_of_several_accounts_is_named_in_the_path() {
    let (cloud, token) = account().await;
    let (other, other_token) = account().await;
    let proxy = with(&cloud, &token)
        .set("cloud.second.endpoint", quoted(other.base_url()))
        .set("cloud.second.token", quoted(&other_token))
        .set("callers.local.cloud", "['default', 'second']")
        .start()
        .await;
    let answer = proxy.get("/cloud/api/tenants").await;
    answer.assert_problem(400, "bad_request");
    assert!(answer.text().contains("default, second"), "{}", answer.text());
    assert_eq!(proxy.get("/cloud/second/api/tenants").await.status, 200);
    assert_eq!((cloud.api_requests(), other.api_requests()), (0, 1));
}

#[tokio::test]
async fn a_token_that_the_account_refuses_is_named_as_ours() {
    let (cloud, _) = account().await;
    let proxy = with(&cloud, &format!("{MARK}another-0123456789")).start().await;
    let answer = proxy.get("/cloud/api/tenants").await;
    answer.assert_problem(502, "token_rejected");
    let told =
        "Logto Cloud refuses the personal access token of account default. The operator makes another.";
    assert_eq!(answer.json()["detail"], told);
    proxy.logged("Make another personal access token in the Logto Console").await;
}

#[tokio::test]
async fn a_subscription_carries_its_idempotency_key() {
    let (cloud, token) = account().await;
    let rules = "['cloud:CreateTenantSubscription']";
    let proxy = with(&cloud, &token).set("policies.all.allow", rules).start().await;
    let request = Request::post("/cloud/api/tenants/abc123/subscription", r#"{"skuId":"pro-202509"}"#);
    let answer = proxy.ask(&request.header("Idempotency-Key", "attempt-1")).await;
    assert_eq!(answer.status, 404, "there is no such tenant");
    assert_eq!(cloud.recorded()[0].header("idempotency-key"), Some("attempt-1".to_owned()));
    cloud.faults().add(claviger_emulator::Fault::new(claviger_emulator::Target::Api, Effect::Reset));
    let answer = proxy.ask(&Request::post("/cloud/api/tenants/abc123/subscription", "{}")).await;
    answer.assert_problem(502, "upstream_unreachable");
    assert_eq!(cloud.api_requests(), 2, "a charge is never sent twice");
}
