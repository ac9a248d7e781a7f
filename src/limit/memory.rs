//! The memory that callers hold once it is known who they are, in two accounts, so that those who wait cannot starve those who are
//! answered. What a request holds while it waits is counted as it is, in bytes, and what is too much is refused at once. From then
//! on until its caller has taken the answer it is an exchange, which costs an estimate: for that it waits. How much there is of both
//! follows from `limits.memory`; who may have it is decided in `shares.rs`.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use super::{
    error::LimitError,
    shares::{Account, Held, Share},
};
use crate::ids::CallerName;

/// Where nobody says how much there is.
const USUAL_WAITING: u64 = 64 * 1024 * 1024;
const USUAL_EXCHANGES: u64 = 1024;

/// Both accounts.
#[derive(Debug)]
pub struct Memory {
    waiting: Arc<Account>,
    exchanges: Arc<Account>,
}

/// What one caller holds of both. Outlives a reload.
#[derive(Debug)]
pub struct CallerMemory {
    caller: CallerName,
    waiting: Arc<Share>,
    exchanges: Arc<Share>,
}

/// What answers hold that are kept for whoever asks the same: as much as one more caller's requests that wait could.
#[derive(Debug)]
pub struct KeptMemory(Arc<Share>);

impl KeptMemory {
    /// As many bytes, if they may be had now.
    pub fn hold(&self, bytes: u64) -> Option<Held> {
        self.0.take(bytes)
    }
}

impl Memory {
    /// So many bytes for requests that wait, and so many exchanges.
    pub fn new(waiting: u64, exchanges: u64) -> Self {
        Self { waiting: Account::new(waiting), exchanges: Account::new(exchanges) }
    }

    /// The share of answers that are kept.
    pub fn kept(&self) -> KeptMemory {
        KeptMemory(self.waiting.share())
    }

    /// The shares of a caller, none of which it holds yet.
    pub fn of(&self, caller: &CallerName) -> Arc<CallerMemory> {
        let (waiting, exchanges) = (self.waiting.share(), self.exchanges.share());
        Arc::new(CallerMemory { caller: caller.clone(), waiting, exchanges })
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new(USUAL_WAITING, USUAL_EXCHANGES)
    }
}

impl CallerMemory {
    /// Whose.
    pub fn caller(&self) -> &CallerName {
        &self.caller
    }

    /// What is held while something is waited for: a request, or an answer of our own that its caller has yet to take.
    pub fn hold(&self, bytes: u64) -> Option<Held> {
        self.waiting.take(bytes)
    }

    /// An exchange, if there may be one now.
    pub(super) fn exchange(&self) -> Option<Held> {
        self.exchanges.take(1)
    }

    /// Waits for one.
    ///
    /// # Errors
    /// [`LimitError::Memory`] when there was none until `deadline`.
    pub(super) async fn wait_for_exchange(&self, deadline: Instant) -> Result<Held, LimitError> {
        timeout_at(deadline, self.exchanges.wait(1)).await.map_err(|_| self.is_used_up())
    }

    pub(super) fn is_used_up(&self) -> LimitError {
        LimitError::Memory { caller: self.caller.clone() }
    }
}
