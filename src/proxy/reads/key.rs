//! What two requests must have in common to be given the same answer: the tenant as it is configured, the token, the target byte for byte,
//! what is masked, and the few headers that Logto may answer by. A request that has others that could change the answer has no
//! key: it goes on its own.

use std::{
    hash::{BuildHasher, Hash, Hasher},
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

/// The values of headers that Logto may answer by, beside those with which a request goes on its own: `Accept`, `Accept-Language` and
/// `Content-Type`.
type Variants = [Option<HeaderValue>; 3];

/// What an answer is the answer to.
#[derive(Debug, Clone)]
pub(super) struct Key(Arc<Asked>);

/// Hands on the digest that a key has of itself, so that it is made once for all maps that it goes through.
#[derive(Debug, Default)]
pub(super) struct Digested(u64);

impl Hasher for Digested {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, digest: u64) {
        self.0 = digest;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[derive(Debug)]
struct Asked {
    /// Of those members that tell most keys apart.
    digest: u64,
    tenant: u64,
    token: TokenSpec,
    target: PathAndQuery,
    masking: Option<&'static Secrets>,
    variants: Variants,
    gzip: bool,
}

/// What the headers of a request say of how it may be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Manner {
    /// As any other like it.
    Usual(Variants),
    /// Not by what was there before it (RFC 9111 section 5.2.1).
    Fresh,
    /// By something in it alone, such as a condition.
    Own,
}

impl Manner {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let (mut variants, mut is_fresh) = (Variants::default(), false);
        for (name, value) in headers {
            let variant = match *name {
                header::ACCEPT => 0,
                header::ACCEPT_LANGUAGE => 1,
                header::CONTENT_TYPE => 2,
                header::CACHE_CONTROL | header::PRAGMA => {
                    is_fresh = true;
                    continue;
                }
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
                _ => continue,
            };
            // Several of one name are more than a key can hold.
            if variants[variant].replace(value.clone()).is_some() {
                return Self::Own;
            }
        }
        if is_fresh { Self::Fresh } else { Self::Usual(variants) }
    }
}

fn is_usual(connection: &HeaderValue) -> bool {
    [&b"keep-alive"[..], b"close"].iter().any(|usual| connection.as_bytes().eq_ignore_ascii_case(usual))
}

impl Key {
    /// That of a request that may be answered as any other like it. What comes from outside is digested under a secret of `hasher`.
    pub(super) fn of(
        admitted: &Admitted<Tenant>,
        operation: &PermittedOperation,
        (headers, variants): (&HeaderMap, Variants),
        hasher: &impl BuildHasher,
    ) -> Self {
        let (tenant, target) = (admitted.tenant(), operation.target());
        Self(Arc::new(Asked {
            digest: hasher.hash_one((tenant.identity(), target.as_str())),
            tenant: tenant.identity(),
            token: admitted.token().clone(),
            target: target.clone(),
            masking: operation.masking(),
            variants,
            gzip: tenant.config().compression && headers::prefers_gzip(headers),
        }))
    }

    /// The same for equal keys.
    pub(super) fn digest(&self) -> u64 {
        self.0.digest
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
        let hasher = std::hash::BuildHasherDefault::<std::hash::DefaultHasher>::default();
        Self(Arc::new(Asked {
            digest: hasher.hash_one(target),
            tenant: 0,
            token: TokenSpec::Own,
            target: PathAndQuery::from_static(target),
            masking: None,
            variants: Variants::default(),
            gzip: false,
        }))
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        if Arc::ptr_eq(&self.0, &other.0) {
            return true;
        }
        let (one, other) = (&*self.0, &*other.0);
        let same_masking = match (one.masking, other.masking) {
            (Some(one), Some(other)) => std::ptr::eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        };
        same_masking
            && (one.digest, one.tenant, one.gzip) == (other.digest, other.tenant, other.gzip)
            && one.target.as_str() == other.target.as_str()
            && one.variants == other.variants
            && one.token == other.token
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.digest);
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
        let accept = Some(HeaderValue::from_static("*/*"));
        assert_eq!(manner(&usual), Manner::Usual([accept, None, None]));
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
        let mut twice = HeaderMap::new();
        twice.append(header::ACCEPT, HeaderValue::from_static("a/b"));
        twice.append(header::ACCEPT, HeaderValue::from_static("c/d"));
        assert_eq!(Manner::of(&twice), Manner::Own);
    }
}
