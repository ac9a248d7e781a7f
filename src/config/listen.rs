//! `[listen]`: where to listen, and for whom.

use std::net::SocketAddr;

use serde::Serialize;

use super::{address::Address, show, tls::ListenTls};

/// `[listen]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listen {
    /// `proxy`: one or more addresses.
    pub proxy: Vec<Address>,
    /// `admin`: probes, metrics, status. `None` for `"off"`.
    #[serde(serialize_with = "show::or_off")]
    pub admin: Option<Address>,
    /// `unix_mode`: permission bits of a Unix socket, such as `0o660`.
    #[serde(serialize_with = "show::mode")]
    pub unix_mode: u32,
    /// `public_url`: scheme and authority (and path prefix) for `Link` and `Location`; left out: as the caller addressed us.
    pub public_url: Option<String>,
    /// `allowed_hosts`: host names (without port) that a loopback listener answers to, beside `localhost` and loopback addresses.
    pub allowed_hosts: Vec<String>,
    /// `allowed_origins`: web pages that may call, by origin as browsers write it; all others are refused on loopback listeners.
    pub allowed_origins: Vec<String>,
    /// `max_connections`: on all proxy listeners together.
    pub max_connections: usize,
    /// `tls`: on every TCP address of the proxy; Unix sockets and `admin` stay without.
    pub tls: Option<ListenTls>,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            proxy: vec![Address::Tcp(SocketAddr::from(([127, 0, 0, 1], 3600)))],
            admin: Some(Address::Tcp(SocketAddr::from(([127, 0, 0, 1], 3601)))),
            unix_mode: 0o660,
            public_url: None,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            max_connections: 4096,
            tls: None,
        }
    }
}
