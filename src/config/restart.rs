//! Which changes a running process cannot take up: sockets are bound and threads are started once.

use super::effective::Config;

/// The keys that differ and take effect only after a restart.
pub fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let differs = [
        ("listen.proxy", old.listen.proxy != new.listen.proxy),
        ("listen.admin", old.listen.admin != new.listen.admin),
        ("listen.unix_mode", old.listen.unix_mode != new.listen.unix_mode),
        // Changed certificates are taken up; whether there are any is not.
        ("listen.tls", old.listen.tls.is_some() != new.listen.tls.is_some()),
        ("listen.max_connections", old.listen.max_connections != new.listen.max_connections),
        ("workers", old.workers != new.workers),
        ("log.format", old.log.format != new.log.format),
        ("log.level", old.log.level != new.log.level),
        ("audit", old.audit != new.audit),
    ];
    differs.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
}
