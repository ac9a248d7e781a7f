//! What the emulator remembers of the requests that arrived.
//!
//! Keeps the head as it stood on the wire and a bounded part of the body, and notes surprises: requests that a
//! well-behaved proxy would not have sent. It must never decide an answer.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::options::Limits;

/// Which tenant a request reached (fact 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TenantName {
    /// The tenant `default`.
    Default,
    /// The admin tenant, which no proxy may ever reach.
    Admin,
}

/// One request as it arrived.
#[derive(Clone)]
pub struct Recorded {
    /// Counts from 0 in the order of arrival.
    pub number: usize,
    /// The connection, counted from 1: equal numbers mean a reused connection.
    pub connection: usize,
    /// The method.
    pub method: String,
    /// The request target, byte for byte.
    pub target: Vec<u8>,
    /// The headers in the order and case of the wire, values byte for byte without surrounding blanks.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The tenant that the `Host` chose.
    pub tenant: TenantName,
    /// The length of the body.
    pub body_len: usize,
    /// The body, up to [`Limits::recorded_body`](crate::options::Limits::recorded_body).
    pub body: Vec<u8>,
    /// The status that was answered; `None` if there was no answer (yet).
    pub status: Option<u16>,
}

impl std::fmt::Debug for Recorded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let headers: Vec<String> =
            self.headers.iter().map(|(name, value)| format!("{name}: {}", text(value))).collect();
        f.debug_struct("Recorded")
            .field("number", &self.number)
            .field("connection", &self.connection)
            .field("request", &format_args!("{} {}", self.method, self.target_text()))
            .field("headers", &headers)
            .field("tenant", &self.tenant)
            .field("body_len", &self.body_len)
            .field("body", &text(&self.body))
            .field("status", &self.status)
            .finish()
    }
}

impl Recorded {
    /// The target as text, with replacement characters for what is no UTF-8.
    pub fn target_text(&self) -> String {
        String::from_utf8_lossy(&self.target).into_owned()
    }

    /// The values of a header, in order.
    pub fn header_values(&self, name: &str) -> Vec<String> {
        let named = self.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        named.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect()
    }

    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<String> {
        self.header_values(name).into_iter().next()
    }

    /// Whether the target is the token endpoint.
    pub fn is_token_request(&self) -> bool {
        let target = self.target_text();
        target.split('?').next().unwrap_or_default().trim_end_matches('/') == "/oidc/token"
    }
}

/// Something that no well-behaved proxy sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surprise {
    /// The [`Recorded::number`] of the request.
    pub number: usize,
    /// What is surprising, for a human.
    pub what: String,
}

/// The bounded memory behind [`Recorded`] and [`Surprise`].
#[derive(Debug)]
pub(crate) struct Recorder {
    limits: Limits,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    next: usize,
    recorded: VecDeque<Recorded>,
    surprises: VecDeque<Surprise>,
}

impl Recorder {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, inner: Mutex::new(Inner::default()) }
    }

    pub(crate) fn recorded(&self) -> Vec<Recorded> {
        self.lock().recorded.iter().cloned().collect()
    }

    pub(crate) fn surprises(&self) -> Vec<Surprise> {
        self.lock().surprises.iter().cloned().collect()
    }

    pub(crate) fn clear(&self) {
        let mut inner = self.lock();
        inner.recorded.clear();
        inner.surprises.clear();
    }

    /// Notes the head on arrival, so that a request which never gets an answer is seen too; gives it its number.
    pub(crate) fn head(&self, mut recorded: Recorded) -> usize {
        let mut inner = self.lock();
        let number = inner.next;
        inner.next += 1;
        recorded.number = number;
        if inner.recorded.len() >= self.limits.recorded.max(1) {
            inner.recorded.pop_front();
        }
        inner.recorded.push_back(recorded);
        number
    }

    pub(crate) fn body(&self, number: usize, body: &[u8], len: usize) {
        let kept = body.get(..self.limits.recorded_body).unwrap_or(body).to_vec();
        self.with(number, |recorded| {
            recorded.body = kept;
            recorded.body_len = len;
        });
    }

    pub(crate) fn status(&self, number: usize, status: u16) {
        self.with(number, |recorded| recorded.status = Some(status));
    }

    pub(crate) fn surprise(&self, number: usize, what: impl Into<String>) {
        let what = what.into();
        tracing::warn!(target: "emulator", number, what, "surprising request");
        let mut inner = self.lock();
        if inner.surprises.len() >= self.limits.recorded.max(1) {
            inner.surprises.pop_front();
        }
        inner.surprises.push_back(Surprise { number, what });
    }

    fn with(&self, number: usize, change: impl FnOnce(&mut Recorded)) {
        let mut inner = self.lock();
        let Some(first) = inner.recorded.front().map(|recorded| recorded.number) else { return };
        let Some(index) = number.checked_sub(first) else { return };
        if let Some(recorded) = inner.recorded.get_mut(index) {
            change(recorded);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
