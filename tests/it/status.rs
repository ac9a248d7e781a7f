//! `/status`: what is wrong, since when, and what to do about it; what callers did; and how long it may become.

use std::collections::BTreeSet;

use claviger_emulator::Effect;
use serde_json::Value;

use crate::support::{Logto, Proxy, Request, Settings, quoted, soon};

fn problem<'s>(status: &'s Value, about: &str) -> &'s Value {
    let problems = status["problems"].as_array().expect("a list");
    problems.iter().find(|problem| problem["about"] == about).unwrap_or_else(|| panic!("{about}: {status:#}"))
}

/// Every string that looks like a moment, and every number whose name says that it is one.
fn moments(value: &Value, name: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| moments(value, name, found)),
        Value::Array(all) => all.iter().for_each(|value| moments(value, name, found)),
        Value::String(text) if humantime::parse_rfc3339(text).is_ok() => {
            found.push((name.into(), text.clone()));
        }
        Value::Number(number) if number.as_u64().is_some_and(|it| it > 1_000_000_000) => {
            found.push((name.into(), number.to_string()));
        }
        _ => {}
    }
}

#[tokio::test]
async fn nothing_is_wrong_and_every_moment_is_written_in_one_way() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    assert_eq!(proxy.get("/api/users").await.status, 200);
    let status = proxy.status().await;
    assert_eq!(
        (&status["state"], &status["errors"], &status["warnings"]),
        (&"ready".into(), &0.into(), &0.into())
    );
    assert_eq!(status["problems"], serde_json::json!([]));
    let acme = &status["tenants"]["acme"];
    assert_eq!((&acme["state"], &acme["upstream"]["failed_share"]), (&"ok".into(), &0.0.into()), "{acme:#}");
    let mut found = Vec::new();
    moments(&status, "", &mut found);
    let names: BTreeSet<_> = found.iter().map(|(name, _)| name.as_str()).collect();
    for name in ["time", "started", "in_force_since", "usable_until", "last_request"] {
        assert!(names.contains(name), "{name}: {status:#}");
    }
    for (name, text) in &found {
        assert!(text.len() == 20 && text.ends_with('Z'), "{name}: {text}");
    }
}

#[tokio::test]
async fn an_upstream_that_answers_500_to_everything_shows() {
    let logto = Logto::start().await;
    let proxy = Proxy::builder().tenant("acme", &logto).set("retry.attempts", "1").start().await;
    for _ in 0..3 {
        assert_eq!(proxy.get("/api/users").await.status, 200);
    }
    logto.api_fault(Effect::status(500));
    for _ in 0..5 {
        assert_eq!(proxy.get("/api/users").await.status, 500, "it is handed on");
    }
    let status = proxy.status().await;
    let upstream = &status["tenants"]["acme"]["upstream"];
    assert_eq!((&upstream["tries"], &upstream["failed"]), (&8.into(), &5.into()), "{upstream:#}");
    assert_eq!(upstream["failed_share"], 0.625);
    assert_eq!(upstream["consecutive_failures"], 0, "it does answer");
    let last = &upstream["last_error"];
    assert_eq!(last["what"], "the upstream answered with 500 Internal Server Error");
    assert!(
        last["at"].is_string() && last["remedy"].as_str().is_some_and(|it| it.contains("Logto's log")),
        "{last}"
    );
    let problem = problem(&status, "tenants.acme");
    assert_eq!((&problem["severity"], &problem["at"]), (&"error".into(), &last["at"]));
    assert!(problem["what"].as_str().is_some_and(|it| it.starts_with("5 of 8 attempts failed")), "{problem}");
    assert_eq!((&status["errors"], &status["tenants"]["acme"]["state"]), (&1.into(), &"error".into()));
    assert_eq!(status["ready"], true, "a restart would mend nothing");
}

#[tokio::test]
async fn a_few_failures_among_many_are_a_warning_and_one_is_none() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    let mut client = proxy.connect().await;
    logto.api_fault_times(1, Effect::status(503));
    for _ in 0..20 {
        assert_eq!(client.ask(&Request::get("/api/roles")).await.status, 200);
    }
    let status = proxy.status().await;
    let upstream = &status["tenants"]["acme"]["upstream"];
    assert_eq!(
        (&upstream["tries"], &upstream["failed"]),
        (&21.into(), &1.into()),
        "what was tried again counts: {upstream}"
    );
    assert_eq!(status["tenants"]["acme"]["state"], "ok");
    logto.api_fault_times(1, Effect::status(503));
    assert_eq!(client.ask(&Request::get("/api/roles")).await.status, 200);
    assert_eq!(problem(&proxy.status().await, "tenants.acme")["severity"], "warning");
}

#[tokio::test]
async fn a_tenant_without_a_token_says_what_to_do() {
    let logto = Logto::start().await;
    let wrong = quoted("CANARY-held-a-wrong-secret-0123456789");
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .tenant("initech", &logto)
        .set("tenants.initech.client_secret", wrong)
        .set("callers.local.tenants", "['*']")
        .start()
        .await;
    assert_eq!(proxy.get("/t/acme/api/users").await.status, 200);
    proxy.get("/t/initech/api/users").await.assert_problem(502, "credential_rejected");
    let status = proxy.status().await;
    let error = &status["tenants"]["initech"]["token"]["last_error"];
    let problem = problem(&status, "tenants.initech");
    assert_eq!((&problem["remedy"], &problem["at"]), (&error["remedy"], &error["at"]));
    assert!(problem["remedy"].as_str().is_some_and(|it| it.contains("client secret is wrong")), "{problem}");
    assert_eq!((&status["tenants_total"], &status["tenants_healthy"]), (&2.into(), &1.into()));
}

#[tokio::test]
async fn what_callers_did_is_counted_by_how_it_ended() {
    let logto = Logto::start().await;
    let mut proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("retry.attempts", "1")
        .set("callers.idle.identify", "{ api_key = 'CANARY-held-key-of-a-caller-that-never-calls' }")
        .set("callers.idle.policies", "['all']")
        .set("callers.billing.identify", "{ api_key = 'CANARY-held-key-of-billing-0123456789' }")
        .set("callers.billing.policies", "['reads']")
        .set("policies.reads.allow", "['users:read']")
        .without("callers.local")
        .start()
        .await;
    let billing = |target: &str| Request::get(target).key("CANARY-held-key-of-billing-0123456789");
    for _ in 0..3 {
        assert_eq!(proxy.ask(&billing("/api/users")).await.status, 200);
    }
    for target in ["/api/roles", "/api/nothing", "/t/nobody/api/users"] {
        assert!((400..500).contains(&proxy.ask(&billing(target)).await.status), "{target}");
    }
    logto.api_fault_times(1, Effect::status(500));
    assert_eq!(proxy.ask(&billing("/api/users")).await.status, 500);
    assert_eq!(proxy.get("/api/users").await.status, 401);
    let caller = |status: &Value, name: &str| {
        let callers = status["traffic"]["callers"].as_array().expect("a list");
        callers.iter().find(|caller| caller["caller"] == name).expect("it is there").clone()
    };
    let counts =
        |caller: &Value| [&caller["requests"], &caller["denied"], &caller["failed"]].map(|n| n.as_u64());
    let status = proxy.status().await;
    assert_eq!(status["traffic"]["callers"][0]["caller"], "billing", "the one that is denied comes first");
    let shown = caller(&status, "billing");
    assert_eq!(counts(&shown), [Some(7), Some(3), Some(1)], "{shown}");
    assert!(shown["last_request"].is_string());
    let by_slot = shown["requests_by_slot"].as_array().expect("a list");
    assert_eq!(by_slot.len(), 30);
    assert_eq!(by_slot.iter().filter_map(Value::as_u64).sum::<u64>(), 7);
    assert_eq!(counts(&status["traffic"]["unauthenticated"]), [Some(1), Some(1), Some(0)]);
    let idle = caller(&status, "idle");
    assert_eq!((counts(&idle), &idle["last_request"]), ([Some(0); 3], &Value::Null), "known, and never seen");
    // Not told twice, and not again after a reload, which makes new counters for what is refused early.
    assert!(proxy.reload_with(|settings| settings.set("limits.headers", "90")).await);
    assert_eq!(counts(&caller(&proxy.status().await, "billing")), [Some(7), Some(3), Some(1)]);
    assert!(proxy.ask(&billing("/t/nobody/api/users")).await.status >= 400);
    assert_eq!(counts(&caller(&proxy.status().await, "billing")), [Some(8), Some(4), Some(1)]);
    assert!(proxy.reload_with(|settings| settings.without("callers.idle")).await);
    assert_eq!(proxy.status().await["traffic"]["callers"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_hundred_tenants_are_shown_those_with_problems_first_and_any_by_name() {
    let logto = Logto::start().await;
    let wrong = quoted("CANARY-held-a-wrong-secret-0123456789");
    let settings = |builder: crate::support::proxy::Builder| {
        (0..110).fold(builder, |builder, number| builder.tenant(&format!("customer-{number:03}"), &logto))
    };
    let proxy = settings(Proxy::builder())
        .set("tenants.customer-105.client_secret", wrong)
        .set("callers.local.tenants", "['*']")
        .start()
        .await;
    proxy.get("/t/customer-105/api/users").await.assert_problem(502, "credential_rejected");
    let names = |status: &Value| -> Vec<String> {
        status["tenants"].as_object().expect("an object").keys().cloned().collect()
    };
    let status = proxy.status().await;
    assert_eq!(names(&status).len(), 100);
    assert!(
        names(&status).contains(&"customer-105".into()) && !names(&status).contains(&"customer-109".into())
    );
    assert_eq!((&status["tenants_total"], &status["tenants_matching"]), (&110.into(), &110.into()));
    let one = proxy.admin("/status?limit=1").await.json();
    assert_eq!(names(&one), ["customer-105"]);
    assert_eq!(names(&proxy.admin("/status?tenant=customer-109").await.json()), ["customer-109"]);
    let some = proxy.admin("/status?tenant=customer-00*&limit=4").await.json();
    assert_eq!((names(&some).len(), &some["tenants_matching"]), (4, &10.into()));
    assert_eq!(some["errors"], 1, "problems of others are not hidden");
    assert_eq!((&some["problems_elsewhere"], &status["problems_elsewhere"]), (&1.into(), &0.into()));
    for (query, code) in [("tenant=nobody", 404), ("tenant=../x", 400), ("limit=0", 400), ("tenants=a", 400)]
    {
        let answer = proxy.admin(&format!("/status?{query}")).await;
        assert_eq!(answer.status, code, "{query}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_refused_reload_and_what_waits_for_a_restart_are_problems() {
    let logto = Logto::start().await;
    let mut proxy = Proxy::of(&logto).await;
    let before = proxy.status().await["configuration"].clone();
    assert_eq!(before["digest"].as_str().map(str::len), Some(16));
    assert!(!proxy.reload_with(|settings| settings.set("workers", "'many'")).await);
    let status = proxy.status().await;
    let refused = problem(&status, "configuration");
    assert_eq!(
        (&refused["severity"], &refused["at"]),
        (&"error".into(), &status["configuration"]["last_reload_failed"])
    );
    assert!(refused["what"].as_str().is_some_and(|it| it.contains("workers")), "{refused}");
    assert_eq!(status["configuration"]["digest"], before["digest"], "the one before is in force");
    assert!(proxy.reload_with(|settings| settings.set("workers", "1").set("limits.headers", "90")).await);
    let status = proxy.status().await;
    let pending = problem(&status, "configuration");
    assert_eq!(pending["severity"], "warning");
    assert!(pending["what"].as_str().is_some_and(|it| it.ends_with("a restart: workers")), "{pending}");
    assert_ne!(status["configuration"]["digest"], before["digest"]);
    let shown = proxy.admin("/config").await.body;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &shown);
    let hex: String = digest.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(status["configuration"]["digest"], hex, "of what /config shows, to the letter");
}

#[tokio::test]
async fn an_issuer_without_keys_is_an_error_with_a_remedy() {
    let logto = Logto::start().await;
    let issuer = |settings: Settings| {
        settings
            .set("issuers.ci.issuer", "'http://127.0.0.1:1'")
            .set("issuers.ci.audience", "'claviger'")
            .set("callers.ci.identify", "{ jwt = { issuer = 'ci', claims = { sub = 'x' } } }")
            .set("callers.ci.policies", "['all']")
    };
    let mut proxy = Proxy::of(&logto).await;
    assert!(proxy.reload_with(issuer).await);
    proxy.logged("the issuer's keys could not be fetched").await;
    proxy.logged("\"remedy\":\"Check `issuer` and `jwks`, DNS").await;
    let asked = "http://127.0.0.1:1/.well-known/openid-configuration";
    proxy.logged(&format!("\"url\":\"{asked}\"")).await;
    let status = proxy.status().await;
    let problem = problem(&status, "issuers.ci");
    assert_eq!(problem["severity"], "error");
    let what = problem["what"].as_str().unwrap_or_default();
    assert!(what.contains("every token of this issuer is refused") && what.contains(asked), "{problem}");
    assert!(
        problem["remedy"].as_str().is_some_and(|it| it.starts_with("Check `issuer` and `jwks`, DNS")),
        "{problem}"
    );
    assert_eq!(status["issuers"]["ci"]["remedy"], problem["remedy"]);
}

#[tokio::test]
async fn a_process_that_drains_says_so() {
    let logto = Logto::start().await;
    let proxy = Proxy::builder().tenant("acme", &logto).set("shutdown.delay", "'5s'").start().await;
    assert_eq!(proxy.status().await["state"], "ready");
    proxy.signal(rustix::process::Signal::TERM);
    proxy.logged("no longer ready").await;
    let status = proxy.status().await;
    assert_eq!((&status["state"], &status["ready"]), (&"draining".into(), &false.into()));
    soon("the log", || proxy.log().contains("stopping")).await;
}

#[tokio::test]
async fn every_member_of_the_document_is_in_the_docs_and_no_other() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    let status = proxy.status().await;
    let (_, after) =
        include_str!("../../docs/status.md").split_once("<!-- status: held").expect("it is marked");
    let rows = after.lines().skip(3).take_while(|line| line.starts_with('|'));
    let cells = rows.filter_map(|row| row.trim_matches('|').split(" | ").next());
    let written: BTreeSet<_> = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    let shown: BTreeSet<_> = status.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(written, shown);
}
