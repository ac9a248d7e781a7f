//! The real issuer client against a real socket.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;

fn tls() -> rustls::ClientConfig {
    tls_with(rustls::RootCertStore::empty())
}

fn tls_with(roots: rustls::RootCertStore) -> rustls::ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// Answers each connection's one request with `answer`, and hands back what was sent.
async fn serve(answer: Vec<u8>) -> (String, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/oidc/token", listener.local_addr().unwrap());
    let (seen, requests) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            while !is_whole(&request) {
                let read = stream.read(&mut buffer).await.unwrap();
                assert_ne!(read, 0, "a request that ends early");
                request.extend_from_slice(&buffer[..read]);
            }
            seen.send(String::from_utf8(request).unwrap()).unwrap();
            // The client may hang up before all of a large body is sent.
            let _ = stream.write_all(&answer).await;
        }
    });
    (url, requests)
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
    body.len() == length.parse::<usize>().unwrap()
}

fn http_answer(head: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
        .into_bytes()
}

fn good() -> Vec<u8> {
    http_answer(
        "200 OK\r\nContent-Type: application/json",
        r#"{"access_token":"t","expires_in":3600,"token_type":"Bearer","scope":"all"}"#,
    )
}

fn issuer(url: &str) -> HttpIssuer {
    HttpIssuer::new(url, tls(), SECOND, 4 * SECOND).unwrap()
}

async fn ask(url: &str, key: &TokenKey, secret: &str) -> Result<Answer, Fault> {
    issuer(url).request(GrantRequest::new(key, &Secret::new(secret.as_bytes().to_vec()))).await
}

#[tokio::test]
async fn basic_credentials_are_form_encoded_before_base64() {
    let (url, mut requests) = serve(good()).await;
    let key = TokenKey { client_id: "#internal:ä b".into(), ..key("acme") };
    ask(&url, &key, "p@ss:w%rd+/=é").await.unwrap();
    let request = requests.recv().await.unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let encoded = head.lines().find_map(|line| line.strip_prefix("authorization: Basic ")).expect("Basic");
    let pair = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, encoded).unwrap();
    assert_eq!(pair, b"%23internal%3A%C3%A4+b:p%40ss%3Aw%25rd%2B%2F%3D%C3%A9");
    assert_eq!(body, "grant_type=client_credentials&resource=https%3A%2F%2Facme.logto.app%2Fapi&scope=all");
}

#[tokio::test]
async fn post_credentials_and_every_other_member_are_in_the_body() {
    let (url, mut requests) = serve(good()).await;
    let key = TokenKey {
        client_auth: ClientAuth::Post,
        organization_id: Some("o&1".into()),
        parameters: [("x y".into(), "1=2".into())].into(),
        ..key("acme").with_scopes("b a")
    };
    ask(&url, &key, "p@ss:w%rd+/=é").await.unwrap();
    let request = requests.recv().await.unwrap();
    assert!(!request.contains("authorization:"));
    assert!(request.ends_with(
        "\r\n\r\ngrant_type=client_credentials&resource=https%3A%2F%2Facme.logto.app%2Fapi&scope=a+b\
         &organization_id=o%261&x+y=1%3D2&client_id=app&client_secret=p%40ss%3Aw%25rd%2B%2F%3D%C3%A9"
    ));
}

#[tokio::test]
async fn the_head_holds_what_it_should_and_nothing_else() {
    let (url, mut requests) = serve(good()).await;
    ask(&url, &key("acme"), "s").await.unwrap();
    let request = requests.recv().await.unwrap();
    let head = request.split_once("\r\n\r\n").unwrap().0;
    let mut lines = head.lines();
    assert_eq!(lines.next(), Some("POST /oidc/token HTTP/1.1"));
    let mut names: Vec<_> = lines.clone().map(|line| line.split_once(": ").unwrap().0).collect();
    names.sort_unstable();
    // No Origin above all: Logto refuses a grant that has one (fact 1.7).
    assert_eq!(
        names,
        [
            "accept",
            "accept-language",
            "authorization",
            "content-length",
            "content-type",
            "host",
            "user-agent"
        ]
    );
    for line in [
        "accept: application/json",
        "accept-language: en",
        "content-type: application/x-www-form-urlencoded",
        concat!("user-agent: claviger/", env!("CARGO_PKG_VERSION")),
    ] {
        assert!(lines.clone().any(|found| found == line), "{line}");
    }
}

#[tokio::test]
async fn b17_a_redirect_of_the_issuer_is_not_followed() {
    let (elsewhere, mut leaked) = serve(good()).await;
    for status in ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"] {
        let (url, mut requests) = serve(http_answer(&format!("{status}\r\nLocation: {elsewhere}"), "")).await;
        let answer = ask(&url, &key("acme"), "s").await.unwrap();
        let failure = parse(&answer, &[], SystemTime::UNIX_EPOCH).unwrap_err();
        assert!(matches!(failure.fault, Fault::Status(300..=399)), "{:?}", failure.fault);
        requests.recv().await.unwrap();
    }
    assert!(leaked.try_recv().is_err(), "the credentials went elsewhere");
}

#[tokio::test]
async fn b05_a_body_without_end_is_not_read_to_the_end() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let (url, _requests) = serve(format!("{head}{}", chunk.repeat(100)).into_bytes()).await;
    assert_eq!(ask(&url, &key("acme"), "s").await.unwrap_err(), Fault::Invalid(Flaw::TooLarge));
    let (url, _requests) = serve(http_answer("500 Oops", &"x".repeat(MAX_BODY + 1))).await;
    assert_eq!(ask(&url, &key("acme"), "s").await.unwrap_err(), Fault::Status(500));
    let (url, _requests) = serve(http_answer("200 OK", &"x".repeat(MAX_BODY))).await;
    assert_eq!(ask(&url, &key("acme"), "s").await.unwrap().body.len(), MAX_BODY);
}

#[tokio::test]
async fn an_issuer_that_is_not_there_is_unreachable_and_the_url_is_not_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let fault = ask(&format!("http://{address}/secret-path"), &key("acme"), "s").await.unwrap_err();
    let Fault::Unreachable(why) = &fault else { panic!("{fault:?}") };
    assert!(why.contains("refused") && !why.contains("secret-path"), "{why}");

    // A connection that breaks in the middle of an answer.
    let (url, _requests) = serve(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{".to_vec()).await;
    assert_eq!(ask(&url, &key("acme"), "s").await.unwrap_err().label(), "unreachable");
}

/// Against the whole engine: the time of one token request bounds a silent issuer.
#[tokio::test]
async fn an_issuer_that_accepts_and_says_nothing_times_out() {
    let (url, _requests) = serve(Vec::new()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = format!("http://{}/oidc/token", listener.local_addr().unwrap());
    let world = World::new(BROKEN);
    let source = |url: &str| TokenSource {
        issuer: Arc::new(issuer(url)),
        timeout: Duration::from_millis(50),
        ..world.source("acme")
    };
    let error = world.tokens.handle(source(&silent)).get(soon()).await.expect_err("no token");
    assert_eq!(error.label(), "timeout");
    let error = world.tokens.handle(source(&url)).get(soon()).await.expect_err("no token");
    assert_eq!(error.label(), "unreachable", "hung up on");
}

/// No provider is installed for the process, and the server would rather speak HTTP/2.
#[tokio::test]
async fn tls_is_the_configuration_it_was_given_and_speaks_http_1() {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let mut server = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(server));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/oidc/token", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
            let mut buffer = [0; 4096];
            let mut request = Vec::new();
            while !is_whole(&request) {
                let read = stream.read(&mut buffer).await.unwrap();
                request.extend_from_slice(&buffer[..read]);
            }
            stream.write_all(&good()).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    let request = || GrantRequest::new(&super::key("acme"), &Secret::new(b"s".to_vec()));

    let stranger = issuer(&url).request(request()).await.unwrap_err();
    let Fault::Unreachable(why) = &stranger else { panic!("{stranger:?}") };
    assert!(why.contains("name its file in `tls.roots`"), "{why}");

    let plain = ask(&url.replace("https:", "http:"), &super::key("acme"), "s").await.unwrap_err();
    let Fault::Unreachable(why) = &plain else { panic!("{plain:?}") };
    assert_eq!(&**why, "the port speaks TLS: write https:// in place of http://");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plain = format!("https://localhost:{}/oidc/token", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(&http_answer("400 Bad Request", "")).await.unwrap();
        let _: Result<usize, _> = stream.read(&mut [0; 4096]).await;
    });
    let fault = self::issuer(&plain).request(request()).await.unwrap_err();
    let Fault::Unreachable(why) = &fault else { panic!("{fault:?}") };
    assert!(why.starts_with("what answers there does not speak TLS: if the port speaks plain HTTP, write http:// in place of https://"), "{why}");

    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let mut trusting = tls_with(roots);
    trusting.alpn_protocols = vec![b"h2".to_vec()];
    let issuer = HttpIssuer::new(&url, trusting, SECOND, 4 * SECOND).unwrap();
    assert_eq!(issuer.request(request()).await.unwrap().status, StatusCode::OK);
}

#[tokio::test]
async fn what_a_port_with_tls_asks_for_is_told() {
    let page = "<html><center>The plain HTTP request was sent to HTTPS port</center></html>";
    let (url, _requests) = serve(http_answer("400 Bad Request\r\nContent-Type: text/html", page)).await;
    let answer = ask(&url, &key("acme"), "s").await.unwrap();
    let failure = crate::token::answer::parse(&answer, &[], SystemTime::UNIX_EPOCH).unwrap_err();
    assert_eq!(
        failure.fault.to_string(),
        "Logto cannot be reached: the port speaks TLS: write https:// in place of http://"
    );

    // As nginx answers with `ssl_verify_client`.
    let page = "<html><head><title>400 No required SSL certificate was sent</title></head></html>";
    let (url, _requests) = serve(http_answer("400 Bad Request\r\nContent-Type: text/html", page)).await;
    let answer = ask(&url, &key("acme"), "s").await.unwrap();
    let fault = crate::token::answer::parse(&answer, &[], SystemTime::UNIX_EPOCH).unwrap_err().fault;
    assert_eq!(
        (fault.to_string().as_str(), fault.remedy()),
        (
            "Logto cannot be reached: the server, or a proxy in front of it, wants a client certificate, and Claviger shows none, nor has its \
             configuration a key for one: have it let Claviger through without one",
            ""
        )
    );

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/oidc/token", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _read = stream.read(&mut [0; 16]).await.unwrap();
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    });
    let reset = ask(&url, &key("acme"), "s").await.unwrap_err();
    assert!(
        reset.to_string().ends_with(": if the port speaks TLS, write https:// in place of http://"),
        "{reset}"
    );
    assert_eq!((reset.label(), reset.remedy()), ("unreachable", ""));
}
