//! Which part of Claviger a request is for, and for which tenant: read from the request target and the
//! `Claviger-Tenant` header. Decides nothing about permission, and does not look inside the Management API path
//! (that is `path`'s work); the tenant is the caller's text until it is looked up among those configured.

use http::{HeaderMap, HeaderName, Uri, Version};

/// The header that selects a tenant.
pub const TENANT: HeaderName = HeaderName::from_static("claviger-tenant");

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'r> {
    /// `/api/…` or `/t/{tenant}/api/…`: the Management API.
    Api {
        /// As the caller wrote it; `None`: the caller's default.
        tenant: Option<&'r str>,
        /// From `/api` on, as it came.
        path: &'r str,
        /// What follows `?`, to go upstream byte for byte.
        query: Option<&'r str>,
    },
    /// `/oidc/token` or `/t/{tenant}/oidc/token`: the token broker.
    Token {
        /// As the caller wrote it; `None`: the caller's default.
        tenant: Option<&'r str>,
    },
}

/// Why a request is for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// 404 `claviger.not_found`
    #[error("no such path here: the Management API is below /api, the token broker is /oidc/token")]
    NotFound,
    /// 404 `claviger.not_found`: the same, for whoever sets up another proxy.
    #[error("/authz answers nobody here: it is off, unless the operator sets authz.enabled = true")]
    Authz,
    /// 400: `GET http://host/path`, `CONNECT host:port`, `OPTIONS *` (RFC 9112 section 3.2).
    #[error("the request target is not a path that begins with \"/\"")]
    NotOriginForm,
    /// 400
    #[error("the query holds a control character, a space or \"#\"")]
    Query,
    /// 400: more than one `Claviger-Tenant`, or one that is not text.
    #[error("the Claviger-Tenant header is to be one name")]
    TenantHeader,
    /// 400: two answers to one question.
    #[error("the path and the Claviger-Tenant header name different tenants")]
    TenantConflict,
}

/// Reads a request's target.
///
/// # Errors
/// [`TargetError`], each with the status it is answered with.
pub fn parse<'r>(uri: &'r Uri, version: Version, headers: &'r HeaderMap) -> Result<Target<'r>, TargetError> {
    // From HTTP/2 on every request carries its scheme and authority beside the path.
    let pseudo_headers = version >= Version::HTTP_2;
    if !uri.path().starts_with('/')
        || !pseudo_headers && (uri.scheme().is_some() || uri.authority().is_some())
    {
        return Err(TargetError::NotOriginForm);
    }
    let query = uri.query();
    if query.is_some_and(splits_a_request_line) {
        return Err(TargetError::Query);
    }
    let (in_path, path) = match uri.path().strip_prefix("/t/") {
        Some(rest) => {
            let end = rest.find('/').ok_or(TargetError::NotFound)?;
            (Some(&rest[..end]), &rest[end..])
        }
        None => (None, uri.path()),
    };
    let is_api = path.strip_prefix("/api").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if path.strip_prefix("/authz").is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
        return Err(TargetError::Authz);
    }
    if !is_api && path != "/oidc/token" {
        return Err(TargetError::NotFound);
    }
    let tenant = match (in_path, tenant_header(headers)?) {
        (Some(path), Some(header)) if path != header => return Err(TargetError::TenantConflict),
        (path, header) => path.or(header),
    };
    if is_api { Ok(Target::Api { tenant, path, query }) } else { Ok(Target::Token { tenant }) }
}

/// `http` refuses all of these by itself; this proxy does not rest on that alone.
fn splits_a_request_line(query: &str) -> bool {
    query.bytes().any(|b| b <= b' ' || matches!(b, b'#' | 0x7F))
}

fn tenant_header(headers: &HeaderMap) -> Result<Option<&str>, TargetError> {
    let mut values = headers.get_all(TENANT).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| TargetError::TenantHeader),
        (Some(_), Some(_)) => Err(TargetError::TenantHeader),
    }
}

#[cfg(test)]
mod tests;
