//! From a request to its answer: Host, path, method, token, body, operation, in Logto's order (facts 2.6, 3).
//!
//! Decides which part of Logto answers. It must never write to the socket or apply a fault.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};

use crate::{
    answer::{Answer, Family},
    auth,
    body::{self, Parsed, Refused},
    call::Call,
    errors::ApiError,
    oidc_error::OidcError,
    operations,
    paging::Query,
    received::Received,
    record::TenantName,
    routes::{self, Found, Route},
    shared::Shared,
    token, well_known,
};

/// The tenant that the `Host` chooses: only the admin authority leads elsewhere (fact 3.1).
pub(crate) fn tenant(shared: &Shared, headers: &HeaderMap) -> TenantName {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let host = host.to_ascii_lowercase();
    let admin = shared.admin_authority.as_ref().is_some_and(|name| *name == host);
    if admin && host != shared.authority { TenantName::Admin } else { TenantName::Default }
}

pub(crate) fn answer(shared: &Shared, received: Received<'_>) -> Answer {
    let host = received.headers.get(header::HOST).map(HeaderValue::as_bytes);
    let Some(host) = host.or((received.version == Version::HTTP_10).then_some(b"")) else {
        return Answer::raw(StatusCode::BAD_REQUEST).with(header::CONNECTION, "close");
    };
    if received.uri.scheme().is_some() || received.uri.path() == "*" {
        // Fact 3.3: an absolute-form target, or `OPTIONS *`.
        return Answer::text(StatusCode::INTERNAL_SERVER_ERROR);
    }
    let expect = received.headers.get(header::EXPECT).map(HeaderValue::as_bytes);
    if expect.is_some_and(|value| !value.eq_ignore_ascii_case(b"100-continue")) {
        return Answer::raw(StatusCode::EXPECTATION_FAILED);
    }
    if host.contains(&b' ') {
        let detail = "Cannot read properties of undefined (reading 'get')";
        return ApiError::invalid_input(detail).into_answer();
    }
    let origin = format!("http://{}", String::from_utf8_lossy(host));
    let path = received.uri.path();
    if let Some(account) = shared.account.as_ref().filter(|_| path.starts_with("/api/")) {
        return account.answer(&received, shared.now_ms()).unwrap_or_else(|| {
            shared.recorder.surprise(received.number, "a path that the emulated Cloud API does not have");
            Answer::text(StatusCode::NOT_FOUND)
        });
    }
    match path {
        "/api" => Answer::text(StatusCode::NOT_FOUND),
        _ if path.starts_with("/api/") => api(shared, &received, origin),
        _ if path == "/oidc" || path.starts_with("/oidc/") => oidc(shared, &received, &origin),
        _ if path.starts_with("/.well-known/oauth-authorization-server") => {
            Answer::text(StatusCode::NOT_FOUND).family(Family::NoOrigin)
        }
        _ => {
            shared.recorder.surprise(received.number, "a path outside /api and /oidc");
            page(&received, &origin)
        }
    }
}

/// The sign-in pages answer everything that is left (fact 3.4).
fn page(received: &Received<'_>, origin: &str) -> Answer {
    if received.uri.path() == "/" {
        let location = format!("{origin}/unknown-session");
        return Answer::html(StatusCode::FOUND, "Redirecting to /unknown-session.")
            .with(header::LOCATION, location);
    }
    Answer::html(StatusCode::OK, "<!doctype html><html><body>sign-in experience</body></html>")
        .with(HeaderName::from_static("logto-static-package"), "experience")
        .with(header::CACHE_CONTROL, "no-cache, no-store, must-revalidate")
}

fn oidc(shared: &Shared, received: &Received<'_>, origin: &str) -> Answer {
    let path = received.uri.path().strip_prefix("/oidc").unwrap_or_default();
    let path = path.strip_suffix('/').unwrap_or(path);
    match (received.method, path) {
        (&Method::POST, "/token") => token::answer(shared, received, origin),
        (&Method::OPTIONS, "/token") => token::preflight(received.headers),
        (&Method::POST, "/token/introspection") => {
            token::structured("introspected", "introspection").with(header::CACHE_CONTROL, "no-store")
        }
        (&Method::POST, "/token/revocation") => token::structured("revoked", "revocation"),
        (&Method::GET | &Method::HEAD, "/jwks") => {
            let world = shared.world();
            well_known::jwks(&world.tenant(received.tenant).keys)
        }
        (
            &Method::GET | &Method::HEAD,
            "/.well-known/openid-configuration" | "/.well-known/oauth-authorization-server",
        ) => {
            let world = shared.world();
            let tenant = world.tenant(received.tenant);
            well_known::discovery(origin, &tenant.issuer, tenant.keys.algorithm())
        }
        (method, _) => {
            shared.recorder.surprise(received.number, "an OIDC route that no proxy needs");
            let description = format!("unrecognized route or not allowed method ({method} on {path})");
            OidcError::new(StatusCode::NOT_FOUND, "invalid_request", &description)
                .into_answer(received.uri.query())
                .family(Family::NoOrigin)
        }
    }
}

fn api(shared: &Shared, received: &Received<'_>, origin: String) -> Answer {
    let path = received.uri.path();
    let own_origin = received.headers.get(header::ORIGIN).and_then(|value| value.to_str().ok());
    let admin = shared.admin_authority.as_ref().map(|name| format!("http://{name}"));
    let allowed = own_origin.filter(|origin| admin.as_deref() == Some(*origin));
    let mut answer = match routed(shared, received, path, allowed) {
        Ok((route, params)) => operation(shared, received, route, params, origin),
        Err(answer) => answer,
    };
    if let Some(allowed) = allowed {
        answer = answer.with(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        if *received.method != Method::OPTIONS {
            answer = answer.with(header::ACCESS_CONTROL_EXPOSE_HEADERS, "*");
        }
    }
    answer
}

/// The operation, or the answer that routing alone gives; a token is not looked at yet (fact 2.6).
fn routed(
    shared: &Shared,
    received: &Received<'_>,
    path: &str,
    allowed_origin: Option<&str>,
) -> Result<(&'static Route, Vec<String>), Answer> {
    for prefix in ["/api/my-account", "/api/verifications"] {
        if path == prefix || path.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/')) {
            // Fact 2.10: these take a user's opaque token.
            shared.recorder.surprise(received.number, "a route of the account API");
            let answer = ApiError::unauthorized().into_answer();
            let answer = answer.with(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
            return Err(answer.with(header::ACCESS_CONTROL_EXPOSE_HEADERS, "*"));
        }
    }
    let method = received.method;
    let known = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    match (routes::find(method, path), method) {
        (Found::Operation { route, params }, _) => Ok((route, params)),
        (Found::Path(_), &Method::OPTIONS) if allowed_origin.is_some() => {
            let asked = received.headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS);
            let asked = asked.and_then(|value| value.to_str().ok()).unwrap_or_default();
            Err(Answer::no_content()
                .with(header::ACCESS_CONTROL_ALLOW_METHODS, "GET,HEAD,PUT,POST,DELETE,PATCH")
                .with(header::ACCESS_CONTROL_ALLOW_HEADERS, asked))
        }
        (Found::Path(allow), &Method::OPTIONS) => {
            Err(Answer::text(StatusCode::OK).without_body().with(header::ALLOW, allow))
        }
        (Found::Path(allow), _) => {
            shared.recorder.surprise(received.number, "a method that the path does not have");
            let status = if known.contains(method) {
                StatusCode::METHOD_NOT_ALLOWED
            } else {
                StatusCode::NOT_IMPLEMENTED
            };
            Err(Answer::text(status).with(header::ALLOW, allow))
        }
        (Found::Nothing, _) => {
            shared.recorder.surprise(received.number, "a path that no operation has");
            Err(Answer::text(StatusCode::NOT_FOUND))
        }
    }
}

fn operation(
    shared: &Shared,
    received: &Received<'_>,
    route: &'static Route,
    params: Vec<String>,
    origin: String,
) -> Answer {
    let now = shared.now_ms();
    let mut world = shared.world();
    if route.guarded
        && let Err(error) = auth::check(&world, received.tenant, received.headers, now)
    {
        return error.into_answer();
    }
    let reads_body = !matches!(*received.method, Method::GET | Method::HEAD | Method::DELETE);
    let parsed = if reads_body { received.payload.parse(received.headers) } else { Ok(Parsed::Absent) };
    let parsed = match parsed {
        Ok(parsed) => parsed,
        Err(Refused::TooLarge) => {
            shared.recorder.surprise(received.number, "a body over Logto's limit");
            return Answer::text(StatusCode::NOT_FOUND);
        }
        Err(Refused::Error(error)) => return refused(shared, received.number, error),
    };
    let query = Query::parse(received.uri.query().unwrap_or_default());
    let nul = params.iter().any(|param| param.contains('\0'))
        || query.pairs().any(|(_, value)| value.contains('\0'))
        || matches!(&parsed, Parsed::Value(value) if body::holds_nul(value));
    if nul {
        return ApiError::internal().into_answer();
    }
    let tenant = world.tenant_mut(received.tenant);
    let path = received.uri.path().strip_prefix("/api").unwrap_or_default().to_owned();
    let mut call = Call {
        store: &mut tenant.store,
        keys: &mut tenant.keys,
        route,
        params,
        query,
        parsed,
        now,
        origin,
        path,
    };
    operations::run(&mut call).unwrap_or_else(|error| refused(shared, received.number, error))
}

fn refused(shared: &Shared, number: usize, error: ApiError) -> Answer {
    if let Some(reason) = error.own_reason() {
        shared.recorder.surprise(number, reason);
    }
    error.into_answer()
}
