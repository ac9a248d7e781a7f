//! TLS and HTTP/2 on the proxy's listener, and callers by certificate.

#[path = "tls/dates.rs"]
mod dates;

use std::{path::Path, time::Duration};

use claviger_emulator::{Effect, Options, Seed};
use http_body_util::BodyExt as _;
use rustix::process::Signal;

use crate::support::{
    Logto, Proxy, Request, claviger,
    pki::{Authority, Certified, Wanted},
    proxy::Builder,
    quoted,
    secure::Secure,
    soon,
    wait::pass,
    within,
};

fn write(directory: &Path, name: &str, text: &str) {
    let partial = directory.join("partial");
    std::fs::write(&partial, text).expect("a temporary directory can be written to");
    std::fs::rename(&partial, directory.join(name)).expect("it is the same directory");
}

fn show(directory: &Path, server: &Certified) {
    write(directory, "tls.crt", &server.cert_pem);
    write(directory, "tls.key", &server.key_pem);
}

pub(crate) fn with_tls(logto: &Logto, server: &Certified) -> Builder {
    let builder = Proxy::builder().tenant("acme", logto);
    show(builder.directory(), server);
    let at = |name: &str| quoted(builder.directory().join(name).display());
    let (cert, key) = (at("tls.crt"), at("tls.key"));
    builder.set("listen.tls.cert", cert).set("listen.tls.key", format!("{{ file = {key} }}"))
}

pub(crate) fn http2(proxy: &Proxy, method: &str, target: &str) -> http::request::Builder {
    let uri = format!("https://{}{target}", proxy.authority().replace("127.0.0.1", "localhost"));
    http::Request::builder().version(http::Version::HTTP_2).method(method).uri(uri)
}

#[tokio::test]
async fn https_in_both_versions_of_http() {
    let logto = Logto::start().await;
    let authority = Authority::new("servers");
    let proxy = with_tls(&logto, &authority.server(&["localhost"])).start().await;
    let secure = Secure::new(&authority, None);

    let (mut one, _) = secure.connect(&proxy).await.expect("it shakes hands");
    let users = Request::get("/api/users?page=1&page_size=2").header("Host", "localhost:7");
    let answer = one.ask(&users).await;
    assert_eq!(answer.status, 200);
    let links = answer.values("link").join(", ");
    assert!(links.contains("<https://localhost:7/api/users?page=2&page_size=2>; rel=\"next\""), "{links}");
    assert_eq!(one.ask(&users).await.status, 200, "the connection is kept");

    let two = secure.http2(&proxy).await;
    let answer = two.ask(http2(&proxy, "GET", "/api/users?page=1&page_size=2"), "").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json().as_array().map(Vec::len), Some(2));
    let links = answer.values("link").join(", ");
    assert!(links.contains("<https://localhost:"), "{links}");
    let role = r#"{"name":"by-http-2","description":"x"}"#;
    let post = http2(&proxy, "POST", "/api/roles").header("content-type", "application/json");
    assert_eq!(two.ask(post, role).await.status, 200);
    assert_eq!(two.ask(http2(&proxy, "GET", "/api/%2e%2e/users"), "").await.status, 400);
    assert_eq!(two.ask(http2(&proxy, "GET", "/nowhere"), "").await.status, 404);
    let fat = http2(&proxy, "GET", "/api/users").header("x-fat", "x".repeat(40_000));
    assert_eq!(two.ask(fat, "").await.status, 431);
    let many = (0..60).map(|_| two.ask(http2(&proxy, "GET", "/api/roles"), ""));
    for answer in futures_util::future::join_all(many).await {
        assert_eq!(answer.status, 200);
    }
}

#[tokio::test]
async fn b23_streams_under_way_are_finished_and_no_new_ones_begun() {
    let logto = Logto::start().await;
    let authority = Authority::new("servers");
    let mut proxy = with_tls(&logto, &authority.server(&["localhost"])).start().await;
    let secure = Secure::new(&authority, None);
    let two = secure.http2(&proxy).await;
    assert_eq!(two.ask(http2(&proxy, "GET", "/api/roles"), "").await.status, 200);
    let before = logto.api_requests();
    logto.api_fault_times(1, Effect::Drip { bytes: 100, every_ms: 100 });
    let streaming = two.begin(http2(&proxy, "GET", "/api/users")).await;
    logto.faults().clear();
    logto.api_fault(Effect::latency(Duration::from_millis(500)));
    let waiting: Vec<_> = (0..5).map(|_| two.begin(http2(&proxy, "GET", "/api/roles"))).collect();
    let waiting = futures_util::future::join_all(waiting);
    let stop = async {
        soon("all under way", || logto.api_requests() - before == 6).await;
        proxy.signal(Signal::TERM);
    };
    let (answers, ()) = tokio::join!(waiting, stop);
    for answer in answers {
        assert_eq!(answer.status(), 200);
        assert!(!answer.into_body().collect().await.expect("it is whole").to_bytes().is_empty());
    }
    let whole = streaming.into_body().collect().await.expect("it is whole").to_bytes();
    assert!(whole.ends_with(b"]"), "{}", String::from_utf8_lossy(&whole));
    soon("the connection to be over", || two.is_over()).await;
    assert_eq!(proxy.ended().await.code(), Some(0), "{}", proxy.log());
}

#[tokio::test]
async fn what_is_no_handshake_is_let_go() {
    let logto = Logto::start().await;
    let authority = Authority::new("servers");
    let proxy =
        with_tls(&logto, &authority.server(&["localhost"])).set("timeouts.head", "'1s'").start().await;
    let mut plain = proxy.connect().await;
    let answer = plain.ask(&Request::get("/api/users")).await;
    assert_eq!(answer.outcome(), (400, "claviger.bad_request".into()));
    assert!(answer.text().contains("https://"), "{}", answer.text());
    let mut garbage = proxy.connect().await;
    garbage.write(b"\x16\x03\x01\x00\x05hello").await.expect("it is connected");
    assert!(!garbage.read_to_end().await.starts_with(b"HTTP/"));
    let mut silent = proxy.connect().await;
    assert_eq!(silent.read_to_end().await, b"");
    assert_eq!(logto.api_requests(), 0);
    // Counted a moment after the connection has ended.
    within("all to be counted", async {
        while failed(&proxy, "not_tls").await != 2.0 || failed(&proxy, "silent").await != 1.0 {}
    })
    .await;
    let log = proxy.log();
    assert_eq!(
        log.matches("a caller's TLS handshake failed").count(),
        2,
        "one a minute for each fault, and no probe: {log}"
    );
    assert!(log.contains("plain HTTP; the client must write https://"), "{log}");
}

/// Handshakes that failed for `reason`, so far.
async fn failed(proxy: &Proxy, reason: &str) -> f64 {
    proxy.metric(&format!("claviger_tls_handshakes_failed_total{{reason=\"{reason}\"}}")).await
}

#[tokio::test]
async fn certificates_change_under_open_connections_and_a_bad_pair_changes_nothing() {
    let logto = Logto::start().await;
    let authority = Authority::new("servers");
    let (old, new) = (authority.server(&["localhost"]), authority.server(&["localhost"]));
    let proxy = with_tls(&logto, &old).start().await;
    let secure = Secure::new(&authority, None);
    let (mut before, shown) = secure.connect(&proxy).await.expect("it shakes hands");
    let before2 = secure.http2(&proxy).await;
    assert!(shown == old.der);
    let roles = Request::get("/api/roles");
    assert_eq!(before.ask(&roles).await.status, 200);

    show(proxy.directory(), &new);
    assert!(proxy.reload().await);
    let (mut after, shown) = secure.connect(&proxy).await.expect("it shakes hands");
    assert!(shown == new.der, "new connections see the new certificate");
    assert_eq!(after.ask(&roles).await.status, 200);
    assert_eq!(before.ask(&roles).await.status, 200, "old ones go on");
    assert_eq!(before2.ask(http2(&proxy, "GET", "/api/roles"), "").await.status, 200);

    write(proxy.directory(), "tls.key", &old.key_pem);
    assert!(!proxy.reload().await, "the key does not belong to the certificate");
    proxy.logged("the private key does not belong to the certificate").await;
    let (mut still, shown) = secure.connect(&proxy).await.expect("it shakes hands");
    assert!(shown == new.der);
    assert_eq!(still.ask(&roles).await.status, 200);
    assert_eq!(before.ask(&roles).await.status, 200);

    let file = proxy.file().display().to_string();
    let check = claviger(&["check", "--config", &file]).await;
    check.assert_code(64);
    let said = format!("error: {file}:");
    assert!(check.stderr.contains(&said), "{}", check.stderr);
    assert!(check.stderr.contains("listen.tls.key: the private key does not belong to"), "{}", check.stderr);
    assert!(check.stderr.ends_with("the configuration is invalid: 1 problem\n"), "{}", check.stderr);
    check.keep(proxy.tap());
}

/// Callers by certificate; nobody by locality.
async fn mutual(logto: &Logto, servers: &Authority, clients: &Authority) -> Proxy {
    let builder = with_tls(logto, &servers.server(&["localhost"])).without("callers.local");
    write(builder.directory(), "ca.crt", &clients.pem);
    write(builder.directory(), "crl.pem", &clients.revoke(&[], 2100));
    let at = |name: &str| quoted(builder.directory().join(name).display());
    let (ca, crl) = (at("ca.crt"), at("crl.pem"));
    builder
        .set("listen.tls.client_ca", ca)
        .set("listen.tls.crl", crl)
        .set("callers.billing.identify", "[{ spiffe = 'spiffe://prod/ns/*/sa/billing' }]")
        .set("callers.billing.policies", "['all']")
        .set("callers.reports.identify", "{ dns = 'reports.internal' }")
        .set("callers.reports.policies", "['readers']")
        .set("callers.keyed.identify", "{ api_key = { env = 'KEYED' } }")
        .set("callers.keyed.policies", "['readers']")
        .set("policies.readers.allow", "['roles:read']")
        .env("KEYED", "a-key-of-some-length-0123456789")
        .start()
        .await
}

#[tokio::test]
async fn a_certificate_says_who_asks() {
    let logto = Logto::start().await;
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let proxy = mutual(&logto, &servers, &clients).await;
    let (roles, users) = (Request::get("/api/roles"), Request::get("/api/users"));
    let billing =
        clients.issue(&Wanted { uris: vec!["spiffe://prod/ns/shop/sa/billing"], ..Wanted::default() });
    let reports = clients.issue(&Wanted { dns: vec!["reports.internal"], ..Wanted::default() });

    let (mut connection, _) =
        Secure::new(&servers, Some(&billing)).connect(&proxy).await.expect("it is good");
    assert_eq!(connection.ask(&roles).await.status, 200);
    assert_eq!(connection.ask(&users).await.status, 200);
    let http_2 = Secure::new(&servers, Some(&billing)).http2(&proxy).await;
    assert_eq!(http_2.ask(http2(&proxy, "GET", "/api/users"), "").await.status, 200);
    let (mut connection, _) =
        Secure::new(&servers, Some(&reports)).connect(&proxy).await.expect("it is good");
    assert_eq!(connection.ask(&roles).await.status, 200);
    connection.ask(&users).await.assert_problem(403, "not_permitted");
    let (mut connection, _) = Secure::new(&servers, None).connect(&proxy).await.expect("none is asked for");
    connection.ask(&roles).await.assert_problem(401, "caller_unknown");
    assert_eq!(connection.ask(&roles.clone().key("a-key-of-some-length-0123456789")).await.status, 200);

    for (what, wanted) in [
        ("a wrong SAN", Wanted { uris: vec!["spiffe://prod/ns/shop/sa/other"], ..Wanted::default() }),
        ("a common name", Wanted { common_name: "reports.internal", ..Wanted::default() }),
        (
            "two URIs",
            Wanted {
                uris: vec!["spiffe://prod/ns/shop/sa/billing", "spiffe://prod/ns/x/sa/billing"],
                ..Wanted::default()
            },
        ),
    ] {
        let certified = clients.issue(&wanted);
        let (mut connection, _) =
            Secure::new(&servers, Some(&certified)).connect(&proxy).await.expect("it is of the authority");
        let answer = connection.ask(&roles).await;
        assert_eq!(answer.status, 401, "{what}");
    }
    let strangers = Authority::new("clients");
    let wanted = Wanted { uris: vec!["spiffe://prod/ns/shop/sa/billing"], ..Wanted::default() };
    for certified in [strangers.issue(&wanted), clients.issue(&Wanted { until: 2026, ..wanted.clone() })] {
        let secure = Secure::new(&servers, Some(&certified));
        // With TLS 1.3 a client learns by its first read that it was not let in.
        let answer = match secure.connect(&proxy).await {
            Ok((mut connection, _)) => connection.try_ask(&roles).await.ok(),
            Err(_) => None,
        };
        assert!(answer.is_none(), "{answer:?}");
    }
}

#[tokio::test]
async fn a_revoked_certificate_is_of_no_use_on_an_open_connection_either() {
    let logto = Logto::start().await;
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let proxy = mutual(&logto, &servers, &clients).await;
    let wanted =
        |serial| Wanted { uris: vec!["spiffe://prod/ns/shop/sa/billing"], serial, ..Wanted::default() };
    let (kept, lost) = (clients.issue(&wanted(7)), clients.issue(&wanted(8)));
    let roles = Request::get("/api/roles");
    let (mut keeps, _) = Secure::new(&servers, Some(&kept)).connect(&proxy).await.expect("it is good");
    let secure = Secure::new(&servers, Some(&lost));
    let (mut loses, _) = secure.connect(&proxy).await.expect("it is good");
    assert_eq!(keeps.ask(&roles).await.status, 200);
    assert_eq!(loses.ask(&roles).await.status, 200);
    write(proxy.directory(), "crl.pem", &clients.revoke(&[&lost], 2100));
    assert!(proxy.reload().await);
    loses.ask(&roles).await.assert_problem(401, "caller_unknown");
    assert_eq!(keeps.ask(&roles).await.status, 200);
    let again = match secure.connect(&proxy).await {
        Ok((mut connection, _)) => connection.try_ask(&roles).await.ok(),
        Err(_) => None,
    };
    assert!(again.is_none_or(|answer| answer.status == 401), "nor by a resumed session");
}

#[tokio::test]
async fn an_idle_connection_of_http_2_is_let_go() {
    let logto = Logto::start().await;
    let authority = Authority::new("servers");
    let proxy =
        with_tls(&logto, &authority.server(&["localhost"])).set("timeouts.idle", "'1s'").start().await;
    let connection = Secure::new(&authority, None).http2(&proxy).await;
    assert_eq!(connection.ask(http2(&proxy, "GET", "/api/roles"), "").await.status, 200);
    soon("the end of the connection", || connection.is_over()).await;
    assert_eq!(proxy.stop().await.code(), Some(0));
}

#[tokio::test]
async fn b22_an_answer_that_is_not_taken_over_http_2_gives_its_place_back() {
    let logto = Logto::with(Options { seed: Seed::Demo { users: 200 }, ..Options::default() }).await;
    let authority = Authority::new("servers");
    let proxy = with_tls(&logto, &authority.server(&["localhost"]))
        .set("timeouts.deadline", "'1s'")
        .set("timeouts.body", "'1s'")
        .start()
        .await;
    let secure = Secure::new(&authority, None);
    let stalled = secure.http2_with_window(&proxy, 1).await;
    let unread = stalled.begin(http2(&proxy, "GET", "/api/users?page_size=100")).await;
    assert_eq!(unread.status(), 200);
    let in_flight = async || proxy.status().await["tenants"]["acme"]["in_flight"].clone();
    assert_eq!(in_flight().await, 1);
    within("the place to be given back", async {
        while in_flight().await != 0 {
            pass(Duration::from_millis(50)).await;
        }
    })
    .await;
    assert!(unread.into_body().collect().await.is_err(), "the rest does not come");
    assert_eq!(stalled.ask(http2(&proxy, "GET", "/nowhere"), "").await.status, 404, "the connection is kept");
}
