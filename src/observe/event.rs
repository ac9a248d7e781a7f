//! What happened to a request, as its subscribers see it: closed sets, configured names, and text that has been cleaned.
//! It holds no secret, token, body or query.

use std::{borrow::Cow, net::SocketAddr, sync::Arc, time::Duration};

use http::{HeaderValue, Method, StatusCode};
use serde::Serialize;

use super::{AnsweredBy, CacheUse, Details, OperationMetrics, RequestId, Side};
use crate::{authn::Principal, config::LogRequests};

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
    /// The authentication method that identified the caller.
    pub identified_by: Option<&'static str>,
    /// The one that rejected the request or came nearest, where nobody was identified; `none` where nothing was presented.
    pub auth_method: Option<&'static str>,
    /// What the caller authenticated as, beside its name.
    pub principal: Option<Principal>,
    /// Caller, tenant and operation, with their counters; names are empty until they are known.
    pub operation: Arc<OperationMetrics>,
    /// The path, from `/api` on as it was forwarded; of a request that was not permitted, as it came. Without its query,
    /// bounded, and without credentials. `None` until somebody wants the event.
    pub path: Option<String>,
    /// Whether there was a query.
    pub has_query: bool,
    /// Of the answer to the caller; 499 until there is one.
    pub status: StatusCode,
    /// Who made the answer.
    pub answered_by: AnsweredBy,
    /// How it was answered, where its answer could have been another request's.
    pub cache: Option<CacheUse>,
    /// Whether it is the answer that an earlier request with its `Idempotency-Key` got.
    pub is_replayed: bool,
    /// Claviger's error code, where it made the answer or cut it off.
    pub code: Option<&'static str>,
    /// On whose side the failure lies that `code` names.
    pub side: Option<Side>,
    /// What the operator should know beside the code.
    pub cause: Option<String>,
    /// What the operator, or the caller, can do about it.
    pub remedy: Option<Cow<'static, str>>,
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

impl Outcome {
    /// One word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Failed => "failed",
            Self::Issued => "issued",
            Self::Answered => "answered",
            Self::Aborted => "aborted",
        }
    }
}

impl RequestEvent {
    /// What came of it.
    pub fn outcome(&self) -> Outcome {
        match (self.code, self.side) {
            (Some(_), Some(Side::Caller)) => Outcome::Denied,
            (Some(_), _) => Outcome::Failed,
            (None, _) if self.details.as_ref().is_some_and(|details| details.issued.is_some()) => {
                Outcome::Issued
            }
            (None, _) if !self.complete => Outcome::Aborted,
            (None, _) => Outcome::Answered,
        }
    }

    /// Whether an operator should look at it: what failed here, at the issuer or at the upstream, and nothing that a caller
    /// did.
    pub fn needs_attention(&self) -> bool {
        let by_upstream = self.answered_by == AnsweredBy::Upstream && self.status.is_server_error();
        self.outcome() == Outcome::Failed || by_upstream
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
            // Known, but for its case, which makes it another one (RFC 9110 section 9.1).
            _ => ["get", "head", "post", "put", "patch", "delete", "options"]
                .into_iter()
                .find(|known| method.as_str() == *known)
                .unwrap_or("other"),
        }
    }

    /// [`upstream_id`](Self::upstream_id), as much of it as is shown.
    pub fn shown_upstream_id(&self) -> Option<&str> {
        shown(self.upstream_id.as_ref()?)
    }

    /// The id of the trace that the request belongs to (W3C Trace Context, `trace-id`).
    pub fn trace_id(&self) -> Option<&str> {
        shown(self.trace.as_ref()?)?.split('-').nth(1)
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
