//! What a new configuration changes, by the names of its keys: for the log line of a reload. Values are compared,
//! secrets and the content of files among them, and never shown.

use serde_json::{Map, Value};

use super::{effective::Config, redacted::redacted};

/// The keys that differ, in the order of the alphabet: `listen.tls`, `callers.support`, and `tenants.acme.client_secret`
/// where only what is not shown differs.
pub fn changed(old: &Config, new: &Config) -> Vec<String> {
    let mut keys = shown(&redacted(old), &redacted(new));
    let mut note = |key: &str, differs: bool| {
        if differs && !keys.iter().any(|known| known == key) {
            keys.push(key.to_owned());
        }
    };
    note("listen.tls", old.listen.tls != new.listen.tls);
    note("broker.key", old.broker.key != new.broker.key);
    for (old, new) in same(&old.issuers, &new.issuers, |issuer| issuer.name.as_str()) {
        note(&format!("issuers.{}", new.name), old != new);
    }
    for (old, new) in same(&old.tenants, &new.tenants, |tenant| tenant.name.as_str()) {
        let at = format!("tenants.{}", new.name);
        note(&format!("{at}.client_secret"), old.client_secrets != new.client_secrets);
        note(&format!("{at}.parameters"), old.parameters != new.parameters);
        note(&format!("{at}.tls"), old.tls != new.tls);
    }
    for (old, new) in same(&old.callers, &new.callers, |caller| caller.name.as_str()) {
        note(&format!("callers.{}.identify", new.name), old.identify != new.identify);
    }
    keys.sort_unstable();
    keys
}

/// The keys of two levels that show a difference.
fn shown(old: &Value, new: &Value) -> Vec<String> {
    let none = Map::new();
    let members = |value: &Value| value.as_object().cloned();
    let mut keys = Vec::new();
    for (section, new) in new.as_object().unwrap_or(&none) {
        let old = &old[section];
        match (members(old), members(new)) {
            (Some(old), Some(new)) => {
                let both = old.keys().chain(new.keys().filter(|key| !old.contains_key(*key)));
                let differing = both.filter(|key| old.get(*key) != new.get(*key));
                keys.extend(differing.map(|key| format!("{section}.{key}")));
            }
            _ if old != new => keys.push(section.clone()),
            _ => {}
        }
    }
    keys
}

/// What is there before and after. Both are in order of name.
fn same<'c, T>(old: &'c [T], new: &'c [T], name: fn(&T) -> &str) -> impl Iterator<Item = (&'c T, &'c T)> {
    let before = move |new: &T| old.binary_search_by(|old| name(old).cmp(name(new))).ok().map(|at| &old[at]);
    new.iter().filter_map(move |new| Some((before(new)?, new)))
}
