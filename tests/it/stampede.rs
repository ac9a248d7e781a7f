//! Many at once: what thousands of callers may cost the issuer.

use std::time::Duration;

use claviger_emulator::Effect;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::task::JoinSet;

use crate::support::{Logto, Proxy, Request, soon};

/// Callers with a connection of their own.
const CALLERS: usize = 10_000;

/// Raises the number of open files to what the system allows, for this process and those that it starts.
pub(crate) fn open_files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).expect("up to the maximum is always allowed");
    limit.maximum.unwrap_or(u64::MAX)
}

#[tokio::test]
async fn b01_ten_thousand_first_requests_cost_one_grant() {
    // Where so many files are not allowed, as many as are, and the rest over the same connections. A sixteenth of the places is kept free.
    let connections = CALLERS.min(usize::try_from(open_files() / 16 * 7 - 500).unwrap_or(CALLERS));
    let logto = Logto::start().await;
    // Long enough for all of them to be waiting for it.
    logto.token_fault(Effect::latency(Duration::from_secs(3)));
    // To check ten thousand signatures would be the greater part of the work.
    logto.api_fault(Effect::body(200, "application/json", "[]"));
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("tenants.acme.max_in_flight", 64)
        .set("limits.queue", CALLERS)
        .set("listen.max_connections", CALLERS / 8 * 9)
        // With less there are fewer connections, and who has yet to authenticate gives way.
        .set("limits.memory", "'3GiB'")
        .start()
        .await;
    let mut callers = JoinSet::new();
    for _ in 0..connections {
        let mut client = proxy.connect().await;
        callers.spawn(async move {
            let request = Request::get("/api/roles?page=1&page_size=1");
            let mut statuses = vec![client.ask(&request).await.status];
            for _ in 1..CALLERS / connections {
                statuses.push(client.ask(&request).await.status);
            }
            statuses
        });
    }
    let statuses: Vec<u16> = callers.join_all().await.concat();
    assert!(statuses.len() >= CALLERS - connections);
    assert!(statuses.iter().all(|status| *status == 200), "{:?}", statuses.iter().find(|s| **s != 200));
    assert_eq!((logto.grants(), logto.token_requests()), (1, 1));
    assert_eq!(proxy.metric("claviger_token_requests_total{outcome=\"ok\",tenant=\"acme\"}").await, 1.0);
}

#[tokio::test]
async fn b01_the_first_caller_leaves_and_nobody_notices() {
    let logto = Logto::start().await;
    logto.token_fault(Effect::latency(Duration::from_millis(400)));
    let proxy = Proxy::of(&logto).await;
    let mut first = proxy.connect().await;
    first.write(&Request::get("/api/roles").head()).await.expect("it is read");
    soon("the token request", || logto.token_requests() == 1).await;
    let mut others = JoinSet::new();
    for _ in 0..99 {
        let mut client = proxy.connect().await;
        others.spawn(async move { client.ask(&Request::get("/api/roles")).await.status });
    }
    drop(first);
    assert_eq!(others.join_all().await, [200; 99]);
    assert_eq!((logto.grants(), logto.token_requests()), (1, 1));
}

#[tokio::test]
async fn b06_a_hundred_401s_at_once_cost_one_grant() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    assert_eq!(proxy.get("/api/roles").await.status, 200);
    // All of the first token's requests are refused, none of the second's.
    logto.rotate_keys().expect("a key can be made");
    logto.rotate_keys().expect("a key can be made");
    let mut callers = JoinSet::new();
    for _ in 0..100 {
        let mut client = proxy.connect().await;
        callers.spawn(async move { client.ask(&Request::get("/api/roles")).await.status });
    }
    assert_eq!(callers.join_all().await, [200; 100]);
    assert_eq!(logto.grants(), 2);
}

#[tokio::test]
async fn b06_a_401_that_stays_costs_one_grant_and_a_403_none() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    logto.api_fault(Effect::body(403, "application/json", r#"{"code":"auth.forbidden"}"#));
    assert_eq!(proxy.get("/api/roles").await.status, 403);
    assert_eq!(logto.grants(), 1);
    logto.faults().clear();
    logto.api_fault(Effect::body(401, "application/json", r#"{"code":"auth.unauthorized"}"#));
    for _ in 0..20 {
        proxy.get("/api/roles").await.assert_problem(502, "token_rejected");
    }
    assert_eq!(logto.grants(), 2, "one in each token.min_interval");
    let refused = logto.api_requests_seen().iter().filter(|request| request.status == Some(401)).count();
    assert_eq!(refused, 21, "only the first was worth another try");
}
