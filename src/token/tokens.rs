//! All slots of the process, by key. A slot lives as long as something holds a handle to it: the tenants of
//! the configuration do, so a reload that keeps a tenant keeps its token, and a tenant that is gone takes its
//! token and its renewals along.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, atomic::Ordering::Relaxed},
};

use tokio::{runtime, time::Instant};

use crate::{
    clock::{Clock, Random},
    token::{
        error::TokenError,
        events::GrantEvents,
        grant,
        key::TokenKey,
        life::Token,
        replicas::SharedTokens,
        shared::Shared,
        slot::{Rejection, Slot, SlotStatus},
        source::TokenSource,
    },
};

/// Every token of the process. Survives reloads of the configuration; cheap to clone.
#[derive(Clone)]
pub struct Tokens {
    shared: Arc<Shared>,
    index: Arc<Mutex<Index>>,
}

#[derive(Default)]
struct Index {
    slots: HashMap<Arc<TokenKey>, Weak<Slot>>,
    /// The dead are swept out when there are this many.
    sweep_at: usize,
}

/// The way to one token: cheap to clone, and what keeps its slot alive.
#[derive(Clone, Debug)]
pub struct TokenHandle(Arc<Slot>);

impl Tokens {
    /// No tokens yet. Grants run on `runtime`, which must outlive the callers' runtimes.
    pub fn new(clock: Clock, random: Random, events: Arc<dyn GrantEvents>, runtime: runtime::Handle) -> Self {
        let shared = Arc::new(Shared::new(clock, random, events, runtime));
        Self { shared, index: Arc::default() }
    }

    /// Shares tokens with other replicas from now on; the first word counts.
    pub fn share(&self, tokens: SharedTokens) {
        let _first = self.shared.replicas.set(tokens);
    }

    /// The slot for this source's key, which gets its token by this source from now on. A live token is
    /// kept; new secrets lift a verdict on the old ones.
    pub fn handle(&self, source: TokenSource) -> TokenHandle {
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

    /// Asks for one token by `source` and forgets it: whether its secret works. Tried once.
    ///
    /// # Errors
    /// [`TokenError`]: it does not, or nobody can tell.
    pub async fn prove(&self, source: TokenSource) -> Result<(), TokenError> {
        let granted = grant::grant(&source, 0, &self.shared.clock, &*self.shared.events).await;
        granted.map(drop).map_err(|failure| TokenError::new(failure.fault, None))
    }

    /// Every slot, in order of tenant, resource and scopes.
    pub fn status(&self) -> Vec<SlotStatus> {
        let slots: Vec<_> = self.index().slots.values().filter_map(Weak::upgrade).collect();
        let mut all: Vec<_> = slots.iter().map(|slot| slot.status()).collect();
        all.sort_unstable_by(|a, b| {
            (&a.tenant, &a.resource, &a.scopes).cmp(&(&b.tenant, &b.resource, &b.scopes))
        });
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
    /// The current token, if there is one to use: one atomic load and a look at the clocks. Wakes for its
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

    /// The current token, or where that is of this generation the one before it, while the issuer calls it good: what an
    /// answer to the token of this generation must not repeat either.
    pub fn other(&self, generation: u64) -> Option<Arc<Token>> {
        self.0.other(generation)
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

    /// Ends a cool-down, as its cause may be mended: the next request asks for a token at once, and one that is kept warm
    /// is asked for now. A pause that the issuer asked for is kept.
    pub fn retry(&self) {
        self.0.retry();
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
