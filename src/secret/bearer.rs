//! A bearer token that is shown to an issuer when its keys are fetched, as configured, and how it is read. One in a file
//! is read for each use, since whoever writes it replaces it (a kubelet does within the hour); that is no change of the
//! configuration.

use std::{path::PathBuf, sync::Arc, time::Duration};

use serde::{Serialize, Serializer};

use super::{
    Secret, SecretHandle,
    cached::Cached,
    exec::{Command, Exec},
    file::SecretFile,
    provider::SecretProvider,
};

/// Where a bearer token comes from, as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bearer {
    /// Read when the configuration was loaded, and again at each reload.
    Held(Secret),
    /// A file, which is read for each use.
    File(PathBuf),
    /// The output of a command.
    Exec(Arc<Command>),
}

impl Bearer {
    /// What reads it while the program runs; a file within `timeout`.
    pub fn provider(&self, timeout: Duration) -> Arc<dyn SecretProvider> {
        match self {
            Self::Held(secret) => Arc::new(SecretHandle::from(secret.clone())),
            Self::File(path) => Arc::new(SecretFile::new(path.clone(), timeout)),
            Self::Exec(command) => {
                Arc::new(Cached::new(Exec::new(command.clone()), command.ttl, command.timeout))
            }
        }
    }

    /// Whether `token` has the form of one (RFC 6750 section 2.1).
    pub fn has_the_form(token: &Secret) -> bool {
        let token = token.expose();
        let end = token.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
        let is_ours = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte);
        end > 0 && token[..end].iter().all(is_ours)
    }
}

/// As in the configuration, without what is secret or may be by mistake.
impl Serialize for Bearer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Held(secret) => secret.serialize(serializer),
            Self::File(path) => serializer.collect_map([("file", path.display().to_string())]),
            Self::Exec(command) => command.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_a_token() {
        let has = |text: &str| Bearer::has_the_form(&Secret::new(text.into()));
        for good in ["eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.c2ln-_", "abc==", "a+b/c~d"] {
            assert!(has(good), "{good}");
        }
        for bad in
            ["", "==", "a b", "a\nb", "a\r\n\r\nGET / HTTP/1.1", "\u{e9}", "a=b", "{\"token\":1}", "a\n"]
        {
            assert!(!has(bad), "{bad}");
        }
    }
}
