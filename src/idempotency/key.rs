//! The value of `Idempotency-Key`: a string of RFC 8941 (`"8e03978e"`), as the draft has it, or the same without quotation
//! marks, as many clients send it. Both are the same key.

use std::fmt;

use http::{HeaderMap, HeaderName, Method};

use super::error::IdempotencyError;
use crate::headers;

/// The most characters of a key. A UUID has 36.
const MOST: usize = 255;

/// Another name for it, which is not read.
const X_IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("x-idempotency-key");

/// A key as its caller chose it. Never shown: nobody knows what is in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Box<[u8]>);

impl Key {
    /// The key of a request, where it has one and a method that is not idempotent by itself.
    ///
    /// # Errors
    /// [`IdempotencyError::Malformed`], [`IdempotencyError::Missing`].
    pub fn of(method: &Method, headers: &HeaderMap) -> Result<Option<Self>, IdempotencyError> {
        if !matches!(*method, Method::POST | Method::PATCH) {
            return Self::none(headers);
        }
        let mut values = headers.get_all(headers::IDEMPOTENCY_KEY).iter();
        let Some(value) = values.next() else {
            // Who sends it takes the request for one that is not carried out twice.
            return match headers.contains_key(X_IDEMPOTENCY_KEY) {
                true => {
                    Err(IdempotencyError::Malformed("its header is Idempotency-Key, not X-Idempotency-Key"))
                }
                false => Self::none(headers),
            };
        };
        if values.next().is_some() {
            return Err(IdempotencyError::Malformed("there are several"));
        }
        Self::parse(value.as_bytes()).map(Some).map_err(IdempotencyError::Malformed)
    }

    /// Of a request whose key is not kept here.
    ///
    /// # Errors
    /// [`IdempotencyError::Missing`]: it asks what became of the first one, and must not be sent.
    pub fn none(headers: &HeaderMap) -> Result<Option<Self>, IdempotencyError> {
        match headers.contains_key(headers::CLAVIGER_REPLAY) {
            true => Err(IdempotencyError::Missing),
            false => Ok(None),
        }
    }

    fn parse(text: &[u8]) -> Result<Self, &'static str> {
        let text = text.trim_ascii();
        let key = match text.strip_prefix(b"\"") {
            Some(rest) => quoted(rest)?,
            None => text.to_vec(),
        };
        if !(1..=MOST).contains(&key.len()) {
            return Err("a key has 1 to 255 characters");
        }
        // A comma would make a list of it, and a quotation mark in the middle is a string that was not understood.
        let is_fit = |b: &u8| matches!(b, b' '..=b'~') && (!matches!(b, b'"' | b',') || text[0] == b'"');
        if key.iter().all(is_fit) {
            Ok(Self(key.into()))
        } else {
            Err(
                "a key is of visible ASCII characters, in quotation marks where it has a comma or one of those",
            )
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// RFC 8941 section 4.2.5, behind the opening quotation mark; parameters are none of this field's.
fn quoted(rest: &[u8]) -> Result<Vec<u8>, &'static str> {
    const OPEN: &str = "its quotation marks do not match";
    let (mut key, mut bytes) = (Vec::with_capacity(rest.len()), rest.iter());
    loop {
        match bytes.next().ok_or(OPEN)? {
            b'"' if bytes.as_slice().is_empty() => return Ok(key),
            b'"' => return Err("there is something behind the closing quotation mark"),
            b'\\' => match bytes.next().ok_or(OPEN)? {
                escaped @ (b'"' | b'\\') => key.push(*escaped),
                _ => return Err("a backslash stands before what needs none"),
            },
            byte => key.push(*byte),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn key(text: &str) -> Option<Vec<u8>> {
        Key::parse(text.as_bytes()).ok().map(|key| key.0.into_vec())
    }

    #[test]
    fn whoever_asks_what_became_of_a_request_names_its_key() {
        let mut headers = HeaderMap::new();
        headers.insert(headers::CLAVIGER_REPLAY, http::HeaderValue::from_static("only"));
        assert!(matches!(Key::of(&Method::POST, &headers), Err(IdempotencyError::Missing)));
        assert!(matches!(Key::of(&Method::DELETE, &headers), Err(IdempotencyError::Missing)));
    }

    #[test]
    fn a_key_is_the_same_with_and_without_quotation_marks() {
        for (text, want) in [
            ("\"8e03978e-40d5\"", "8e03978e-40d5"),
            ("8e03978e-40d5", "8e03978e-40d5"),
            (" order 17 ", "order 17"),
            (r#""a \"b\" \\ c""#, r#"a "b" \ c"#),
            ("\"a, b\"", "a, b"),
        ] {
            assert_eq!(key(text).as_deref(), Some(want.as_bytes()), "{text}");
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        let long = "k".repeat(256);
        for text in [
            "",
            "\"\"",
            "\"a",
            "a\"b",
            "a, b",
            "\"a\";p=1",
            r#""a\b""#,
            "\"a\\",
            "\u{e9}",
            "\"\u{7}\"",
            &long,
        ] {
            assert_eq!(key(text), None, "{text:?}");
        }
        assert!(key(&long[1..]).is_some());
    }

    #[test]
    fn methods_that_are_idempotent_have_none() {
        let mut headers = HeaderMap::new();
        headers.insert(headers::IDEMPOTENCY_KEY, HeaderValue::from_static("k"));
        for (method, has) in [(Method::POST, true), (Method::PATCH, true), (Method::PUT, false)] {
            assert_eq!(Key::of(&method, &headers).unwrap().is_some(), has, "{method}");
        }
        headers.append(headers::IDEMPOTENCY_KEY, HeaderValue::from_static("k"));
        assert!(Key::of(&Method::POST, &headers).is_err());
        let other = HeaderMap::from_iter([(X_IDEMPOTENCY_KEY, HeaderValue::from_static("k"))]);
        let said = "the Idempotency-Key is malformed: its header is Idempotency-Key, not X-Idempotency-Key";
        assert_eq!(Key::of(&Method::POST, &other).unwrap_err().to_string(), said);
        assert!(Key::of(&Method::PUT, &other).unwrap().is_none());
    }
}
