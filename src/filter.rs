//! Filters an upstream's answer for its caller: masks the secrets that are hidden from the caller, then looks for what
//! no caller may see. Decides by the answer's head whether its body can be masked, and removes the headers that are
//! about the unmasked body: its length, its validators, its digests. Must never hand on what it has not looked
//! through, such as the upstream's own reason phrase.

mod echo_guard;
mod mask_detector;
pub mod redact;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, StatusCode, header, response::Parts};

use self::redact::{Redactor, Unmaskable};
pub use self::{
    echo_guard::{Echo, EchoGuard, KnownSecrets},
    mask_detector::MaskDetector,
};
use crate::catalog::Secrets;

/// Headers that are only true of the unmasked body.
const OF_UNMASKED: [HeaderName; 8] = [
    header::CONTENT_LENGTH,
    header::ETAG,
    header::LAST_MODIFIED,
    header::ACCEPT_RANGES,
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
];

/// Why an answer must not reach its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Blocked {
    /// Compressed, though it was asked for as it is.
    #[error("the upstream's answer may hold secrets, and is encoded so that they cannot be masked")]
    Encoded,
    /// Something else than JSON in UTF-8.
    #[error("the upstream's answer may hold secrets, and is not the JSON in which they could be masked")]
    NotJson,
    /// A range, though none was asked for.
    #[error("the upstream's answer may hold secrets, and is a part, in which they cannot be masked")]
    Partial,
    /// Not what its head says it is.
    #[error("the upstream's answer may hold secrets, which could not be masked: {0}")]
    Unmaskable(#[from] Unmaskable),
    /// It repeats the access token or a client secret.
    #[error("the upstream's answer repeats a credential that Claviger holds")]
    Echo,
}

impl From<Echo> for Blocked {
    fn from(Echo: Echo) -> Self {
        Self::Echo
    }
}

/// Filters one answer's body.
#[derive(Debug)]
pub struct ResponseFilter {
    redactor: Option<Box<Redactor>>,
    guard: EchoGuard,
}

impl ResponseFilter {
    /// For the answer with this head to a request with this method, in which `hidden` are to be masked. `guard` is for
    /// what must not be in any answer.
    ///
    /// # Errors
    /// [`Blocked`].
    pub fn new(
        method: &Method,
        head: &mut Parts,
        hidden: Option<&'static Secrets>,
        guard: EchoGuard,
    ) -> Result<Self, Blocked> {
        guard.check(&head.headers)?;
        // hyper keeps the upstream's reason phrase here, and would say it to the caller.
        head.extensions.clear();
        let redactor = match hidden {
            Some(secrets) => redactor(method, head, secrets)?.map(Box::new),
            None => None,
        };
        Ok(Self { redactor, guard })
    }

    /// What may pass now that this chunk has come; more will come. May be nothing.
    ///
    /// # Errors
    /// [`Blocked`].
    pub fn pass(&mut self, chunk: Bytes) -> Result<Bytes, Blocked> {
        let chunk = self.mask(chunk)?;
        Ok(self.guard.pass(chunk)?)
    }

    /// What may pass now that the last chunk has come.
    ///
    /// # Errors
    /// [`Blocked`].
    pub fn last(&mut self, chunk: Bytes) -> Result<Bytes, Blocked> {
        let chunk = self.mask(chunk)?;
        if let Some(redactor) = &self.redactor {
            redactor.finish()?;
        }
        Ok(self.guard.last(chunk)?)
    }

    fn mask(&mut self, chunk: Bytes) -> Result<Bytes, Blocked> {
        Ok(match &mut self.redactor {
            Some(redactor) => redactor.mask(chunk)?,
            None => chunk,
        })
    }

    /// Bytes that came and have not passed yet; `None` where masking changes how many will.
    pub fn kept(&self) -> Option<usize> {
        self.redactor.is_none().then(|| self.guard.kept())
    }
}

/// What masks the body; nothing, where there is none, or where it tells of an error.
fn redactor(
    method: &Method,
    head: &mut Parts,
    secrets: &'static Secrets,
) -> Result<Option<Redactor>, Blocked> {
    if !head.status.is_success() {
        return Ok(None);
    }
    if head.status == StatusCode::PARTIAL_CONTENT {
        return Err(Blocked::Partial);
    }
    let is_empty = head.status == StatusCode::NO_CONTENT
        || head.headers.get(header::CONTENT_LENGTH).is_some_and(|length| length == "0");
    if is_empty {
        return Ok(None);
    }
    if !is_json(&head.headers) {
        // An operation that is not in the catalog may well answer with something else.
        let is_known = secrets.are_known() || !head.headers.contains_key(header::CONTENT_TYPE);
        return if is_known && method != Method::HEAD { Err(Blocked::NotJson) } else { Ok(None) };
    }
    if head.headers.get_all(header::CONTENT_ENCODING).iter().any(|coding| coding != "identity") {
        return Err(Blocked::Encoded);
    }
    for name in OF_UNMASKED {
        head.headers.remove(name);
    }
    Ok((method != Method::HEAD).then(|| Redactor::new(secrets)))
}

/// `application/json` or `…+json`, in UTF-8 as RFC 8259 section 8.1 has it. Another charset has other bytes for the
/// names of members.
fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(only), None) = (types.next().and_then(|value| value.to_str().ok()), types.next()) else {
        return false;
    };
    let mut parts = only.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    let is_utf8 = |parameter: &str| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    };
    (essence == "application/json" || essence.ends_with("+json")) && parts.all(is_utf8)
}

#[cfg(test)]
mod tests;
