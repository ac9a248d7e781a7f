//! What a store of keys does: a key is claimed by the first request that has it, and settled when that has ended. There is one in
//! memory and one that replicas share. Whoever implements it bounds its waits.

use std::{fmt, pin::Pin, sync::Arc, time::Duration};

use http::StatusCode;
use tokio::{sync::oneshot, time::Instant};

use super::{
    asked::Digests,
    error::{IdempotencyError, NotKept},
};
use crate::{config::Limits, ids::CallerName, upstream::KeptAnswer};

/// The longest that an answer is held back until all replicas would repeat it.
const PATIENCE: Duration = Duration::from_millis(250);

/// A claim that may have to be waited for.
pub type Claiming<'s> = Pin<Box<dyn Future<Output = Result<Claim, IdempotencyError>> + Send + 's>>;

/// Where keys are remembered.
pub trait Store: fmt::Debug + Send + Sync {
    /// Claims the key of a request that came at `now` and is under way until `deadline` at most, within the bounds of `limits`.
    ///
    /// # Errors
    /// [`IdempotencyError`]: it is not to be sent, and there is no answer for it.
    fn claim<'s>(
        &'s self,
        caller: &'s CallerName,
        digests: Digests,
        now: Instant,
        deadline: Instant,
        limits: &'s Limits,
        purpose: Purpose,
    ) -> Claiming<'s>;

    /// Says what became of a claimed request. Waits for nothing: it is told whether or not somebody waits until it is.
    fn settle(&self, ticket: Ticket, outcome: Outcome) -> Settled;
}

/// What a key is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To send the request, if it is the first.
    Send,
    /// To learn what became of the first. It claims nothing and takes nobody's place; a key that is not known is
    /// [`IdempotencyError::NotKnown`].
    Ask,
}

/// That it is being told what became of a request.
#[derive(Debug)]
pub struct Settled(Option<oneshot::Receiver<()>>);

impl Settled {
    /// It has been.
    pub(super) fn now() -> Self {
        Self(None)
    }

    /// It has been, or was tried, when there is no sender any more.
    pub(super) fn when(told: oneshot::Receiver<()>) -> Self {
        Self(Some(told))
    }

    #[cfg(test)]
    pub(super) fn receiver(self) -> Option<oneshot::Receiver<()>> {
        self.0
    }

    /// Until repeats are told so at every replica, or for a moment.
    pub async fn told(self) {
        if let Some(told) = self.0 {
            // Whoever repeats it earlier is told that it is under way.
            let _ = tokio::time::timeout(PATIENCE, told).await;
        }
    }
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
    /// It was answered, and the answer is not kept.
    NotKept(StatusCode, NotKept),
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

    /// Says what became of it, and waits for a moment until that is told.
    pub async fn settle(mut self, outcome: Outcome) {
        self.otherwise = None;
        let settled = self.store.settle(self.ticket, outcome);
        settled.told().await;
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if let Some(outcome) = self.otherwise.take() {
            self.store.settle(self.ticket, outcome);
        }
    }
}
