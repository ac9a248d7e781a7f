//! Connections that have no place, or lose theirs to others: counted, and said at most once a minute, as whoever opens too many opens more.

use std::net::SocketAddr;

use tokio::time::Instant;

use super::told::Told;
use crate::observe::Metrics;

/// Why a connection has no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Crowded {
    /// Its address has its share.
    ByItsAddress = 0,
    /// All places are taken, and it makes room for a new one.
    ByAll = 1,
}

/// Those of all listeners, as far as they were written.
#[derive(Debug, Default)]
pub struct CrowdedOut(Told<2>);

impl Crowded {
    fn text(self) -> &'static str {
        match self {
            Self::ByItsAddress => {
                "refused a connection: its address has a quarter of all places, on which nobody has authenticated yet"
            }
            Self::ByAll => {
                "all places for connections are taken: the connection that costs least gives way to a new one"
            }
        }
    }

    fn remedy(self) -> &'static str {
        match self {
            Self::ByItsAddress => {
                "look at what connects from this address; where a load balancer replaces its clients' addresses by its own, have it keep \
                 them, or raise `listen.max_connections` and `limits.memory`"
            }
            Self::ByAll => {
                "have clients keep fewer connections open (`claviger_connections`), or raise `listen.max_connections` and `limits.memory`"
            }
        }
    }
}

impl CrowdedOut {
    /// Counts a connection, and writes it unless one like it was written a moment ago.
    pub(super) fn note(&self, why: Crowded, peer: Option<SocketAddr>, metrics: &Metrics, now: Instant) {
        metrics.rate_limited.of([&"connections"]).inc();
        if let Some(suppressed) = self.0.suppressed(why as usize, "", now) {
            let peer = peer.map(tracing::field::display);
            tracing::warn!(peer, suppressed, remedy = why.remedy(), "{}", why.text());
        }
    }
}
