//! `listen.tls`: the certificates of the proxy listener, as read. Each file holds PEM of its kind, and key and
//! certificate belong together; whether the dates are right is asked when it matters (`listen::tls::dates`).

use std::{fmt, path::PathBuf};

use serde::{Serialize, Serializer};

use super::{origin::Written, show::Text};
use crate::secret::Secret;

/// `listen.tls`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListenTls {
    /// `cert`: the server's certificate, then the intermediate ones.
    pub cert: PemFile,
    /// `key`: its private key as PEM (PKCS #8, SEC 1 or PKCS #1).
    pub key: Secret,
    /// `client_ca`: the authorities that clients' certificates are from; `None`: no client is asked for one.
    pub client_ca: Option<PemFile>,
    /// `crl`: revocation lists of those authorities.
    pub crl: Option<PemFile>,
}

/// A file of PEM text that is not secret, as read: a changed file is a changed configuration.
#[derive(Clone, PartialEq, Eq)]
pub struct PemFile {
    /// The path, for messages.
    pub path: PathBuf,
    /// The text; holds at least one section of the kind that its key wants.
    pub pem: Vec<u8>,
    /// Where the configuration names it, for messages.
    pub origin: Written,
}

impl fmt::Debug for PemFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PemFile").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Serialize for PemFile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Text(self.path.display()).serialize(serializer)
    }
}
