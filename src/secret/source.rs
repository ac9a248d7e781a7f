//! Where the configuration's loader takes a secret from, once at each load: a file, a variable, or the configuration itself.
//! A command is only named here. Errors say which place, never what is there.

use std::{
    io::{ErrorKind, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use zeroize::{Zeroize as _, Zeroizing};

use super::{
    Secret,
    exec::Command,
    mistaken::{may_be_secret, mistaken, names_variable},
};
use crate::regular_file;

/// More than any client secret or key; a larger file is a mistake (a wrong path, a device).
const MAX_FILE: u64 = 64 * 1024;

/// Where a secret comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// Written in the configuration itself: works, and earns a warning.
    Literal(Secret),
    /// A file, read anew at each reload (Kubernetes swaps it through a symlink).
    File(PathBuf),
    /// An environment variable of this process.
    Env(String),
    /// A command, which is run when the secret is needed.
    Exec(Arc<Command>),
}

/// Why a secret could not be read. Says where, never what.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file is missing, unreadable or a directory.
    #[error("{}", unreadable(path, source))]
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
    #[error("`exec` works for the client_secret of a tenant and the bearer of an issuer alone")]
    Exec,
    /// The variable is not set.
    #[error("{}", unset(name))]
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

fn unreadable(path: &Path, source: &std::io::Error) -> String {
    let mut parts = [Some(path.as_os_str()), path.file_name()].into_iter().flatten();
    if source.kind() == ErrorKind::NotFound && parts.any(|it| may_be_secret(&it.to_string_lossy())) {
        return mistaken("file", "a file");
    }
    format!("cannot read the file {}: {source}", path.display())
}

fn unset(name: &str) -> String {
    if names_variable(name) {
        format!("the environment variable {name} is not set")
    } else {
        mistaken("env", "a variable")
    }
}

fn read_file(path: &Path) -> Result<Secret, SecretError> {
    let unreadable = |source| SecretError::Unreadable { path: path.into(), source };
    let (file, known) = regular_file::open(path).map_err(unreadable)?;
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
    fn a_secret_in_the_place_of_its_file_is_not_repeated() {
        let dir = tempfile::tempdir().unwrap();
        let said = |name| SecretSource::File(dir.path().join(name)).read().unwrap_err().to_string();
        let says = "file names a file; this looks like the secret itself, and is not repeated here";
        assert_eq!(said("Xq3vL9pTz7Rk2Wm8Yc4Nb6Jd1Hf5Gs0A"), says);
        assert!(said("acme").starts_with("cannot read the file /"), "{}", said("acme"));
    }
}
