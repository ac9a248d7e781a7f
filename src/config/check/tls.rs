//! `listen.tls`: that each file is there and holds PEM of its kind, that a revocation list can be read, and that key
//! and certificate belong together. Dates are no matter here: they change while the configuration does not.

use std::path::{Path, PathBuf};

use rustls::{
    crypto::aws_lc_rs::sign::any_supported_type,
    pki_types::{
        CertificateDer, CertificateRevocationListDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    sign::CertifiedKey,
};
use webpki::BorrowedCertRevocationList;

use super::{checker::Checker, encodings};
use crate::{
    config::{
        leaf::{KeySecretId, Leaf},
        origin::Written,
        path::KeyPath,
        problem::Mistake,
        raw::RawListenTls,
        tls::{ListenTls, PemFile},
    },
    secret::Secret,
    x509,
};

impl Checker<'_> {
    pub(super) fn listen_tls(&mut self, raw: RawListenTls) -> Option<ListenTls> {
        let at = KeyPath::of(&["listen", "tls"]);
        let cert = match raw.cert {
            Some(leaf) => {
                let kind = ("certificate", "CERTIFICATE");
                self.pem_file::<CertificateDer<'_>>(&at, "cert", leaf, kind, encodings::of_certificates)
            }
            None => {
                let remedy = "Write cert = \"/tls/tls.crt\".";
                self.missing(&at.key("cert"), "TLS needs a certificate", remedy);
                None
            }
        };
        let key = self.private_key(&at.key("key"), raw.key);
        let misplaced =
            cert.as_ref().zip(key.as_ref()).and_then(|(cert, key)| position(cert, key)).filter(|at| *at > 0);
        if let Some((cert, place)) = cert.as_ref().zip(misplaced) {
            let what = format!(
                "the first certificate in {} is not the server's own: the private key belongs to number {}",
                cert.path.display(),
                place + 1
            );
            self.problem(
                &at.key("cert"),
                what,
                "Put the server's certificate first, and those that issued it behind it.",
            );
        } else if let Some(cert) = &cert {
            self.for_servers(&at.key("cert"), cert);
        }
        let client_ca = raw.client_ca.and_then(|leaf| {
            let path = self.leaf(&at, "client_ca", Some(leaf))?;
            let (path, pem) = self.authorities(&at.key("client_ca"), path)?;
            Some(PemFile { path, pem, origin: Written(self.tree.place(&at.key("client_ca"))) })
        });
        let crl = raw.crl.and_then(|leaf| {
            if !self.tree.has(&at.key("client_ca")) {
                let what =
                    "revocation lists have no effect without client_ca: no client is asked for a certificate";
                self.missing(&at.key("crl"), what, "Write client_ca = \"/tls/ca.crt\", or take crl out.");
            }
            let lists = self.pem_file::<CertificateRevocationListDer<'_>>(
                &at,
                "crl",
                leaf,
                ("revocation list", "X509 CRL"),
                encodings::of_lists,
            );
            lists.filter(|file| self.are_lists(&at.key("crl"), file))
        });
        if let (Some(cert), Some(key), None) = (&cert, &key, misplaced) {
            self.pair(&at, cert, key);
        }
        Some(ListenTls { cert: cert?, key: key?, client_ca, crl })
    }

    /// A file with one or more sections of one kind.
    fn pem_file<T: PemObject>(
        &mut self,
        at: &KeyPath,
        key: &str,
        leaf: Leaf<PathBuf>,
        (kind, label): (&str, &str),
        encoded: fn(&Path, &[u8]) -> Option<Mistake>,
    ) -> Option<PemFile> {
        let path = self.leaf(at, key, Some(leaf))?;
        let key = at.key(key);
        let pem = self.file(&key, &path)?;
        let sections: Result<Vec<T>, pem::Error> = T::pem_slice_iter(&pem).collect();
        let remedy = || format!("Name a PEM file with -----BEGIN {label}----- in it.");
        let mistake = match sections {
            Ok(sections) if !sections.is_empty() => {
                return Some(PemFile { path, pem, origin: Written(self.tree.place(&key)) });
            }
            Ok(_) => encoded(&path, &pem)
                .unwrap_or_else(|| Mistake::new(format!("{} holds no {kind}", path.display()), remedy())),
            Err(_) => Mistake::new(
                format!("{} is not PEM throughout: a section of it cannot be read", path.display()),
                remedy(),
            ),
        };
        self.mistake(&key, mistake);
        None
    }

    /// Whether all of the file's lists can be read by what will have to.
    fn are_lists(&mut self, key: &KeyPath, file: &PemFile) -> bool {
        let bad = CertificateRevocationListDer::pem_slice_iter(&file.pem)
            .filter_map(Result::ok)
            .find_map(|list| BorrowedCertRevocationList::from_der(&list).err());
        let Some(error) = bad else { return true };
        let what = format!("{} holds a revocation list that cannot be read: {error}", file.path.display());
        self.problem(key, what, "Fetch it again; it must be a version 2 list, whole, and not a delta.");
        false
    }

    fn for_servers(&mut self, key: &KeyPath, cert: &PemFile) {
        let Some(own) = CertificateDer::pem_slice_iter(&cert.pem).find_map(Result::ok) else { return };
        let file = cert.path.display();
        if x509::may_serve(&own) == Some(false) {
            let what = format!(
                "the certificate in {file} is not made for servers (extended key usage), so clients refuse it"
            );
            self.problem(key, what, "Issue it with extendedKeyUsage = serverAuth.");
        }
        // Not an error: a client may be told to look at no name.
        if x509::has_host_names(&own) == Some(false) {
            let what = format!(
                "the certificate in {file} has no name that clients look at (subjectAltName), so they refuse it"
            );
            let remedy = "Issue it with the names and addresses that clients write, as subjectAltName.";
            self.warn(key, what, remedy);
        }
    }

    fn pair(&mut self, at: &KeyPath, cert: &PemFile, key: &Secret) {
        let chain = CertificateDer::pem_slice_iter(&cert.pem).filter_map(Result::ok).collect();
        let Ok(key) = PrivateKeyDer::from_pem_slice(key.expose()) else { return };
        let (file, key_path) = (cert.path.display(), at.key("key"));
        let Ok(key) = any_supported_type(&key) else {
            let remedy =
                "Make an ECDSA key (P-256, P-384), an Ed25519 key, or an RSA key of 2048 bits or more.";
            return self.problem(&key_path, "the private key is of a kind that TLS here cannot use", remedy);
        };
        match CertifiedKey::new(chain, key).keys_match() {
            Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch)) => {
                let what = format!("the private key does not belong to the certificate in {file}");
                let remedy = "Name the key that the certificate was asked for with; if both are being replaced just now, wait.";
                self.problem(&key_path, what, remedy);
            }
            Err(rustls::Error::InvalidCertificate(_)) => {
                let what = format!("the first certificate in {file} cannot be read");
                self.problem(
                    &at.key("cert"),
                    what,
                    "Name a file whose first certificate is the server's own.",
                );
            }
            // A key that cannot say: the same is let pass where it is put to use.
            _ => {}
        }
    }

    fn private_key(&mut self, key: &KeyPath, id: Option<KeySecretId>) -> Option<Secret> {
        let Some(KeySecretId(id)) = id else {
            self.missing(
                key,
                "TLS needs the private key of the certificate",
                "Write key = \"/tls/tls.key\".",
            );
            return None;
        };
        let secret = self.secret_at(key, &id)?;
        if PrivateKeyDer::from_pem_slice(secret.expose()).is_ok() {
            return Some(secret);
        }
        // The second is of older forms, such as of `openssl ec -aes128`.
        let encrypted = [&b"BEGIN ENCRYPTED PRIVATE KEY"[..], b"Proc-Type: 4,ENCRYPTED"];
        if encrypted.iter().any(|sign| memchr::memmem::find(secret.expose(), sign).is_some()) {
            let remedy = "Decrypt it with: openssl pkey -in KEY -out tls.key";
            self.problem(
                key,
                "the private key is encrypted, and nobody is there to ask for its password",
                remedy,
            );
        } else {
            let remedy = "Name a PEM file with -----BEGIN PRIVATE KEY----- in it.";
            let none = || Mistake::new("this is not a private key", remedy);
            self.mistake(key, encodings::of_key(secret.expose()).unwrap_or_else(none));
        }
        None
    }
}

/// Which certificate of a file the private key belongs to, counted from 0.
fn position(cert: &PemFile, key: &Secret) -> Option<usize> {
    let key = any_supported_type(&PrivateKeyDer::from_pem_slice(key.expose()).ok()?).ok()?;
    let belongs = |own| CertifiedKey::new(vec![own], key.clone()).keys_match().is_ok();
    CertificateDer::pem_slice_iter(&cert.pem).filter_map(Result::ok).position(belongs)
}
