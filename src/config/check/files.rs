//! Files that a configuration names and that are no secrets: certificates and key sets. What was read belongs
//! to the configuration, so a changed file is a changed configuration.

use std::{
    io::{Error, Read},
    path::{Path, PathBuf},
};

use rustls::pki_types::{CertificateDer, pem::PemObject};

use super::{
    checker::Checker,
    encodings,
    secrets::{reason, unreadable_remedy},
};
use crate::{
    config::{
        inputs::References, leaf::Either, path::KeyPath, problem::Mistake, raw_roots::RawRootsFile,
        tenant::Roots, words::RootsName,
    },
    regular_file, x509,
};

/// More than any bundle of certificates or any key set.
const MOST: u64 = 4 * 1024 * 1024;

impl Checker<'_> {
    /// What the file at `path`, which `key` names, holds.
    pub(super) fn file(&mut self, key: &KeyPath, path: &Path) -> Option<Vec<u8>> {
        let read = read(path);
        self.inputs.file(path, read.as_ref().ok().map(Vec::as_slice));
        match read {
            Ok(bytes) if bytes.len() as u64 > MOST => {
                let what = format!("the file {} is larger than 4 MiB", path.display());
                self.problem(key, what, "Is this the right file?");
                None
            }
            Ok(bytes) => Some(bytes),
            Err(error)
                if error.kind() == std::io::ErrorKind::NotFound
                    && self.settings.references == References::MayBeAbsent =>
            {
                None
            }
            Err(error) => {
                let what = format!("cannot read the file {}: {}", path.display(), reason(&error));
                self.problem(key, what, unreadable_remedy(&error));
                None
            }
        }
    }

    /// The authorities that the key `roots` of the table at `at` names.
    pub(super) fn roots(
        &mut self,
        at: &KeyPath,
        roots: Option<Either<RootsName, RawRootsFile>>,
    ) -> Option<Roots> {
        match roots {
            None => Some(Roots::System),
            Some(Either::Text(leaf)) => self.leaf(at, "roots", Some(leaf)).map(|name| match name {
                RootsName::System => Roots::System,
                RootsName::Bundled => Roots::Bundled,
            }),
            Some(Either::Table(table)) => {
                let key = at.key("roots");
                if table.file.is_none() {
                    self.missing(&key, "the file is missing", "Write roots = { file = \"ca.pem\" }.");
                }
                let path = self.leaf(&key, "file", table.file)?;
                let read = self.authorities(&key, path).map(|(path, pem)| Roots::File { path, pem });
                read.or((self.settings.references == References::MayBeAbsent).then_some(Roots::System))
            }
        }
    }

    /// A file of certificates of authorities.
    pub(super) fn authorities(&mut self, key: &KeyPath, path: PathBuf) -> Option<(PathBuf, Vec<u8>)> {
        let pem = self.file(key, &path)?;
        let mut store = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let added = certificate.is_ok_and(|certificate| store.add(certificate).is_ok());
            if !added {
                let what =
                    format!("{} holds something that is not a certificate of an authority", path.display());
                self.problem(key, what, "Keep the PEM certificates of the authorities alone in the file.");
                return None;
            }
        }
        if store.is_empty() {
            self.no_certificate(key, &path, &pem);
            return None;
        }
        let mut certificates = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok);
        if certificates.all(|certificate| x509::may_issue(&certificate) == Some(false)) {
            let what = format!(
                "{} holds the certificate of a server or a client, and none of an authority (CA): nobody's certificate was issued by it, \
                 so all are refused",
                path.display()
            );
            self.warn(key, what, "Name the file with the certificate of the CA that issues theirs.");
        }
        Some((path, pem))
    }

    fn no_certificate(&mut self, key: &KeyPath, path: &Path, bytes: &[u8]) {
        let none = || {
            let remedy = "Name a PEM file with -----BEGIN CERTIFICATE----- in it.";
            Mistake::new(format!("{} holds no certificate", path.display()), remedy)
        };
        self.mistake(key, encodings::of_certificates(path, bytes).unwrap_or_else(none));
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let (file, _) = regular_file::open(path)?;
    let mut bytes = Vec::new();
    file.take(MOST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
