//! The log's line about a request: which requests have one (`log.requests`), how loud it is, and what is in it. What failed
//! here, at the issuer or at the upstream is a warning; what a caller did is not.

mod line;
mod refused;

use tokio::time::Instant;
use tracing::{Level, field};

use self::{
    line::{Line, known, peer},
    refused::Refused,
};
use super::{
    RequestEvent,
    events::Subscriber,
    log::style::{REQUESTS, Style, columns},
};
use crate::{authn::Principal, config::LogRequests};

/// Writes the lines.
#[derive(Debug)]
pub struct RequestLog {
    style: Style,
    refused: Refused,
}

impl RequestLog {
    /// In this style.
    pub fn new(style: Style) -> Self {
        Self { style, refused: Refused::default() }
    }

    /// As JSON.
    pub fn json() -> Self {
        Self::new(Style::Json)
    }

    /// Sums up what had no lines of its own, for as long as it runs.
    pub async fn tell(&self) {
        self.refused.tell().await;
    }

    fn is_logged(&self, event: &RequestEvent) -> bool {
        match (event.log, self.style) {
            (LogRequests::All, _) | (LogRequests::Auto, Style::Human(_)) => true,
            (LogRequests::Failures, _) | (LogRequests::Auto, Style::Json) => {
                event.code.is_some() || event.status.is_server_error() || !event.complete
            }
            (LogRequests::Off, _) => false,
        }
    }
}

impl Subscriber for RequestLog {
    fn needs_details(&self) -> bool {
        // People are shown the rule that decided.
        self.style != Style::Json
    }

    fn wants(&self, event: &RequestEvent) -> bool {
        self.is_logged(event)
            && match level(event) {
                Level::WARN => tracing::enabled!(target: REQUESTS, Level::WARN),
                Level::INFO => tracing::enabled!(target: REQUESTS, Level::INFO),
                _ => tracing::enabled!(target: REQUESTS, Level::DEBUG),
            }
            && self.refused.passes(event, Instant::now())
    }

    fn receive(&self, event: &RequestEvent) {
        match self.style {
            Style::Json => write(event),
            Style::Human(paint) => {
                let line = Line { event, paint, width: columns() };
                match level(event) {
                    Level::WARN => tracing::warn!(target: REQUESTS, "{line}"),
                    Level::INFO => tracing::info!(target: REQUESTS, "{line}"),
                    _ => tracing::debug!(target: REQUESTS, "{line}"),
                }
            }
        }
    }
}

/// Whoever looks for one of so many that they would push out everything else asks for them.
fn level(event: &RequestEvent) -> Level {
    match (event.quiet, event.needs_attention()) {
        (true, _) => Level::DEBUG,
        (false, true) => Level::WARN,
        (false, false) => Level::INFO,
    }
}

fn write(event: &RequestEvent) {
    let (operation, principal) = (&event.operation, event.principal.as_ref());
    // The level is part of what is made when this is compiled.
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                target: REQUESTS,
                request_id = event.id.as_str(),
                trace_id = event.trace_id(),
                caller = known(operation.caller()),
                identified_by = event.identified_by,
                key = principal.and_then(Principal::key),
                issuer = principal.and_then(Principal::issuer),
                subject = principal.and_then(Principal::subject),
                certificate = principal.and_then(Principal::certificate),
                auth_method = event.auth_method,
                peer = peer(event).map(field::display),
                tenant = known(operation.tenant()),
                operation = known(operation.operation()),
                method = event.shown_method(),
                path = event.path.as_deref(),
                via = event.via,
                status = event.status.as_u16(),
                code = event.code,
                side = event.side.map(super::Side::as_str),
                cause = event.cause.as_deref(),
                remedy = event.remedy.as_deref(),
                source = event.answered_by.as_str(),
                cache = event.cache.map(super::CacheUse::as_str),
                replayed = event.is_replayed.then_some(true),
                attempts = event.attempts,
                duration_ms = event.duration_ms(),
                bytes = event.sent,
                complete = event.complete,
                upstream_request_id = event.shown_upstream_id(),
                "request"
            )
        };
    }
    match level(event) {
        Level::WARN => line!(warn),
        Level::INFO => line!(info),
        _ => line!(debug),
    }
}

#[cfg(test)]
mod tests;
