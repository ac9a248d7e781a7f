//! All slots of the process, by key. A slot lives as long as something holds a handle to it: the tenants of
//! the configuration do, so a reload that keeps a tenant keeps its token, and a tenant that is gone takes its
//! token and its renewals along. Keys that come with requests are held here, in bounded number.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, atomic::Ordering::Relaxed},
    time::Duration,
};

use tokio::{runtime, time::Instant};

use crate::{
    clock::{Clock, Random},
    token::{
        error::TokenError,
        events::Events,
        key::TokenKey,
        life::Token,
        shared::Shared,
        slot::{Rejection, Slot, SlotStatus},
        source::Source,
    },
};

/// Slots whose keys came with requests, and how long one is held unused.
const PASSING: u64 = 10_000;
const PASSING_IDLE: Duration = Duration::from_hours(1);

/// Every token of the process. Survives reloads of the configuration; cheap to clone.
#[derive(Clone)]
pub struct Tokens {
    shared: Arc<Shared>,
    index: Arc<Mutex<Index>>,
    passing: moka::sync::Cache<TokenKey, TokenHandle>,
}

#[derive(Default)]
struct Index {
    slots: HashMap<TokenKey, Weak<Slot>>,
    /// The dead are swept out when there are this many.
    sweep_at: usize,
}

/// The way to one token: cheap to clone, and what keeps its slot alive.
#[derive(Clone, Debug)]
pub struct TokenHandle(Arc<Slot>);

impl Tokens {
    /// No tokens yet. Grants run on `runtime`, which must outlive the callers' runtimes.
    pub fn new(clock: Clock, random: Random, events: Arc<dyn Events>, runtime: runtime::Handle) -> Self {
        let shared = Arc::new(Shared::new(clock, random, events, runtime));
        let passing = moka::sync::Cache::builder().max_capacity(PASSING).time_to_idle(PASSING_IDLE).build();
        Self { shared, index: Arc::default(), passing }
    }

    /// The slot for this source's key, which gets its token by this source from now on. A live token is
    /// kept; new secrets lift a verdict on the old ones.
    pub fn handle(&self, source: Source) -> TokenHandle {
        let mut index = self.index();
        if let Some(slot) = index.slots.get(&source.key).and_then(Weak::upgrade) {
            drop(index);
            slot.accept(source);
            return TokenHandle(slot);
        }
        if index.slots.len() >= index.sweep_at {
            index.slots.retain(|_, slot| slot.strong_count() > 0);
            index.sweep_at = (2 * index.slots.len()).max(64);
        }
        let key = source.key.clone();
        let slot = Arc::new(Slot::new(source, self.shared.clone()));
        index.slots.insert(key, Arc::downgrade(&slot));
        self.shared.slots.store(u32::try_from(index.slots.len()).unwrap_or(u32::MAX), Relaxed);
        TokenHandle(slot)
    }

    /// The same for a key that came with a request: held here for an hour after its last use, at most
    /// 10,000 of them. Such a slot is not warm, so it stops renewing after one life without use.
    pub fn passing(&self, source: Source) -> TokenHandle {
        let key = source.key.clone();
        // Looked up even so: this is the use that keeps it.
        let held = self.passing.get(&key);
        let handle = self.handle(source);
        if held.is_none() {
            self.passing.insert(key, handle.clone());
        }
        handle
    }

    /// Every slot, in order of tenant, resource and scopes.
    pub fn status(&self) -> Vec<SlotStatus> {
        let slots: Vec<_> = self.index().slots.values().filter_map(Weak::upgrade).collect();
        let mut all: Vec<_> = slots.iter().map(|slot| slot.status()).collect();
        all.sort_by(|a, b| (&a.tenant, &a.resource, &a.scopes).cmp(&(&b.tenant, &b.resource, &b.scopes)));
        all
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn index_len(&self) -> usize {
        self.index().slots.len()
    }
}

impl TokenHandle {
    /// The current token, if there is one to use: one atomic load and a look at the clocks. Rings for its
    /// renewal when that is due.
    pub fn current(&self) -> Option<Arc<Token>> {
        self.0.current()
    }

    /// The current token, or the next one. Waits for a grant under way until `deadline`; after a failed one
    /// it fails at once until the next is due.
    ///
    /// # Errors
    /// [`TokenError`]: why there is none, and when to come back.
    pub async fn get(&self, deadline: Instant) -> Result<Arc<Token>, TokenError> {
        self.0.get(deadline).await
    }

    /// The upstream answered 401 to the token of this generation. Forgets that one and no other, and at
    /// most one in each `token.min_interval`.
    pub fn reject(&self, generation: u64) -> Rejection {
        self.0.reject(generation)
    }

    /// Gets a token in the background and keeps one for ever, used or not; tries again by itself until
    /// there is one. For the tenants of the configuration, at start.
    pub fn warm(&self) {
        self.0.warm();
    }

    /// What may be shown of it.
    pub fn status(&self) -> SlotStatus {
        self.0.status()
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens")
    }
}
