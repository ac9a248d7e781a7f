//! What becomes of a POST or PATCH that its caller may repeat, by its `Idempotency-Key`
//! (draft-ietf-httpapi-idempotency-key-header). Decides whether a request is the first of its key, and what a repeat is told
//! otherwise: the answer that the first one got, or why there is none. Hands on [`Begun`], which says what became of the first
//! one whichever way it ends. Must never let a request pass whose like may have been carried out.

mod asked;
mod error;
mod key;
mod memory;
mod shared;
mod store;

pub use self::{
    asked::{Asked, Digests},
    error::{IdempotencyError, NotKept},
    key::Key,
    memory::MemoryStore,
    shared::SharedKeys,
    store::{Begun, Claim, Claiming, Outcome, Purpose, Settled, Store, Ticket},
};
