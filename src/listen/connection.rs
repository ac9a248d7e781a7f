//! What a request is told apart by, beside itself: the connection that it came on.

use std::sync::Arc;

use super::strangers::Standing;
use crate::authn::Peer;

/// A caller's connection.
#[derive(Debug, Clone)]
pub struct Connection {
    /// The other end.
    pub peer: Peer,
    /// The index of the worker that serves it.
    pub worker: usize,
    /// `http` or `https`: how the caller addressed us.
    pub scheme: &'static str,
    /// Whether anybody has authenticated on it.
    pub standing: Arc<Standing>,
}

/// What is spoken on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1
    Http1,
    /// HTTP/2, agreed on by ALPN; never without TLS.
    Http2,
}
