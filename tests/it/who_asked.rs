//! Who asked for what, in the log and the audit log: the object, the method of authentication, the subject, which of two keys;
//! which policy decided, and what of its answer was shown.

use serde_json::{Value, json};

use super::{
    causes::{line, record},
    grants::{audit_of, records},
};
use crate::support::{
    Logto, Proxy, Request,
    canary::MARK,
    issuer::{Signer, account, key_set},
    pki::{Authority, Wanted},
    quoted,
    secure::Secure,
};

const CLUSTER: &str = "https://kubernetes.default.svc.cluster.local";

fn key(name: &str) -> String {
    format!("{MARK}key-of-{name}-0123456789")
}

/// What log and audit log both say of a request; the same, or the test fails.
async fn said(proxy: &Proxy, id: &str, members: &[&str]) -> Value {
    let (line, record) = (line(proxy, id).await, record(proxy, id).await);
    let said = members.iter().map(|member| ((*member).to_owned(), record[*member].clone()));
    let said: serde_json::Map<_, _> = said.collect();
    for (member, value) in &said {
        assert_eq!(line[member], *value, "{member}\n{line}\n{record}");
    }
    said.into()
}

#[tokio::test]
async fn b40_a_denied_request_is_in_log_and_audit_with_its_object_and_who_asked() {
    let logto = Logto::start().await;
    let signer = Signer::new("one");
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let server = servers.server(&["localhost"]);
    let own = clients.issue(&Wanted { uris: vec!["spiffe://prod/ns/shop/sa/mesh"], ..Wanted::default() });
    let builder = Proxy::builder().tenant("acme", &logto).without("callers.local");
    let directory = builder.directory().to_owned();
    let at = |name: &str| quoted(directory.join(name).display());
    for (name, text) in [
        ("ca.crt", &clients.pem),
        ("tls.crt", &server.cert_pem),
        ("tls.key", &server.key_pem),
        ("jwks.json", &key_set(&[&signer])),
    ] {
        std::fs::write(directory.join(name), text).expect("it can be written");
    }
    let keyed =
        format!("[{{ api_key = '{}', label = '2026-11' }}, {{ api_key = '{}' }}]", key("new"), key("old"));
    let mut builder = builder
        .set("audit.output", "{ file = 'audit.jsonl' }")
        .set("listen.tls.cert", at("tls.crt"))
        .set("listen.tls.key", format!("{{ file = {} }}", at("tls.key")))
        .set("listen.tls.client_ca", at("ca.crt"))
        .set("issuers.kubernetes.issuer", quoted(CLUSTER))
        .set("issuers.kubernetes.audience", "'claviger'")
        .set("issuers.kubernetes.jwks", "{ file = 'jwks.json' }")
        .set("policies.read.allow", "['users:read']");
    for (caller, identify) in [
        ("keyed", keyed.as_str()),
        ("billing", "{ service_account = 'shop/*' }"),
        ("mesh", "{ spiffe = 'spiffe://prod/ns/*/sa/mesh' }"),
    ] {
        builder = builder.set(&format!("callers.{caller}.identify"), identify);
        builder = builder.set(&format!("callers.{caller}.policies"), "['read']");
    }
    let proxy = builder.start().await;
    let token = signer.sign(&account(CLUSTER, "shop", "billing"));
    let asked = |id: &str| {
        Request::new("DELETE", "/t/acme/api/users/u1?x=secret-in-query").header("X-Request-Id", id)
    };
    let cases = [
        (asked("new").key(&key("new")), "keyed", json!({ "identified_by": "api_key", "key": "2026-11" })),
        (asked("old").key(&key("old")), "keyed", json!({ "identified_by": "api_key", "key": "2" })),
        (
            asked("jwt").header("Authorization", &format!("Bearer {token}")),
            "billing",
            json!({
                "identified_by": "jwt", "issuer": "kubernetes", "subject": "system:serviceaccount:shop:billing",
            }),
        ),
        (
            asked("mesh"),
            "mesh",
            json!({ "identified_by": "certificate", "certificate": "spiffe://prod/ns/shop/sa/mesh" }),
        ),
    ];
    for (request, caller, who) in cases {
        let id = if caller == "keyed" {
            &["new", "old"][usize::from(who["key"] == "2")]
        } else {
            &["jwt", "mesh"][usize::from(caller == "mesh")]
        };
        let secure = Secure::new(&servers, (caller == "mesh").then_some(&own));
        let (mut client, _) = secure.connect(&proxy).await.expect("it shakes hands");
        client.ask(&request).await.assert_problem(403, "not_permitted");
        let what =
            said(&proxy, id, &["caller", "tenant", "operation", "method", "path", "code", "side", "cause"])
                .await;
        assert_eq!(
            what,
            json!({
                "caller": caller, "tenant": "acme", "operation": "DeleteUser", "method": "DELETE",
                // As it came: nothing was forwarded.
                "path": "/t/acme/api/users/u1", "code": "claviger.not_permitted", "side": "caller",
                "cause": "no rule allows DeleteUser",
            })
        );
        let members: Vec<_> = who.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(said(&proxy, id, &members).await, who);
        let line = line(&proxy, id).await;
        assert_eq!(line["remedy"], "To allow it, add \"DeleteUser\" to policies.read.allow.");
        assert_eq!((&line["level"], line["peer"].is_string()), (&json!("INFO"), true), "{line}");
    }
    // A token of the broker is good for as long as the key that it was got with, and is a use of it.
    let form = format!("grant_type=client_credentials&client_id=keyed&client_secret={}", key("new"));
    let (mut client, _) = Secure::new(&servers, None).connect(&proxy).await.expect("it shakes hands");
    let broker = client.ask(&Request::form("/oidc/token", &form)).await.json();
    let bearer = format!("Bearer {}", broker["access_token"].as_str().expect("a token"));
    client.ask(&asked("broker").header("Authorization", &bearer)).await;
    assert_eq!(
        said(&proxy, "broker", &["identified_by", "key"]).await,
        json!({ "identified_by": "claviger_token", "key": "2026-11" })
    );
    assert!(!proxy.log().contains("secret-in-query"));
    assert!(!audit_of(proxy).await.contains("secret-in-query"));
}

#[tokio::test]
async fn a_refused_path_is_shown_as_it_came_but_for_credentials() {
    let logto = Logto::start().await;
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("audit.output", "{ file = 'audit.jsonl' }")
        .set("callers.keyed.identify", format!("{{ api_key = '{}' }}", key("keyed")))
        .set("callers.keyed.policies", "['all']")
        .start()
        .await;
    let long = format!("/api/{}", "x".repeat(2000));
    let cut = format!("/api/{}…", "x".repeat(507));
    for (id, target, path) in [
        ("ambiguous", "/api/users/..%2froles".to_owned(), "/api/users/..%2froles"),
        ("nowhere", "/favicon.ico".to_owned(), "/favicon.ico"),
        ("unknown", "/t/other/api/users".to_owned(), "/t/other/api/users"),
        ("long", long, &cut),
        ("key", format!("/api/users/{}", key("keyed")), "/api/users/[redacted]"),
        ("encoded", format!("/api/users/%2e{}", key("keyed").replace('-', "%2D")), "/api/users/[redacted]"),
        ("jwt", "/api/users/x.eyJhbGciOiJub25lIn0.e30.".to_owned(), "/api/users/[redacted]"),
    ] {
        let answer = proxy.ask(&Request::get(&target).header("X-Request-Id", id)).await;
        assert!((400..500).contains(&answer.status), "{id}: {}", answer.status);
        if answer.outcome().1.starts_with("claviger.") {
            assert_eq!(said(&proxy, id, &["path"]).await["path"], path, "{id}");
        } else {
            assert_eq!(record(&proxy, id).await["path"], path, "{id}");
        }
    }
}

#[tokio::test]
async fn the_audit_log_says_which_policy_decided_when_it_changed_and_what_was_shown() {
    let logto = Logto::start().await;
    let mut proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("audit.output", "{ file = 'audit.jsonl' }")
        .set("callers.local.reveal", "['ListApplications']")
        .start()
        .await;
    let ask = async |proxy: &Proxy, id: &str, target: &str| {
        proxy.ask(&Request::get(target).header("X-Request-Id", id)).await;
    };
    ask(&proxy, "before", "/api/applications").await;
    ask(&proxy, "connectors", "/api/connectors").await;
    ask(&proxy, "roles", "/api/roles").await;
    assert!(proxy.reload_with(|settings| settings.set("policies.all.deny", "['ListRoles']")).await);
    ask(&proxy, "after", "/api/roles").await;
    // Not a part of what decides.
    assert!(proxy.reload_with(|settings| settings.set("timeouts.head", "'7s'").set("workers", "1")).await);
    assert!(!proxy.reload_with(|settings| settings.set("policies.all.deny", "['NoSuchThing']")).await);
    let records = records(&audit_of(proxy).await);
    let of = |id: &str| records.iter().find(|record| record["request_id"] == id).expect(id).clone();
    assert_eq!(of("before")["secrets"], "revealed");
    assert_eq!(of("connectors")["secrets"], "masked");
    assert_eq!(of("roles")["secrets"], Value::Null);
    let (first, second) = (of("before")["policy"].clone(), of("after")["policy"].clone());
    assert_eq!(of("roles")["policy"], first);
    assert_ne!(first, second);
    assert!(
        first.as_str().is_some_and(|it| it.len() == 32 && it.bytes().all(|b| b.is_ascii_hexdigit())),
        "{first}"
    );
    assert_eq!(of("after")["rule"]["text"], "ListRoles");
    let changes: Vec<_> = records.iter().filter(|record| record["event"] == "configuration").collect();
    let shown = |member: &str| changes.iter().map(|change| change[member].clone()).collect::<Vec<_>>();
    assert_eq!(shown("outcome"), ["started", "changed", "changed", "refused"]);
    assert_eq!(shown("policy"), [first.clone(), second.clone(), second.clone(), second.clone()]);
    assert_eq!(shown("policy_before"), [Value::Null, first, second, Value::Null]);
    assert_eq!(
        shown("changed"),
        [json!([]), json!(["policies.all"]), json!(["timeouts.head", "workers"]), json!([])]
    );
    assert_eq!(shown("pending_restart"), [json!([]), json!([]), json!(["workers"]), json!([])]);
    assert!(
        changes[3]["error"].as_str().is_some_and(|error| error.contains("NoSuchThing")),
        "{}",
        changes[3]
    );
    let page = include_str!("../../docs/audit.md");
    for member in changes[0].as_object().expect("an object").keys() {
        assert!(page.contains(&format!("`{member}`")), "docs/audit.md does not know {member}");
    }
}
