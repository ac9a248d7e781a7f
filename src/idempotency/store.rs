//! What a store of keys does: a key is claimed by the first request that has it, and settled when that has ended. A store that
//! others share would implement [`Store`] as well; there is one in memory. Whoever implements it bounds its waits.

use std::{fmt, pin::Pin, sync::Arc};

use http::StatusCode;
use tokio::time::Instant;

use super::{asked::Digests, error::IdempotencyError};
use crate::{config::Limits, ids::CallerName, upstream::KeptAnswer};

/// A claim that may have to be waited for.
pub type Claiming<'s> = Pin<Box<dyn Future<Output = Result<Claim, IdempotencyError>> + Send + 's>>;

/// Where keys are remembered.
pub trait Store: fmt::Debug + Send + Sync {
    /// Claims the key of a request, within the bounds of `limits`.
    ///
    /// # Errors
    /// [`IdempotencyError`]: it is not to be sent, and there is no answer for it.
    fn claim<'s>(
        &'s self,
        caller: &'s CallerName,
        digests: Digests,
        now: Instant,
        limits: &'s Limits,
    ) -> Claiming<'s>;

    /// Says what became of a claimed request. Waits for nothing.
    fn settle(&self, ticket: Ticket, outcome: Outcome);
}

/// What a claim comes to.
#[derive(Debug)]
pub enum Claim {
    /// It is the first.
    First(Ticket),
    /// It is a repeat, and this is the answer.
    Answered(Arc<KeptAnswer>),
}

/// A claimed key.
#[derive(Debug, Clone, Copy)]
pub struct Ticket {
    /// Which.
    pub scope: [u8; 32],
    /// Of the claims of that store, by their order.
    pub number: u64,
}

/// What became of a request.
#[derive(Debug)]
pub enum Outcome {
    /// It was certainly not carried out: as if it had never been there.
    NotSent,
    /// It was answered.
    Answered(Arc<KeptAnswer>),
    /// It was answered, and the answer is not kept: why, in words that follow a colon.
    NotKept(StatusCode, &'static str),
    /// Nobody knows.
    Unknown,
}

/// A request that is the first of its key. Dropped without a word, it was not sent; dropped after [`Begun::is_sent`], its
/// outcome is unknown.
#[derive(Debug)]
pub struct Begun {
    store: Arc<dyn Store>,
    ticket: Ticket,
    /// What is to be said of it if nothing else is; taken when it was said.
    otherwise: Option<Outcome>,
}

impl Begun {
    /// Of a claim in this store.
    pub fn new(store: Arc<dyn Store>, ticket: Ticket) -> Self {
        Self { store, ticket, otherwise: Some(Outcome::NotSent) }
    }

    /// From now on it may be carried out.
    pub fn is_sent(&mut self) {
        self.otherwise = Some(Outcome::Unknown);
    }

    /// Says what became of it.
    pub fn settle(mut self, outcome: Outcome) {
        self.otherwise = Some(outcome);
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if let Some(outcome) = self.otherwise.take() {
            self.store.settle(self.ticket, outcome);
        }
    }
}
