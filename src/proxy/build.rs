//! Makes a pipeline of a configuration and of what outlives configurations: tokens, limits, connections,
//! metrics. Everything that can be resolved, hashed or parsed before a request comes is done here.

mod error;
mod meter;
mod seal;
mod shared;
mod tenants;
#[cfg(test)]
mod tests;
mod vaulted;

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;

use self::tenants::TenantMaker;
pub(super) use self::vaulted::{prove, reserve};
pub use self::{error::BuildError, shared::Shared, vaulted::Unproved};
use super::{broker::Broker, hosts::Hosts, pipeline::Pipeline};
use crate::{
    authn::{Authenticators, Deps, jwt::Keyrings},
    clock::Clock,
    config::{self, Config, PolicyVersion, Problem},
    ids::TenantName,
    limit::RateLimits,
    listen::tls::Tls,
    observe::{OperationMetrics, Recorder},
    openapi::Cuts,
    policy::{self, Grants},
    tenants::{Change, Directory},
};

/// What there is to say of a configuration that can be put to work.
#[derive(Debug, Default)]
pub struct Findings {
    /// What a running process would warn of at this moment.
    pub concerns: Vec<Problem>,
    /// What a reviewer of its policies should know, and may well mean.
    pub notes: Vec<String>,
}

/// What is wrong with certificates and key sets that only those who use them can see: for `claviger check`.
///
/// # Errors
/// Every [`BuildError`] that building the pipeline would stop at, one after the other.
pub fn examine(config: &Config, clock: &Clock) -> Result<Findings, Vec<BuildError>> {
    let tls = config.listen.tls.as_ref().map(|tls| Tls::new(tls, clock)).transpose();
    let keyrings = Keyrings::default().of(config).map(drop);
    let grants = Grants::new(config).map_err(BuildError::Rules);
    match (tls, keyrings, grants) {
        (Ok(tls), Ok(()), Ok(grants)) => {
            let mut concerns = policy::idle_allows(config);
            concerns.extend(policy::idle_cloud(config));
            concerns.extend(policy::idle_reveals(&grants, config));
            concerns.extend(tls.map(|tls| tls.dates().concerns(clock.now().wall)).unwrap_or_default());
            Ok(Findings { concerns, notes: policy::idle_denies(&grants, config) })
        }
        (tls, keyrings, grants) => {
            let (tls, keyrings) = (tls.err().map(BuildError::from), keyrings.err().map(BuildError::from));
            Err(tls.into_iter().chain(keyrings).chain(grants.err()).collect())
        }
    }
}

impl Shared {
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
        let issuers = self.keyrings.of(&config)?;
        let policy = Grants::new(&config).map_err(BuildError::Rules)?;
        let none = Directory::default();
        let known = current.map_or(&none, Pipeline::tenants);
        let known_accounts = current.map_or(&none, Pipeline::accounts);
        let accounts: Vec<_> = config.cloud.iter().map(|account| Arc::new(account.as_tenant())).collect();
        let mut maker = TenantMaker::new(self, &config, &policy);
        let (change, accounts) =
            (maker.change(known, &config.tenants)?, maker.change(known_accounts, &accounts)?);
        let (tenants, accounts) = (Arc::new(known.with(change)), Arc::new(known_accounts.with(accounts)));
        let seal = self.seal(&config, &tenants)?;
        self.reads.bound(&config.limits);
        self.pools.sweep();
        self.keyrings.keep(&issuers);
        let deps = Deps {
            seal: seal.clone(),
            clock: self.clock.clone(),
            issuers,
            clients: tls.and_then(Tls::clients),
            usage: self.key_usage.clone(),
        };
        let authenticators = Arc::new(Authenticators::new(&config.callers, deps));
        let known = authenticators.clone();
        let is_credential = move |text: &str| known.are_given_away_by(text);
        let recorder = Recorder::new(self.events.clone(), config.log.requests, is_credential);
        Ok(Pipeline {
            hosts: Hosts::new(&config.listen.allowed_hosts, &config.listen.allowed_origins),
            authenticators,
            peers: self.peers(config.limits.failed_identifications),
            unauthenticated: self.unauthenticated.clone(),
            limits: RateLimits::new(&config, &self.limits),
            vault: self.vault.clone(),
            tokens: self.tokens.clone(),
            underway: self.underway.clone(),
            unresolved: self.unresolved.clone(),
            idempotency: self.idempotency.clone(),
            tenants,
            accounts,
            broker: Broker { seal, ttl: config.broker.ttl, clock: self.clock.clone() },
            policy,
            reads: self.reads.clone(),
            library: self.library.clone(),
            cuts: Cuts::new(config.openapi.memory),
            refused: config.callers.iter().map(|_| OnceLock::new()).collect(),
            anonymous: Arc::new(OperationMetrics::new(self.metrics.clone(), "", "", "")),
            metrics: self.metrics.clone(),
            recorder: Arc::new(recorder),
            policy_version: ArcSwap::from_pointee(PolicyVersion::of(&config)),
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
        pipeline.policy_version.store(Arc::new(PolicyVersion::of(&config)));
        pipeline.current_config.store(config);
        self.pools.sweep();
        Ok(())
    }
}
