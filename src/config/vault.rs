//! `[vault]`: where the credentials are stored that no configuration file has.

use std::{path::PathBuf, time::Duration};

use serde::{Serialize, Serializer, ser::SerializeMap as _};

use super::{
    redis::RedisOptions,
    show::{self, Text},
    tenant::Roots,
};
use crate::secret::{Bearer, ClientSecret};

/// `[vault]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VaultOptions {
    /// `store`
    pub store: StoreOptions,
    /// `key`: the master key, of 32 bytes or more.
    pub key: ClientSecret,
    /// `relist`: how often a shared store is read whole.
    #[serde(serialize_with = "show::duration")]
    pub relist: Duration,
    /// `lease`: how long a replica that rotates may be silent.
    #[serde(serialize_with = "show::duration")]
    pub lease: Duration,
}

/// `vault.store`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreOptions {
    /// `{ file = … }`
    File(PathBuf),
    /// `{ redis = true }`, with `[redis]`.
    Redis(Box<RedisOptions>),
    /// `{ kubernetes = { … } }`
    Kubernetes(KubernetesOptions),
}

/// `vault.store.kubernetes`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KubernetesOptions {
    /// `namespace`
    pub namespace: String,
    /// `server`: scheme and authority; `None`: that of the cluster in which this process runs.
    pub server: Option<String>,
    /// `bearer`
    pub bearer: Bearer,
    /// `tls.roots`; `None`: the certificate authority that the pod was given.
    pub roots: Option<Roots>,
}

impl VaultOptions {
    /// The default of `relist`.
    pub const RELIST: Duration = Duration::from_mins(5);
    /// The default of `lease`.
    pub const LEASE: Duration = Duration::from_mins(1);

    /// The file, where it is one.
    pub fn file(&self) -> Option<&PathBuf> {
        match &self.store {
            StoreOptions::File(path) => Some(path),
            _ => None,
        }
    }
}

impl KubernetesOptions {
    /// What a pod is given.
    pub const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
}

impl Serialize for StoreOptions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(Some(1))?;
        match self {
            Self::File(path) => members.serialize_entry("file", &Text(path.display()))?,
            Self::Redis(_) => members.serialize_entry("redis", &true)?,
            Self::Kubernetes(options) => members.serialize_entry("kubernetes", options)?,
        }
        members.end()
    }
}
