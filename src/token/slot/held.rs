//! The tokens that a slot holds: the current one, and the one before it, which may be good yet.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use crate::{clock::Moment, token::life::Token};

#[derive(Default)]
pub(super) struct Held {
    current: ArcSwapOption<Token>,
    former: ArcSwapOption<Token>,
}

impl Held {
    /// The current one, usable or not.
    pub(super) fn current(&self) -> Option<Arc<Token>> {
        self.current.load_full()
    }

    /// All that is known.
    pub(super) fn all(&self) -> Vec<Arc<Token>> {
        self.current().into_iter().chain(self.former.load_full()).collect()
    }

    pub(super) fn usable(&self, now: Moment) -> Option<Arc<Token>> {
        self.current().filter(|token| token.is_usable(now))
    }

    pub(super) fn replace(&self, token: Token) {
        if let Some(former) = self.current.swap(Some(Arc::new(token))) {
            self.former.store(Some(former));
        }
    }

    /// No longer uses the current one.
    pub(super) fn forget(&self) {
        self.former.store(self.current.swap(None));
    }

    /// The one that is not of `generation`. What has expired is kept no longer. Mostly there is none, and nobody needs to know the time.
    pub(super) fn other(&self, generation: u64, now: impl FnOnce() -> Moment) -> Option<Arc<Token>> {
        let of_another = |token: &Arc<Token>| token.generation() != generation;
        self.current().filter(of_another).or_else(|| {
            let former = self.former.load_full().filter(of_another)?;
            if former.is_expired(now()) {
                self.former.store(None);
                return None;
            }
            Some(former)
        })
    }
}
