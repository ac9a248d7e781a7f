//! A client secret as it is configured, and as it is used. Two are the same when they are configured the same, whatever
//! has been read of them: a reload then goes on with what is remembered.

use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::{
    Secret,
    cached::Cached,
    exec::{Command, Exec},
    provider::{Age, Read, Reading, SecretProvider},
};

/// Where a client secret comes from, as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientSecret {
    /// Read when the configuration was loaded, and again at each reload.
    Held(Secret),
    /// The output of a command, which is run when a token is asked for.
    Exec(Arc<Command>),
}

/// The way to one client secret. Cheap to clone; clones share what is remembered.
#[derive(Debug, Clone)]
pub struct SecretHandle(Way);

#[derive(Debug, Clone)]
enum Way {
    /// Only another configuration has another one.
    Held(Secret),
    Provided(ClientSecret, Arc<dyn SecretProvider>),
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

/// As in the configuration, without what is secret or may be by mistake.
impl Serialize for ClientSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Held(secret) => secret.serialize(serializer),
            Self::Exec(command) => command.serialize(serializer),
        }
    }
}

impl SecretHandle {
    /// To a secret that `provider` gives, as it is configured.
    pub fn provided(configured: ClientSecret, provider: Arc<dyn SecretProvider>) -> Self {
        Self(Way::Provided(configured, provider))
    }

    /// Whether it is configured so.
    pub fn is(&self, other: &ClientSecret) -> bool {
        match &self.0 {
            Way::Held(secret) => other.held() == Some(secret),
            Way::Provided(configured, _) => configured == other,
        }
    }
}

impl SecretProvider for SecretHandle {
    fn read(&self) -> Read<'_> {
        match &self.0 {
            Way::Held(secret) => {
                let reading = Reading { secret: secret.clone(), age: Age::Fresh };
                Box::pin(std::future::ready(Ok(reading)))
            }
            Way::Provided(_, provider) => provider.read(),
        }
    }

    fn last(&self) -> Option<Secret> {
        match &self.0 {
            Way::Held(secret) => Some(secret.clone()),
            Way::Provided(_, provider) => provider.last(),
        }
    }

    fn refused(&self, secret: &Secret) {
        if let Way::Provided(_, provider) = &self.0 {
            provider.refused(secret);
        }
    }
}

impl From<ClientSecret> for SecretHandle {
    fn from(configured: ClientSecret) -> Self {
        match configured {
            ClientSecret::Held(secret) => Self(Way::Held(secret)),
            ClientSecret::Exec(ref command) => {
                let (ttl, timeout) = (command.ttl, command.timeout);
                let provider = Arc::new(Cached::new(Exec::new(command.clone()), ttl, timeout));
                Self::provided(configured, provider)
            }
        }
    }
}

impl From<Secret> for SecretHandle {
    fn from(secret: Secret) -> Self {
        Self(Way::Held(secret))
    }
}

impl PartialEq for SecretHandle {
    fn eq(&self, other: &Self) -> bool {
        match &other.0 {
            Way::Held(secret) => matches!(&self.0, Way::Held(own) if own == secret),
            Way::Provided(configured, _) => self.is(configured),
        }
    }
}

impl Eq for SecretHandle {}
