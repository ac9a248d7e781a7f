//! What callers hold that have authenticated: bounded by the memory, each as much as is free, and never what another one needs
//! (behaviour 46). Bounded forms of the attacks, on one machine; thousands of connections in a control group are in tests/attacks/.

use std::{sync::Arc, time::Duration};

use claviger_emulator::Effect;
use futures_util::{StreamExt as _, future::join_all, stream::FuturesUnordered};
use tokio::{task::JoinSet, time::Instant};

use crate::{
    strangers::{SOON, p99},
    support::{
        Logto, Proxy, Request, pki::Authority, proxy::Builder, secure::Secure, soon, wait::pass, within,
    },
    tls::{http2, with_tls},
};

const KIB: u64 = 1024;
const HOGS: [&str; 4] = [
    "CANARY-held-key-of-the-first-hog",
    "CANARY-held-key-of-the-second-hog",
    "CANARY-held-key-of-the-third-hog",
    "CANARY-held-key-of-the-fourth-hog",
];

fn with_hogs(builder: Builder) -> Builder {
    HOGS.iter().enumerate().fold(builder, |builder, (n, key)| {
        builder
            .set(&format!("callers.hog{n}.identify"), format!("{{ api_key = '{key}' }}"))
            .set(&format!("callers.hog{n}.policies"), "['all']")
    })
}

/// Four callers with as many streams as there may be, whose answers nobody takes and whose bodies do not come.
#[tokio::test]
async fn b46_four_callers_that_take_nothing_and_finish_nothing_within_a_small_memory() {
    let logto = Logto::start().await;
    let authority = Authority::new("servers");
    let builder = with_tls(&logto, &authority.server(&["localhost"])).set("limits.memory", "'48MiB'");
    let proxy = with_hogs(builder).start().await;
    let secure = Secure::new(&authority, None);
    let calm = secure.http2(&proxy).await;
    let ask = async || assert_eq!(calm.ask(http2(&proxy, "GET", "/api/roles"), "").await.status, 200);
    ask().await;
    let before = proxy.memory().0;

    let mut streams = JoinSet::new();
    for n in 0..200 {
        let hog = Arc::new(secure.http2_with_window(&proxy, 0).await);
        for m in 0..20 {
            let (method, target) =
                [("GET", "/api/roles"), ("GET", "/api/nothing"), ("POST", "/api/roles")][m % 3];
            let request = http2(&proxy, method, target)
                .header("claviger-key", HOGS[n % 4])
                .header("content-type", "application/json");
            let hog = hog.clone();
            streams.spawn(async move { hog.hang(request).await });
        }
    }
    let slowest = p99(100, ask).await;
    assert!(slowest <= SOON, "{slowest:?}");
    // The program of the tests is not optimised.
    let held = proxy.memory().1 - before;
    assert!(held < 44 * KIB, "{before} KiB before, {held} more");
}

#[tokio::test]
async fn b46_connections_of_one_caller_keep_no_other_out() {
    let logto = Logto::start().await;
    let proxy =
        with_hogs(Proxy::builder().tenant("acme", &logto).set("listen.max_connections", 64)).start().await;
    let mut kept = proxy.connect().await;
    assert_eq!(kept.ask(&Request::get("/api/roles")).await.status, 200);
    let mut of_hog = Vec::new();
    for _ in 0..200 {
        let mut client = proxy.connect().await;
        assert_eq!(client.ask(&Request::get("/api/roles").key(HOGS[0])).await.status, 200);
        of_hog.push(client);
    }
    let slowest = p99(100, async || assert_eq!(proxy.get("/api/roles").await.status, 200)).await;
    assert!(slowest <= SOON, "{slowest:?}");
    assert_eq!(kept.ask(&Request::get("/api/roles")).await.status, 200, "whoever has few keeps them");
}

/// As many requests as there may be connections, and twice as many more: whoever waits for a place breaks nobody's request.
#[tokio::test]
async fn b46_a_burst_of_one_caller_over_the_limit_of_connections_breaks_no_request() {
    let logto = Logto::start().await;
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("listen.max_connections", 32)
        .set("tenants.acme.max_in_flight", 64)
        .start()
        .await;
    assert_eq!(proxy.get("/api/roles").await.status, 200);
    logto.api_fault_times(96, Effect::Latency { ms: 300 });
    let request = Request::get("/api/roles");
    let ask = async || proxy.ask(&request).await.status;
    let mut first: Vec<_> = Vec::new();
    for _ in 0..32 {
        let mut client = proxy.connect().await;
        client.write(&request.head()).await.expect("it is read");
        first.push(client);
    }
    let first = join_all(first.iter_mut().map(|client| client.read_answer("GET")));
    let (first, then) = tokio::join!(first, join_all((0..64).map(|_| ask())));
    assert!(first.iter().all(|answer| answer.as_ref().is_ok_and(|answer| answer.status == 200)));
    assert_eq!(then, [200; 64]);
}

/// Its caller cannot know whether a request was carried out whose connection broke; one that is refused was not.
#[tokio::test]
async fn b46_a_request_that_waits_for_its_tenant_is_refused_and_not_broken_when_its_connection_gives_way() {
    let logto = Logto::start().await;
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("listen.max_connections", 16)
        .set("tenants.acme.max_in_flight", 1)
        .start()
        .await;
    let request = Request::get("/api/roles");
    let mut older = Vec::new();
    for _ in 0..10 {
        let mut client = proxy.connect().await;
        assert_eq!(client.ask(&request).await.status, 200);
        older.push(client);
    }
    let begin = async || {
        let mut client = proxy.connect().await;
        client.write(&request.head()).await.expect("it is read");
        client
    };
    let before = logto.api_requests();
    logto.api_fault_times(1, Effect::BlackHole);
    // Logto takes one at a time, and its connection is younger than those that wait for it.
    let mut with_logto = Some(begin().await);
    soon("a request at Logto", || logto.api_requests() > before).await;
    for client in &mut older {
        client.write(&request.head()).await.expect("it is read");
    }
    // Kept, so that they take their places.
    let _newcomers = join_all((0..8).map(|_| begin())).await;
    let mut answers: FuturesUnordered<_> = older.iter_mut().map(|client| client.read_answer("GET")).collect();
    let mut refused = Vec::new();
    while let Some(answer) = within("an answer", answers.next()).await {
        let answer = answer.expect("none is broken");
        if with_logto.is_some() {
            // All that give way are told at about the same time. The rest are served.
            pass(Duration::from_millis(300)).await;
            with_logto = None;
        }
        if answer.status != 200 {
            refused.push(answer);
        }
    }
    let unsent = "\"status\":499,\"source\":\"claviger\",\"attempts\":0";
    assert!(!proxy.log().contains(unsent), "{}", proxy.log());
    assert!(!refused.is_empty());
    for answer in refused {
        assert_eq!((answer.status, answer.json()["code"].as_str()), (503, Some("claviger.overloaded")));
        assert_eq!(answer.value("retry-after"), Some("1"));
        assert!(answer.text().contains("listen.max_connections"), "{}", answer.text());
    }
}

#[tokio::test]
async fn b46_what_a_caller_holds_is_refused_over_its_share_and_comes_back() {
    let logto = Logto::start().await;
    let proxy =
        with_hogs(Proxy::builder().tenant("acme", &logto).set("limits.memory", "'32MiB'")).start().await;
    assert_eq!(proxy.get("/api/roles").await.status, 200);
    logto.api_fault_times(10, Effect::BlackHole);
    let begun = |key: &str| {
        Request::new("POST", "/api/roles")
            .key(key)
            .header("Content-Type", "application/json")
            .header("Content-Length", "60000")
            .head()
    };
    let mut uploads = JoinSet::new();
    for _ in 0..12 {
        let mut client = proxy.connect().await;
        client.write(&begun(HOGS[0])).await.expect("it is read");
        uploads.spawn(async move { client.read_answer("POST").await });
    }
    // One of them; which the workers look at last is up to them.
    let refused = within("a refusal", uploads.join_next()).await.expect("there are some").expect("it ends");
    let refused = refused.expect("it is answered");
    assert_eq!((refused.status, refused.json()["code"].as_str()), (503, Some("claviger.overloaded")));
    assert!(refused.text().contains("limits.memory"), "{}", refused.text());
    logto.faults().clear();
    assert_eq!(proxy.get("/api/roles").await.status, 200, "another one has room");
    drop(uploads);
    within("its connections to end", async {
        while proxy.metric("claviger_connections").await > 0.0 {
            pass(Duration::from_millis(10)).await;
        }
    })
    .await;
    let role = format!(r#"{{"name":"large","description":"{}"}}"#, "x".repeat(50_000));
    let answer = proxy.ask(&Request::post("/api/roles", role).key(HOGS[0])).await;
    assert_eq!(answer.status, 200, "its share has come back: {}", answer.text());
}

#[tokio::test]
async fn b46_probes_are_answered_beside_connections_that_do_not_leave() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    let mut idle = Vec::new();
    for _ in 0..300 {
        idle.push(tokio::net::TcpStream::connect(proxy.admin_authority()).await.expect("it listens"));
    }
    let slowest = p99(50, async || assert_eq!(proxy.admin("/livez").await.status, 200)).await;
    assert!(slowest <= SOON, "{slowest:?}");
}

#[tokio::test]
async fn b46_refusals_are_summed_up_in_the_log() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    let (begun, mut client) = (Instant::now(), proxy.connect().await);
    let request = Request::get("/api/nothing").head();
    for _ in 0..40 {
        client.write(&request.repeat(50)).await.expect("it is read");
        for _ in 0..50 {
            assert_eq!(client.read_answer("GET").await.expect("each is answered").status, 404);
        }
    }
    proxy.logged("more requests ended in the same way").await;
    let seconds = begun.elapsed().max(Duration::from_secs(1)).as_secs() + 1;
    let lines = proxy.log().lines().count() as u64;
    assert!(lines <= 60 * seconds + 20, "{lines} lines in {seconds} s");
}
