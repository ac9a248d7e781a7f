//! Callers that leave: counted as such, and never as an error of ours.

use claviger_emulator::Effect;

use crate::support::{Logto, Proxy, Reaction, Request, Scripted, quoted, until};

/// Answers by class and source, to one operation.
async fn counted(proxy: &Proxy, class: &str, source: &str) -> f64 {
    let labels = format!(
        "{{caller=\"local\",code=\"{class}\",operation=\"ListRoles\",source=\"{source}\",tenant=\"acme\"}}"
    );
    proxy.metric(&format!("claviger_requests_total{labels}")).await
}

/// The line of the log that has this text.
fn line(proxy: &Proxy, text: &str) -> Option<serde_json::Value> {
    let log = proxy.log();
    let line =
        log.lines().find(|line| line.contains("\"operation\":\"ListRoles\"") && line.contains(text))?;
    serde_json::from_str(line).ok()
}

#[tokio::test]
async fn b39_a_caller_that_leaves_before_the_answer_is_no_error_of_ours() {
    let logto = Logto::start().await;
    let upstream = Scripted::start(&logto, Reaction::None).await;
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("tenants.acme.endpoint", quoted(upstream.base_url()))
        .start()
        .await;
    let mut client = proxy.connect().await;
    client.write(&Request::get("/api/roles").head()).await.expect("it is read");
    while proxy.status().await["tenants"]["acme"]["in_flight"] != 1 {}
    drop(client);
    let line = until("the request's line", || line(&proxy, "\"complete\":false")).await;
    assert_eq!((&line["status"], &line["code"]), (&499.into(), &serde_json::Value::Null), "{line}");
    assert_eq!(counted(&proxy, "499", "claviger").await, 1.0);
    assert_eq!(counted(&proxy, "5xx", "claviger").await, 0.0);
}

#[tokio::test]
async fn b39_a_caller_that_leaves_in_the_middle_is_none_of_the_upstreams() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    assert_eq!(proxy.get("/api/roles").await.status, 200);
    logto.api_fault_times(1, Effect::body(200, "application/json", vec![b'1'; 24 * 1024 * 1024]));
    let mut client = proxy.connect().await;
    client.write(&Request::get("/api/roles").head()).await.expect("it is read");
    client.read_head().await.expect("the head comes");
    drop(client);
    let line = until("the request's line", || line(&proxy, "\"complete\":false")).await;
    assert_eq!(line["status"], 200, "as it was sent: {line}");
    assert_eq!(counted(&proxy, "499", "upstream").await, 1.0);
    assert_eq!(counted(&proxy, "2xx", "upstream").await, 1.0, "the one before");

    // What the upstream breaks off is not the caller's doing.
    logto.api_fault_times(1, Effect::Truncate { after: 3 });
    let mut client = proxy.connect().await;
    client.write(&Request::get("/api/roles").head()).await.expect("it is read");
    client.read_to_end().await;
    assert_eq!(counted(&proxy, "499", "upstream").await, 1.0);
}
