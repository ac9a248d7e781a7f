//! What a caller may use (`rate`), what the tenant allows us (`quota`), and how much is under way at once
//! (`in_flight`). The reject form: whoever is over a limit is told at once how long to wait. Waiting in a
//! fair line is to come, as another verdict of [`Bucket::take`]'s callers, in this folder.
//!
//! Buckets outlive a reload of the configuration as long as their rate stays the same, so that nobody gets
//! a fresh allowance by touching a file.

pub mod admit;
mod bucket;
mod in_flight;
mod peers;

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

pub use bucket::Bucket;
pub use in_flight::{InFlight, Slot};
pub use peers::Peers;

use crate::{
    config::{Config, Rate},
    ids::{CallerName, TenantName},
};

/// Why a request was not admitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// The caller is over its own limit.
    #[error("the rate limit of caller {caller} ({} per {}) is used up", humane(rate), humantime::format_duration(rate.per))]
    Rate {
        /// Whose limit.
        caller: CallerName,
        /// The limit.
        rate: Rate,
        /// Until the next request would pass.
        wait: Duration,
    },
    /// The tenant's quota is used up.
    #[error("the quota of tenant {tenant} is used up")]
    Quota {
        /// Whose quota.
        tenant: TenantName,
        /// The quota, unless the upstream itself asked for a pause.
        rate: Option<Rate>,
        /// Until the next request would pass.
        wait: Duration,
    },
    /// Too many requests to the tenant are under way or waiting.
    #[error("too many requests to tenant {tenant} are under way")]
    Overloaded {
        /// Which tenant.
        tenant: TenantName,
    },
    /// Too many failed identifications from one address.
    #[error("too many failed identifications from this address")]
    Identifications {
        /// Until the next try is looked at.
        wait: Duration,
    },
}

fn humane(rate: &Rate) -> String {
    match rate.requests {
        1 => "1 request".into(),
        n => format!("{n} requests"),
    }
}

/// The limits of a process, by name, across reloads.
#[derive(Debug, Default)]
pub struct Limits {
    callers: Kept<CallerName, Bucket>,
    tenants: Kept<TenantName, Bucket>,
    in_flight: Kept<TenantName, InFlight>,
}

#[derive(Debug)]
struct Kept<K, V>(Mutex<HashMap<K, Arc<V>>>);

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Clone + Eq + Hash, V> Kept<K, V> {
    fn retain(&self, keep: impl Fn(&K) -> bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|key, _| keep(key));
    }

    fn resolve(&self, key: &K, same: impl Fn(&V) -> bool, make: impl FnOnce() -> V) -> Arc<V> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match kept.get(key) {
            Some(value) if same(value) => value.clone(),
            _ => {
                let value = Arc::new(make());
                kept.insert(key.clone(), value.clone());
                value
            }
        }
    }
}

impl Limits {
    /// Lets go of the limits of callers and tenants that `config` does not have.
    pub fn retain(&self, config: &Config) {
        let callers: HashSet<&CallerName> = config.callers.iter().map(|caller| &caller.name).collect();
        let tenants: HashSet<&TenantName> = config.tenants.iter().map(|tenant| &tenant.name).collect();
        self.callers.retain(|name| callers.contains(name));
        self.tenants.retain(|name| tenants.contains(name));
        self.in_flight.retain(|name| tenants.contains(name));
    }

    /// The bucket of a caller; resolved once per configuration.
    pub fn caller(&self, name: &CallerName, rate: Rate) -> Arc<Bucket> {
        self.callers.resolve(name, |b| b.rate() == Some(rate), || Bucket::new(Some(rate)))
    }

    /// The bucket of a tenant's quota; without a rate it only keeps the pauses that the upstream asks for.
    pub fn tenant(&self, name: &TenantName, rate: Option<Rate>) -> Arc<Bucket> {
        self.tenants.resolve(name, |b| b.rate() == rate, || Bucket::new(rate))
    }

    /// The places of a tenant.
    pub fn in_flight(&self, name: &TenantName, max: usize, queue: usize) -> Arc<InFlight> {
        self.in_flight.resolve(name, |f| f.is(max, queue), || InFlight::new(name.clone(), max, queue))
    }
}
