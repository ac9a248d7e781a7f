//! What the integration tests are made of: the real program with a configuration of its own ([`Proxy`]), an
//! embedded Logto that records and misbehaves ([`Logto`]), a client that sends what it is told, byte for byte
//! ([`wire`]), and a memory of everything that came out ([`canary`]). Nothing here has a fixed port, and nothing
//! waits but in [`wait`].

pub(crate) mod canary;
pub(crate) mod command;
pub(crate) mod cutter;
pub(crate) mod gzip;
pub(crate) mod issuer;
pub(crate) mod kubernetes;
pub(crate) mod logto;
#[expect(clippy::unwrap_used, reason = "it is the unit tests' as well")]
#[path = "../../src/listen/tls/tests/pki.rs"]
pub(crate) mod pki;
pub(crate) mod proxy;
pub(crate) mod redis;
pub(crate) mod relay;
pub(crate) mod scripted;
pub(crate) mod secure;
pub(crate) mod settings;
pub(crate) mod tap;
pub(crate) mod terminal;
pub(crate) mod wait;
pub(crate) mod wire;

pub(crate) use command::{Finished, claviger};
pub(crate) use cutter::{Cut, Cutter};
pub(crate) use logto::Logto;
pub(crate) use proxy::Proxy;
pub(crate) use redis::RedisServer;
pub(crate) use relay::Relay;
pub(crate) use scripted::{Reaction, Scripted, Seen, Told};
pub(crate) use settings::Settings;
pub(crate) use wait::{soon, until, within};
pub(crate) use wire::{Answer, Client, Request, Whole};

/// A line in single quotes for TOML's sake.
pub(crate) fn quoted(text: impl std::fmt::Display) -> String {
    format!("'{text}'")
}
