//! Certificates, revocation lists and keys that are what is wanted, but not PEM: as what they are known, and how they are converted.

use std::path::Path;

use rustls::pki_types::PrivateKeyDer;

use crate::{config::problem::Mistake, x509};

/// What is said of a file of certificates that is none as PEM.
pub(super) fn of_certificates(path: &Path, bytes: &[u8]) -> Option<Mistake> {
    let (file, new) = (path.display(), path.with_extension("pem"));
    let new = new.display();
    if x509::is_pkcs12(bytes) {
        let remedy =
            format!("Take the certificates out of it with: openssl pkcs12 -in {file} -nokeys -out {new}");
        return Some(Mistake::new(format!("{file} is PKCS #12, and not PEM"), remedy));
    }
    x509::Certificate::read(bytes)?;
    let remedy = format!("Convert it with: openssl x509 -inform DER -in {file} -out {new}");
    Some(Mistake::new(format!("{file} is a certificate as DER, and not as PEM"), remedy))
}

/// The same of a file of revocation lists.
pub(super) fn of_lists(path: &Path, bytes: &[u8]) -> Option<Mistake> {
    let (file, new) = (path.display(), path.with_extension("pem"));
    let new = new.display();
    x509::RevocationList::read(bytes)?;
    let remedy = format!("Convert it with: openssl crl -inform DER -in {file} -out {new}");
    Some(Mistake::new(format!("{file} is a revocation list as DER, and not as PEM"), remedy))
}

/// The same of a private key.
pub(super) fn of_key(bytes: &[u8]) -> Option<Mistake> {
    if x509::is_pkcs12(bytes) {
        let remedy = "Take the key out of it with: openssl pkcs12 -in FILE -nocerts -noenc -out key.pem";
        return Some(Mistake::new("this is PKCS #12, and not PEM", remedy));
    }
    PrivateKeyDer::try_from(bytes).ok()?;
    Some(Mistake::new(
        "this is a private key as DER, and not as PEM",
        "Convert it with: openssl pkey -inform DER -in KEY -out key.pem",
    ))
}
