//! Limits failed authentications by the address that they come from, so that guessing is slow (behaviour 28). Each address
//! has a bucket in a store of bounded size, so that guessers cannot fill the memory. Names an address in the log at its
//! first refusal, and then once a minute at most. Never touches a request that authenticates.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use moka::sync::Cache;
use tokio::time::Instant;

use super::{bucket::Bucket, error::LimitError};
use crate::config::{Class, Rate};

/// More addresses than a cluster has. When there are more, those used least are forgotten, and may fail as often as new ones.
const MAX_PEERS: u64 = 10_000;
/// Between two log lines about one address.
const LOG_INTERVAL: Duration = Duration::from_mins(1);

/// The addresses whose requests failed to authenticate, each forgotten after two minutes without a failure.
#[derive(Debug)]
pub struct Peers {
    failures: Cache<IpAddr, Arc<Guesser>>,
    rate: Rate,
}

/// One of them.
#[derive(Debug)]
struct Guesser {
    bucket: Bucket,
    told: Mutex<Told>,
}

/// What the log says of it: when last, and how many refusals it has not mentioned yet.
#[derive(Debug, Default)]
struct Told {
    at: Option<Instant>,
    refused_since: u64,
}

impl Peers {
    /// Allows each address `per_second` failures a second, at least one.
    pub fn new(per_second: u32) -> Self {
        let failures = Cache::builder().max_capacity(MAX_PEERS).time_to_idle(2 * LOG_INTERVAL).build();
        let requests = per_second.max(1);
        Self { failures, rate: Rate { requests, per: Duration::from_secs(1), burst: requests } }
    }

    /// Counts a failure at `now`. A peer without an address came through a Unix socket: it is on this machine, and not limited.
    ///
    /// # Errors
    /// [`LimitError::Identifications`], with the time to wait, when the address has failed too often.
    pub fn failed(&self, peer: Option<IpAddr>, now: Instant) -> Result<(), LimitError> {
        let Some(peer) = peer else { return Ok(()) };
        let guesser = self.failures.get_with(peer, || {
            Arc::new(Guesser { bucket: Bucket::new(Some(self.rate)), told: Mutex::default() })
        });
        guesser.bucket.draw(now, Class::Interactive).map(drop).map_err(|wait| {
            if let Some(refused) = guesser.to_tell(now) {
                tracing::warn!(%peer, refused, "too many failed authentications");
            }
            LimitError::Identifications { wait }
        })
    }
}

impl Guesser {
    /// Counts a refusal. Returns how many to log, this one included, when a line is due.
    fn to_tell(&self, now: Instant) -> Option<u64> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.refused_since += 1;
        if told.at.is_some_and(|at| now.saturating_duration_since(at) < LOG_INTERVAL) {
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
