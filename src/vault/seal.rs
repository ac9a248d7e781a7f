//! How a record is sealed: AES-256-GCM-SIV (RFC 8452) with a key of its own, made of the master key, the alias and the
//! version (HKDF-SHA256, RFC 5869), and bound to both. A record that is moved to another alias or put back as another
//! version does not open.

use aws_lc_rs::{
    aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    error::Unspecified,
    hkdf,
};
use zeroize::Zeroizing;

use super::{
    encoding,
    store::{Stored, Version},
};
use crate::secret::Secret;

/// Under this name the proof of a key is sealed, as version 0, which no record has.
const PROOF: &str = "key";
const PROVES: &[u8] = b"this is the key";
/// What keys are made for.
const PURPOSE: &[u8] = b"claviger vault 1";

/// Seals and opens with one master key.
pub(super) struct Sealer(hkdf::Prk);

impl Sealer {
    pub(super) fn new(master: &Secret) -> Self {
        Self(hkdf::Salt::new(hkdf::HKDF_SHA256, PURPOSE).extract(master.expose()))
    }

    /// `nonce ‖ ciphertext ‖ tag`
    pub(super) fn seal(
        &self,
        name: &str,
        version: u64,
        mut text: Zeroizing<Vec<u8>>,
    ) -> Result<Vec<u8>, Unspecified> {
        let nonce = self.key(name, version)?.seal_in_place_append_tag(bound_to(name, version), &mut *text)?;
        // What is in the buffer is sealed by now.
        Ok([&nonce.as_ref()[..], &text].concat())
    }

    /// What was sealed under this name as this version; `None` where it was not, or not by this key.
    pub(super) fn open(&self, name: &str, version: u64, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut text = Zeroizing::new(sealed.to_vec());
        let (nonce, aad) = (Nonce::assume_unique_for_key(*nonce), bound_to(name, version));
        let length = self.key(name, version).ok()?.open_in_place(nonce, aad, &mut text).ok()?.len();
        text.truncate(length);
        Some(text)
    }

    fn key(&self, name: &str, version: u64) -> Result<RandomizedNonceKey, Unspecified> {
        let mut bytes = Zeroizing::new([0; 32]);
        self.0
            .expand(&[&version.to_be_bytes(), name.as_bytes()], hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut *bytes))?;
        RandomizedNonceKey::new(&AES_256_GCM_SIV, &*bytes)
    }
}

/// `version ‖ sealed record`: what stands in a store under the alias.
pub(super) fn sealed(
    sealer: &Sealer,
    alias: &str,
    version: Version,
    text: Zeroizing<Vec<u8>>,
) -> Option<Vec<u8>> {
    let sealed = sealer.seal(alias, version.0, text).ok()?;
    Some([&version.0.to_be_bytes()[..], &sealed].concat())
}

/// The version of what stands in a store.
pub(super) fn version(found: &[u8]) -> Option<Version> {
    found.first_chunk().map(|version| Version(u64::from_be_bytes(*version)))
}

/// The record of what stands in a store under the alias; `None` where it does not open.
pub(super) fn opened(sealer: &Sealer, alias: &str, found: &[u8]) -> Option<Stored> {
    let version = version(found)?;
    let text = sealer.open(alias, version.0, found.get(size_of::<u64>()..)?)?;
    let record = encoding::read(&text).filter(|record| record.alias.as_str() == alias)?;
    Some(Stored { record, version })
}

/// What opens by the key that everything is sealed with.
pub(super) fn proof(sealer: &Sealer) -> Option<Vec<u8>> {
    sealer.seal(PROOF, 0, Zeroizing::new(PROVES.to_vec())).ok()
}

/// Whether this is the proof of the sealer's key.
pub(super) fn proves(sealer: &Sealer, proof: &[u8]) -> bool {
    sealer.open(PROOF, 0, proof).is_some()
}

fn bound_to(name: &str, version: u64) -> Aad<Vec<u8>> {
    Aad::from([PURPOSE, &version.to_be_bytes(), name.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(key: &str) -> Sealer {
        Sealer::new(&Secret::new(key.into()))
    }

    #[test]
    fn what_is_sealed_opens_by_its_key_name_and_version_alone() {
        let text = || Zeroizing::new(b"the secret".to_vec());
        let sealed = sealer("k").seal("acme", 1, text()).unwrap();
        assert_eq!(sealer("k").open("acme", 1, &sealed), Some(text()));
        assert!(!sealed.windows(6).any(|part| part == b"secret"));
        assert_eq!(sealer("other").open("acme", 1, &sealed), None);
        assert_eq!(sealer("k").open("acme", 2, &sealed), None);
        assert_eq!(sealer("k").open("acm", 1, &sealed), None);
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert_eq!(sealer("k").open("acme", 1, &damaged), None, "byte {at}");
            assert_eq!(sealer("k").open("acme", 1, &sealed[..at]), None, "{at} bytes");
        }
        assert_ne!(sealer("k").seal("acme", 1, text()).unwrap(), sealed, "another nonce each time");
    }
}
