//! What a new configuration changes, by the names of its keys: for the log line of a reload. Values are compared,
//! secrets and the content of files among them, and never shown. What is the same is not looked at further, so that
//! one changed tenant among many is found at once.

use std::{borrow::Borrow, cmp::Ordering};

use serde::Serialize;
use serde_json::{Map, Value};

use super::{caller::Caller, effective::Config, policy::RuleText, show::Named};

/// The keys that differ, in the order of the alphabet: `listen.tls`, `callers.support`, and `tenants.acme.client_secret`
/// where only what is not shown differs.
pub fn changed(old: &Config, new: &Config) -> Vec<String> {
    let mut keys = plain(old, new);
    let mut note = |key: String, differs: bool| {
        if differs && !keys.contains(&key) {
            keys.push(key);
        }
    };
    note("listen.tls".into(), old.listen.tls != new.listen.tls);
    note("broker.key".into(), old.broker.key != new.broker.key);
    note("admin.token".into(), old.admin.token != new.admin.token);
    note("redis".into(), old.redis != new.redis);
    note("vault".into(), old.vault != new.vault);
    note("catalog.file".into(), old.catalog != new.catalog);
    for (name, _) in differing(&old.tenant_templates, &new.tenant_templates, |old, new| old == new) {
        note(format!("tenant_templates.{name}"), true);
    }
    for (name, _) in differing(&old.cloud, &new.cloud, |old, new| old == new) {
        note(format!("cloud.{name}"), true);
    }
    for (name, _) in differing(&old.issuers, &new.issuers, |old, new| old == new) {
        note(format!("issuers.{name}"), true);
    }
    for (name, pair) in differing(&old.tenants, &new.tenants, |old, new| old == new) {
        let at = format!("tenants.{name}");
        let Some((old, new)) = pair else {
            note(at, true);
            continue;
        };
        note(format!("{at}.client_secret"), old.client_secrets != new.client_secrets);
        note(format!("{at}.parameters"), old.parameters != new.parameters);
        note(format!("{at}.tls"), old.tls != new.tls);
        note(at, shown(old) != shown(new));
    }
    for (name, pair) in differing(&old.policies, &new.policies, |old, new| {
        same_rules(&old.allow, &new.allow) && same_rules(&old.deny, &new.deny)
    }) {
        note(format!("policies.{name}"), pair.is_none_or(|(old, new)| shown(old) != shown(new)));
    }
    for (name, pair) in differing(&old.callers, &new.callers, same_caller) {
        let at = format!("callers.{name}");
        let Some((old, new)) = pair else {
            note(at, true);
            continue;
        };
        note(format!("{at}.identify"), old.identify != new.identify);
        note(at, shown(old) != shown(new));
    }
    keys.sort_unstable();
    keys
}

/// The keys of the sections without names that show a difference.
fn plain(old: &Config, new: &Config) -> Vec<String> {
    let none = Map::new();
    let (old, new) = (shown(&old.without_names()), shown(&new.without_names()));
    let mut keys = Vec::new();
    for (section, new) in new.as_object().unwrap_or(&none) {
        let old = &old[section];
        match (old.as_object(), new.as_object()) {
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

fn shown(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// What is there only before or only after (by its name alone), or is not the same before and after. Both lists are in
/// order of name.
fn differing<'c, T: Named>(
    old: &'c [T],
    new: &'c [T],
    same: impl Fn(&T, &T) -> bool,
) -> Vec<(&'c str, Option<(&'c T, &'c T)>)> {
    let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
    let mut found = Vec::new();
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return found,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => old.name().cmp(new.name()),
        };
        match order {
            Ordering::Less => found.extend(old.next().map(|gone| (gone.name(), None))),
            Ordering::Greater => found.extend(new.next().map(|added| (added.name(), None))),
            Ordering::Equal => {
                let pair = old.next().zip(new.next());
                found.extend(
                    pair.filter(|(old, new)| !same(old, new))
                        .map(|(old, new)| (old.name(), Some((old, new)))),
                );
            }
        }
    }
}

/// Whether two lists hold the same rules, wherever they stand.
fn same_rules<R: Borrow<RuleText>>(old: &[R], new: &[R]) -> bool {
    let same = |(old, new): (&RuleText, &RuleText)| old.text == new.text && old.conditions == new.conditions;
    old.len() == new.len() && old.iter().map(R::borrow).zip(new.iter().map(R::borrow)).all(same)
}

/// Whether two callers are the same, wherever they stand.
fn same_caller(old: &Caller, new: &Caller) -> bool {
    let Caller {
        name,
        identify,
        tenants,
        cloud,
        policies,
        reveal,
        issue,
        scopes,
        organization_id,
        rate,
        priority,
        weight,
        origin: _,
    } = old;
    (name, identify, tenants, cloud, policies)
        == (&new.name, &new.identify, &new.tenants, &new.cloud, &new.policies)
        && same_rules(reveal, &new.reveal)
        && (issue, scopes, organization_id, rate)
            == (&new.issue, &new.scopes, &new.organization_id, &new.rate)
        && (priority, weight) == (&new.priority, &new.weight)
}
