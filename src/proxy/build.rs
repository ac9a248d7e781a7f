//! Makes a pipeline of a configuration and of what outlives configurations: tokens, limits, connections,
//! metrics. Everything that can be resolved, hashed or parsed before a request comes is done here.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::time::Instant;

use super::Pipeline;
use crate::{
    broker::Broker,
    authn::{
        Authenticators, Deps, Seal, SealError,
        jwt::{KeyringError, Keyrings},
    },
    catalog::Catalog,
    clock::Clock,
    config::{Config, Endpoint, Problem, Roots, Tenant, UpstreamTls},
    edge::Hosts,
    ids::TenantIndex,
    limit::{Limits, Peers, admit::Admission},
    listen::tls::{ListenTlsError, Tls},
    observe::{Audit, Metrics, OperationCells, cells::CellTable},
    policy::{asks::Ask, decide::RuleProblem, grants::Grants},
    reply::guard::Held,
    token::{HttpIssuer, Issuer, Source, TokenKey, Tokens},
    trust::{self, TlsError},
    upstream::{
        Upstream,
        pool::{Pool, PoolTimes},
        retry::Retries,
        trouble::Trouble,
    },
};

/// What outlives a configuration.
pub struct Shared {
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// Time.
    pub clock: Clock,
    /// Tokens.
    pub tokens: Tokens,
    /// The audit log, where there is one.
    pub audit: Option<Arc<Audit>>,
    limits: Limits,
    seal: Mutex<Option<(Option<crate::secret::Secret>, Seal)>>,
    peers: Mutex<Option<(u32, Arc<Peers>)>>,
    pools: Mutex<HashMap<PoolKey, Arc<[Arc<Pool>]>>>,
    keyrings: Keyrings,
}

type PoolKey = (Endpoint, UpstreamTls, std::time::Duration, std::time::Duration);

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
        tenant: crate::ids::TenantName,
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
            limits: Limits::default(),
            seal: Mutex::default(),
            peers: Mutex::default(),
            pools: Mutex::default(),
            keyrings: Keyrings::default(),
        }
    }

    /// The pipeline of `config`.
    ///
    /// # Errors
    /// [`BuildError`]; nothing has changed then.
    pub fn pipeline(&self, config: Arc<Config>) -> Result<Pipeline, BuildError> {
        let seal = self.seal(&config)?;
        let listen = config.listen.tls.as_ref().map(|tls| Tls::new(tls, &self.clock)).transpose()?;
        let issuers = self.keyrings.of(&config)?;
        let policy = Grants::new(Catalog::logto(), &config).map_err(BuildError::Rules)?;
        let anonymous = OperationCells::new(self.metrics.clone(), "", "", "");
        let mut trust = Trust::default();
        // All that can fail comes before the first thing that takes effect: new secrets for a token.
        let trusted =
            config.tenants.iter().map(|tenant| trust.both(tenant, &config)).collect::<Result<Vec<_>, _>>()?;
        let tenants = config.tenants.iter().zip(trusted);
        let upstreams = tenants
            .enumerate()
            .map(|(index, (tenant, (tls, issuer)))| {
                self.upstream(tenant, policy.asks(TenantIndex(index)), &config, &tls, issuer)
            })
            .collect();
        let held = config.tenants.iter().map(|tenant| Held::new(&tenant.client_secrets)).collect();
        self.forget_unused(&config);
        self.keyrings.keep(&issuers);
        let means = Deps {
            seal: seal.clone(),
            clock: self.clock.clone(),
            issuers,
            clients: listen.as_ref().and_then(Tls::clients),
        };
        Ok(Pipeline {
            hosts: Hosts::new(&config.listen.allowed_hosts),
            callers: Authenticators::new(&config.callers, means),
            peers: self.peers(config.limits.failed_identifications),
            limits: Admission::new(&config, &self.limits),
            upstreams,
            held,
            broker: Broker { seal, ttl: config.broker.ttl, clock: self.clock.clone() },
            cells: CellTable::new(self.metrics.clone(), &config, policy.slots()),
            policy,
            anonymous: Arc::new(anonymous),
            metrics: self.metrics.clone(),
            tls: listen.map(Arc::new),
            audit: self.audit.clone(),
            config,
        })
    }

    fn upstream(
        &self,
        tenant: &Arc<Tenant>,
        asks: &[Ask],
        config: &Config,
        tls: &rustls::ClientConfig,
        issuer: Arc<dyn Issuer>,
    ) -> Upstream {
        let quota = self.limits.tenant(&tenant.name, tenant.quota);
        let quota_used = self.metrics.quota_used(&tenant.name);
        let (drawn, used) = (quota.clone(), quota_used.clone());
        let admission = Arc::new(move || drawn.take(Instant::now()).inspect(|()| used.inc()));
        let source =
            Source::of(tenant, issuer, config.token.clone(), config.timeouts.token).admitted_by(admission);
        let asked = asks.iter().map(|ask| {
            let key = asked_key(source.key.clone(), ask);
            self.tokens.handle(Source { key, ..source.clone() })
        });
        Upstream {
            tenant: tenant.clone(),
            asked: asked.collect(),
            token: self.tokens.handle(source),
            pools: self.pools(tenant, config, tls),
            retries: Retries::new(config.retry.clone()),
            quota,
            quota_used,
            token_found: ["hit", "wait"].map(|result| self.metrics.token_cache(result)),
            timeouts: config.timeouts.clone(),
            trouble: Trouble::default(),
            clock: self.clock.clone(),
        }
    }

    fn pools(&self, tenant: &Tenant, config: &Config, tls: &rustls::ClientConfig) -> Arc<[Arc<Pool>]> {
        let times = PoolTimes { connect: config.timeouts.connect, idle: config.timeouts.upstream_idle };
        let key = (tenant.endpoint.clone(), tenant.tls.clone(), times.connect, times.idle);
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            let one = |_| Pool::new(&tenant.endpoint, tls.clone(), tenant.tls.http2, times);
            (0..config.workers.get()).map(one).collect()
        };
        pools.entry(key).or_insert_with(make).clone()
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

    /// Lets go of what no tenant or caller of `config` uses any more.
    fn forget_unused(&self, config: &Config) {
        self.limits.retain(config);
        let used: HashSet<_> = config.tenants.iter().map(|tenant| (&tenant.endpoint, &tenant.tls)).collect();
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools.retain(|(endpoint, tls, ..), _| used.contains(&(endpoint, tls)));
    }
}

/// The tenant's key, with what a grant asks for instead.
fn asked_key(own: TokenKey, ask: &Ask) -> TokenKey {
    let organization_id = ask.organization_id.clone().or_else(|| own.organization_id.clone());
    let key = match &ask.scopes {
        Some(scopes) => own.with_scopes(&scopes.join(" ")),
        None => own,
    };
    TokenKey { organization_id, ..key }
}

/// TLS configurations and issuers' clients, made once for all tenants that share their roots.
#[derive(Default)]
struct Trust {
    tls: HashMap<Roots, rustls::ClientConfig>,
    issuers: HashMap<Roots, HttpIssuer>,
}

impl Trust {
    fn both(
        &mut self,
        tenant: &Tenant,
        config: &Config,
    ) -> Result<(rustls::ClientConfig, Arc<dyn Issuer>), BuildError> {
        Ok((self.tls(tenant)?, self.issuer(tenant, config)?))
    }

    fn tls(&mut self, tenant: &Tenant) -> Result<rustls::ClientConfig, BuildError> {
        // Roots cost memory and a millisecond: not for a tenant in plain HTTP.
        let roots = if tenant.endpoint.scheme == http::uri::Scheme::HTTPS {
            tenant.tls.roots.clone()
        } else {
            Roots::Bundled
        };
        if let Some(tls) = self.tls.get(&roots) {
            return Ok(tls.clone());
        }
        let tls =
            trust::client(&roots).map_err(|error| BuildError::Tls { tenant: tenant.name.clone(), error })?;
        self.tls.insert(roots, tls.clone());
        Ok(tls)
    }

    fn issuer(&mut self, tenant: &Tenant, config: &Config) -> Result<Arc<dyn Issuer>, BuildError> {
        let url = TokenKey::of(tenant).token_url();
        if let Some(issuer) = self.issuers.get(&tenant.tls.roots) {
            return Ok(Arc::new(issuer.at(&url).map_err(BuildError::Issuer)?));
        }
        let timeouts = &config.timeouts;
        let issuer = HttpIssuer::new(&url, self.tls(tenant)?, timeouts.connect, timeouts.upstream_idle)
            .map_err(BuildError::Issuer)?;
        self.issuers.insert(tenant.tls.roots.clone(), issuer.clone());
        Ok(Arc::new(issuer))
    }
}
