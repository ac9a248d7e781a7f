//! Rotations that have failed here: each is left alone for a while, and told of meanwhile.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use crate::ids::TenantName;

/// A rotation that has failed, until it is tried again.
#[derive(Debug, Clone)]
pub struct RotationFailure {
    /// Why, and how far it had come.
    pub what: String,
    /// What to do about it: a sentence.
    pub remedy: String,
    /// When it failed.
    pub at: SystemTime,
    /// When it is tried again by itself.
    pub next_try: SystemTime,
}

/// Those of this process: until when each is left alone, and what the operator is told of it.
#[derive(Debug, Default)]
pub(super) struct Failures(Mutex<HashMap<TenantName, (Instant, Option<RotationFailure>)>>);

impl Failures {
    /// One has failed, and is tried again after `pause`.
    pub(super) fn add(&self, alias: TenantName, pause: Duration, told: Option<RotationFailure>) {
        self.lock().insert(alias, (Instant::now() + pause, told));
    }

    pub(super) fn forget(&self, alias: &TenantName) {
        self.lock().remove(alias);
    }

    /// Forgets those that are to be tried again.
    pub(super) fn forget_old(&self) {
        self.lock().retain(|_, (again, _)| *again > Instant::now());
    }

    /// How long this one is still left alone.
    pub(super) fn left(&self, alias: &TenantName) -> Option<Duration> {
        let again = self.lock().get(alias)?.0;
        Some(again.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
    }

    /// What the operator is told of this one.
    pub(super) fn of(&self, alias: &TenantName) -> Option<RotationFailure> {
        self.lock().get(alias)?.1.clone()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantName, (Instant, Option<RotationFailure>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
