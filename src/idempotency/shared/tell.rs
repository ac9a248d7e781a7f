//! Tells Redis what became of a request, as often as it takes while the request still counts as under way. Beyond that the record
//! says by itself that nobody knows. Bounded: of too many answers only the status is told, of too many requests nothing.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use tokio::{sync::oneshot, time::Instant};

use super::{
    Holding, SharedKeys, millis,
    script::{self, Fate},
};
use crate::{
    idempotency::{
        error::NotKept,
        store::{Outcome, Settled},
    },
    redis::RedisStatus,
};

/// The most that wait to be told at one time.
const MOST: usize = 4096;
/// The pause after the first failure; doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// One that waits, with what is to be told. Counts until it is dropped.
pub(super) struct Fated {
    keys: SharedKeys,
    holding: Holding,
    fate: Fate,
    bytes: usize,
    /// Dropped when it was told, or has to be told again: nobody is held up for as long as that takes.
    told: Option<oneshot::Sender<()>>,
}

impl SharedKeys {
    /// Tells it in a task of its own.
    pub(super) fn tell(&self, holding: Holding, outcome: Outcome) -> Settled {
        let mut is_one_more = false;
        self.0.untold.send_if_modified(|untold| {
            is_one_more = *untold < MOST;
            *untold += usize::from(is_one_more);
            is_one_more
        });
        if !is_one_more {
            return Settled::now();
        }
        let (told, settled) = oneshot::channel();
        let mut fated =
            Fated { keys: self.clone(), holding, fate: Fate::Unknown, bytes: 0, told: Some(told) };
        self.0.runtime.spawn(async move {
            fated.decide(outcome);
            fated.tell().await;
        });
        Settled::when(settled)
    }
}

impl Fated {
    /// What is to be told: an answer sealed, where there is room for it and something to seal it with.
    fn decide(&mut self, outcome: Outcome) {
        let keys = &self.keys.0;
        self.fate = match outcome {
            Outcome::NotSent => Fate::Free,
            Outcome::Unknown => Fate::Unknown,
            Outcome::NotKept(status, why) => Fate::NotKept(status, why),
            Outcome::Answered(answer) => {
                let status = answer.status();
                self.bytes = answer.size();
                let waiting = keys.untold_bytes.fetch_add(self.bytes, Relaxed) + self.bytes;
                let sealed = keys.sealed(&self.holding.identity, &answer);
                match sealed.filter(|_| waiting <= self.holding.memory) {
                    Some(sealed) => Fate::Answered(status, sealed),
                    None => {
                        keys.untold_bytes.fetch_sub(std::mem::take(&mut self.bytes), Relaxed);
                        let has_key = keys.sealer.is_some();
                        Fate::NotKept(status, if has_key { NotKept::NoRoom } else { NotKept::NoKey })
                    }
                }
            }
        };
    }

    async fn tell(mut self) {
        let keys = self.keys.0.clone();
        let (mut status, mut pause) = (keys.redis.status(), FIRST_PAUSE);
        loop {
            let left = millis(self.holding.ends.saturating_duration_since(Instant::now()));
            let arguments = self.holding.claimed.settling(left, &self.fate, self.holding.memory);
            match script::settle(&keys.redis, &keys.names(), &arguments).await {
                Ok(_) => return,
                Err(error) => tracing::debug!(%error, "what became of a request with a key is not told yet"),
            }
            self.told = None;
            let back = async {
                let _ = status.wait_for(|status| *status != RedisStatus::Connected).await;
                // An error: there will be no connection any more.
                let _ = status.wait_for(|status| *status == RedisStatus::Connected).await;
            };
            tokio::select! {
                () = back => {}
                () = tokio::time::sleep(pause.mul_f64(0.5 + 0.5 * fastrand::f64())) => {}
                () = tokio::time::sleep_until(self.holding.holds) => return,
            }
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }
}

impl Drop for Fated {
    fn drop(&mut self) {
        self.keys.0.untold_bytes.fetch_sub(self.bytes, Relaxed);
        self.keys.0.untold.send_modify(|untold| *untold -= 1);
    }
}
