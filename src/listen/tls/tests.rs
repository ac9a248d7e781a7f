use std::sync::{
    Arc, LazyLock,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio_rustls::TlsConnector;

use super::{
    failure::Reason,
    pki::{Authority, Certified, Wanted},
    *,
};
use crate::secret::Secret;

/// 2027-01-15
const NOW: u64 = 1_800_000_000;

static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| Authority::new("servers"));
static CLIENTS: LazyLock<Authority> = LazyLock::new(|| Authority::new("clients"));
static STRANGERS: LazyLock<Authority> = LazyLock::new(|| Authority::new("strangers"));

fn pem(name: &str, text: &str) -> PemFile {
    PemFile { path: name.into(), pem: text.as_bytes().to_vec(), origin: Default::default() }
}

fn config(server: &Certified) -> ListenTls {
    ListenTls {
        cert: pem("tls.crt", &server.cert_pem),
        key: Secret::new(server.key_pem.clone().into_bytes()),
        client_ca: None,
        crl: None,
    }
}

fn mutual(crl: Option<String>) -> ListenTls {
    ListenTls {
        client_ca: Some(pem("ca.crt", &CLIENTS.pem)),
        crl: crl.map(|text| pem("crl.pem", &text)),
        ..config(&AUTHORITY.server(&["localhost"]))
    }
}

fn clock() -> (Clock, Arc<AtomicU64>) {
    let seconds = Arc::new(AtomicU64::new(NOW));
    let wall = seconds.clone();
    (Clock::with_wall(move || std::time::UNIX_EPOCH + Duration::from_secs(wall.load(Relaxed))), seconds)
}

fn tls(config: &ListenTls) -> Tls {
    Tls::new(config, &clock().0).unwrap()
}

fn client(certificate: Option<&Certified>, alpn: &[&str]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(AUTHORITY.der.clone()).unwrap();
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match certificate {
        Some(one) => builder.with_client_auth_cert(vec![one.der.clone()], one.key()).unwrap(),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    config
}

/// Both ends of a connection. With TLS 1.3 a client learns by its first read whether it was let in.
async fn connect(tls: &Tls, client: ClientConfig) -> Option<Secured<DuplexStream>> {
    let (near, far) = duplex(64 * 1024);
    let name = ServerName::try_from("localhost").unwrap();
    let theirs = async {
        let mut stream = TlsConnector::from(Arc::new(client)).connect(name, near).await?;
        stream.read_u8().await
    };
    let ours = async {
        let mut secured = tls.accept(far, Duration::from_secs(5), || ()).await.ok()?;
        secured.stream.write_u8(7).await.unwrap();
        secured.stream.flush().await.unwrap();
        Some(secured)
    };
    let (theirs, ours) = tokio::join!(theirs, ours);
    assert_eq!(theirs.ok(), ours.as_ref().map(|_| 7), "both ends agree");
    ours
}

#[tokio::test]
async fn alpn_chooses_http_2_where_the_client_offers_it() {
    let tls = tls(&config(&AUTHORITY.server(&["localhost"])));
    for (offered, chosen) in [
        (&["h2", "http/1.1"][..], Protocol::Http2),
        (&["http/1.1", "h2"], Protocol::Http2),
        (&["http/1.1"], Protocol::Http1),
        (&[], Protocol::Http1),
    ] {
        let secured = connect(&tls, client(None, offered)).await.unwrap();
        assert_eq!(secured.protocol, chosen, "{offered:?}");
        assert!(secured.certificate.is_none());
    }
    assert!(connect(&tls, client(None, &["spdy/3"])).await.is_none());
}

#[tokio::test]
async fn a_client_may_come_without_a_certificate_but_not_with_a_bad_one() {
    let wanted = Wanted { uris: vec!["spiffe://prod/x"], serial: 5, ..Wanted::default() };
    let good = CLIENTS.issue(&wanted);
    let tls = tls(&mutual(None));
    assert!(connect(&tls, client(None, &[])).await.unwrap().certificate.is_none());
    assert!(connect(&tls, client(Some(&good), &[])).await.unwrap().certificate.is_some());
    let expired = CLIENTS.issue(&Wanted { until: 2026, ..wanted.clone() });
    assert!(connect(&tls, client(Some(&expired), &[])).await.is_none());
    let foreign = STRANGERS.issue(&wanted);
    assert!(connect(&tls, client(Some(&foreign), &[])).await.is_none(), "of another authority");
    let servers = AUTHORITY.issue(&wanted);
    assert!(connect(&tls, client(Some(&servers), &[])).await.is_none(), "of the server's own authority");
}

#[tokio::test]
async fn with_revocation_lists_what_none_covers_is_refused() {
    let wanted = |serial| Wanted { dns: vec!["a.internal"], serial, ..Wanted::default() };
    let (good, bad) = (CLIENTS.issue(&wanted(1)), CLIENTS.issue(&wanted(2)));
    let fresh = tls(&mutual(Some(CLIENTS.revoke(&[&bad], 2100))));
    assert!(connect(&fresh, client(Some(&good), &[])).await.is_some());
    assert!(connect(&fresh, client(Some(&bad), &[])).await.is_none(), "revoked");
    let stale = tls(&mutual(Some(CLIENTS.revoke(&[&bad], 2026))));
    assert!(connect(&stale, client(Some(&good), &[])).await.is_none(), "the list is past its nextUpdate");
    let others = tls(&mutual(Some(STRANGERS.revoke(&[], 2100))));
    assert!(connect(&others, client(Some(&good), &[])).await.is_none(), "the list is of another authority");
    assert!(connect(&others, client(None, &[])).await.is_some());
}

/// Why a handshake with this client fails.
async fn why(tls: &Tls, client: ClientConfig) -> Reason {
    let (near, far) = duplex(64 * 1024);
    let name = ServerName::try_from("localhost").unwrap();
    let theirs = async {
        let mut stream = TlsConnector::from(Arc::new(client)).connect(name, near).await?;
        stream.read_u8().await
    };
    let (theirs, ours) = tokio::join!(theirs, tls.accept(far, Duration::from_secs(5), || ()));
    assert!(theirs.is_err());
    ours.map(drop).unwrap_err().reason
}

#[tokio::test]
async fn each_failure_has_its_reason() {
    let wanted = |serial| Wanted { dns: vec!["a.internal"], serial, ..Wanted::default() };
    let (good, bad) = (CLIENTS.issue(&wanted(1)), CLIENTS.issue(&wanted(2)));
    let expired = CLIENTS.issue(&Wanted { until: 2026, ..wanted(3) });
    let (foreign, namesake) = (STRANGERS.issue(&wanted(4)), Authority::new("clients").issue(&wanted(5)));
    let fresh = tls(&mutual(Some(CLIENTS.revoke(&[&bad], 2100))));
    let stale = tls(&mutual(Some(CLIENTS.revoke(&[], 2026))));
    let others = tls(&mutual(Some(STRANGERS.revoke(&[], 2100))));
    let namesakes = tls(&mutual(Some(Authority::new("clients").revoke(&[], 2100))));
    for (what, tls, certified, reason) in [
        ("expired", &fresh, &expired, Reason::CertificateExpired),
        ("foreign", &fresh, &foreign, Reason::UnknownAuthority),
        ("of the same name", &fresh, &namesake, Reason::UnknownAuthority),
        ("revoked", &fresh, &bad, Reason::Revoked),
        ("stale list", &stale, &good, Reason::RevocationList),
        ("list of others", &others, &good, Reason::RevocationList),
        ("list of a namesake", &namesakes, &good, Reason::RevocationList),
    ] {
        assert_eq!(why(tls, client(Some(certified), &[])).await, reason, "{what}");
    }
    assert_eq!(why(&fresh, client(None, &["spdy/3"])).await, Reason::NothingShared);
    let mut stranger = client(None, &[]);
    let mut roots = RootCertStore::empty();
    roots.add(STRANGERS.der.clone()).unwrap();
    stranger = ClientConfig::builder_with_provider(stranger.crypto_provider().clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    assert_eq!(why(&fresh, stranger).await, Reason::RefusedByPeer);
    let (mut near, far) = duplex(1024);
    near.write_all(&[0x16, 3, 1]).await.unwrap();
    drop(near);
    let closed = fresh.accept(far, Duration::from_secs(5), || ()).await.map(drop).unwrap_err();
    assert_eq!(closed.reason, Reason::Closed, "{closed}");
}

#[tokio::test(start_paused = true)]
async fn b22_a_handshake_that_does_not_come_is_not_waited_for() {
    let tls = tls(&config(&AUTHORITY.server(&["localhost"])));
    let (mut near, far) = duplex(1024);
    near.write_all(&[0x16, 3, 1]).await.unwrap();
    let start = tokio::time::Instant::now();
    let failure = tls.accept(far, Duration::from_secs(2), || ()).await.map(drop).unwrap_err();
    assert_eq!(failure, HandshakeFailure::too_slow());
    assert_eq!(start.elapsed(), Duration::from_secs(2));
}

#[tokio::test]
async fn plain_http_is_no_handshake() {
    let tls = tls(&config(&AUTHORITY.server(&["localhost"])));
    let (mut near, far) = duplex(1024);
    near.write_all(b"GET /api/users HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let failure = tls.accept(far, Duration::from_secs(5), || ()).await.map(drop).unwrap_err();
    assert_eq!(failure.reason, Reason::NotTls, "{failure}");
}

#[test]
fn files_that_do_not_serve_are_named() {
    let (one, other) = (AUTHORITY.server(&["a.test"]), AUTHORITY.server(&["b.test"]));
    let error = |config: &ListenTls| Tls::new(config, &clock().0).unwrap_err().to_string();
    let mixed = ListenTls { key: config(&other).key, ..config(&one) };
    assert_eq!(
        error(&mixed),
        "listen.tls: the private key of `key` does not belong to the certificate in tls.crt"
    );
    let none = ListenTls { cert: pem("tls.crt", "nothing"), ..config(&one) };
    assert!(error(&none).starts_with("listen.tls.cert: tls.crt: no CERTIFICATE"), "{}", error(&none));
    let garbled = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let garbled = ListenTls { cert: pem("tls.crt", garbled), ..config(&one) };
    assert!(error(&garbled).starts_with("listen.tls.cert: tls.crt: "), "{}", error(&garbled));
    let keyless = ListenTls { key: Secret::new(b"hunter2".to_vec()), ..config(&one) };
    assert!(error(&keyless).starts_with("listen.tls.key: no private key"), "{}", error(&keyless));
    assert!(!error(&keyless).contains("hunter2"));
    let no_list = ListenTls { crl: Some(pem("crl.pem", &CLIENTS.pem)), ..mutual(None) };
    assert!(error(&no_list).starts_with("listen.tls.crl: crl.pem: no X509 CRL"), "{}", error(&no_list));
    let bad_list = "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n";
    let bad_list = ListenTls { crl: Some(pem("crl.pem", bad_list)), ..mutual(None) };
    assert!(error(&bad_list).starts_with("listen.tls.crl: crl.pem: "), "{}", error(&bad_list));
}
