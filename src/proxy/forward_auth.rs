//! Forward authentication, `/authz`: for another proxy that asks whether a request may pass and with which token: nginx by
//! `X-Original-URI` and `X-Original-Method`, Envoy by the original method, and the original path behind `/authz`.
//! Reads the question and writes the answer; deciding is the pipeline's. Off unless the configuration says so,
//! because the answer holds an upstream token.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header, request::Parts};

use crate::{
    ids::{CallerName, TenantName},
    policy::ForwardAuthError,
    token::Token,
};

const PATH: &str = "/authz";
const ORIGINAL_URI: HeaderName = HeaderName::from_static("x-original-uri");
const ORIGINAL_METHOD: HeaderName = HeaderName::from_static("x-original-method");
const CALLER: HeaderName = HeaderName::from_static("claviger-caller");
const TENANT: HeaderName = HeaderName::from_static("claviger-tenant");
const OPERATION: HeaderName = HeaderName::from_static("claviger-operation");

/// Whether a request is a question of another proxy, good or bad.
pub(super) fn is_question(uri: &Uri) -> bool {
    uri.path().strip_prefix(PATH).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The request that a question is about.
///
/// # Errors
/// [`ForwardAuthError::Question`].
pub(super) fn question(head: &Parts) -> Result<Parts, ForwardAuthError> {
    let rest = head.uri.path().strip_prefix(PATH).ok_or(ForwardAuthError::Question)?;
    let (method, uri) = if rest.is_empty() {
        let method = one(&head.headers, &ORIGINAL_METHOD)?;
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| ForwardAuthError::Question)?;
        (method, one(&head.headers, &ORIGINAL_URI)?.to_owned())
    } else {
        let query = head.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        (head.method.clone(), format!("{rest}{query}"))
    };
    // What is parsed ends there, and the other proxy would send what follows.
    if uri.contains('#') {
        return Err(ForwardAuthError::Question);
    }
    let mut asked = head.clone();
    asked.version = http::Version::HTTP_11;
    asked.method = method;
    asked.uri = uri.parse::<Uri>().map_err(|_| ForwardAuthError::Question)?;
    Ok(asked)
}

fn one<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<&'h str, ForwardAuthError> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().map_err(|_| ForwardAuthError::Question),
        _ => Err(ForwardAuthError::Question),
    }
}

/// Yes, and with these header fields.
pub(super) fn answer(
    token: &Token,
    caller: &CallerName,
    tenant: &TenantName,
    operation: &'static str,
) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, token.header().clone());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(OPERATION, HeaderValue::from_static(operation));
    for (name, value) in [(CALLER, caller.as_str()), (TENANT, tenant.as_str())] {
        // A name is made of letters, digits and signs that a header takes.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(
        method: &str,
        uri: &str,
        headers: &[(&str, &str)],
    ) -> Result<Option<(Method, String)>, ForwardAuthError> {
        let mut request = http::Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        if !is_question(&head.uri) {
            return Ok(None);
        }
        question(&head).map(|head| Some((head.method, head.uri.to_string())))
    }

    #[test]
    fn nginx_asks_by_headers_and_envoy_by_path() {
        let yes = |method: Method, uri: &str| Ok(Some((method, uri.to_owned())));
        let original = [("x-original-uri", "/api/users?page=1"), ("x-original-method", "PATCH")];
        assert_eq!(asked("GET", "/authz", &original), yes(Method::PATCH, "/api/users?page=1"));
        assert_eq!(asked("GET", "/authz?x=1", &original), yes(Method::PATCH, "/api/users?page=1"));
        assert_eq!(asked("PATCH", "/authz/api/users?page=1", &[]), yes(Method::PATCH, "/api/users?page=1"));
        // What a client writes into these headers means nothing to Envoy.
        assert_eq!(
            asked("DELETE", "/authz/t/a/api/users/u", &original),
            yes(Method::DELETE, "/t/a/api/users/u")
        );
        assert_eq!(asked("GET", "/api/users", &original), Ok(None));
        assert_eq!(asked("GET", "/authzapi/users", &original), Ok(None));
    }

    #[test]
    fn half_a_question_or_two_are_none() {
        let uri = ("x-original-uri", "/api/users");
        let method = ("x-original-method", "GET");
        for headers in [
            &[][..],
            &[uri],
            &[method],
            &[uri, uri, method],
            &[uri, method, method],
            &[("x-original-uri", "/a b"), method],
            &[uri, ("x-original-method", "G T")],
        ] {
            assert_eq!(asked("GET", "/authz", headers), Err(ForwardAuthError::Question), "{headers:?}");
        }
    }
}
