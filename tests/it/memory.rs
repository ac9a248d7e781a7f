//! Memory does not grow with what has been seen.

use crate::support::{Client, Logto, Proxy, Request};

const DISTINCT: usize = 20_000;
/// What an allocator may keep for itself.
const SLACK: u64 = 6 * 1024;
const PIPELINED: usize = 50;

/// What differs from request to request, and the request of a number.
type Kind = (&'static str, fn(usize) -> Request);

/// Sends requests without waiting for each answer.
async fn flood(client: &mut Client, numbers: std::ops::Range<usize>, request: impl Fn(usize) -> Request) {
    let numbers: Vec<usize> = numbers.collect();
    for batch in numbers.chunks(PIPELINED) {
        let bytes: Vec<u8> = batch.iter().flat_map(|n| request(*n).head()).collect();
        client.write(&bytes).await.expect("it is read");
        for _ in batch {
            client.read_answer("GET").await.expect("each is answered");
        }
    }
}

#[tokio::test]
async fn b28_twenty_thousand_distinct_requests_leave_nothing_behind() {
    let logto = Logto::start().await;
    let proxy = Proxy::builder().tenant("acme", &logto).start().await;
    assert_eq!(proxy.get("/api/roles").await.status, 200);
    let mut client = proxy.connect().await;
    let kinds: [Kind; 6] = [
        ("paths that no operation has", |n| Request::get(&format!("/api/nothing-{n}/x{n}"))),
        ("hosts", |n| Request::get("/api/users").header("Host", &format!("host-{n}.example"))),
        ("tenants", |n| Request::get(&format!("/t/tenant-{n}/api/users"))),
        ("failed identities", |n| Request::get("/api/users").key(&format!("wrong-key-{n:020}"))),
        ("forged tokens", |n| {
            Request::get("/api/users").header("Authorization", &format!("Bearer cvt_{n:060}"))
        }),
        ("methods", |n| Request::new(&format!("M{n}"), "/api/users")),
    ];
    // Once over everything, so that what is allocated once is allocated.
    for (_, kind) in &kinds {
        flood(&mut client, 0..1000, kind).await;
    }
    let before = proxy.memory().0;
    let series = proxy.admin("/metrics").await.text().lines().count();
    for (what, kind) in kinds {
        flood(&mut client, 1000..1000 + DISTINCT / 6, kind).await;
        let now = proxy.memory().0;
        assert!(now < before + SLACK, "{what}: {before} KiB before, {now} KiB after");
    }
    let now = proxy.admin("/metrics").await.text().lines().count();
    assert!(now <= series + 2, "{series} lines of metrics before, {now} after");
}

#[tokio::test]
async fn b28_neither_do_queries_and_ids_that_are_forwarded() {
    let logto = Logto::start().await;
    let proxy = Proxy::builder().tenant("acme", &logto).start().await;
    let mut client = proxy.connect().await;
    let forwarded = |n: usize| Request::get(&format!("/api/users/user-{n}?q={n}"));
    flood(&mut client, 0..500, forwarded).await;
    let before = proxy.memory().0;
    flood(&mut client, 500..3500, forwarded).await;
    let now = proxy.memory().0;
    assert!(now < before + SLACK, "{before} KiB before, {now} KiB after");
}
