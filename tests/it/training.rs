//! What `scripts/release.sh` trains a release build by: a working day of a proxy in a few seconds. The compiler makes fast
//! what runs here and small what does not, so every way to ask that callers use all day has its part, and what is asked
//! once in a while has none. Each answer is looked at: nobody wants a proxy that is good at errors.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use futures_util::future::join_all;

use super::{
    lending::aside,
    tls::{http2, with_tls},
};
use crate::support::{
    Answer, Client, Logto, Proxy, Request,
    canary::MARK,
    issuer::{Issuer, Signer, account, in_seconds, key_set},
    pki::{Authority, Wanted},
    proxy::Builder,
    quoted,
    secure::Secure,
};

/// Connections at a time, and requests on each of them, of each kind.
const CONNECTIONS: usize = 8;
const REQUESTS: usize = 100;

fn key() -> String {
    format!("{MARK}key-of-bob-0123456789")
}

fn keyed(request: Request) -> Request {
    request.header("Authorization", &format!("Bearer {}", key()))
}

/// Bob by his key, and billing.
fn with_callers(builder: Builder, billing: &str) -> Builder {
    builder
        .set("callers.bob.identify", format!("{{ api_key = '{}' }}", key()))
        .set("callers.bob.policies", "['all']")
        .set("callers.billing.identify", billing)
        .set("callers.billing.policies", "['all']")
}

/// Asks on a few connections at a time; `request` is told the number of each, and all are answered alike.
async fn many(connect: impl AsyncFn() -> Client, status: u16, request: impl Fn(usize) -> Request) {
    let all = (0..CONNECTIONS).map(async |connection| {
        let mut client = connect().await;
        for n in 0..REQUESTS {
            let answer = client.ask(&request(connection * REQUESTS + n)).await;
            assert_eq!(answer.status, status, "{}", answer.text());
        }
    });
    join_all(all).await;
}

async fn id_of_a_user(proxy: &Proxy) -> String {
    let users = proxy.ask(&keyed(Request::get("/api/users?page_size=1"))).await.json();
    users[0]["id"].as_str().expect("a user").to_owned()
}

fn access_token(answer: &Answer) -> String {
    answer.json()["access_token"].as_str().unwrap_or_else(|| panic!("{}", answer.text())).to_owned()
}

/// A gateway without TLS: keys, JWTs, the broker's tokens, locality and a Unix socket; reads and writes, refused ones too.
async fn plain(logto: &Logto) {
    let signer = Signer::new("one");
    let issuer = Issuer::start(key_set(&[&signer])).await;
    let builder = with_callers(
        Proxy::builder().tenant("acme", logto),
        "{ service_account = 'shop/billing', issuer = 'cluster' }",
    );
    let socket = builder.directory().join("claviger.sock");
    let proxy = builder
        .set("listen.proxy", format!("['127.0.0.1:0', 'unix:{}']", socket.display()))
        .set("limits.coalesce", "true")
        .set("authz.enabled", "true")
        .set("log.requests", "'all'")
        .set("issuers.cluster.issuer", quoted(issuer.url()))
        .set("issuers.cluster.audience", "'claviger'")
        .start()
        .await;
    let connect = async || proxy.connect().await;
    let user = format!("/api/users/{}", id_of_a_user(&proxy).await);

    let page = |n: usize| format!("/api/users?page={}&page_size=2", n % 2 + 1);
    many(connect, 200, |n| Request::get(&page(n))).await;
    many(connect, 200, |n| keyed(Request::get(&page(n)))).await;
    many(connect, 200, |n| keyed(Request::get(&page(n))).header("Accept-Encoding", "gzip")).await;
    many(async || proxy.connect_to(1).await, 200, |_| Request::get(&user)).await;
    many(connect, 200, |_| keyed(Request::get("/t/acme/api/applications?page=1&page_size=20"))).await;
    many(connect, 404, |n| keyed(Request::get(&format!("/api/users/nobody{n}")))).await;
    let named = |n: usize| format!(r#"{{"name":"user {n}","customData":{{"n":{n},"plan":"free"}}}}"#);
    let patch = |n: usize| Request::new("PATCH", &user).body("application/json", named(n));
    many(connect, 200, |n| keyed(patch(n))).await;
    let create =
        |n: usize| Request::post("/api/users", named(n)).header("Idempotency-Key", &format!("\"k-{n}\""));
    many(connect, 200, |n| keyed(create(n))).await;
    many(connect, 403, |_| keyed(Request::new("POST", "/api/applications/x/secrets"))).await;
    many(connect, 401, |_| Request::get(&user).key("nobody-has-such-a-key-0123456789")).await;

    let claims = |n: usize| {
        let mut claims = account(&issuer.url(), "shop", "billing");
        claims["jti"] = n.into();
        claims["exp"] = in_seconds(600).into();
        claims
    };
    let bearing = |token: &str| Request::get(&user).header("Authorization", &format!("Bearer {token}"));
    let known = signer.sign(&claims(0));
    many(connect, 200, |_| bearing(&known)).await;
    many(connect, 200, |n| bearing(&signer.sign(&claims(n)))).await;

    let grant = format!("grant_type=client_credentials&client_id=bob&client_secret={}", key());
    many(connect, 200, |_| Request::form("/oidc/token", &grant)).await;
    let basic = BASE64.encode(format!("bob:{}", key()));
    let exchange = Request::form("/oidc/token", "grant_type=client_credentials");
    let exchanged = proxy.ask(&exchange.header("Authorization", &format!("Basic {basic}"))).await;
    let token = access_token(&exchanged);
    many(connect, 200, |_| bearing(&token)).await;

    let asks = Request::get("/authz").header("X-Original-URI", &user).header("X-Original-Method", "GET");
    for _ in 0..REQUESTS {
        assert_eq!(aside(&proxy, &asks).await.status, 200);
    }
    for target in ["/metrics", "/livez", "/readyz", "/status"] {
        assert_eq!(proxy.admin(target).await.status, 200);
    }
    assert!(proxy.stop().await.success());
}

/// A gateway with TLS: both versions of HTTP, connections that are kept and such that are not, certificates of callers.
async fn secure(logto: &Logto) {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let builder = with_callers(
        with_tls(logto, &servers.server(&["localhost"])),
        "{ spiffe = 'spiffe://prod/ns/shop/sa/billing' }",
    );
    let ca = builder.directory().join("ca.crt");
    std::fs::write(&ca, &clients.pem).expect("it can be written");
    let proxy = builder.set("listen.tls.client_ca", quoted(ca.display())).start().await;
    let billing =
        clients.issue(&Wanted { uris: vec!["spiffe://prod/ns/shop/sa/billing"], ..Wanted::default() });
    let page = Request::get("/api/users?page=1&page_size=2");
    for (turn, own) in [None, Some(&billing)].into_iter().enumerate() {
        let client = Secure::new(&servers, own);
        let connect = async || client.connect(&proxy).await.expect("it shakes hands").0;
        many(connect, 200, |_| keyed(page.clone())).await;
        for _ in 0..REQUESTS {
            assert_eq!(connect().await.ask(&page).await.status, 200);
        }
        let two = client.http2(&proxy).await;
        let bearer = format!("Bearer {}", key());
        for n in 0..REQUESTS {
            let ask = |method, target, body| {
                let request = http2(&proxy, method, target).header("authorization", &bearer);
                two.ask(request.header("content-type", "application/json"), body)
            };
            let role = format!(r#"{{"name":"role {turn}-{n}","description":"x"}}"#);
            let reads = (0..CONNECTIONS).map(|_| ask("GET", "/api/users?page=1&page_size=2", ""));
            assert!(join_all(reads).await.iter().all(|answer| answer.status == 200));
            assert_eq!(ask("POST", "/api/roles", &role).await.status, 200);
        }
    }
    assert!(proxy.stop().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it is the load that scripts/release.sh trains a build by"]
async fn a_working_day_that_a_release_is_trained_by() {
    let logto = Logto::start().await;
    plain(&logto).await;
    secure(&logto).await;
}
