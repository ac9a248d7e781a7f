//! An API key as far as anybody may know it: whose it is, its label, and its last use, so that nobody has to guess which of
//! two keys may be taken out. The key itself is not here, nor its digest.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::time::Instant;

use crate::{
    clock::Moment,
    config,
    ids::{CallerIndex, CallerName, KeyLabel},
    secret::Digest,
    usage::{Usage, Used},
};

/// An API key of a caller, as far as anybody may know it.
#[derive(Debug)]
pub struct ApiKey {
    caller: CallerIndex,
    label: KeyLabel,
    usage: Arc<Usage>,
}

impl ApiKey {
    /// Whose it is.
    pub fn caller(&self) -> CallerIndex {
        self.caller
    }

    /// Its label; where it has none, its place among the caller's keys, from 1.
    pub fn label(&self) -> &KeyLabel {
        &self.label
    }

    /// Its uses, those of broker tokens that were got with it included; `None` where there was none since the start.
    pub fn used(&self, now: Moment) -> Option<Used> {
        self.usage.read(now)
    }

    pub(super) fn note_use(&self, now: Instant) {
        self.usage.note(now);
    }
}

/// The uses of API keys across reloads, by caller and key.
#[derive(Debug, Clone, Default)]
pub struct KeyUsage(Arc<Mutex<Uses>>);

type Uses = HashMap<(CallerName, Digest), Arc<Usage>>;

impl KeyUsage {
    /// The keys of these callers, in their order. What is known of others is forgotten.
    pub(super) fn keys(&self, callers: &[config::Caller]) -> Vec<(Digest, Arc<ApiKey>)> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut kept, mut keys) = (Uses::new(), Vec::new());
        for (index, caller) in callers.iter().enumerate() {
            for (digest, label) in caller.api_keys() {
                let of = (caller.name.clone(), digest);
                let usage = known.remove(&of).or_else(|| kept.get(&of).cloned()).unwrap_or_default();
                kept.insert(of, usage.clone());
                keys.push((digest, Arc::new(ApiKey { caller: CallerIndex(index), label, usage })));
            }
        }
        *known = kept;
        keys
    }
}
