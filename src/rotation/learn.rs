//! What Logto knows of a secret and whoever adopted it did not say: its name, and when it expires. It is stored.

use std::time::Duration;

use super::{ROUND, RotationError, Rotator};
use crate::vault::{Record, Stored};

impl Rotator {
    /// The record, with what could be learnt, while there are `questions` left.
    pub(super) async fn learnt(&self, stored: Stored, questions: &mut usize) -> Stored {
        const UNSEEN: &str = "cannot see when the client secret expires";
        let record = &stored.record;
        let is_idle = record.rotation.step.is_none();
        if knows_all(record) || !is_idle || !self.questions.may_ask(record, *questions) {
            return stored;
        }
        let Ok(_turn) = self.turn(&record.alias) else { return stored };
        *questions -= 1;
        match self.learn(stored.clone()).await {
            Ok(learnt) => {
                self.questions.answered(&stored.record);
                learnt
            }
            Err(error) => {
                let tenant = &stored.record.alias;
                match (self.questions.failed(&stored.record), &error) {
                    (2.., _) | (_, RotationError::Configured(_)) => {
                        tracing::debug!(%tenant, %error, "{UNSEEN}");
                    }
                    // Logto has answered.
                    (_, RotationError::Vault(_)) => {
                        tracing::warn!(%tenant, %error, remedy = error.remedy(), "cannot note when the client secret expires");
                    }
                    _ => tracing::warn!(%tenant, %error, "{UNSEEN}: Logto is asked again until it answers"),
                }
                stored
            }
        }
    }

    /// How long until Logto is asked again about this tenant.
    pub(super) fn asks_again_in(&self, record: &Record) -> Duration {
        let again = if knows_all(record) { None } else { self.questions.again_in(record) };
        again.unwrap_or(ROUND)
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
}

fn knows_all(record: &Record) -> bool {
    record.secrets.iter().all(|secret| secret.name.is_some())
}
