//! The log's line about a request: which requests have one (`log.requests`), and what is in it.

use super::{RequestEvent, events::Subscriber};
use crate::config::LogRequests;

/// Writes the lines.
#[derive(Debug)]
pub struct RequestLog;

impl Subscriber for RequestLog {
    fn needs_details(&self) -> bool {
        false
    }

    fn receive(&self, event: &RequestEvent) {
        if is_logged(event) {
            write(event);
        }
    }
}

fn is_logged(event: &RequestEvent) -> bool {
    match event.log {
        LogRequests::All => true,
        LogRequests::Failures => event.code.is_some() || event.status.is_server_error() || !event.complete,
        LogRequests::Off => false,
    }
}

fn write(event: &RequestEvent) {
    // The level is part of what is made when this is compiled.
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                target: "claviger::request",
                request_id = event.id.as_str(),
                caller = event.operation.caller(),
                tenant = event.operation.tenant(),
                operation = event.operation.operation(),
                method = event.shown_method(),
                via = event.via,
                status = event.status.as_u16(),
                code = event.code,
                tried = event.tried,
                cause = event.cause.as_deref(),
                peer = stranger(event),
                source = event.answered_by.as_str(),
                attempts = event.attempts,
                duration_ms = event.duration_ms(),
                bytes = event.sent,
                complete = event.complete,
                upstream_request_id = event.shown_upstream_id(),
                traceparent = event.shown_trace(),
                "request"
            )
        };
    }
    // Whoever looks for one of so many asks for this level.
    if event.quiet { line!(debug) } else { line!(info) }
}

/// Where a request comes from whose caller is not known.
fn stranger(event: &RequestEvent) -> Option<String> {
    if !event.operation.caller().is_empty() {
        return None;
    }
    let address = event.peer.map(|peer| peer.to_string());
    address.or_else(|| event.peer_uid.map(|uid| format!("uid {uid}")))
}
