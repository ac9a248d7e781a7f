//! Authorization-server metadata (RFC 8414, and OpenID Connect's form of it), so that clients which discover their token
//! endpoint find the broker. It is the same for every tenant, known or not, says nothing that is not in the request or
//! in the manual, and needs no credential.

use bytes::Bytes;
use http::{HeaderValue, Method, Response, header, request::Parts};

use crate::{
    config::Config,
    ids::TenantName,
    policy::target::TargetError,
    reply::{Base, Body},
};

const OAUTH: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";

/// The issuer that is asked about, by its path: empty, `/oidc`, `/t/{tenant}` or `/t/{tenant}/oidc`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Issuer<'r> {
    path: &'r str,
    /// The tenant that is in it.
    tenant: Option<&'r str>,
}

impl<'r> Issuer<'r> {
    /// The issuer whose metadata is at `path`: before the issuer's path (RFC 8414 section 3.1) or behind it.
    pub(super) fn of(path: &'r str) -> Option<Self> {
        let issuer = path
            .strip_prefix(OAUTH)
            .or_else(|| path.strip_suffix(OAUTH))
            .or_else(|| path.strip_suffix(OPENID))?;
        let short = issuer.strip_suffix("/oidc").unwrap_or(issuer);
        let tenant = match short.strip_prefix("/t/") {
            Some(name) => Some(TenantName::parse(name).ok().map(|_| name)?),
            None if short.is_empty() => None,
            None => return None,
        };
        Some(Self { path: issuer, tenant })
    }

    /// The document.
    ///
    /// # Errors
    /// [`TargetError::Read`] for anything but GET and HEAD.
    pub(super) fn answer(
        self,
        head: &Parts,
        base: Base<'_>,
        config: &Config,
    ) -> Result<Response<Body>, TargetError> {
        if head.method != Method::GET && head.method != Method::HEAD {
            return Err(TargetError::Read);
        }
        let base = Base { mount: "", ..base }.to_string();
        let tenant = self.tenant.map(|name| format!("/t/{name}")).unwrap_or_default();
        let mut document = serde_json::json!({
            "issuer": format!("{base}{}", self.path),
            "token_endpoint": format!("{base}{tenant}/oidc/token"),
            "response_types_supported": [],
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        });
        if !config.issuers.is_empty() {
            let mut algorithms: Vec<_> = config.issuers.iter().flat_map(|it| &it.algorithms).collect();
            algorithms.sort_unstable_by_key(|algorithm| algorithm.as_str());
            algorithms.dedup();
            let methods = ["client_secret_basic", "client_secret_post", "private_key_jwt"];
            document["token_endpoint_auth_methods_supported"] = serde_json::json!(methods);
            document["token_endpoint_auth_signing_alg_values_supported"] = serde_json::json!(algorithms);
        }
        let mut response = Response::new(Body::whole(Bytes::from(document.to_string())));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_before_the_issuers_path_or_behind_it() {
        let of = |path| Issuer::of(path).map(|issuer| (issuer.path, issuer.tenant));
        assert_eq!(of("/.well-known/oauth-authorization-server"), Some(("", None)));
        assert_eq!(of("/oidc/.well-known/openid-configuration"), Some(("/oidc", None)));
        assert_eq!(of("/t/acme/oidc/.well-known/openid-configuration"), Some(("/t/acme/oidc", Some("acme"))));
        assert_eq!(of("/.well-known/oauth-authorization-server/t/acme"), Some(("/t/acme", Some("acme"))));
        assert_eq!(of("/t/acme/.well-known/oauth-authorization-server"), Some(("/t/acme", Some("acme"))));
        for none in [
            "/",
            "/api/.well-known/openid-configuration",
            "/t/a%22/.well-known/openid-configuration",
            "/t/a/b/.well-known/openid-configuration",
            "/.well-known/oauth-authorization-server/x",
            "/.well-known/oauth-authorization-servers",
        ] {
            assert_eq!(of(none), None, "{none}");
        }
    }
}
