//! How a connection leaves that is to give way.

use std::io::Write as _;

use bytes::Bytes;
use http::Response;
use http_body_util::Empty;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::{
    authn::{Peer, Reach},
    config::Timeouts,
    ids::CallerName,
    limit::Memory,
    listen::{budget::Windows, closing::Tcp, strangers::Strangers},
};

struct Answers;

impl Handler for Answers {
    type Body = Empty<Bytes>;

    async fn handle(&self, _: &Connection, _: Request<Incoming>, _busy: Busy) -> Response<Self::Body> {
        Response::new(Empty::new())
    }
}

/// Waits for its place at the upstream, which it gets in the moment in which its connection has to go, and then for an answer that does
/// not come.
struct Waits;

impl Handler for Waits {
    type Body = Empty<Bytes>;

    async fn handle(
        &self,
        connection: &Connection,
        _: Request<Incoming>,
        busy: Busy,
    ) -> Response<Self::Body> {
        let memory = Memory::default().of(&CallerName::parse("billing").unwrap());
        connection.standing.authenticated(&memory);
        let place = std::pin::pin!(tokio::time::sleep_until(busy.since + Duration::from_secs(1)));
        if connection.standing.in_time(place).await.is_some() {
            std::future::pending::<()>().await;
        }
        let mut refusal = Response::new(Empty::new());
        *refusal.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
        refusal
    }
}

fn settings() -> ListenSettings {
    let windows = Windows { connection: 65_536, stream: 65_536, answer: 65_536 };
    let timeouts = Timeouts::default();
    ListenSettings { timeouts, head: 16_384, streams: 20, windows, headers: 100, tls: None }
}

/// How long a stranger takes to leave that has had its time and sends this just before it is told, and what it is answered.
async fn leaves(sends: &[u8]) -> (Duration, Vec<u8>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (closing, (stream, _)) = (Closing::default(), listener.accept().await.unwrap());
    let strangers = Arc::new(Strangers::new(8, 8));
    let standing = strangers.enter(None).unwrap();
    standing.got(Progress::Silent);
    standing.admitted();
    let settings = settings();
    let peer_of = Peer::at(Reach::Loopback);
    let connection = Connection { peer: peer_of, worker: 0, scheme: "http", standing: standing.clone() };
    let stream = Stream::Tcp(Tcp::new(stream, closing.clone()));
    let never = CancellationToken::new();
    let mut served =
        Box::pin(serve(stream, Protocol::Http1, connection, &settings, &closing, Arc::new(Answers), never));
    assert!(tokio::time::timeout(Duration::from_millis(5), served.as_mut()).await.is_err());
    peer.write_all(sends).unwrap();
    let places = Arc::new(tokio::sync::Semaphore::new(0));
    assert!(strangers.take(&places, 0).1);
    let begun = Instant::now();
    served.await;
    let took = begun.elapsed();
    closing.finish().await;
    peer.set_nonblocking(true).unwrap();
    let mut answer = Vec::new();
    // It may have been reset.
    let _: std::io::Result<usize> = TcpStream::from_std(peer).unwrap().read_to_end(&mut answer).await;
    (took, answer)
}

#[tokio::test(start_paused = true)]
async fn b29_a_silent_stranger_that_has_had_its_time_leaves_at_once() {
    assert_eq!(leaves(b"").await, (Duration::ZERO, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn b29_what_a_stranger_has_sent_by_then_is_answered() {
    let (_, answer) = leaves(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"), "{answer:?}");
}

/// What is answered to a request whose connection is told after a moment that it has to go.
async fn waits(protocol: Protocol, sends: &[u8]) -> Vec<u8> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    peer.write_all(sends).await.unwrap();
    let (closing, (stream, _)) = (Closing::default(), listener.accept().await.unwrap());
    let strangers = Arc::new(Strangers::new(8, 8));
    let standing = strangers.enter(None).unwrap();
    let settings = settings();
    let connection = Connection { peer: Peer::at(Reach::Loopback), worker: 0, scheme: "http", standing };
    let stream = Stream::Tcp(Tcp::new(stream, closing.clone()));
    let never = CancellationToken::new();
    let served = serve(stream, protocol, connection, &settings, &closing, Arc::new(Waits), never);
    let mut served = Box::pin(served);
    assert!(tokio::time::timeout(Duration::from_millis(5), served.as_mut()).await.is_err());
    assert!(strangers.take(&Arc::new(tokio::sync::Semaphore::new(0)), 0).1);
    served.await;
    closing.finish().await;
    let mut answer = Vec::new();
    // It may have been reset.
    let _: std::io::Result<usize> = peer.read_to_end(&mut answer).await;
    answer
}

#[tokio::test(start_paused = true)]
async fn b29_a_request_that_could_be_sent_when_its_connection_has_to_go_is_refused() {
    let answer = waits(Protocol::Http1, b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert!(answer.starts_with(b"HTTP/1.1 503 Service Unavailable\r\n"), "{answer:?}");

    // The preface, SETTINGS, and the HEADERS of stream 1 (RFC 9113 sections 3.4 and 6).
    let sends = [
        &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..],
        b"\0\0\0\x04\0\0\0\0\0",
        b"\0\0\x0e\x01\x05\0\0\0\x01\x82\x86\x84\x41\x09localhost",
    ];
    let answer = waits(Protocol::Http2, &sends.concat()).await;
    let mut frames = &answer[..];
    let mut is_answered = false;
    while let [_, high, low, kind, _, id @ ..] = frames
        && let Some((id, _)) = id.split_first_chunk()
    {
        is_answered |= (*kind, u32::from_be_bytes(*id)) == (1, 1);
        frames = &frames[9 + usize::from(u16::from_be_bytes([*high, *low]))..];
    }
    assert!(is_answered, "{answer:?}");
}
