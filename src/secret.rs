//! Values that must not be seen: they cannot be printed, they are compared in constant time, and their
//! memory is zeroed when the last holder lets go. The only way to the bytes is [`Secret::expose`], so that
//! every use can be found by that word.

mod cached;
mod client;
mod exec;
mod mark;
mod provider;

pub use cached::{Cached, Fetch, Fetching};
pub use client::{ClientSecret, SecretHandle};
pub use exec::{Command, DEFAULT_TIMEOUT, DEFAULT_TTL, Exec};
pub use mark::Mark;
pub use provider::{Age, Read, Reading, SecretProvider, Unreadable};

use std::{
    fmt,
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use zeroize::{Zeroize, Zeroizing};

/// More than any client secret or key; a larger file is a mistake (a wrong path, a device).
const MAX_FILE: u64 = 64 * 1024;

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
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

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

/// Where a secret comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// Written in the configuration itself: works, and earns a warning.
    Literal(Secret),
    /// A file, read anew at each reload (Kubernetes swaps it through a symlink).
    File(PathBuf),
    /// An environment variable of this process.
    Env(String),
    /// A command, which whoever needs the secret runs while the program runs.
    Exec(Arc<Command>),
}

/// Why a secret could not be read. Says where, never what.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file is missing, unreadable or a directory.
    #[error("cannot read the file {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file or variable holds nothing but white space: perhaps it is being written just now.
    #[error("{place} is empty")]
    Empty {
        /// The file or variable.
        place: String,
    },
    /// The file is larger than any secret.
    #[error("the file {path} is larger than 64 KiB: not a secret")]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// A command was named where secrets are read once.
    #[error("`exec` works for the client_secret of a tenant alone")]
    Exec,
    /// The variable is not set.
    #[error("the environment variable {name} is not set")]
    Unset {
        /// The variable.
        name: String,
    },
}

impl SecretSource {
    /// Reads the secret; one line end at its end is not part of it.
    ///
    /// # Errors
    /// [`SecretError`], which names the place and never the value.
    pub fn read(&self) -> Result<Secret, SecretError> {
        match self {
            Self::Literal(secret) => nonempty(secret.expose().to_vec(), || "the value".into()),
            Self::File(path) => read_file(path),
            Self::Exec(_) => Err(SecretError::Exec),
            Self::Env(name) => match std::env::var_os(name) {
                None => Err(SecretError::Unset { name: name.clone() }),
                Some(value) => {
                    nonempty(value.into_encoded_bytes(), || format!("the environment variable {name}"))
                }
            },
        }
    }
}

fn read_file(path: &Path) -> Result<Secret, SecretError> {
    let unreadable = |source| SecretError::Unreadable { path: path.into(), source };
    // A pipe would block for ever where nobody writes to it.
    let known = std::fs::metadata(path).map_err(unreadable)?;
    if !known.is_file() {
        return Err(unreadable(std::io::Error::other("not a regular file")));
    }
    let file = std::fs::File::open(path).map_err(unreadable)?;
    // Room for the whole file at once: growing would leave copies behind that nobody zeroes.
    let room = usize::try_from(known.len().min(MAX_FILE) + 1).unwrap_or_default();
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(SecretError::TooLarge { path: path.into() });
    }
    nonempty(bytes.to_vec(), || format!("the file {}", path.display()))
}

fn nonempty(mut bytes: Vec<u8>, place: impl FnOnce() -> String) -> Result<Secret, SecretError> {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        bytes.zeroize();
        return Err(SecretError::Empty { place: place() });
    }
    Ok(Secret::new(bytes))
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
    fn a_line_end_is_not_part_of_it_and_nothing_is_not_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let source = SecretSource::File(path.clone());
        assert!(matches!(source.read(), Err(SecretError::Unreadable { .. })));
        for (text, want) in
            [("a b\n", Some("a b")), ("x\r\n", Some("x")), ("x", Some("x")), ("", None), (" \n", None)]
        {
            std::fs::write(&path, text).unwrap();
            match want {
                Some(want) => assert_eq!(source.read().unwrap().expose(), want.as_bytes()),
                None => assert!(matches!(source.read(), Err(SecretError::Empty { .. }))),
            }
        }
        std::fs::write(&path, vec![b'x'; 64 * 1024 + 1]).unwrap();
        assert!(matches!(source.read(), Err(SecretError::TooLarge { .. })));
    }

    #[test]
    fn digests_travel_as_hexadecimal() {
        let digest = Digest::of(b"abc");
        assert!(digest.to_hex().starts_with("ba7816bf"));
        assert!(Digest::from_hex(&digest.to_hex()).unwrap().matches(&digest));
        assert!(Digest::from_hex("zz").is_none() && Digest::from_hex(&"g".repeat(64)).is_none());
    }
}
