//! Makes a pipeline of a configuration and of what outlives configurations: tokens, limits, connections,
//! metrics. Everything that can be resolved, hashed or parsed before a request comes is done here.

mod tenants;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arc_swap::ArcSwap;

use self::tenants::TenantMaker;
use super::{broker::Broker, hosts::Hosts, pipeline::Pipeline};
use crate::{
    authn::{
        Authenticators, Deps, Seal, SealError,
        jwt::{KeyringError, Keyrings},
    },
    catalog::Catalog,
    clock::Clock,
    config::{self, Config, Problem},
    ids::TenantName,
    limit::{CallerLimits, Peers, RateLimits},
    listen::tls::{ListenTlsError, Tls},
    observe::{Audit, Events, Metrics, OperationMetrics},
    policy::{Grants, decide::RuleProblem},
    tenants::{Change, Directory},
    token::Tokens,
    trust::TlsError,
    upstream::PoolTable,
};

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
    /// What happened to requests, for whoever subscribes.
    pub events: Events,
    limits: CallerLimits,
    seal: Mutex<Option<(Option<crate::secret::Secret>, Seal)>>,
    peers: Mutex<Option<(u32, Arc<Peers>)>>,
    pools: PoolTable,
    keyrings: Keyrings,
}

/// Why a configuration cannot be put to work.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Rules that are none.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Rules(Vec<RuleProblem>),
    /// No TLS.
    #[error("tenant {tenant}: {error}")]
    Tls {
        /// Whose.
        tenant: TenantName,
        /// Why.
        error: TlsError,
    },
    /// No HTTP client for the issuer.
    #[error("the client for token requests cannot be made: {0}")]
    Issuer(Box<str>),
    /// No keys to verify callers' tokens with.
    #[error(transparent)]
    Keys(#[from] KeyringError),
    /// No TLS on the proxy's listeners.
    #[error(transparent)]
    Listen(#[from] ListenTlsError),
    /// No key for the broker.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// What is wrong with certificates and key sets that only those who use them can see: for `claviger check`.
/// Returns what a running process would warn of at this moment.
///
/// # Errors
/// [`BuildError`], as building the pipeline would have it.
pub fn examine(config: &Config, clock: &Clock) -> Result<Vec<Problem>, BuildError> {
    let tls = config.listen.tls.as_ref().map(|tls| Tls::new(tls, clock)).transpose()?;
    Keyrings::default().of(config)?;
    Ok(tls.map(|tls| tls.dates().concerns(clock.now().wall)).unwrap_or_default())
}

impl Shared {
    /// Nothing yet.
    pub fn new(metrics: Arc<Metrics>, clock: Clock, tokens: Tokens) -> Self {
        Self {
            metrics,
            clock,
            tokens,
            audit: None,
            events: Events::default(),
            limits: CallerLimits::default(),
            seal: Mutex::default(),
            peers: Mutex::default(),
            pools: PoolTable::default(),
            keyrings: Keyrings::default(),
        }
    }

    /// The pipeline of `config` behind listeners with `tls`. Takes over from `current` the tenants that are the same, and of
    /// those that changed what must not begin anew.
    ///
    /// # Errors
    /// [`BuildError`]; nothing has changed then.
    pub fn pipeline(
        &self,
        config: Arc<Config>,
        tls: Option<&Tls>,
        current: Option<&Pipeline>,
    ) -> Result<Pipeline, BuildError> {
        let seal = self.seal(&config)?;
        let issuers = self.keyrings.of(&config)?;
        let policy = Grants::new(Catalog::logto(), &config).map_err(BuildError::Rules)?;
        let none = Directory::default();
        let known = current.map_or(&none, Pipeline::tenants);
        let change = TenantMaker::new(self, &config, &policy).change(known)?;
        let tenants = known.with(change);
        self.pools.sweep();
        self.keyrings.keep(&issuers);
        let deps = Deps {
            seal: seal.clone(),
            clock: self.clock.clone(),
            issuers,
            clients: tls.and_then(Tls::clients),
        };
        Ok(Pipeline {
            hosts: Hosts::new(&config.listen.allowed_hosts),
            authenticators: Authenticators::new(&config.callers, deps),
            peers: self.peers(config.limits.failed_identifications),
            limits: RateLimits::new(&config, &self.limits),
            tenants,
            broker: Broker { seal, ttl: config.broker.ttl, clock: self.clock.clone() },
            policy,
            refused: config.callers.iter().map(|_| OnceLock::new()).collect(),
            anonymous: Arc::new(OperationMetrics::new(self.metrics.clone(), "", "", "")),
            metrics: self.metrics.clone(),
            events: self.events.clone(),
            current_config: ArcSwap::new(config.clone()),
            config,
        })
    }

    /// Adds and changes tenants of a pipeline in force, and takes some out, in one step for requests and in time that does not
    /// depend on how many others there are. A changed one takes over token, limits and connections; requests that hold one
    /// that is gone finish with it. `config` is the configuration that has them so.
    ///
    /// # Errors
    /// [`BuildError`]; nothing has changed then.
    pub fn change_tenants(
        &self,
        pipeline: &Pipeline,
        put: &[Arc<config::Tenant>],
        removed: Vec<TenantName>,
        config: Arc<Config>,
    ) -> Result<(), BuildError> {
        let change = TenantMaker::new(self, &config, &pipeline.policy).put(put, &pipeline.tenants)?;
        for (_, tenant) in &change.put {
            tenant.warm();
        }
        pipeline.tenants.apply(Change { removed, ..change });
        pipeline.current_config.store(config);
        self.pools.sweep();
        Ok(())
    }

    /// The seal stays the same while its key does: a reload leaves issued tokens good.
    fn seal(&self, config: &Config) -> Result<Seal, SealError> {
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

    fn peers(&self, per_second: u32) -> Arc<Peers> {
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
