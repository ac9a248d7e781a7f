//! The id of a request: the caller's own `X-Request-Id` where it is harmless and no credential, else a new one. It goes
//! to the upstream, into the log, and back to the caller as header and as `instance` of a problem.

use http::{HeaderMap, HeaderValue};

use crate::headers::X_REQUEST_ID;

/// Longest id taken over from a caller, in bytes.
const MAX_LEN: usize = 128;

/// A request id, cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The caller's id, or a new one made of `random`; `is_credential` says of an id that it must not be written down.
    pub fn of(
        headers: &HeaderMap,
        is_credential: impl FnOnce(&str) -> bool,
        random: impl FnOnce() -> u64,
    ) -> Self {
        match headers.get(X_REQUEST_ID) {
            Some(id) if is_harmless(id.as_bytes()) && !id.to_str().is_ok_and(is_credential) => {
                Self(id.clone())
            }
            _ => Self::from_number(random()),
        }
    }

    fn from_number(number: u64) -> Self {
        const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        let mut text = [0; 13];
        for (index, byte) in text.iter_mut().enumerate() {
            *byte = DIGITS[(number >> (5 * index) & 31) as usize];
        }
        HeaderValue::from_bytes(&text).map_or_else(|_| Self(HeaderValue::from_static("-")), Self)
    }

    /// As a header value.
    pub fn header(&self) -> HeaderValue {
        self.0.clone()
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or("-")
    }
}

/// Nothing that needs quoting in a log, a header or JSON.
fn is_harmless(id: &[u8]) -> bool {
    let fits = |b: &u8| {
        b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':' | b'/' | b'+' | b'=' | b'@')
    };
    !id.is_empty() && id.len() <= MAX_LEN && id.iter().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_harmless_id_is_kept_and_any_other_replaced() {
        let of = |id: &str| {
            let headers = HeaderMap::from_iter([(X_REQUEST_ID, HeaderValue::from_str(id).unwrap())]);
            RequestId::of(&headers, |id| id == "a-key", || 7).as_str().to_owned()
        };
        assert_eq!(of("req-1:a/b"), "req-1:a/b");
        for bad in ["", "a b", "a\"b", "<x>", "a-key", &"a".repeat(129)] {
            assert_eq!(of(bad), "7000000000000", "{bad:?}");
        }
        assert_eq!(RequestId::of(&HeaderMap::new(), |_| false, || u64::MAX).as_str(), "zzzzzzzzzzzzf");
    }
}
