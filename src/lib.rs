//! Claviger: the key-bearer in front of the Logto Management API.
//!
//! One process holds the machine-to-machine secrets, mints and caches the access tokens, and lets each
//! internal service call exactly the operations that it was granted. `ARCHITECTURE.md` shows the way a
//! request takes; [`proxy::Pipeline`] is that way in code.
#![forbid(unsafe_code)]

/// The programs of `docs/proofs.md`: one that compiles, and what does not.
#[cfg(doctest)]
#[doc = include_str!("../docs/proofs.md")]
struct Proofs;

pub mod activity;
pub mod admin;
pub mod app;
pub mod authn;
pub mod catalog;
pub mod cli;
pub mod clock;
pub mod config;
pub mod explain;
pub mod filter;
pub mod headers;
pub mod idempotency;
pub mod idle_timeout;
pub mod ids;
pub mod limit;
pub mod listen;
pub mod observe;
pub mod openapi;
pub mod policy;
pub mod proxy;
pub mod redis;
pub mod regular_file;
pub mod reply;
pub mod rotation;
mod sealer;
pub mod secret;
pub mod simulate;
pub mod tenants;
pub mod token;
pub mod trust;
pub mod upstream;
pub mod usage;
pub mod vault;
pub mod x509;
