//! What two requests must have in common to be given the same answer: the tenant as it is configured, the token, the target byte for byte,
//! what is masked, and the few headers that Logto may answer by. A request that has others that could change the answer has no
//! key: it goes on its own.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use http::{HeaderMap, HeaderValue, header, uri::PathAndQuery};

use crate::{
    catalog::Secrets,
    headers,
    limit::Admitted,
    policy::{PermittedOperation, TokenSpec},
    upstream::Tenant,
};

/// The headers that Logto may answer by, beside those with which a request goes on its own.
const VARIANTS: [header::HeaderName; COUNT] = [header::ACCEPT, header::ACCEPT_LANGUAGE, header::CONTENT_TYPE];

const COUNT: usize = 3;

/// What an answer is the answer to.
#[derive(Debug, Clone)]
pub(super) struct Key(Arc<Asked>);

#[derive(Debug)]
struct Asked {
    tenant: u64,
    token: TokenSpec,
    target: PathAndQuery,
    masking: Option<&'static Secrets>,
    variants: [Option<HeaderValue>; COUNT],
    gzip: bool,
}

/// What the headers of a request say of how it may be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// As any other like it.
    Usual,
    /// Not by what was there before it (RFC 9111 section 5.2.1).
    Fresh,
    /// By something in it alone, such as a condition.
    Own,
}

impl Manner {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut manner = Self::Usual;
        for (name, value) in headers {
            match *name {
                header::CACHE_CONTROL | header::PRAGMA => manner = Self::Fresh,
                header::IF_MATCH
                | header::IF_NONE_MATCH
                | header::IF_MODIFIED_SINCE
                | header::IF_UNMODIFIED_SINCE
                | header::IF_RANGE
                | header::RANGE
                | header::CONTENT_ENCODING
                | header::CONTENT_LANGUAGE => return Self::Own,
                // It may list headers, which are not forwarded then.
                header::CONNECTION if !is_usual(value) => return Self::Own,
                _ if *name == headers::IDEMPOTENCY_KEY => return Self::Own,
                _ => {}
            }
        }
        manner
    }
}

fn is_usual(connection: &HeaderValue) -> bool {
    [&b"keep-alive"[..], b"close"].iter().any(|usual| connection.as_bytes().eq_ignore_ascii_case(usual))
}

impl Key {
    /// That of a request that may be answered as any other like it.
    pub(super) fn of(
        admitted: &Admitted<Tenant>,
        operation: &PermittedOperation,
        headers: &HeaderMap,
    ) -> Option<Self> {
        let mut variants = [const { None }; COUNT];
        for (variant, name) in variants.iter_mut().zip(&VARIANTS) {
            let mut values = headers.get_all(name).iter();
            *variant = values.next().cloned();
            if values.next().is_some() {
                return None;
            }
        }
        let tenant = admitted.tenant();
        Some(Self(Arc::new(Asked {
            tenant: tenant.identity(),
            token: admitted.token().clone(),
            target: operation.target().clone(),
            masking: operation.masking(),
            variants,
            gzip: tenant.config().compression && headers::prefers_gzip(headers),
        })))
    }

    /// What is asked for.
    pub(super) fn target(&self) -> &PathAndQuery {
        &self.0.target
    }

    /// Whether something is masked in the answer, so that Logto's validators are not true of it.
    pub(super) fn is_masked(&self) -> bool {
        self.0.masking.is_some()
    }

    /// The memory that it takes, in bytes: an estimate.
    pub(super) fn size(&self) -> usize {
        let variants = self.0.variants.iter().flatten().map(HeaderValue::len).sum::<usize>();
        size_of::<Asked>() + self.0.target.as_str().len() + variants
    }

    #[cfg(test)]
    pub(super) fn to(target: &'static str) -> Self {
        Self(Arc::new(Asked {
            tenant: 0,
            token: TokenSpec::Own,
            target: PathAndQuery::from_static(target),
            masking: None,
            variants: [const { None }; COUNT],
            gzip: false,
        }))
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        let (one, other) = (&*self.0, &*other.0);
        let same_masking = match (one.masking, other.masking) {
            (Some(one), Some(other)) => std::ptr::eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        };
        same_masking
            && (one.tenant, one.gzip) == (other.tenant, other.gzip)
            && one.target.as_str() == other.target.as_str()
            && one.variants == other.variants
            && one.token == other.token
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.0.tenant, self.0.target.as_str(), self.0.gzip).hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_with_anything_that_could_change_the_answer_goes_on_its_own() {
        let manner = |pairs: &[(&'static str, &'static str)]| {
            let pairs = pairs.iter().map(|(name, value)| {
                (header::HeaderName::from_static(name), HeaderValue::from_static(value))
            });
            Manner::of(&pairs.collect())
        };
        let usual = [
            ("accept", "*/*"),
            ("user-agent", "x"),
            ("connection", "keep-alive"),
            ("authorization", "Bearer x"),
            ("claviger-tenant", "acme"),
            ("traceparent", "00-1"),
        ];
        assert_eq!(manner(&usual), Manner::Usual);
        for (name, value) in
            [("cache-control", "no-cache"), ("pragma", "no-cache"), ("cache-control", "max-age=0")]
        {
            assert_eq!(manner(&[usual[0], (name, value)]), Manner::Fresh, "{name}");
        }
        for name in
            ["if-none-match", "if-modified-since", "if-match", "range", "idempotency-key", "content-encoding"]
        {
            assert_eq!(manner(&[(name, "x"), ("cache-control", "no-cache")]), Manner::Own, "{name}");
        }
        assert_eq!(manner(&[("connection", "accept, close")]), Manner::Own);
    }
}
