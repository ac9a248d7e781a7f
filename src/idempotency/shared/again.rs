//! Asks again, once a request with a key was refused, until Redis does what it is asked: so that what is wrong is told for as long as it
//! is, whether anybody sends a request with a key or not. What is claimed is a key that no request has, and given back at once.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    Inner, SharedKeys,
    script::{self, Claimed, Fate, Said},
};
use crate::redis::RedisError;

/// The pause between two times.
const EVERY: Duration = Duration::from_secs(2);
/// For how long what was claimed is remembered where it could not be given back, in milliseconds.
const HOLD: u64 = 1000;

impl SharedKeys {
    /// In a task of its own, of which there is one at the most.
    pub(super) fn ask_again(&self) {
        if self.0.asks_again.swap(true, Relaxed) {
            return;
        }
        let keys = Arc::downgrade(&self.0);
        self.0.runtime.spawn(async move {
            loop {
                tokio::time::sleep(EVERY).await;
                let Some(keys) = keys.upgrade() else { return };
                if keys.is_over() {
                    return;
                }
                match keys.tries().await {
                    Ok(()) => keys.came(),
                    Err(error) => keys.goes_on(error),
                }
            }
        });
    }
}

impl Inner {
    /// Whether there is nothing to ask any more.
    fn is_over(&self) -> bool {
        let why = self.why();
        if why.is_none() {
            // Under the lock: whoever is refused next begins anew.
            self.asks_again.store(false, Relaxed);
        }
        why.is_none()
    }

    /// Unless a request was taken meanwhile.
    fn goes_on(&self, error: RedisError) {
        if let Some(why) = self.why().as_mut() {
            *why = (error, Instant::now(), self.redis.connections());
        }
    }

    async fn tries(&self) -> Result<(), RedisError> {
        let digits = || format!("{:016x}", fastrand::u64(..));
        let two = || digits() + &digits();
        let claimed = Claimed {
            name: two(),
            content: digits() + &two(),
            claim: two(),
            caller: digits(),
            most: usize::MAX,
        };
        let said = script::claim(&self.redis, &self.names(), &claimed.claiming(HOLD, HOLD)).await?;
        if said == Said::First {
            let settling = claimed.settling(HOLD, &Fate::Free, usize::MAX);
            script::settle(&self.redis, &self.names(), &settling).await?;
        }
        Ok(())
    }
}
