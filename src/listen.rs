//! Listeners and connections: accepts on TCP and Unix sockets, hands each connection to the worker with the
//! fewest, secures it by TLS where that is configured, serves it, and drains. It knows HTTP framing and time
//! limits, and nothing about requests.

pub mod accept;
pub mod bind;
mod plain;
pub mod serve;
pub mod streams;
pub mod tls;
pub mod watch;
pub mod worker;

pub use bind::{BindError, Bound};
