//! The addresses that `serve` would listen on: what is in the way of it here. It may run elsewhere, so most of this is a warning. Nothing is
//! listened on, as the process that runs may do so.

use std::{
    io::ErrorKind,
    net::{SocketAddr, UdpSocket},
    os::unix::fs::FileTypeExt as _,
    path::Path,
};

use rustix::fs::Access;

use super::{Start, directory, missing_directory, refused};
use crate::{
    config::{Address, Config},
    listen::{UNPRIVILEGED, in_place_of, is_missing},
};

/// Ports that not everybody may have, on most machines.
const PRIVILEGED: std::ops::Range<u16> = 1..1024;

impl Start {
    pub(super) fn sockets(&mut self, config: &Config) {
        let sockets = [
            ("listen.proxy", config.listen.proxy.as_slice()),
            ("listen.admin", config.listen.admin.as_slice()),
        ];
        for (key, addresses) in sockets {
            for address in addresses {
                match address {
                    Address::Tcp(address) => self.port(key, *address),
                    Address::Unix(path) => self.socket(key, path),
                }
            }
        }
    }

    fn port(&mut self, key: &str, address: SocketAddr) {
        if address.port() == 0 {
            self.notes.push(format!(
                "{key} has port 0: claviger serve takes a free port at each start, and says which in the line `ready` of its log and in its \
                 --ready-file"
            ));
        }
        // The ports of UDP are others, and the same is allowed of them.
        let mut like_it = address;
        if !PRIVILEGED.contains(&address.port()) {
            like_it.set_port(0);
        }
        let (ip, port) = (address.ip(), address.port());
        let Err(error) = UdpSocket::bind(like_it) else { return };
        let warning = match error.kind() {
            _ if is_missing(&error) => format!(
                "{key}: this machine does not have the address {ip}, and claviger serve would not start here. {}",
                in_place_of(address)
            ),
            ErrorKind::PermissionDenied => format!(
                "{key}: user {}, who runs this, may not listen on port {port}, and claviger serve would not start as this user. {UNPRIVILEGED}",
                rustix::process::geteuid()
            ),
            _ => return,
        };
        self.warnings.push(warning);
    }

    fn socket(&mut self, key: &str, path: &Path) {
        let shown = path.display();
        if path.is_dir() {
            self.errors.push(format!(
                "{key}: {shown} is a directory. Name a socket in it, such as unix:{}.",
                path.join("claviger.sock").display()
            ));
        } else if std::fs::symlink_metadata(path).is_ok_and(|there| !there.file_type().is_socket()) {
            self.errors.push(format!("{key}: {shown} exists and is not a socket. Remove it."));
        }
        if let Some(directory) = missing_directory(path) {
            self.warnings.push(format!(
                "{key}: there is no directory {} here. Where claviger serve runs, create it, writable for its user.",
                directory.display()
            ));
        } else if let Some((place, _)) = refused(directory(path), Access::WRITE_OK | Access::EXEC_OK) {
            self.warnings.push(format!(
                "{key}: user {}, who runs this, may make no socket in {}, and claviger serve would not start as this user. Let it write to that \
                 directory, or write another one.",
                rustix::process::geteuid(),
                place.display()
            ));
        }
    }
}
