//! What a client asks the broker for, and how it finds the broker.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use serde_json::{Value, json};

use super::lending::aside;
use crate::support::{Logto, Proxy, Request, canary::MARK};

const SHOP: &str = "https://api.shop.example";

fn key(of: &str) -> String {
    format!("{MARK}key-of-{of}-0123456789")
}

/// Callers `sealed`, who gets our tokens, and `real`, who gets the upstream's; a tenant with another resource.
async fn proxy(logto: &Logto) -> Proxy {
    let mut builder = Proxy::builder().tenant("acme", logto).set(
        "tenants.acme.resources",
        format!("['{SHOP}', {{ resource = '{SHOP}/orders', scopes = ['all'] }}]"),
    );
    for caller in ["sealed", "real"] {
        builder = builder
            .set(&format!("callers.{caller}.identify"), format!("{{ api_key = '{}' }}", key(caller)))
            .set(&format!("callers.{caller}.policies"), "['all']");
    }
    builder.set("callers.real.issue", "'upstream'").start().await
}

/// The error, or what the token is for and how many seconds it lasts.
async fn ask(proxy: &Proxy, of: &str, rest: &str) -> (u16, Value) {
    let form = format!("grant_type=client_credentials&client_id={of}&client_secret={}{rest}", key(of));
    let answer = aside(proxy, &Request::form("/oidc/token", &form)).await;
    let json = answer.json();
    let said = match json["access_token"].as_str() {
        Some(token) if token.starts_with("cvt_") => json!("ours"),
        Some(token) => {
            let claims = token.split('.').nth(1).expect("a JWT");
            let claims: Value =
                serde_json::from_slice(&BASE64.decode(claims).expect("base64")).expect("JSON");
            claims["aud"].clone()
        }
        None => json["error"].clone(),
    };
    (answer.status, said)
}

#[tokio::test]
async fn b35_the_broker_gives_no_token_for_what_the_grant_does_not_name() {
    let logto = Logto::start().await;
    let proxy = proxy(&logto).await;
    for indicator in [SHOP, "https://other.example"] {
        let body = json!({ "name": indicator, "indicator": indicator });
        let made = proxy.ask(&Request::post("/api/resources", body.to_string())).await;
        assert_eq!(made.status, 201, "{}", made.text());
    }
    let own = "https://default.logto.app/api";
    for rest in ["", "&resource=https%3A%2F%2Fdefault.logto.app%2Fapi", "&scope=all", "&scope=&resource="] {
        assert_eq!(ask(&proxy, "sealed", rest).await, (200, json!("ours")), "{rest}");
        assert_eq!(ask(&proxy, "real", rest).await, (200, json!(own)), "{rest}");
    }
    // Some clients ask for what they mean to call: `/api` below their base URL. Only what calls this proxy may.
    for here in ["&resource=http%3A%2F%2Flocalhost%2Fapi", "&resource=http%3A%2F%2Flocalhost%2Fapi&scope=all"]
    {
        assert_eq!(ask(&proxy, "sealed", here).await, (200, json!("ours")), "{here}");
        assert_eq!(ask(&proxy, "real", here).await, (400, json!("invalid_target")), "{here}");
    }
    let grants = logto.token_requests();
    for (rest, error) in [
        ("&resource=https%3A%2F%2Fother.example", "invalid_target"),
        ("&resource=https%3A%2F%2Fdefault.logto.app%2Fapi%2F", "invalid_target"),
        (
            "&resource=https%3A%2F%2Fa.example&resource=https%3A%2F%2Fdefault.logto.app%2Fapi",
            "invalid_target",
        ),
        ("&resource=http%3A%2F%2Flocalhost%2Ft%2Fother%2Fapi", "invalid_target"),
        ("&resource=http%3A%2F%2Flocalhost%2Fapi%2F", "invalid_target"),
        ("&organization_id=org_1", "invalid_target"),
        ("&scope=openid", "invalid_scope"),
        ("&scope=all+read", "invalid_scope"),
        ("&resource=https%3A%2F%2Fapi.shop.example&scope=all", "invalid_scope"),
    ] {
        for caller in ["sealed", "real"] {
            let told = ask(&proxy, caller, rest).await;
            let ours = rest.contains("shop") && caller == "sealed";
            assert_eq!(told, (400, json!(if ours { "invalid_target" } else { error })), "{caller} {rest}");
        }
    }
    assert_eq!(logto.token_requests(), grants, "nobody was asked");
    let form = format!("grant_type=client_credentials&client_id=sealed&client_secret={}", key("sealed"));
    let told = aside(&proxy, &Request::form("/oidc/token", &format!("{form}&scope=users:read"))).await;
    let said = "`scope` names a scope that this caller's tokens do not have: they have \"all\". Leave it out: what the caller may do is in its \
                policies, whatever the scope.";
    assert_eq!(told.json()["detail"], said);
    let shop = "&resource=https%3A%2F%2Fapi.shop.example";
    assert_eq!(ask(&proxy, "real", shop).await, (200, json!(SHOP)));
    assert_eq!(ask(&proxy, "real", shop).await, (200, json!(SHOP)));
    assert_eq!(logto.token_requests(), grants + 1, "it has a place of its own in the cache");
    assert_eq!(ask(&proxy, "real", "").await, (200, json!(own)));
    assert_eq!(
        ask(&proxy, "sealed", shop).await,
        (400, json!("invalid_target")),
        "ours are good for one API"
    );
}

#[tokio::test]
async fn metadata_leads_to_the_broker() {
    let logto = Logto::start().await;
    let proxy = proxy(&logto).await;
    let base = "http://localhost";
    for (path, issuer, tenant) in [
        ("/.well-known/oauth-authorization-server", "", ""),
        ("/.well-known/oauth-authorization-server/t/acme", "/t/acme", "/t/acme"),
        ("/oidc/.well-known/openid-configuration", "/oidc", ""),
        ("/t/acme/oidc/.well-known/openid-configuration", "/t/acme/oidc", "/t/acme"),
        ("/t/acme/.well-known/oauth-authorization-server", "/t/acme", "/t/acme"),
        ("/t/nowhere/oidc/.well-known/openid-configuration", "/t/nowhere/oidc", "/t/nowhere"),
    ] {
        let answer = proxy.get(path).await;
        assert_eq!((answer.status, answer.value("content-type")), (200, Some("application/json")), "{path}");
        let expected = json!({
            "issuer": format!("{base}{issuer}"),
            "token_endpoint": format!("{base}{tenant}/oidc/token"),
            "response_types_supported": [],
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        });
        assert_eq!(answer.json(), expected, "{path}");
    }
    let posted = proxy.ask(&Request::post("/oidc/.well-known/openid-configuration", "{}")).await;
    posted.assert_problem(405, "method_not_allowed");
    assert_eq!(posted.value("allow"), Some("GET, HEAD"));
}

#[tokio::test]
async fn a_wrong_method_is_405_with_those_that_there_are_for_callers_alone() {
    let logto = Logto::start().await;
    let mut proxy = proxy(&logto).await;
    for (method, path, allow) in [
        ("PUT", "/api/users/x", "GET, HEAD, PATCH, DELETE"),
        ("DELETE", "/t/acme/api/roles", "GET, HEAD, POST"),
        ("TRACE", "/api/roles", "GET, HEAD, POST"),
    ] {
        let answer = proxy.ask(&Request::new(method, path)).await;
        answer.assert_problem(405, "method_not_allowed");
        assert_eq!(answer.value("allow"), Some(allow), "{method} {path}");
    }
    proxy.ask(&Request::new("PUT", "/api/nonsense")).await.assert_problem(404, "operation_unknown");
    assert_eq!(logto.api_requests(), 0);
    assert!(proxy.reload_with(|settings| settings.without("callers.local")).await);
    proxy.ask(&Request::new("PUT", "/api/users/x")).await.assert_problem(401, "caller_unknown");
}
