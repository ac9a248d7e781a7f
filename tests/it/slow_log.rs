//! A log that nobody reads stops no request, holds little, and no end (behaviour 47).

use std::time::Duration;

use rustix::process::Signal;
use tokio::time::Instant;

use crate::{
    strangers::{SOON, p99},
    support::{Logto, Proxy, Request, within},
};

const KIB: u64 = 1024;

#[tokio::test]
async fn b47_a_log_that_nobody_reads_stops_no_request_and_no_end() {
    let logto = Logto::start().await;
    let builder = Proxy::builder().tenant("acme", &logto).set("log.requests", "'all'");
    let mut proxy = builder.with_unread_log().start().await;
    assert_eq!(proxy.get("/api/roles").await.status, 200);
    let before = proxy.memory().0;
    let mut client = proxy.connect().await;
    let request = Request::get("/api/roles").head();
    let served = async {
        for _ in 0..60 {
            client.write(&request.repeat(50)).await.expect("it is read");
            for _ in 0..50 {
                assert_eq!(client.read_answer("GET").await.expect("each is answered").status, 200);
            }
        }
    };
    within("3000 requests", served).await;
    let slowest = p99(50, async || assert_eq!(proxy.get("/api/roles").await.status, 200)).await;
    assert!(slowest <= SOON, "{slowest:?}");
    assert!(proxy.metric("claviger_log_lines_lost_total").await > 0.0, "more than there is room for");
    let held = proxy.memory().1.saturating_sub(before);
    assert!(held < 8 * KIB, "{held} KiB");
    drop(client);
    let begun = Instant::now();
    proxy.signal(Signal::TERM);
    assert!(proxy.ended().await.success());
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}
