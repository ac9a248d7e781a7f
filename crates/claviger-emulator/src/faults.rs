//! The faults that can be switched on and off while the emulator runs.
//!
//! Decides which armed faults apply to a request and uses them up; `server` carries them out. Latencies add up, and
//! of the other effects the one armed first wins. A fault must never touch the reserved `/__emulator/` paths.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};

mod read;

pub(crate) use read::read;

/// Which requests a fault may hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// The token endpoint.
    Token,
    /// Everything below `/api`.
    Api,
    /// Every request.
    Any,
}

/// What happens to a request that a fault hits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Waits, then goes on as usual.
    Latency {
        /// Milliseconds.
        ms: u64,
    },
    /// Answers this instead; nothing else is added but `Date`, `Content-Length` and the connection headers.
    Answer {
        /// Status.
        status: u16,
        /// Headers in order.
        #[serde(default)]
        headers: Vec<(String, String)>,
        /// Body.
        #[serde(default, with = "text_body")]
        body: Vec<u8>,
    },
    /// Resets the connection (RST) before any answer; the request is not carried out.
    Reset,
    /// Closes the connection (FIN) before any answer; the request is not carried out.
    Close,
    /// Carries the request out, sends the head and this much of the body, then closes.
    Truncate {
        /// Bytes of the body that are sent.
        after: usize,
    },
    /// Like [`Effect::Truncate`], with a reset at the end.
    TruncateReset {
        /// Bytes of the body that are sent.
        after: usize,
    },
    /// Answers as usual, with keep-alive headers, and closes the connection at once.
    CloseAfterAnswer,
    /// Never answers, until the caller leaves or the emulator stops. The request is not carried out.
    BlackHole,
    /// Sends the body in small pieces.
    Drip {
        /// Bytes per piece, at least 1.
        bytes: usize,
        /// Milliseconds before each piece.
        every_ms: u64,
    },
}

impl Effect {
    /// A wait before the usual answer.
    pub fn latency(wait: Duration) -> Self {
        Self::Latency { ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX) }
    }

    /// Logto's own 500, or an empty body for every other status.
    pub fn status(status: u16) -> Self {
        if status != 500 {
            return Self::Answer { status, headers: Vec::new(), body: Vec::new() };
        }
        Self::body(500, "application/json; charset=utf-8", r#"{"message":"Internal server error."}"#)
    }

    /// 429 with a `Retry-After` in seconds.
    pub fn too_many(retry_after: u64) -> Self {
        let headers = vec![("Retry-After".to_owned(), retry_after.to_string())];
        Self::Answer { status: 429, headers, body: Vec::new() }
    }

    /// Any status, content type and body, the wrong ones included.
    pub fn body(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("Content-Type".to_owned(), content_type.to_owned())];
        Self::Answer { status, headers, body: body.into() }
    }

    /// A redirect.
    pub fn redirect(status: u16, location: &str) -> Self {
        Self::Answer { status, headers: vec![("Location".to_owned(), location.to_owned())], body: Vec::new() }
    }
}

/// An effect, and which requests it hits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Where.
    pub on: Target,
    /// Only paths that begin with this (as received, without the query).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Only this method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// How many requests it still hits; `None` is until cleared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<usize>,
    /// What happens.
    pub effect: Effect,
}

impl Fault {
    /// A fault that hits every matching request until cleared.
    pub fn new(on: Target, effect: Effect) -> Self {
        Self { on, path: None, method: None, times: None, effect }
    }

    /// Only the next `times` matching requests.
    #[must_use]
    pub fn times(mut self, times: usize) -> Self {
        self.times = Some(times);
        self
    }

    /// Only paths that begin with `prefix`.
    #[must_use]
    pub fn path(mut self, prefix: &str) -> Self {
        self.path = Some(prefix.to_owned());
        self
    }

    /// Only this method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    fn matches(&self, on: Target, method: &str, path: &str) -> bool {
        (self.on == Target::Any || self.on == on)
            && self.path.as_ref().is_none_or(|prefix| path.starts_with(prefix.as_str()))
            && self.method.as_ref().is_none_or(|name| name.eq_ignore_ascii_case(method))
    }
}

/// The armed faults of one emulator.
#[derive(Debug, Default)]
pub struct Faults {
    armed: Mutex<Vec<Fault>>,
}

/// What applies to one request.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    pub(crate) latency: Duration,
    pub(crate) effect: Option<Effect>,
}

impl Faults {
    /// Arms one more fault.
    pub fn add(&self, fault: Fault) {
        self.lock().push(fault);
    }

    /// Replaces all faults.
    pub fn set(&self, faults: Vec<Fault>) {
        *self.lock() = faults;
    }

    /// Disarms everything. A request that is already in a black hole stays there.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// The faults that are armed now, used-up ones left out.
    pub fn armed(&self) -> Vec<Fault> {
        self.lock().clone()
    }

    pub(crate) fn apply(&self, on: Target, method: &str, path: &str) -> Applied {
        let mut applied = Applied::default();
        let mut armed = self.lock();
        for fault in armed.iter_mut().filter(|fault| fault.matches(on, method, path)) {
            match fault.effect {
                Effect::Latency { ms } => applied.latency += Duration::from_millis(ms),
                _ if applied.effect.is_some() => continue,
                _ => applied.effect = Some(fault.effect.clone()),
            }
            if let Some(times) = &mut fault.times {
                *times = times.saturating_sub(1);
            }
        }
        armed.retain(|fault| fault.times != Some(0));
        applied
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Fault>> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bodies are text in JSON; bytes that are no UTF-8 can only be armed from Rust.
mod text_body {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(body: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&String::from_utf8_lossy(body))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        String::deserialize(deserializer).map(String::into_bytes)
    }
}
