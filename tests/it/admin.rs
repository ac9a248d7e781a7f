//! The admin listener: probes, metrics, status, configuration.

use claviger_emulator::Effect;
use serde_json::{Value, json};

use crate::support::{Logto, Proxy, Request, Settings, quoted, soon, until, wire::Place};

#[tokio::test]
async fn metrics_have_closed_labels_and_count_every_answer_once() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    for _ in 0..3 {
        assert_eq!(proxy.get("/api/users").await.status, 200);
    }
    assert_eq!(proxy.get("/api/users/nobody?q=1").await.status, 404);
    assert_eq!(proxy.get("/api/nothing").await.status, 404);
    logto.api_fault_times(1, Effect::status(503));
    assert_eq!(proxy.get("/api/users").await.status, 200);
    let requests = |operation: &str, code: &str, source: &str| {
        format!(
            "claviger_requests_total{{caller=\"local\",code=\"{code}\",operation=\"{operation}\",source=\"{source}\",tenant=\"acme\"}}"
        )
    };
    assert_eq!(proxy.metric(&requests("ListUsers", "2xx", "upstream")).await, 4.0);
    assert_eq!(proxy.metric(&requests("GetUser", "4xx", "upstream")).await, 1.0);
    assert_eq!(proxy.metric("claviger_retries_total{reason=\"503\"}").await, 1.0);
    assert_eq!(proxy.metric("claviger_requests_in_flight").await, 0.0);
    let metrics = proxy.admin("/metrics").await;
    assert_eq!(metrics.value("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(!metrics.text().contains("nobody") && !metrics.text().contains("\"nothing\""));
    for name in [
        "build_info",
        "token_expiry_timestamp_seconds",
        "config_last_reload_successful",
        "request_duration_seconds",
    ] {
        assert!(metrics.text().contains(&format!("claviger_{name}")), "{name}");
    }
}

#[tokio::test]
async fn status_and_config_say_what_is_and_no_secret() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    assert_eq!(proxy.get("/api/users").await.status, 200);
    let status = proxy.status().await;
    let token = &status["tenants"]["acme"]["token"];
    assert_eq!((token["usable"].as_bool(), token["granted"].as_u64()), (Some(true), Some(1)), "{status}");
    assert!(token["usable_for_seconds"].as_u64().is_some_and(|seconds| (3000..=3600).contains(&seconds)));
    assert_eq!(status["configuration"]["callers"], 1);
    assert!(status["audit"].is_null(), "it is off: {status}");
    let config = proxy.admin("/config").await.json();
    assert_eq!(config["tenants"]["acme"]["client_id"], logto.client());
    assert!(!config.to_string().contains(logto.secret()));
    for other in ["/page", "/debug", "/api/users", "/metrics/", "/page.js/"] {
        assert_eq!(proxy.admin(other).await.status, 404, "{other}");
    }
    assert_eq!(proxy.get("/livez").await.status, 404, "not on the proxy's port");
    for of_proxy in ["/api/users", "/t/acme/api/users", "/oidc/token"] {
        let answer = proxy.admin(of_proxy).await;
        assert!(
            answer.text().contains("send requests for Logto to the proxy (`listen.proxy`)"),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn the_admin_listener_only_answers_questions() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    let mut client = crate::support::wire::Place::parse(&proxy.admin_authority())
        .connect(proxy.tap().clone())
        .await
        .expect("it listens");
    assert_eq!(client.ask(&Request::post("/status", "{}")).await.status, 405);
    assert_eq!(client.ask(&Request::new("HEAD", "/livez")).await.status, 200);
}

#[tokio::test]
async fn every_answer_is_recorded_once() {
    let logto = Logto::start().await;
    let proxy = Proxy::builder().tenant("acme", &logto).set("log.requests", "'all'").start().await;
    let mut client = proxy.connect().await;
    for target in ["/api/roles", "/api/users", "/api/nothing", "/nowhere", "/api/users//", "/api/hooks"] {
        client.ask(&Request::get(target)).await;
    }
    client.ask(&Request::new("HEAD", "/api/roles")).await;
    client.ask(&Request::post("/api/roles", r#"{"name":"n","description":"d"}"#)).await;
    // One that breaks off, and one whose caller leaves.
    logto.api_fault_times(1, Effect::Truncate { after: 3 });
    assert!(client.try_ask(&Request::get("/api/roles")).await.is_err());
    let before = logto.api_requests();
    logto.api_fault_times(1, Effect::BlackHole);
    let mut leaver = proxy.connect().await;
    leaver.write(&Request::get("/api/roles").head()).await.expect("it is read");
    soon("it to be under way", || logto.api_requests() > before).await;
    drop(leaver);
    let lines = || proxy.log().lines().filter(|line| line.contains("\"claviger::request\"")).count();
    soon("a line for each", || lines() >= 10).await;
    let metrics = proxy.admin("/metrics").await.text();
    let counted: f64 = metrics
        .lines()
        .filter(|line| line.starts_with("claviger_requests_total{"))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum();
    assert_eq!((lines(), counted), (10, 10.0));
    assert_eq!(proxy.log().matches("\"complete\":false").count(), 2);
}

#[tokio::test]
async fn an_issuer_that_cannot_be_asked_shows_and_is_forgotten_with_its_configuration() {
    let logto = Logto::start().await;
    let nobody = "http://127.0.0.1:1";
    let mut proxy = Proxy::builder()
        .tenant("acme", &logto)
        .tenant("gone", &logto)
        .set("callers.local.tenants", "['*']")
        .set("issuers.ci.issuer", quoted(nobody))
        .set("issuers.ci.audience", "'claviger'")
        .set("callers.ci.identify", "{ jwt = { issuer = 'ci', claims = { sub = 'x' } } }")
        .set("callers.ci.policies", "['all']")
        .set("callers.ci.tenants", "['acme']")
        .start()
        .await;
    const FAILURES: &str = "claviger_issuer_key_fetch_failures_consecutive{issuer=\"ci\"}";
    proxy.logged("the issuer's keys could not be fetched").await;
    assert!(proxy.metric(FAILURES).await >= 1.0);
    assert_eq!(proxy.metric("claviger_issuer_keys{issuer=\"ci\"}").await, 0.0);
    let issuer = proxy.status().await["issuers"]["ci"].clone();
    assert_eq!((issuer["keys"].as_u64(), issuer["from"].as_str()), (Some(0), Some("issuer")), "{issuer}");
    assert!(issuer["last_error"].is_string(), "{issuer}");
    assert!(proxy.admin("/metrics").await.text().contains("tenant=\"gone\""));

    let gone = ["tenants.gone", "issuers.ci", "callers.ci"];
    assert!(proxy.reload_with(|settings| gone.into_iter().fold(settings, Settings::without)).await);
    let metrics = proxy.admin("/metrics").await.text();
    for gauge in ["issuer_keys{", "issuer_key_fetch_failures_consecutive{"] {
        assert!(!metrics.contains(gauge), "{gauge}");
    }
    let failing = |line: &&str| line.starts_with("claviger_token_refresh_failures_consecutive");
    let left: Vec<_> = metrics.lines().filter(failing).collect();
    assert_eq!(left, ["claviger_token_refresh_failures_consecutive{tenant=\"acme\"} 0"]);
}

#[tokio::test]
async fn an_upstream_that_is_gone_shows_although_the_token_is_good() {
    let logto = Logto::start().await;
    let proxy = Proxy::builder().tenant("acme", &logto).set("retry.unreachable", "'0s'").start().await;
    const FAILURES: &str = "claviger_upstream_failures_consecutive{tenant=\"acme\"}";
    assert_eq!(proxy.get("/api/users").await.status, 200);
    assert_eq!(proxy.metric(FAILURES).await, 0.0);
    drop(logto);
    assert_eq!(proxy.get("/api/users").await.status, 502);
    assert!(proxy.metric(FAILURES).await >= 1.0);
    let tenant = proxy.status().await["tenants"]["acme"].clone();
    assert_eq!(tenant["token"]["usable"], true, "{tenant}");
    let what = tenant["upstream"]["last_error"]["what"].as_str().unwrap_or_default();
    assert!(what.starts_with("the upstream cannot be reached: "), "{tenant}");
    assert_eq!(proxy.admin("/readyz").await.status, 200, "a restart would mend nothing");
}

#[tokio::test]
async fn status_and_configuration_ask_for_the_token_where_there_is_one() {
    let logto = Logto::start().await;
    let mut proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("admin.token", "{ env = 'ADMIN_TOKEN' }")
        .env("ADMIN_TOKEN", "a-token-for-admins")
        .start()
        .await;
    let with = |target: &str, value: &str| Request::get(target).header("Authorization", value);
    for target in ["/status", "/config"] {
        for request in [
            Request::get(target),
            with(target, ""),
            with(target, "Bearer "),
            with(target, "Bearer a-token-for-admin"),
            with(target, "Basic a-token-for-admins"),
            with(target, "Bearer a-token-for-admins").header("Authorization", "Bearer a-token-for-admins"),
        ] {
            let answer = proxy.ask_admin(&request).await;
            assert_eq!(
                (answer.status, answer.value("www-authenticate")),
                (401, Some("Bearer")),
                "{request:?}"
            );
        }
        for value in ["Bearer a-token-for-admins", "bearer a-token-for-admins"] {
            let answer = proxy.ask_admin(&with(target, value)).await;
            assert_eq!(answer.status, 200);
            assert!(!answer.text().contains("a-token-for-admins"));
        }
    }
    for target in ["/livez", "/readyz", "/startupz", "/metrics"] {
        assert_eq!(proxy.admin(target).await.status, 200, "{target}");
    }
    assert!(proxy.reload_with(|settings| settings.without("admin.token")).await);
    assert_eq!(proxy.admin("/status").await.status, 200, "on loopback, and no token any more");
}

#[tokio::test]
async fn without_a_token_they_are_shown_where_only_the_machine_can_look() {
    let logto = Logto::start().await;
    let start = async |address: &str| {
        Proxy::builder().tenant("acme", &logto).set("listen.admin", quoted(address)).start().await
    };
    let open = start("0.0.0.0:0").await;
    for target in ["/status", "/config"] {
        let answer = open.admin(target).await;
        assert_eq!(answer.status, 403);
        assert!(answer.text().contains("admin.token"), "{}", answer.text());
    }
    for target in ["/livez", "/readyz", "/startupz", "/metrics"] {
        assert_eq!(open.admin(target).await.status, 200, "{target}");
    }
    let local = start("127.0.0.1:0").await;
    assert_eq!(local.admin("/status").await.status, 200);
}

/// Whoever guesses is seen, and whoever has tokens asked for anew is on record.
#[tokio::test]
async fn refused_requests_and_what_is_done_at_the_admin_listener_are_told() {
    let logto = Logto::start().await;
    let directory = tempfile::tempdir().expect("there is a temporary directory");
    let audit = directory.path().join("audit.jsonl");
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("audit.output", format!("{{ file = {} }}", quoted(audit.display())))
        .set("admin.token", "'an-admin-token-of-some-length'")
        .start()
        .await;
    let admin = Place::parse(&proxy.admin_authority());
    let ask = async |request: &Request| {
        let mut client = admin.connect(proxy.tap().clone()).await.expect("it listens");
        client.ask(request).await.status
    };
    for guess in ["guess-1", "guess-2", "guess-3"] {
        let bearer = format!("Bearer {guess}");
        assert_eq!(ask(&Request::get("/config").header("Authorization", &bearer)).await, 401);
    }
    assert_eq!(ask(&Request::get("/config")).await, 401);
    let refused = |reason: &str| format!("claviger_admin_refused_total{{reason=\"{reason}\"}}");
    assert_eq!(proxy.metric(&refused("token_wrong")).await, 3.0);
    assert_eq!(proxy.metric(&refused("token_missing")).await, 1.0);
    proxy.logged("was refused (401): its token is not `admin.token`").await;
    // What is refused does nothing, and anybody who gets here could fill the disk with it.
    assert_eq!(ask(&Request::get("/token/retry")).await, 405);
    assert_eq!(ask(&Request::post("/token/retry?tenant=nobody", "")).await, 404);
    assert_eq!(ask(&Request::post("/token/retry?tenant=acme", "")).await, 200);
    let told = || {
        let text = std::fs::read_to_string(&audit).expect("it is there");
        assert!(!text.contains("guess"), "{text}");
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|it| it["event"] == "admin").collect::<Vec<_>>()
    };
    let all = until("the record of the retry", || Some(told()).filter(|all| all.len() > 1)).await;
    let of = |it: &Value| ["action", "tenant", "outcome"].map(|member| it[member].clone());
    assert_eq!(of(&all[0]), [json!("refused"), Value::Null, json!("denied")]);
    assert_eq!(all[0]["count"], 1, "one in a minute, which says how many there were: {}", all[0]);
    assert!(all[0]["peer"].as_str().is_some_and(|peer| peer.starts_with("127.0.0.1:")), "{}", all[0]);
    assert_eq!(of(&all[1]), [json!("retry"), json!("acme"), json!("done")]);
    assert_eq!(all.len(), 2);
}
