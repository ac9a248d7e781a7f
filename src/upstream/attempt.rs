//! One try at the upstream, and the one place where what became of it is told: to `/status` (`health`), to the circuit breaker, and
//! to who decides how many are sent at one time. What an answer means to its caller is not decided here.

use std::{pin::pin, time::Duration};

use http::{Request, Response, StatusCode};
use tokio::time::Instant;

use super::{
    error::UpstreamError,
    foreign::Foreign,
    health::TryFailure,
    peeked::Peeked,
    pool::{ConnectionGuard, SendError, Unanswered},
    replay::RequestBody,
    request::Outbound,
    tenant::Tenant,
};
use crate::{
    ids::OperationId,
    limit::{Limited as _, Probe, TriedInVain, Turn},
    observe::{Pace, Sends},
};

/// As long as Logto lets a request wait for one of its database connections (fact 8.5). A probe has no more time, as it keeps all others out; and who has
/// waited as long in vain has seen something, also where its caller leaves then.
const HELD_UP: Duration = Duration::from_secs(10);
/// A 5xx after so long is no bug of one operation's: something was waited for.
const LATE: Duration = Duration::from_secs(5);

/// An answer to one try.
pub(super) type Tried = (Response<Peeked>, ConnectionGuard);

/// A try that is under way.
struct Attempt<'a> {
    tenant: &'a Tenant,
    turn: Turn,
    operation: OperationId,
    started: Instant,
    /// Whether the whole request went out at once: if not, how long it took says nothing of the upstream.
    is_held: bool,
    probe: Option<Probe>,
    record: &'a dyn Sends,
    is_told: bool,
}

/// Sends a request once, and waits for the head of its answer.
pub(super) async fn attempt(
    tenant: &Tenant,
    (turn, operation): (Turn, OperationId),
    outbound: &Outbound<'_>,
    request: Request<RequestBody>,
    probe: Option<Probe>,
    record: &dyn Sends,
) -> Result<Tried, (UpstreamError, Option<RequestBody>)> {
    let started = Instant::now();
    let is_held = matches!(request.body(), RequestBody::Held(_));
    let timeouts = &tenant.common().timeouts;
    let longest = if probe.is_some() { timeouts.response.min(HELD_UP) } else { timeouts.response };
    let end = (started + longest).min(outbound.deadline);
    let attempt = Attempt { tenant, turn, operation, started, is_held, probe, record, is_told: false };
    let sending = pin!(tenant.pools().of(outbound.worker).send(request, started));
    match tokio::time::timeout_at(end, sending).await {
        Ok(Ok((response, connection))) => {
            let status = response.status();
            let page = status.is_server_error().then(|| Foreign::of(status, response.headers(), operation));
            attempt.answered(status, page.flatten());
            Ok((response.map(Peeked::from), connection))
        }
        Ok(Err(Unanswered { error, body })) => {
            let kind = if error.unsent() { TryFailure::Unreachable } else { TryFailure::Broken };
            Err((attempt.unanswered(kind, UpstreamError::Unreachable(error, None)), body))
        }
        Err(_) => {
            let error = if end == outbound.deadline {
                UpstreamError::Deadline(timeouts.deadline)
            } else {
                UpstreamError::Timeout(longest)
            };
            Err((attempt.unanswered(TryFailure::Timeout, error), None))
        }
    }
}

impl Attempt<'_> {
    fn answered(mut self, status: StatusCode, foreign: Option<Foreign>) {
        let took = self.ended();
        let Self { tenant, operation, started, .. } = self;
        let (health, places) = (tenant.health(), tenant.in_flight());
        if let Some(since) = health.answered(Instant::now()) {
            let (name, endpoint) = (&tenant.config().name, &tenant.config().endpoint);
            let after = humantime::format_duration(Duration::from_secs(since.elapsed().as_secs()));
            tracing::info!(tenant = %name, %endpoint, %after, "the upstream takes connections again");
        }
        // How long it took to send a body says nothing of the upstream.
        let measured = self.is_held.then_some(took);
        match sign(status, measured, |took| self.record.operation().pace(took)) {
            Some(Sign::Overload) => places.overburdened(operation, started, started + took),
            Some(Sign::Fine) => places.fine(started, started + took),
            None => {}
        }
        // Logto's own 501 is about the request alone: without an e-mail connector there are no invitations.
        if status.is_server_error() && (status != StatusCode::NOT_IMPLEMENTED || foreign.is_some()) {
            let (kind, what) = match foreign {
                Some(page) => (TryFailure::Gateway, UpstreamError::Foreign(page, None).to_string()),
                None => (TryFailure::ServerError, format!("the upstream answered with {status}")),
            };
            health.failed(Instant::now(), kind, what);
            match self.probe.take() {
                Some(probe) => probe.answered_in_vain(),
                None => self.failed(TriedInVain::Failed),
            }
            return;
        }
        if let Some(probe) = self.probe.take() {
            probe.succeeded();
        }
        tenant.circuit().answered(shows_database(status));
    }

    fn unanswered(mut self, kind: TryFailure, error: UpstreamError) -> UpstreamError {
        self.ended();
        let what = match &error {
            UpstreamError::Unreachable(inner, _) => format!("{error}: {}", inner.cause()),
            _ => error.to_string(),
        };
        self.tenant.health().unanswered(Instant::now(), kind, what);
        match &error {
            // A connection that was about to be closed anyway.
            UpstreamError::Unreachable(SendError::Closed(_), _) => {}
            // It is waited for first; see `client::look_again`.
            UpstreamError::Unreachable(refused, _) if refused.is_refusal() && self.probe.is_none() => {}
            UpstreamError::Unreachable(unsent, _) if unsent.unsent() => self.failed(TriedInVain::Unconnected),
            UpstreamError::Unreachable(..) if self.is_held => self.failed(TriedInVain::Failed),
            UpstreamError::Timeout(_) if self.is_held => self.timed_out(),
            _ if self.is_held && self.started.elapsed() >= HELD_UP => self.timed_out(),
            _ => {}
        }
        error
    }

    fn timed_out(&mut self) {
        self.tenant.in_flight().overburdened(self.operation, self.started, Instant::now());
        self.failed(TriedInVain::Failed);
    }

    fn failed(&mut self, how: TriedInVain) {
        match self.probe.take() {
            Some(probe) => probe.failed(),
            None => failed(self.tenant, (self.turn, self.operation), how, self.record),
        }
    }

    /// How long it took.
    fn ended(&mut self) -> Duration {
        self.is_told = true;
        let took = self.started.elapsed();
        self.record.operation().upstream_answered(took.as_secs_f64());
        took
    }
}

impl Drop for Attempt<'_> {
    /// Its caller left in the middle, which mostly says nothing.
    fn drop(&mut self) {
        if !self.is_told && self.is_held && self.started.elapsed() >= HELD_UP {
            self.timed_out();
        }
    }
}

/// What an answer says of how many requests there may be at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Overload,
    Fine,
}

/// A 500 that comes at once is a bug or a database that is gone, with which fewer requests do not help; a 429 is the quota's.
fn sign(status: StatusCode, took: Option<Duration>, pace: impl FnOnce(Duration) -> Pace) -> Option<Sign> {
    match status {
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => Some(Sign::Overload),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::NOT_IMPLEMENTED => None,
        status if status.is_server_error() => took.filter(|took| *took >= LATE).map(|_| Sign::Overload),
        _ => match pace(took?) {
            Pace::Slow => Some(Sign::Overload),
            Pace::Usual => Some(Sign::Fine),
            Pace::Unknown => None,
        },
    }
}

/// Tells the circuit breaker of a failure.
pub(super) fn failed(
    tenant: &Tenant,
    (turn, operation): (Turn, OperationId),
    how: TriedInVain,
    record: &dyn Sends,
) {
    if tenant.circuit().failed(turn.caller, operation, how) {
        record.operation().metrics().circuit_opened.of([&tenant.config().name]).inc();
    }
}

/// Whether Logto has asked its database, going by the status: other refusals it may send without.
fn shows_database(status: StatusCode) -> bool {
    !matches!(status.as_u16(), 400 | 401 | 403 | 405 | 413 | 415 | 429 | 501)
}

#[cfg(test)]
mod tests;
