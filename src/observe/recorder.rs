//! What the records of one configuration have in common: where they go, which of them the log wants, and what of a path
//! must not be shown. One for each pipeline, shared by all of its records.

use std::fmt;

use super::{Events, path};
use crate::config::LogRequests;

/// What records have in common.
pub struct Recorder {
    pub(super) events: Events,
    pub(super) log: LogRequests,
    is_credential: Box<dyn Fn(&str) -> bool + Send + Sync>,
}

impl Recorder {
    /// For `events`; `is_credential` says of a part of a path whether it must not be shown.
    pub fn new(
        events: Events,
        log: LogRequests,
        is_credential: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self { events, log, is_credential: Box::new(is_credential) }
    }

    /// Whether somebody needs the details of a request that begins now.
    pub fn needs_details(&self) -> bool {
        self.events.need_details()
    }

    /// A path as it may be shown: bounded, and without credentials.
    pub fn shown(&self, path: &str) -> String {
        path::shown(path, &self.is_credential)
    }

    /// What is said of a request, without credentials that its sender put in the place of names.
    pub fn told(&self, text: &str) -> String {
        path::told(text, &self.is_credential)
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("events", &self.events)
            .field("log", &self.log)
            .finish_non_exhaustive()
    }
}
