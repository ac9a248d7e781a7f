//! Who asks, and for which tenant.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use tokio::task::JoinSet;

use crate::support::{Answer, Logto, Proxy, Request, canary::MARK, quoted};

fn key(of: &str) -> String {
    format!("{MARK}key-of-{of}-0123456789")
}

/// Three callers by API key, of which one by its digest, and nobody by locality.
async fn keyed(logto: &Logto) -> Proxy {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, key("carol").as_bytes());
    let digest: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let builder =
        Proxy::builder().tenant("acme", logto).without("callers.local").env("KEY_OF_BOB", &key("bob"));
    std::fs::write(builder.directory().join("alice.key"), format!("{}\n", key("alice")))
        .expect("it can be written");
    builder
        .set("callers.alice.identify", "{ api_key = { file = 'alice.key' } }")
        .set("callers.alice.policies", "['all']")
        .set("callers.bob.identify", "{ api_key = { env = 'KEY_OF_BOB' } }")
        .set("callers.bob.policies", "['readers']")
        .set("callers.carol.identify", format!("{{ api_key_sha256 = '{digest}' }}"))
        .set("callers.carol.policies", "['readers']")
        .set("policies.readers.allow", "['roles:read']")
        .set("log.requests", "'all'")
        .start()
        .await
}

#[tokio::test]
async fn an_api_key_says_who_asks() {
    let logto = Logto::start().await;
    let proxy = keyed(&logto).await;
    for who in ["alice", "bob", "carol"] {
        for request in [
            Request::get("/api/roles").key(&key(who)),
            Request::get("/api/roles").header("Authorization", &format!("Bearer {}", key(who))),
            Request::get("/api/roles").header("authorization", &format!("bEaReR {}", key(who))),
        ] {
            assert_eq!(proxy.ask(&request).await.status, 200, "{who} {request:?}");
        }
        proxy.logged(&format!("\"caller\":\"{who}\"")).await;
        let users = proxy.ask(&Request::get("/api/users").key(&key(who))).await;
        assert_eq!(users.status, if who == "alice" { 200 } else { 403 }, "{who}");
    }
    for seen in logto.api_requests_seen() {
        assert!(!format!("{seen:?}").contains(MARK), "a caller's key went upstream: {seen:?}");
    }
}

#[tokio::test]
async fn a_wrong_key_or_none_is_nobody() {
    let logto = Logto::start().await;
    let proxy = keyed(&logto).await;
    let alice = key("alice");
    let requests = [
        Request::get("/api/roles"),
        Request::get("/api/roles").key("wrong"),
        Request::get("/api/roles").key(&alice[1..]),
        Request::get("/api/roles").key(&format!("{alice}x")),
        Request::get("/api/roles").key(""),
        Request::get("/api/roles").key(&alice).key(&alice),
        Request::get("/api/roles").key("wrong").header("Authorization", &format!("Bearer {alice}")),
        Request::get("/api/roles").header("Authorization", &format!("Basic {alice}")),
        Request::get(&format!("/api/roles?key={}", &alice[12..])),
    ];
    for request in requests {
        let answer = proxy.ask(&request).await;
        answer.assert_problem(401, "caller_unknown");
        assert_eq!(answer.value("www-authenticate"), Some("Bearer realm=\"claviger\""));
    }
    assert_eq!(logto.api_requests(), 0);
    assert!(proxy.metric("claviger_policy_denied_total{reason=\"caller_unknown\"}").await >= 9.0);
}

#[tokio::test]
async fn a_peer_of_a_unix_socket_is_known_by_its_user() {
    let logto = Logto::start().await;
    let builder = Proxy::builder().tenant("acme", &logto).without("callers.local");
    let socket = builder.directory().join("s");
    let uid = rustix::process::getuid().as_raw();
    let proxy = builder
        .set("listen.proxy", format!("['unix:{}', '127.0.0.1:0']", socket.display()))
        .set("callers.me.identify", format!("{{ unix_uid = {uid} }}"))
        .set("callers.me.policies", "['all']")
        .start()
        .await;
    assert_eq!(proxy.connect_to(0).await.ask(&Request::get("/api/roles")).await.status, 200);
    proxy.connect_to(1).await.ask(&Request::get("/api/roles")).await.assert_problem(401, "caller_unknown");
    assert_eq!(proxy.stop().await.code(), Some(0));
    assert!(!socket.exists(), "it tidies up");

    let builder = Proxy::builder().tenant("acme", &logto).without("callers.local");
    let socket = builder.directory().join("s");
    let proxy = builder
        .set("listen.proxy", format!("['unix:{}']", socket.display()))
        .set("callers.somebody.identify", format!("{{ unix_uid = {} }}", uid + 1))
        .set("callers.somebody.policies", "['all']")
        .start()
        .await;
    proxy.get("/api/roles").await.assert_problem(401, "caller_unknown");
}

#[tokio::test]
async fn locality_is_what_the_listener_says_and_not_the_peer() {
    let logto = Logto::start().await;
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("listen.proxy", "['0.0.0.0:0', '127.0.0.1:0']")
        .start()
        .await;
    let request = Request::get("/api/roles");
    let open = proxy.authority().replace("0.0.0.0", "127.0.0.1");
    let mut client =
        crate::support::wire::Place::parse(&open).connect(proxy.tap().clone()).await.expect("it listens");
    client.ask(&request).await.assert_problem(401, "caller_unknown");
    assert_eq!(proxy.connect_to(1).await.ask(&request).await.status, 200);
}

#[tokio::test]
async fn b24_two_tenants_at_once_are_kept_apart() {
    let (left, right) = (Logto::start().await, Logto::start().await);
    let proxy = Proxy::builder()
        .tenant("left", &left)
        .tenant("right", &right)
        .set("callers.local.tenants", "['*']")
        .set("tenants.right.parameters", "{ audience = 'right-only' }")
        .start()
        .await;
    let mut callers = JoinSet::new();
    for n in 0..100 {
        let mut client = proxy.connect().await;
        callers.spawn(async move {
            let tenant = ["left", "right"][n % 2];
            let target = format!("/t/{tenant}/api/users/of-{tenant}-{n}");
            let by_path = client.ask(&Request::get(&target)).await;
            let by_header =
                Request::get(&format!("/api/users/of-{tenant}-{n}")).header("Claviger-Tenant", tenant);
            let by_header = client.ask(&by_header).await;
            assert_eq!((by_path.status, by_header.status), (404, 404), "Logto's own: no such user");
            assert_eq!(by_path.outcome().1, "");
        });
    }
    callers.join_all().await;
    for (here, name) in [(&left, "left"), (&right, "right")] {
        assert_eq!((here.grants(), here.tokens_seen().len()), (1, 1));
        for seen in here.recorded() {
            assert!(
                seen.is_token_request() || seen.target_text().starts_with(&format!("/api/users/of-{name}-"))
            );
            assert_eq!(seen.header_values("claviger-tenant"), [""; 0]);
            let parameters = String::from_utf8_lossy(&seen.body).contains("right-only");
            assert_eq!(parameters, seen.is_token_request() && name == "right");
        }
        assert_eq!(here.surprises(), []);
    }
    assert_ne!(left.tokens_seen(), right.tokens_seen());
}

#[tokio::test]
async fn a_tenant_is_named_by_path_or_header_and_granted_or_not() {
    let (left, right) = (Logto::start().await, Logto::start().await);
    let proxy = Proxy::builder()
        .tenant("left", &left)
        .tenant("right", &right)
        .set("callers.local.tenants", "['left']")
        .set("callers.both.identify", format!("{{ api_key = '{}' }}", key("both")))
        .set("callers.both.tenants", "['left', 'right']")
        .set("callers.both.policies", "['all']")
        .start()
        .await;
    let named = |target: &str, tenant: &str| Request::get(target).header("Claviger-Tenant", tenant);
    assert_eq!(proxy.get("/api/roles").await.status, 200, "its only one is its default");
    assert_eq!((left.api_requests(), right.api_requests()), (1, 0));
    proxy.get("/t/right/api/roles").await.assert_problem(403, "not_permitted");
    proxy.ask(&named("/api/roles", "right")).await.assert_problem(403, "not_permitted");
    proxy.get("/t/nobody/api/roles").await.assert_problem(404, "tenant_unknown");
    proxy.ask(&named("/t/left/api/roles", "right")).await.assert_problem(400, "bad_request");
    assert_eq!(proxy.ask(&named("/t/left/api/roles", "left")).await.status, 200);
    let both = |request: Request| request.key(&key("both"));
    proxy.ask(&both(Request::get("/api/roles"))).await.assert_problem(400, "bad_request");
    assert_eq!(proxy.ask(&both(Request::get("/t/right/api/roles"))).await.status, 200);
    assert_eq!(right.api_requests(), 1);
}

fn token_of(answer: &Answer) -> String {
    let json = answer.json();
    assert_eq!(
        (answer.status, &json["token_type"], &json["scope"]),
        (200, &"Bearer".into(), &"all".into()),
        "{json}"
    );
    assert_eq!(answer.value("cache-control"), Some("no-store"));
    json["access_token"].as_str().expect("a token").to_owned()
}

#[tokio::test]
async fn the_broker_hands_out_tokens_that_are_good_here_and_nowhere_else() {
    let logto = Logto::start().await;
    let proxy = keyed(&logto).await;
    const GRANT: &str =
        "grant_type=client_credentials&resource=https%3A%2F%2Fdefault.logto.app%2Fapi&scope=all";
    let basic = |id: &str, secret: &str| format!("Basic {}", BASE64.encode(format!("{id}:{secret}")));
    let by_basic =
        |path: &str| Request::form(path, GRANT).header("Authorization", &basic("bob", &key("bob")));
    let by_form =
        Request::form("/oidc/token", &format!("{GRANT}&client_id=bob&client_secret={}", key("bob")));
    for request in [by_basic("/oidc/token"), by_basic("/t/acme/oidc/token"), by_form] {
        let token = token_of(&proxy.ask(&request).await);
        assert!(token.starts_with("cvt_"), "not the upstream's");
        let bearer = |path: &str| Request::get(path).header("Authorization", &format!("Bearer {token}"));
        assert_eq!(proxy.ask(&bearer("/api/roles")).await.status, 200);
        proxy.ask(&bearer("/api/users")).await.assert_problem(403, "not_permitted");
        let mut forged = token.clone().into_bytes();
        let middle = forged.len() / 2;
        forged[middle] = if forged[middle] == b'A' { b'B' } else { b'A' };
        let forged = format!("Bearer {}", String::from_utf8_lossy(&forged));
        let forged = Request::get("/api/roles").header("Authorization", &forged);
        proxy.ask(&forged).await.assert_problem(401, "caller_unknown");
        let direct = crate::support::wire::Place::Tcp(logto.addr()).connect(Default::default()).await;
        assert_eq!(
            direct.expect("it listens").ask(&bearer("/api/roles")).await.status,
            401,
            "Logto does not know it"
        );
    }
    let oauth =
        |answer: &Answer| (answer.status, answer.json()["error"].as_str().unwrap_or_default().to_owned());
    let wrong = Request::form("/oidc/token", GRANT).header("Authorization", &basic("bob", "wrong"));
    assert_eq!(oauth(&proxy.ask(&wrong).await), (401, "invalid_client".into()));
    let others = Request::form("/oidc/token", GRANT).header("Authorization", &basic("alice", &key("bob")));
    assert_eq!(oauth(&proxy.ask(&others).await), (401, "invalid_client".into()));
    let password = Request::form("/oidc/token", "grant_type=password")
        .header("Authorization", &basic("bob", &key("bob")));
    assert_eq!(oauth(&proxy.ask(&password).await), (400, "unsupported_grant_type".into()));
    let json = Request::post("/oidc/token", "{}");
    assert_eq!(oauth(&proxy.ask(&json).await), (400, "invalid_request".into()));
    assert_eq!(proxy.get("/oidc/token").await.status, 405);
}

#[tokio::test]
async fn replicas_with_the_same_broker_key_accept_each_others_tokens() {
    let logto = Logto::start().await;
    let replica = |broker_key: String| {
        Proxy::builder()
            .tenant("acme", &logto)
            .set("broker.key", quoted(broker_key))
            .set("callers.bob.identify", format!("{{ api_key = '{}' }}", key("bob")))
            .set("callers.bob.policies", "['all']")
            .without("callers.local")
            .start()
    };
    let shared = format!("{MARK}broker-key-that-is-long-enough-0123456789");
    let (mut first, second, stranger) = (
        replica(shared.clone()).await,
        replica(shared.clone()).await,
        replica(shared.replace("0123", "9876")).await,
    );
    let form = format!("grant_type=client_credentials&client_id=bob&client_secret={}", key("bob"));
    let token = token_of(&first.ask(&Request::form("/oidc/token", &form)).await);
    let request = Request::get("/api/roles").header("Authorization", &format!("Bearer {token}"));
    assert_eq!(first.ask(&request).await.status, 200);
    assert_eq!(second.ask(&request).await.status, 200);
    stranger.ask(&request).await.assert_problem(401, "caller_unknown");
    assert!(first.reload_with(|settings| settings.set("limits.queue", 99)).await);
    assert_eq!(first.ask(&request).await.status, 200, "a reload leaves issued tokens good");
    assert!(
        first
            .reload_with(|settings| settings
                .without("callers.bob")
                .set("callers.eve.identify", "{ loopback = true }")
                .set("callers.eve.policies", "['all']"))
            .await
    );
    first.ask(&request).await.assert_problem(401, "caller_unknown");
}

#[tokio::test]
async fn sensitive_operations_need_their_own_name() {
    let logto = Logto::start().await;
    let mut proxy = Proxy::of(&logto).await;
    let delete = Request::new("DELETE", "/api/hooks/hook00000000000000001");
    proxy.ask(&delete).await.assert_problem(403, "not_permitted");
    assert!(proxy.reload_with(|settings| settings.set("policies.all.allow", "['*', 'DeleteHook']")).await);
    assert_eq!(proxy.ask(&delete).await.outcome().1, "");
}

/// A tag brings what reads secrets, without the secrets; these take the name of the operation in `reveal`.
#[tokio::test]
async fn a_tag_grants_what_reads_secrets_and_they_come_masked() {
    let logto = Logto::start().await;
    let mut proxy = Proxy::of(&logto).await;
    assert!(proxy.reload_with(|settings| settings.set("policies.all.allow", "['applications:read']")).await);
    let secrets = "/api/applications/demo-web/secrets";
    let value = async |proxy: &Proxy| proxy.get(secrets).await.json()[0]["value"].clone();
    assert_eq!(value(&proxy).await, "[redacted by claviger]");
    proxy.get("/api/hooks").await.assert_problem(403, "not_permitted");
    assert!(proxy.reload_with(|settings| settings.set("callers.local.reveal", "['ListApplications']")).await);
    assert_eq!(value(&proxy).await, "[redacted by claviger]", "another operation is revealed");
    assert!(
        proxy
            .reload_with(|settings| settings.set("callers.local.reveal", "['ListApplicationSecrets']"))
            .await
    );
    assert_ne!(value(&proxy).await, "[redacted by claviger]");
}

#[tokio::test]
async fn a_password_digest_is_masked_for_whoever_asks_for_it() {
    let logto = Logto::start().await;
    let mut proxy = Proxy::of(&logto).await;
    let users = proxy.get("/api/users?page=1&page_size=1").await.json();
    let user = format!("/api/users/{}", users[0]["id"].as_str().expect("an id"));
    assert!(proxy.get(&user).await.json().get("passwordDigest").is_none());
    let asked = |parameter: &str| format!("{user}?{parameter}=true");
    let shown = async |proxy: &Proxy, parameter: &str| {
        let answer = proxy.get(&asked(parameter)).await.json();
        answer["passwordDigest"].as_str().expect("a digest").to_owned()
    };
    for parameter in ["includePasswordHash", "include%50assword%48ash"] {
        assert_eq!(shown(&proxy, parameter).await, "[redacted by claviger]", "{parameter}");
    }
    assert!(proxy.reload_with(|settings| settings.set("callers.local.reveal", "['GetUser']")).await);
    assert!(shown(&proxy, "includePasswordHash").await.starts_with("digest of "));
}

/// Logto gives the digests of a whole page of users too, which its OpenAPI document does not say.
#[tokio::test]
async fn password_digests_in_a_list_are_masked_for_whoever_asks_for_them() {
    let logto = Logto::start().await;
    let mut proxy = Proxy::of(&logto).await;
    let digests = async |proxy: &Proxy, query: &str| {
        let users = proxy.get(&format!("/api/users?page_size=100{query}")).await.json();
        let digest = |user: &serde_json::Value| user["passwordDigest"].as_str().map(str::to_owned);
        users.as_array().expect("a list").iter().filter_map(digest).collect::<Vec<_>>()
    };
    assert!(digests(&proxy, "").await.is_empty());
    for parameter in ["includePasswordHash", "include%50assword%48ash"] {
        let shown = digests(&proxy, &format!("&{parameter}=true")).await;
        assert!(
            !shown.is_empty() && shown.iter().all(|digest| digest == "[redacted by claviger]"),
            "{shown:?}"
        );
    }
    assert!(proxy.reload_with(|settings| settings.set("callers.local.reveal", "['ListUsers']")).await);
    let shown = digests(&proxy, "&includePasswordHash=true").await;
    assert!(shown.iter().any(|digest| digest.starts_with("digest of ")), "{shown:?}");
}

#[tokio::test]
async fn a_caller_with_one_tenant_need_not_name_it_whatever_others_there_are() {
    let (logto, other) = (Logto::start().await, Logto::start().await);
    let mut proxy = Proxy::builder()
        .tenant("acme", &logto)
        .tenant("beta", &other)
        .set("tenants.acme.labels", "['customer']")
        .set("callers.local.tenants", "['gone-*', { label = 'customer' }]")
        .start()
        .await;
    assert_eq!(proxy.get("/api/roles").await.status, 200);
    assert_eq!((logto.api_requests(), other.api_requests()), (1, 0));
    assert!(proxy.reload_with(|it| it.set("tenants.beta.labels", "['customer']")).await);
    proxy.get("/api/roles").await.assert_problem(400, "bad_request");
    let none = |it: crate::support::Settings| {
        it.set("tenants.beta.labels", "['x']").set("tenants.acme.labels", "['x']")
    };
    assert!(proxy.reload_with(none).await);
    let answer = proxy.get("/api/roles").await;
    answer.assert_problem(400, "bad_request");
    assert!(answer.text().contains("caller local has none"), "{}", answer.text());
}
