//! From what the files say to a [`Config`] that is right, with every problem collected on the way. Here is the
//! order; the rules about each section are in the modules below, their tools in `checker`. It reads the files
//! that hold secrets and certificates, and opens nothing else.

use std::num::NonZeroUsize;

use super::{
    effective::Config,
    path::KeyPath,
    raw::Raw,
    sections::{AuthzOptions, Limits, Reload, Shutdown},
};

mod audit;
mod callers;
mod catalog;
pub(super) mod checker;
mod client_secrets;
mod cloud;
mod cross;
mod encodings;
mod files;
mod identities;
mod issuers;
mod listen;
mod look_alikes;
mod misplaced;
mod names;
mod placeholder;
mod policies;
mod rates;
mod reach;
mod redis;
mod resources;
mod scope;
mod secrets;
mod settings;
mod tenants;
mod tls;
mod vault;

pub(super) use checker::{Checker, Settings};

/// The configuration; what is wrong with it is in the checker's remarks, and then there is none.
pub(super) fn config(checker: &mut Checker<'_>, raw: Raw) -> Option<Config> {
    if checker.misplaced() {
        return None;
    }
    let defaults = Config::default();
    let top = KeyPath::default();
    let workers = checker.count(&top, "workers", raw.workers, 1..=256);
    let catalog = checker.catalog(raw.catalog.unwrap_or_default());
    checker.catalog = catalog.catalog.clone();
    let redis = checker.redis(raw.redis);
    let mut config = Config {
        listen: checker.listen(raw.listen.unwrap_or_default(), defaults.listen),
        workers: workers.and_then(NonZeroUsize::new).unwrap_or(defaults.workers),
        timeouts: checker.timeouts(raw.timeouts.unwrap_or_default()),
        limits: Limits::checked(raw.limits.unwrap_or_default(), checker),
        retry: checker.retry(raw.retry.unwrap_or_default()),
        breaker: checker.breaker(raw.breaker.unwrap_or_default()),
        token: checker.token(raw.token.unwrap_or_default()),
        broker: checker.broker(raw.broker.unwrap_or_default()),
        admin: checker.admin(raw.admin.unwrap_or_default()),
        authz: AuthzOptions::checked(raw.authz.unwrap_or_default(), checker),
        catalog,
        openapi: checker.openapi(raw.openapi.unwrap_or_default()),
        log: checker.log(raw.log.unwrap_or_default()),
        audit: checker.audit(raw.audit.unwrap_or_default(), defaults.audit),
        reload: Reload::checked(raw.reload.unwrap_or_default(), checker),
        shutdown: Shutdown::checked(raw.shutdown.unwrap_or_default(), checker),
        vault: checker.vault(raw.vault, redis.as_ref()),
        redis,
        tenant_templates: checker.templates(raw.tenant_templates),
        cloud: checker.clouds(raw.cloud),
        issuers: checker.issuers(raw.issuers),
        tenants: checker.tenants(raw.tenants),
        policies: checker.policies(raw.policies),
        callers: Vec::new(),
    };
    config.callers = checker.callers(raw.callers);
    checker.across(&config);
    checker.remarks.problems.is_empty().then_some(config)
}
