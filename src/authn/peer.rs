//! What the listener knows of the other end of a connection: what the methods that go by the connection
//! decide on. Nothing in it is from a request.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use super::certificate::identity::PeerIdentity;
use crate::ids::CallerIndex;

/// The other end of a connection, and which listener it came in by.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Who can reach the listener.
    pub listener: Reach,
    /// Address of a TCP peer.
    pub address: Option<SocketAddr>,
    /// User id of a Unix peer (`SO_PEERCRED`), or of who runs the command.
    pub uid: Option<u32>,
    /// Primary group id of a Unix peer (`SO_PEERCRED`).
    pub gid: Option<u32>,
    /// The certificate of a TLS peer, where it sent one.
    pub certificate: Option<Arc<PeerIdentity>>,
}

/// Who can reach a listener. Decided by the address that it is bound to, not by the peer's: a service mesh
/// hands on traffic from anywhere with a loopback source address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Bound to a loopback address.
    Loopback,
    /// A Unix socket.
    Unix,
    /// Anything else.
    Network,
    /// Nobody: there is none, and the operator's own command sends, as the caller that it names.
    CommandLine(CallerIndex),
}

impl Peer {
    /// A peer of which only the listener is known.
    pub const fn at(listener: Reach) -> Self {
        Self { listener, address: None, uid: None, gid: None, certificate: None }
    }

    /// The address that failed authentications are counted against; `None` for loopback and Unix peers.
    pub fn ip(&self) -> Option<IpAddr> {
        self.address.map(|address| address.ip().to_canonical()).filter(|ip| !ip.is_loopback())
    }
}
