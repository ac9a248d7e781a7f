//! An upstream that answers what no server should: the caller is told, nothing falls over, nothing gets through.

use crate::support::{Logto, Proxy, Reaction, Request, Scripted, quoted};

async fn with(logto: &Logto, bytes: impl Into<Vec<u8>>) -> (Proxy, Scripted) {
    let upstream = Scripted::start(logto, Reaction::Bytes(bytes.into())).await;
    let proxy = Proxy::builder()
        .tenant("acme", logto)
        .set("tenants.acme.endpoint", quoted(upstream.base_url()))
        .set("retry.backoff", "'1ms'")
        .set("timeouts.response", "'1s'")
        .set("timeouts.deadline", "'2s'")
        .start()
        .await;
    (proxy, upstream)
}

#[tokio::test]
async fn what_is_not_http_is_502() {
    let logto = Logto::start().await;
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(300_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(2000));
    for garbage in [
        "",
        "\r\n\r\n",
        "SSH-2.0-OpenSSH_9.6\r\n",
        "\x15\x03\x01\x00\x02\x02\x16",
        "HTTP/1.1",
        "HTTP/1.1 xx OK\r\n\r\n",
        "HTTP/1.1 99 OK\r\n\r\n",
        "HTTP/9.9 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        &long,
        &many,
    ] {
        let what = &garbage[..garbage.len().min(60)];
        let (proxy, _upstream) = with(&logto, garbage).await;
        let answer = proxy.get("/api/roles").await;
        assert!(
            matches!(
                answer.outcome().1.as_str(),
                "claviger.upstream_unreachable" | "claviger.upstream_timeout"
            ),
            "{what:?}: {} {}",
            answer.status,
            answer.text()
        );
        assert_eq!(proxy.admin("/livez").await.status, 200, "{what:?}");
        assert_eq!(proxy.metric("claviger_requests_in_flight").await, 0.0, "{what:?}");
        assert!(!proxy.log().contains("panicked"), "{what:?}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_its_framing_breaks_the_callers() {
    let logto = Logto::start().await;
    for garbage in [
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n[1,",
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[1,",
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n[1,",
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n[1,",
    ] {
        let (proxy, _upstream) = with(&logto, garbage).await;
        // Where not even the beginning is available, the head has not gone out yet.
        if let Ok(answer) = proxy.connect().await.try_ask(&Request::get("/api/roles")).await {
            answer.assert_problem(502, "upstream_unreachable");
            assert!(answer.text().contains("may have been carried out"), "{garbage:?}: {}", answer.text());
        }
        assert_eq!(proxy.admin("/livez").await.status, 200);
        assert_eq!(proxy.metric("claviger_requests_in_flight").await, 0.0, "{garbage:?}");
    }
}

#[tokio::test]
async fn an_answer_to_nobody_is_given_to_nobody() {
    let logto = Logto::start().await;
    let two = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]\
               HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n\"STRAY!\"";
    let (proxy, _upstream) = with(&logto, two).await;
    let mut client = proxy.connect().await;
    for _ in 0..5 {
        let answer = client.ask(&Request::get("/api/roles")).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "[]"));
    }
}

#[tokio::test]
async fn interim_answers_are_passed_over_and_no_protocol_is_switched() {
    let logto = Logto::start().await;
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
    let last = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]";
    let (proxy, _upstream) = with(&logto, format!("{interim}{interim}{last}")).await;
    let answer = proxy.get("/api/roles").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "[]"));
    let switch = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nEVIL";
    let (proxy, _upstream) = with(&logto, switch).await;
    let request = Request::get("/api/roles").header("Upgrade", "x").header("Connection", "upgrade");
    let mut client = proxy.connect().await;
    client.write(&request.head()).await.expect("it is read");
    let answer = client.read_answer("GET").await;
    assert!(answer.is_err() || answer.as_ref().is_ok_and(|answer| answer.status >= 500), "{answer:?}");
}
