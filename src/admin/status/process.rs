//! What there is once for a process: the listener's certificates, the issuers of callers' tokens, and the Redis that it shares with other
//! replicas.

use std::time::SystemTime;

use serde_json::{Value, json};

use super::{
    moments::{after, before},
    problems::remedy,
};
use crate::{
    authn::jwt::KeyringStatus,
    clock::Moment,
    config::{Config, StoreOptions},
    limit::Replicas,
    listen::tls::dates::{Dates, date},
    proxy::Shared,
    redis::{Redis, RedisStatus},
};

/// The listener's certificate, and what clients' certificates are judged by.
pub(super) fn listen_tls(dates: &Dates, now: SystemTime) -> Value {
    json!({
        "certificate": dates.server().map(|server| json!({
            "subject": server.subject.to_string(),
            "names": dates.names(),
            "not_before": date(server.not_before),
            "not_after": date(server.not_after),
        })),
        "client_ca": dates.authorities().map(|names| names.map(ToString::to_string).collect::<Vec<_>>()),
        "crl": dates.lists().map(|lists| lists.iter().map(|list| json!({
            "issuer": list.issuer.to_string(),
            "next_update": list.next_update.map(date),
        })).collect::<Vec<_>>()),
        "warnings": dates.concerns(now).iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

/// Which Redis it is, and what is shared through it: a replica that shares it under another prefix, or shares something else, shows here.
pub(super) fn redis(redis: &Redis, config: &Config, shared: &Shared) -> Value {
    let options = config.redis.as_ref();
    let is_vault = config.vault.as_ref().is_some_and(|vault| matches!(vault.store, StoreOptions::Redis(_)));
    let shares = [
        (shared.limiters.replicas().is_some(), "limits"),
        (options.is_some_and(|options| options.token_key.is_some()), "tokens"),
        (shared.keys.is_some(), "idempotency_keys"),
        (is_vault, "vault"),
    ];
    let replicas = shared.limiters.replicas().map(Replicas::status);
    json!({
        "connected": *redis.status().borrow() == RedisStatus::Connected,
        "server": redis.server().map(|server| server.to_string()),
        "prefix": options.map(|options| &options.prefix),
        "shares": shares.into_iter().filter_map(|(is, what)| is.then_some(what)).collect::<Vec<_>>(),
        "replicas": replicas.as_ref().map(|replicas| replicas.seen),
        "other_token_keys": replicas.as_ref().and_then(|replicas| replicas.other_keys),
        "other_limits": replicas.map(|it| it.other_limits),
    })
}

/// An issuer of callers' tokens: whether its keys are there to verify them with.
pub(super) fn issuer(keyring: &KeyringStatus, now: Moment) -> Value {
    json!({
        "issuer": keyring.issuer.issuer,
        "url": keyring.issuer.asked(),
        "keys": keyring.keys,
        "kids": keyring.kids,
        "usable_until": keyring.usable_for.map(|left| after(now, left)),
        "tokens_of_unknown_keys": keyring.missed,
        "from": if keyring.is_fetched { "issuer" } else { "file" },
        "asked": keyring.asked.map(|ago| before(now, ago)),
        "asked_seconds_ago": keyring.asked.map(|ago| ago.as_secs()),
        "consecutive_failures": keyring.consecutive_failures,
        "last_error": keyring.last_error.as_ref().map(ToString::to_string),
        "remedy": keyring.last_error.as_ref().and_then(|error| remedy(error.remedy())),
    })
}
