//! What callers are told: the table of the contract, one row for each kind of failure.
#![cfg_attr(rustfmt, rustfmt_skip)]

use std::time::Duration;

use http::StatusCode;

use crate::{observe::Side::{self, Caller, Claviger, Issuer, Upstream}, upstream::RequestBodyError};

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

/// The title where a caller has several tenants and names none: all of its requests fare like that.
pub const NO_TENANT_NAMED: &str = TENANT_NOT_NAMED.title;
/// The same of accounts at Logto Cloud.
pub const NO_ACCOUNT_NAMED: &str = ACCOUNT_NOT_NAMED.title;
const DENIED: &str = "http_request_denied";
/// Sends callers to the operator's log. The log itself leaves this sentence out.
pub(super) const SEE_LOG: &str = " The operator's log says why, under this instance.";
/// The end of the remedies of what the policy refuses.
pub(super) const EXPLAIN: &str = "`claviger explain` shows which rule decides.";
const MALFORMED: &str = "http_request_error";

/// A row of the table.
const fn row(status: u16, code: &'static str, side: Side, proxy_error: &'static str, title: &'static str, remedy: &'static str) -> Description {
    let status = match StatusCode::from_u16(status) { Ok(status) => status, Err(_) => panic!("a row without a status") };
    let oauth = match status.as_u16() { 401 => "invalid_client", 403 => "unauthorized_client", 400..=499 => "invalid_request", 503 => "temporarily_unavailable", _ => "server_error" };
    Description { status, code, title, side, remedy, proxy_error, oauth, retry_after: None }
}

/// Of what says itself what to write.
pub(super) const BAD_REQUEST: Description = row(400, "claviger.bad_request", Caller, MALFORMED, "Malformed request", "");
pub(super) const TOKEN_FORM: Description = row(400, "claviger.bad_request", Caller, MALFORMED, "Malformed request", "Send the fields grant_type=client_credentials, client_id (the caller's name) and client_secret (its API key) as a form, not as JSON; the last two may come by HTTP Basic.");
pub(super) const CLIENT_TWICE: Description = Description { remedy: "Send one of them.", ..BAD_REQUEST };
pub(super) const ONCE: Description = Description { remedy: "Send it once.", ..BAD_REQUEST };
pub(super) const SCOPE_TWICE: Description = Description { remedy: "Send it once; several scopes are one value with spaces between them.", ..BAD_REQUEST };
pub(super) const ASSERTION: Description = Description { remedy: "Send both, or neither.", ..BAD_REQUEST };
pub(super) const PATH_ALONE: Description = Description { remedy: "Send the path alone after the method, such as GET /api/users.", ..BAD_REQUEST };
pub(super) const QUERY_UNESCAPED: Description = Description { remedy: "Percent-encode it: a space is %20, # is %23.", ..BAD_REQUEST };
pub(super) const TWO_TENANTS: Description = Description { remedy: "Name the tenant in one of the two.", ..BAD_REQUEST };
pub(super) const BODY_INCOMPLETE: Description = Description { remedy: "Send as many bytes as Content-Length says, at once.", ..BAD_REQUEST };
pub(super) const RESOURCES: Description = Description { oauth: "invalid_target", ..ONCE };
pub(super) const GRANT_TYPE: Description = Description { oauth: "unsupported_grant_type", ..TOKEN_FORM };
pub(super) const TOKEN_NOT_GRANTED: Description = row(400, "claviger.bad_request", Caller, DENIED, "Token not granted", "Leave it out for the token that the grant names.");
pub(super) const SCOPE_NOT_GRANTED: Description = Description { oauth: "invalid_scope", remedy: "Leave it out: what the caller may do is in its policies, whatever the scope.", ..TOKEN_NOT_GRANTED };
pub(super) const TENANT_NOT_NAMED: Description = row(400, "claviger.bad_request", Caller, MALFORMED, "No tenant named", "Put /t/{tenant} in front of the path, or name the tenant in the header Claviger-Tenant.");
pub(super) const NO_TENANT: Description = Description { remedy: "The operator adds a tenant that the caller's `tenants` takes in, by name, pattern or label; `claviger tenant list` shows which there are.", title: "No tenant of this caller", ..TENANT_NOT_NAMED };
pub(super) const ACCOUNT_NOT_NAMED: Description = Description { remedy: "Name one in the path: /cloud/{account}/api/….", title: "No account named", ..TENANT_NOT_NAMED };
pub(super) const PATH_AMBIGUOUS: Description = row(400, "claviger.path_ambiguous", Caller, MALFORMED, "Ambiguous path", "Send the path in its plain form: no dot segments, empty segments or escaped delimiters.");
pub(super) const TWO_SLASHES: Description = Description { remedy: "Does the base URL end with a slash? Write it without.", ..PATH_AMBIGUOUS };
pub(super) const CALLER_UNKNOWN: Description = row(401, "claviger.caller_unknown", Caller, DENIED, "Unknown caller", "Send a credential that Claviger knows (an API key goes as `Claviger-Key` or `Authorization: Bearer`), or, on the same machine, none at all if a caller there has `loopback = true`. The operator's log says why, under this instance.");
pub(super) const CREDENTIAL_EXPIRED: Description = row(401, "claviger.caller_unknown", Caller, DENIED, "Credential expired", "Get another one and send the request again.");
pub(super) const NOT_PERMITTED: Description = row(403, "claviger.not_permitted", Caller, DENIED, "Not permitted", "Ask the operator; `claviger explain` shows which rule decides.");
pub(super) const BODY_NOT_JSON: Description = Description { remedy: "Correct the body.", ..NOT_PERMITTED };
pub(super) const TOKEN_ELSEWHERE: Description = Description { remedy: "", ..NOT_PERMITTED };
pub(super) const OPERATION_UNKNOWN: Description = row(404, "claviger.operation_unknown", Caller, DENIED, "Unknown operation", "Check method and path; an operation newer than the catalog needs a rule with its method and path.");
pub(super) const OPERATION_MEANT: Description = Description { remedy: "", ..OPERATION_UNKNOWN };
pub(super) const PREFIX_TWICE: Description = Description { remedy: "Write the base URL without /api where the client adds it.", ..OPERATION_UNKNOWN };
pub(super) const ORIGIN_NOT_ALLOWED: Description = row(403, "claviger.origin_not_allowed", Caller, DENIED, "Web page of an origin that is not listed", "Call from a service instead of a web page, or have the operator add the page's origin to `listen.allowed_origins`.");
pub(super) const TENANT_UNKNOWN: Description = row(404, "claviger.tenant_unknown", Caller, DENIED, "Unknown tenant", "Check its name in the path or in `Claviger-Tenant`.");
pub(super) const NOT_FOUND: Description = row(404, "claviger.not_found", Caller, DENIED, "Not found", "");
pub(super) const METHOD: Description = row(405, "claviger.method_not_allowed", Caller, MALFORMED, "Method not allowed", "Use one of the methods that `Allow` names, in capitals.");
pub(super) const BODY_SILENT: Description = row(408, "claviger.bad_request", Caller, MALFORMED, "Request body too slow", "Send the body without pauses, or raise `timeouts.body`.");
pub(super) const BODY_TOO_LARGE: Description = row(413, "claviger.body_too_large", Caller, MALFORMED, "Request body too large", "Send less.");
pub(super) const CONTENT_TYPE_MISSING: Description = row(415, "claviger.content_type_missing", Caller, MALFORMED, "Content-Type missing", "Send `Content-Type: application/json`; Logto would ignore the body and act on an empty one.");
pub(super) const MASKED_VALUE: Description = row(409, "claviger.masked_value", Caller, DENIED, "Masked value in the body", "Leave out each member of the body with the mask in it, all of a webhook's `config` say, or send the real value; Logto would store the mask in its place.");
pub(super) const KEY_MALFORMED: Description = Description { title: "Malformed Idempotency-Key", remedy: "Send one string of at most 255 characters, such as a UUID in quotation marks.", ..BAD_REQUEST };
pub(super) const KEY_MISSING: Description = Description { title: "No Idempotency-Key", remedy: "Send the request that you ask about as it was the first time, with its Idempotency-Key; or leave Claviger-Replay out.", ..BAD_REQUEST };
pub(super) const KEY_IN_PROGRESS: Description = row(409, "claviger.idempotency_in_progress", Caller, DENIED, "First request still under way", "Wait as long as Retry-After says, and send the same request again: it gets the answer of the first one.");
pub(super) const OUTCOME_UNKNOWN: Description = row(409, "claviger.idempotency_unknown", Upstream, DENIED, "Outcome of the first request unknown", "Look for what it was to make or change, by an identifier that it has of its own. If it is not there, send the request again with another key.");
pub(super) const KEY_NOT_KNOWN: Description = row(409, "claviger.idempotency_unknown", Claviger, DENIED, "First request not known here", "To have it carried out, send it without Claviger-Replay.");
pub(super) const ANSWER_NOT_KEPT: Description = row(409, "claviger.idempotency_not_kept", Claviger, DENIED, "Answer to the first request not kept", "Read what it made or changed. To have it done once more, use another key.");
pub(super) const ALIAS_TAKEN: Description = row(409, "claviger.alias_taken", Caller, DENIED, "Alias taken", "Choose another alias; nothing was sent to Logto.");
pub(super) const TENANT_CHANGED: Description = row(409, "claviger.tenant_changed", Caller, DENIED, "Tenant changed meanwhile", "Look at it again, and repeat the request if it still applies.");
pub(super) const CONTENT_ENCODED: Description = row(415, "claviger.content_encoded", Caller, MALFORMED, "Compressed body", "Send the body without Content-Encoding.");
pub(super) const BODY_EMPTY: Description = Description { title: "No body", remedy: "Send JSON, or {} if nothing is meant to be in it; Logto would act on an empty object. Was a variable unset?", ..BAD_REQUEST };
pub(super) const CONTENT_TYPE_FALSE: Description = row(415, "claviger.content_type_missing", Caller, MALFORMED, "JSON sent as a form", "Send `Content-Type: application/json` (curl: `--json`, or `-H 'Content-Type: application/json'`); Logto would read a form with no member that it knows, and act on an empty object.");
pub(super) const CONTENT_TYPE_UNREAD: Description = row(415, "claviger.content_type_missing", Caller, MALFORMED, "Content-Type that Logto does not read", "Send `Content-Type: application/json`, spelt so (multipart/form-data is for uploads alone); Logto would ignore the body and act on an empty object.");
pub(super) const CONTENT_TYPE_TEXT: Description = row(415, "claviger.content_type_missing", Caller, MALFORMED, "Text in place of a JSON object", "Send `Content-Type: application/json` (curl: `--json`, or `-H 'Content-Type: application/json'`).");
pub(super) const KEY_REUSED: Description = row(422, "claviger.idempotency_key_reused", Caller, DENIED, "Idempotency-Key used for another request", "Send the request as it was the first time, or use another key.");
pub(super) const HOST_NOT_ALLOWED: Description = row(421, "claviger.host_not_allowed", Caller, DENIED, "Host not allowed", "Use localhost or a loopback address, or have the operator add the name to `listen.allowed_hosts`.");
pub(super) const TOO_MANY_HEADERS: Description = row(431, "claviger.bad_request", Caller, MALFORMED, "Too many header fields", "Send fewer.");
pub(super) const RATE_LIMITED: Description = row(429, "claviger.rate_limited", Caller, DENIED, "Rate limit used up", "Wait as long as Retry-After says.");
pub(super) const QUOTA_EXHAUSTED: Description = row(429, "claviger.quota_exhausted", Claviger, DENIED, "Tenant quota used up", "Wait as long as Retry-After says.");
pub(super) const QUOTA_PAUSED: Description = row(429, "claviger.quota_exhausted", Upstream, DENIED, "Logto asked for a pause", "Wait as long as Retry-After says.");
pub(super) const INTERNAL: Description = row(500, "claviger.internal", Claviger, "proxy_internal_error", "Internal error", "Please report this with the request id and the log line.");
pub(super) const CREDENTIAL_REJECTED: Description = row(502, "claviger.credential_rejected", Claviger, "proxy_configuration_error", "The issuer rejects Claviger's credential", "The operator runs `claviger check --online`.");
pub(super) const SCOPE_MISSING: Description = row(502, "claviger.scope_missing", Claviger, "proxy_configuration_error", "The issuer does not grant the scope", "The operator runs `claviger check --online`.");
pub(super) const TOKEN_REJECTED: Description = row(502, "claviger.token_rejected", Upstream, "proxy_configuration_error", "The upstream rejects the access token", "The operator checks `resource`, the clocks and the tenant's signing keys.");
pub(super) const ACCOUNT_REFUSED: Description = Description { remedy: "The operator makes another.", ..TOKEN_REJECTED };
pub(super) const UPSTREAM_UNREACHABLE: Description = row(502, "claviger.upstream_unreachable", Upstream, "destination_unavailable", "Upstream unreachable", "Try again later; the operator checks `endpoint`, DNS and the network policy.");
pub(super) const UPSTREAM_BROKEN: Description = row(502, "claviger.upstream_unreachable", Upstream, "connection_terminated", "Upstream broke the connection", "A read can be repeated; a write may have been carried out: look before you repeat it.");
pub(super) const UPSTREAM_INVALID: Description = row(502, "claviger.upstream_invalid", Upstream, "http_protocol_error", "Upstream answer invalid", "The operator checks `endpoint`: it must be the tenant's own address, without a path.");
pub(super) const UPSTREAM_FOREIGN: Description = Description { remedy: "A write may have been carried out: look before you repeat it. The operator checks `endpoint`, and what is in front of Logto: another server, a firewall or a gateway answers there.", ..UPSTREAM_INVALID };
pub(super) const ANSWER_WITHHELD: Description = row(502, "claviger.upstream_invalid", Upstream, "http_protocol_error", "Upstream answer withheld", "The operator looks at the log; the request has been carried out.");
pub(super) const TENANT_NOT_STORED: Description = row(502, "claviger.tenant_not_stored", Claviger, "proxy_internal_error", "Tenant created and not stored", "");
pub(super) const TOKEN_UNAVAILABLE: Description = row(503, "claviger.token_unavailable", Issuer, "destination_unavailable", "No access token", "Wait as long as Retry-After says; the operator looks at the log, or runs `claviger status`.");
pub(super) const SECRET_UNREADABLE: Description = row(503, "claviger.token_unavailable", Claviger, "proxy_configuration_error", "No access token", "Wait as long as Retry-After says; the operator looks at where `client_secret` comes from.");
pub(super) const ISSUER_UNAVAILABLE: Description = row(503, "claviger.issuer_unavailable", Issuer, "destination_unavailable", "Issuer's signing keys unavailable", "Wait as long as Retry-After says; the operator looks at `issuers` in `/status`.");
pub(super) const UPSTREAM_UNAVAILABLE: Description = row(503, "claviger.upstream_unavailable", Upstream, "destination_unavailable", "Upstream unavailable", "Wait as long as Retry-After says, and send it again; the operator looks at `claviger status`.");
pub(super) const OVERLOADED: Description = row(503, "claviger.overloaded", Claviger, "connection_limit_reached", "Overloaded", "Wait as long as Retry-After says; the operator may raise `max_in_flight` or `limits.queue`.");
pub(super) const OVERLOADED_BY_CONNECTIONS: Description = row(503, "claviger.overloaded", Claviger, "connection_limit_reached", "Overloaded", "Send the request again on another connection; use fewer connections at one time. The operator may raise `listen.max_connections` or `limits.memory`.");
pub(super) const OVERLOADED_BY_STRANGERS: Description = row(503, "claviger.overloaded", Claviger, "connection_limit_reached", "Overloaded", "Wait as long as Retry-After says; the operator may raise `limits.unauthenticated` or `limits.memory`.");
pub(super) const OVERLOADED_BY_CALLER: Description = row(503, "claviger.overloaded", Claviger, "connection_limit_reached", "Overloaded", "Take the answers that have come, and send fewer requests at one time; the operator may raise `limits.memory`.");
pub(super) const OVERLOADED_BY_DOCUMENTS: Description = row(503, "claviger.overloaded", Claviger, "connection_limit_reached", "Overloaded", "Wait as long as Retry-After says.");
pub(super) const OVERLOADED_BY_KEYS: Description = row(503, "claviger.overloaded", Claviger, "connection_limit_reached", "Overloaded", "Send it without an Idempotency-Key if it may be repeated, or wait as long as Retry-After says; the operator looks at why requests to Logto get no answer, or raises `limits.idempotency_keys`.");
pub(super) const KEYS_UNAVAILABLE: Description = row(503, "claviger.idempotency_unavailable", Claviger, "destination_unavailable", "Store of Idempotency-Keys unavailable", "Wait as long as Retry-After says, and send it again with the same key; the operator looks at the log and at `[redis]`.");
pub(super) const VAULT_UNAVAILABLE: Description = row(503, "claviger.vault_unavailable", Claviger, "proxy_configuration_error", "Vault unavailable", "Wait as long as Retry-After says; the operator looks at the log and at `[vault]`.");
pub(super) const VAULT_WRONG: Description = Description { remedy: "The operator looks at the log and at `[vault]`.", ..VAULT_UNAVAILABLE };
pub(super) const NO_VAULT: Description = Description { title: "No vault", remedy: "The operator writes `[vault]`.", ..VAULT_UNAVAILABLE };
pub(super) const UPSTREAM_TIMEOUT: Description = row(504, "claviger.upstream_timeout", Upstream, "http_response_timeout", "Upstream too slow", "Try again later; a write may have been carried out.");
pub(super) const DEADLINE: Description = row(504, "claviger.deadline", Upstream, "http_response_timeout", "Deadline passed", "Try again later; a write may have been carried out.");
pub(super) const DEADLINE_UNSENT: Description = row(504, "claviger.deadline", Claviger, "connection_limit_reached", "Deadline passed", "Nothing was sent to the upstream: try again later.");

// What an operator is told about an upstream, beside what its callers are told above.
pub(super) const OPERATOR_UNREACHABLE: &str = "Check the tenant's `endpoint`, DNS and the network policy, and whether Logto runs.";
pub(super) const OPERATOR_BROKEN: &str = "Look at Logto's log and at what is between: a proxy, a load balancer, a restart.";
pub(super) const OPERATOR_TIMEOUT: &str = "Look at how Logto and its database fare; `timeouts.response` is how long an answer may take.";
pub(super) const OPERATOR_SERVER_ERROR: &str = "Logto answers with an error of its own, which callers get as it is: look at Logto's log and at its database.";
pub(super) const OPERATOR_GATEWAY: &str = "What is in front of Logto answers in its place, such as a gateway or a load balancer: look at its log, and at whether Logto runs.";
pub(super) const OPERATOR_TOKEN_REJECTED: &str = "Check the tenant's `resource`, the clocks of both sides, whether Logto's signing keys were rotated, and whether a proxy between Claviger and Logto replaces the Authorization header.";
/// What the operator does where Logto Cloud refuses the token of an account.
pub const REMEDY_OF_ACCOUNT: &str = "Make another personal access token in the Logto Console, in the settings of the profile, and put it where `token` of the account takes it from.";
pub(super) const OPERATOR_ECHO: &str = "Find out what at `endpoint` repeats the request's Authorization, such as a debugging proxy or an echo server. If others may have seen it, replace the client secret.";
pub(super) const OPERATOR_INVALID: &str = "Check the tenant's `endpoint`: it must be the tenant's own address, without a path. If it is, see whether a firewall or another server in front of Logto answers in its place.";

/// Of a request's body.
pub(super) fn of_body(wrong: &RequestBodyError) -> Description {
    match wrong {
        RequestBodyError::TooLarge { .. } => BODY_TOO_LARGE,
        RequestBodyError::Limit(_) => OVERLOADED,
        RequestBodyError::NoContentType => CONTENT_TYPE_MISSING,
        RequestBodyError::Masked => MASKED_VALUE,
        RequestBodyError::Encoded => CONTENT_ENCODED,
        RequestBodyError::UnreadContentType => CONTENT_TYPE_UNREAD,
        RequestBodyError::TextType => CONTENT_TYPE_TEXT,
        RequestBodyError::JsonAsForm => CONTENT_TYPE_FALSE,
        RequestBodyError::Empty => BODY_EMPTY,
        RequestBodyError::Silent(_) => BODY_SILENT,
        RequestBodyError::Broken(_) => BODY_INCOMPLETE,
    }
}

/// Of an answer of somebody else's.
pub(super) fn foreign(status: StatusCode) -> Description {
    Description { status, ..UPSTREAM_FOREIGN }
}

impl Description {
    /// The same for whoever only reads, and need not fear for a write.
    pub(in crate::proxy) fn for_reader(self) -> Self {
        const WRITE: &str = "A write may have been carried out: look before you repeat it. ";
        let remedy = match self.remedy {
            _ if self.remedy == UPSTREAM_TIMEOUT.remedy => "Try again later.",
            _ if self.remedy == UPSTREAM_BROKEN.remedy => "Send it again.",
            remedy => remedy.strip_prefix(WRITE).unwrap_or(remedy),
        };
        Self { remedy, ..self }
    }
}
