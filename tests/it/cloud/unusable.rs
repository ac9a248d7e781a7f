//! A tenant that Logto Cloud has created and whose credential cannot be kept: it is named with the command that adopts it, and no
//! second one is created.

use claviger_emulator::{CANARY, Effect, Emulator, Fault, Target};
use serde_json::{Value, json};

use super::{
    account,
    capture::{assert_unseen, capturing},
    create, with,
};
use crate::support::{Logto, Request, gzip::gzip, quoted};

/// A tenant of this name that nobody knows here, as Logto Cloud shows it once.
async fn elsewhere(cloud: &Emulator, token: &str, name: &str) -> Value {
    let rules = "['cloud:CreateTenant']";
    let proxy =
        with(cloud, token).set("policies.all.allow", rules).set("callers.local.reveal", rules).start().await;
    let answer = proxy.ask(&create(name)).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()
}

fn id(tenant: &Value) -> &str {
    tenant["id"].as_str().expect("an ID")
}

fn without(tenant: &Value, member: &str) -> Value {
    let mut tenant = tenant.clone();
    tenant.as_object_mut().expect("an object").remove(member);
    tenant
}

fn posts(cloud: &Emulator) -> usize {
    cloud.recorded().iter().filter(|request| request.method == "POST").count()
}

/// The next creation is answered so.
fn answered(cloud: &Emulator, body: impl Into<Vec<u8>>) {
    let answer = Effect::body(201, "application/json", body);
    cloud.faults().add(Fault::new(Target::Api, answer).method("POST").times(1));
}

fn requests(name: &str, alias: &str) -> [Request; 2] {
    [create(name), create(name).header("Claviger-Tenant", alias)]
}

#[tokio::test]
async fn an_answer_that_cannot_be_used_leads_to_no_second_tenant() {
    let (cloud, token) = account().await;
    let proxy = capturing(&cloud, &token).start().await;
    for kind in ["no-indicator", "no-application", "list", "nested", "twice"] {
        for (n, request) in requests(kind, kind).into_iter().enumerate() {
            let name = format!("{kind}-{n}");
            let request = request.body("application/json", super::body(&name));
            let tenant = elsewhere(&cloud, &token, &name).await;
            let body = match kind {
                "no-indicator" => without(&tenant, "indicator").to_string(),
                "no-application" => without(&tenant, "defaultApplication").to_string(),
                "list" => json!([tenant]).to_string(),
                "nested" => json!({ "data": tenant }).to_string(),
                _ => {
                    let text = tenant.to_string();
                    let rest = text.strip_prefix('{').expect("an object");
                    format!(r#"{{"defaultApplication":{{"id":"x","secret":"{CANARY}other"}},{rest}"#)
                }
            };
            answered(&cloud, body);
            let before = posts(&cloud);
            for time in ["first", "second"] {
                let answer = proxy.ask(&request).await;
                answer.assert_problem(502, "tenant_not_stored");
                let text = answer.text();
                assert!(text.contains(id(&tenant)), "{name}, {time}: {text}");
                assert!(text.contains("--template customer"), "{name}, {time}: {text}");
            }
            assert_eq!(posts(&cloud) - before, 1, "{name}");
        }
    }
    proxy.logged("its credential is not stored").await;
    assert_unseen(&proxy);
}

#[tokio::test]
async fn a_compressed_answer_is_read_and_its_credential_kept() {
    let (cloud, token) = account().await;
    let proxy = capturing(&cloud, &token).start().await;
    let tenant = elsewhere(&cloud, &token, "Acme").await;
    let headers = [("Content-Type", "application/json"), ("Content-Encoding", "gzip")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let answer = Effect::Answer { status: 201, headers, body: gzip(tenant.to_string().as_bytes()) };
    cloud.faults().add(Fault::new(Target::Api, answer).method("POST").times(1));
    let answer = proxy.ask(&create("Acme").header("Claviger-Tenant", "acme")).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(proxy.get("/t/acme/api/applications").await.status, 200);
    assert_unseen(&proxy);
}

#[tokio::test]
async fn a_tenant_whose_alias_is_taken_is_not_created_again() {
    let (cloud, token) = account().await;
    let tenant = elsewhere(&cloud, &token, "Acme").await;
    let taken = Logto::start().await;
    let proxy = capturing(&cloud, &token)
        .set("cloud.default.alias", "'c-{id}'")
        .tenant(&format!("c-{}", id(&tenant)), &taken)
        .start()
        .await;
    answered(&cloud, tenant.to_string());
    let before = posts(&cloud);
    for _ in 0..2 {
        let answer = proxy.ask(&create("Acme")).await;
        answer.assert_problem(502, "tenant_not_stored");
        let remedy = format!("claviger tenant adopt ALIAS --tenant-id {}", id(&tenant));
        assert!(answer.text().contains(&remedy), "{}", answer.text());
    }
    assert_eq!(posts(&cloud) - before, 1);
    assert_unseen(&proxy);
}

/// What the answer says is done, and then there is nothing left of it.
#[tokio::test]
async fn the_remedy_takes_the_note_out_whatever_alias_it_was_kept_under() {
    let (cloud, token) = account().await;
    let builder = capturing(&cloud, &token);
    let socket = builder.directory().join("admin.sock");
    let admin = format!("{}admin-token-0123456789", crate::support::canary::MARK);
    let proxy = builder
        .set("listen.admin", quoted(format!("unix:{}", socket.display())))
        .set("admin.token", quoted(&admin))
        .set("admin.tenants", "true")
        .start()
        .await;
    let tenant = elsewhere(&cloud, &token, "Acme").await;
    answered(&cloud, without(&tenant, "indicator").to_string());
    let answer = proxy.ask(&create("Acme")).await;
    let remedy = format!("claviger tenant adopt {0} --tenant-id {0} --template customer", id(&tenant));
    assert!(answer.text().contains(&remedy), "{}", answer.text());
    let application = &tenant["defaultApplication"];
    let resource = format!("{}/api", tenant["indicator"].as_str().expect("an address"));
    let mut adoption = json!({ "alias": id(&tenant), "tenant_id": id(&tenant), "template": "customer",
        "endpoint": tenant["indicator"], "resource": resource, "client_id": application["id"], "client_secret": application["secret"] });
    let bearer = format!("Bearer {admin}");
    let right = adoption["client_secret"].take();
    let mut adopt = async |secret: Value| {
        adoption["client_secret"] = secret;
        let adopt = Request::post("/tenants", adoption.to_string()).header("Authorization", &bearer);
        proxy.ask_admin(&adopt).await
    };
    // A credential that is refused leaves the note, which says what there is to adopt.
    let refused = adopt(json!(format!("{CANARY}mistyped"))).await;
    assert_eq!(refused.status, 502, "{}", refused.text());
    let note = Request::get(&format!("/tenants/{}", id(&tenant))).header("Authorization", &bearer);
    let note = proxy.ask_admin(&note).await.json();
    assert_eq!((&note["tenant_id"], &note["creating"]["account"]), (&tenant["id"], &json!("default")));
    let adopted = adopt(right).await;
    assert_eq!(adopted.status, 200, "{}", adopted.text());
    let list = proxy.ask_admin(&Request::get("/tenants").header("Authorization", &bearer)).await.json();
    let aliases: Vec<_> = list["tenants"].as_array().expect("a list").iter().map(|it| &it["alias"]).collect();
    assert_eq!(aliases, [&json!(id(&tenant))], "the note has made way");
}

#[tokio::test]
async fn who_asked_for_an_alias_is_told_to_adopt_under_it() {
    let (cloud, token) = account().await;
    let proxy = capturing(&cloud, &token).set("timeouts.body", "'1s'").start().await;
    cloud.faults().add(Fault::new(Target::Api, Effect::Truncate { after: 10 }).method("POST").times(1));
    for _ in 0..2 {
        let answer = proxy.ask(&create("Acme").header("Claviger-Tenant", "acme")).await;
        answer.assert_problem(502, "tenant_not_stored");
        let (id, _) = cloud.cloud_tenants().remove(0);
        let remedy = format!("claviger tenant adopt acme --tenant-id {id} --template customer --client-id");
        assert!(answer.text().contains(&remedy), "{}", answer.text());
    }
}

/// Somebody between has sent it twice, and handed on the second answer; or stopped waiting.
#[tokio::test]
async fn a_refusal_though_the_tenant_was_created_is_looked_into() {
    let (cloud, token) = account().await;
    let proxy = capturing(&cloud, &token).start().await;
    let refused = |status: u16| {
        let answer = Effect::body(status, "application/json", r#"{"message":"There are too many"}"#);
        cloud.faults().add(Fault::new(Target::Api, answer).method("POST").times(1));
    };
    let named = |name: &str| create(name).header("Claviger-Tenant", "acme");
    // Whoever is refused rightly is told so, and nothing else.
    refused(403);
    assert_eq!(proxy.ask(&named("Acme")).await.status, 403);
    assert!(!proxy.log().contains("whose credential is not here"));
    let tenant = elsewhere(&cloud, &token, "Acme").await;
    refused(403);
    let answer = proxy.ask(&named("Acme")).await;
    assert_eq!(
        (answer.status, &answer.json()["message"]),
        (403, &json!("There are too many")),
        "Logto's own"
    );
    proxy.logged("the account has one of that name whose credential is not here").await;
    assert!(proxy.log().contains(&format!("\"ids\":\"{}\"", id(&tenant))), "{}", proxy.log());
    for status in [408, 499] {
        let name = format!("Late {status}");
        let tenant = elsewhere(&cloud, &token, &name).await;
        refused(status);
        assert_eq!(proxy.ask(&named(&name)).await.status, status);
        let before = posts(&cloud);
        let again = proxy.ask(&named(&name)).await;
        again.assert_problem(502, "tenant_not_stored");
        assert!(again.text().contains(id(&tenant)), "{}", again.text());
        assert_eq!(posts(&cloud), before, "and no second one is created");
        let settled =
            proxy.ask(&Request::new("DELETE", &format!("/cloud/api/tenants/{}", id(&tenant)))).await;
        assert_eq!(settled.status, 204, "{}", settled.text());
    }
    assert_unseen(&proxy);
}
