//! A request as it is told from others: by digests alone, so that no store holds a key, a path or a body.

use http::{HeaderValue, header, request::Parts, uri::PathAndQuery};

use super::key::Key;
use crate::{
    ids::{CallerName, TenantName},
    secret::Fingerprint,
};

/// What a request asks for under its key.
#[derive(Debug)]
pub struct Asked<'a> {
    /// Whose key it is.
    pub caller: &'a CallerName,
    /// Where: a caller's key at one tenant is none at another.
    pub tenant: &'a TenantName,
    /// The tenant's endpoint: another Logto under the same alias knows nothing of the first request.
    pub endpoint: &'a str,
    /// The key.
    pub key: &'a Key,
    /// Method and Content-Type.
    pub head: &'a Parts,
    /// The canonical path with the query.
    pub target: &'a PathAndQuery,
    /// All of it.
    pub body: &'a [u8],
}

/// The digests of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digests {
    /// Of the caller, the tenant and the key: a repeat has the same.
    pub scope: [u8; 32],
    /// Of what is asked for: a repeat has the same, or the key was used for something else.
    pub content: [u8; 32],
}

impl Asked<'_> {
    /// Its digests.
    pub fn digests(&self) -> Digests {
        let types = self.head.headers.get_all(header::CONTENT_TYPE).iter();
        let content_type = types.map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b"\n"[..]);
        let target = self.target.as_str().as_bytes();
        Digests {
            scope: digest([
                self.caller.as_str().as_bytes(),
                self.tenant.as_str().as_bytes(),
                self.endpoint.as_bytes(),
                self.key.as_bytes(),
            ]),
            content: digest([self.head.method.as_str().as_bytes(), target, &content_type, self.body]),
        }
    }
}

fn digest<const N: usize>(values: [&[u8]; N]) -> [u8; 32] {
    let mut fingerprint = Fingerprint::default();
    values.into_iter().for_each(|value| fingerprint.add(value));
    *fingerprint.digest().as_bytes()
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method, Request};

    use super::*;
    use crate::headers;

    fn digests(caller: &str, tenant: &str, key: &'static str, path: &'static str, body: &str) -> Digests {
        let mut headers = HeaderMap::new();
        headers.insert(headers::IDEMPOTENCY_KEY, HeaderValue::from_static(key));
        let (mut head, ()) = Request::new(()).into_parts();
        (head.method, head.headers) = (Method::POST, headers);
        let (caller, tenant) = (CallerName::parse(caller).unwrap(), TenantName::parse(tenant).unwrap());
        Asked {
            caller: &caller,
            tenant: &tenant,
            endpoint: "https://acme.logto.app",
            key: &Key::of(&head.method, &head.headers).unwrap().unwrap(),
            head: &head,
            target: &PathAndQuery::from_static(path),
            body: body.as_bytes(),
        }
        .digests()
    }

    #[test]
    fn a_key_is_its_callers_own_at_one_tenant_and_for_one_request() {
        let one = digests("a", "t", "k", "/api/users", "{}");
        assert_eq!(digests("a", "t", "k", "/api/users", "{}"), one);
        for other in ["b", "ak"] {
            assert_ne!(digests(other, "t", "k", "/api/users", "{}").scope, one.scope);
        }
        assert_ne!(digests("a", "u", "k", "/api/users", "{}").scope, one.scope);
        assert_ne!(digests("a", "t", "l", "/api/users", "{}").scope, one.scope);
        for (path, body) in [("/api/users?a", "{}"), ("/api/roles", "{}"), ("/api/users", "{ }")] {
            let other = digests("a", "t", "k", path, body);
            assert!(other.scope == one.scope && other.content != one.content, "{path} {body}");
        }
    }
}
