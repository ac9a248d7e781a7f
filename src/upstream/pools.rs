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
    key: Arc<Key>,
    tls: Arc<rustls::ClientConfig>,
    buffers: PoolBuffers,
    workers: usize,
    /// Made with the first of them.
    by_worker: OnceLock<Box<[OnceLock<Arc<Pool>>]>>,
}

impl Pools {
    /// The pool of a worker.
    pub(super) fn of(&self, worker: usize) -> &Arc<Pool> {
        let make = || (0..self.workers).map(|_| OnceLock::new()).collect();
        self.by_worker.get_or_init(make)[worker % self.workers].get_or_init(|| {
            let Key { endpoint, settings, times } = &*self.key;
            Pool::new(endpoint, (*self.tls).clone(), settings.http2, *times, self.buffers)
        })
    }
}

/// All pools of a process; it keeps none alive.
#[derive(Debug, Default)]
pub struct PoolTable {
    buffers: PoolBuffers,
    known: Mutex<HashMap<Arc<Key>, Weak<Pools>>>,
}

/// What tenants have in common that share pools.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    endpoint: Endpoint,
    settings: UpstreamTls,
    times: PoolTimes,
}

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
        let key = Key { endpoint: endpoint.clone(), settings: settings.clone(), times };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pools) = known.get(&key).and_then(Weak::upgrade) {
            return pools;
        }
        let key = Arc::new(key);
        let pools = Arc::new(Pools {
            key: key.clone(),
            tls: tls.clone(),
            buffers: self.buffers,
            workers: workers.max(1),
            by_worker: OnceLock::new(),
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
        write!(f, "Pools({})", self.key.endpoint)
    }
}
