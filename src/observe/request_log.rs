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

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use http::{HeaderMap, HeaderValue, Method, StatusCode};
    use serde_json::{Value, json};

    use super::*;
    use crate::observe::{Events, Metrics, OperationMetrics, Record, RequestId};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The line of a request that was answered well but for `change`.
    fn line(log: LogRequests, change: impl FnOnce(&mut Record)) -> Option<Value> {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_max_level(tracing::Level::DEBUG)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            let caller = if log == LogRequests::Failures { "billing" } else { "" };
            let metrics = Arc::new(Metrics::new());
            let operation = Arc::new(OperationMetrics::new(metrics, caller, "acme", "ListUsers"));
            let id = RequestId::of(&HeaderMap::new(), |_| false, || 1);
            let events = Events::new(vec![Arc::new(RequestLog)]);
            let mut record = Record::begin(id, Method::GET, operation, events, log);
            (record.status, record.complete) = (StatusCode::OK, true);
            record.peer = Some("192.0.2.1:7".parse().unwrap());
            change(&mut record);
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        (!text.is_empty()).then(|| serde_json::from_str(&text).expect(&text))
    }

    #[test]
    fn which_requests_have_a_line() {
        use LogRequests::{All, Failures, Off};
        assert!(line(All, |_| {}).is_some());
        assert!(line(Failures, |_| {}).is_none());
        assert!(line(Failures, |record| record.code = Some("claviger.not_permitted")).is_some());
        assert!(line(Failures, |record| record.status = StatusCode::BAD_GATEWAY).is_some());
        assert!(line(Failures, |record| record.complete = false).is_some());
        assert!(line(Off, |record| record.code = Some("claviger.panic")).is_none());
    }

    #[test]
    fn what_is_in_a_line() {
        let long = "u".repeat(200);
        let told = line(LogRequests::All, |record| {
            record.method = Method::from_bytes(b"SECRET").unwrap();
            record.upstream_id = Some(HeaderValue::from_str(&long).unwrap());
            (record.sent, record.attempts, record.quiet) = (12, 1, true);
        });
        let mut told = told.unwrap();
        assert!(told["duration_ms"].take().is_f64() && told["timestamp"].take().is_string());
        let expected = json!({
            "timestamp": null, "level": "DEBUG", "target": "claviger::request", "message": "request",
            "request_id": "1000000000000", "caller": "", "tenant": "acme", "operation": "ListUsers", "method": "other",
            "status": 200, "peer": "192.0.2.1:7", "source": "claviger", "attempts": 1, "duration_ms": null, "bytes": 12,
            "complete": true, "upstream_request_id": long[..128],
        });
        assert_eq!(told, expected);
        let failed = line(LogRequests::Failures, |record| record.complete = false).unwrap();
        assert_eq!(
            (&failed["level"], &failed["peer"]),
            (&json!("INFO"), &Value::Null),
            "its caller is known"
        );
    }
}
