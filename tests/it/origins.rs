//! Web pages at a loopback listener: a page of any origin is as local as a service, and only listed ones may ask.

use crate::support::{Logto, Proxy, Request};

const PAGE: &str = "http://localhost:5173";

async fn listed(logto: &Logto) -> Proxy {
    Proxy::builder().tenant("acme", logto).set("listen.allowed_origins", format!("['{PAGE}']")).start().await
}

#[tokio::test]
async fn b18_a_page_of_an_origin_that_is_not_listed_reaches_nothing() {
    let logto = Logto::start().await;
    for proxy in [Proxy::of(&logto).await, listed(&logto).await] {
        logto.clear_recorded();
        let own = format!("http://{}", proxy.authority());
        let post = || Request::post("/api/roles", r#"{"name":"r","description":"d"}"#);
        for origin in
            ["http://localhost:5174", "https://localhost:5173", "http://localhost", "null", "", &own]
        {
            for request in [
                post().header("Origin", origin).header("Sec-Fetch-Site", "same-site"),
                post().header("Origin", origin),
                Request::get("/api/roles").header("Origin", origin),
                Request::form("/oidc/token", "grant_type=client_credentials").header("Origin", origin),
            ] {
                let answer = proxy.ask(&request).await;
                assert_eq!(answer.outcome(), (403, "claviger.origin_not_allowed".into()), "{origin:?}");
                assert_eq!(answer.value("access-control-allow-origin"), None, "{origin:?}");
            }
            let preflight = Request::new("OPTIONS", "/api/roles")
                .header("Origin", origin)
                .header("Access-Control-Request-Method", "POST");
            proxy.ask(&preflight).await.assert_problem(403, "origin_not_allowed");
        }
        for site in ["same-site", "cross-site", "same-origin"] {
            let image = Request::get("/api/roles").header("Sec-Fetch-Site", site);
            proxy.ask(&image).await.assert_problem(403, "origin_not_allowed");
        }
        let twice = post().header("Origin", PAGE).header("Origin", "http://evil.example");
        proxy.ask(&twice).await.assert_problem(403, "origin_not_allowed");
        assert!(logto.api_requests_seen().is_empty());
        // Somebody typed it.
        let typed = Request::get("/api/roles").header("Sec-Fetch-Site", "none");
        assert_eq!(proxy.ask(&typed).await.status, 200);
        // Another name is another name, whoever asks.
        let rebound = post().header("Host", "evil.example").header("Origin", PAGE);
        proxy.ask(&rebound).await.assert_problem(421, "host_not_allowed");
    }
}

#[tokio::test]
async fn b18_a_listed_page_gets_cors_with_preflight() {
    let logto = Logto::start().await;
    let proxy = listed(&logto).await;
    logto.clear_recorded();
    let preflight = Request::new("OPTIONS", "/t/acme/api/users/u1")
        .header("Origin", PAGE)
        .header("Access-Control-Request-Method", "PATCH")
        .header("Access-Control-Request-Headers", "claviger-tenant,content-type");
    let answer = proxy.ask(&preflight).await;
    assert_eq!((answer.status, answer.text().as_str()), (204, ""));
    assert_eq!(answer.values("access-control-allow-origin"), [PAGE]);
    assert_eq!(answer.values("vary"), ["origin"]);
    let listed = |name: &str, expected: &[&str]| {
        let value = answer.value(name).unwrap_or_default().to_ascii_lowercase();
        let words: Vec<_> = value.split(',').map(str::trim).collect();
        assert!(expected.iter().all(|word| words.contains(word)), "{name}: {value}");
    };
    listed("access-control-allow-methods", &["get", "head", "post", "put", "patch", "delete"]);
    listed(
        "access-control-allow-headers",
        &["content-type", "authorization", "claviger-key", "claviger-tenant"],
    );
    assert!(answer.value("access-control-max-age").is_some());
    assert_eq!(answer.value("access-control-allow-credentials"), None);
    assert!(logto.api_requests_seen().is_empty(), "answered here");

    let from = |request: Request| request.header("Origin", PAGE).header("Sec-Fetch-Site", "same-site");
    let allowed = proxy.ask(&from(Request::get("/api/users?page=1&page_size=2"))).await;
    let refused = proxy.ask(&from(Request::get("/api/nothing"))).await;
    let of_logto = proxy.ask(&from(Request::get("/api/users/nobody"))).await;
    assert_eq!((allowed.status, refused.status, of_logto.status), (200, 404, 404));
    for answer in [allowed, refused, of_logto] {
        assert_eq!(answer.values("access-control-allow-origin"), [PAGE], "{answer:?}");
        let exposed = answer.value("access-control-expose-headers").unwrap_or_default().to_ascii_lowercase();
        let exposed: Vec<_> = exposed.split(',').map(str::trim).collect();
        for name in ["link", "total-number", "location", "x-request-id", "retry-after"] {
            assert!(exposed.contains(&name), "{name}: {exposed:?}");
        }
        assert!(answer.values("vary").iter().any(|it| it.eq_ignore_ascii_case("origin")), "{answer:?}");
        assert_eq!(answer.value("access-control-allow-credentials"), None);
    }
    // Caches must know that others are answered otherwise.
    assert_eq!(proxy.get("/api/roles").await.values("vary").last(), Some(&"origin"));
}

#[tokio::test]
async fn the_admin_listener_is_for_no_page() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    for (name, value) in [("Origin", PAGE), ("Sec-Fetch-Site", "same-site")] {
        let answer = proxy.ask_admin(&Request::get("/status").header(name, value)).await;
        assert_eq!(answer.status, 403, "{name}: {}", answer.text());
    }
}
