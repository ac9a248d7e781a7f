//! Who may use the Management API (facts 2.1 to 2.5).
//!
//! Decides from the first `Authorization` header alone. It must never consult the store: a live token keeps working
//! after its role, secret or application is gone (fact 1.9).

use http::{HeaderMap, StatusCode, header};
use serde_json::{Map, Value};

use crate::{
    check,
    errors::ApiError,
    jwt::{self, Expected, Keys},
    record::TenantName,
    world::World,
};

/// Checks the bearer token of a request to `tenant`.
pub(crate) fn check(
    world: &World,
    tenant: TenantName,
    headers: &HeaderMap,
    now_ms: u64,
) -> Result<(), ApiError> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        let message = "Authorization header is missing.";
        return Err(unauthorized("auth.authorization_header_missing", message));
    };
    // The HTTP parser has cut the blank after an empty token.
    let value = String::from_utf8_lossy(value.as_bytes());
    let token = if value == "Bearer" { Some("") } else { value.strip_prefix("Bearer ") };
    let Some(token) = token else {
        let message = "Authorization type is not supported.";
        let data = serde_json::json!({ "supportedTypes": ["Bearer"] });
        return Err(unauthorized("auth.authorization_token_type_not_supported", message).data(&data));
    };
    let claims = verify(world, tenant, token, now_ms)?;
    if claims.get("sub").and_then(Value::as_str).unwrap_or_default().is_empty() {
        return Err(unauthorized("auth.jwt_sub_missing", "Missing `sub` in JWT."));
    }
    let scope = match claims.get("scope") {
        None => "",
        Some(Value::String(scope)) => scope.as_str(),
        Some(other) => {
            let issues = check::Issues::wrong_type("string", other);
            return Err(issues.attach(ApiError::unauthorized()));
        }
    };
    if !scope.split(' ').any(|word| word == "all") {
        let message = "Forbidden. Please check your user roles and permissions.";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "auth.forbidden", message));
    }
    Ok(())
}

fn verify(
    world: &World,
    tenant: TenantName,
    token: &str,
    now_ms: u64,
) -> Result<Map<String, Value>, ApiError> {
    // Tenant `default` trusts the keys of the admin tenant too, but not the other way round (fact 2.5).
    let own = [&world.default.keys, &world.admin.keys];
    let issuers = [world.default.issuer.as_str(), world.admin.issuer.as_str()];
    let (keys, issuers, audience): (&[&Keys], &[&str], &str) = match tenant {
        TenantName::Default => (&own, &issuers, &world.resource),
        TenantName::Admin => (&own[1..], &issuers[1..], "https://admin.logto.app/api"),
    };
    let expected = Expected { issuers, audience, now: now_ms / 1000 };
    jwt::verify(keys, token, &expected).map_err(|refusal| ApiError::unauthorized().data(&refusal))
}

fn unauthorized(code: &str, message: &str) -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, code, message)
}
