//! What callers are told of their mistakes: each message as a caller gets it, with what to write instead.

use crate::support::{
    Logto, Proxy, Request, claviger,
    issuer::{Signer, account, in_seconds, key_set},
    quoted,
};

const CLUSTER: &str = "https://kubernetes.default.svc.cluster.local";

async fn detail(proxy: &Proxy, request: &Request) -> (u16, String) {
    let answer = proxy.ask(request).await;
    let body = answer.json();
    (answer.status, body["detail"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_mistaken_request_is_told_what_to_write_instead() {
    let logto = Logto::start().await;
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .tenant("beta", &logto)
        .set("policies.all.allow", "['users:read', 'applications:*']")
        .set("policies.all.deny", "['GetUserIdentity']")
        .set("callers.local.tenants", "['acme', 'beta']")
        .start()
        .await;
    let get = Request::get;
    let newer = "an operation newer than the catalog needs a rule with its method and path";
    for (request, status, expected) in [
        (get("/users"), 404, "There is no such path here: /api is missing. Did you mean /api/users?"),
        (
            get("/users/u1"),
            404,
            "There is no such path here: /api is missing. Did you mean /api/users/{userId}?",
        ),
        (
            get("/t/acme/users"),
            404,
            "There is no such path here: /api is missing. Did you mean /t/acme/api/users?",
        ),
        (
            get("/nothing"),
            404,
            "There is no such path here: the Management API is below /api or /t/{tenant}/api, the Logto Cloud API below /cloud/api, the token broker is /oidc/token.",
        ),
        (get("/Api/users"), 404, "There is no such path here. Did you mean /api/users?"),
        (get("/t/acme/API/usres"), 404, "There is no such path here. Did you mean /t/acme/api/users?"),
        (
            get("/acme/api/users/u1"),
            404,
            "There is no such path here: in front of /api stands nothing, or /t/ and the name of a tenant. Did you mean /t/{tenant}/api/users/{userId}?",
        ),
        (
            Request::form("/oidc/token/", "grant_type=client_credentials"),
            404,
            "There is no such path here. Did you mean /oidc/token?",
        ),
        (
            get("/t/acme/api"),
            404,
            "There is no such operation: /api alone is none. Name one, such as /api/users.",
        ),
        (
            get("/t//api/users"),
            404,
            "The name of the tenant is empty: was a variable empty? Check its name in the path or in `Claviger-Tenant`.",
        ),
        (
            get("/api/users").header("Claviger-Tenant", ""),
            404,
            "The name of the tenant is empty: was a variable empty? Check its name in the path or in `Claviger-Tenant`.",
        ),
        (
            get("//api/users"),
            400,
            "The path begins with \"//\". Does the base URL end with a slash? Write it without.",
        ),
        (
            Request::form("/api/oidc/token", "grant_type=client_credentials"),
            404,
            "There is no such path here: the token endpoint is /oidc/token. Write the base URL without /api.",
        ),
        (
            get("/status"),
            404,
            "/status is not answered at this address: it is on the admin listener (`listen.admin`).",
        ),
        (
            get("/healthz"),
            404,
            "/healthz is not answered at this address: write /livez, on the admin listener (`listen.admin`).",
        ),
        (get("/t/acme/api/usres"), 404, "There is no such operation. Did you mean /api/users?"),
        (
            Request::new("get", "/t/acme/api/users"),
            405,
            "There is no such operation: this path has GET, HEAD, POST. Use one of the methods that `Allow` names, in capitals.",
        ),
        (
            get("/t/ACME/api/users"),
            404,
            "There is no tenant of that name: names have lower-case letters, digits, - _ and . alone. Check its name in the path or in `Claviger-Tenant`.",
        ),
        (
            get("/t/acme/api/users").header("Claviger-Key", "one").header("Claviger-Key", "two"),
            401,
            "The caller could not be authenticated. Send one credential, not two.",
        ),
        (
            get("/t/acme/api/users").header("Claviger-Key", "Bearer cvk_0123456789abcdef0123"),
            401,
            "The caller could not be authenticated. Send the key alone in `Claviger-Key`, without `Bearer` in front of it.",
        ),
        (
            Request::form(
                "/t/acme/oidc/token",
                "grant_type=client_credentials&resource=https://x.example/api",
            ),
            400,
            "`resource` is neither \"https://default.logto.app/api\", the tenant's Management API, nor one that this caller gets tokens for (in @logto/api: `apiIndicator`). Leave it out for the token that the grant names.",
        ),
        (
            get("/t/acme/api/api/users"),
            404,
            "There is no such operation: /api is in the path twice. Did you mean /api/users? Write the base URL without /api where the client adds it.",
        ),
        (get("/t/acme/api/user"), 404, "There is no such operation. Did you mean /api/users?"),
        (
            get("/t/acme/api/users/u1/role"),
            404,
            "There is no such operation. Did you mean /api/users/{userId}/roles?",
        ),
        (
            get("/t/acme/api/zebras"),
            404,
            &format!("There is no such operation. Check method and path; {newer}."),
        ),
        (
            get("/t/nope/api/users"),
            404,
            "There is no tenant \"nope\"; caller local may use: acme, beta. Check its name in the path or in `Claviger-Tenant`.",
        ),
        (
            get("/api/users"),
            400,
            "The request names no tenant, and caller local has several: acme, beta. Put /t/{tenant} in front of the path, or name the tenant in the header Claviger-Tenant.",
        ),
        (
            get("/t/acme/api/roles"),
            403,
            "Caller local may not use ListRoles at tenant acme: no rule allows it. Ask the operator to add \"ListRoles\" to a policy; `claviger explain` shows which rule decides.",
        ),
        (
            get("/t/acme/api/users/u1/identities/x"),
            403,
            "Caller local may not use GetUserIdentity at tenant acme: a rule denies it. Ask the operator; `claviger explain` shows which rule decides.",
        ),
        (
            Request::new("DELETE", "/t/acme/api/applications/a1/secrets/x"),
            403,
            "Caller local may not use DeleteApplicationSecret at tenant acme: it is sensitive, so a rule has to name it. Ask the operator to add \"DeleteApplicationSecret\" to a policy; `claviger explain` shows which rule decides.",
        ),
        (
            Request::form("/t/acme/oidc/token", "grant_type=password"),
            400,
            "The token broker issues tokens for grant_type=client_credentials only. Send the fields grant_type=client_credentials, client_id (the caller's name) and client_secret (its API key) as a form, not as JSON; the last two may come by HTTP Basic.",
        ),
    ] {
        assert_eq!(detail(&proxy, &request).await, (status, expected.to_owned()), "{request:?}");
    }
}

/// A deny that is taken out allows nothing by itself.
#[tokio::test]
async fn what_a_deny_refuses_is_told_with_all_that_would_allow_it() {
    let logto = Logto::start().await;
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("policies.all.allow", "['users:read']")
        .set("policies.all.deny", "['GetUserIdentity', 'DeleteRole']")
        .start()
        .await;
    for (method, path, says) in [
        ("GET", "/api/users/u1/identities/x", "take it out of policies.all.deny: a deny wins"),
        (
            "DELETE",
            "/api/roles/r1",
            "take it out of policies.all.deny, since a deny wins, and add \"DeleteRole\" to policies.all.allow: no rule allows it",
        ),
    ] {
        proxy.ask(&Request::new(method, path)).await.assert_problem(403, "not_permitted");
        proxy.logged(&format!("To allow it, {}.", says.replace('"', "\\\""))).await;
        let explained = claviger(&["explain", method, path, "--address", &proxy.admin_authority()]).await;
        assert!(explained.stdout.contains(&format!("  to allow it, {says}\n")), "{}", explained.stdout);
    }
}

#[tokio::test]
async fn an_expired_token_is_told_that_it_has_expired() {
    let logto = Logto::start().await;
    let signer = Signer::new("one");
    let builder = Proxy::builder().tenant("acme", &logto).without("callers.local");
    std::fs::write(builder.directory().join("jwks.json"), key_set(&[&signer])).expect("it can be written");
    let proxy = builder
        .set("issuers.kubernetes.issuer", quoted(CLUSTER))
        .set("issuers.kubernetes.audience", "'claviger'")
        .set("issuers.kubernetes.jwks", "{ file = 'jwks.json' }")
        .set("callers.billing.identify", "{ service_account = 'shop/billing' }")
        .set("callers.billing.policies", "['all']")
        .start()
        .await;
    let mut claims = account(CLUSTER, "shop", "billing");
    claims["exp"] = in_seconds(-7300).into();
    let request =
        Request::get("/api/roles").header("Authorization", &format!("Bearer {}", signer.sign(&claims)));
    let answer = proxy.ask(&request).await;
    answer.assert_problem(401, "caller_unknown");
    assert_eq!(answer.json()["detail"], "The token has expired. Get another one and send the request again.");
    assert_eq!(
        answer.value("WWW-Authenticate"),
        Some(
            "Bearer realm=\"claviger\", error=\"invalid_token\", error_description=\"the token has expired\""
        ),
    );
    // Whatever else is wrong with a credential is for the operator alone.
    let garbled = Request::get("/api/roles").header("Authorization", "Bearer nothing-of-ours");
    let answer = proxy.ask(&garbled).await;
    assert_eq!(answer.value("WWW-Authenticate"), Some("Bearer realm=\"claviger\""));
}

/// A client that speaks another protocol sees its connection end; the operator reads why.
#[tokio::test]
async fn tls_and_http_2_at_a_listener_of_plain_http_are_named_in_the_log() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    for (first, said) in [
        (
            &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
            "this listener speaks plain HTTP, and a client speaks TLS",
        ),
        (
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "this listener speaks HTTP/1.1, and a client speaks HTTP/2 without TLS",
        ),
    ] {
        let mut client = proxy.connect().await;
        client.write(first).await.expect("it is read");
        client.read_to_end().await;
        proxy.logged(said).await;
    }
    let mut client = tokio::net::TcpStream::connect(proxy.admin_authority()).await.expect("it listens");
    tokio::io::AsyncWriteExt::write_all(&mut client, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        .await
        .expect("it is read");
    proxy.logged("the admin listener speaks plain HTTP, and a client speaks something else").await;
}

/// The parser answers it before there is a request that could have a line; the operator sees it all the same.
#[tokio::test]
async fn a_head_that_the_parser_refuses_is_counted_and_said_once() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    let refused = async |head: &[u8], status: &str| {
        let mut client = proxy.connect().await;
        client.write(head).await.expect("it is read");
        let answer = client.read_to_end().await;
        assert!(answer.starts_with(status.as_bytes()), "{answer:?}");
    };
    let fat = format!("GET /api/roles HTTP/1.1\r\nHost: x\r\nCookie: {}\r\n\r\n", "CANARY".repeat(8_000));
    refused(fat.as_bytes(), "HTTP/1.1 431").await;
    refused(fat.as_bytes(), "HTTP/1.1 431").await;
    refused(b"GET /api/roles CANARY/1.1\r\n\r\n", "HTTP/1.1 400").await;
    for (reason, count, said) in [
        (
            "head_too_large",
            2.0,
            "a request was refused (431): its head is larger than `limits.head`, or has more fields than `limits.headers`",
        ),
        ("malformed", 1.0, "a request was refused (400): it is not HTTP/1.1"),
    ] {
        proxy.logged(said).await;
        let metric = format!("claviger_unreadable_requests_total{{reason=\"{reason}\"}}");
        assert_eq!(proxy.log().matches(said).count(), 1, "{said}");
        assert_eq!(proxy.metric(&metric).await, count, "{reason}");
    }
    assert!(
        !proxy.log().contains("CANARY") && proxy.log().contains("or raise the one or the other"),
        "{}",
        proxy.log()
    );
}

/// Which character, why, and what to write in its place.
#[tokio::test]
async fn a_refused_path_names_its_character() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    let decoded = "which some servers decode before they match the path and others do not.";
    for (path, expected) in [
        (
            "/api/users/a%2Fb",
            format!(
                "At byte 12 of the path: %2F is an escaped \"/\", {decoded} Between two segments write \"/\" itself; an id with \
                 \"/\" in it cannot be sent."
            ),
        ),
        (
            "/api/users/a%252Fb",
            format!("At byte 12 of the path: %25 is an escaped \"%\", {decoded} Is the URL escaped twice? Escape it once."),
        ),
        (
            "/api/users/a;b",
            "At byte 12 of the path: \";\" may not stand in a path as it is. Send the path without it: an id with this \
             character in it cannot be sent."
                .to_owned(),
        ),
        (
            "/api/users//roles",
            "At byte 11 of the path: an empty segment. Was a variable of the URL empty? Fill it in; between two segments write \
             one \"/\"."
                .to_owned(),
        ),
        (
            "/api/users/%7Eme",
            "At byte 11 of the path: %7E is an escaped \"~\", which needs no escape. Write this character itself, without an escape."
                .to_owned(),
        ),
        (
            "/api/users/../roles",
            "At byte 11 of the path: a segment of dots alone. Write the path that is meant, without \".\" and \"..\".".to_owned(),
        ),
    ] {
        assert_eq!(detail(&proxy, &Request::get(path)).await, (400, expected), "{path}");
    }
    // As it is sent, it is in no answer.
    let (_, said) = detail(&proxy, &Request::get("/api/users/%ff-a-credential")).await;
    assert!(
        said.starts_with("At byte 11 of the path: %FF begins escapes") && !said.contains("credential"),
        "{said}"
    );
}

/// The operator reads which host or origin it was, without a credential that somebody put there.
#[tokio::test]
async fn a_refused_host_or_origin_is_in_the_log() {
    let logto = Logto::start().await;
    let key = "a-key-of-the-caller-keyed-0123456789";
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("callers.keyed.identify", format!("{{ api_key = {} }}", quoted(key)))
        .set("callers.keyed.policies", "['all']")
        .start()
        .await;
    let get = || Request::get("/api/users");
    let rebound = detail(&proxy, &get().header("Host", "evil.example:3600")).await;
    let what =
        "This listener does not answer to Host \"evil.example:3600\". Use localhost or a loopback address";
    assert!(rebound.0 == 421 && rebound.1.starts_with(what), "{rebound:?}");
    proxy.logged("this listener does not answer to Host \\\"evil.example:3600\\\"").await;
    let page = detail(&proxy, &get().header("Origin", "http://localhost:5173")).await;
    let what = "The request comes from a web page of origin \"http://localhost:5173\", which is not listed.";
    assert!(page.0 == 403 && page.1.starts_with(what), "{page:?}");
    proxy.logged("of origin \\\"http://localhost:5173\\\"").await;
    proxy.logged("add \\\"http://localhost:5173\\\" to listen.allowed_origins").await;
    let typed = detail(&proxy, &get().header("Sec-Fetch-Site", "cross-site")).await;
    assert!(typed.1.contains("of another origin (Sec-Fetch-Site)"), "{typed:?}");
    let _: (u16, String) = detail(&proxy, &get().header("Host", key)).await;
    proxy.logged("Host \\\"[redacted]\\\"").await;
    assert!(!proxy.log().contains(key));
}

/// Whose limit it is: Claviger's own count, and not an answer of Logto's.
#[tokio::test]
async fn a_used_up_quota_is_said_to_be_the_configured_one() {
    let logto = Logto::start().await;
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("tenants.acme.quota", "{ requests = 2, per = '60s', tokens = false }")
        .set("callers.local.priority", "'interactive'")
        .set("timeouts.quota", "'0s'")
        .start()
        .await;
    for _ in 0..2 {
        assert_eq!(proxy.get("/api/users").await.status, 200);
    }
    let answer = proxy.get("/api/users").await;
    answer.assert_problem(429, "quota_exhausted");
    let said = answer.json();
    assert_eq!(said["side"], "claviger");
    assert_eq!(
        said["message"],
        "The quota of tenant acme is used up: `tenants.acme.quota` of Claviger's configuration, 2 requests per 1m for all callers \
         together; Logto was not asked. Wait as long as Retry-After says."
    );
}
