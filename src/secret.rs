//! Values that must not be seen: they cannot be printed, they are compared in constant time, and their
//! memory is zeroed when the last holder lets go. The only way to the bytes is [`Secret::expose`], so that
//! every use can be found by that word.

mod bearer;
mod cached;
mod client;
mod exec;
mod file;
mod mark;
mod mistaken;
mod provider;
mod source;

pub use bearer::Bearer;
pub use cached::{Cached, Fetch, Fetching};
pub use client::{ClientSecret, SecretHandle};
pub use exec::{Command, DEFAULT_TIMEOUT, DEFAULT_TTL, Exec};
pub use mark::Mark;
pub use mistaken::{looks_random, may_be_secret, mistaken, names_variable};
pub use provider::{Age, Read, Reading, SecretProvider, Unreadable};
pub use source::{SecretError, SecretSource};

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use zeroize::Zeroizing;

/// A secret value. Cheap to clone; never prints; zeroed on the last drop.
#[derive(Clone)]
pub struct Secret(Arc<Zeroizing<Vec<u8>>>);

impl Secret {
    /// Takes the bytes over.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Zeroizing::new(bytes)))
    }

    /// The bytes. Whoever calls this answers for where they go.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// A header value `prefix` + this secret that is marked sensitive and whose memory is zeroed as well.
    ///
    /// # Errors
    /// When the secret holds bytes that no header may carry.
    pub fn header(&self, prefix: &str) -> Result<http::HeaderValue, http::header::InvalidHeaderValue> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(prefix.len() + self.0.len()));
        bytes.extend_from_slice(prefix.as_bytes());
        bytes.extend_from_slice(self.expose());
        // `from_owner` keeps the zeroing buffer as the storage: no second copy is made.
        let mut value = http::HeaderValue::from_maybe_shared(bytes::Bytes::from_owner(Wiped(bytes)))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// This secret as the body of a request; shares the memory that is zeroed on the last drop.
    pub fn body(&self) -> bytes::Bytes {
        bytes::Bytes::from_owner(Shared(self.clone()))
    }
}

/// A secret as a byte owner for [`bytes::Bytes`].
struct Shared(Secret);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        self.0.expose()
    }
}

/// `Zeroizing` as a byte owner for [`bytes::Bytes`].
struct Wiped(Zeroizing<Vec<u8>>);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// That it is set, and no more: neither its length nor a digest.
impl serde::Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("(set)")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(self.expose(), other.expose()).is_ok()
    }
}

impl Eq for Secret {}

/// The SHA-256 of a secret: what is kept of an API key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest([u8; 32]);

impl Hash for Digest {
    /// A quarter is as random as the whole, and is hashed for each request.
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&self.0[..8]);
    }
}

impl Digest {
    /// Digests `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let mut out = [0; 32];
        out.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref());
        Self(out)
    }

    /// A digest given as 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let text = text.as_bytes();
        if text.len() != 64 {
            return None;
        }
        let mut out = [0; 32];
        for (byte, pair) in out.iter_mut().zip(text.chunks_exact(2)) {
            let digit = |b: u8| char::from(b).to_digit(16);
            *byte = u8::try_from(digit(pair[0])? << 4 | digit(pair[1])?).ok()?;
        }
        Some(Self(out))
    }

    /// The bytes of the digest.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The digest as 64 lower-case hexadecimal digits, for a configuration file.
    pub fn to_hex(self) -> String {
        self.0.iter().map(|b| format!("{b:02x}")).collect()
    }

    /// Equality that takes the same time wherever the two differ.
    pub fn matches(&self, other: &Self) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

/// The digest of many values, each taken in with its length: other values, or other bounds between them, another digest.
#[derive(Clone)]
pub struct Fingerprint(aws_lc_rs::digest::Context);

impl Fingerprint {
    /// Takes one value in.
    pub fn add(&mut self, value: &[u8]) {
        self.0.update(&(value.len() as u64).to_be_bytes());
        self.0.update(value);
    }

    /// The digest of what was taken in so far.
    pub fn digest(&self) -> Digest {
        let mut out = [0; 32];
        out.copy_from_slice(self.0.clone().finish().as_ref());
        Digest(out)
    }
}

impl Default for Fingerprint {
    fn default() -> Self {
        Self(aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A digest of a weak key is as good as the key.
        f.write_str("Digest(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_way_to_print_one() {
        let secret = Secret::new(b"hunter2".to_vec());
        let header = secret.header("Bearer ").unwrap();
        let printed = format!(
            "{secret:?} {:?} {:?} {header:?}",
            SecretSource::Literal(secret.clone()),
            Digest::of(secret.expose())
        );
        assert!(!printed.contains("hunter2"), "{printed}");
        assert_eq!(serde_json::to_string(&[&secret]).unwrap(), "[\"(set)\"]");
        assert!(!printed.contains(&Digest::of(b"hunter2").to_hex()), "{printed}");
        assert_eq!(header.as_bytes(), b"Bearer hunter2");
    }

    #[test]
    fn digests_travel_as_hexadecimal() {
        let digest = Digest::of(b"abc");
        assert!(digest.to_hex().starts_with("ba7816bf"));
        assert!(Digest::from_hex(&digest.to_hex()).unwrap().matches(&digest));
        assert!(Digest::from_hex("zz").is_none() && Digest::from_hex(&"g".repeat(64)).is_none());
    }
}
