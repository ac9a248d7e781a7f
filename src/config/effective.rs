//! The configuration as a whole: all sections, checked.

use std::{num::NonZeroUsize, sync::Arc};

use serde::Serialize;

use super::{
    audit::{Audit, AuditOutput},
    caller::Caller,
    catalog::CatalogOptions,
    cloud::Cloud,
    issuer::Issuer,
    listen::Listen,
    policy::Policy,
    redis::RedisOptions,
    sections::{
        AdminOptions, AuthzOptions, Breaker, BrokerOptions, Limits, Log, OpenApiOptions, Reload, Retry,
        Shutdown, Timeouts, TokenOptions,
    },
    show,
    template::TenantTemplate,
    tenant::Tenant,
    vault::VaultOptions,
};

/// A whole, checked configuration. `Default` holds the documented defaults.
#[derive(Debug, Clone, Serialize)]
pub struct Config {
    /// Where to listen, and for whom.
    pub listen: Listen,
    /// Worker threads, each with its own runtime and upstream connections.
    pub workers: NonZeroUsize,
    /// How long each wait may last.
    pub timeouts: Timeouts,
    /// Bounds on what a request may be and on what is held in memory.
    pub limits: Limits,
    /// When a request is sent again.
    pub retry: Retry,
    /// When nothing is sent to a tenant for a while.
    pub breaker: Breaker,
    /// When tokens are renewed.
    pub token: TokenOptions,
    /// The token broker.
    pub broker: BrokerOptions,
    /// The admin listener.
    pub admin: AdminOptions,
    /// The endpoint that answers for other proxies.
    pub authz: AuthzOptions,
    /// The operations that rules are about.
    pub catalog: CatalogOptions,
    /// The OpenAPI document that callers read.
    pub openapi: OpenApiOptions,
    /// Logging.
    pub log: Log,
    /// The audit log.
    pub audit: Audit,
    /// How the configuration is watched.
    pub reload: Reload,
    /// How the process ends.
    pub shutdown: Shutdown,
    /// A Redis that replicas share.
    pub redis: Option<RedisOptions>,
    /// Where credentials rest that no file has.
    pub vault: Option<VaultOptions>,
    /// In order of name.
    #[serde(serialize_with = "show::by_name")]
    pub tenant_templates: Vec<TenantTemplate>,
    /// In order of name.
    #[serde(serialize_with = "show::by_name")]
    pub cloud: Vec<Arc<Cloud>>,
    /// In order of name.
    #[serde(serialize_with = "show::by_name")]
    pub issuers: Vec<Arc<Issuer>>,
    /// In order of name.
    #[serde(serialize_with = "show::by_name")]
    pub tenants: Vec<Arc<Tenant>>,
    /// In order of name.
    #[serde(serialize_with = "show::by_name")]
    pub policies: Vec<Policy>,
    /// In order of name.
    #[serde(serialize_with = "show::by_name")]
    pub callers: Vec<Caller>,
}

impl Config {
    /// The sections that hold plain keys; the others empty.
    pub(super) fn without_names(&self) -> Self {
        Self {
            listen: self.listen.clone(),
            workers: self.workers,
            timeouts: self.timeouts.clone(),
            limits: self.limits.clone(),
            retry: self.retry.clone(),
            breaker: self.breaker.clone(),
            token: self.token.clone(),
            broker: self.broker.clone(),
            admin: self.admin.clone(),
            authz: self.authz.clone(),
            catalog: self.catalog.clone(),
            openapi: self.openapi.clone(),
            log: self.log.clone(),
            audit: self.audit.clone(),
            reload: self.reload.clone(),
            shutdown: self.shutdown.clone(),
            redis: self.redis.clone(),
            vault: self.vault.clone(),
            tenant_templates: Vec::new(),
            cloud: Vec::new(),
            issuers: Vec::new(),
            tenants: Vec::new(),
            policies: Vec::new(),
            callers: Vec::new(),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: Listen::default(),
            workers: default_workers(),
            timeouts: Timeouts::default(),
            limits: Limits::default(),
            retry: Retry::default(),
            breaker: Breaker::default(),
            token: TokenOptions::default(),
            broker: BrokerOptions::default(),
            admin: AdminOptions::default(),
            authz: AuthzOptions::default(),
            catalog: CatalogOptions::default(),
            openapi: OpenApiOptions::default(),
            log: Log::default(),
            audit: Audit { output: AuditOutput::Off },
            reload: Reload::default(),
            shutdown: Shutdown::default(),
            redis: None,
            vault: None,
            tenant_templates: Vec::new(),
            cloud: Vec::new(),
            issuers: Vec::new(),
            tenants: Vec::new(),
            policies: Vec::new(),
            callers: Vec::new(),
        }
    }
}

/// One worker a core, at most four: a proxy that needs more is the exception, and each worker holds its own upstream connections.
fn default_workers() -> NonZeroUsize {
    let four = const { NonZeroUsize::new(4).expect("4 is not zero") };
    std::thread::available_parallelism().map_or(NonZeroUsize::MIN, |cores| cores.min(four))
}

impl Config {
    /// Whether `other` differs in nothing but its tenants.
    pub fn is_same_but_for_tenants(&self, other: &Self) -> bool {
        let Self {
            listen,
            workers,
            timeouts,
            limits,
            retry,
            breaker,
            token,
            broker,
            admin,
            authz,
            catalog,
            openapi,
            log,
            audit,
            reload,
            shutdown,
            redis,
            vault,
            tenant_templates,
            cloud,
            issuers,
            tenants: _,
            policies,
            callers,
        } = self;
        *listen == other.listen
            && *workers == other.workers
            && *timeouts == other.timeouts
            && *limits == other.limits
            && *retry == other.retry
            && *breaker == other.breaker
            && *token == other.token
            && *broker == other.broker
            && *admin == other.admin
            && *authz == other.authz
            && *catalog == other.catalog
            && *openapi == other.openapi
            && *log == other.log
            && *audit == other.audit
            && *reload == other.reload
            && *shutdown == other.shutdown
            && *redis == other.redis
            && *vault == other.vault
            && *tenant_templates == other.tenant_templates
            && *cloud == other.cloud
            && *issuers == other.issuers
            && *policies == other.policies
            && *callers == other.callers
    }
}
