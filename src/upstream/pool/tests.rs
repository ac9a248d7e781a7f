use std::{
    convert::Infallible,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    task::Poll,
};

use bytes::Bytes;
use futures_util::future::join_all;
use http_body_util::{BodyExt as _, Empty};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use tokio::{io::AsyncReadExt as _, net::TcpListener};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::{config::Roots, listen::tls::pki::Authority, trust};
use tokio::time::Instant;

/// An upstream that speaks one protocol, and counts its connections.
async fn upstream(alpn: &'static [u8]) -> (Arc<Pool>, Arc<AtomicUsize>) {
    let authority = Authority::new("upstream");
    let server = authority.server(&["localhost"]);
    let mut tls = ServerConfig::builder_with_provider(trust::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![server.der.clone()], server.key())
        .unwrap();
    tls.alpn_protocols = vec![alpn.to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (connections, counted) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let count = counted.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            connections.fetch_add(1, SeqCst);
            count.fetch_add(1, SeqCst);
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let io = TokioIo::new(acceptor.accept(stream).await.unwrap());
                let service = service_fn(async |_| Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())));
                let _: Result<(), hyper::Error> = match alpn {
                    b"h2" => {
                        hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                            .serve_connection(io, service)
                            .await
                    }
                    _ => hyper::server::conn::http1::Builder::new().serve_connection(io, service).await,
                };
            });
        }
    });
    let roots = Roots::File { path: "ca.pem".into(), pem: authority.pem.into_bytes() };
    let endpoint = Endpoint {
        scheme: http::uri::Scheme::HTTPS,
        authority: format!("localhost:{port}").parse().unwrap(),
    };
    let times = PoolTimes { connect: Duration::from_secs(5), idle: Duration::from_secs(4) };
    (Pool::new(&endpoint, trust::client(&roots).unwrap(), true, times, PoolBuffers::default()), counted)
}

async fn get(pool: &Arc<Pool>) {
    let request = Request::get("/api/users").body(RequestBody::Held(Bytes::new())).unwrap();
    let (response, _connection) = pool.send(request, Instant::now()).await.unwrap();
    assert_eq!(response.status(), 200);
    response.into_body().collect().await.unwrap();
}

#[tokio::test]
async fn first_requests_at_one_time_share_one_connection_of_http_2() {
    let (pool, connections) = upstream(b"h2").await;
    join_all((0..20).map(|_| get(&pool))).await;
    assert_eq!(connections.load(SeqCst), 1);
    get(&pool).await;
    assert_eq!(connections.load(SeqCst), 1);
}

#[tokio::test]
async fn an_upstream_that_speaks_http_1_alone_gets_a_connection_for_each_after_the_first() {
    let (pool, connections) = upstream(b"http/1.1").await;
    join_all((0..20).map(|_| get(&pool))).await;
    let first = connections.load(SeqCst);
    assert!((2..=20).contains(&first), "{first}: nobody waits once it is known");
    assert!(!pool.may_share.load(Relaxed));
}

/// As when a caller opens requests and resets them without end.
#[tokio::test]
async fn b46_a_connection_that_was_begun_is_for_the_next_request() {
    for alpn in [b"http/1.1".as_slice(), b"h2"] {
        let (pool, connections) = upstream(alpn).await;
        let is_begun = std::future::poll_fn(|cx| {
            cx.waker().wake_by_ref();
            if connections.load(SeqCst) > 0 { Poll::Ready(()) } else { Poll::Pending }
        });
        tokio::select! {
            biased;
            () = is_begun => {}
            () = get(&pool) => unreachable!("no hands were shaken yet"),
        }
        get(&pool).await;
        assert_eq!(connections.load(SeqCst), 1);
    }
}

#[tokio::test]
async fn a_host_without_an_address_is_named() {
    // Longer than a label can be, so that no server is asked for it.
    let host = "a".repeat(64);
    let endpoint = Endpoint { scheme: http::uri::Scheme::HTTP, authority: host.parse().unwrap() };
    let times = PoolTimes { connect: Duration::from_secs(5), idle: Duration::from_secs(4) };
    let tls = trust::client(&Roots::Bundled).unwrap();
    let pool = Pool::new(&endpoint, tls, true, times, PoolBuffers::default());
    let request = Request::get("/api/users").body(RequestBody::Held(Bytes::new())).unwrap();
    let refused = pool.send(request, Instant::now()).await.err().unwrap().error;
    assert_eq!(refused.cause(), format!("there is no address for {host} (DNS): is it spelt right?"));
}

#[tokio::test]
async fn a_tls_handshake_that_is_cut_off_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let authority = listener.local_addr().unwrap().to_string().parse().unwrap();
    let endpoint = Endpoint { scheme: http::uri::Scheme::HTTPS, authority };
    let times = PoolTimes { connect: Duration::from_secs(5), idle: Duration::from_secs(4) };
    let pool =
        Pool::new(&endpoint, trust::client(&Roots::Bundled).unwrap(), true, times, PoolBuffers::default());
    for resets in [false, true] {
        let request = Request::get("/api/users").body(RequestBody::Held(Bytes::new())).unwrap();
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert_ne!(stream.read(&mut [0; 4096]).await.unwrap(), 0);
            if resets {
                stream.set_zero_linger().unwrap();
            }
        };
        let (refused, ()) = tokio::join!(pool.send(request, Instant::now()), server);
        let cause = refused.err().unwrap().error.cause();
        assert!(cause.starts_with("the server closed the connection during the TLS handshake: "), "{cause}");
        assert!(trust::says_what_to_do(&cause), "{cause}");
    }
}
