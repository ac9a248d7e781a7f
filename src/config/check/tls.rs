//! `listen.tls`: that each file is there and holds PEM of its kind. Whether key and certificate belong together
//! is seen where the TLS library takes them.

use std::path::PathBuf;

use rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer,
    pem::{self, PemObject},
};

use super::{Checker, KeyPath};
use crate::{
    config::{
        ListenTls, PemFile,
        leaf::{KeySlot, Leaf},
        raw::RawListenTls,
    },
    secret::Secret,
};

impl Checker<'_> {
    pub(super) fn listen_tls(&mut self, raw: RawListenTls) -> Option<ListenTls> {
        let at = KeyPath::of(&["listen", "tls"]);
        let cert = match raw.cert {
            Some(leaf) => {
                self.pem_file::<CertificateDer<'_>>(&at, "cert", leaf, "certificate", "CERTIFICATE")
            }
            None => {
                let remedy = "Write cert = \"/tls/tls.crt\".";
                self.missing(&at.key("cert"), "TLS needs a certificate", remedy);
                None
            }
        };
        let key = self.private_key(&at.key("key"), raw.key);
        let client_ca = raw.client_ca.and_then(|leaf| {
            let path = self.leaf(&at, "client_ca", Some(leaf))?;
            let (path, pem) = self.authorities(&at.key("client_ca"), path)?;
            Some(PemFile { path, pem })
        });
        let crl = raw.crl.and_then(|leaf| {
            if !self.provenance.has(&at.key("client_ca")) {
                let what =
                    "revocation lists are of no use without client_ca: no client is asked for a certificate";
                self.missing(&at.key("crl"), what, "Write client_ca = \"/tls/ca.crt\", or take crl out.");
            }
            self.pem_file::<CertificateRevocationListDer<'_>>(&at, "crl", leaf, "revocation list", "X509 CRL")
        });
        Some(ListenTls { cert: cert?, key: key?, client_ca, crl })
    }

    /// A file with one or more sections of one kind.
    fn pem_file<T: PemObject>(
        &mut self,
        at: &KeyPath,
        key: &str,
        leaf: Leaf<PathBuf>,
        kind: &str,
        label: &str,
    ) -> Option<PemFile> {
        let path = self.leaf(at, key, Some(leaf))?;
        let key = at.key(key);
        let pem = self.file(&key, &path)?;
        let sections: Result<Vec<T>, pem::Error> = T::pem_slice_iter(&pem).collect();
        let what = match sections {
            Ok(sections) if !sections.is_empty() => return Some(PemFile { path, pem }),
            Ok(_) => format!("{} holds no {kind}", path.display()),
            Err(_) => format!("{} is not PEM throughout: a section of it cannot be read", path.display()),
        };
        self.problem(&key, what, format!("Name a PEM file with -----BEGIN {label}----- in it."));
        None
    }

    fn private_key(&mut self, key: &KeyPath, slot: Option<KeySlot>) -> Option<Secret> {
        let Some(KeySlot(slot)) = slot else {
            self.missing(
                key,
                "TLS needs the private key of the certificate",
                "Write key = \"/tls/tls.key\".",
            );
            return None;
        };
        let secret = self.secret(key, &slot)?;
        if PrivateKeyDer::from_pem_slice(secret.expose()).is_ok() {
            return Some(secret);
        }
        let encrypted = b"BEGIN ENCRYPTED PRIVATE KEY";
        if memchr::memmem::find(secret.expose(), encrypted).is_some() {
            let remedy = "Decrypt it with: openssl pkey -in KEY -out tls.key";
            self.problem(
                key,
                "the private key is encrypted, and nobody is there to ask for its password",
                remedy,
            );
        } else {
            let remedy = "Name a PEM file with -----BEGIN PRIVATE KEY----- in it.";
            self.problem(key, "this is not a private key", remedy);
        }
        None
    }
}
