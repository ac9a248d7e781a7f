//! What the connections of one listener are served with. Swapped by a reload; a connection takes those that are
//! current when it is accepted, so that new certificates and limits end no connection.

use std::sync::Arc;

use super::{budget::Windows, tls::Tls};
use crate::config::Timeouts;

/// The settings of a listener.
#[derive(Debug, Clone)]
pub struct ListenSettings {
    /// How long a head, a body and an idle connection may take.
    pub timeouts: Timeouts,
    /// The largest request head, in bytes (`limits.head`).
    pub head: usize,
    /// Requests at one time on a connection of HTTP/2.
    pub streams: u32,
    /// What may be on its way on such a connection.
    pub windows: Windows,
    /// The most header fields of a request (`limits.headers`); more than hyper's own limit of HTTP/1.1 raise that.
    pub headers: usize,
    /// What TCP connections are secured with; `None`: plain HTTP. Unix sockets have listeners, and settings, without.
    pub tls: Option<Arc<Tls>>,
}
