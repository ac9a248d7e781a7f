//! Failed identifications by peer address: a small bucket each, in a store that is bounded, so that a
//! guesser is slowed down and cannot fill the memory (behaviour 28). Says which address it is: at its first refusal, and
//! then once a minute at most, however often it knocks.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use moka::sync::Cache;
use tokio::time::Instant;

use super::{bucket::Bucket, error::LimitError};
use crate::config::Rate;

/// More addresses than a cluster has; past it the least used are forgotten.
const MAX_PEERS: u64 = 10_000;
/// Between two lines about one address.
const SILENCE: Duration = Duration::from_mins(1);

/// The store.
#[derive(Debug)]
pub struct Peers {
    failures: Cache<IpAddr, Arc<Guesser>>,
    rate: Rate,
}

/// An address that failed.
#[derive(Debug)]
struct Guesser {
    bucket: Bucket,
    told: Mutex<Told>,
}

/// What the operator has been told of it.
#[derive(Debug, Default)]
struct Told {
    at: Option<Instant>,
    refused_since: u64,
}

impl Peers {
    /// Allows `per_second` failures from one address.
    pub fn new(per_second: u32) -> Self {
        let failures = Cache::builder().max_capacity(MAX_PEERS).time_to_idle(2 * SILENCE).build();
        let requests = per_second.max(1);
        Self { failures, rate: Rate { requests, per: Duration::from_secs(1), burst: requests } }
    }

    /// Counts one failure. Peers without an address share the machine with us and are not slowed down.
    ///
    /// # Errors
    /// [`LimitError::Identifications`] when there were too many.
    pub fn failed(&self, peer: Option<IpAddr>, now: Instant) -> Result<(), LimitError> {
        let Some(peer) = peer else { return Ok(()) };
        let guesser = self.failures.get_with(peer, || {
            Arc::new(Guesser { bucket: Bucket::new(Some(self.rate)), told: Mutex::default() })
        });
        guesser.bucket.draw(now).map_err(|wait| {
            if let Some(refused) = guesser.to_tell(now) {
                tracing::warn!(%peer, refused, "too many failed identifications");
            }
            LimitError::Identifications { wait }
        })
    }
}

impl Guesser {
    /// Counts a refusal. How many there were since the last time, where it is time to tell.
    fn to_tell(&self, now: Instant) -> Option<u64> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.refused_since += 1;
        if told.at.is_some_and(|at| now.saturating_duration_since(at) < SILENCE) {
            return None;
        }
        told.at = Some(now);
        Some(std::mem::take(&mut told.refused_since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_guesser_is_slowed_down_and_nobody_else() {
        let peers = Peers::new(2);
        let (guesser, other) = (Some(IpAddr::from([10, 0, 0, 1])), Some(IpAddr::from([10, 0, 0, 2])));
        let now = Instant::now();
        assert!(peers.failed(guesser, now).is_ok() && peers.failed(guesser, now).is_ok());
        assert!(peers.failed(guesser, now).is_err());
        assert!(peers.failed(other, now).is_ok());
        assert!(peers.failed(guesser, now + Duration::from_millis(500)).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn the_operator_is_told_at_once_and_then_once_a_minute() {
        let guesser = Guesser { bucket: Bucket::new(None), told: Mutex::default() };
        let begin = Instant::now();
        let told = |seconds| guesser.to_tell(begin + Duration::from_secs(seconds));
        assert_eq!(told(0), Some(1));
        assert_eq!((told(0), told(30), told(59)), (None, None, None));
        assert_eq!(told(60), Some(4), "those that were not told of, and this one");
        assert_eq!(told(119), None);
        assert_eq!(told(500), Some(2));
    }
}
