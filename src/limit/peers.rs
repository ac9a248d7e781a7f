//! Failed identifications by peer address: a small bucket each, in a store that is bounded, so that a
//! guesser is slowed down and cannot fill the memory (behaviour 28).

use std::{net::IpAddr, sync::Arc, time::Duration};

use moka::sync::Cache;
use tokio::time::Instant;

use super::{Bucket, LimitError};
use crate::config::Rate;

/// More addresses than a cluster has; past it the least used are forgotten.
const MAX_PEERS: u64 = 10_000;

/// The store.
#[derive(Debug)]
pub struct Peers {
    failures: Cache<IpAddr, Arc<Bucket>>,
    rate: Rate,
}

impl Peers {
    /// Allows `per_second` failures from one address.
    pub fn new(per_second: u32) -> Self {
        let failures = Cache::builder().max_capacity(MAX_PEERS).time_to_idle(Duration::from_mins(1)).build();
        let requests = per_second.max(1);
        Self { failures, rate: Rate { requests, per: Duration::from_secs(1), burst: requests } }
    }

    /// Counts one failure. Peers without an address share the machine with us and are not slowed down.
    ///
    /// # Errors
    /// [`LimitError::Identifications`] when there were too many.
    pub fn failed(&self, peer: Option<IpAddr>, now: Instant) -> Result<(), LimitError> {
        let Some(peer) = peer else { return Ok(()) };
        let bucket = self.failures.get_with(peer, || Arc::new(Bucket::new(Some(self.rate))));
        bucket.take(now).map_err(|wait| LimitError::Identifications { wait })
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
}
