//! Answers that are not the Management API's: of another server, a firewall, or a gateway in front of Logto.

use claviger_emulator::Effect;

use super::causes;
use crate::support::{Answer, Logto, Proxy, Request};

#[tokio::test]
async fn b17_a_redirect_is_not_followed_and_handed_on_only_where_logto_redirects() {
    let (logto, other) = (Logto::start().await, Logto::start().await);
    let proxy = Proxy::of(&logto).await;
    let elsewhere = format!("{}/api/roles", other.base_url());
    for status in [301, 302, 303, 307, 308] {
        logto.api_fault_times(1, Effect::redirect(status, &elsewhere));
        let answer = proxy.get("/api/roles").await;
        answer.assert_problem(502, "upstream_invalid");
        assert_eq!(answer.value("location"), None);
        assert!(answer.text().contains(&format!("a redirect with status {status}")), "{}", answer.text());
        logto.api_fault_times(1, Effect::redirect(status, &elsewhere));
        let answer = proxy.get("/api/saml/app/authn").await;
        assert_eq!((answer.status, answer.value("location")), (status, Some(elsewhere.as_str())));
    }
    let own = format!("{}/api/users/1", logto.base_url());
    for (status, path) in [(201, "/api/roles"), (302, "/api/saml/app/authn")] {
        logto.api_fault_times(1, Effect::redirect(status, &own));
        let answer = proxy.get(path).await;
        leads_back(&answer);
    }
    assert_eq!(other.connections(), 0);
}

fn leads_back(answer: &Answer) {
    let here = Some("http://localhost/api/users/1");
    assert_eq!(answer.value("location"), here, "one of the upstream's own leads back here");
}

#[tokio::test]
async fn b21_a_web_page_is_not_an_answer_of_the_api() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    logto.api_fault_times(1, Effect::body(200, "Text/HTML; charset=utf-8", "<!doctype html>"));
    let answer = proxy.get("/api/roles").await;
    answer.assert_problem(502, "upstream_invalid");
    assert!(answer.text().contains("endpoint"), "the remedy: {}", answer.text());
    for (status, told) in [(200, 502), (401, 502), (403, 502), (404, 502), (429, 429), (501, 502)] {
        for method in ["GET", "POST"] {
            logto.clear_recorded();
            logto.api_fault_times(1, Effect::body(status, "text/html", "<!doctype html>"));
            let request = match method {
                "GET" => Request::get("/api/roles"),
                _ => Request::post("/api/roles", r#"{"name":"n","description":"d"}"#),
            };
            let answer = proxy.ask(&request).await;
            if (status, method) == (429, "GET") {
                assert_eq!(answer.status, 200, "the read was sent again: {}", answer.text());
                continue;
            }
            answer.assert_problem(told, "upstream_invalid");
            let says = format!("a web page (text/html) with status {status}");
            assert!(answer.text().contains(&says), "{}", answer.text());
            assert!(answer.text().contains("The operator checks `endpoint`"), "{}", answer.text());
            assert_eq!(answer.text().contains("A write"), method != "GET", "{}", answer.text());
            assert_eq!(logto.api_requests_seen().len(), 1, "{method} {status} is not sent again");
        }
    }
    let line = causes::line(&proxy, answer.value("x-request-id").expect("it has one")).await;
    assert!(line["remedy"].as_str().is_some_and(|it| it.contains("a firewall or another server")), "{line}");
    let status = proxy.status().await;
    let upstream = &status["tenants"]["acme"]["upstream"];
    let failed = upstream["failed"].as_u64();
    assert!(failed.is_some_and(|it| it >= 12), "each is a try that failed: {upstream:#}");
    let last = &upstream["last_error"];
    assert!(last["what"].as_str().is_some_and(|it| it.contains("a web page")), "{last}");
}

#[tokio::test]
async fn b21_a_page_of_a_gateway_keeps_its_status_and_says_so() {
    let logto = Logto::start().await;
    let proxy = Proxy::builder().tenant("acme", &logto).set("retry.backoff", "'1ms'").start().await;
    assert_eq!(proxy.get("/api/roles").await.status, 200);
    let page = |status| Effect::Answer {
        status,
        headers: vec![("Content-Type".into(), "text/html".into()), ("Retry-After".into(), "0".into())],
        body: b"<html><center>nginx</center></html>".to_vec(),
    };
    for (status, told) in [(502, 502), (503, 503), (504, 504)] {
        logto.clear_recorded();
        logto.api_fault_times(2, page(status));
        assert_eq!(proxy.get("/api/roles").await.status, 200, "{status}: a read is sent again");
        assert_eq!(logto.api_requests_seen().len(), 3);
        logto.clear_recorded();
        logto.api_fault_times(1, page(status));
        let role = Request::post("/api/roles", r#"{"name":"n","description":"d"}"#);
        let answer = proxy.ask(&role).await;
        answer.assert_problem(told, "upstream_invalid");
        assert!(answer.text().contains("may have been carried out") && !answer.text().contains("nginx"));
        assert_eq!(answer.retry_after(), Some(0), "what the gateway says");
        assert_eq!(logto.api_requests_seen().len(), 1, "a write is not");
    }
    let status = proxy.status().await;
    let upstream = &status["tenants"]["acme"]["upstream"];
    assert_eq!((&upstream["tries"], &upstream["failed"]), (&13.into(), &9.into()), "each once: {upstream:#}");
    let remedy = upstream["last_error"]["remedy"].as_str().unwrap_or_default();
    assert!(remedy.contains("What is in front of Logto answers in its place"), "{upstream:#}");
}

/// In HTML, as most say it, and otherwise.
#[tokio::test]
async fn a_forward_proxy_that_wants_a_login_is_named() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    let says =
        "(407), which Claviger does not send: have it let Claviger through without one, or connect past it";
    for kind in ["text/html", "application/json", "text/plain"] {
        for request in
            [Request::get("/api/roles"), Request::post("/api/roles", r#"{"name":"n","description":"d"}"#)]
        {
            logto.clear_recorded();
            logto.api_fault_times(1, Effect::body(407, kind, "<!doctype html>"));
            let answer = proxy.ask(&request).await;
            answer.assert_problem(502, "upstream_invalid");
            let text = answer.text();
            assert!(
                text.contains(says) && !text.contains("carried out") && !text.contains("`endpoint`"),
                "{text}"
            );
            assert_eq!(logto.api_requests_seen().len(), 1, "it is not sent again");
            let line = causes::line(&proxy, answer.value("x-request-id").expect("it has one")).await;
            assert!(line["cause"].as_str().is_some_and(|it| it.contains(says)), "{line}");
            assert!(line["remedy"].is_null(), "{line}");
        }
    }
    let last = &proxy.status().await["tenants"]["acme"]["upstream"]["last_error"];
    assert!(last["what"].as_str().is_some_and(|it| it.contains(says)) && last["remedy"].is_null(), "{last}");
}
