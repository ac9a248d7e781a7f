//! A tenant as requests hold it: what it was configured with, its tokens, limits, connections and counters, behind one
//! handle. Immutable; a changed tenant is another handle that takes over what must not begin anew, and requests that
//! hold the old one finish with it. Its tokens leave by `client` alone.

use std::sync::Arc;

use prometheus::IntCounter;
use tokio::time::Instant;

use super::{health::UpstreamHealth, pools::Pools, retry::Retries};
use crate::{
    authn::SealingSecrets,
    catalog::Catalog,
    clock::Clock,
    config::{self, Breaker, Endpoint, Retry, Timeouts, TokenOptions},
    filter::KnownSecrets,
    ids::{Label, TenantName},
    limit::{Circuit, InFlight, Limited, Quota, Waits},
    observe::TenantMetrics,
    openapi::{self, Shelf},
    policy::{self, Narrowing, TokenSpec},
    secret::SecretHandle,
    token::{SlotStatus, TokenError, TokenHandle},
};

/// A tenant.
#[derive(Debug)]
pub struct Tenant(TenantParts);

/// What a tenant is made of.
#[derive(Debug)]
pub struct TenantParts {
    /// As configured.
    pub config: Arc<config::Tenant>,
    /// Its own token.
    pub token: TokenHandle,
    /// The tokens that grants are for instead.
    pub narrowed: Box<[(Arc<Narrowing>, TokenHandle)]>,
    /// Connections.
    pub pools: Arc<Pools>,
    /// When a request is sent again, and how often.
    pub retries: Arc<Retries>,
    /// What it allows us.
    pub quota: Quota,
    /// The places among its requests.
    pub in_flight: Arc<InFlight>,
    /// Whether anything is sent there.
    pub circuit: Arc<Circuit>,
    /// Its client secrets.
    pub secrets: Arc<[SecretHandle]>,
    /// What no answer of it may repeat.
    pub known_secrets: KnownSecrets,
    /// What the broker's tokens for it are sealed by.
    pub sealing: SealingSecrets,
    /// Whether it answers.
    pub health: Arc<UpstreamHealth>,
    /// What there is of its OpenAPI document.
    pub shelf: Arc<Shelf>,
    /// What makes the seldom calls to it.
    pub http: reqwest::Client,
    /// Its counters.
    pub metrics: Arc<TenantMetrics>,
    /// What it has in common with all others.
    pub common: Arc<Common>,
}

/// What all tenants of a configuration have in common.
#[derive(Debug)]
pub struct Common {
    /// How long things may take.
    pub timeouts: Timeouts,
    /// When a request is sent again.
    pub retry: Arc<Retry>,
    /// When tokens are renewed.
    pub token: Arc<TokenOptions>,
    /// When nothing is sent to it for a while.
    pub breaker: Breaker,
    /// How many requests may wait for a place among the tenant's (`limits.queue`), and whether there are fewer places while it is
    /// overloaded (`limits.adaptive`).
    pub places: (usize, bool),
    /// How the quota is waited for (`timeouts.quota`, `limits.quota_queue`).
    pub waits: Waits,
    /// How many times its size a compressed answer may expand to (`limits.expansion`).
    pub expansion: u32,
    /// Requests that found their token in the cache, and those that had to wait for it.
    pub token_found: [IntCounter; 2],
    /// The operations that something is kept for.
    pub catalog: Arc<Catalog>,
    /// Time.
    pub clock: Clock,
}

impl PartialEq for Common {
    /// By what is configured: clock and counters are the process's.
    fn eq(&self, other: &Self) -> bool {
        (&self.timeouts, &self.retry, &self.breaker, &self.token, &self.catalog)
            == (&other.timeouts, &other.retry, &other.breaker, &other.token, &other.catalog)
            && (self.places, self.waits, self.expansion) == (other.places, other.waits, other.expansion)
    }
}

impl Tenant {
    /// Of its parts.
    pub fn new(parts: TenantParts) -> Self {
        Self(parts)
    }

    /// As configured.
    pub fn config(&self) -> &Arc<config::Tenant> {
        &self.0.config
    }

    /// Its endpoint.
    pub fn endpoint(&self) -> &Endpoint {
        &self.0.config.endpoint
    }

    /// Begins to get its own token, and keeps one from then on.
    pub fn warm(&self) {
        self.0.token.warm();
    }

    /// Ends the cool-downs of all its tokens: somebody says that their cause may be mended.
    pub fn retry_tokens(&self) {
        self.0.token.retry();
        self.0.narrowed.iter().for_each(|(_, token)| token.retry());
    }

    /// Gets its own token, as a request would.
    ///
    /// # Errors
    /// [`TokenError`]: why there is none by `deadline`.
    pub async fn obtain_token(&self, deadline: Instant) -> Result<(), TokenError> {
        self.0.token.get(deadline).await.map(drop)
    }

    /// What may be shown of its own token.
    pub fn token_status(&self) -> SlotStatus {
        self.0.token.status()
    }

    /// What may be shown of the tokens that grants are for instead.
    pub fn narrowed_status(&self) -> impl Iterator<Item = SlotStatus> {
        self.0.narrowed.iter().map(|(_, token)| token.status())
    }

    /// The scopes that a token of this spec is asked for.
    pub fn scopes(&self, spec: &TokenSpec) -> Vec<String> {
        self.token(spec).map(|token| token.status().scopes).unwrap_or_default()
    }

    /// What it allows us.
    pub fn quota(&self) -> &Quota {
        &self.0.quota
    }

    /// Whether it answers.
    pub fn health(&self) -> &Arc<UpstreamHealth> {
        &self.0.health
    }

    /// What there is of its OpenAPI document.
    pub fn shelf(&self) -> &Arc<Shelf> {
        &self.0.shelf
    }

    /// Where that is fetched from.
    pub fn openapi(&self) -> openapi::Origin {
        openapi::Origin {
            tenant: self.0.config.name.clone(),
            http: self.0.http.clone(),
            url: format!("{}{}", self.0.config.endpoint, openapi::PATH),
            quota: self.0.quota.clone(),
            in_flight: self.0.in_flight.clone(),
            whole: self.0.common.timeouts.deadline,
        }
    }

    /// What seldom calls are made with.
    pub(super) fn cold_client(&self) -> reqwest::Client {
        self.0.http.clone()
    }

    /// The way to its own token.
    pub(super) fn own_token(&self) -> TokenHandle {
        self.0.token.clone()
    }

    /// Its counters.
    pub fn metrics(&self) -> &Arc<TenantMetrics> {
        &self.0.metrics
    }

    /// Its rules of retrying, and their budget.
    pub fn retries(&self) -> &Arc<Retries> {
        &self.0.retries
    }

    pub(super) fn token(&self, spec: &TokenSpec) -> Option<&TokenHandle> {
        match spec {
            TokenSpec::Own => Some(&self.0.token),
            TokenSpec::Narrowed(narrowing) => {
                self.0.narrowed.iter().find(|(own, _)| own == narrowing).map(|(_, token)| token)
            }
        }
    }

    pub(super) fn pools(&self) -> &Pools {
        &self.0.pools
    }

    /// Its client secrets.
    pub fn secrets(&self) -> &[SecretHandle] {
        &self.0.secrets
    }

    /// What no answer of it may repeat.
    pub fn known_secrets(&self) -> &KnownSecrets {
        &self.0.known_secrets
    }

    /// What the broker's tokens for it are sealed by.
    pub fn sealing(&self) -> &SealingSecrets {
        &self.0.sealing
    }

    /// What it has in common with all others.
    pub fn common(&self) -> &Arc<Common> {
        &self.0.common
    }

    /// What grants ask its tokens for, beside its own.
    pub fn narrowings(&self) -> impl Iterator<Item = &Arc<Narrowing>> {
        self.0.narrowed.iter().map(|(narrowing, _)| narrowing)
    }
}

impl policy::Tenant for Tenant {
    fn name(&self) -> &TenantName {
        &self.0.config.name
    }

    fn labels(&self) -> &[Label] {
        &self.0.config.labels
    }

    fn config(&self) -> &config::Tenant {
        &self.0.config
    }
}

impl Limited for Tenant {
    fn quota(&self) -> &Quota {
        &self.0.quota
    }

    fn in_flight(&self) -> &Arc<InFlight> {
        &self.0.in_flight
    }

    fn circuit(&self) -> &Arc<Circuit> {
        &self.0.circuit
    }
}
