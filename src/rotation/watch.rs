//! When is looked, and at what: at all records now and then, and at one whenever it has changed, here or in another process. So a replica
//! learns at once that another one has rotated, or that something is due sooner, and sleeps no longer than that.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError},
    time::Duration,
};

use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::Instant,
};

use super::{ROUND, Rotator, SecretDates, questions::QUESTIONS};
use crate::{
    ids::TenantName,
    vault::{Record, Step, Stored, Vault},
};

/// The shortest time between two looks at all records.
const LEAST: Duration = Duration::from_secs(1);
/// How long a vault that cannot be read is left alone: what is due meanwhile is late by no more.
const UNREADABLE: Duration = Duration::from_secs(5);

impl Rotator {
    /// Looks through the vault now and then, and at what changes in it, and does what is due, until its task is dropped.
    pub async fn run(self: Arc<Self>) {
        let Ok(mut news) = self.vault().map(Vault::news) else { return };
        loop {
            let wait = Box::pin(self.round()).await.clamp(LEAST, ROUND);
            self.until_due(Instant::now() + wait, &mut news).await;
        }
    }

    /// Waits until something is due `next`, or sooner where a change says so.
    async fn until_due(&self, mut next: Instant, news: &mut Receiver<TenantName>) {
        loop {
            let wait = tokio::select! {
                () = tokio::time::sleep_until(next) => return,
                () = self.begun.notified() => return,
                // It says how often secrets are replaced.
                () = self.shared.reconfigured.notified() => return,
                heard = news.recv() => match heard {
                    Ok(alias) => Box::pin(self.look(&alias)).await,
                    Err(RecvError::Lagged(_)) => LEAST,
                    Err(RecvError::Closed) => return tokio::time::sleep_until(next).await,
                },
            };
            next = next.min(Instant::now() + wait);
        }
    }

    /// One look at all records; how long until the next thing is due.
    async fn round(&self) -> Duration {
        self.take_over_all().await;
        let all = match self.vault().map(Vault::list) {
            Ok(listing) => listing.await,
            Err(_) => return ROUND,
        };
        let all = match all {
            Ok(all) => all,
            Err(error) => {
                tracing::error!(%error, remedy = error.remedy(), "the vault cannot be looked through for rotations");
                return UNREADABLE;
            }
        };
        self.failed.forget_old();
        let mut next = ROUND;
        let (mut dates, mut questions) = (BTreeMap::new(), QUESTIONS);
        for stored in all {
            let stored = self.learnt(stored, &mut questions).await;
            next = next.min(self.asks_again_in(&stored.record));
            dates.extend(dates_of(&stored.record).map(|dates| (dates.tenant.clone(), dates)));
            next = next.min(self.attend(stored).await);
        }
        *self.dates.lock().unwrap_or_else(PoisonError::into_inner) = dates;
        next
    }

    /// One look at a record that has changed; how long until something is due for it.
    async fn look(&self, alias: &TenantName) -> Duration {
        let stored = match self.vault().map(|vault| vault.get(alias)) {
            Ok(reading) => reading.await,
            Err(_) => return ROUND,
        };
        // Where it cannot be read, all are looked at soon.
        let Ok(stored) = stored else { return LEAST };
        self.date(alias, stored.as_ref().and_then(|stored| dates_of(&stored.record)));
        match stored {
            Some(stored) => self.attend(stored).await,
            None => {
                self.failed.forget(alias);
                ROUND
            }
        }
    }

    /// Does what is due for this tenant, unless another process does; how long until something is.
    async fn attend(&self, stored: Stored) -> Duration {
        // That it has failed is a change as well, and no reason to try again.
        if let Some(left) = self.failed.left(&stored.record.alias) {
            return left;
        }
        if let Some(left) = self.elsewhere(&stored) {
            return left;
        }
        match self.left(&stored.record) {
            None => ROUND,
            Some(Duration::ZERO) => self.go_on(stored).await,
            Some(left) => left,
        }
    }

    fn date(&self, alias: &TenantName, now: Option<SecretDates>) {
        let mut dates = self.dates.lock().unwrap_or_else(PoisonError::into_inner);
        match now {
            Some(now) => dates.insert(alias.clone(), now),
            None => dates.remove(alias),
        };
    }
}

fn dates_of(record: &Record) -> Option<SecretDates> {
    let secret = record.secrets.first()?;
    let retires_at = match record.rotation.step {
        Some(Step::Retire { at }) => Some(at),
        _ => None,
    };
    let tenant = record.alias.clone();
    Some(SecretDates { tenant, since: secret.since, expires_at: secret.expires_at, retires_at })
}
