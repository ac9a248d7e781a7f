//! `[tenants.NAME]`: where a tenant is, and the credentials for it.

use std::{path::PathBuf, sync::Arc};

use serde::{Serialize, Serializer};

use super::{
    endpoint::Endpoint,
    quota::{Quota, is_of_cloud},
    rotate::Rotate,
    show,
    words::ClientAuth,
};
use crate::{
    ids::{CallerName, Label, TenantName},
    secret::{ClientSecret, Secret},
};

/// `[tenants.NAME]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tenant {
    /// The alias.
    #[serde(skip)]
    pub name: TenantName,
    /// `labels`: by which grants may name it; in the order given, each once.
    pub labels: Vec<Label>,
    /// `endpoint`: scheme and authority, no path, no trailing slash: `https://acme.logto.app`.
    pub endpoint: Endpoint,
    /// `resource`: the API resource indicator (RFC 8707).
    pub resource: Arc<str>,
    /// `client_id` of the M2M application; empty of an account at Logto Cloud, which has none.
    pub client_id: Arc<str>,
    /// `client_secret`: one, or two in overlap during a rotation, the new one first.
    #[serde(rename = "client_secret")]
    pub client_secrets: Vec<ClientSecret>,
    /// `client_auth`: how the credentials are sent.
    pub client_auth: ClientAuth,
    /// `scopes`: in the order given, without repetition.
    pub scopes: Vec<String>,
    /// `resources`: what the broker may hand out tokens for beside `resource`; each once.
    pub resources: Vec<Resource>,
    /// `organization_id`
    pub organization_id: Option<String>,
    /// `parameters`: further members of the token request.
    #[serde(serialize_with = "show::names_alone")]
    pub parameters: Vec<(String, String)>,
    /// `quota`: what the tenant allows us.
    #[serde(serialize_with = "show::or_off")]
    pub quota: Option<Quota>,
    /// `max_in_flight`: requests to this tenant's upstream at one time.
    pub max_in_flight: usize,
    /// `compression`: ask for compressed answers.
    pub compression: bool,
    /// `tls`
    pub tls: UpstreamTls,
    /// `rotate`: how often its client secret is replaced; the new one is kept in the vault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotate: Option<Rotate>,
    /// Of a tenant of the vault: the caller that had it created, if one had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<CallerName>,
}

/// A further API resource of a tenant, with the scopes that a token for it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Resource {
    /// The API resource indicator.
    pub resource: String,
    /// In the order given, without repetition.
    pub scopes: Vec<String>,
}

impl Tenant {
    /// Whether it is no tenant but an account at Logto Cloud: its secret is the token itself.
    pub fn is_account(&self) -> bool {
        self.client_id.is_empty()
    }

    /// Whether it is on Logto Cloud: by its resource, as its endpoint may be a domain of its own.
    pub fn is_on_cloud(&self) -> bool {
        is_of_cloud(&self.resource)
    }
}

impl show::Named for Tenant {
    fn name(&self) -> &str {
        self.name.as_str()
    }
}

/// `[tenants.NAME.tls]`
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct UpstreamTls {
    /// `roots`
    pub roots: Roots,
    /// `http2`: offer HTTP/2 by ALPN.
    pub http2: bool,
}

/// Which certificate authorities are trusted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Roots {
    /// `"system"`: the system's store, and the bundled one where there is none.
    System,
    /// `"bundled"`: Mozilla's, as compiled in.
    Bundled,
    /// `{ file = "ca.pem" }`: these alone.
    File {
        /// The path, for messages.
        path: PathBuf,
        /// The file's PEM text as read: a changed file is a changed configuration.
        pem: Vec<u8>,
    },
}

impl Serialize for Roots {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::System => serializer.serialize_str("system"),
            Self::Bundled => serializer.serialize_str("bundled"),
            Self::File { path, pem: _ } => show::file(path, serializer),
        }
    }
}

impl Default for UpstreamTls {
    fn default() -> Self {
        Self { roots: Roots::System, http2: false }
    }
}

/// What to say of an id and a secret that [`look_swapped`].
pub const SWAPPED: &str =
    "`client_id` and `client_secret` look swapped: at Logto an App ID has 21 characters, an App secret 32.";

/// Whether an id is as long as Logto's secrets, and its secret as long as Logto's ids.
pub fn look_swapped(id: &str, secret: &Secret) -> bool {
    (id.len(), secret.expose().len()) == (32, 21)
}

/// The default of `max_in_flight`: Logto has 20 database connections a tenant, and takes two for a page of a list (fact 8.5).
pub const DEFAULT_MAX_IN_FLIGHT: usize = 10;
