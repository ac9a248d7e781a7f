//! The one router: which part of Claviger a request is for, and for which tenant, from the request target and the
//! `Claviger-Tenant` header. Decides nothing about permission, and does not look inside the Management API path.

use http::{HeaderMap, Uri, Version, request::Parts};

use super::{discovery::Issuer, forward_auth};
use crate::{
    catalog::{Catalog, Meant, Slip},
    headers::CLAVIGER_TENANT,
    ids::TenantName,
    policy::{
        Asked,
        target::{Target, TargetError},
    },
};

/// What is to be done with a request.
#[derive(Debug)]
pub(super) enum Route<'r> {
    /// Forward it: an operation of the Management API.
    Api(Target<'r>),
    /// Forward it: an operation of the Logto Cloud API.
    Cloud(Target<'r>),
    /// Answer it with a token.
    Token,
    /// Answer it with where the token broker is.
    Discovery(Issuer<'r>),
    /// Tell another proxy whether it may send a request, and with which token.
    ForwardAuth,
}

impl<'r> Route<'r> {
    /// The route of a request; `forward_auth`: whether questions of other proxies are answered (`authz.enabled`).
    ///
    /// # Errors
    /// [`TargetError`], each with the status it is answered with.
    pub(super) fn of(head: &'r Parts, forward_auth: bool) -> Result<Self, TargetError> {
        if forward_auth && forward_auth::is_question(&head.uri) {
            return Ok(Self::ForwardAuth);
        }
        let target = match target(&head.uri, head.version, &head.headers) {
            Err(TargetError::NotFound) => {
                let path = head.uri.path();
                return Issuer::of(path).map(Self::Discovery).ok_or_else(|| match not_found(path) {
                    TargetError::NotFound if forward_auth => TargetError::NotFoundNorAuthz,
                    other => other,
                });
            }
            other => other?,
        };
        Ok(match target {
            Target::Api { .. } => Self::Api(target),
            Target::Cloud { .. } => Self::Cloud(target),
            Target::Token { .. } => Self::Token,
        })
    }
}

/// Reads a request's target.
///
/// # Errors
/// [`TargetError`], each with the status it is answered with.
pub fn target<'r>(uri: &'r Uri, version: Version, headers: &'r HeaderMap) -> Result<Target<'r>, TargetError> {
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
    if let Some(rest) = uri.path().strip_prefix("/cloud").filter(|rest| rest.starts_with('/')) {
        let (account, path) = if is_api(rest) { (None, rest) } else { named(&rest[1..])? };
        if !is_api(path) {
            return Err(TargetError::NotFound);
        }
        if account == Some("") {
            return Err(TargetError::TenantEmpty);
        }
        return Ok(Target::Cloud { account, path, query, alias: tenant_header(headers)? });
    }
    let (in_path, path) = match uri.path().strip_prefix("/t/") {
        Some(rest) => named(rest)?,
        None => (None, uri.path()),
    };
    let is_api = is_api(path);
    if path.strip_prefix("/authz").is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
        return Err(TargetError::Authz);
    }
    if path.starts_with("//") {
        return Err(TargetError::TwoSlashes);
    }
    if path == "/api/oidc/token" {
        return Err(TargetError::TokenBelowApi { tenant: at(in_path) });
    }
    if !is_api && path != "/oidc/token" {
        return Err(TargetError::NotFound);
    }
    let tenant = match (in_path, tenant_header(headers)?) {
        (Some(path), Some(header)) if path != header => return Err(TargetError::TenantConflict),
        (path, header) => path.or(header),
    };
    if tenant == Some("") {
        return Err(TargetError::TenantEmpty);
    }
    if is_api {
        Ok(Target::Api { tenant, path, query })
    } else {
        Ok(Target::Token { tenant, asked: Asked::default() })
    }
}

/// What stands before `/api`, or before the path of the broker, where the request was routed.
pub(super) fn mount(path: &str) -> &str {
    let end = |from: usize| path[from..].find('/').map_or(path.len(), |at| from + at);
    match path {
        _ if path.starts_with("/t/") => &path[..end(3)],
        _ if !path.starts_with("/cloud/") => "",
        _ if is_api(&path[6..]) => &path[..6],
        _ => &path[..end(7)],
    }
}

/// The name that a path begins with, and the rest.
fn named(path: &str) -> Result<(Option<&str>, &str), TargetError> {
    let end = path.find('/').ok_or(TargetError::NotFound)?;
    Ok((Some(&path[..end]), &path[end..]))
}

fn is_api(path: &str) -> bool {
    path.strip_prefix("/api").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What the admin listener answers, and the names under which others are asked for the same.
const OF_ADMIN: [(&str, &str); 12] = [
    ("/livez", "/livez"),
    ("/readyz", "/readyz"),
    ("/startupz", "/startupz"),
    ("/metrics", "/metrics"),
    ("/status", "/status"),
    ("/config", "/config"),
    ("/events", "/events"),
    ("/matrix", "/matrix"),
    ("/explain", "/explain"),
    ("/health", "/livez"),
    ("/healthz", "/livez"),
    ("/ready", "/readyz"),
];

/// How a path of a tenant begins whose name is not known.
const UNNAMED: &str = "/t/{tenant}";

/// How a path of this tenant begins; what is no name is not repeated.
fn at(tenant: Option<&str>) -> Box<str> {
    let Some(tenant) = tenant else { return Box::default() };
    TenantName::parse(tenant).map_or_else(|_| UNNAMED.into(), |name| format!("/t/{name}").into())
}

/// What to say of a path that is nothing here.
fn not_found(path: &str) -> TargetError {
    if let Some((asked, path)) = OF_ADMIN.iter().find(|(asked, _)| *asked == path) {
        return TargetError::OfAdmin { asked, path };
    }
    let (tenant, path) = match path.strip_prefix("/t/").and_then(|rest| named(rest).ok()) {
        Some((tenant, rest)) => (at(tenant), rest),
        None => (at(None), path),
    };
    if path.trim_end_matches('/').eq_ignore_ascii_case("/oidc/token") {
        return TargetError::Meant { slip: None, tenant, path: "/oidc/token" };
    }
    let api = Catalog::logto();
    if let Some(Meant { template: path, slip: Slip::PrefixMissing }) = api.meant(path) {
        return TargetError::Meant { slip: Some("/api is missing"), tenant, path };
    }
    let (first, rest) =
        path.get(1..).and_then(|rest| rest.find('/')).map_or((path, ""), |end| path.split_at(1 + end));
    if first.eq_ignore_ascii_case("/api")
        && let Some(meant) = api.meant(&format!("/api{rest}"))
    {
        return TargetError::Meant { slip: None, tenant, path: meant.template };
    }
    if tenant.is_empty()
        && is_api(rest)
        && let Some(meant) = api.meant(rest)
    {
        const SLIP: &str = "in front of /api stands nothing, or /t/ and the name of a tenant";
        return TargetError::Meant { slip: Some(SLIP), tenant: UNNAMED.into(), path: meant.template };
    }
    TargetError::NotFound
}

/// `http` refuses all of these by itself; this proxy does not rest on that alone.
fn splits_a_request_line(query: &str) -> bool {
    query.bytes().any(|b| b <= b' ' || matches!(b, b'#' | 0x7F))
}

fn tenant_header(headers: &HeaderMap) -> Result<Option<&str>, TargetError> {
    let mut values = headers.get_all(CLAVIGER_TENANT).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| TargetError::TenantHeader),
        (Some(_), Some(_)) => Err(TargetError::TenantHeader),
    }
}

#[cfg(test)]
mod tests;
