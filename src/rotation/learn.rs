//! What Logto knows of a secret and whoever adopted it did not say: its name, and when it expires. Asked once for each tenant
//! in the life of a process, and stored.

use super::{RotationError, Rotator};
use crate::vault::Stored;

impl Rotator {
    /// The record, with what could be learnt, while there are `questions` left.
    pub(super) async fn learnt(&self, stored: Stored, questions: &mut usize) -> Stored {
        let record = &stored.record;
        let knows_all = record.secrets.iter().all(|secret| secret.name.is_some());
        if *questions == 0 || knows_all || record.rotation.step.is_some() {
            return stored;
        }
        let Ok(_turn) = self.turn(&record.alias) else { return stored };
        if !self.ask_once(&record.alias) {
            return stored;
        }
        *questions -= 1;
        match self.learn(stored.clone()).await {
            Ok(learnt) => learnt,
            Err(error) => {
                tracing::debug!(tenant = %stored.record.alias, %error, "cannot see when the client secret expires");
                stored
            }
        }
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
