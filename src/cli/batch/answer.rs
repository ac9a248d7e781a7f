//! What an answer says of its operation: that it is over, that it was certainly not carried out and may be sent again, or that
//! nobody knows.

use std::time::Duration;

use serde_json::Value;

use crate::{
    listen::SPEAKS_TLS,
    proxy::{NO_ACCOUNT_NAMED, NO_TENANT_NAMED},
};

/// An answer, read whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Value,
    /// `Retry-After`, in seconds.
    pub(super) retry_after: Option<u64>,
    /// RFC 9209, where it is of Claviger's making.
    pub(super) proxy_error: Option<String>,
    pub(super) is_replayed: bool,
    /// Whether it came through Claviger, which says so in each.
    pub(super) is_claviger: bool,
    /// Whether it is of this very process, which takes up nothing that somebody mends meanwhile.
    pub(super) is_own: bool,
}

/// What it says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// It is over, for better or worse.
    Over,
    /// It was not carried out: again after so long, or a moment.
    Wait(Option<Duration>),
    /// It may have been carried out.
    Unknown,
    /// All operations would fare like that, and this one was not carried out: nobody knows the caller, or the command is wrong.
    Stop,
    /// It is somebody else that answers, who may have done whatever it was asked.
    Elsewhere,
}

impl Answer {
    /// Claviger's code, where it is an answer of Claviger's own.
    pub(super) fn code(&self) -> &str {
        let code = self.proxy_error.as_ref().and_then(|_| self.body["code"].as_str());
        code.and_then(|code| code.strip_prefix("claviger.")).unwrap_or_default()
    }

    /// Status and body, where there is one.
    pub(super) fn parts(answer: Option<Self>) -> (Option<u16>, Value) {
        answer.map_or((None, Value::Null), |answer| (Some(answer.status), answer.body))
    }

    pub(super) fn message(&self) -> String {
        if !self.is_claviger && self.status < 500 {
            return format!(
                "what answers there is not Claviger's proxy (it answered {}): write where `claviger serve` listens (listen.proxy) in --url",
                self.status
            );
        }
        let message =
            self.body["message"].as_str().filter(|it| !it.is_empty()).unwrap_or("without a message");
        if self.code() == "caller_unknown" {
            let what = message.split_once(". ").map_or(message, |(what, _)| what);
            let id = self.body["instance"].as_str().map(|id| format!(" (request {id})")).unwrap_or_default();
            return format!(
                "{} {what}: give the caller's key with --key-file or --key-env; Claviger's log says why it refuses one{id}",
                self.status
            );
        }
        let instead = match self.title() {
            NO_TENANT_NAMED => ": write --tenant NAME",
            NO_ACCOUNT_NAMED => ": write a path that begins with /cloud/ACCOUNT/api/",
            _ => return format!("{} {message}", self.status),
        };
        // What comes behind it is for those who write requests.
        let message = message.split_once(". ").map_or(message, |(what, _)| what);
        format!("{} {message}{instead}", self.status)
    }

    /// Of a failure of Claviger's own.
    fn title(&self) -> &str {
        self.proxy_error.as_ref().and_then(|_| self.body["title"].as_str()).unwrap_or_default()
    }

    /// Whether the command asks for what there is not: repeated as it is, it would fare the same.
    pub(super) fn refuses_command(&self) -> bool {
        let is_plain = self.code() == "bad_request" && self.body["message"] == SPEAKS_TLS;
        is_plain
            || self.code() == "tenant_unknown"
            || matches!(self.title(), NO_TENANT_NAMED | NO_ACCOUNT_NAMED)
    }

    pub(super) fn says(&self) -> Says {
        let wait = || Says::Wait(self.retry_after.map(Duration::from_secs));
        match (self.status, self.code()) {
            (_, "idempotency_in_progress") => wait(),
            (_, "idempotency_unknown" | "idempotency_not_kept") => Says::Unknown,
            (429, _) => wait(),
            // No 401 of Logto's passes Claviger.
            (401, _) | (404, "tenant_unknown" | "not_found") => Says::Stop,
            _ if self.refuses_command() => Says::Stop,
            (_, "upstream_unreachable" | "deadline") if !self.was_sent() => wait(),
            // Somebody has to mend something, and may.
            (_, "credential_rejected" | "scope_missing" | "token_rejected") if self.is_own => Says::Stop,
            (_, "credential_rejected" | "scope_missing" | "token_rejected") => wait(),
            // A page of what is in front of Logto, which may have passed the request on.
            (503, "upstream_invalid") => Says::Unknown,
            (503, code) if !code.is_empty() => wait(),
            // It may have gone through Claviger, where something stands in front of it.
            (500.., _) => Says::Unknown,
            (400.., _) if !self.is_claviger => Says::Stop,
            _ if !self.is_claviger => Says::Elsewhere,
            _ => Says::Over,
        }
    }

    /// Of an answer of Claviger's own about the upstream: whether the request had gone out.
    fn was_sent(&self) -> bool {
        let error = self.proxy_error.as_deref().unwrap_or_default();
        !matches!(error, "destination_unavailable" | "connection_limit_reached")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn says(status: u16, code: &str, error: &str) -> Says {
        let (proxy_error, body) = match code {
            "" => (None, json!({ "code": "user.invalid" })),
            code => (Some(error.to_owned()), json!({ "code": format!("claviger.{code}") })),
        };
        Answer {
            status,
            body,
            retry_after: Some(2),
            proxy_error,
            is_replayed: false,
            is_claviger: true,
            is_own: false,
        }
        .says()
    }

    #[test]
    fn somebody_else_that_answers_is_no_outcome() {
        let says = |status, body| {
            let (retry_after, proxy_error) = (None, None);
            Answer {
                status,
                body,
                retry_after,
                proxy_error,
                is_replayed: false,
                is_claviger: false,
                is_own: false,
            }
            .says()
        };
        for (status, want) in [
            (200, Says::Elsewhere),
            (302, Says::Elsewhere),
            (401, Says::Stop),
            (404, Says::Stop),
            (422, Says::Stop),
            (429, Says::Wait(None)),
            (502, Says::Unknown),
        ] {
            assert_eq!(says(status, json!({ "code": "x" })), want, "{status}");
        }
    }

    #[test]
    fn only_what_was_certainly_not_carried_out_is_waited_for() {
        let wait = || Says::Wait(Some(Duration::from_secs(2)));
        for (status, code, error, want) in [
            (200, "", "", Says::Over),
            (422, "", "", Says::Over),
            (403, "not_permitted", "http_request_denied", Says::Over),
            (429, "", "", wait()),
            (429, "quota_exhausted", "http_request_denied", wait()),
            (503, "overloaded", "connection_limit_reached", wait()),
            (503, "", "", Says::Unknown),
            (500, "", "", Says::Unknown),
            (500, "internal", "proxy_internal_error", Says::Unknown),
            (502, "upstream_unreachable", "destination_unavailable", wait()),
            (502, "upstream_unreachable", "connection_terminated", Says::Unknown),
            (502, "upstream_invalid", "http_protocol_error", Says::Unknown),
            (503, "upstream_invalid", "http_protocol_error", Says::Unknown),
            (504, "upstream_invalid", "http_protocol_error", Says::Unknown),
            (504, "deadline", "connection_limit_reached", wait()),
            (504, "deadline", "http_response_timeout", Says::Unknown),
            (504, "upstream_timeout", "http_response_timeout", Says::Unknown),
            (409, "idempotency_in_progress", "http_request_denied", wait()),
            (409, "idempotency_unknown", "http_request_denied", Says::Unknown),
            (401, "caller_unknown", "http_request_denied", Says::Stop),
            (401, "", "", Says::Stop),
            (404, "", "", Says::Over),
            (404, "tenant_unknown", "http_request_denied", Says::Stop),
        ] {
            assert_eq!(says(status, code, error), want, "{status} {code} {error}");
        }
    }
}
