//! TLS and HTTP/2 from the other side: connections that are made as they are told, and certificates to make them
//! with.

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Either, Full};
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    Answer, Client, Proxy,
    pki::{Authority, Certified},
    tap::Tap,
    wire::Place,
};

/// Who connects, and whom it believes.
#[derive(Clone)]
pub(crate) struct Secure(ClientConfig);

/// A connection of HTTP/2.
pub(crate) struct Http2 {
    send: http2::SendRequest<Either<Full<Bytes>, Awaited>>,
    tap: Tap,
}

/// A body that never comes.
struct Awaited;

impl hyper::body::Body for Awaited {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

impl Secure {
    /// A client that believes `authority`, with or without a certificate of its own.
    pub(crate) fn new(authority: &Authority, own: Option<&Certified>) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(authority.der.clone()).expect("it is a certificate");
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider has them")
            .with_root_certificates(roots);
        Self(match own {
            Some(own) => {
                builder.with_client_auth_cert(vec![own.der.clone()], own.key()).expect("they belong together")
            }
            None => builder.with_no_client_auth(),
        })
    }

    pub(crate) async fn shake(&self, proxy: &Proxy, alpn: &[u8]) -> io::Result<TlsStream<TcpStream>> {
        let Place::Tcp(address) = &proxy.places()[0] else { panic!("no TCP listener") };
        let stream = TcpStream::connect(address).await?;
        let mut config = self.0.clone();
        config.alpn_protocols = vec![alpn.to_vec()];
        let name = ServerName::try_from("localhost").expect("it is a name");
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }

    /// HTTP/1.1, and the certificate that the proxy shows.
    pub(crate) async fn connect(&self, proxy: &Proxy) -> io::Result<(Client, CertificateDer<'static>)> {
        let stream = self.shake(proxy, b"http/1.1").await?;
        let shown = stream.get_ref().1.peer_certificates().expect("the handshake has finished")[0].clone();
        Ok((Client::over(stream, proxy.tap().clone()), shown.into_owned()))
    }

    /// HTTP/2.
    pub(crate) async fn http2(&self, proxy: &Proxy) -> Http2 {
        self.http2_with_window(proxy, 64 * 1024).await
    }

    /// HTTP/2, and how much of an answer may come before it is read.
    pub(crate) async fn http2_with_window(&self, proxy: &Proxy, window: u32) -> Http2 {
        let stream = self.shake(proxy, b"h2").await.expect("it shakes hands");
        let (send, connection) = http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(window)
            // Until it knows how many streams it may have; what goes beyond is refused (RFC 9113 section 5.1.2).
            .initial_max_send_streams(1)
            .handshake(TokioIo::new(stream))
            .await
            .expect("it speaks HTTP/2");
        tokio::spawn(connection);
        Http2 { send, tap: proxy.tap().clone() }
    }
}

impl Http2 {
    /// Whether the other end has ended it.
    pub(crate) fn is_over(&self) -> bool {
        self.send.is_closed()
    }

    /// Sends a request, and hands over the answer with its body unread.
    pub(crate) async fn begin(&self, request: http::request::Builder) -> http::Response<Incoming> {
        let request = request.body(Either::Left(Full::default())).expect("it is a request");
        let answer = self.send.clone().send_request(request);
        super::within("an answer", answer).await.expect("it is answered")
    }

    /// Sends the head of a request whose body never comes, and waits for the head of the answer, if there is one.
    pub(crate) async fn hang(&self, request: http::request::Builder) -> Option<http::StatusCode> {
        let request = request.body(Either::Right(Awaited)).expect("it is a request");
        Some(self.send.clone().send_request(request).await.ok()?.status())
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn ask(&self, request: http::request::Builder, body: &str) -> Answer {
        let mut send = self.send.clone();
        let request = request.body(Either::Left(Full::from(body.to_owned()))).expect("it is a request");
        let answer = super::within("an answer", send.send_request(request)).await.expect("it is answered");
        let (head, body) = answer.into_parts();
        let body = body.collect().await.expect("it is whole").to_bytes().to_vec();
        let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        self.tap.keep("HTTP/2 answer", format!("{head:?}").as_bytes());
        self.tap.keep("HTTP/2 body", &body);
        Answer { status: head.status.as_u16(), headers: head.headers.iter().map(header).collect(), body }
    }
}
