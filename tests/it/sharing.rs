//! Reads that are not sent: those that others wait for the same answer of, and those whose answer is kept.

#[path = "sharing/kept.rs"]
mod kept;

use std::time::Duration;

use claviger_emulator::{Effect, Fault, Target};
use tokio::task::JoinSet;

use crate::{
    support::{
        Answer, Logto, Proxy, Reaction, Request, Scripted, Told, pki::Authority, proxy::Builder, quoted,
        secure::Secure, soon, within,
    },
    tls::{http2, with_tls},
};

const ROLES: &str = "/api/roles?page=1&page_size=20";
const COLLAPSED: &str = "claviger; fwd=miss; collapsed";

fn sharing(logto: &Logto) -> Builder {
    Proxy::builder().tenant("acme", logto).set("limits.coalesce", true)
}

/// Whose rule about roles has a cache.
fn keeping(logto: &Logto, longest: &str) -> Builder {
    let rule = format!("['*', 'CreateRole', {{ operation = 'ListRoles', cache = '{longest}' }}]");
    sharing(logto).set("policies.all.allow", rule)
}

fn cache(answer: &Answer) -> &str {
    answer.value("cache-status").unwrap_or("-")
}

fn a_role(number: usize) -> Request {
    Request::post("/api/roles", format!(r#"{{"name":"r{number}","description":"x","type":"User"}}"#))
}

async fn metric(proxy: &Proxy, result: &str) -> f64 {
    proxy.metric(&format!("claviger_cache_requests_total{{result=\"{result}\"}}")).await
}

/// Sends the same request over so many connections; an answer from each.
async fn at_once(proxy: &Proxy, many: usize, request: &Request) -> JoinSet<Answer> {
    let mut callers = JoinSet::new();
    for _ in 0..many {
        let (mut client, request) = (proxy.connect().await, request.clone());
        callers.spawn(async move { client.ask(&request).await });
    }
    callers
}

async fn under_way(logto: &Logto, before: usize) {
    soon("the request to arrive", || logto.api_requests() > before).await;
}

#[tokio::test]
async fn b63_a_thousand_identical_reads_at_once_are_one_request() {
    let logto = Logto::start().await;
    // One place among the tenant's requests and a quota of two requests a minute: whoever waits draws on neither.
    let proxy = sharing(&logto)
        .set("tenants.acme.max_in_flight", 1)
        .set("tenants.acme.quota", "{ requests = 4, per = '1m' }")
        .set("listen.max_connections", 1500)
        .set("limits.memory", "'1GiB'")
        .start()
        .await;
    let first = proxy.get(ROLES).await;
    assert_eq!((first.status, first.value("cache-status")), (200, None));
    let before = logto.api_requests();
    logto.api_fault(Effect::latency(Duration::from_secs(5)));
    let answers = at_once(&proxy, 1000, &Request::get(ROLES)).await.join_all().await;
    assert_eq!(logto.api_requests() - before, 1);
    let mut alone = 0;
    for answer in &answers {
        assert_eq!((answer.status, answer.text()), (200, first.text()));
        assert_eq!(answer.values("link"), first.values("link"));
        match answer.value("cache-status") {
            None => alone += 1,
            Some(status) => {
                assert_eq!(status, COLLAPSED);
                assert_eq!(answer.value("logto-core-request-id"), None, "that was another's");
            }
        }
    }
    assert_eq!(alone, 1);
    assert_eq!(metric(&proxy, "collapsed").await, 999.0);
    let labels = "{caller=\"local\",code=\"2xx\",operation=\"ListRoles\",source=\"cache\",tenant=\"acme\"}";
    assert_eq!(proxy.metric(&format!("claviger_requests_total{labels}")).await, 999.0);
    assert_eq!(proxy.metric("claviger_requests_in_flight").await, 0.0);
}

#[tokio::test]
async fn b63_what_is_not_the_same_is_not_shared() {
    let logto = Logto::start().await;
    let proxy = sharing(&logto)
        .set("policies.all.allow", "['*', 'CreateRole']")
        .set("callers.sees.identify", "{ api_key = 'CANARY-held-key-of-one-who-sees' }")
        .set("callers.sees.policies", "['all']")
        .set("callers.sees.reveal", "['ListHooks']")
        .set("callers.mute.identify", "{ api_key = 'CANARY-held-key-of-one-with-nothing' }")
        .set("callers.mute.policies", "['none']")
        .set("policies.none.allow", "['ListUsers']")
        .start()
        .await;
    assert_eq!(proxy.get(ROLES).await.status, 200);
    let before = logto.api_requests();
    logto.api_fault(Effect::latency(Duration::from_secs(2)));
    let mut callers = JoinSet::new();
    let hooks = "/api/hooks?page=1&page_size=20";
    let each = [
        Request::get(ROLES),
        Request::get("/api/roles?page=1&page_size=21"),
        Request::get("/api/roles?page_size=20&page=1"),
        Request::get(ROLES).header("Accept", "text/plain"),
        Request::get(ROLES).header("Accept-Language", "de"),
        Request::get(ROLES).header("If-None-Match", "\"x\""),
        Request::get(ROLES).header("If-None-Match", "\"x\""),
        Request::get(ROLES).header("Cache-Control", "no-cache"),
        Request::get(ROLES).header("Cache-Control", "no-cache"),
        Request::new("HEAD", ROLES),
        Request::new("HEAD", ROLES),
        Request::get(ROLES).body("application/json", "{}"),
        Request::get(ROLES).body("application/json", "{}"),
        Request::get(hooks),
        Request::get(hooks).key("CANARY-held-key-of-one-who-sees"),
        Request::get(hooks).key("CANARY-held-key-of-one-who-sees"),
    ];
    for request in &each {
        let (mut client, request) = (proxy.connect().await, request.clone());
        callers.spawn(async move { client.ask(&request).await });
    }
    // The same as those that are under way, by one who may not.
    soon("all of them to be under way", || logto.api_requests() - before == each.len()).await;
    let denied = Request::get(ROLES).key("CANARY-held-key-of-one-with-nothing");
    proxy.ask(&denied).await.assert_problem(403, "not_permitted");
    for answer in callers.join_all().await {
        assert!(answer.status < 400, "{answer:?}");
        assert_eq!(answer.value("cache-status"), None, "{answer:?}");
    }
    assert_eq!(logto.api_requests() - before, each.len());
}

#[tokio::test]
async fn b63_two_callers_of_whom_one_sees_secrets_never_share_an_answer() {
    let logto = Logto::start().await;
    let proxy = sharing(&logto)
        .set("policies.all.allow", "['CreateHook', { operation = 'ListHooks', cache = '1h' }]")
        .set("callers.sees.identify", "{ api_key = 'CANARY-held-key-of-one-who-sees' }")
        .set("callers.sees.policies", "['all']")
        .set("callers.sees.reveal", "['ListHooks']")
        .start()
        .await;
    let hook = r#"{"name":"h","events":["PostRegister"],"config":{"url":"https://h.example","headers":{"X":"told to whoever may see it"}}}"#;
    assert_eq!(proxy.ask(&Request::post("/api/hooks", hook)).await.status, 201);
    let plain = Request::get("/api/hooks?page=1&page_size=20");
    let sees = plain.clone().key("CANARY-held-key-of-one-who-sees");
    logto.api_fault(Effect::latency(Duration::from_millis(300)));
    for _ in 0..3 {
        let before = logto.api_requests();
        let (masked, seen) = (at_once(&proxy, 4, &plain).await, at_once(&proxy, 4, &sees).await);
        for answer in masked.join_all().await {
            assert!(!answer.text().contains("told to whoever"), "{}", answer.text());
            assert!(answer.text().contains("[redacted by claviger]"));
        }
        for answer in seen.join_all().await {
            assert!(answer.text().contains("told to whoever"), "{}", answer.text());
            assert_eq!(answer.value("cache-status"), None, "{answer:?}");
        }
        assert!(logto.api_requests() - before >= 4, "each that sees asks");
    }
    let kept = proxy.ask(&plain).await;
    assert!(cache(&kept).starts_with("claviger; hit; ttl="), "{kept:?}");
    assert!(!kept.text().contains("told to whoever"));
}

#[tokio::test]
async fn b63_the_first_caller_leaves_and_the_others_are_answered_by_the_same_request() {
    let logto = Logto::start().await;
    let proxy = sharing(&logto).start().await;
    assert_eq!(proxy.get(ROLES).await.status, 200);
    let before = logto.api_requests();
    logto.api_fault(Effect::latency(Duration::from_secs(2)));
    let mut first = proxy.connect().await;
    first.write(&Request::get(ROLES).head()).await.expect("it is read");
    under_way(&logto, before).await;
    let others = at_once(&proxy, 50, &Request::get(ROLES)).await;
    let all = async { while proxy.metric("claviger_requests_in_flight").await < 51.0 {} };
    within("all to be there", all).await;
    drop(first);
    for answer in others.join_all().await {
        assert_eq!((answer.status, cache(&answer)), (200, COLLAPSED));
    }
    assert_eq!(logto.api_requests() - before, 1);
    proxy.logged("\"complete\":false").await;
    let log = proxy.log();
    let left = log.lines().find(|line| line.contains("\"complete\":false")).expect("it was there");
    assert!(left.contains("\"attempts\":1") && left.contains("\"status\":499"), "{left}");
    // When all leave, what they waited for is given up.
    logto.faults().clear();
    logto.api_fault(Effect::BlackHole);
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = proxy.connect().await;
        client.write(&Request::get(ROLES).head()).await.expect("it is read");
        clients.push(client);
        while proxy.metric("claviger_requests_in_flight").await < clients.len() as f64 {}
    }
    for client in clients {
        drop(client);
    }
    let given_up = async { while proxy.status().await["tenants"]["acme"]["in_flight"] != 0 {} };
    within("the place to be given back", given_up).await;
}

#[tokio::test]
async fn b63_a_leader_that_waits_for_its_turn_and_leaves_is_followed_by_another() {
    let logto = Logto::start().await;
    let proxy = sharing(&logto).set("tenants.acme.max_in_flight", 1).start().await;
    assert_eq!(proxy.get(ROLES).await.status, 200);
    let before = logto.api_requests();
    logto.api_fault_times(1, Effect::latency(Duration::from_secs(2)));
    let mut occupier = proxy.connect().await;
    occupier.write(&Request::get("/api/users").head()).await.expect("it is read");
    under_way(&logto, before).await;
    let mut first = proxy.connect().await;
    first.write(&Request::get(ROLES).head()).await.expect("it is read");
    while proxy.metric("claviger_requests_in_flight").await < 2.0 {}
    let others = at_once(&proxy, 20, &Request::get(ROLES)).await;
    while proxy.metric("claviger_requests_in_flight").await < 22.0 {}
    drop(first);
    assert!(others.join_all().await.iter().all(|answer| answer.status == 200));
    assert_eq!(logto.api_requests() - before, 2, "one of the others was sent, for all of them");
}

#[tokio::test]
async fn b63_a_failure_is_everybodys_and_not_tried_by_each() {
    let logto = Logto::start().await;
    let proxy = sharing(&logto).set("timeouts.response", "'2s'").set("retry.attempts", 1).start().await;
    assert_eq!(proxy.get(ROLES).await.status, 200);
    let before = logto.api_requests();
    logto.api_fault(Effect::BlackHole);
    let answers = at_once(&proxy, 30, &Request::get(ROLES)).await.join_all().await;
    for answer in answers {
        answer.assert_problem(504, "upstream_timeout");
    }
    assert_eq!(logto.api_requests() - before, 1);
    // An answer is one, whatever its status.
    logto.faults().clear();
    logto.faults().add(Fault::new(Target::Api, Effect::latency(Duration::from_millis(500))));
    let answers = at_once(&proxy, 30, &Request::get("/api/roles/none")).await.join_all().await;
    assert!(answers.iter().all(|answer| answer.status == 404), "{:?}", answers[0]);
    assert_eq!(logto.api_requests() - before, 2);
}

#[tokio::test]
async fn b63_what_is_too_large_or_for_one_alone_goes_to_each() {
    let logto = Logto::start().await;
    let told = Told::default();
    let upstream = Scripted::start(&logto, Reaction::AsTold(told.clone())).await;
    let proxy = sharing(&logto)
        .set("tenants.acme.endpoint", quoted(upstream.base_url()))
        .set("limits.shared_answer", "'4KiB'")
        .start()
        .await;
    for (fields, size, shared) in [
        ("", 4096, true),
        ("", 4097, false),
        ("Cache-Control: no-store\r\n", 10, false),
        ("Cache-Control: private\r\n", 10, false),
        ("Set-Cookie: a=b\r\n", 10, false),
        ("Vary: Cookie\r\n", 10, false),
        ("Vary: Accept-Language\r\n", 10, true),
    ] {
        told.answers(move |_| {
            let body = "1".repeat(size);
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{fields}Content-Length: {size}\r\nConnection: close\r\n\r\n{body}").into_bytes()
        });
        told.wait(true);
        let answers = at_once(&proxy, 4, &Request::get(ROLES)).await;
        let all = async { while proxy.metric("claviger_requests_in_flight").await < 4.0 {} };
        within("all to be there", all).await;
        told.wait(false);
        let answers = answers.join_all().await;
        let joined = answers.iter().filter(|answer| cache(answer) == COLLAPSED).count();
        assert!(answers.iter().all(|answer| answer.status == 200 && answer.body.len() == size), "{fields}");
        assert_eq!(joined, if shared { 3 } else { 0 }, "{fields} {size}");
    }
}

#[tokio::test]
async fn b63_what_was_written_is_seen_by_the_next_read_while_others_read_all_the_time() {
    let logto = Logto::start().await;
    let proxy = keeping(&logto, "1h").set("retry.attempts", 1).start().await;
    let count = |answer: &Answer| answer.json().as_array().map_or(0, Vec::len);
    let roles = "/api/roles?page=1&page_size=100";
    let at_first = count(&proxy.get(roles).await);
    let mut random = fastrand::Rng::with_seed(4);
    let mut readers = JoinSet::new();
    let stop = tokio_util::sync::CancellationToken::new();
    for _ in 0..8 {
        let (mut client, stop) = (proxy.connect().await, stop.clone());
        readers.spawn(async move {
            let (mut most, mut reads) = (0, 0);
            while !stop.is_cancelled() {
                let found = count(&client.ask(&Request::get(roles)).await);
                assert!(found >= most, "an answer from before one that was given already");
                (most, reads) = (found, reads + 1);
            }
            reads
        });
    }
    let (mut writer, mut reader) = (proxy.connect().await, proxy.connect().await);
    for number in 0..60 {
        logto
            .faults()
            .set(vec![Fault::new(Target::Api, Effect::latency(Duration::from_millis(random.u64(0..8))))]);
        assert_eq!(writer.ask(&a_role(number)).await.status, 200);
        assert_eq!(count(&reader.ask(&Request::get(roles)).await), at_first + number + 1);
    }
    stop.cancel();
    let reads: usize = readers.join_all().await.into_iter().sum();
    let sent = logto.api_requests_seen().iter().filter(|request| request.method == "GET").count();
    assert!(sent < reads, "{sent} of {reads}");
    assert!(metric(&proxy, "hit").await > 0.0 && metric(&proxy, "collapsed").await > 0.0);
}

#[tokio::test]
async fn b63_streams_of_one_connection_of_http_2_are_given_one_whole_answer() {
    let logto = Logto::start().await;
    let authority = Authority::new("servers");
    let proxy =
        with_tls(&logto, &authority.server(&["localhost"])).set("limits.coalesce", true).start().await;
    let connection = Secure::new(&authority, None).http2(&proxy).await;
    let first = connection.ask(http2(&proxy, "GET", ROLES), "").await;
    let before = logto.api_requests();
    logto.api_fault(Effect::latency(Duration::from_secs(1)));
    let answers = (0..18).map(|_| connection.ask(http2(&proxy, "GET", ROLES), ""));
    for answer in futures_util::future::join_all(answers).await {
        assert_eq!((answer.status, answer.text()), (200, first.text()));
    }
    assert_eq!(logto.api_requests() - before, 1);
}

#[tokio::test]
async fn b63_no_caller_waits_behind_the_turn_of_another_but_for_what_was_sent() {
    let logto = Logto::start().await;
    let proxy = sharing(&logto)
        .set("tenants.acme.max_in_flight", 1)
        .set("callers.other.identify", "{ api_key = 'CANARY-held-key-of-the-other' }")
        .set("callers.other.policies", "['all']")
        .start()
        .await;
    let other = Request::get(ROLES).key("CANARY-held-key-of-the-other");
    assert_eq!(proxy.get(ROLES).await.status, 200);
    let before = logto.api_requests();
    logto.api_fault(Effect::latency(Duration::from_secs(1)));
    let mut all = JoinSet::new();
    for (number, request) in [Request::get("/api/users"), Request::get(ROLES), other.clone(), other.clone()]
        .into_iter()
        .enumerate()
    {
        let mut client = proxy.connect().await;
        all.spawn(async move { client.ask(&request).await });
        while proxy.metric("claviger_requests_in_flight").await < number as f64 + 1.0 {}
    }
    let answers = all.join_all().await;
    assert_eq!(logto.api_requests() - before, 3, "the two of the other were one");
    assert_eq!(answers.iter().filter(|answer| cache(answer) == COLLAPSED).count(), 1);
    // What is on its way is everybody's.
    let before = logto.api_requests();
    let first = at_once(&proxy, 1, &Request::get(ROLES)).await;
    under_way(&logto, before).await;
    assert_eq!(cache(&proxy.ask(&other).await), COLLAPSED);
    assert!(first.join_all().await.iter().all(|answer| answer.status == 200));
    assert_eq!(logto.api_requests() - before, 1);
}
