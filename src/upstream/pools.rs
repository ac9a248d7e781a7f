//! The connection pools of one upstream, one for each worker, each made when the first request of its worker comes: ten
//! thousand tenants of which ten are asked hold ten pools. Tenants with the same endpoint and TLS share them.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
};

use super::pool::{Pool, PoolBuffers, PoolTimes};
use crate::config::{Endpoint, UpstreamTls};

/// The pools of one upstream.
pub struct Pools {
    endpoint: Endpoint,
    tls: Arc<rustls::ClientConfig>,
    http2: bool,
    times: PoolTimes,
    buffers: PoolBuffers,
    by_worker: Box<[OnceLock<Arc<Pool>>]>,
}

impl Pools {
    /// The pool of a worker.
    pub(super) fn of(&self, worker: usize) -> &Arc<Pool> {
        let place = &self.by_worker[worker % self.by_worker.len()];
        place.get_or_init(|| {
            Pool::new(&self.endpoint, (*self.tls).clone(), self.http2, self.times, self.buffers)
        })
    }
}

/// All pools of a process; it keeps none alive.
#[derive(Debug, Default)]
pub struct PoolTable {
    buffers: PoolBuffers,
    known: Mutex<HashMap<Key, Weak<Pools>>>,
}

type Key = (Endpoint, UpstreamTls, PoolTimes);

impl PoolTable {
    /// Of pools with these buffers.
    pub fn new(buffers: PoolBuffers) -> Self {
        Self { buffers, known: Mutex::default() }
    }

    /// The pools for an endpoint, shared with all tenants that have the same; `tls` is the configuration for it.
    pub fn pools(
        &self,
        endpoint: &Endpoint,
        settings: &UpstreamTls,
        tls: &Arc<rustls::ClientConfig>,
        times: PoolTimes,
        workers: usize,
    ) -> Arc<Pools> {
        let key = (endpoint.clone(), settings.clone(), times);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pools) = known.get(&key).and_then(Weak::upgrade) {
            return pools;
        }
        let pools = Arc::new(Pools {
            endpoint: endpoint.clone(),
            tls: tls.clone(),
            http2: settings.http2,
            times,
            buffers: self.buffers,
            by_worker: (0..workers.max(1)).map(|_| OnceLock::new()).collect(),
        });
        known.insert(key, Arc::downgrade(&pools));
        pools
    }

    /// Forgets the pools that nobody holds any more.
    pub fn sweep(&self) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, pools| pools.strong_count() > 0);
    }
}

impl fmt::Debug for Pools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pools({})", self.endpoint)
    }
}
