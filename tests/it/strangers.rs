//! What peers send that nobody knows: it costs little, it ends soon, and callers who are known are served meanwhile
//! (behaviour 29). Bounded forms of the attacks, on one machine.

use std::{sync::Arc, time::Duration};

use tokio::{task::JoinSet, time::Instant};

use crate::{
    support::{
        Logto, Proxy, Request,
        pki::Authority,
        quoted,
        secure::{Http2, Secure},
        soon, within,
    },
    tls::{http2, with_tls},
};

const KIB: u64 = 1024;
/// How long a known caller may take meanwhile, 99 times of 100.
pub(crate) const SOON: Duration = Duration::from_millis(250);

/// How long a form is waited for: whoever had to wait for a place that one holds would wait so long.
const FORM: Duration = Duration::from_secs(2);

/// What the known caller shows.
const KEY: &str = "a-key-that-only-one-caller-has-0123456789";

/// Asks, each time on a new connection, and returns how long the slowest of 99 in 100 took.
pub(crate) async fn p99(times: usize, ask: impl AsyncFn()) -> Duration {
    let mut took = Vec::with_capacity(times);
    for _ in 0..times {
        let begun = Instant::now();
        ask().await;
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    took[(times * 99).div_ceil(100) - 1]
}

/// A token request with `fields` header fields of a byte each, whose form never comes.
fn token_request(proxy: &Proxy, fields: usize) -> http::request::Builder {
    let form = "application/x-www-form-urlencoded";
    let request = http2(proxy, "POST", "/oidc/token").header("content-type", form);
    (0..fields).fold(request, |request, n| {
        let letter = |n: usize| char::from(b"abcdefghijklmnopqrstuvwxyz"[n]);
        request.header(format!("{}{}", letter(n % 26), letter(n / 26)), "1")
    })
}

/// Two thousand requests on twenty connections.
async fn flood<A: Send + 'static, F: Future<Output = A> + Send + 'static>(
    (secure, proxy): (&Secure, &Proxy),
    ask: impl Fn(Arc<Http2>) -> F,
) -> JoinSet<A> {
    let mut streams = JoinSet::new();
    for _ in 0..20 {
        let stranger = Arc::new(secure.http2(proxy).await);
        for _ in 0..100 {
            streams.spawn(ask(stranger.clone()));
        }
    }
    streams
}

/// What has no room for its body says so: an empty 200 would be taken for the answer.
#[tokio::test]
async fn b29_a_success_is_never_emptied_for_want_of_room() {
    let logto = Logto::start().await;
    let authority = Authority::new("servers");
    let proxy = with_tls(&logto, &authority.server(&["localhost"])).start().await;
    let stranger = Secure::new(&authority, None).http2(&proxy).await;
    let asked = (0..200).map(|_| stranger.ask(http2(&proxy, "GET", "/.well-known/openid-configuration"), ""));
    let answers = futures_util::future::join_all(asked).await;
    let refused = answers.iter().filter(|answer| answer.status == 503).count();
    assert!(refused > 0, "all had room");
    for answer in answers {
        assert!(matches!(answer.status, 200 | 503), "{answer:?}");
        assert_eq!(answer.status == 200, answer.text().contains("token_endpoint"), "{answer:?}");
    }
}

#[tokio::test]
async fn b29_token_requests_whose_form_never_comes() {
    let logto = Logto::start().await;
    let authority = Authority::new("servers");
    let proxy = with_tls(&logto, &authority.server(&["localhost"]))
        .set("limits.unauthenticated", 64)
        .set("timeouts.form", quoted(format!("{}ms", FORM.as_millis())))
        .start()
        .await;
    let secure = Secure::new(&authority, None);
    let known = secure.http2(&proxy).await;
    let ask = async || assert_eq!(known.ask(http2(&proxy, "GET", "/api/roles"), "").await.status, 200);
    ask().await;
    let before = proxy.memory().0;

    let many = token_request(&proxy, 300);
    let refused = within("an answer", known.hang(many)).await;
    assert_eq!(refused.map(|status| status.as_u16()), Some(431));

    // What this machine takes meanwhile, whatever else it does, for as many whose form has come.
    let harmless = flood((&secure, &proxy), |stranger| {
        let request = token_request(&proxy, 90);
        async move { stranger.ask(request, "").await.status }
    });
    let harmless = harmless.await;
    let usual = p99(100, ask).await;
    within("all answers", harmless.join_all()).await;

    let streams = flood((&secure, &proxy), |stranger| {
        let request = token_request(&proxy, 90);
        async move { stranger.hang(request).await.map(|status| status.as_u16()) }
    });
    let streams = streams.await;
    let slowest = p99(100, ask).await;
    assert!(
        slowest <= SOON + 2 * usual && slowest < FORM,
        "{slowest:?}; {usual:?} where nothing is waited for"
    );
    let held = proxy.memory().1.saturating_sub(before);
    assert!(held < 48 * KIB, "{held} KiB held");
    let answers = within("all answers", streams.join_all()).await;
    let count = |status| answers.iter().filter(|answer| **answer == Some(status)).count();
    assert_eq!((count(503) + count(400), answers.len()), (2000, 2000), "{} waited", count(400));
    assert!((1..=400).contains(&count(400)), "{} waited", count(400));
}

#[tokio::test]
async fn b29_strangers_give_way_to_callers_when_there_is_no_place_left() {
    let logto = Logto::start().await;
    let proxy = Proxy::builder().tenant("acme", &logto).set("listen.max_connections", 100).start().await;
    let mut kept = proxy.connect().await;
    assert_eq!(kept.ask(&Request::get("/api/roles")).await.status, 200);
    let ask = async || assert_eq!(proxy.get("/api/roles").await.status, 200);
    // What this machine takes, whatever else it does.
    let usual = p99(100, ask).await;
    let mut strangers = Vec::new();
    for _ in 0..1000 {
        strangers.push(proxy.connect().await);
    }
    let slowest = p99(100, ask).await;
    assert!(slowest <= SOON + 2 * usual, "{slowest:?}; {usual:?} without them");
    assert_eq!(kept.ask(&Request::get("/api/roles")).await.status, 200, "a known caller keeps its place");
}

#[tokio::test]
async fn b29_unfinished_heads_within_a_small_memory() {
    let logto = Logto::start().await;
    let proxy = Proxy::builder().tenant("acme", &logto).set("limits.memory", "'64MiB'").start().await;
    let ask = async || assert_eq!(proxy.get("/api/roles").await.status, 200);
    // What this machine takes, whatever else it does.
    let usual = p99(100, ask).await;
    let burst = async || {
        let mut strangers = Vec::new();
        let head = format!("GET /api/roles HTTP/1.1\r\nHost: localhost\r\nX: {}", "x".repeat(15_000));
        for _ in 0..1500 {
            let mut stranger = proxy.connect().await;
            // It may have had to give way already.
            let _ = stranger.write(head.as_bytes()).await;
            strangers.push(stranger);
        }
        let slowest = p99(100, ask).await;
        assert!(slowest <= SOON + 2 * usual, "{slowest:?}; {usual:?} without them");
    };
    burst().await;
    let first = proxy.memory().1;
    assert!(first < 64 * KIB, "{first} KiB");
    burst().await;
    let second = proxy.memory().1;
    assert!(second < first + 8 * KIB, "{first} KiB at first, {second} KiB then: it does not come back");
}

#[tokio::test]
async fn few_descriptors_are_kept_for_probes_and_callers() {
    let logto = Logto::start().await;
    let proxy = Proxy::builder().tenant("acme", &logto).descriptors(64).start().await;
    proxy.logged("open files").await;
    let mut strangers = Vec::new();
    for _ in 0..200 {
        strangers.push(proxy.connect().await);
    }
    assert_eq!(within("a probe", proxy.admin("/livez")).await.status, 200);
    assert_eq!(within("a caller", proxy.get("/api/roles")).await.status, 200);
    soon("few lines", || proxy.log().lines().count() < 20).await;
}

#[tokio::test]
async fn b29_connections_of_every_kind_within_a_small_memory() {
    let logto = Logto::start().await;
    let authority = Authority::new("servers");
    let proxy = with_tls(&logto, &authority.server(&["localhost"]))
        .set("limits.memory", "'64MiB'")
        .set("callers.local.identify", format!("{{ api_key = '{KEY}' }}"))
        .start()
        .await;
    let secure = Secure::new(&authority, None);
    let known = secure.http2(&proxy).await;
    let ask = async || {
        let request = http2(&proxy, "GET", "/api/roles").header("claviger-key", KEY);
        assert_eq!(known.ask(request, "").await.status, 200);
    };
    ask().await;
    let before = proxy.memory().0;

    let (mut silent, mut one, mut two, mut streams) = (Vec::new(), Vec::new(), Vec::new(), JoinSet::new());
    for _ in 0..300 {
        silent.push(proxy.connect().await);
        one.push(secure.connect(&proxy).await.expect("it shakes hands"));
        two.push(secure.http2(&proxy).await);
    }
    let idle = proxy.memory().1;
    for _ in 0..300 {
        // Answers that nobody takes, and requests whose body does not come.
        let stranger = std::sync::Arc::new(secure.http2_with_window(&proxy, 0).await);
        for n in 0..40 {
            let refused = http2(&proxy, "GET", "/api/roles").header("claviger-key", "no-such-key");
            let request = if n % 2 == 0 { refused } else { token_request(&proxy, 90) };
            let stranger = stranger.clone();
            streams.spawn(async move { stranger.hang(request).await });
        }
    }
    let slowest = p99(100, ask).await;
    assert!(slowest <= SOON, "{slowest:?}");
    let most = proxy.memory().1;
    // The program of the tests is not optimised and begins with three times the memory of the one that is shipped.
    let held = most - before;
    assert!(held < 44 * KIB, "{before} KiB before, {idle} with idle connections, {most} with streams");
}
