//! Everything that can go wrong with a request, and the one table that says what its caller is told: status,
//! code, title, whose side it is on, when to come back. Each stage has its own error type; this module is
//! where they meet. An answer of the upstream, whatever its status, is not an error.

use std::{sync::Arc, time::Duration};

use http::StatusCode;
use tokio::time::Instant;

use super::{broker::BrokerError, hosts::HostError};
use crate::{
    authn::AuthnError,
    filter::Blocked,
    limit::{LimitError, NotSent},
    policy::{ForwardAuthError, Refusal, decide::RuleSource, target::TargetError},
    token::{Fault, TokenError},
    upstream::{BodyError, RequestBodyError, SendError, UpstreamError},
};

/// Why a request is not answered by the upstream.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A web page, or a foreign name, at a loopback listener.
    #[error(transparent)]
    Host(#[from] HostError),
    /// Nobody could be authenticated.
    #[error(transparent)]
    Caller(#[from] AuthnError),
    /// The policy refuses it.
    #[error(transparent)]
    Policy(#[from] Refusal),
    /// Over a limit.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// More header fields than `limits.headers`.
    #[error("the request has more than {0} header fields (`limits.headers`)")]
    Headers(usize),
    /// The deadline passed while the request's body was read.
    #[error("the request's body was not there within the deadline of {0:?}")]
    SlowBody(Duration),
    /// The deadline passed while the request waited for a place among the tenant's requests.
    #[error("timed out waiting for the tenant's in-flight limit (deadline {0:?})")]
    InFlightTimeout(Duration),
    /// No token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// No answer.
    #[error(transparent)]
    Upstream(UpstreamError),
    /// An answer that must not reach the caller.
    #[error(transparent)]
    Reply(#[from] Blocked),
    /// Another proxy is told no.
    #[error(transparent)]
    ForwardAuth(#[from] ForwardAuthError),
    /// The token broker refuses.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// A bug.
    #[error("Claviger failed on this request; this is a bug")]
    Panic,
}

impl Failure {
    /// Why an admitted request is not sent after all; `deadline` is the one that it had.
    pub fn not_sent(reason: NotSent, deadline: Duration) -> Self {
        match reason {
            NotSent::Policy(refusal) => refusal.into(),
            NotSent::Limit(limit) => limit.into(),
            NotSent::ForwardAuth(error) => error.into(),
            NotSent::Deadline => Self::InFlightTimeout(deadline),
        }
    }
}

impl From<UpstreamError> for Failure {
    fn from(error: UpstreamError) -> Self {
        match error {
            UpstreamError::Token(token) => token.into(),
            UpstreamError::Limit(limit) => limit.into(),
            other => Self::Upstream(other),
        }
    }
}

impl From<BodyError> for Failure {
    /// Of an answer whose head has not gone out yet.
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::Broken(_) => UpstreamError::BrokeOff.into(),
            BodyError::Idle(limit) => UpstreamError::Timeout(limit).into(),
            BodyError::Blocked(blocked) => blocked.into(),
        }
    }
}

impl From<RequestBodyError> for Failure {
    fn from(error: RequestBodyError) -> Self {
        Self::Upstream(error.into())
    }
}

impl From<TargetError> for Failure {
    fn from(error: TargetError) -> Self {
        Self::Policy(error.into())
    }
}

/// On whose side a failure lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The one that asks.
    Caller,
    /// This process, or its configuration.
    Claviger,
    /// The tenant's token endpoint.
    Issuer,
    /// The tenant's Management API.
    Upstream,
}

impl Side {
    /// One word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Claviger => "claviger",
            Self::Issuer => "issuer",
            Self::Upstream => "upstream",
        }
    }
}

/// What a caller is told.
#[derive(Debug, Clone)]
pub struct Description {
    /// HTTP status.
    pub status: StatusCode,
    /// `claviger.…`, from the contract.
    pub code: &'static str,
    /// The same for every occurrence.
    pub title: &'static str,
    /// Whose side it is on.
    pub side: Side,
    /// What to do about it.
    pub remedy: &'static str,
    /// Error type of `Proxy-Status` (RFC 9209 section 2.3).
    pub proxy_error: &'static str,
    /// OAuth error (RFC 6749 section 5.2), for clients of the broker.
    pub oauth: &'static str,
    /// When to come back.
    pub retry_after: Option<Duration>,
}

/// A row of the table.
#[rustfmt::skip]
const fn row(status: u16, code: &'static str, side: Side, proxy_error: &'static str, title: &'static str, remedy: &'static str) -> Description {
    let status = match StatusCode::from_u16(status) { Ok(status) => status, Err(_) => panic!("a row without a status") };
    let oauth = match status.as_u16() { 401 => "invalid_client", 403 => "unauthorized_client", 400..=499 => "invalid_request", 503 => "temporarily_unavailable", _ => "server_error" };
    Description { status, code, title, side, remedy, proxy_error, oauth, retry_after: None }
}

const DENIED: &str = "http_request_denied";
const MALFORMED: &str = "http_request_error";

#[rustfmt::skip]
mod table {
    use super::{DENIED, Description, MALFORMED, Side::{Caller, Claviger, Issuer, Upstream}, row};

    pub(super) const BAD_REQUEST: Description = row(400, "claviger.bad_request", Caller, MALFORMED, "Malformed request", "Correct the request.");
    pub(super) const TOKEN_NOT_GRANTED: Description = row(400, "claviger.bad_request", Caller, DENIED, "Token not granted", "Leave it out for the token that the grant names, or ask the operator for another grant.");
    pub(super) const TENANT_NOT_NAMED: Description = row(400, "claviger.bad_request", Caller, MALFORMED, "No tenant named", "Name it in the path, /t/{tenant}/api/…, or in the header Claviger-Tenant.");
    pub(super) const PATH_AMBIGUOUS: Description = row(400, "claviger.path_ambiguous", Caller, MALFORMED, "Ambiguous path", "Send the path in its plain form: no dot segments, empty segments or escaped delimiters.");
    pub(super) const CALLER_UNKNOWN: Description = row(401, "claviger.caller_unknown", Caller, DENIED, "Unknown caller", "Send a credential that Claviger knows (an API key goes as `Claviger-Key` or `Authorization: Bearer`), or use a listener where your locality is enough.");
    pub(super) const NOT_PERMITTED: Description = row(403, "claviger.not_permitted", Caller, DENIED, "Not permitted", "Ask the operator for a grant; `claviger explain` shows which rule decides.");
    pub(super) const OPERATION_UNKNOWN: Description = row(404, "claviger.operation_unknown", Caller, DENIED, "Unknown operation", "Check method and path; for an operation newer than the catalog the operator writes a rule such as \"GET /api/new-things/{id}\".");
    pub(super) const ORIGIN_NOT_ALLOWED: Description = row(403, "claviger.origin_not_allowed", Caller, DENIED, "Web page of an origin that is not listed", "Call from a service instead of a web page, or have the operator add the page's origin to `listen.allowed_origins`.");
    pub(super) const TENANT_UNKNOWN: Description = row(404, "claviger.tenant_unknown", Caller, DENIED, "Unknown tenant", "Check the tenant's alias in the path or in `Claviger-Tenant`.");
    pub(super) const NOT_FOUND: Description = row(404, "claviger.not_found", Caller, DENIED, "Not found", "");
    pub(super) const METHOD: Description = row(405, "claviger.method_not_allowed", Caller, MALFORMED, "Method not allowed", "Use one of the methods that `Allow` names.");
    pub(super) const BODY_SILENT: Description = row(408, "claviger.bad_request", Caller, MALFORMED, "Request body too slow", "Send the body without pauses, or raise `timeouts.body`.");
    pub(super) const BODY_TOO_LARGE: Description = row(413, "claviger.body_too_large", Caller, MALFORMED, "Request body too large", "Send less.");
    pub(super) const CONTENT_TYPE_MISSING: Description = row(415, "claviger.content_type_missing", Caller, MALFORMED, "Content-Type missing", "Send `Content-Type: application/json`; Logto would ignore the body and act on an empty one.");
    pub(super) const MASKED_VALUE: Description = row(409, "claviger.masked_value", Caller, DENIED, "Masked value in the body", "Leave out what came masked, or send the real value; Logto would store the mask in its place.");
    pub(super) const CONTENT_ENCODED: Description = row(415, "claviger.content_encoded", Caller, MALFORMED, "Compressed body", "Send the body without Content-Encoding.");
    pub(super) const CONTENT_TYPE_FALSE: Description = row(415, "claviger.content_type_missing", Caller, MALFORMED, "JSON sent as a form", "Send `Content-Type: application/json` (curl: `--json`, or `-H 'Content-Type: application/json'`); Logto would read a form with no member that it knows, and act on an empty object.");
    pub(super) const HOST_NOT_ALLOWED: Description = row(421, "claviger.host_not_allowed", Caller, DENIED, "Host not allowed", "Use localhost or a loopback address, or have the operator add the name to `listen.allowed_hosts`.");
    pub(super) const TOO_MANY_HEADERS: Description = row(431, "claviger.bad_request", Caller, MALFORMED, "Too many header fields", "Send fewer.");
    pub(super) const RATE_LIMITED: Description = row(429, "claviger.rate_limited", Caller, DENIED, "Rate limit used up", "Wait as long as Retry-After says.");
    pub(super) const QUOTA_EXHAUSTED: Description = row(429, "claviger.quota_exhausted", Upstream, DENIED, "Tenant quota used up", "Wait as long as Retry-After says.");
    pub(super) const INTERNAL: Description = row(500, "claviger.internal", Claviger, "proxy_internal_error", "Internal error", "Please report this with the request id and the log line.");
    pub(super) const CREDENTIAL_REJECTED: Description = row(502, "claviger.credential_rejected", Claviger, "proxy_configuration_error", "The issuer rejects Claviger's credential", "The operator runs `claviger check --online`.");
    pub(super) const SCOPE_MISSING: Description = row(502, "claviger.scope_missing", Claviger, "proxy_configuration_error", "The issuer does not grant the scope", "The operator runs `claviger check --online`.");
    pub(super) const TOKEN_REJECTED: Description = row(502, "claviger.token_rejected", Upstream, "proxy_configuration_error", "The upstream rejects the access token", "The operator checks `resource`, the clocks and the tenant's signing keys.");
    pub(super) const UPSTREAM_UNREACHABLE: Description = row(502, "claviger.upstream_unreachable", Upstream, "destination_unavailable", "Upstream unreachable", "Try again later; the operator checks `endpoint`, DNS and the network policy.");
    pub(super) const UPSTREAM_BROKEN: Description = row(502, "claviger.upstream_unreachable", Upstream, "connection_terminated", "Upstream broke the connection", "The request may have been carried out: look before you repeat it.");
    pub(super) const UPSTREAM_INVALID: Description = row(502, "claviger.upstream_invalid", Upstream, "http_protocol_error", "Upstream answer invalid", "The operator checks `endpoint`: it must be the tenant's own address, without a path.");
    pub(super) const ANSWER_WITHHELD: Description = row(502, "claviger.upstream_invalid", Upstream, "http_protocol_error", "Upstream answer withheld", "The operator looks at the log; the request has been carried out.");
    pub(super) const TOKEN_UNAVAILABLE: Description = row(503, "claviger.token_unavailable", Issuer, "destination_unavailable", "No access token", "Wait as long as Retry-After says; it recovers by itself.");
    pub(super) const SECRET_UNREADABLE: Description = row(503, "claviger.token_unavailable", Claviger, "proxy_configuration_error", "No access token", "Wait as long as Retry-After says; the operator looks at where `client_secret` comes from.");
    pub(super) const ISSUER_UNAVAILABLE: Description = row(503, "claviger.issuer_unavailable", Issuer, "destination_unavailable", "Issuer's signing keys unavailable", "Wait as long as Retry-After says; the operator looks at `issuers` in `/status`.");
    pub(super) const OVERLOADED: Description = row(503, "claviger.overloaded", Claviger, "connection_limit_reached", "Overloaded", "Wait as long as Retry-After says; the operator may raise `max_in_flight` or `limits.queue`.");
    pub(super) const OVERLOADED_BY_STRANGERS: Description = row(503, "claviger.overloaded", Claviger, "connection_limit_reached", "Overloaded", "Wait as long as Retry-After says; the operator may raise `limits.unauthenticated` or `limits.memory`.");
    pub(super) const UPSTREAM_TIMEOUT: Description = row(504, "claviger.upstream_timeout", Upstream, "http_response_timeout", "Upstream too slow", "Try again later; a write may have been carried out.");
    pub(super) const DEADLINE: Description = row(504, "claviger.deadline", Upstream, "http_response_timeout", "Deadline passed", "Try again later; a write may have been carried out.");
    pub(super) const DEADLINE_UNSENT: Description = row(504, "claviger.deadline", Claviger, "connection_limit_reached", "Deadline passed", "Nothing was sent to the upstream: try again later.");
}

impl Failure {
    /// The one place that decides what a caller is told.
    pub fn describe(&self) -> Description {
        let found = match self {
            Self::Host(HostError::Host) => table::HOST_NOT_ALLOWED,
            Self::Host(HostError::Origin) => table::ORIGIN_NOT_ALLOWED,
            Self::InFlightTimeout(_) => table::DEADLINE_UNSENT,
            Self::SlowBody(_) => table::BODY_SILENT,
            Self::Headers(_) => table::TOO_MANY_HEADERS,
            Self::Caller(unauthenticated) if unauthenticated.retry_after().is_some() => {
                table::ISSUER_UNAVAILABLE
            }
            Self::Caller(_) => table::CALLER_UNKNOWN,
            Self::Policy(refusal) => match refusal {
                Refusal::Target(TargetError::NotFound | TargetError::Authz) => table::NOT_FOUND,
                Refusal::Target(
                    TargetError::NotOriginForm
                    | TargetError::Query
                    | TargetError::TenantHeader
                    | TargetError::TenantConflict,
                ) => table::BAD_REQUEST,
                Refusal::TenantNotNamed(_) => table::TENANT_NOT_NAMED,
                Refusal::Path(_) => table::PATH_AMBIGUOUS,
                Refusal::TenantUnknown => table::TENANT_UNKNOWN,
                Refusal::ResourceNotGranted | Refusal::OrganizationNotGranted => {
                    Description { oauth: "invalid_target", ..table::TOKEN_NOT_GRANTED }
                }
                Refusal::ScopeNotGranted => {
                    Description { oauth: "invalid_scope", ..table::TOKEN_NOT_GRANTED }
                }
                Refusal::TokenOfOtherTenant => Description { remedy: "", ..table::NOT_PERMITTED },
                Refusal::TenantNotGranted(..) | Refusal::NotPermitted { .. } | Refusal::Condition { .. } => {
                    table::NOT_PERMITTED
                }
                Refusal::Method(_) | Refusal::Target(TargetError::Read) => table::METHOD,
                Refusal::OperationUnknown => table::OPERATION_UNKNOWN,
            },
            Self::Limit(LimitError::Rate { .. } | LimitError::Identifications { .. }) => table::RATE_LIMITED,
            Self::Limit(LimitError::Quota { .. }) => table::QUOTA_EXHAUSTED,
            Self::Limit(LimitError::Overloaded { .. }) => table::OVERLOADED,
            Self::Limit(LimitError::Unauthenticated) => table::OVERLOADED_BY_STRANGERS,
            Self::Token(error) => match error.fault() {
                Fault::ScopeMissing { .. } => table::SCOPE_MISSING,
                Fault::Rejected { .. } => table::CREDENTIAL_REJECTED,
                Fault::Deadline => Description { side: Side::Issuer, ..table::DEADLINE_UNSENT },
                Fault::Quota => table::QUOTA_EXHAUSTED,
                Fault::SecretUnreadable(_) => table::SECRET_UNREADABLE,
                Fault::Unreachable(_)
                | Fault::Timeout
                | Fault::Status(_)
                | Fault::RateLimited
                | Fault::TokenCap
                | Fault::Invalid(_)
                | Fault::Interrupted => table::TOKEN_UNAVAILABLE,
            },
            Self::Upstream(error) => match error {
                // Taken apart where an upstream's error becomes a failure.
                UpstreamError::Token(_) | UpstreamError::Limit(_) | UpstreamError::NoSuchToken => {
                    table::INTERNAL
                }
                UpstreamError::Unreachable(SendError::Broken(_)) => table::UPSTREAM_BROKEN,
                UpstreamError::Unreachable(
                    SendError::Connect(_) | SendError::ConnectTimeout(_) | SendError::Closed(_),
                ) => table::UPSTREAM_UNREACHABLE,
                UpstreamError::BrokeOff => table::UPSTREAM_UNREACHABLE,
                UpstreamError::Timeout(_) => table::UPSTREAM_TIMEOUT,
                UpstreamError::Spent => table::UPSTREAM_BROKEN,
                UpstreamError::Deadline(_) => table::DEADLINE,
                UpstreamError::Invalid(_) => table::UPSTREAM_INVALID,
                UpstreamError::TokenRejected(..) => table::TOKEN_REJECTED,
                UpstreamError::Body(RequestBodyError::TooLarge { .. }) => table::BODY_TOO_LARGE,
                UpstreamError::Body(RequestBodyError::Limit(_)) => table::OVERLOADED,
                UpstreamError::Body(RequestBodyError::NoContentType) => table::CONTENT_TYPE_MISSING,
                UpstreamError::Body(RequestBodyError::Masked) => table::MASKED_VALUE,
                UpstreamError::Body(RequestBodyError::Encoded) => table::CONTENT_ENCODED,
                UpstreamError::Body(RequestBodyError::JsonAsForm) => table::CONTENT_TYPE_FALSE,
                UpstreamError::Body(RequestBodyError::Silent(_)) => table::BODY_SILENT,
                UpstreamError::Body(RequestBodyError::Broken(_)) => table::BAD_REQUEST,
            },
            Self::Reply(_) => table::ANSWER_WITHHELD,
            Self::ForwardAuth(ForwardAuthError::Question) => table::BAD_REQUEST,
            Self::ForwardAuth(ForwardAuthError::Spelling) => table::PATH_AMBIGUOUS,
            Self::ForwardAuth(ForwardAuthError::Masked(_)) => table::NOT_PERMITTED,
            Self::Broker(BrokerError::Method) => table::METHOD,
            Self::Broker(BrokerError::Resources) => {
                Description { oauth: "invalid_target", ..table::BAD_REQUEST }
            }
            Self::Broker(BrokerError::GrantType) => {
                Description { oauth: "unsupported_grant_type", ..table::BAD_REQUEST }
            }
            Self::Broker(
                BrokerError::Form | BrokerError::Twice | BrokerError::Credentials | BrokerError::Assertion,
            ) => table::BAD_REQUEST,
            Self::Broker(BrokerError::TooLarge) => table::BODY_TOO_LARGE,
            Self::Broker(BrokerError::Seal(_)) | Self::Panic => table::INTERNAL,
        };
        Description { retry_after: self.retry_after(), ..found }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Limit(
                LimitError::Rate { wait, .. }
                | LimitError::Quota { wait, .. }
                | LimitError::Identifications { wait },
            ) => Some(*wait),
            Self::Limit(LimitError::Overloaded { .. } | LimitError::Unauthenticated)
            | Self::Upstream(UpstreamError::Body(RequestBodyError::Limit(_))) => Some(Duration::from_secs(1)),
            Self::Token(error) => Some(error.retry_after(Instant::now())),
            Self::Caller(unauthenticated) => unauthenticated.retry_after(),
            _ => None,
        }
    }

    /// This occurrence, in a sentence or two: what happened, and what to do. For the caller, so it names no
    /// rule and no address.
    pub fn detail(&self, description: &Description) -> String {
        let remedy = match self {
            Self::Token(error) => error.remedy(),
            Self::Upstream(UpstreamError::Body(RequestBodyError::TooLarge { key, .. })) => match *key {
                "limits.replay" => {
                    "A rule looks into this body, so it is held in memory: send less, or have the operator raise the key"
                }
                "limits.multipart_body" => "Send less: Logto takes files of up to 20 MiB",
                _ => "Send less: Logto answers JSON over 1 MiB and forms or text over 56 kB with 404",
            },
            _ => description.remedy,
        };
        let what = match self {
            Self::Token(error) => match error.fault() {
                // What the issuer says may name the application or an address: that is for the log.
                Fault::Rejected { error, .. } => format!("the issuer refused the token request ({error})"),
                Fault::Unreachable(_) => "the issuer cannot be reached".to_owned(),
                Fault::SecretUnreadable(_) => "the client secret cannot be read".to_owned(),
                fault => fault.to_string(),
            },
            Self::Policy(Refusal::NotPermitted { reason: "withheld", .. }) => {
                return "OpenAPI documents are never forwarded: Logto rebuilds them for seconds on each call. Use a copy.".to_owned();
            }
            Self::Upstream(UpstreamError::Body(RequestBodyError::TooLarge { limit, key })) => {
                format!("the request's body is larger than {limit} bytes (`{key}`)")
            }
            other => other.to_string(),
        };
        let separator = if remedy.is_empty() { "" } else { ". " };
        format!("{}{separator}{remedy}", sentence(&what))
    }

    /// The rule that refused the request.
    pub fn rule(&self) -> Option<&Arc<RuleSource>> {
        match self {
            Self::Policy(refusal) => refusal.rule(),
            _ => None,
        }
    }

    /// What the operator needs beside it, for the log: may name addresses.
    pub fn cause(&self) -> Option<String> {
        match self {
            Self::Upstream(UpstreamError::Unreachable(error)) => Some(error.cause()),
            Self::Caller(unauthenticated) => Some(unauthenticated.cause()),
            Self::Policy(Refusal::NotPermitted { operation, reason, .. }) => {
                Some(format!("{operation}: {reason}"))
            }
            Self::Policy(Refusal::Condition { operation, unmet, .. }) => {
                Some(format!("{operation}: {} ({})", unmet.broken, unmet.rule))
            }
            Self::Policy(Refusal::OperationUnknown) => Some(
                "no operation of the catalog has this method and path, and no rule names them".to_owned(),
            ),
            Self::Policy(
                Refusal::Target(_)
                | Refusal::Path(_)
                | Refusal::TenantNotGranted(..)
                | Refusal::TokenOfOtherTenant
                | Refusal::ResourceNotGranted
                | Refusal::OrganizationNotGranted
                | Refusal::ScopeNotGranted
                | Refusal::TenantNotNamed(_),
            )
            | Self::Host(_)
            | Self::SlowBody(_)
            | Self::InFlightTimeout(_)
            | Self::ForwardAuth(_)
            | Self::Token(_) => Some(self.to_string()),
            _ => None,
        }
    }
}

/// With a capital, unless it begins with a name such as `grant_type`.
fn sentence(text: &str) -> String {
    let word = text.split(' ').next().unwrap_or_default();
    let (first, rest) =
        text.split_at(usize::from(word.bytes().all(|b| b.is_ascii_alphabetic()) && !word.is_empty()));
    format!("{}{rest}", first.to_ascii_uppercase())
}
