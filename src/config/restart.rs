//! Which changes a running process cannot take up: sockets are bound and threads are started once.

use super::{
    effective::Config,
    section::AfterRestart,
    sections::{
        AdminOptions, AuthzOptions, Breaker, BrokerOptions, Limits, Log, OpenApiOptions, Reload, Retry,
        Shutdown, Timeouts, TokenOptions,
    },
};

/// Keys outside the declared sections, and whether they differ.
pub(super) const KEYS: [AfterRestart<Config>; 9] = [
    ("listen.proxy", |old, new| old.listen.proxy != new.listen.proxy),
    ("listen.admin", |old, new| old.listen.admin != new.listen.admin),
    ("listen.unix_mode", |old, new| old.listen.unix_mode != new.listen.unix_mode),
    // Changed certificates are taken up; whether there are any is not.
    ("listen.tls", |old, new| old.listen.tls.is_some() != new.listen.tls.is_some()),
    ("listen.max_connections", |old, new| old.listen.max_connections != new.listen.max_connections),
    ("workers", |old, new| old.workers != new.workers),
    ("redis", |old, new| old.redis != new.redis),
    // Whoever holds the file holds its lock.
    ("vault", |old, new| old.vault != new.vault),
    ("audit", |old, new| old.audit != new.audit),
];

/// The keys that differ and take effect only after a restart.
pub fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let mut keys: Vec<_> =
        KEYS.iter().filter(|(_, differs)| differs(old, new)).map(|(key, _)| *key).collect();
    keys.extend(differing(Timeouts::RESTART, &old.timeouts, &new.timeouts));
    keys.extend(differing(Limits::RESTART, &old.limits, &new.limits));
    keys.extend(differing(Retry::RESTART, &old.retry, &new.retry));
    keys.extend(differing(Breaker::RESTART, &old.breaker, &new.breaker));
    keys.extend(differing(TokenOptions::RESTART, &old.token, &new.token));
    keys.extend(differing(BrokerOptions::RESTART, &old.broker, &new.broker));
    keys.extend(differing(AdminOptions::RESTART, &old.admin, &new.admin));
    keys.extend(differing(AuthzOptions::RESTART, &old.authz, &new.authz));
    keys.extend(differing(OpenApiOptions::RESTART, &old.openapi, &new.openapi));
    keys.extend(differing(Log::RESTART, &old.log, &new.log));
    keys.extend(differing(Reload::RESTART, &old.reload, &new.reload));
    keys.extend(differing(Shutdown::RESTART, &old.shutdown, &new.shutdown));
    keys
}

/// The keys of a section that are declared with `restart` and differ.
fn differing<T>(declared: &[AfterRestart<T>], old: &T, new: &T) -> Vec<&'static str> {
    declared.iter().filter(|(_, differs)| differs(old, new)).map(|(key, _)| *key).collect()
}
