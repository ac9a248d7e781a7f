//! Why a request was not authenticated: for the operator, in the log, the audit log and a metric. The one who asks never
//! learns it. A cause is made of closed sets and our own configuration: no word of a credential, and no number of one
//! but how long ago it expired, rounded. Each method says its own; `docs/callers.md` lists them all.

use std::{borrow::Cow, fmt, time::Duration};

/// What is wrong with what a request presents, or missing in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cause {
    /// The metric's label: one word of a closed set.
    pub(super) reason: &'static str,
    /// For the log.
    pub(super) text: Cow<'static, str>,
    /// Where it is not the caller's fault: when it is worth trying again.
    pub(super) retry_after: Option<Duration>,
}

impl Cause {
    pub(super) const fn new(reason: &'static str, text: &'static str) -> Self {
        Self { reason, text: Cow::Borrowed(text), retry_after: None }
    }

    pub(super) fn of(reason: &'static str, text: String) -> Self {
        Self { reason, text: Cow::Owned(text), retry_after: None }
    }
}

/// A length of time in so few forms that a sender cannot write messages into the log with it.
pub(super) struct Rounded(pub(super) Duration);

impl fmt::Display for Rounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MINUTE: u64 = 60;
        const HOUR: u64 = 60 * MINUTE;
        match self.0.as_secs() {
            seconds if seconds < 10 * MINUTE => write!(f, "{seconds} s"),
            seconds if seconds < 2 * HOUR => write!(f, "{} min", seconds / MINUTE),
            seconds if seconds < 48 * HOUR => write!(f, "{} h", seconds / HOUR),
            _ => f.write_str("more than two days"),
        }
    }
}
