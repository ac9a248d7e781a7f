//! What Logto knows of a secret and whoever adopted it did not say: its name, and when it expires. Logto is asked until it has answered
//! once for each application in the life of a process, less and less often, and what it says is stored.

use std::{
    collections::HashMap,
    sync::{Arc, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{ROUND, RotationError, Rotator};
use crate::{
    ids::TenantName,
    vault::{Record, Stored},
};

/// Tenants of which Logto is asked in one look what it knows of their secrets, so that what is due need not wait long.
pub(super) const QUESTIONS: usize = 64;
/// Questions of one look that are kept for tenants that were not asked about before: those that fail leave room for them.
const KEPT: usize = QUESTIONS / 2;
/// How soon a question that has failed is asked again; twice as late each time, up to the longest.
const FIRST: Duration = Duration::from_secs(20);
const LONGEST: Duration = Duration::from_hours(1);

/// What came of the question.
#[derive(Debug)]
pub(super) struct Asked {
    /// Of which application; another one under the alias is asked about anew.
    client_id: Arc<str>,
    /// Where it failed: when it is asked again, and how often it was.
    pub(super) again: Option<(Instant, u32)>,
}

impl Rotator {
    /// The record, with what could be learnt, while there are `questions` left.
    pub(super) async fn learnt(&self, stored: Stored, questions: &mut usize) -> Stored {
        let record = &stored.record;
        if knows_all(record) || record.rotation.step.is_some() || !self.may_ask(record, *questions) {
            return stored;
        }
        let Ok(_turn) = self.turn(&record.alias) else { return stored };
        *questions -= 1;
        match self.learn(stored.clone()).await {
            Ok(learnt) => {
                self.answered(&stored.record, None);
                learnt
            }
            Err(error) => {
                let is_first = self.failed_to_ask(&stored.record);
                let tenant = &stored.record.alias;
                match error {
                    RotationError::Configured(_) => tracing::debug!(%tenant, %error, "{UNSEEN}"),
                    _ if !is_first => tracing::debug!(%tenant, %error, "{UNSEEN}"),
                    _ => tracing::warn!(%tenant, %error, "{UNSEEN}: it is asked again until it is known"),
                }
                stored
            }
        }
    }

    /// How long until Logto is asked again about this tenant.
    pub(super) fn asks_again_in(&self, record: &Record) -> Duration {
        if knows_all(record) {
            return ROUND;
        }
        let again = self.asked().get(&record.alias).and_then(|asked| asked.again);
        let left = again.map(|(at, _)| at.saturating_duration_since(Instant::now()));
        // What is overdue found no room in this look.
        left.filter(|left| !left.is_zero()).unwrap_or(ROUND)
    }

    async fn learn(&self, Stored { mut record, version }: Stored) -> Result<Stored, RotationError> {
        let before = record.secrets.clone();
        for found in self.logto(&record)?.list().await? {
            if let Some(known) = record.secrets.iter_mut().find(|known| known.value == found.value) {
                (known.name, known.expires_at) = (Some(found.name), found.expires_at);
            }
        }
        if record.secrets == before {
            return Ok(Stored { record, version });
        }
        self.store(record, version).await
    }

    fn may_ask(&self, record: &Record, questions: usize) -> bool {
        let asked = self.asked();
        match asked.get(&record.alias).filter(|asked| asked.client_id == record.client_id) {
            None => questions > 0,
            Some(Asked { again: Some((at, _)), .. }) => questions > KEPT && *at <= Instant::now(),
            Some(Asked { again: None, .. }) => false,
        }
    }

    fn answered(&self, record: &Record, again: Option<(Instant, u32)>) {
        let asked = Asked { client_id: record.client_id.clone(), again };
        self.asked().insert(record.alias.clone(), asked);
    }

    /// Whether it is the first time.
    fn failed_to_ask(&self, record: &Record) -> bool {
        let again = {
            let asked = self.asked();
            let before = asked.get(&record.alias).filter(|asked| asked.client_id == record.client_id);
            before.and_then(|asked| asked.again)
        };
        let times = again.map_or(0, |(_, times)| times);
        let wait = FIRST.saturating_mul(2_u32.saturating_pow(times)).min(LONGEST);
        self.answered(record, Some((Instant::now() + wait, times.saturating_add(1))));
        times == 0
    }

    fn asked(&self) -> MutexGuard<'_, HashMap<TenantName, Asked>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const UNSEEN: &str = "cannot see when the client secret expires";

fn knows_all(record: &Record) -> bool {
    record.secrets.iter().all(|secret| secret.name.is_some())
}
