//! Claviger: the key-bearer in front of the Logto Management API.
//!
//! One process holds the machine-to-machine secrets, mints and caches the access tokens, and lets each
//! internal service call exactly the operations that it was granted. `ARCHITECTURE.md` shows the way a
//! request takes; `pipeline` is that way in code.
#![forbid(unsafe_code)]

pub mod catalog;
pub mod clock;
pub mod config;
pub mod emulator;
pub mod ids;
pub mod policy;
pub mod secret;
pub mod token;
