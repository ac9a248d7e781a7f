//! The keyrings of all issuers, kept from one configuration to the next: a reload does not forget keys that are
//! fetched the same way.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    fetch::HttpFetch,
    key_set::KeySetError,
    keyring::{Keyring, Trusted},
};
use crate::{
    clock::Random,
    config::{Config, Issuer, Jwks, Origin},
    ids::IssuerName,
    trust::{self, TlsError},
};

/// Keyrings by issuer.
#[derive(Debug, Default)]
pub struct Keyrings(Mutex<Vec<Arc<Keyring>>>);

/// Why there can be no keys of an issuer.
#[derive(Debug, thiserror::Error)]
#[error("{}issuers.{issuer}.{why}", .origin.as_ref().map(|origin| format!("{origin}: ")).unwrap_or_default())]
pub struct KeyringError {
    origin: Option<Origin>,
    issuer: IssuerName,
    why: Why,
}

#[derive(Debug, thiserror::Error)]
enum Why {
    #[error("jwks: {}: {error}. Write the issuer's key set there; a cluster's is from: kubectl get --raw /openid/v1/jwks", path.display())]
    File { path: PathBuf, error: KeySetError },
    #[error("tls.roots: {0}")]
    Tls(#[from] TlsError),
    #[error("jwks: the client for its keys cannot be made: {0}")]
    Client(Box<str>),
}

impl Keyrings {
    /// Those of `config`, new or kept; nothing is fetched and nothing forgotten yet.
    ///
    /// # Errors
    /// [`KeyringError`]: a key set in a file without a usable key, or a CA file without a certificate.
    pub fn of(&self, config: &Config) -> Result<Vec<Trusted>, KeyringError> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let keyring = |issuer: &Arc<Issuer>| match kept.iter().find(|keyring| keyring.serves(issuer)) {
            Some(keyring) => Ok((issuer.clone(), keyring.clone())),
            None => match make(issuer, config) {
                Ok(keyring) => {
                    if let Some(old) = kept.iter().find(|keyring| keyring.has_keys_of(issuer)) {
                        keyring.take_over(old);
                    }
                    Ok((issuer.clone(), keyring))
                }
                Err(why) => Err(KeyringError { origin: origin(issuer), issuer: issuer.name.clone(), why }),
            },
        };
        config.issuers.iter().map(keyring).collect()
    }

    /// Keeps these alone.
    pub fn keep(&self, issuers: &[Trusted]) {
        let keyrings = issuers.iter().map(|(_, keyring)| keyring.clone()).collect();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = keyrings;
    }
}

/// Where the configuration names the key set.
fn origin(issuer: &Issuer) -> Option<Origin> {
    match &issuer.jwks {
        Jwks::File { origin, .. } => origin.0.clone(),
        Jwks::Discovery | Jwks::Url(_) => None,
    }
}

fn make(issuer: &Arc<Issuer>, config: &Config) -> Result<Arc<Keyring>, Why> {
    if let Jwks::File { json, path, .. } = &issuer.jwks {
        let in_file = |error| Why::File { path: path.clone(), error };
        return Keyring::of_file(issuer.clone(), json).map_err(in_file);
    }
    let timeouts = &config.timeouts;
    let from =
        HttpFetch::new(trust::client(&issuer.ca)?, issuer.bearer.as_ref(), timeouts.connect, timeouts.token)
            .map_err(Why::Client)?;
    Ok(Keyring::fetched(issuer.clone(), from, Random::system()))
}
