//! The same over TLS, in both versions of HTTP and with client certificates: what the handshake and the frames leave in
//! a log at its loudest.

use super::{key, look_everywhere, loud};
use crate::support::{
    Logto, Request,
    canary::Canary,
    pki::{Authority, Wanted},
    quoted,
    secure::Secure,
};

#[tokio::test]
async fn no_key_comes_out_of_connections_with_tls() {
    let logto = Logto::start().await;
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let server = servers.server(&["localhost"]);
    let own = clients.issue(&Wanted { uris: vec!["spiffe://prod/sa/billing"], ..Wanted::default() });
    let other = clients.issue(&Wanted { uris: vec!["spiffe://prod/sa/other"], ..Wanted::default() });
    let builder = loud("'stdout'").tenant("acme", &logto).without("callers.local");
    let directory = builder.directory().to_owned();
    let at = |name: &str| quoted(directory.join(name).display());
    for (name, text) in
        [("ca.crt", &clients.pem), ("tls.crt", &server.cert_pem), ("tls.key", &server.key_pem)]
    {
        std::fs::write(directory.join(name), text).expect("it can be written");
    }
    let proxy = builder
        .set("listen.tls.cert", at("tls.crt"))
        .set("listen.tls.key", format!("{{ file = {} }}", at("tls.key")))
        .set("listen.tls.client_ca", at("ca.crt"))
        .set("callers.keyed.identify", format!("{{ api_key = '{}' }}", key("keyed")))
        .set("callers.keyed.policies", "['all']")
        .set("callers.certified.identify", "{ spiffe = 'spiffe://prod/sa/billing' }")
        .set("callers.certified.policies", "['all']")
        .start()
        .await;
    let targets = ["/api/roles".into(), "/api/nonsense".into(), format!("/api/users/{}", key("keyed"))];
    for (who, certified, sent, status) in [
        ("a key", None, Some(key("keyed")), 200),
        ("a certificate", Some(&own), None, 200),
        ("a certificate and a key", Some(&other), Some(key("keyed")), 200),
        ("nobody", Some(&other), Some(format!("{}x", key("keyed"))), 401),
    ] {
        let secure = Secure::new(&servers, certified);
        let two = secure.http2(&proxy).await;
        for target in &targets {
            let mut request = Request::get(target);
            let uri = format!("https://{}{target}", proxy.authority().replace("127.0.0.1", "localhost"));
            let mut request2 = http::Request::builder().version(http::Version::HTTP_2).uri(uri);
            if let Some(key) = &sent {
                request = request.key(key);
                request2 = request2.header("claviger-key", key).header("cookie", key);
            }
            let (mut one, _) = secure.connect(&proxy).await.expect("it shakes hands");
            let answers = [one.ask(&request).await.status, two.ask(request2, "").await.status];
            if target == "/api/roles" {
                assert_eq!(answers, [status; 2], "{who}");
            }
        }
    }
    look_everywhere(&proxy).await;
    let tap = proxy.tap().clone();
    assert!(proxy.stop().await.success());
    let log = tap.text("stderr");
    assert!(log.contains("\"target\":\"h2::"), "it was loud");
    let requests = tap.text("stdout").lines().filter(|line| line.contains("\"event\":\"request\"")).count();
    assert_eq!(requests, 24, "a record for each request");
    let mut canary = Canary::default();
    canary.watch("the caller's key", &key("keyed"));
    for line in server.key_pem.lines().filter(|line| line.len() > 20 && !line.starts_with('-')) {
        canary.watch_as_it_is("the listener's private key", line);
    }
    for token in logto.tokens_seen() {
        canary.watch("an upstream token", &token);
    }
    canary.assert_silent(&tap);
}
