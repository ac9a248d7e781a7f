//! Listeners and connections: accepts on TCP and Unix sockets, hands each connection to the worker with the
//! fewest, secures it by TLS where that is configured, serves it, and drains. It knows HTTP framing and time
//! limits, and nothing about requests: those are the [`Handler`]'s.

pub mod accept;
pub mod bind;
pub mod budget;
pub mod closing;
mod connection;
mod crowded;
mod handler;
mod in_process;
mod plain;
mod serve;
mod settings;
pub mod strangers;
mod stream;
mod streams;
pub mod tls;
mod told;
mod unreadable;
mod watch;
pub mod worker;

pub use bind::{BindError, Bound, UNPRIVILEGED, in_place_of, is_missing};
pub use connection::Connection;
pub use handler::Handler;
pub use in_process::InProcess;
pub use plain::SPEAKS_TLS;
pub use settings::ListenSettings;
pub use stream::Stream;
