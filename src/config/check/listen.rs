//! `[listen]`: addresses that do not collide, valid host names and valid origins.

use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use super::checker::Checker;
use crate::config::{
    address::Address,
    endpoint::NOT_ASCII,
    leaf::{AddressOrOff, Mode},
    listen::Listen,
    path::KeyPath,
    problem::quoted,
    raw::RawListen,
};

impl Checker<'_> {
    pub(super) fn listen(&mut self, raw: RawListen, defaults: Listen) -> Listen {
        let at = KeyPath::of(&["listen"]);
        let proxy = self.list(&at, "proxy", raw.proxy);
        let given = proxy.is_some();
        let admin =
            self.leaf(&at, "admin", raw.admin).map_or(defaults.admin, |AddressOrOff(address)| address);
        let proxy = proxy.unwrap_or_default();
        let free = free_for_admin(&proxy);
        let mut addresses: Vec<Address> = Vec::new();
        for (path, address) in proxy {
            let same = |other: &Address| overlap(other, &address);
            if addresses.iter().any(same) {
                self.remarks.reported.push(path.clone());
                self.problem(
                    &path,
                    "this address is given twice, or within another one",
                    "Take one of the two out.",
                );
            } else if admin.as_ref().is_some_and(same) {
                let remedy =
                    format!("Give admin a port of its own, such as \"{free}\", or write admin = \"off\".");
                let what = match self.tree.has(&at.key("admin")) {
                    true => "this is the address of listen.admin as well",
                    false => {
                        "this is the address of listen.admin as well, where nothing else is written for it"
                    }
                };
                self.remarks.reported.push(path.clone());
                self.problem(&path, what, remedy);
            } else {
                addresses.push(address);
            }
        }
        if !given {
            addresses = defaults.proxy;
            if addresses.iter().any(|address| admin.as_ref().is_some_and(|admin| overlap(admin, address))) {
                let what = "this is the address that the proxy listens on";
                self.problem(&at.key("admin"), what, "Give it another port, or write listen.proxy.");
            }
        } else if addresses.is_empty() {
            self.missing(&at.key("proxy"), "there is no address to listen on", "Write [\"127.0.0.1:3600\"].");
        }
        let mut allowed_hosts = Vec::new();
        for (path, host) in self.list(&at, "allowed_hosts", raw.allowed_hosts).unwrap_or_default() {
            match bare_host(&host) {
                Some(host) => allowed_hosts.push(host),
                None => {
                    let what = format!("{} is not a host name", quoted(&host));
                    let remedy = match &*host {
                        host if !host.is_ascii() => NOT_ASCII.1,
                        pattern if pattern.contains('*') => {
                            "Write each name that this listener is called by; there are no patterns: [\"logto.internal\"]."
                        }
                        list if list.contains(',') => "Write a list: [\"logto.internal\", \"logto\"].",
                        _ => "Write the name alone, without scheme, port and path: \"logto.internal\".",
                    };
                    self.problem(&path, what, remedy);
                }
            }
        }
        let mut allowed_origins = Vec::new();
        for (path, text) in self.list(&at, "allowed_origins", raw.allowed_origins).unwrap_or_default() {
            match origin(&text) {
                Some(origin) => allowed_origins.push(origin),
                None => {
                    let what = format!("{} is not an origin", quoted(&text));
                    let remedy = match text.is_ascii() {
                        true => {
                            "Write scheme, host and port of one origin, without a path: \"http://localhost:5173\"."
                        }
                        false => NOT_ASCII.1,
                    };
                    self.problem(&path, what, remedy);
                }
            }
        }
        let public_url =
            self.leaf(&at, "public_url", raw.public_url).and_then(|url| self.public_url(&at, &url));
        Listen {
            proxy: addresses,
            admin,
            unix_mode: self
                .leaf(&at, "unix_mode", raw.unix_mode)
                .map_or(defaults.unix_mode, |Mode(mode)| mode),
            public_url,
            allowed_hosts,
            allowed_origins,
            max_connections: self
                .count(&at, "max_connections", raw.max_connections, 1..=1_000_000)
                .unwrap_or(defaults.max_connections),
            tls: raw.tls.and_then(|tls| self.listen_tls(tls)),
        }
    }

    fn public_url(&mut self, at: &KeyPath, text: &str) -> Option<String> {
        let url: Option<http::Uri> = text.parse().ok();
        let fits = url.as_ref().is_some_and(|url| {
            matches!(url.scheme_str(), Some("http" | "https"))
                && url.query().is_none()
                && url.authority().is_some_and(|authority| !authority.as_str().contains('@'))
                && !text.contains('#')
        });
        if !fits {
            let (what, remedy) = match text.is_ascii() {
                true => (
                    "this is not the base of a URL",
                    "Write scheme and host, such as \"https://logto.internal\".",
                ),
                false => NOT_ASCII,
            };
            self.problem(&at.key("public_url"), what, remedy);
            return None;
        }
        Some(text.trim_end_matches('/').to_owned())
    }
}

/// Whether only one of two listeners could be bound, or one would take the other's connections.
fn overlap(one: &Address, other: &Address) -> bool {
    match (one, other) {
        (Address::Tcp(one), Address::Tcp(other)) => {
            // Also as IPv6 has one of IPv4.
            let (one_ip, other_ip) = (one.ip().to_canonical(), other.ip().to_canonical());
            let same_ip = one_ip == other_ip || one_ip.is_unspecified() || other_ip.is_unspecified();
            // Port 0 is another port each time.
            one.port() == other.port() && one.port() != 0 && same_ip
        }
        (Address::Unix(one), Address::Unix(other)) => {
            one == other || real(one).is_some_and(|one| real(other) == Some(one))
        }
        _ => false,
    }
}

/// The path of a socket as it is without links and `..`, as far as its directory is there.
fn real(path: &Path) -> Option<PathBuf> {
    let directory = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    Some(directory.canonicalize().ok()?.join(path.file_name()?))
}

/// An address for `admin` that none of the proxy's is, near to the usual one.
fn free_for_admin(proxy: &[(KeyPath, Address)]) -> Address {
    let is_free = |address: &Address| !proxy.iter().any(|(_, taken)| overlap(taken, address));
    let mut near = (3601..=u16::MAX).map(|port| Address::Tcp((Ipv4Addr::LOCALHOST, port).into()));
    near.find(is_free).unwrap_or(Address::Tcp((Ipv4Addr::LOCALHOST, 0).into()))
}

/// A host name or address alone, in lower case.
fn bare_host(text: &str) -> Option<String> {
    let authority: http::uri::Authority = text.parse().ok()?;
    let is_name = !text.is_empty() && !text.contains(['*', ',']);
    let alone = authority.port().is_none() && authority.host() == text && is_name;
    alone.then(|| text.to_ascii_lowercase())
}

/// An origin as browsers write it: in lower case, and without the scheme's own port.
fn origin(text: &str) -> Option<String> {
    let text = text.to_ascii_lowercase();
    let (scheme, rest) = text.split_once("://")?;
    let authority: http::uri::Authority = rest.parse().ok()?;
    let is_bare = !rest.contains('@') && !authority.host().is_empty() && authority.host() != "*";
    let is_scheme = |scheme: &str| scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    if !is_bare || scheme.is_empty() || !is_scheme(scheme) {
        return None;
    }
    let own_port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => "",
    };
    Some(format!("{scheme}://{}", rest.strip_suffix(own_port).unwrap_or(rest)))
}
