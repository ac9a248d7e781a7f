//! Request bodies: collects them, and reads them as koa-body does (facts 5.1, 5.2).
//!
//! Hands on one JSON value per request. It must never keep more than 1 MiB.

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Map, Value};

use crate::errors::ApiError;

const JSON_LIMIT: usize = 1024 * 1024;
const FORM_LIMIT: usize = 56 * 1024;

/// The body as it arrived.
#[derive(Debug)]
pub(crate) struct Payload {
    /// At most 1 MiB of it.
    pub(crate) bytes: Bytes,
    /// Its real length.
    pub(crate) len: usize,
}

/// The body as a handler sees it.
#[derive(Debug)]
pub(crate) enum Parsed {
    /// No body, or one without a content type, which koa-body ignores.
    Absent,
    /// Form and JSON bodies, and text as a string.
    Value(Value),
    /// A multipart body, of which the emulator reads nothing.
    Multipart,
}

/// Why a body is refused before any validation.
#[derive(Debug)]
pub(crate) enum Refused {
    /// 404 `Not Found` as text: that is how Logto answers a body over the limit.
    TooLarge,
    Error(ApiError),
}

impl Payload {
    /// Reads to the end, as Node does, whatever the length; `None` if the caller left before the end.
    pub(crate) async fn collect(mut incoming: Incoming) -> Option<Self> {
        let mut kept = Vec::new();
        let mut len = 0;
        while let Some(frame) = incoming.frame().await {
            let frame = frame.ok()?;
            let Some(data) = frame.data_ref() else { continue };
            len += data.len();
            let room = JSON_LIMIT.saturating_sub(kept.len());
            kept.extend_from_slice(data.get(..room).unwrap_or(data));
        }
        Some(Self { bytes: Bytes::from(kept), len })
    }

    /// The length on the wire, if the framing tells it.
    pub(crate) fn declared(&self, headers: &HeaderMap) -> Option<usize> {
        (!headers.contains_key(header::TRANSFER_ENCODING)).then_some(self.len)
    }

    pub(crate) fn parse(&self, headers: &HeaderMap) -> Result<Parsed, Refused> {
        let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let Some(content_type) = content_type else { return Ok(Parsed::Absent) };
        let media = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if headers.get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
            return Err(Refused::Error(ApiError::not_implemented("compressed request bodies")));
        }
        match media.as_str() {
            "application/json"
            | "application/json-patch+json"
            | "application/vnd.api+json"
            | "application/csp-report"
            | "application/reports+json" => self.json(),
            "application/x-www-form-urlencoded" => self.form(),
            text if text.starts_with("text/") => self.text(),
            "multipart/form-data" => Ok(Parsed::Multipart),
            _ => Ok(Parsed::Absent),
        }
    }

    fn json(&self) -> Result<Parsed, Refused> {
        if self.len > JSON_LIMIT {
            return Err(Refused::TooLarge);
        }
        // What decodes a body there takes a byte-order mark off.
        let bytes = self.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.bytes).trim_ascii();
        if bytes.is_empty() {
            return Ok(Parsed::Absent);
        }
        if !matches!(bytes.first(), Some(b'{' | b'[')) {
            return Err(malformed("invalid JSON, only supports object and array"));
        }
        match serde_json::from_slice(bytes) {
            Ok(value) => Ok(Parsed::Value(value)),
            Err(error) if error.is_eof() => Err(malformed("Unexpected end of JSON input")),
            Err(_) => Err(malformed("Unexpected token in JSON")),
        }
    }

    fn form(&self) -> Result<Parsed, Refused> {
        if self.len > FORM_LIMIT {
            return Err(Refused::TooLarge);
        }
        let mut fields = Map::new();
        for (key, value) in form_urlencoded::parse(&self.bytes) {
            let value = Value::String(value.into_owned());
            match fields.get_mut(key.as_ref()) {
                None => {
                    fields.insert(key.into_owned(), value);
                }
                Some(Value::Array(values)) => values.push(value),
                Some(first) => *first = Value::Array(vec![first.take(), value]),
            }
        }
        Ok(Parsed::Value(Value::Object(fields)))
    }

    fn text(&self) -> Result<Parsed, Refused> {
        if self.len > FORM_LIMIT {
            return Err(Refused::TooLarge);
        }
        Ok(Parsed::Value(Value::String(String::from_utf8_lossy(&self.bytes).into_owned())))
    }
}

fn malformed(message: &str) -> Refused {
    Refused::Error(ApiError::message(StatusCode::BAD_REQUEST, message))
}

/// Whether any text in it holds U+0000, on which PostgreSQL fails (fact 6.5).
pub(crate) fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(holds_nul),
        Value::Object(fields) => fields.iter().any(|(key, value)| key.contains('\0') || holds_nul(value)),
        _ => false,
    }
}
