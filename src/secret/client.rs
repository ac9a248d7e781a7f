//! A client secret as it is configured, and as it is used. Two are the same when they are configured the same, whatever
//! has been read of them: a reload then goes on with what is remembered.

use std::sync::Arc;

use super::{
    Secret,
    cached::Cached,
    exec::{Command, Exec},
    provider::{Held, Read, SecretProvider},
};

/// Where a client secret comes from, as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientSecret {
    /// Read when the configuration was loaded, and again at each reload.
    Held(Secret),
    /// The output of a command, which is run when a token is asked for.
    Exec(Command),
}

/// The way to one client secret. Cheap to clone; clones share what is remembered.
#[derive(Debug, Clone)]
pub struct SecretHandle {
    configured: ClientSecret,
    provider: Arc<dyn SecretProvider>,
}

impl ClientSecret {
    /// The secret, where it is known before it is used.
    pub fn held(&self) -> Option<&Secret> {
        match self {
            Self::Held(secret) => Some(secret),
            Self::Exec(_) => None,
        }
    }
}

impl SecretHandle {
    /// Of a client secret that `provider` gives.
    pub fn new(configured: ClientSecret, provider: Arc<dyn SecretProvider>) -> Self {
        Self { configured, provider }
    }

    /// As configured.
    pub fn configured(&self) -> &ClientSecret {
        &self.configured
    }

    /// [`SecretProvider::read`].
    pub fn read(&self) -> Read<'_> {
        self.provider.read()
    }

    /// [`SecretProvider::last`].
    pub fn last(&self) -> Option<Secret> {
        self.provider.last()
    }

    /// [`SecretProvider::refused`].
    pub fn refused(&self, secret: &Secret) {
        self.provider.refused(secret);
    }
}

impl From<ClientSecret> for SecretHandle {
    fn from(configured: ClientSecret) -> Self {
        let provider: Arc<dyn SecretProvider> = match &configured {
            ClientSecret::Held(secret) => Arc::new(Held(secret.clone())),
            ClientSecret::Exec(command) => {
                Arc::new(Cached::new(Exec::new(command.clone()), command.ttl, command.timeout))
            }
        };
        Self::new(configured, provider)
    }
}

impl From<Secret> for SecretHandle {
    fn from(secret: Secret) -> Self {
        ClientSecret::Held(secret).into()
    }
}

impl PartialEq for SecretHandle {
    fn eq(&self, other: &Self) -> bool {
        self.configured == other.configured
    }
}

impl Eq for SecretHandle {}
