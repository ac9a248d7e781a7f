//! Binding an address, and saying what to do when it cannot be had.

use std::{
    io,
    net::SocketAddr,
    os::unix::fs::{FileTypeExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use socket2::SockRef;

use crate::{authn::Reach, config::Address};

/// Connections that may wait to be accepted; the system's own bound (`net.core.somaxconn`) is 4096 by default. The standard library asks
/// for 128, and a client whose SYN finds no room sends it again after a second.
const QUEUE: i32 = 4096;

/// What to do where a port is refused to this user.
pub const UNPRIVILEGED: &str =
    "Write a port above 1023, or give claviger serve the capability CAP_NET_BIND_SERVICE.";

/// A bound address.
#[derive(Debug)]
pub struct Bound {
    /// The socket.
    pub socket: Socket,
    /// Who can reach it.
    pub reach: Reach,
}

/// The socket of a listener; not yet in any runtime.
#[derive(Debug)]
pub enum Socket {
    /// TCP.
    Tcp(std::net::TcpListener),
    /// Unix, and the path to remove at the end.
    Unix(std::os::unix::net::UnixListener, PathBuf),
}

/// An address that cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("{key}: cannot listen on {address}: {source}. {remedy}")]
pub struct BindError {
    key: &'static str,
    address: String,
    source: io::Error,
    remedy: String,
}

impl BindError {
    /// Where, and why not; for those who have a remedy of their own.
    pub fn what(&self) -> String {
        format!("cannot listen on {}: {}", self.address, self.source)
    }
}

impl Bound {
    /// Binds `address`; `key` is the configuration key that it comes from.
    ///
    /// # Errors
    /// [`BindError`], with the remedy.
    pub fn new(key: &'static str, address: &Address, unix_mode: u32) -> Result<Self, BindError> {
        let failed = |source: io::Error| {
            let remedy = remedy(address, &source);
            BindError { key, address: address.to_string(), source, remedy }
        };
        let bound = match address {
            Address::Tcp(address) => {
                let listener = std::net::TcpListener::bind(address).map_err(failed)?;
                SockRef::from(&listener).listen(QUEUE).map_err(failed)?;
                let reach = if address.ip().is_loopback() { Reach::Loopback } else { Reach::Network };
                Self { socket: Socket::Tcp(listener), reach }
            }
            Address::Unix(path) => {
                let listener = bind_unix(path, unix_mode).map_err(failed)?;
                Self { socket: Socket::Unix(listener, path.clone()), reach: Reach::Unix }
            }
        };
        match &bound.socket {
            Socket::Tcp(listener) => listener.set_nonblocking(true),
            Socket::Unix(listener, _) => listener.set_nonblocking(true),
        }
        .map_err(failed)?;
        Ok(bound)
    }

    /// The address as it is now: with the port that the system chose for port 0.
    pub fn address(&self) -> Option<Address> {
        match &self.socket {
            Socket::Tcp(listener) => listener.local_addr().ok().map(Address::Tcp),
            Socket::Unix(_, path) => Some(Address::Unix(path.clone())),
        }
    }

    /// The TCP address, where it is one.
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self.address()? {
            Address::Tcp(address) => Some(address),
            Address::Unix(_) => None,
        }
    }
}

/// Binds a Unix socket. A socket file that nobody answers on was left behind by a process that is gone.
fn bind_unix(path: &Path, mode: u32) -> io::Result<std::os::unix::net::UnixListener> {
    use std::os::unix::net::{UnixListener, UnixStream};

    if is_socket(path)
        && UnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    {
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    Ok(listener)
}

fn remedy(address: &Address, error: &io::Error) -> String {
    let uid = rustix::process::geteuid().as_raw();
    match (error.kind(), address) {
        (_, Address::Tcp(address)) if is_missing(error) => {
            format!("This machine does not have the address. {}", in_place_of(*address))
        }
        (io::ErrorKind::AddrInUse, Address::Unix(path)) if !is_socket(path) => {
            let (kind, remedy) = match path.is_dir() {
                true => ("directory", "name a socket in it"),
                false => ("file", "remove it, or choose another path"),
            };
            format!("{} is a {kind}, not a socket: {remedy}.", path.display())
        }
        (io::ErrorKind::AddrInUse, _) => {
            "Another process listens there (`ss -lp` shows which): stop it, or choose another address.".into()
        }
        (io::ErrorKind::PermissionDenied, Address::Tcp(_)) => UNPRIVILEGED.into(),
        (io::ErrorKind::PermissionDenied, Address::Unix(_)) => {
            format!("Let uid {uid} write to the directory of the socket, or choose another.")
        }
        (io::ErrorKind::NotFound, _) => {
            format!("The directory of the socket does not exist: create it, writable for uid {uid}.")
        }
        _ => "Choose another address.".into(),
    }
}

/// Whether the machine lacks an address, or all of its family: IPv6 may be switched off in the kernel.
pub fn is_missing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
}

/// What to write instead of an address that is missing: nothing that is open to more machines.
pub fn in_place_of(address: SocketAddr) -> String {
    let port = address.port();
    match address.ip().is_loopback() {
        true => format!("Write \"127.0.0.1:{port}\"."),
        false => format!("Write one that it has, or \"0.0.0.0:{port}\" for all of them."),
    }
}

fn is_socket(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_the_way_of_a_socket_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let said = |path: &Path| {
            Bound::new("listen.proxy", &Address::Unix(path.into()), 0o600).unwrap_err().to_string()
        };
        let file = dir.path().join("s");
        std::fs::write(&file, "").unwrap();
        let remedy = format!("{} is a file, not a socket: remove it", file.display());
        assert!(said(&file).contains(&remedy), "{}", said(&file));
        assert!(file.exists(), "it is not ours to remove");
        assert!(said(dir.path()).contains("is a directory, not a socket"), "{}", said(dir.path()));
        let uid = rustix::process::geteuid().as_raw();
        let missing = said(&dir.path().join("none/s"));
        assert!(missing.ends_with(&format!("create it, writable for uid {uid}.")), "{missing}");
    }

    #[test]
    fn in_place_of_an_address_that_is_missing_none_is_named_that_more_machines_reach() {
        let instead = |text: &str| in_place_of(text.parse().unwrap());
        assert_eq!(instead("[::1]:3600"), "Write \"127.0.0.1:3600\".");
        let all = "Write one that it has, or \"0.0.0.0:3600\" for all of them.";
        assert_eq!((instead("[::]:3600").as_str(), instead("192.0.2.7:3600").as_str()), (all, all));
        assert!(is_missing(&rustix::io::Errno::AFNOSUPPORT.into()));
        let foreign = Address::Tcp("192.0.2.7:3600".parse().unwrap());
        let said = Bound::new("listen.proxy", &foreign, 0o600).unwrap_err().to_string();
        assert!(said.ends_with(&format!("This machine does not have the address. {all}")), "{said}");
    }

    /// Until they are accepted they cost nothing here; what finds no room in the queue is sent again a second later.
    #[test]
    fn thousands_of_connections_that_come_at_once_are_queued() {
        let address = Address::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)));
        let bound = Bound::new("listen.proxy", &address, 0o600).unwrap();
        let longest = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
        let room: usize = longest.trim().parse().unwrap();
        let soon = std::time::Duration::from_millis(500);
        let address = bound.tcp().unwrap();
        let queued: Vec<_> = (0..room.min(600))
            .map(|_| std::net::TcpStream::connect_timeout(&address, soon).unwrap())
            .collect();
        assert_eq!(queued.len(), room.min(600));
    }

    #[test]
    fn a_left_over_socket_is_replaced_and_a_live_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let address = Address::Unix(dir.path().join("s"));
        let first = Bound::new("listen.proxy", &address, 0o600).unwrap();
        let taken = Bound::new("listen.proxy", &address, 0o600).unwrap_err().to_string();
        assert!(
            taken.contains("listen.proxy: cannot listen on unix:") && taken.contains("Another process"),
            "{taken}"
        );
        drop(first);
        assert!(Bound::new("listen.proxy", &address, 0o600).is_ok());
        let mode = std::fs::metadata(dir.path().join("s")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
