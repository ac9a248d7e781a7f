//! How something is sealed that rests where others can see it: AES-256-GCM-SIV (RFC 8452) with a key of its own, made of the master
//! key, a name and a version (HKDF-SHA256, RFC 5869), and bound to both. What is moved to another name, put back as another
//! version or taken for another purpose does not open.

use aws_lc_rs::{
    aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    error::Unspecified,
    hkdf,
};
use zeroize::Zeroizing;

use crate::secret::Secret;

/// Seals and opens with one master key for one purpose.
pub(crate) struct Sealer {
    key: hkdf::Prk,
    purpose: &'static [u8],
}

impl Sealer {
    pub(crate) fn new(master: &Secret, purpose: &'static [u8]) -> Self {
        Self { key: hkdf::Salt::new(hkdf::HKDF_SHA256, purpose).extract(master.expose()), purpose }
    }

    /// `nonce ‖ ciphertext ‖ tag`
    pub(crate) fn seal(
        &self,
        name: &[u8],
        version: u64,
        mut text: Zeroizing<Vec<u8>>,
    ) -> Result<Vec<u8>, Unspecified> {
        let aad = self.bound_to(name, version);
        let nonce = self.key(name, version)?.seal_in_place_append_tag(aad, &mut *text)?;
        // What is in the buffer is sealed by now.
        Ok([&nonce.as_ref()[..], &text].concat())
    }

    /// What was sealed under this name as this version; `None` where it was not, or not by this key.
    pub(crate) fn open(&self, name: &[u8], version: u64, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut text = Zeroizing::new(sealed.to_vec());
        let (nonce, aad) = (Nonce::assume_unique_for_key(*nonce), self.bound_to(name, version));
        let length = self.key(name, version).ok()?.open_in_place(nonce, aad, &mut text).ok()?.len();
        text.truncate(length);
        Some(text)
    }

    /// What stands for a name where the name itself is not to be seen, nor guessed by whoever does not have the key.
    pub(crate) fn alias(&self, name: &[u8]) -> Result<[u8; 16], Unspecified> {
        let mut alias = [0; 32];
        self.key.expand(&[b"alias", name], hkdf::HKDF_SHA256).and_then(|okm| okm.fill(&mut alias))?;
        let (first, _) = alias.split_first_chunk().ok_or(Unspecified)?;
        Ok(*first)
    }

    fn key(&self, name: &[u8], version: u64) -> Result<RandomizedNonceKey, Unspecified> {
        let mut bytes = Zeroizing::new([0; 32]);
        self.key
            .expand(&[&version.to_be_bytes(), name], hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut *bytes))?;
        RandomizedNonceKey::new(&AES_256_GCM_SIV, &*bytes)
    }

    fn bound_to(&self, name: &[u8], version: u64) -> Aad<Vec<u8>> {
        Aad::from([self.purpose, &version.to_be_bytes(), name].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(key: &str, purpose: &'static [u8]) -> Sealer {
        Sealer::new(&Secret::new(key.into()), purpose)
    }

    #[test]
    fn what_is_sealed_opens_by_its_key_purpose_name_and_version_alone() {
        let text = || Zeroizing::new(b"the secret".to_vec());
        let mine = sealer("k", b"p");
        let sealed = mine.seal(b"acme", 1, text()).unwrap();
        assert_eq!(mine.open(b"acme", 1, &sealed), Some(text()));
        assert!(!sealed.windows(6).any(|part| part == b"secret"));
        assert_eq!(sealer("other", b"p").open(b"acme", 1, &sealed), None);
        assert_eq!(sealer("k", b"q").open(b"acme", 1, &sealed), None);
        assert_eq!(mine.open(b"acme", 2, &sealed), None);
        assert_eq!(mine.open(b"acm", 1, &sealed), None);
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert_eq!(mine.open(b"acme", 1, &damaged), None, "byte {at}");
            assert_eq!(mine.open(b"acme", 1, &sealed[..at]), None, "{at} bytes");
        }
        assert_ne!(mine.seal(b"acme", 1, text()).unwrap(), sealed, "another nonce each time");
        assert_ne!(mine.alias(b"acme").unwrap(), sealer("other", b"p").alias(b"acme").unwrap());
        assert_ne!(mine.alias(b"acme").unwrap(), mine.alias(b"acm").unwrap());
    }
}
