//! What reaches the upstream, and what comes back.

use claviger_emulator::{Effect, Options, Seed};

use crate::support::{Logto, Proxy, Request, quoted};

#[tokio::test]
async fn b15_what_a_caller_says_about_itself_stays_here() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    let spoofed = Request::get("/api/roles")
        .header("authorization", "Bearer of-the-caller")
        .header("Cookie", "_session=1")
        .header("X-Forwarded-Host", "evil.example")
        .header("X-Forwarded-Proto", "https")
        .header("X-Forwarded-For", "1.2.3.4")
        .header("Forwarded", "host=evil.example")
        .header("development-user-id", "root")
        .header("Proxy-Authorization", "Basic eDp5")
        .header("X-Custom", "x")
        .header("TE", "trailers")
        .header("Connection", "keep-alive, X-Custom, Authorization, If-None-Match")
        .header("If-None-Match", "\"of-the-caller\"")
        .header("User-Agent", "billing/1.0")
        .header("Accept", "application/json");
    assert_eq!(proxy.ask(&spoofed).await.status, 200);
    let seen = logto.last();
    let tokens = logto.tokens_seen();
    assert_eq!(seen.header_values("authorization"), [format!("Bearer {}", tokens[0])]);
    assert_eq!(tokens.len(), 1, "the caller's never arrived");
    assert_eq!(seen.header_values("host"), [logto.addr().to_string()]);
    let mut names: Vec<String> = seen.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    names.sort();
    let ours = ["accept", "accept-encoding", "authorization", "host", "user-agent", "via", "x-request-id"];
    assert_eq!(names, ours);
    assert_eq!(seen.header_values("accept-encoding"), ["identity"], "a loopback address");
    assert_eq!(logto.surprises(), []);
}

#[tokio::test]
async fn b21_connection_cannot_take_the_content_type_out() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    let role = Request::post("/api/roles", r#"{"name":"kept","description":"x"}"#)
        .header("Connection", "keep-alive, Content-Type");
    assert_eq!(proxy.ask(&role).await.json()["name"], "kept");
    assert_eq!(logto.last().header_values("content-type"), ["application/json"]);
}

#[tokio::test]
async fn b15_two_authorizations_are_ambiguous_and_none_passes() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    let doubled =
        Request::get("/api/roles").header("Authorization", "Bearer a").header("authorization", "Bearer b");
    proxy.ask(&doubled).await.assert_problem(401, "caller_unknown");
    assert_eq!(logto.api_requests(), 0);
    for scheme in ["Basic eDp5", "bearer x", "BEARER x", "Negotiate x", ""] {
        assert_eq!(
            proxy.ask(&Request::get("/api/roles").header("Authorization", scheme)).await.status,
            200,
            "{scheme}"
        );
    }
    assert_eq!(logto.tokens_seen().len(), 1);
}

#[tokio::test]
async fn b17_the_issuer_does_not_send_our_secret_on_either() {
    let (logto, other) = (Logto::start().await, Logto::start().await);
    logto.token_fault(Effect::redirect(307, &format!("{}/oidc/token", other.base_url())));
    let proxy = Proxy::of(&logto).await;
    let answer = proxy.get("/api/roles").await;
    answer.assert_problem(503, "token_unavailable");
    proxy.logged("Logto redirects, and credentials are never sent after a redirect").await;
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn b18_a_foreign_name_is_not_answered() {
    let logto = Logto::start().await;
    let proxy =
        Proxy::builder().tenant("acme", &logto).set("listen.allowed_hosts", "['proxy.test']").start().await;
    let with = |host: &str| Request::get("/api/roles").header("Host", host);
    for host in ["evil.example", "evil.example:3600", "localhost.evil.example", "10.0.0.1", "", "u@localhost"]
    {
        proxy.ask(&with(host)).await.assert_problem(421, "host_not_allowed");
    }
    let page = Request::get("/api/roles").header("Origin", "https://evil.example");
    proxy.ask(&page).await.assert_problem(403, "origin_not_allowed");
    assert_eq!(logto.api_requests(), 0);
    for host in ["localhost", "LocalHost:1", "127.0.0.1", "[::1]:80", "proxy.test", &proxy.authority()] {
        assert_eq!(proxy.ask(&with(host)).await.status, 200, "{host}");
    }
}

#[tokio::test]
async fn b20_a_client_that_follows_links_sees_every_page_once() {
    let logto = Logto::with(Options { seed: Seed::Demo { users: 23 }, ..Options::default() }).await;
    let proxy = Proxy::of(&logto).await;
    for start in [
        "/api/users?page=1&page_size=5",
        "/t/acme/api/users?page_size=5&page=1",
        "/t/acme/api/users?page_size=5",
    ] {
        let (mut next, mut names) = (Some(start.to_owned()), Vec::new());
        while let Some(target) = next {
            let answer = proxy.get(&target).await;
            assert_eq!((answer.status, answer.value("total-number")), (200, Some("23")), "{target}");
            let page = answer.json();
            names.extend(
                page.as_array()
                    .expect("a list")
                    .iter()
                    .map(|user| user["username"].as_str().map(str::to_owned)),
            );
            next = answer.values("link").iter().find_map(|link| followed(link, "next"));
            assert!(names.len() <= 23, "it goes round in circles");
        }
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 23, "{start}");
    }
}

/// The path of a link of this relation, as a client that knows RFC 8288 and nothing of Logto reads it.
fn followed(link: &str, relation: &str) -> Option<String> {
    let (target, parameters) = link.strip_prefix('<')?.split_once('>')?;
    if !parameters.contains(&format!("rel=\"{relation}\"")) {
        return None;
    }
    Some(target.strip_prefix("http://localhost").expect("as the caller addressed it").to_owned())
}

#[tokio::test]
async fn b20_repeated_parameters_and_a_public_url_are_kept() {
    let logto = Logto::start().await;
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("listen.public_url", quoted("https://logto-proxy.internal"))
        .start()
        .await;
    let target = "/t/acme/api/applications?types=MachineToMachine&types=Traditional&page_size=1&q=a%20b%2C";
    let answer = proxy.get(target).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(logto.last().target_text(), target.trim_start_matches("/t/acme"), "byte for byte");
    let next = answer.values("link").into_iter().find(|link| link.contains("next"));
    let expected = format!("<https://logto-proxy.internal{target}&page=2>; rel=\"next\"");
    assert_eq!(next, Some(expected.as_str()));
}

#[tokio::test]
async fn b21_what_logto_would_misread_is_refused() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    assert_eq!(proxy.get("/api/roles").await.status, 200);
    let before = logto.api_requests();
    for (method, path) in
        [("POST", "/api/roles"), ("PUT", "/api/configs/id-token"), ("PATCH", "/api/users/u1")]
    {
        let bare = Request::new(method, path).body("", r#"{"name":"x"}"#);
        proxy.ask(&bare).await.assert_problem(415, "content_type_missing");
        let chunked = bare.header("Transfer-Encoding", "chunked");
        proxy.ask(&chunked).await.assert_problem(415, "content_type_missing");
    }
    let large = vec![b' '; 1024 * 1024 + 1];
    proxy.ask(&Request::post("/api/users", large.clone())).await.assert_problem(413, "body_too_large");
    let form = Request::form("/api/users", &"x".repeat(57 * 1024));
    proxy.ask(&form).await.assert_problem(413, "body_too_large");
    assert_eq!(logto.api_requests(), before, "none of them was sent");
    // Without a length it shows only on the way.
    let chunked = Request::post("/api/users", large).header("Transfer-Encoding", "chunked");
    proxy.ask(&chunked).await.assert_problem(413, "body_too_large");
}

#[tokio::test]
async fn answers_pass_unchanged_but_for_what_is_between_the_upstream_and_us() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let headers = vec![
        header("Content-Type", "application/json; charset=utf-8"),
        header("Set-Cookie", "_session=1"),
        header("Keep-Alive", "timeout=5"),
        header("Alt-Svc", "h3=\":443\""),
        header("X-Hop", "1"),
        header("Connection", "keep-alive, X-Hop"),
        header("Logto-Core-Request-Id", "abc"),
        header("ETag", "W/\"1\""),
        header("Total-Number", "7"),
    ];
    for (status, body) in
        [(200, "{\"a\":\"\u{e9}\"}"), (422, "{\"code\":\"x\"}"), (404, "Not Found"), (500, "")]
    {
        // A 500 is tried once more.
        logto.api_fault_times(
            if status == 500 { 2 } else { 1 },
            Effect::Answer { status, headers: headers.clone(), body: body.into() },
        );
        let answer = proxy.get("/api/roles").await;
        assert_eq!((answer.status, answer.text().as_str()), (status, body));
        let mut names: Vec<_> = answer.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        names.retain(|name| name != "date");
        names.sort();
        let expected = [
            "content-length",
            "content-type",
            "etag",
            "logto-core-request-id",
            "total-number",
            "via",
            "x-request-id",
        ];
        assert_eq!(names, expected, "{status}");
    }
    logto.api_fault_times(1, Effect::Truncate { after: 5 });
    assert!(
        proxy.connect().await.try_ask(&Request::get("/api/roles")).await.is_err(),
        "a part is never taken for the whole"
    );
    assert_eq!(proxy.ask(&Request::new("HEAD", "/api/roles")).await.status, 200);
}

#[tokio::test]
async fn a_request_id_is_kept_or_made_and_is_the_same_everywhere() {
    let logto = Logto::start().await;
    let proxy = Proxy::builder().tenant("acme", &logto).set("log.requests", "'all'").start().await;
    let answer = proxy.ask(&Request::get("/api/roles").header("X-Request-Id", "of-the-caller-1")).await;
    assert_eq!(answer.value("x-request-id"), Some("of-the-caller-1"));
    assert_eq!(logto.last().header("x-request-id").as_deref(), Some("of-the-caller-1"));
    proxy.logged("of-the-caller-1").await;
    let odd = Request::get("/api/roles").header("X-Request-Id", &"x".repeat(4000));
    let answer = proxy.ask(&odd).await;
    let made = answer.value("x-request-id").expect("there is one").to_owned();
    assert!(made.len() < 200 && logto.last().header("x-request-id") == Some(made));
}

#[tokio::test]
async fn callers_that_ask_first_or_speak_an_older_http_are_served() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    let role = r#"{"name":"asked-first","description":"d"}"#;
    for padding in [0, 100 * 1024] {
        let body = format!("{role}{}", " ".repeat(padding));
        let head = Request::new("POST", "/api/roles")
            .header("Content-Type", "application/json")
            .header("Content-Length", &body.len().to_string())
            .header("Expect", "100-continue");
        let mut client = proxy.connect().await;
        client.write(&head.head()).await.expect("it is read");
        while client.read_more().await.expect("it goes on") == 0 {}
        let interim = client.take_unread();
        assert!(interim.starts_with(b"HTTP/1.1 100 "), "{}", String::from_utf8_lossy(&interim));
        client.write(body.as_bytes()).await.expect("it is read");
        let answer = client.read_answer("POST").await.expect("there is an answer");
        assert_eq!(answer.outcome().1, "", "{}", answer.text());
        assert_eq!(logto.last().body_len, body.len());
        assert_eq!(logto.last().header("expect"), None);
    }
    // Refused without a look at the body: no leave to send it.
    let denied =
        Request::new("POST", "/api/nothing").header("Content-Length", "5").header("Expect", "100-continue");
    let mut client = proxy.connect().await;
    client.write(&denied.head()).await.expect("it is read");
    let all = String::from_utf8_lossy(&client.read_to_end().await).into_owned();
    assert!(all.starts_with("HTTP/1.1 404 "), "{all}");
    let mut client = proxy.connect().await;
    client.write(b"GET /api/roles HTTP/1.0\r\nHost: localhost\r\n\r\n").await.expect("it is read");
    let all = String::from_utf8_lossy(&client.read_to_end().await).into_owned();
    assert!(all.starts_with("HTTP/1.0 200 ") && all.ends_with(']'), "{all}");
}

#[tokio::test]
async fn requests_in_a_row_on_one_connection_are_answered_in_order() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    let mut client = proxy.connect().await;
    let targets =
        ["/api/roles", "/api/nothing", "/api/users/nobody", "/nowhere", "/api/users?page=1&page_size=1"];
    let all: Vec<u8> = targets.iter().flat_map(|target| Request::get(target).head()).collect();
    client.write(&all).await.expect("it is read");
    let mut statuses = Vec::new();
    for _ in targets {
        statuses.push(client.read_answer("GET").await.expect("each is answered").status);
    }
    assert_eq!(statuses, [200, 404, 404, 404, 200]);
    // What follows a refused body must not be taken for a request.
    let refused = Request::post("/api/nothing", "GET /api/users HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let before = logto.api_requests();
    assert_eq!(client.ask(&refused).await.status, 404);
    let _ = client.try_ask(&Request::get("/nowhere")).await;
    assert_eq!(logto.api_requests(), before);
}

#[tokio::test]
async fn json_that_calls_itself_a_form_is_refused_before_it_makes_an_empty_user() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    proxy.get("/api/roles").await;
    let before = logto.api_requests();
    for body in ["{\"username\":\"bob\"}", " \r\n[{}]"] {
        let form = Request::form("/api/users", body);
        for request in [form.clone(), form.header("Transfer-Encoding", "chunked")] {
            let answer = proxy.ask(&request).await;
            answer.assert_problem(415, "content_type_missing");
            assert!(answer.text().contains("--json"), "{}", answer.text());
        }
    }
    assert_eq!(logto.api_requests(), before, "none of them was sent");
    let form = proxy.ask(&Request::form("/api/users", "username=bob")).await;
    assert_ne!(form.status, 415, "a form is a form: {}", form.text());
}

#[tokio::test]
async fn a_body_that_logto_would_not_read_is_refused_before_it_makes_an_empty_user() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    let user = r#"{"username":"bob"}"#;
    for content_type in ["aplication/json", "application/xml", "application/octet-stream", "json", ""] {
        let answer = proxy.ask(&Request::new("POST", "/api/users").body(content_type, user)).await;
        answer.assert_problem(415, "content_type_missing");
        assert!(answer.text().contains("Content-Type: application/json"), "{}", answer.text());
    }
    let multipart = "--x\r\nContent-Disposition: form-data; name=\"username\"\r\n\r\nbob\r\n--x--\r\n";
    let form = Request::new("POST", "/api/users").body("multipart/form-data; boundary=x", multipart);
    proxy.ask(&form).await.assert_problem(415, "content_type_missing");
    for content_type in ["text/json", "Text/plain; charset=utf-8"] {
        let answer = proxy.ask(&Request::new("POST", "/api/users").body(content_type, user)).await;
        answer.assert_problem(415, "content_type_missing");
        assert!(answer.text().contains("Content-Type: application/json"), "{}", answer.text());
    }
    assert!(logto.api_requests_seen().is_empty(), "none of them was sent");
    for content_type in ["application/json; charset=utf-8", "Application/JSON", "application/vnd.api+json"] {
        let answer = proxy.ask(&Request::new("PATCH", "/api/users/none").body(content_type, "{}")).await;
        assert_ne!(answer.status, 415, "{content_type}");
    }
}

#[tokio::test]
async fn a_post_without_a_body_says_so() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    let length =
        || logto.last().headers.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    // The catalog has no member of its body.
    let path = "/api/custom-profile-fields/batch";
    proxy.ask(&Request::new("POST", path).header("Content-Length", "0")).await;
    assert_eq!(length().map(|(_, value)| value), Some(b"0".to_vec()));
    proxy.ask(&Request::new("POST", path)).await;
    assert_eq!(length().map(|(_, value)| value), Some(b"0".to_vec()));
    proxy.get("/api/roles").await;
    assert_eq!(length(), None);
}

#[tokio::test]
async fn what_is_said_of_a_body_that_is_too_large_is_true_of_it() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    let json = too_large(&proxy, Request::post("/api/users", vec![b' '; 1024 * 1024 + 1])).await;
    assert!(json.contains("1 MiB") && json.contains("404"), "{json}");
    let file = |length: &str| {
        let request = Request::new("POST", "/api/user-assets").body("multipart/form-data; boundary=x", "");
        request.header("Content-Length", length)
    };
    let upload = too_large(&proxy, file("22020097")).await;
    assert!(upload.contains("files of up to 20 MiB") && !upload.contains("404"), "{upload}");
    let (start, end) =
        ("--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\r\n", "\r\n--x--\r\n");
    let whole = [start.as_bytes(), &vec![b'.'; 20 * 1024 * 1024], end.as_bytes()].concat();
    let fits = Request::new("POST", "/api/user-assets").body("multipart/form-data; boundary=x", whole);
    assert_ne!(proxy.ask(&fits).await.status, 413, "a file as large as Logto takes");
    let form = too_large(&proxy, Request::form("/oidc/token", &"x".repeat(20_000))).await;
    assert!(!form.contains("Logto"), "{form}");
    let looking = Proxy::builder()
        .tenant("acme", &logto)
        .set("policies.all.allow", "[{ operation = 'UpdateUser', body = ['name'] }]")
        .start()
        .await;
    let large = Request::new("PATCH", "/api/users/u1").body("application/json", vec![b' '; 70_000]);
    let held = too_large(&looking, large.header("Transfer-Encoding", "chunked")).await;
    assert!(held.contains("limits.replay") && !held.contains("Logto"), "{held}");
}

async fn too_large(proxy: &Proxy, request: Request) -> String {
    let answer = proxy.ask(&request).await;
    assert_eq!(answer.outcome(), (413, "claviger.body_too_large".into()), "{}", answer.text());
    answer.json()["detail"].as_str().expect("text").to_owned()
}
