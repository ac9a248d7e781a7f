//! What outlives a configuration, and is found again by the next one: nobody gets a fresh allowance, and no token is
//! fetched anew, because a file was touched.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::{
    authn::{KeyUsage, Seal, SealError, jwt::Keyrings},
    clock::Clock,
    config::Config,
    idempotency::{self, SharedKeys},
    limit::{CallerLimits, Limiters, Memory, Peers, Replicas, Unauthenticated},
    observe::{Audit, Events, Metrics},
    openapi::Library,
    proxy::{cloud::Unresolved, reads::Reads, underway::Underway},
    redis::Redis,
    tenants::Directory,
    token::Tokens,
    upstream::{PoolBuffers, PoolTable, Tenant},
    vault::Vault,
};

/// Until the app says what the memory allows.
const USUAL_UNAUTHENTICATED: usize = 64;

/// What outlives a configuration.
pub struct Shared {
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// Time.
    pub clock: Clock,
    /// Upstream tokens, by what they are for.
    pub tokens: Tokens,
    /// The audit log, where there is one.
    pub audit: Option<Arc<Audit>>,
    /// What happened to requests, for subscribers.
    pub events: Events,
    /// The credentials that no configuration has, where there is a vault.
    pub vault: Option<Vault>,
    /// The Redis that replicas share, where there is one.
    pub redis: Option<Redis>,
    /// Another configuration is in force: whoever rotates secrets looks again at what is due.
    pub reconfigured: Notify,
    /// What the end of the process waits for beside connections.
    pub underway: Underway,
    pub(super) unresolved: Arc<Unresolved>,
    /// What became of requests with an `Idempotency-Key`.
    pub(super) idempotency: Arc<dyn idempotency::Store>,
    /// The same, where replicas share it.
    pub keys: Option<SharedKeys>,
    /// Requests that wait before it is known whose they are.
    pub(super) unauthenticated: Arc<Unauthenticated>,
    pub(super) limits: CallerLimits,
    /// How limits are made.
    pub limiters: Limiters,
    pub(super) key_usage: KeyUsage,
    seal: Mutex<Option<(Option<crate::secret::Secret>, Seal)>>,
    peers: Mutex<Option<(u32, Arc<Peers>)>>,
    /// Tenants' OpenAPI documents.
    pub(super) library: Arc<Library>,
    /// What is under way and what is kept.
    pub reads: Arc<Reads>,
    pub(super) pools: PoolTable,
    pub(super) keyrings: Keyrings,
}

impl Shared {
    /// Nothing yet. To be called in the runtime that outlives those of requests.
    pub fn new(metrics: Arc<Metrics>, clock: Clock, tokens: Tokens) -> Self {
        let library = Arc::new(Library::new(tokio::runtime::Handle::current(), metrics.clone()));
        let limits = CallerLimits::default();
        Self {
            library,
            reads: Arc::new(Reads::new(&metrics, limits.memory_of_kept())),
            metrics,
            clock,
            tokens,
            audit: None,
            events: Events::default(),
            vault: None,
            redis: None,
            reconfigured: Notify::new(),
            underway: Underway::default(),
            unresolved: Arc::default(),
            idempotency: Arc::new(idempotency::MemoryStore::default()),
            keys: None,
            unauthenticated: Arc::new(Unauthenticated::new(USUAL_UNAUTHENTICATED)),
            limits,
            limiters: Limiters::default(),
            key_usage: KeyUsage::default(),
            seal: Mutex::default(),
            peers: Mutex::default(),
            pools: PoolTable::default(),
            keyrings: Keyrings::default(),
        }
    }

    /// The same within what the memory allows: unauthenticated requests, what known callers hold, and buffers.
    #[must_use]
    pub fn within(mut self, unauthenticated: usize, memory: Memory, buffers: PoolBuffers) -> Self {
        self.unauthenticated = Arc::new(Unauthenticated::new(unauthenticated));
        self.limits = CallerLimits::new(memory);
        self.reads = Arc::new(Reads::new(&self.metrics, self.limits.memory_of_kept()));
        self.pools = PoolTable::new(buffers);
        self
    }

    /// Quotas and rates are from now on those of all replicas.
    pub fn share_limits(&mut self, replicas: Replicas) {
        self.limiters = Limiters::shared(replicas);
        self.limits = std::mem::take(&mut self.limits).made_by(self.limiters.clone());
    }

    /// What became of requests with an `Idempotency-Key` all replicas know from now on.
    pub fn share_keys(&mut self, keys: SharedKeys) {
        self.idempotency = Arc::new(keys.clone());
        self.keys = Some(keys);
    }

    /// The seal of a configuration with these tenants. It stays the same while its key does: a reload leaves issued tokens good.
    pub(super) fn seal(&self, config: &Config, tenants: &Arc<Directory<Tenant>>) -> Result<Seal, SealError> {
        let seal = self.own_seal(config)?;
        Ok(if config.broker.key.is_some() { seal } else { seal.by_tenants(tenants.clone()) })
    }

    fn own_seal(&self, config: &Config) -> Result<Seal, SealError> {
        let mut kept = self.seal.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((key, seal)) = &*kept
            && *key == config.broker.key
        {
            return Ok(seal.clone());
        }
        let seal = Seal::new(config.broker.key.as_ref())?;
        *kept = Some((config.broker.key.clone(), seal.clone()));
        Ok(seal)
    }

    pub(super) fn peers(&self, per_second: u32) -> Arc<Peers> {
        let mut kept = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some((same, peers)) if *same == per_second => peers.clone(),
            _ => {
                let peers = Arc::new(Peers::new(per_second));
                *kept = Some((per_second, peers.clone()));
                peers
            }
        }
    }
}
