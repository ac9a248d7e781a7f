//! Makes tenants' handles of their configuration, and says which of those that are there may stay as they are.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{error::BuildError, meter::Meter, shared::Shared};
use crate::{
    authn::SealingSecrets,
    config::{self, Config, Roots},
    filter::KnownSecrets,
    limit::{Bounds, Circuit, InFlight, Limited as _, Quota, Waits},
    observe::TenantMetrics,
    openapi::Shelf,
    policy::{Grants, Narrowing},
    secret::{ClientSecret, Secret, SecretHandle},
    tenants::{Change, Directory},
    token::{HttpIssuer, Issuer, QuotaDraw, TokenKey, TokenSource},
    trust,
    upstream::{Common, PoolTimes, Retries, Tenant, TenantParts, UpstreamHealth, Writes},
};

/// Makes the tenants of one configuration.
pub(super) struct TenantMaker<'c> {
    shared: &'c Shared,
    config: &'c Config,
    policy: &'c Grants,
    common: Arc<Common>,
    trust: Trust,
}

impl<'c> TenantMaker<'c> {
    pub(super) fn new(shared: &'c Shared, config: &'c Config, policy: &'c Grants) -> Self {
        let common = Arc::new(Common {
            timeouts: config.timeouts.clone(),
            retry: config.retry.clone().into(),
            token: config.token.clone().into(),
            breaker: config.breaker.clone(),
            places: (config.limits.queue, config.limits.adaptive),
            waits: Waits { longest: config.timeouts.quota, most: config.limits.quota_queue },
            expansion: config.limits.expansion,
            catalog: config.catalog.catalog.clone(),
            token_found: ["hit", "wait"].map(|result| shared.metrics.token_cache.of([&result])),
            clock: shared.clock.clone(),
        });
        Self { shared, config, policy, common, trust: Trust::default() }
    }

    /// What is to be done to `known` so that it has these tenants and no others.
    ///
    /// # Errors
    /// [`BuildError`]; nothing has changed then.
    pub(super) fn change(
        &mut self,
        known: &Directory<Tenant>,
        tenants: &[Arc<config::Tenant>],
    ) -> Result<Change<Tenant>, BuildError> {
        let names: HashSet<_> = tenants.iter().map(|tenant| &tenant.name).collect();
        let gone = known.all().into_iter().map(|tenant| tenant.config().name.clone());
        let removed = gone.filter(|name| !names.contains(name)).collect();
        let is_new = |tenant: &&Arc<config::Tenant>| {
            !known.get(tenant.name.as_str()).is_some_and(|current| self.is_same(tenant, &current))
        };
        let put: Vec<_> = tenants.iter().filter(is_new).cloned().collect();
        Ok(Change { removed, ..self.put(&put, known)? })
    }

    /// The handles of these tenants, in the place of those in `known` with the same names.
    ///
    /// # Errors
    /// [`BuildError`]; nothing has changed then.
    pub(super) fn put(
        &mut self,
        tenants: &[Arc<config::Tenant>],
        known: &Directory<Tenant>,
    ) -> Result<Change<Tenant>, BuildError> {
        // All that can fail comes before the first thing that takes effect: new secrets for a token.
        let trusted =
            tenants.iter().map(|tenant| self.trust.of(tenant, self.config)).collect::<Result<Vec<_>, _>>()?;
        let put = tenants.iter().zip(trusted).map(|(tenant, trusted)| {
            let current = known.get(tenant.name.as_str());
            let changed = self.assemble(tenant, current.as_deref(), trusted);
            // Whatever was changed of it, it may be what was wrong.
            changed.retry_tokens();
            (tenant.name.clone(), Arc::new(changed))
        });
        Ok(Change { put: put.collect(), ..Change::default() })
    }

    fn is_same(&self, tenant: &Arc<config::Tenant>, current: &Tenant) -> bool {
        (Arc::ptr_eq(tenant, current.config()) || **tenant == **current.config())
            && *self.common == **current.common()
            && self.narrowings(tenant).iter().eq(current.narrowings())
    }

    fn narrowings(&self, tenant: &config::Tenant) -> Vec<Arc<Narrowing>> {
        self.policy.narrowings(tenant)
    }

    fn assemble(
        &self,
        tenant: &Arc<config::Tenant>,
        current: Option<&Tenant>,
        (tls, issuer, http): Trusted,
    ) -> Tenant {
        let (shared, config, name) = (self.shared, self.config, &tenant.name);
        // Handles are kept by the place of an operation, which is another one in another catalog.
        let counted = current.filter(|current| current.common().catalog == self.common.catalog);
        let metrics = counted.map_or_else(
            || Arc::new(TenantMetrics::new(shared.metrics.clone(), name.clone(), self.policy.operations())),
            |current| current.metrics().clone(),
        );
        let waits = self.common.waits;
        let quota = current
            .and_then(|current| current.quota().carried_over(tenant.quota, waits))
            .unwrap_or_else(|| {
                let limiter = shared.limiters.of_quota(name, tenant.quota);
                let meter = Meter { metrics: shared.metrics.clone(), tenant: name.clone() };
                Quota::new(name.clone(), tenant.quota, limiter, waits, meter)
            });
        let (queue, adaptive) = self.common.places;
        let bounds = Bounds { max: tenant.max_in_flight, queue, adaptive };
        let in_flight = current.map(|current| current.in_flight()).filter(|it| it.is(bounds));
        let in_flight = in_flight.cloned().unwrap_or_else(|| Arc::new(InFlight::new(name.clone(), bounds)));
        // Another endpoint may be another Logto.
        let there = current.filter(|current| current.endpoint() == &tenant.endpoint);
        let circuit = there.map(|current| current.circuit()).filter(|it| it.is_by(&config.breaker));
        let circuit =
            circuit.cloned().unwrap_or_else(|| Arc::new(Circuit::new(name.clone(), config.breaker.clone())));
        let retries = current.map(|current| current.retries()).filter(|it| it.are_by(&config.retry));
        let retries = retries.cloned().unwrap_or_else(|| Arc::new(Retries::new(self.common.retry.clone())));
        let (secrets, known_secrets) = secrets(tenant, current);
        let sealing = SealingSecrets::new(
            &tenant.client_secrets,
            current.map(Tenant::sealing),
            shared.clock.now().wall,
            config.broker.ttl,
        );
        let options = self.common.token.clone();
        let source = TokenSource::of(tenant, secrets.clone(), issuer, options, config.timeouts.token)
            .telling(known_secrets.learner())
            .drawing_on(draw_for_tokens(tenant, &quota));
        let narrowed = self.narrowings(tenant).into_iter().map(|narrowing| {
            let key = narrowed_key((*source.key).clone(), &narrowing);
            (narrowing, shared.tokens.handle(TokenSource { key: Arc::new(key), ..source.clone() }))
        });
        let times = PoolTimes { connect: config.timeouts.connect, idle: config.timeouts.upstream_idle };
        Tenant::new(TenantParts {
            config: tenant.clone(),
            narrowed: narrowed.collect(),
            token: shared.tokens.handle(source),
            pools: shared.pools.pools(&tenant.endpoint, &tenant.tls, &tls, times, config.workers.get()),
            retries,
            quota,
            in_flight,
            circuit,
            secrets,
            known_secrets,
            sealing,
            shelf: there.map_or_else(Arc::<Shelf>::default, |current| current.shelf().clone()),
            http,
            health: current.map_or_else(Arc::<UpstreamHealth>::default, |current| current.health().clone()),
            writes: current.map_or_else(Arc::<Writes>::default, |current| current.writes().clone()),
            metrics,
            common: self.common.clone(),
        })
    }
}

/// Token requests draw on the quota, where the tenant counts them.
fn draw_for_tokens(tenant: &config::Tenant, quota: &Quota) -> Option<QuotaDraw> {
    let counts = tenant.quota.is_none_or(|quota| quota.tokens);
    let quota = quota.clone();
    let draw: QuotaDraw = Arc::new(move || {
        let quota = quota.clone();
        Box::pin(async move { quota.draw().await })
    });
    counts.then_some(draw)
}

/// The tenant's secrets, going on with those of the handle before that are configured the same; and what no answer may
/// repeat of them.
fn secrets(tenant: &config::Tenant, current: Option<&Tenant>) -> (Arc<[SecretHandle]>, KnownSecrets) {
    let before = current.map(Tenant::secrets).unwrap_or_default();
    let handle = |configured: &ClientSecret| {
        let same = before.iter().find(|handle| handle.is(configured));
        same.cloned().unwrap_or_else(|| configured.clone().into())
    };
    let held: Vec<Secret> = tenant.client_secrets.iter().filter_map(ClientSecret::held).cloned().collect();
    let known = if held.len() == tenant.client_secrets.len() {
        KnownSecrets::new(&held)
    } else {
        KnownSecrets::learning(&held, current.map(Tenant::known_secrets))
    };
    (tenant.client_secrets.iter().map(handle).collect(), known)
}

/// The tenant's key, with what a grant asks for instead.
fn narrowed_key(own: TokenKey, narrowing: &Narrowing) -> TokenKey {
    let organization_id = narrowing.organization_id.clone().or_else(|| own.organization_id.clone());
    let key = match &narrowing.scopes {
        Some(scopes) => own.with_scopes(&scopes.join(" ")),
        None => own,
    };
    let resource = narrowing.resource.as_deref().map_or_else(|| key.resource.clone(), Into::into);
    TokenKey { organization_id, resource, ..key }
}

/// How a tenant is reached: its TLS, and the client for its token requests, also for what else is seldom asked.
type Trusted = (Arc<rustls::ClientConfig>, Arc<dyn Issuer>, reqwest::Client);

/// The token endpoint of a tenant alone.
pub(super) fn issuer(tenant: &config::Tenant, config: &Config) -> Result<Arc<dyn Issuer>, BuildError> {
    Ok(Arc::new(Trust::default().issuer(tenant, config)?))
}

/// TLS configurations and issuers' clients, made once for all tenants that share their roots.
#[derive(Default)]
struct Trust {
    tls: HashMap<Roots, Arc<rustls::ClientConfig>>,
    issuers: HashMap<Roots, HttpIssuer>,
}

impl Trust {
    fn of(&mut self, tenant: &config::Tenant, config: &Config) -> Result<Trusted, BuildError> {
        let issuer = self.issuer(tenant, config)?;
        let http = issuer.client();
        Ok((self.tls(tenant)?, Arc::new(issuer), http))
    }

    fn tls(&mut self, tenant: &config::Tenant) -> Result<Arc<rustls::ClientConfig>, BuildError> {
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
        let tls = Arc::new(tls);
        self.tls.insert(roots, tls.clone());
        Ok(tls)
    }

    fn issuer(&mut self, tenant: &config::Tenant, config: &Config) -> Result<HttpIssuer, BuildError> {
        let url = TokenKey::of(tenant).token_url();
        if let Some(issuer) = self.issuers.get(&tenant.tls.roots) {
            return issuer.at(&url).map_err(BuildError::Issuer);
        }
        let timeouts = &config.timeouts;
        let tls = (*self.tls(tenant)?).clone();
        let issuer = HttpIssuer::new(&url, tls, timeouts.connect, timeouts.upstream_idle)
            .map_err(BuildError::Issuer)?;
        self.issuers.insert(tenant.tls.roots.clone(), issuer.clone());
        Ok(issuer)
    }
}
