//! Paths that two parsers could read differently, over raw TCP: the policy decides on what the upstream will
//! see, or nothing is sent.

use crate::support::{Answer, Logto, Proxy, Request};

/// Allows everything but users, whatever the catalog knows of it.
async fn without_users(logto: &Logto) -> Proxy {
    Proxy::builder()
        .tenant("acme", logto)
        .set("policies.all.allow", "['*', 'GET /api/**']")
        .set("policies.all.deny", "['users:*', 'GET /api/users/**']")
        .start()
        .await
}

async fn raw(proxy: &Proxy, line: &[u8]) -> Option<Answer> {
    let mut client = proxy.connect().await;
    let request = [line, b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"].concat();
    client.write(&request).await.expect("it is read");
    client.read_answer("GET").await.ok()
}

#[tokio::test]
async fn b16_no_spelling_gets_past_a_deny() {
    let logto = Logto::start().await;
    let proxy = without_users(&logto).await;
    assert_eq!(proxy.get("/api/roles").await.status, 200);
    let before = logto.api_requests();
    let spellings: [&[u8]; 41] = [
        b"GET /api/users",
        b"GET /api/USERS",
        b"GET /api/Users/",
        b"GET /API/users",
        b"GET /api/users/",
        b"GET /api/users//",
        b"GET /api//users",
        b"GET //api/users",
        b"GET /api/./users",
        b"GET /api/roles/../users",
        b"GET /api/roles/%2e%2e/users",
        b"GET /api/roles/%2E./users",
        b"GET /api/roles/.%2e/users",
        b"GET /api/roles/..%2fusers",
        b"GET /api/roles%2f..%2fusers",
        b"GET /api%2fusers",
        b"GET /api%2Fusers",
        b"GET /api/%75sers",
        b"GET /api/user%73",
        b"GET /api/users;x=1",
        b"GET /api;x/users",
        b"GET /api/users%3bx",
        b"GET /api/users.",
        b"GET /api/users%2e",
        b"GET /api/users%20",
        b"GET /api/users%00",
        b"GET /api/users%00/x",
        b"GET /api/users%0a",
        b"GET /api\\users",
        b"GET /api/roles\\..\\users",
        b"GET /api/%5cusers",
        b"GET /api/users%23",
        b"GET /api/users%3f",
        b"GET /api/%c1%b5sers",
        b"GET /api/%u0075sers",
        b"GET /api/%",
        b"GET /api/users%2",
        b"GET /t/acme/api/users",
        b"GET /t/acme//api/users",
        b"GET /t/acme/../acme/api/USERS",
        b"GET /api/users?x=/api/roles",
    ];
    for spelling in spellings {
        let text = String::from_utf8_lossy(spelling).into_owned();
        let answer = raw(&proxy, spelling).await.unwrap_or_else(|| panic!("{text}: no answer"));
        assert!(matches!(answer.status, 400 | 403 | 404), "{text}: {} {}", answer.status, answer.text());
        assert!(
            answer.status == 400 && answer.body.is_empty() || answer.outcome().1.starts_with("claviger."),
            "{text}"
        );
    }
    let arrived: Vec<_> = logto.api_requests_seen().iter().skip(before).map(|r| r.target_text()).collect();
    assert_eq!(arrived, [""; 0], "nothing of it arrived");
    assert_eq!(logto.surprises(), []);
}

#[tokio::test]
async fn b16_other_forms_of_a_target_are_refused() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    for line in [
        &b"GET http://localhost/api/roles"[..],
        b"GET http://evil.example/api/roles",
        b"CONNECT localhost:443",
        b"OPTIONS *",
        b"GET api/roles",
        b"GET ?x",
        b"GET /api/ro\x00les",
        b"GET /api/ro\xffles",
        b"GET /api/ro les",
    ] {
        let text = String::from_utf8_lossy(line).into_owned();
        if let Some(answer) = raw(&proxy, line).await {
            assert!(matches!(answer.status, 400 | 404 | 421), "{text}: {}", answer.status);
        }
    }
    assert_eq!(logto.api_requests(), 0);
}

#[tokio::test]
async fn b16_two_framings_are_none() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    let smuggle = "0\r\n\r\nGET /api/users HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for framing in [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 0x5\r\n",
    ] {
        let mut client = proxy.connect().await;
        let head = format!(
            "POST /api/roles HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{framing}\r\n{smuggle}"
        );
        client.write(head.as_bytes()).await.expect("it is read");
        let answers = String::from_utf8_lossy(&client.read_to_end().await).into_owned();
        assert!(answers.matches("HTTP/1.1 ").count() <= 1, "{framing:?}: {answers}");
    }
    let users = logto.api_requests_seen().iter().filter(|r| r.target_text().contains("users")).count();
    assert_eq!(users, 0, "nothing was smuggled");
}

#[tokio::test]
async fn b16_what_is_forwarded_is_what_was_matched() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    for (sent, arrived) in [
        ("/api/roles", "/api/roles"),
        ("/api/roles/", "/api/roles"),
        ("/api/roles?page=1&page_size=1", "/api/roles?page=1&page_size=1"),
        ("/api/users?search=%25a%25&search.x=%2e%2e/%00", "/api/users?search=%25a%25&search.x=%2e%2e/%00"),
        ("/api/users?", "/api/users?"),
        ("/api/users/a%20b%22c", "/api/users/a%20b%22c"),
        ("/api/users/%E6%97%A5", "/api/users/%E6%97%A5"),
        ("/api/users/a:b@c$d", "/api/users/a:b@c$d"),
    ] {
        let answer = proxy.get(sent).await;
        assert_eq!(answer.outcome().1, "", "{sent}: {}", answer.text());
        assert_eq!(logto.last().target_text(), arrived);
    }
}

#[tokio::test]
async fn nothing_but_the_api_goes_anywhere() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    for target in [
        "/",
        "/oidc",
        "/oidc/auth",
        "/oidc/token/",
        "/console",
        "/metrics",
        "/status",
        "/apix",
        "/t",
        "/t/acme",
        "/t/acme/oidc/auth",
        "/t//api/roles",
    ] {
        let answer = proxy.get(target).await;
        assert!(matches!(answer.status, 404 | 405), "{target}: {}", answer.status);
    }
    proxy.get("/api/no-such-thing").await.assert_problem(404, "operation_unknown");
    proxy.ask(&Request::new("BREW", "/api/users")).await.assert_problem(405, "method_not_allowed");
    proxy.ask(&Request::new("BREW", "/api/no-such-thing")).await.assert_problem(404, "operation_unknown");
    proxy.get("/api/.well-known/user.openapi.json").await.assert_problem(404, "not_found");
    assert_eq!(logto.api_requests(), 0);
}

/// As `encodeURIComponent` writes a name.
fn encoded(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte);
    name.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[tokio::test]
async fn b16_what_has_a_free_name_can_be_renamed_and_deleted() {
    let logto = Logto::start().await;
    let named = "['UpdateUserPersonalAccessToken', 'DeleteUserPersonalAccessToken', 'UpdateApplicationSecret', \
                 'DeleteApplicationSecret', 'DeleteUser', 'users:*', 'DELETE /api/**', 'ReplaceUserIdentity']";
    let proxy = Proxy::builder().tenant("acme", &logto).set("policies.all.allow", named).start().await;
    for name in [
        "CI/CD",
        "a\\b",
        "100%",
        "100% sure",
        "what?",
        "#1",
        "a;b",
        "v1.",
        "v1 ",
        " ",
        "/",
        "a//b",
        "é/ü",
        "a b",
        "a+b",
        "\"x\"",
        "a:b@c",
        "%",
        "a/..b",
        "deploy key (prod/eu)",
    ] {
        for (method, parent) in [
            ("PATCH", "/api/users/u1/personal-access-tokens"),
            ("DELETE", "/api/users/u1/personal-access-tokens"),
            ("PATCH", "/api/applications/a1/secrets"),
            ("DELETE", "/api/applications/a1/secrets"),
            ("GET", "/api/users/u1/identities"),
            ("PUT", "/api/users/u1/identities"),
            ("DELETE", "/api/users/u1/identities"),
            ("DELETE", "/api/organizations/o1/jit/email-domains"),
        ] {
            // PATCH on what is above is another operation, and renames as well.
            if name.starts_with(['/', '#', ' ']) && method == "PATCH" && parent.ends_with("tokens") {
                continue;
            }
            let target = format!("{parent}/{}", encoded(name));
            let answer = proxy.ask(&Request::new(method, &target).body("application/json", "{}")).await;
            assert_eq!(answer.outcome().1, "", "{method} {target}: {}", answer.text());
            assert_eq!(String::from_utf8_lossy(&logto.last().target), target, "byte for byte");
        }
    }
    logto.clear_recorded();
    // What some server on the way could take for another path, or what is an id and not a name.
    for target in [
        "/api/users/u1/personal-access-tokens/..%2F..",
        "/api/users/u1/personal-access-tokens/x%2F..%2F..%2F..%2Fu2",
        "/api/users/u1/personal-access-tokens/..%5C..",
        "/api/users/u1/personal-access-tokens/..%3B%2F",
        "/api/users/u1/personal-access-tokens/.%20%2Fx",
        "/api/users/u1/personal-access-tokens/%252e%252e%252f",
        "/api/users/u1/personal-access-tokens/a%0Ab",
        "/api/users/u1/personal-access-tokens/%2e%2e",
        "/api/users/u1/personal-access-tokens/..",
        "/api/users/a%2Fb/personal-access-tokens/x",
        "/api/users/a%2Fb",
        "/api/users/u1/roles/a%2Fb",
        "/api/custom-profile-fields/a%2Fb",
        "/api/new-things/a%2Fb",
    ] {
        let answer = proxy.ask(&Request::new("DELETE", target)).await;
        assert_eq!(answer.outcome(), (400, "claviger.path_ambiguous".into()), "{target}");
    }
    assert!(logto.api_requests_seen().is_empty());
}

/// Each says what to write, or the sentence itself does.
#[tokio::test]
async fn a_malformed_request_is_told_what_to_write() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    for (line, header, says) in [
        (
            "GET http://x/api/users",
            "",
            "The request target is not a path that begins with \"/\". Send the path alone after the method, such as GET /api/users.",
        ),
        (
            "GET /t/acme/api/users",
            "Claviger-Tenant: beta\r\n",
            "The path and the Claviger-Tenant header name different tenants. Name the tenant in one of the two.",
        ),
        (
            "GET /api/users",
            "Claviger-Tenant: acme\r\nClaviger-Tenant: acme\r\n",
            "The Claviger-Tenant header must be sent once, with one name.",
        ),
    ] {
        let mut client = proxy.connect().await;
        let request = format!("{line} HTTP/1.1\r\nHost: localhost\r\n{header}\r\n");
        client.write(request.as_bytes()).await.expect("it is read");
        let answer = client.read_answer("GET").await.expect("it is answered");
        answer.assert_problem(400, "bad_request");
        assert_eq!(answer.json()["detail"], says, "{line}");
    }
}
