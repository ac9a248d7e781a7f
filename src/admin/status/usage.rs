//! When keys and grants were last used, since the process started: one that is never used can be taken away.

use serde_json::{Value, json};

use crate::{clock::Moment, listen::tls::dates::date, proxy::Pipeline, upstream::Tenant};

/// The API keys of callers, in the order of the configuration; `limit` at the most.
pub(super) fn keys(pipeline: &Pipeline, limit: usize, now: Moment) -> Vec<Value> {
    let config = pipeline.config();
    let keys = pipeline.authenticators().keys().iter().take(limit).map(|key| {
        let used = key.used(now);
        json!({
            "caller": config.callers.get(key.caller().0).map(|caller| caller.name.as_str()),
            "key": key.label().as_str(),
            "last_used": used.map(|used| date(used.last)),
            "times": used.map_or(0, |used| used.times),
        })
    });
    keys.collect()
}

/// The grants of these tenants that were used, the latest first; `limit` at the most.
pub(super) fn grants<'t>(tenants: impl Iterator<Item = &'t Tenant>, limit: usize, now: Moment) -> Vec<Value> {
    let mut uses: Vec<_> = tenants
        .flat_map(|tenant| {
            let uses = tenant.metrics().grant_uses(now).into_iter();
            uses.map(move |used| (&tenant.config().name, used))
        })
        .collect();
    uses.sort_by_key(|(_, used)| std::cmp::Reverse(used.used.last));
    let shown = uses.iter().take(limit).map(|(tenant, grant)| {
        json!({
            "caller": grant.caller.as_str(),
            "tenant": tenant.as_str(),
            "operation": grant.operation,
            "last_used": date(grant.used.last),
            "times": grant.used.times,
        })
    });
    shown.collect()
}
