//! What happened to a request, as its subscribers see it: closed sets, configured names, and text that has been cleaned.
//! It holds no secret, token, body or query.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use http::{HeaderValue, Method, StatusCode};
use serde::Serialize;

use super::{AnsweredBy, Details, OperationMetrics, RequestId};
use crate::config::LogRequests;

/// What stands for a status where the caller left before there was an answer, as nginx has it.
pub(super) const CALLER_LEFT: StatusCode = match StatusCode::from_u16(499) {
    Ok(status) => status,
    Err(_) => panic!("499 has three digits"),
};

/// As much of a header's value as is shown, in bytes.
const MAX_HEADER: usize = 128;

/// What happened to one request.
#[derive(Debug, Clone)]
pub struct RequestEvent {
    /// As the caller got it in `X-Request-Id`.
    pub id: RequestId,
    /// As it came; [`shown_method`](Self::shown_method) is the one to write down.
    pub method: Method,
    /// The method that another proxy asks about.
    pub asked: Option<Method>,
    /// How it came, where it is no request for us to carry out: `authz`.
    pub via: Option<&'static str>,
    /// The other end, where it has an address.
    pub peer: Option<SocketAddr>,
    /// The user id of a Unix peer.
    pub peer_uid: Option<u32>,
    /// The authentication method that had the last word, where nobody was identified.
    pub tried: Option<&'static str>,
    /// Caller, tenant and operation, with their counters; names are empty until they are known.
    pub operation: Arc<OperationMetrics>,
    /// Of the answer to the caller; 499 until there is one.
    pub status: StatusCode,
    /// Who made the answer.
    pub answered_by: AnsweredBy,
    /// Claviger's error code, where it made the answer or cut it off.
    pub code: Option<&'static str>,
    /// What the operator should know beside the code.
    pub cause: Option<String>,
    /// Whether it is one of so many that they would push everything else out of the logs.
    pub quiet: bool,
    /// Times the request was sent upstream.
    pub attempts: u32,
    /// Body bytes sent to the caller.
    pub sent: u64,
    /// Whether the body was sent to its end.
    pub complete: bool,
    /// The upstream's own id for the request (`Logto-Core-Request-Id`, fact 5.9).
    pub upstream_id: Option<HeaderValue>,
    /// W3C trace context as the caller sent it.
    pub trace: Option<HeaderValue>,
    /// From the head of the request to the end of its answer; zero until then.
    pub duration: Duration,
    /// Which requests have a line in the log, by the configuration that this one was handled by.
    pub log: LogRequests,
    /// Where a subscriber needed them when it came.
    pub details: Option<Box<Details>>,
}

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Refused for what the caller did or may not do; nothing was sent upstream.
    Denied,
    /// Claviger, the issuer or the upstream is at fault.
    Failed,
    /// A token was handed out.
    Issued,
    /// The upstream's answer was handed on, whatever its status, or Claviger had one.
    Answered,
    /// The caller left before the end of the answer.
    Aborted,
}

impl RequestEvent {
    /// What came of it, as far as its details say.
    pub fn outcome(&self) -> Outcome {
        let details = self.details.as_deref();
        match () {
            () if details.is_some_and(|details| details.denied) => Outcome::Denied,
            () if self.code.is_some() => Outcome::Failed,
            () if details.is_some_and(|details| details.issued.is_some()) => Outcome::Issued,
            () if !self.complete => Outcome::Aborted,
            () => Outcome::Answered,
        }
    }

    /// Whether the caller went away, or took no more, before the end of its answer: neither Claviger's error nor the upstream's. What
    /// either of them broke off has a code.
    pub fn caller_left(&self) -> bool {
        !self.complete && self.code.is_none()
    }

    /// The method that was asked for; `other` for an unknown one, which is the caller's text.
    pub fn shown_method(&self) -> &str {
        let method = self.asked.as_ref().unwrap_or(&self.method);
        match *method {
            Method::GET
            | Method::HEAD
            | Method::POST
            | Method::PUT
            | Method::PATCH
            | Method::DELETE
            | Method::OPTIONS => method.as_str(),
            _ => "other",
        }
    }

    /// [`upstream_id`](Self::upstream_id), as much of it as is shown.
    pub fn shown_upstream_id(&self) -> Option<&str> {
        shown(self.upstream_id.as_ref()?)
    }

    /// [`trace`](Self::trace), as much of it as is shown.
    pub fn shown_trace(&self) -> Option<&str> {
        shown(self.trace.as_ref()?)
    }

    /// [`duration`](Self::duration) in milliseconds, to the microsecond.
    pub fn duration_ms(&self) -> f64 {
        (self.duration.as_secs_f64() * 1e6).round() / 1e3
    }
}

fn shown(value: &HeaderValue) -> Option<&str> {
    let text = value.to_str().ok()?;
    text.get(..text.len().min(MAX_HEADER))
}
