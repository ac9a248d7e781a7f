//! Creations of which nobody knows whether they were carried out: another one like it is not sent before the account's
//! tenants were listed. In memory, and not without end: it is there for a caller that tries again.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{ids::TenantName, vault::Sightings};

/// How long one is remembered.
const AGE: Duration = Duration::from_hours(1);
/// The most that are.
const MOST: usize = 1024;

/// What a creation asks for: two that ask for the same are one that is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Asked {
    account: TenantName,
    alias: Option<TenantName>,
    pub(super) name: Option<String>,
}

/// Creations without a known outcome.
#[derive(Default)]
pub(in crate::proxy) struct Unresolved {
    /// Those of this process, each with when it began.
    asked: Mutex<HashMap<Asked, Instant>>,
    /// Notes of any process that are open.
    pub(super) notes: Sightings,
}

impl Asked {
    /// By its name alone.
    pub(super) fn of(account: TenantName, name: Option<String>) -> Self {
        Self { account, alias: None, name }
    }

    pub(super) fn new(account: TenantName, alias: Option<TenantName>, body: Option<&[u8]>) -> Self {
        let body = serde_json::from_slice::<serde_json::Value>(body.unwrap_or_default()).unwrap_or_default();
        Self { account, alias, name: body["name"].as_str().map(str::to_owned) }
    }
}

impl Unresolved {
    pub(super) fn add(&self, asked: Asked, now: Instant) {
        let mut all = self.lock();
        all.retain(|_, since| now.duration_since(*since) < AGE);
        if all.len() >= MOST
            && let Some(oldest) = all.iter().min_by_key(|(_, since)| **since).map(|(asked, _)| asked.clone())
        {
            all.remove(&oldest);
        }
        all.insert(asked, now);
    }

    pub(super) fn has(&self, asked: &Asked, now: Instant) -> bool {
        self.lock().get(asked).is_some_and(|since| now.duration_since(*since) < AGE)
    }

    pub(super) fn settle(&self, asked: &Asked) {
        self.lock().remove(asked);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Asked, Instant>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unresolved({})", self.lock().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(name: &str) -> Asked {
        let body = serde_json::json!({ "name": name }).to_string();
        Asked::new(TenantName::parse("default").unwrap(), None, Some(body.as_bytes()))
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_remembered_for_an_hour_and_not_without_end() {
        let unresolved = Unresolved::default();
        unresolved.add(asked("first"), Instant::now());
        assert!(
            unresolved.has(&asked("first"), Instant::now())
                && !unresolved.has(&asked("other"), Instant::now())
        );
        tokio::time::advance(Duration::from_secs(1)).await;
        (1..MOST).for_each(|n| unresolved.add(asked(&n.to_string()), Instant::now()));
        assert!(unresolved.has(&asked("first"), Instant::now()));
        unresolved.add(asked("one more"), Instant::now());
        assert!(!unresolved.has(&asked("first"), Instant::now()), "the oldest gives way");
        unresolved.settle(&asked("1"));
        assert!(!unresolved.has(&asked("1"), Instant::now()));
        tokio::time::advance(AGE).await;
        assert!(!unresolved.has(&asked("2"), Instant::now()));
    }
}
