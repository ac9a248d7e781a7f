//! The state of the process: whether it starts, runs or drains, and what became of the last configuration that it read.

use std::sync::{Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use super::startup::Startup;
use crate::clock::Moment;

/// How the process is.
#[derive(Debug)]
pub struct Health {
    pub(super) since: Moment,
    pub(super) startup: Startup,
    draining: CancellationToken,
    reload: Mutex<Reload>,
}

/// The configuration in force, and what became of the last one that was read.
#[derive(Debug, Clone)]
pub(super) struct Reload {
    /// When the one in force was taken over.
    pub(super) at: Moment,
    /// Why a later one was refused, and when.
    pub(super) refused: Option<(Moment, String)>,
    /// Keys whose new values wait for a restart.
    pub(super) pending_restart: Vec<&'static str>,
}

impl Health {
    /// Starting.
    pub fn new(now: Moment) -> Self {
        let reload = Mutex::new(Reload { at: now, refused: None, pending_restart: Vec::new() });
        Self { since: now, startup: Startup::default(), draining: CancellationToken::new(), reload }
    }

    /// All ports are bound and accept.
    pub fn started(&self) {
        self.startup.bound();
    }

    /// No more requests, please.
    pub fn drain(&self) {
        self.draining.cancel();
    }

    /// A configuration was taken over, but for the keys `pending_restart`.
    pub fn reloaded(&self, now: Moment, pending_restart: Vec<&'static str>) {
        *self.reload() = Reload { at: now, refused: None, pending_restart };
    }

    /// A configuration was refused.
    pub fn reload_failed(&self, now: Moment, error: String) {
        self.reload().refused = Some((now, error));
    }

    /// Why the last configuration was refused, if it was.
    pub fn reload_error(&self) -> Option<String> {
        self.last_reload().refused.map(|(_, error)| error)
    }

    /// The keys whose new values wait for a restart.
    pub fn pending_restart(&self) -> Vec<&'static str> {
        self.last_reload().pending_restart
    }

    pub(super) fn last_reload(&self) -> Reload {
        self.reload().clone()
    }

    pub(super) fn is_ready(&self) -> bool {
        self.startup.is_bound() && !self.draining.is_cancelled()
    }

    /// In one word.
    pub(super) fn state(&self) -> &'static str {
        match (self.startup.is_bound(), self.draining.is_cancelled()) {
            (_, true) => "draining",
            (true, false) => "ready",
            (false, false) => "starting",
        }
    }

    /// Ends what would not end by itself, once the process drains.
    pub(super) fn draining(&self) -> CancellationToken {
        self.draining.clone()
    }

    fn reload(&self) -> std::sync::MutexGuard<'_, Reload> {
        self.reload.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
