//! The record of one request: filled in on the way, and published once, when the answer's body has ended or its
//! caller has left. It lives inside the answer's body, so there is no way to answer without it.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
    time::Duration,
};

use http::{Method, uri::PathAndQuery};
use tokio::time::Instant;

use super::{
    AnsweredBy, Apart, Issued, Metrics, OperationMetrics, Recorder, RequestEvent, RequestId, SecretsShown,
    Sends, event::CALLER_LEFT,
};
use crate::policy::{Action, Permit};

/// A request's event while it is filled in: counted and published when it is dropped.
#[derive(Debug)]
pub struct Record {
    /// When its head was read.
    pub started: Instant,
    /// Whether the request is for the token broker, whose clients expect OAuth's error members.
    pub asks_for_token: bool,
    /// Whether a token request brought its secret or assertion in the form, so that HTTP's own authentication was not tried.
    pub client_in_form: bool,
    event: RequestEvent,
    /// As it was asked for or, once it is permitted, as it is forwarded. Shown by nobody before it is cleaned.
    target: Option<PathAndQuery>,
    recorder: Arc<Recorder>,
}

impl Record {
    /// Of a request whose head was read when it `started`. Where it is dropped before there is an answer, its caller has left.
    pub fn begin(
        id: RequestId,
        method: Method,
        operation: Arc<OperationMetrics>,
        recorder: Arc<Recorder>,
        started: Instant,
    ) -> Self {
        operation.metrics().in_flight.inc();
        let event = RequestEvent {
            id,
            method,
            asked: None,
            via: None,
            peer: None,
            peer_uid: None,
            auth_method: None,
            identified_by: None,
            principal: None,
            operation,
            path: None,
            has_query: false,
            status: CALLER_LEFT,
            answered_by: AnsweredBy::Claviger,
            cache: None,
            is_replayed: false,
            code: None,
            side: None,
            cause: None,
            remedy: None,
            quiet: false,
            attempts: 0,
            sent: 0,
            complete: false,
            upstream_id: None,
            trace: None,
            duration: Duration::ZERO,
            log: recorder.log,
            details: None,
        };
        Self { started, asks_for_token: false, client_in_form: false, event, target: None, recorder }
    }

    /// For a part of the request that goes on when its caller has left.
    pub fn apart(&self) -> Apart {
        Apart::new(self.id.clone(), self.operation.clone())
    }

    /// What it is about. Kept as it is: most records are never shown.
    pub fn is_about(&mut self, target: Option<&PathAndQuery>) {
        self.target = target.cloned();
    }

    /// The policy permits it: what for, by which rule, and what its caller sees of secrets. A refusal's rule comes with the
    /// failure.
    pub fn permitted<T>(&mut self, permit: &Permit<T>) {
        self.operation.note_use(self.started);
        let mut secrets = None;
        if let Action::Forward(operation) = permit.action() {
            self.is_about(Some(operation.target()));
            secrets = SecretsShown::of(operation);
        }
        if let Some(details) = &mut self.details {
            (details.rule, details.secrets) = (permit.rule().cloned(), secrets);
        }
    }

    /// A token leaves the process.
    pub fn issued(&mut self, token: Issued) {
        if let Some(details) = &mut self.details {
            details.issued = Some(token);
        }
    }

    /// The metrics of the process.
    pub fn metrics(&self) -> &Metrics {
        self.operation.metrics()
    }
}

impl Sends for Record {
    fn id(&self) -> &RequestId {
        &self.id
    }

    fn operation(&self) -> &OperationMetrics {
        &self.operation
    }

    fn is_sent(&mut self) {
        self.attempts += 1;
    }

    fn was_unsent(&mut self) {
        self.attempts -= 1;
    }
}

impl Deref for Record {
    type Target = RequestEvent;

    fn deref(&self) -> &RequestEvent {
        &self.event
    }
}

impl DerefMut for Record {
    fn deref_mut(&mut self) -> &mut RequestEvent {
        &mut self.event
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.duration = self.started.elapsed();
        self.metrics().in_flight.dec();
        let (by, seconds) = (self.answered_by, self.duration.as_secs_f64());
        if self.caller_left() {
            self.operation.left(by, seconds);
        } else {
            self.operation.answered(self.status, by, self.side, seconds);
        }
        let Self { recorder, target, event, .. } = self;
        recorder.events.publish(event, |event| {
            event.path = target.as_ref().map(|target| recorder.shown(target.path()));
            event.has_query = target.as_ref().is_some_and(|target| target.query().is_some());
            event.cause = event.cause.as_deref().map(|cause| recorder.told(cause));
        });
    }
}
