use http::{HeaderValue, Request};

use super::*;

/// Parses as a request of HTTP/1.1 with these values of `Claviger-Tenant`.
fn outcome(target: &str, tenants: &[&[u8]]) -> Result<String, TargetError> {
    outcome_of(Version::HTTP_11, target, tenants)
}

fn outcome_of(version: Version, target: &str, tenants: &[&[u8]]) -> Result<String, TargetError> {
    let mut request = Request::builder().uri(target).body(()).unwrap();
    for tenant in tenants {
        request.headers_mut().append(CLAVIGER_TENANT, HeaderValue::from_bytes(tenant).unwrap());
    }
    let target = super::target(request.uri(), version, request.headers())?;
    Ok(match target {
        Target::Api { tenant, path, query } => format!("api {tenant:?} {path} {query:?}"),
        Target::Token { tenant, .. } => format!("token {tenant:?}"),
        Target::Cloud { account, path, query, alias } => {
            format!("cloud {account:?} {path} {query:?} {alias:?}")
        }
    })
}

#[test]
fn the_path_says_what_and_for_whom() {
    for (target, expected) in [
        ("/api/users", "api None /api/users None"),
        ("/api", "api None /api None"),
        ("/api/", "api None /api/ None"),
        ("/api/users?page=1&a=%2F..%2f&a=2", "api None /api/users Some(\"page=1&a=%2F..%2f&a=2\")"),
        ("/api/users?", "api None /api/users Some(\"\")"),
        ("/api/users??", "api None /api/users Some(\"?\")"),
        ("/t/acme/api/users", "api Some(\"acme\") /api/users None"),
        ("/t/acme/api/t/x/api", "api Some(\"acme\") /api/t/x/api None"),
        ("/cloud/api/tenants?a=1", "cloud None /api/tenants Some(\"a=1\") None"),
        ("/cloud/eu/api/tenants", "cloud Some(\"eu\") /api/tenants None None"),
        ("/cloud/api/api/tenants", "cloud None /api/api/tenants None None"),
        ("/oidc/token", "token None"),
        ("/t/acme/oidc/token", "token Some(\"acme\")"),
        // Looked up as they are among the configured tenants, and not found there.
        ("/t/%61cme/api/users", "api Some(\"%61cme\") /api/users None"),
        ("/t/../api/users", "api Some(\"..\") /api/users None"),
    ] {
        assert_eq!(outcome(target, &[]).unwrap(), expected, "{target}");
    }
}

#[test]
fn anything_else_is_not_found() {
    for target in [
        "/",
        "/apix",
        "/API/users",
        "/api;x/users",
        "/api.",
        "/%61pi/users",
        "/api%2fusers",
        "/users",
        "/t",
        "/t/",
        "/t/acme",
        "/t/acme/",
        "/t/acme/users",
        "/t/acme/API/users",
        "/T/acme/api/users",
        "/t/acme/t/b/api/users",
        "/t/acme/../api/users",
        "/oidc",
        "/oidc/token/",
        "/oidc/tokens",
        "/oidc/auth",
        "/OIDC/token",
        "/oidc/./token",
        "/metrics",
        "/livez",
        "/authzz",
        "/cloud",
        "/cloud/",
        "/cloud/eu",
        "/cloud/eu/",
        "/cloud/apix/tenants",
        "/cloud/eu/oidc/token",
        "/cloud/oidc/token",
        "/t/acme/cloud/api/tenants",
        "/cloudy/api/tenants",
    ] {
        assert_eq!(outcome(target, &[]), Err(TargetError::NotFound), "{target}");
    }
    for target in ["//api/users", "//", "/t/acme//api/users"] {
        assert_eq!(outcome(target, &[]), Err(TargetError::TwoSlashes), "{target}");
    }
    for (target, tenant) in [
        ("/api/oidc/token", ""),
        ("/t/acme/api/oidc/token", "/t/acme"),
        ("/t/A%43ME/api/oidc/token", "/t/{tenant}"),
    ] {
        assert_eq!(
            outcome(target, &[]),
            Err(TargetError::TokenBelowApi { tenant: tenant.into() }),
            "{target}"
        );
    }
    for target in ["/t//api/users", "/t//oidc/token", "/cloud//api/tenants"] {
        assert_eq!(outcome(target, &[]), Err(TargetError::TenantEmpty), "{target}");
    }
    assert_eq!(outcome("/api/users", &[b""]), Err(TargetError::TenantEmpty));
    for target in ["/authz", "/authz/api/users", "/authz?x"] {
        assert_eq!(outcome(target, &[]), Err(TargetError::Authz), "{target}");
    }
}

#[test]
fn only_origin_form_is_taken() {
    for target in ["http://evil.example/api/users", "https://evil.example", "evil.example:443", "*"] {
        assert_eq!(outcome(target, &[]), Err(TargetError::NotOriginForm), "{target}");
    }
}

#[test]
fn in_http_2_every_request_has_a_scheme_and_an_authority() {
    let target = "https://claviger.internal/t/acme/api/users?x=1";
    let expected = "api Some(\"acme\") /api/users Some(\"x=1\")";
    assert_eq!(outcome_of(Version::HTTP_2, target, &[]).unwrap(), expected);
    assert_eq!(outcome_of(Version::HTTP_2, "evil.example:443", &[]), Err(TargetError::NotOriginForm));
}

#[test]
fn the_header_selects_a_tenant_and_may_not_contradict_the_path() {
    let api = |tenant| format!("api Some({tenant:?}) /api/users None");
    assert_eq!(outcome("/api/users", &[b"acme"]).unwrap(), api("acme"));
    assert_eq!(outcome("/t/acme/api/users", &[b"acme"]).unwrap(), api("acme"));
    assert_eq!(outcome("/oidc/token", &[b"acme"]).unwrap(), "token Some(\"acme\")");
    for contradiction in [b"beta".as_slice(), b"ACME", b"acme ", b"acme, acme", b""] {
        let outcome = outcome("/t/acme/api/users", &[contradiction]);
        assert_eq!(outcome, Err(TargetError::TenantConflict), "{contradiction:?}");
    }
    let create = "cloud None /api/tenants None Some(\"acme\")";
    assert_eq!(outcome("/cloud/api/tenants", &[b"acme"]).unwrap(), create, "the tenant's alias to be");
    assert_eq!(outcome("/api/users", &[b"acme", b"acme"]), Err(TargetError::TenantHeader));
    assert_eq!(outcome("/api/users", &[b"acme", b"beta"]), Err(TargetError::TenantHeader));
    assert_eq!(outcome("/api/users", &[b"\xe9"]), Err(TargetError::TenantHeader));
}

#[test]
fn links_lead_back_to_where_the_request_came() {
    for (path, expected) in [
        ("/api/users", ""),
        ("/t/acme/api/users", "/t/acme"),
        ("/t/acme", "/t/acme"),
        ("/cloud/api/tenants", "/cloud"),
        ("/cloud/eu/api/tenants", "/cloud/eu"),
        ("/cloudy/api", ""),
    ] {
        assert_eq!(mount(path), expected, "{path}");
    }
}

#[test]
fn a_query_cannot_split_the_request_line() {
    for query in ["a\x7f", "a b", "a\tb", "a\r\nHost: x", "a#b", "\0"] {
        assert!(splits_a_request_line(query), "{query:?}");
        assert!(http::Uri::try_from(format!("/api?{query}")).map_or(true, |uri| uri.query() == Some("a")));
    }
    for query in ["", "a=1&a=2", "a=%00%0d%23", "a=é", "?/\\;'\"[]"] {
        assert!(!splits_a_request_line(query), "{query:?}");
    }
}
