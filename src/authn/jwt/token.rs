//! Reads a JWS in compact form (RFC 7515 section 7.1) strictly: three parts of unpadded, canonical base64url, a
//! header and claims that are JSON objects without repeated members. What two readers could read differently
//! is refused. Verifies nothing: the signature is `key_set.rs`'s to check.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use serde_json::Value;

use super::{
    claims::{Claims, Object},
    error::JwtError,
};
use crate::config::Algorithm;

/// The longest token that is looked at. Logto's limit for a whole head is the same (fact 5.4).
pub(super) const MAX_LEN: usize = 16 * 1024;
const MAX_KID: usize = 256;

/// Members that bring a key along, say where to find one, or change how the rest is read (RFC 7515 section 4.1,
/// RFC 7516, RFC 7797). Keys come from the configured issuer, and nothing here understands an extension.
const REFUSED: [&str; 10] = ["crit", "jwk", "jku", "x5u", "x5c", "b64", "zip", "enc", "cty", "epk"];

/// What a bearer token is by its form.
pub(super) enum Reading<'t> {
    /// A JWS of three parts.
    Token(Token<'t>),
    /// A JWS that is not well-formed.
    Bad,
    /// Not a JWS.
    Other,
}

/// A token as it came, not verified.
pub(super) struct Token<'t> {
    pub(super) text: &'t str,
    pub(super) header: Header,
    pub(super) claims: Claims,
}

/// Whether it may be a JWT, without decoding it: two dots, and a first part that could begin with `{`.
pub(super) fn has_the_shape(bytes: &[u8]) -> bool {
    bytes.first() == Some(&b'e') && memchr::memchr_iter(b'.', bytes).count() == 2
}

/// `{"` in base64url. An opaque token hardly begins so.
const BEGINNING: &str = "eyJ";

pub(super) fn begins_like_one(bytes: &[u8]) -> bool {
    bytes.starts_with(BEGINNING.as_bytes())
}

/// Whether its last part is no whole signature: those of all algorithms have a multiple of 32 bytes.
pub(super) fn is_cut(bytes: &[u8]) -> bool {
    let last = bytes.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let whole = last.len() * 3 / 4;
    last.iter().all(is_base64) && (whole < 64 || whole % 32 != 0)
}

pub(super) fn read(bytes: &[u8]) -> Reading<'_> {
    let Ok(text) = std::str::from_utf8(bytes) else { return Reading::Other };
    let mut parts = text.split('.');
    let (Some(header), Some(claims), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Reading::Other;
    };
    if !header.starts_with(BEGINNING) {
        return Reading::Other;
    }
    let parsed = || {
        let signature = BASE64.decode(signature).ok()?;
        let header = Header(object(header)?);
        let claims = Claims(object(claims)?);
        (!signature.is_empty()).then_some(Token { text, header, claims })
    };
    parsed().map_or(Reading::Bad, Reading::Token)
}

fn object(part: &str) -> Option<Object> {
    Object::parse(&BASE64.decode(part).ok()?)
}

/// A token's header.
pub(super) struct Header(Object);

impl Header {
    /// The algorithm and the key's id, if the header is acceptable.
    pub(super) fn accept(&self, allowed: &[Algorithm]) -> Result<(Algorithm, Option<&str>), JwtError> {
        if REFUSED.iter().any(|member| self.0.has(member)) {
            return Err(JwtError::Header);
        }
        if !self.is_of_a_jwt() {
            return Err(JwtError::Type);
        }
        let alg = self.0.text("alg").and_then(Algorithm::parse).filter(|alg| allowed.contains(alg));
        let alg = alg.ok_or(JwtError::Algorithm)?;
        let kid = match self.0.value("kid") {
            None => None,
            Some(Value::String(kid)) if (1..=MAX_KID).contains(&kid.len()) => Some(kid.as_str()),
            Some(_) => return Err(JwtError::KeyIdForm),
        };
        Ok((alg, kid))
    }

    /// Logout tokens, security events and the like are signed with the same keys (RFC 8725 section 3.11).
    fn is_of_a_jwt(&self) -> bool {
        match self.0.value("typ") {
            None => true,
            Some(Value::String(typ)) => {
                let typ = typ.to_ascii_lowercase();
                matches!(typ.strip_prefix("application/").unwrap_or(&typ), "jwt" | "at+jwt")
            }
            Some(_) => false,
        }
    }
}
