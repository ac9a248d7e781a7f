//! Answers: status, Logto's fixed header sets, body, entity tag.
//!
//! Decides which of the measured header sets an answer carries (fact 5.9) and turns GET answers into 304 or HEAD
//! answers. It must never look into the store.

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::compress::compressed;

const JSON: &str = "application/json; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// The measured header sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// `/api` and the OIDC pages that vary by origin.
    Standard,
    /// Answers from outside the CORS layer.
    NoOrigin,
    /// The sign-in pages.
    Page,
    /// Nothing is added: faults, and answers that come from Node's HTTP server itself.
    Raw,
}

/// An answer before it meets the request's method and conditions.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) family: Family,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
    etag: bool,
}

impl Answer {
    pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Self {
        // Only maps with keys that are no text fail to serialise; there are none here.
        let body = serde_json::to_vec(body).unwrap_or_default();
        Self::new(status, Bytes::from(body)).with(header::CONTENT_TYPE, JSON)
    }

    pub(crate) fn ok(body: &impl Serialize) -> Self {
        Self::json(StatusCode::OK, body)
    }

    pub(crate) fn created(body: &impl Serialize) -> Self {
        Self::json(StatusCode::CREATED, body)
    }

    pub(crate) fn no_content() -> Self {
        Self::new(StatusCode::NO_CONTENT, Bytes::new())
    }

    /// The reason phrase as text, which is what koa sends when nobody set a body.
    pub(crate) fn text(status: StatusCode) -> Self {
        let reason = status.canonical_reason().unwrap_or_default();
        Self::new(status, Bytes::from_static(reason.as_bytes())).with(header::CONTENT_TYPE, TEXT)
    }

    pub(crate) fn html(status: StatusCode, body: &'static str) -> Self {
        let mut answer = Self::new(status, Bytes::from_static(body.as_bytes()));
        answer.family = Family::Page;
        answer.with(header::CONTENT_TYPE, "text/html; charset=utf-8")
    }

    pub(crate) fn raw(status: StatusCode) -> Self {
        let mut answer = Self::new(status, Bytes::new());
        answer.family = Family::Raw;
        answer
    }

    /// The answer of a fault; names and values that HTTP does not allow are left out.
    pub(crate) fn scripted(status: u16, headers: &[(String, String)], body: &[u8]) -> Self {
        let mut answer = Self::raw(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
        answer.body = Bytes::copy_from_slice(body);
        for (name, value) in headers {
            let pair = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value));
            if let (Ok(name), Ok(value)) = pair {
                answer.headers.push((name, value));
            }
        }
        answer
    }

    fn new(status: StatusCode, body: Bytes) -> Self {
        Self { status, family: Family::Standard, headers: Vec::new(), body, etag: true }
    }

    /// Adds a header; a value that HTTP does not allow becomes empty.
    #[must_use]
    pub(crate) fn with(mut self, name: HeaderName, value: impl AsRef<str>) -> Self {
        let value = HeaderValue::from_str(value.as_ref()).unwrap_or(HeaderValue::from_static(""));
        self.headers.push((name, value));
        self
    }

    /// Replaces the content type.
    #[must_use]
    pub(crate) fn content_type(mut self, value: &'static str) -> Self {
        self.headers.retain(|(name, _)| *name != header::CONTENT_TYPE);
        self.headers.push((header::CONTENT_TYPE, HeaderValue::from_static(value)));
        self
    }

    #[must_use]
    pub(crate) fn family(mut self, family: Family) -> Self {
        self.family = family;
        self
    }

    #[must_use]
    pub(crate) fn without_etag(mut self) -> Self {
        self.etag = false;
        self
    }

    #[must_use]
    pub(crate) fn without_body(mut self) -> Self {
        self.body = Bytes::new();
        self
    }

    /// Applies HEAD, `If-None-Match` and `Accept-Encoding` (facts 3.6, 5.6, 5.5) and adds the fixed headers.
    pub(crate) fn finish(mut self, method: &Method, request: &HeaderMap) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        let headers = response.headers_mut();
        self.fixed_headers(headers);
        for (name, value) in self.headers.drain(..) {
            headers.append(name, value);
        }
        let tagged = self.etag
            && *method == Method::GET
            && self.status == StatusCode::OK
            && matches!(self.family, Family::Standard | Family::NoOrigin)
            && !self.body.is_empty();
        if tagged {
            let tag = etag(&self.body);
            let fresh = request.get(header::IF_NONE_MATCH).is_some_and(|asked| asked == tag.as_str());
            let forced = request.get(header::CACHE_CONTROL).is_some_and(|value| value == "no-cache");
            if let Ok(tag) = HeaderValue::from_str(&tag) {
                headers.insert(header::ETAG, tag);
            }
            if fresh && !forced {
                headers.remove(header::CONTENT_TYPE);
                self.status = StatusCode::NOT_MODIFIED;
                self.body = Bytes::new();
            }
        }
        if self.family != Family::Raw {
            headers.insert("logto-core-request-id", request_id());
        }
        if *method == Method::HEAD {
            self.body = Bytes::new();
        }
        let compressed = if self.family == Family::Raw { None } else { compressed(request, &self.body) };
        if let Some((coding, body)) = compressed {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
            self.body = body;
        }
        *response.status_mut() = self.status;
        *response.body_mut() = self.body;
        response
    }

    fn fixed_headers(&self, headers: &mut HeaderMap) {
        let vary = match self.family {
            Family::Raw => return,
            Family::Standard => "Accept-Encoding, Origin",
            Family::NoOrigin | Family::Page => "Accept-Encoding",
        };
        headers.insert(header::VARY, HeaderValue::from_static(vary));
        let policy = if self.family == Family::Page { "cross-origin" } else { "same-origin" };
        headers.insert("cross-origin-resource-policy", HeaderValue::from_static(policy));
        for (name, value) in HELMET {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        if self.family != Family::Page {
            headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN"));
        }
    }
}

/// An object whose members stand in the given order; a JSON map would sort them.
#[derive(Debug)]
pub(crate) struct Members<const N: usize>(pub(crate) [(&'static str, Value); N]);

impl<const N: usize> Serialize for Members<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

const HELMET: [(&str, &str); 7] = [
    ("origin-agent-cluster", "?1"),
    ("referrer-policy", "strict-origin-when-cross-origin"),
    ("strict-transport-security", "max-age=15552000; includeSubDomains"),
    ("x-content-type-options", "nosniff"),
    ("x-download-options", "noopen"),
    ("x-permitted-cross-domain-policies", "none"),
    ("x-xss-protection", "0"),
];

/// The length in hex and the SHA-1 of the body, as the `etag` package of Node makes it.
fn etag(body: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, body);
    format!("\"{:x}-{}\"", body.len(), STANDARD_NO_PAD.encode(digest))
}

fn request_id() -> HeaderValue {
    let id: String = std::iter::repeat_with(fastrand::alphanumeric).take(16).collect();
    HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static(""))
}
