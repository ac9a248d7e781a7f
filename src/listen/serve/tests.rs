//! How a connection leaves that is to give way.

use std::io::Write as _;

use bytes::Bytes;
use http::Response;
use http_body_util::Empty;
use tokio::{
    io::AsyncReadExt as _,
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::{
    authn::{Peer, Reach},
    config::Timeouts,
    listen::{budget::Windows, closing::Tcp, strangers::Strangers},
};

struct Answers;

impl Handler for Answers {
    type Body = Empty<Bytes>;

    async fn handle(&self, _: &Connection, _: Request<Incoming>, _busy: Busy) -> Response<Self::Body> {
        Response::new(Empty::new())
    }
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
    let windows = Windows { connection: 65_536, stream: 65_536, answer: 65_536 };
    let timeouts = Timeouts::default();
    let settings = ListenSettings { timeouts, head: 16_384, streams: 20, windows, headers: 100, tls: None };
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
