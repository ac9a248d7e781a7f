//! A tenant that the operator has created, by the command and through the admin listener.

use claviger_emulator::{CANARY, Effect, Emulator, Fault, Target};
use serde_json::{Value, json};

use super::{
    account,
    capture::{assert_unseen, capturing},
};
use crate::{
    support::{Proxy, Request, canary::MARK, quoted},
    vault::tenant,
};

/// With an admin listener that the commands find.
async fn started(cloud: &Emulator, token: &str) -> Proxy {
    let builder = capturing(cloud, token);
    let socket = builder.directory().join("admin.sock");
    builder
        .set("listen.admin", quoted(format!("unix:{}", socket.display())))
        .set("admin.token", quoted(format!("{MARK}admin-token-0123456789")))
        .set("admin.tenants", "true")
        .start()
        .await
}

const ACME: [&str; 6] = ["create", "acme", "--name", "Acme", "--region", "EU"];

#[tokio::test]
async fn the_command_creates_a_tenant_and_tells_each_step() {
    let (cloud, token) = account().await;
    let proxy = started(&cloud, &token).await;
    let created = tenant(&proxy.file(), &[&ACME[..], &["--tag", "production", "--json"]].concat()).await;
    created.assert_code(0).keep(proxy.tap());
    let (id, logto) = cloud.cloud_tenants().remove(0);
    let (head, tail) = created.stderr.split_once("its credential is captured\n").expect("it was created");
    assert_eq!(
        head,
        format!(
            "alias acme is reserved\nLogto Cloud is asked, as account default\ncreated at Logto Cloud as {id}, at {}; ",
            logto.endpoint()
        )
    );
    assert!(tail.contains("tenant acme is in force") && tail.contains("is proved"), "{tail}");
    let shown: Value = serde_json::from_str(&created.stdout).expect("JSON");
    assert_eq!(
        (&shown["alias"], &shown["tenant_id"], &shown["usable"], &shown["created_by"], &shown["template"]),
        (&json!("acme"), &json!(id), &json!(true), &json!("operator"), &json!("customer"))
    );
    assert!(!created.stdout.contains(CANARY) && !created.stderr.contains(CANARY));
    assert_eq!(proxy.get("/t/acme/api/applications").await.status, 200);
    let sent: Value = serde_json::from_slice(&cloud.recorded()[0].body).expect("JSON");
    assert_eq!(sent, json!({ "name": "Acme", "regionName": "EU", "tag": "production" }));
    let again = tenant(&proxy.file(), &ACME).await;
    assert!(again.assert_code(1).stderr.contains("the alias acme is taken"), "{again:?}");
    assert_eq!(cloud.api_requests(), 1, "nothing was sent for it");
    let unnamed = tenant(&proxy.file(), &["create", "--name", "Other", "--region", "US"]).await;
    unnamed.assert_code(0).keep(proxy.tap());
    assert_eq!(cloud.cloud_tenants().len(), 2);
    let metrics = proxy.admin("/metrics").await.text();
    let counted = "claviger_requests_total{caller=\"\",code=\"2xx\",operation=\"cloud:CreateTenant\",source=\"upstream\",tenant=\"cloud:default\"} 2";
    assert!(metrics.contains(counted), "{metrics}");
    assert_unseen(&proxy);
}

#[tokio::test]
async fn what_the_account_refuses_is_explained() {
    let (cloud, token) = account().await;
    let proxy = started(&cloud, &token).await;
    let nameless = tenant(&proxy.file(), &["create", "acme", "--name", " ", "--region", "EU"]).await;
    assert!(nameless.assert_code(1).stderr.contains("the name is empty"), "{}", nameless.stderr);
    let nowhere = tenant(&proxy.file(), &["create", "acme", "--name", "Acme", "--region", "MARS"]).await;
    let said = &nowhere.assert_code(1).stderr;
    assert!(said.contains("Logto Cloud refuses to create the tenant: 400 Bad Request"), "{said}");
    assert!(said.contains("The account's regions are: EU, US"), "{said}");
    assert_eq!(tenant(&proxy.file(), &["list"]).await.stdout.lines().count(), 1);
    let post = |effect| Fault::new(Target::Api, effect).method("POST").times(1);
    cloud.faults().add(post(Effect::body(
        403,
        "application/json",
        r#"{"code":"subscription.limit_exceeded","message":"Too many tenants"}"#,
    )));
    let refused = tenant(&proxy.file(), &ACME).await;
    let said = &refused.assert_code(1).stderr;
    assert!(
        said.contains("Too many tenants (subscription.limit_exceeded)") && said.contains("plan"),
        "{said}"
    );
    assert!(!said.contains("whose credential is not here"), "{said}");
    // Created, and the answer breaks off.
    cloud.faults().add(post(Effect::Truncate { after: 10 }));
    let lost = tenant(&proxy.file(), &ACME).await;
    let id = cloud.cloud_tenants().remove(0).0;
    let shown = tenant(&proxy.file(), &["show", "acme"]).await;
    assert!(shown.assert_code(0).stdout.contains("in force   no: it has no credential\n"), "{shown:?}");
    // Or it is a refusal, of whoever was asked a second time.
    cloud.faults().add(post(Effect::body(409, "application/json", r#"{"message":"There is one"}"#)));
    let second = tenant(&proxy.file(), &["create", "beta", "--name", "Acme", "--region", "EU"]).await;
    let look = format!("The account has a tenant of this name whose credential is not here: {id}.");
    assert!(second.assert_code(1).stderr.contains(&look), "{second:?}");
    assert!(second.stderr.contains("claviger tenant adopt beta --tenant-id ID"), "{second:?}");
    let said = &lost.assert_code(1).stderr;
    assert!(
        said.contains(&format!("the tenant {id} exists at Logto Cloud")) && said.contains("adopt"),
        "{said}"
    );
    let other = tenant(&proxy.file(), &[&ACME[..], &["--cloud", "other"]].concat()).await;
    assert!(
        other.assert_code(1).stderr.contains("there is no such account; there are: default"),
        "{other:?}"
    );
    assert_unseen(&proxy);
}

#[tokio::test]
async fn a_personal_access_token_that_is_refused_is_what_is_to_be_replaced() {
    let (cloud, _) = account().await;
    let proxy = started(&cloud, &format!("{MARK}another-0123456789")).await;
    let refused = tenant(&proxy.file(), &ACME).await;
    let said = &refused.assert_code(1).stderr;
    let told = "Logto Cloud refuses the personal access token of account default. Make another personal access token";
    assert!(said.contains(told) && !said.contains("clocks"), "{said}");
    assert_unseen(&proxy);
}

#[tokio::test]
async fn the_admin_listener_creates_for_whoever_has_the_token() {
    let (cloud, token) = account().await;
    let proxy = started(&cloud, &token).await;
    let new =
        || Request::post("/tenants", json!({ "alias": "acme", "name": "Acme", "region": "EU" }).to_string());
    assert_eq!(proxy.ask_admin(&new()).await.status, 401);
    assert_eq!(cloud.api_requests(), 0);
    let bearer = format!("Bearer {MARK}admin-token-0123456789");
    let created = proxy.ask_admin(&new().header("Authorization", &bearer)).await;
    assert_eq!(created.status, 200, "{}", created.text());
    assert_eq!((&created.json()["alias"], &created.json()["usable"]), (&json!("acme"), &json!(true)));
    let taken = proxy.ask_admin(&new().header("Authorization", &bearer)).await;
    assert_eq!((taken.status, &taken.json()["code"]), (409, &json!("claviger.alias_taken")));
    // What fails is logged with the alias that it is about, and a list is about none.
    let unproved = json!({ "alias": "lost", "endpoint": "http://127.0.0.1:1", "client_id": "a", "client_secret": "CANARY-held-secret" });
    let unproved = Request::post("/tenants", unproved.to_string()).header("Authorization", &bearer);
    assert_eq!(proxy.ask_admin(&unproved).await.status, 502);
    proxy.logged(r#""tenant":"lost""#).await;
    assert!(!proxy.log().contains(r#""tenant":"""#), "{}", proxy.log());
    for odd in [json!({ "alias": "x" }), json!({ "name": "x", "secret": "y" })] {
        let odd = Request::post("/tenants", odd.to_string()).header("Authorization", &bearer);
        assert_eq!(proxy.ask_admin(&odd).await.status, 400);
    }
    assert_unseen(&proxy);
}
