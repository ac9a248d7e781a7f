//! Listeners and connections: accepts on TCP and Unix sockets, hands each connection to the worker with the
//! fewest, serves it, and drains. It knows HTTP/1.1 framing and time limits, and nothing about requests.

pub mod accept;
pub mod bind;
pub mod serve;
pub mod watch;
pub mod worker;

pub use bind::{BindError, Bound};
