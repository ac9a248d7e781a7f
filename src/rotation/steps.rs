//! The steps of a rotation: named, made, proved and switched, retired. Each is stored before the next begins, and finds what one that was cut
//! off has left.

use std::{ops::ControlFlow, time::UNIX_EPOCH};

use super::{RotationError, Rotator, configured, plan};
use crate::{
    config::{self, Rotate},
    proxy::Unproved,
    secret::ClientSecret,
    upstream::ApplicationSecret,
    vault::{Step, Stored, StoredSecret, fault_point},
};

impl Rotator {
    /// From where the record is, which is claimed, to where there is nothing to do for now; asked for `by` whom.
    pub(super) async fn steps(&self, stored: Stored, by: &'static str) -> Result<Stored, RotationError> {
        let mut stored = match stored.record.rotation.step {
            None => self.begin(stored).await?,
            Some(_) => stored,
        };
        loop {
            let alias = stored.record.alias.clone();
            let is_last = matches!(stored.record.rotation.step, Some(Step::Retire { .. }));
            let step = async {
                match stored.record.rotation.step.clone() {
                    None => Ok(ControlFlow::Break(stored)),
                    Some(Step::Create { name }) => {
                        self.create(stored, &name).await.map(ControlFlow::Continue)
                    }
                    Some(Step::Prove(secret)) => {
                        self.switch(stored, secret, by).await.map(ControlFlow::Continue)
                    }
                    Some(Step::Retire { at }) if at > self.now() => Ok(ControlFlow::Break(stored)),
                    Some(Step::Retire { .. }) => self.retire(stored, by).await.map(ControlFlow::Continue),
                }
            };
            stored = match self.in_time(alias, step).await {
                Ok(ControlFlow::Continue(stored)) => stored,
                Ok(ControlFlow::Break(stored)) => return Ok(stored),
                Err(error @ RotationError::Underway(_)) => return Err(error),
                Err(error) if is_last => return Err(RotationError::NotRetired(Box::new(error))),
                Err(error) => return Err(error),
            };
        }
    }

    /// Says what the new secret is to be called before it is made, so that it is found if this process is not.
    async fn begin(&self, stored: Stored) -> Result<Stored, RotationError> {
        let since = self.now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut record = stored.record;
        // A name is taken once (fact 11): the secret in use may be no second old.
        let is_free = |name: &String| record.secrets.iter().all(|secret| secret.name.as_ref() != Some(name));
        let names = (since.as_secs()..).map(|second| format!("claviger-{second}"));
        record.rotation.step = names.into_iter().find(is_free).map(|name| Step::Create { name });
        let stored = self.claimed(record, stored.version).await?;
        fault_point("rotate.named");
        Ok(stored)
    }

    /// Makes the new secret, if it is not there.
    async fn create(&self, stored: Stored, name: &str) -> Result<Stored, RotationError> {
        let logto = self.logto(&stored.record)?;
        let there = logto.list().await?;
        let is_old =
            |found: &ApplicationSecret| stored.record.secrets.iter().any(|old| old.value == found.value);
        let made = there.iter().find(|found| found.name == name && !is_old(found)).cloned();
        let made = match made {
            Some(made) => made,
            None => logto.create(name).await?,
        };
        fault_point("rotate.made");
        let Stored { mut record, version } = stored;
        // By their names they are deleted later.
        for old in &mut record.secrets {
            if let Some(found) = there.iter().find(|found| found.value == old.value) {
                (old.name, old.expires_at) = (Some(found.name.clone()), found.expires_at);
            }
        }
        record.rotation.step = Some(Step::Prove(StoredSecret {
            value: made.value,
            name: Some(made.name),
            since: self.now(),
            expires_at: made.expires_at,
        }));
        let stored = self.store(record, version).await?;
        fault_point("rotate.stored");
        Ok(stored)
    }

    /// Has the new secret prove itself, and uses it from then on; the one before stays beside it for the overlap.
    async fn switch(
        &self,
        stored: Stored,
        new: StoredSecret,
        by: &'static str,
    ) -> Result<Stored, RotationError> {
        let config = self.pipeline.load().config();
        let client_secrets = vec![ClientSecret::Held(new.value.clone())];
        let own = configured(&stored.record, &config).map(|own| (**own).clone());
        let whole = own.unwrap_or_else(|| stored.record.tenant(&config));
        let alone = config::Tenant { client_secrets, ..whole };
        let proved = self.shared.prove(&config, &alone).await;
        let Stored { mut record, version } = stored;
        if let Err(error) = proved {
            if matches!(&error, Unproved::Token(error) if error.is_terminal()) {
                if let Some(name) = &new.name {
                    self.logto(&record)?.delete(name).await?;
                }
                record.rotation.step = None;
                self.store(record, version).await?;
            }
            return Err(error.into());
        }
        fault_point("rotate.proved");
        let now = self.now();
        let overlap = plan(&record, &config).map_or(Rotate::OVERLAP, |plan| plan.overlap);
        let (alias, secret) = (record.alias.clone(), new.name.clone());
        let before = record.secrets.first().and_then(|before| before.name.clone());
        record.secrets.insert(0, new);
        record.secrets.truncate(2);
        record.rotation.last = Some(now);
        let at = now.checked_add(overlap).unwrap_or(now);
        record.rotation.step = Some(Step::Retire { at });
        let stored = self.store(record, version).await?;
        let until = humantime::format_rfc3339_seconds(at);
        tracing::info!(tenant = %alias, secret, before, by,
            "rotated the client secret of tenant {alias}: the new one is in use, the one before is deleted at Logto after {until}");
        self.record(&alias, by, "switched", secret, None);
        fault_point("rotate.switched");
        Ok(stored)
    }

    /// Deletes the secret before at Logto, and forgets it.
    async fn retire(&self, stored: Stored, by: &'static str) -> Result<Stored, RotationError> {
        let logto = self.logto(&stored.record)?;
        let Stored { mut record, version } = stored;
        let alias = record.alias.clone();
        let mut deleted = None;
        for old in record.secrets.drain(1.min(record.secrets.len())..) {
            match old.name {
                Some(name) => {
                    logto.delete(&name).await?;
                    deleted = Some(name);
                }
                // A legacy secret (fact 7) has none.
                None => {
                    tracing::warn!(tenant = %alias, "the secret before has no name at Logto: delete it in the Console")
                }
            }
        }
        fault_point("rotate.deleted");
        record.rotation.step = None;
        let stored = self.store(record, version).await?;
        if let Some(secret) = &deleted {
            tracing::info!(tenant = %alias, secret, by, "deleted the client secret before at Logto: the rotation has ended");
        }
        self.record(&alias, by, "retired", deleted, None);
        Ok(stored)
    }
}
