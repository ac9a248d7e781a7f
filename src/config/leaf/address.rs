//! Addresses to listen on, as they are written.

use std::net::{Ipv4Addr, SocketAddr};

use schemars::{Schema, json_schema};

use crate::config::{
    address::Address,
    from_text::{FromText, as_list, unexpanded},
    path_or_url::path_in,
    pattern,
    problem::{Mistake, quoted},
};

impl FromText for Address {
    const WANTED: &'static str = "an address";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        const MOST: usize = 107;
        let is_one = |item: &str| item.starts_with("unix:") || item.parse::<SocketAddr>().is_ok();
        if let Some(remedy) = as_list(text, is_one) {
            return Err(Mistake::new(format!("{} is a list of addresses as text", quoted(text)), remedy));
        }
        if let Some(path) = text.strip_prefix("unix:") {
            if path.len() > MOST {
                return Err(Mistake::new(
                    format!("the socket path has {} bytes; the system allows {MOST}", path.len()),
                    "Choose a shorter path, such as unix:/run/claviger.sock.",
                ));
            }
            if path.is_empty() || path.contains('\0') {
                return Err(Mistake::new(
                    "the socket path is empty or holds a NUL",
                    "Write unix:/run/claviger.sock.",
                ));
            }
            if path.starts_with('@') {
                return Err(Mistake::new(
                    "this is an abstract socket, which every user of the machine may connect to",
                    format!("Write a path: unix:/run/{}.", path.trim_start_matches('@')),
                ));
            }
            return match unexpanded(path) {
                Some(mistake) => Err(mistake),
                None => Ok(Self::Unix(path.into())),
            };
        }
        if let Some(path) = path_in(text) {
            return Err(Mistake::new(
                "a path alone is not an address to listen on",
                format!("For a Unix socket write {:?}.", format!("unix:{path}")),
            ));
        }
        if let Some(port) = text.strip_prefix("localhost:").and_then(|port| port.parse::<u16>().ok()) {
            return Err(Mistake::new(
                "localhost is a name; a listener needs an address",
                format!("Write \"127.0.0.1:{port}\" or \"[::1]:{port}\"."),
            ));
        }
        text.parse().map(Self::Tcp).map_err(|_| {
            let bare = text.rsplit("://").next().unwrap_or_default().trim_end_matches('/');
            let (host, port) = bare.rsplit_once(':').unwrap_or((bare, "3600"));
            let remedy = match text.trim_start_matches(':').parse::<u16>() {
                _ if bare.parse::<SocketAddr>().is_ok() => format!("Write \"{bare}\"."),
                _ if bare.parse::<Ipv4Addr>().is_ok() => format!("Write a port as well, such as \"{bare}:3600\"."),
                _ if host == "*" => format!("Write \"0.0.0.0:{port}\"."),
                _ if port.parse::<u32>().is_ok_and(|port| port > 65_535) => "A port is at most 65535.".into(),
                _ if bare.contains('%') => "Write the number of the interface, as `ip link` shows it, and the port: \"[fe80::1%2]:3600\".".into(),
                Ok(port) => format!("Write \"127.0.0.1:{port}\" for this machine alone, or \"0.0.0.0:{port}\" for all."),
                Err(_) => "Write an IP address and a port, such as \"127.0.0.1:3600\" or \"[::1]:3600\", or \"unix:/path\".".into(),
            };
            Mistake::new(format!("{} is not an address to listen on", quoted(text)), remedy)
        })
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": pattern::ADDRESS, "examples": ["127.0.0.1:3600", "unix:/run/claviger/claviger.sock"] })
    }
}

/// An address, or `off`.
pub(in crate::config) struct AddressOrOff(pub(in crate::config) Option<Address>);

impl FromText for AddressOrOff {
    const WANTED: &'static str = "an address or \"off\"";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        match text {
            "off" | "false" => Ok(Self(None)),
            _ => Address::from_text(text).map(|address| Self(Some(address))),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": pattern::ADDRESS_OR_OFF, "examples": ["127.0.0.1:3601", "off"] })
    }
}
