//! The broker's tokens across restarts, replicas and rotations, without `broker.key`; and what they are not good for.

use crate::support::{Answer, Logto, Proxy, Request, canary::MARK, quoted};

fn key() -> String {
    format!("{MARK}key-of-bob-0123456789")
}

/// A proxy of tenants `acme` and `globex`, whose caller `bob` may use both, with these secrets of `acme`.
async fn replica(logto: &Logto, acme: &[&str]) -> Proxy {
    Proxy::builder()
        .tenant("acme", logto)
        .tenant("globex", logto)
        .set("tenants.acme.client_secret", secrets(acme))
        .set("tenants.globex.client_secret", quoted(format!("{MARK}secret-of-globex-0123456789")))
        .set("callers.bob.identify", format!("{{ api_key = '{}' }}", key()))
        .set("callers.bob.policies", "['all']")
        .set("callers.bob.tenants", "['*']")
        .without("callers.local")
        .start()
        .await
}

fn secrets(all: &[&str]) -> String {
    format!("[{}]", all.iter().map(quoted).collect::<Vec<_>>().join(", "))
}

async fn token(proxy: &Proxy, tenant: &str) -> String {
    let form = format!("grant_type=client_credentials&client_id=bob&client_secret={}", key());
    let answer = proxy.ask(&Request::form(&format!("/t/{tenant}/oidc/token"), &form)).await;
    answer.json()["access_token"].as_str().unwrap_or_else(|| panic!("{}", answer.text())).to_owned()
}

/// What the proxy says to a request that its policy refuses once it knows the caller: nothing is sent for it.
async fn known(proxy: &Proxy, tenant: &str, token: &str) -> Answer {
    let request = Request::new("POST", &format!("/t/{tenant}/api/applications/x/secrets"));
    proxy.ask(&request.header("Authorization", &format!("Bearer {token}"))).await
}

async fn assert_good(proxy: &Proxy, token: &str) {
    known(proxy, "acme", token).await.assert_problem(403, "not_permitted");
}

async fn assert_unknown(proxy: &Proxy, token: &str) {
    known(proxy, "acme", token).await.assert_problem(401, "caller_unknown");
}

#[tokio::test]
async fn b33_tokens_outlive_a_restart_and_are_good_on_a_replica_with_the_same_secrets() {
    let logto = Logto::start().await;
    let first = replica(&logto, &[logto.secret()]).await;
    let second = replica(&logto, &[logto.secret()]).await;
    let token = token(&first, "acme").await;
    assert_good(&second, &token).await;
    first.stop().await;
    let again = replica(&logto, &[logto.secret()]).await;
    assert_good(&again, &token).await;
    let request = Request::get("/api/roles").header("Authorization", &format!("Bearer {token}"));
    assert_eq!(again.ask(&request).await.status, 200, "also where the request names no tenant");
    let stranger = replica(&logto, &[&format!("{MARK}another-0123456789")]).await;
    assert_unknown(&stranger, &token).await;
}

#[tokio::test]
async fn b33_tokens_outlive_the_rotation_of_a_secret() {
    let logto = Logto::start().await;
    let (old, new) = (logto.secret().to_owned(), format!("{MARK}rotated-0123456789"));
    let mut proxy = replica(&logto, &[&old]).await;
    let before = token(&proxy, "acme").await;
    let other = token(&proxy, "globex").await;
    assert!(proxy.reload_with(|it| it.set("tenants.acme.client_secret", secrets(&[&new, &old]))).await);
    let after = token(&proxy, "acme").await;
    let restarted = replica(&logto, &[&new, &old]).await;
    for proxy in [&proxy, &restarted] {
        assert_good(proxy, &before).await;
        assert_good(proxy, &after).await;
        known(proxy, "globex", &other).await.assert_problem(403, "not_permitted");
    }
    assert!(proxy.reload_with(|it| it.set("tenants.acme.client_secret", secrets(&[&new]))).await);
    assert_good(&proxy, &before).await;
    assert_unknown(&replica(&logto, &[&new]).await, &before).await;
    assert_good(&replica(&logto, &[&new]).await, &after).await;
}

#[tokio::test]
async fn a_token_that_one_tenants_secret_seals_is_good_at_no_other_tenant() {
    let logto = Logto::start().await;
    let proxy = replica(&logto, &[logto.secret()]).await;
    let token = token(&proxy, "acme").await;
    let answer = known(&proxy, "globex", &token).await;
    answer.assert_problem(403, "not_permitted");
    assert!(answer.text().contains("issued for another tenant"), "{}", answer.text());
    assert_good(&proxy, &token).await;
}

#[tokio::test]
async fn b33_where_locality_is_enough_a_token_that_cannot_be_opened_is_ignored() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    let foreign = replica(&logto, &[&format!("{MARK}another-0123456789")]).await;
    let token = token(&foreign, "acme").await;
    for token in [token.as_str(), "cvt_", "cvt_AAAA", "anything"] {
        let request = Request::get("/api/roles").header("Authorization", &format!("Bearer {token}"));
        assert_eq!(proxy.ask(&request).await.status, 200, "{token}");
    }
}

/// The operator reads whose name was meant; the name that was sent may be anything, and is in no log.
#[tokio::test]
async fn a_client_id_that_is_nearly_a_callers_is_told_in_the_log_alone() {
    let logto = Logto::start().await;
    let proxy = replica(&logto, &["CANARY-held-secret-of-acme-0123456789"]).await;
    let meant = "client_id and client_secret are not a caller's name and key: client_id is no caller's (did you mean bob?)";
    for (id, is_told) in [("bobb", true), ("bob", false), (&*key(), false)] {
        let form = format!("grant_type=client_credentials&client_id={id}&client_secret={}x", key());
        let answer = proxy.ask(&Request::form("/t/acme/oidc/token", &form)).await;
        assert_eq!(answer.status, 401, "{}", answer.text());
        assert!(!answer.text().contains("did you mean"), "{}", answer.text());
        if is_told {
            proxy.logged(meant).await;
        }
    }
    assert_eq!(proxy.log().matches("did you mean").count(), 1);
    assert!(!proxy.log().contains("bobb"));
}

/// As who has read no documentation sends it: without a body, or with JSON as most APIs take it.
#[tokio::test]
async fn a_token_request_that_is_no_form_is_told_which_fields_to_send() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    let json = Request::post("/oidc/token", r#"{"grant_type":"client_credentials"}"#);
    for (request, error, what) in [
        (
            Request::new("POST", "/oidc/token"),
            "invalid_request",
            "The token request is not a form (application/x-www-form-urlencoded).",
        ),
        (json, "invalid_request", "The token request is not a form (application/x-www-form-urlencoded)."),
        (
            Request::form("/oidc/token", ""),
            "unsupported_grant_type",
            "The token broker issues tokens for grant_type=client_credentials only.",
        ),
    ] {
        let body = proxy.ask(&request).await.json();
        let said = format!(
            "{what} Send the fields grant_type=client_credentials, client_id (the caller's name) and client_secret (its API key) as a \
             form, not as JSON; the last two may come by HTTP Basic."
        );
        assert_eq!(
            (&body["error"], &body["error_description"]),
            (&error.into(), &said.into()),
            "{request:?}"
        );
    }
}

#[tokio::test]
async fn a_client_that_is_named_twice_is_told_to_send_one_of_them() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    let form = "grant_type=client_credentials&client_id=a&client_secret=b";
    let twice = Request::form("/oidc/token", form).header("Authorization", "Basic YTpi");
    let body = proxy.ask(&twice).await.json();
    let said = body["error_description"].as_str().unwrap_or_default();
    assert!(said.starts_with("The client must be named once: by HTTP Basic, "), "{said}");
    assert!(said.ends_with("or by client_assertion. Send one of them."), "{said}");
}

#[tokio::test]
async fn a_token_request_that_is_nearly_right_is_told_what_to_write() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    for (form, says) in [
        (
            "grant_type=client_credentials&scope=a&scope=b",
            "The token request names `scope` twice. Send it once; several scopes are one value with spaces between them.",
        ),
        (
            "grant_type=client_credentials&client_id=a&client_id=a",
            "The token request names `client_id` twice. Send it once.",
        ),
        (
            "grant_type=client_credentials&resource=a&resource=b",
            "A token is for one `resource`. Send it once.",
        ),
        (
            "grant_type=client_credentials&client_assertion=x",
            "client_assertion must be a JWT, with client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer. Send both, or \
             neither.",
        ),
    ] {
        let body = proxy.ask(&Request::form("/oidc/token", form)).await.json();
        assert_eq!(body["error_description"], says, "{form}");
    }
}

#[tokio::test]
async fn a_form_that_does_not_arrive_is_not_called_something_else() {
    let logto = Logto::start().await;
    let proxy = Proxy::builder().tenant("acme", &logto).set("timeouts.form", "'100ms'").start().await;
    let mut client = proxy.connect().await;
    let head = "POST /oidc/token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n\r\n";
    client.write(head.as_bytes()).await.expect("it is read");
    let answer = client.read_to_end().await;
    let text = String::from_utf8_lossy(&answer);
    assert!(
        text.contains(
            "The form of the token request did not arrive whole within `timeouts.form`. Send as many bytes as Content-Length says, at once."
        ),
        "{text}"
    );
}

/// Followed to the letter, the remedy works; it is the same for every credential that is wrong.
#[tokio::test]
async fn a_client_that_asks_for_a_token_the_wrong_way_is_told_the_right_one() {
    let logto = Logto::start().await;
    let proxy = replica(&logto, &[logto.secret()]).await;
    let form = "grant_type=client_credentials";
    let token = || Request::form("/t/acme/oidc/token", form);
    let basic = |secret: &str| {
        let encoded =
            base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("bob:{secret}"));
        format!("Basic {encoded}")
    };
    let bearer = token().header("Authorization", &format!("Bearer {}", key()));
    let wrong = token().header("Authorization", &basic("wrong-0123456789"));
    for request in [bearer, wrong, token().header("Claviger-Key", "wrong-0123456789"), token()] {
        let answer = proxy.ask(&request).await;
        assert_eq!(answer.outcome(), (401, "claviger.caller_unknown".to_owned()));
        let text = answer.text();
        assert!(text.contains("as `client_id` and its API key as `client_secret`"), "{text}");
        assert!(text.contains("`-u NAME:KEY`") && !text.contains("Bearer"), "{text}");
    }
    proxy.logged("the Authorization of a token request is not HTTP Basic with a name and a key").await;
    for right in [token().header("Authorization", &basic(&key())), token().header("Claviger-Key", &key())] {
        assert_eq!(proxy.ask(&right).await.status, 200);
    }
}
