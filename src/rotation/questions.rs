//! Of which tenants Logto was asked what it knows of their secrets: until it has answered once for each application in the life of a
//! process, less and less often.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{ids::TenantName, vault::Record};

/// Tenants that are asked about in one look, so that what is due need not wait long.
pub(super) const QUESTIONS: usize = 64;
/// Questions of one look that are kept for tenants that were not asked about before: those that fail leave room for them.
const KEPT: usize = QUESTIONS / 2;
/// How soon a question that has failed is asked again; twice as late each time, up to the longest.
const FIRST: Duration = Duration::from_secs(20);
const LONGEST: Duration = Duration::from_hours(1);

/// What came of them.
#[derive(Debug, Default)]
pub(super) struct Questions(Mutex<HashMap<TenantName, Asked>>);

#[derive(Debug)]
struct Asked {
    /// Of which application; another one under the alias is asked about anew.
    client_id: Arc<str>,
    /// Where it failed.
    again: Option<Again>,
}

#[derive(Debug, Clone, Copy)]
struct Again {
    at: Instant,
    failures: u32,
}

impl Questions {
    /// Whether one may be asked in a look that has so many `left`.
    pub(super) fn may_ask(&self, record: &Record, left: usize) -> bool {
        let asked = self.asked();
        match asked.get(&record.alias).filter(|asked| asked.client_id == record.client_id) {
            None => left > 0,
            Some(Asked { again: Some(again), .. }) => left > KEPT && again.at <= Instant::now(),
            Some(Asked { again: None, .. }) => false,
        }
    }

    pub(super) fn answered(&self, record: &Record) {
        self.put(record, None);
    }

    /// How often it failed so far.
    pub(super) fn failed(&self, record: &Record) -> u32 {
        let before = self.failures(record);
        let wait = FIRST.saturating_mul(2_u32.saturating_pow(before)).min(LONGEST);
        let failures = before.saturating_add(1);
        self.put(record, Some(Again { at: Instant::now() + wait, failures }));
        failures
    }

    pub(super) fn failures(&self, record: &Record) -> u32 {
        let asked = self.asked();
        let same = asked.get(&record.alias).filter(|asked| asked.client_id == record.client_id);
        same.and_then(|asked| asked.again).map_or(0, |again| again.failures)
    }

    /// How long until one that failed is asked again; `None` also where it is overdue, as it found no room in this look.
    pub(super) fn again_in(&self, record: &Record) -> Option<Duration> {
        let again = self.asked().get(&record.alias)?.again?;
        Some(again.at.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
    }

    fn put(&self, record: &Record, again: Option<Again>) {
        let asked = Asked { client_id: record.client_id.clone(), again };
        self.asked().insert(record.alias.clone(), asked);
    }

    fn asked(&self) -> MutexGuard<'_, HashMap<TenantName, Asked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
