//! Discovery, keys and the public operations (facts 9.1, 10).
//!
//! Decides nothing about tokens. The discovery document follows the `Host`, except for its issuer (fact 1.3).

use http::{StatusCode, header};
use serde_json::json;

use crate::{answer::Answer, call::Call, errors::Outcome, jwt::Keys, openapi};

pub(crate) fn run(operation: &str, call: &mut Call<'_>) -> Option<Outcome> {
    let answer = match operation {
        "GetStatus" => Answer::no_content(),
        "GetSwaggerJson" | "GetWellKnownManagementOpenapiJson" => {
            Answer::ok(&openapi::management(&call.origin))
        }
        "GetWellKnownExperienceOpenapiJson" | "GetWellKnownUserOpenapiJson" => {
            Answer::ok(&openapi::other(&call.origin))
        }
        "GetSignInExperienceConfig" => Answer::ok(&json!({ "tenantId": call.store.tenant, "id": "default" })),
        _ => return None,
    };
    Some(Ok(answer))
}

pub(crate) fn jwks(keys: &Keys) -> Answer {
    Answer::json(StatusCode::OK, &keys.jwks())
        .with(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")
        .content_type("application/jwk-set+json; charset=utf-8")
        .with(header::CACHE_CONTROL, "no-cache, max-age=0, must-revalidate")
}

pub(crate) fn discovery(origin: &str, issuer: &str, algorithm: &str) -> Answer {
    let at = |path: &str| format!("{origin}/oidc{path}");
    Answer::ok(&json!({
        "authorization_endpoint": at("/auth"),
        "device_authorization_endpoint": at("/device/auth"),
        "claims_parameter_supported": false,
        "claims_supported": ["sub", "sid", "auth_time", "iss"],
        "code_challenge_methods_supported": ["S256"],
        "end_session_endpoint": at("/session/end"),
        "grant_types_supported": [
            "implicit", "authorization_code", "refresh_token", "client_credentials",
            "urn:ietf:params:oauth:grant-type:device_code", "urn:ietf:params:oauth:grant-type:token-exchange",
        ],
        "issuer": issuer,
        "jwks_uri": at("/jwks"),
        "authorization_response_iss_parameter_supported": true,
        "response_modes_supported": ["form_post", "fragment", "query"],
        "response_types_supported": ["code id_token", "code", "id_token", "none"],
        "scopes_supported": ["openid", "offline_access", "profile", "email", "phone", "address"],
        "subject_types_supported": ["public"],
        "token_endpoint_auth_methods_supported": [
            "client_secret_basic", "client_secret_jwt", "client_secret_post", "private_key_jwt", "none",
        ],
        "token_endpoint_auth_signing_alg_values_supported": ["HS256", "RS256", "PS256", "ES256", "Ed25519", "EdDSA"],
        "token_endpoint": at("/token"),
        "id_token_signing_alg_values_supported": [algorithm],
        "pushed_authorization_request_endpoint": at("/request"),
        "request_uri_parameter_supported": false,
        "userinfo_endpoint": at("/me"),
        "introspection_endpoint": at("/token/introspection"),
        "revocation_endpoint": at("/token/revocation"),
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
        "claim_types_supported": ["normal"],
    }))
    .with(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")
}
