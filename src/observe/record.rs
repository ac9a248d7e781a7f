//! The record of one request: filled in on the way, written once, when the answer's body has ended or its
//! caller has left. It lives inside the answer's body, so there is no way to answer without it.

mod audit;

use std::{net::SocketAddr, sync::Arc};

use http::{Method, StatusCode};
use tokio::time::Instant;

use super::{AnsweredBy, AuditRecord, Issued, Metrics, OperationMetrics, RequestId};
use crate::config::LogRequests;

/// What is known of a request so far.
#[derive(Debug)]
pub struct Record {
    /// Its id.
    pub id: RequestId,
    /// Its method.
    pub method: Method,
    /// The method that another proxy asks about.
    pub asked: Option<Method>,
    /// How it came, where it is no request for us to carry out: `authz`.
    pub via: Option<&'static str>,
    /// The other end, where it has an address.
    pub peer: Option<SocketAddr>,
    /// The user id of a Unix peer.
    pub peer_uid: Option<u32>,
    /// The way to identify that had the last word, where nobody was.
    pub tried: Option<&'static str>,
    /// When its head was read.
    pub started: Instant,
    /// Caller, tenant, operation, with their counters; the anonymous ones until they are known.
    pub operation: Arc<OperationMetrics>,
    /// The answer's status.
    pub status: StatusCode,
    /// Who made the answer.
    pub answered_by: AnsweredBy,
    /// Claviger's error code, where it made the answer or cut it off.
    pub code: Option<&'static str>,
    /// What the operator should know beside the code.
    pub cause: Option<String>,
    /// Whether it is one of so many that its line is for who looks for it (level `debug`).
    pub quiet: bool,
    /// Whether the request is for the token broker, whose clients expect OAuth's error members.
    pub asks_for_token: bool,
    /// Whether a token request brought its secret or assertion in the form, so that HTTP's own authentication was not tried.
    pub client_in_form: bool,
    /// Times the request was sent upstream.
    pub attempts: u32,
    /// Body bytes sent to the caller.
    pub sent: u64,
    /// Whether the body was sent to its end.
    pub complete: bool,
    /// The upstream's own id for the request (`Logto-Core-Request-Id`, fact 5.9).
    pub upstream_id: Option<http::HeaderValue>,
    /// W3C trace context as the caller sent it.
    pub trace: Option<http::HeaderValue>,
    /// For the audit log, where there is one.
    pub audit: Option<Box<AuditRecord>>,
    metrics: Arc<Metrics>,
    log: LogRequests,
}

impl Record {
    /// Begins a record.
    pub fn begin(
        id: RequestId,
        method: Method,
        operation: Arc<OperationMetrics>,
        metrics: Arc<Metrics>,
        log: LogRequests,
    ) -> Self {
        metrics.in_flight.inc();
        Self {
            id,
            method,
            asked: None,
            via: None,
            peer: None,
            peer_uid: None,
            tried: None,
            started: Instant::now(),
            operation,
            status: StatusCode::INTERNAL_SERVER_ERROR,
            answered_by: AnsweredBy::Claviger,
            code: None,
            cause: None,
            quiet: false,
            asks_for_token: false,
            client_in_form: false,
            attempts: 0,
            sent: 0,
            complete: false,
            upstream_id: None,
            trace: None,
            audit: None,
            metrics,
            log,
        }
    }

    /// A token leaves the process.
    pub fn issued(&mut self, token: Issued) {
        if let Some(trail) = &mut self.audit {
            trail.issued = Some(token);
        }
    }

    /// The metrics of the process.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    fn is_logged(&self) -> bool {
        match self.log {
            LogRequests::All => true,
            LogRequests::Failures => self.code.is_some() || self.status.is_server_error() || !self.complete,
            LogRequests::Off => false,
        }
    }

    fn write(&self, seconds: f64) {
        let text = |value: &Option<http::HeaderValue>| {
            value
                .as_ref()
                .and_then(|v| v.to_str().ok())
                .map(|v| v.get(..v.len().min(128)).unwrap_or_default().to_owned())
        };
        // The level is part of what is made when this is compiled.
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    target: "claviger::request",
                    request_id = self.id.as_str(),
                    caller = self.operation.caller(),
                    tenant = self.operation.tenant(),
                    operation = self.operation.operation(),
                    method = self.method(),
                    via = self.via,
                    status = self.status.as_u16(),
                    code = self.code,
                    tried = self.tried,
                    cause = self.cause.as_deref(),
                    peer = self.stranger(),
                    source = self.answered_by.as_str(),
                    attempts = self.attempts,
                    duration_ms = (seconds * 1e6).round() / 1e3,
                    bytes = self.sent,
                    complete = self.complete,
                    upstream_request_id = text(&self.upstream_id),
                    traceparent = text(&self.trace),
                    "request"
                )
            };
        }
        if self.quiet { line!(debug) } else { line!(info) }
    }

    /// The method, in a form that may be written.
    fn method(&self) -> &str {
        method_label(self.asked.as_ref().unwrap_or(&self.method))
    }

    /// Where a request comes from whose caller is not known.
    fn stranger(&self) -> Option<String> {
        if !self.operation.caller().is_empty() {
            return None;
        }
        let address = self.peer.map(|peer| peer.to_string());
        address.or_else(|| self.peer_uid.map(|uid| format!("uid {uid}")))
    }
}

/// An unknown method is the caller's text: it is not written.
fn method_label(method: &Method) -> &str {
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

impl Drop for Record {
    fn drop(&mut self) {
        let seconds = self.started.elapsed().as_secs_f64();
        self.metrics.in_flight.dec();
        self.operation.answered(self.status, self.answered_by, seconds);
        if self.is_logged() {
            self.write(seconds);
        }
        if let Some(trail) = self.audit.take() {
            self.audit(*trail, seconds);
        }
    }
}
