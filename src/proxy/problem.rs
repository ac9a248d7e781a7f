//! The answers that Claviger makes itself: RFC 9457 problem details, with Logto's own error members `code`
//! and `message` so that existing clients read them, OAuth's for clients of the broker, and `Proxy-Status`
//! (RFC 9209).

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use super::{broker::BrokerError, error::Failure};
use crate::{
    catalog::Verb,
    config::Rate,
    headers,
    idempotency::IdempotencyError,
    limit::LimitError,
    observe::{AnsweredBy, Record},
    policy::{NoDocument, Refusal, target::TargetError},
    reply::{self, Body},
};

#[derive(Serialize)]
struct Problem<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    instance: &'a str,
    code: &'a str,
    message: &'a str,
    side: &'a str,
    /// Of a request with an `Idempotency-Key`: what the first one was answered with.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_description: Option<String>,
}

/// The answer to a request that failed; notes it in the record.
pub(super) fn answer(failure: &Failure, record: &mut Record) -> Response<Body> {
    let mut description = failure.describe();
    if record.method.is_safe() {
        description = description.for_reader();
    }
    let detail = failure.detail(&description);
    let short = description.code.strip_prefix("claviger.").unwrap_or(description.code);
    // RFC 6749 section 5.2: the broker's clients look for these.
    let oauth = record.asks_for_token.then_some(description.oauth);
    let status = if oauth.is_some() { oauth_status(description.status) } else { description.status };
    let problem = Problem {
        r#type: format!("urn:claviger:error:{short}"),
        title: description.title,
        status: status.as_u16(),
        detail: &detail,
        instance: record.id.as_str(),
        code: description.code,
        message: &detail,
        side: description.side.as_str(),
        first_status: match failure {
            Failure::Idempotency(IdempotencyError::NotKept { status, .. }) => Some(status.as_u16()),
            _ => None,
        },
        error: oauth,
        error_description: oauth.map(|_| oauth_text(&detail)),
    };
    // A struct of strings and a number always serialises.
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let mut response = Response::new(Body::whole(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let kind = if record.asks_for_token { "application/json" } else { "application/problem+json" };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(status) =
        HeaderValue::from_str(&format!("claviger; error={}; details=\"{short}\"", description.proxy_error))
    {
        headers.insert(headers::PROXY_STATUS, status);
    }
    if description.status == StatusCode::UNAUTHORIZED
        && let Some(challenge) = challenge(failure, record)
    {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    if let Some(methods) = allow(failure).and_then(|methods| HeaderValue::try_from(methods).ok()) {
        headers.insert(header::ALLOW, methods);
    }
    if let Some(wait) = description.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(whole_seconds(wait)));
    }
    if let Failure::Limit(limit) = failure {
        limit_fields(limit, headers);
    }
    record.answered_by = AnsweredBy::Claviger;
    (record.code, record.side) = (Some(description.code), Some(description.side));
    (record.cause, record.remedy) = (failure.cause(), failure.remedy(&description));
    // Whoever knocks without end must not push everything else out of the logs; the metric counts it, and the
    // peer's address is said from time to time.
    record.quiet =
        matches!(failure, Failure::Limit(LimitError::Identifications { .. } | LimitError::Unauthenticated));
    if let Some(details) = &mut record.details {
        details.rule = failure.rule().cloned().or(details.rule.take());
    }
    count(failure, short, record);
    response
}

/// The methods that the path takes, where another was used.
fn allow(failure: &Failure) -> Option<String> {
    match failure {
        Failure::Broker(BrokerError::Method) => Some("POST".into()),
        Failure::Policy(Refusal::Target(TargetError::Read) | Refusal::Document(NoDocument::Method)) => {
            Some("GET, HEAD".into())
        }
        Failure::Policy(Refusal::Method(verbs)) => {
            let names = verbs.iter().map(|verb| match verb {
                Verb::Get => "GET, HEAD",
                other => other.as_str(),
            });
            Some(names.collect::<Vec<_>>().join(", "))
        }
        _ => None,
    }
}

/// RFC 6749 section 5.2: whatever is wrong with a token request is a 400, but for the client's identity.
fn oauth_status(status: StatusCode) -> StatusCode {
    match status {
        StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            StatusCode::BAD_REQUEST
        }
        other => other,
    }
}

/// How to authenticate. OAuth clients that find a challenge look no further, so at the broker it holds the error
/// too; and a client that sent the secret in the form gets none (RFC 6749 section 5.2), as from Logto.
fn challenge(failure: &Failure, record: &Record) -> Option<&'static str> {
    let has_expired = matches!(failure, Failure::Caller(error) if error.has_expired());
    match (record.asks_for_token, record.client_in_form) {
        // RFC 6750 section 3.1
        (false, _) if has_expired => Some(
            "Bearer realm=\"claviger\", error=\"invalid_token\", error_description=\"the token has expired\"",
        ),
        (false, _) => Some("Bearer realm=\"claviger\""),
        (true, false) => Some("Basic realm=\"claviger\", error=\"invalid_client\""),
        (true, true) => None,
    }
}

/// RFC 6749 section 5.2 has printable ASCII there, without the quotation mark and the backslash.
fn oauth_text(detail: &str) -> String {
    let plain = |c| match c {
        '"' => '\'',
        ' '..='~' if c != '\\' => c,
        _ => '?',
    };
    detail.replace('\u{2026}', "...").chars().map(plain).collect()
}

/// Rounded up: a request after that time is let through.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// draft-ietf-httpapi-ratelimit-headers.
fn limit_fields(limit: &LimitError, headers: &mut http::HeaderMap) {
    let (name, rate, wait) = match limit {
        LimitError::Rate { rate, wait, .. } => ("caller", Some(rate), wait),
        LimitError::Quota { rate, wait, .. } => ("quota", Some(rate), wait),
        LimitError::Paused { wait, .. } => ("quota", None, wait),
        LimitError::Overloaded { .. }
        | LimitError::Unavailable { .. }
        | LimitError::Connections
        | LimitError::Unauthenticated
        | LimitError::Memory { .. }
        | LimitError::Identifications { .. } => {
            return;
        }
    };
    let remaining = format!("\"{name}\";r=0;t={}", whole_seconds(*wait));
    if let Ok(value) = HeaderValue::from_str(&remaining) {
        headers.insert(headers::RATELIMIT, value);
    }
    if let Some(Rate { requests, per, .. }) = rate
        && let Ok(value) =
            HeaderValue::from_str(&format!("\"{name}\";q={requests};w={}", whole_seconds(*per)))
    {
        headers.insert(headers::RATELIMIT_POLICY, value);
    }
}

fn count(failure: &Failure, short: &'static str, record: &Record) {
    match failure {
        // Not refused: nothing could be said.
        Failure::Caller(unauthenticated) if unauthenticated.retry_after().is_some() => {}
        Failure::Host(_) | Failure::Caller(_) | Failure::Policy(_) | Failure::ForwardAuth(_) => {
            record.metrics().policy_denied.of([&short]).inc()
        }
        Failure::Limit(limit) => {
            let policy = match limit {
                LimitError::Rate { .. } => "caller",
                LimitError::Quota { .. } | LimitError::Paused { .. } => "quota",
                LimitError::Unavailable { .. } => "circuit",
                LimitError::Overloaded { .. } => "in_flight",
                LimitError::Connections => "connections",
                LimitError::Unauthenticated => "unauthenticated",
                LimitError::Memory { .. } => "memory",
                LimitError::Identifications { .. } => "identification",
            };
            record.metrics().rate_limited.of([&policy]).inc();
        }
        Failure::Idempotency(error) => record.metrics().idempotency.of([&error.label()]).inc(),
        Failure::Reply(blocked) => reply::report(*blocked, record),
        Failure::InFlightTimeout(_)
        | Failure::SlowBody(_)
        | Failure::Headers(_)
        | Failure::Token(_)
        | Failure::Upstream(_)
        | Failure::Broker(_)
        | Failure::OpenApi(_)
        | Failure::Creation(_)
        | Failure::Vault(_)
        | Failure::Shared(_)
        | Failure::Panic => {}
    }
}
