//! Upstream access tokens: one grant for any number of callers, renewed before anyone has to wait.
//!
//! [`Tokens`] holds one slot for each [`TokenKey`]; a [`TokenHandle`] is the way to it, resolved when the
//! configuration is loaded, so that a request costs one atomic load. Grants run in a task of their own on
//! the runtime given to [`Tokens::new`]: they neither die with a caller nor depend on the caller's runtime.
//! What is decided here: when a token is fresh, when it is renewed, when a failed grant is tried again. What
//! is handed on: a header value, or a [`TokenError`] that says what to do. Never: an expired token, a second
//! grant while one is under way, a secret or token in anything that can be printed.

mod answer;
mod backoff;
mod error;
mod events;
mod grant;
mod key;
mod life;
mod mint;
mod replicas;
mod shared;
mod slot;
mod source;
mod tokens;

#[cfg(test)]
mod tests;

pub use answer::{Answer, Grant, MAX_BODY, MAX_LIFE, UNSTATED_LIFE, parse};
pub use error::{Fault, Flaw, GrantFailure, TokenError};
pub use events::GrantEvents;
pub use key::TokenKey;
pub use life::Token;
pub use mint::{GrantRequest, HttpIssuer, Issuer};
pub use replicas::SharedTokens;
pub use slot::{Rejection, SlotStatus};
pub use source::{QuotaDraw, SecretHeard, TokenSource};
pub use tokens::{TokenHandle, Tokens};
