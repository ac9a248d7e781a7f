//! A Secret and lists of them, as the API server writes them: what is needed of it.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde::{Deserialize, Serialize};

use super::name;
use crate::{ids::TenantName, vault::store::Version};

/// The one member of `data`.
const MEMBER: &str = "record";
/// By which records are found.
const LABELS: [(&str, &str); 2] =
    [("app.kubernetes.io/managed-by", "claviger"), ("app.kubernetes.io/component", "vault")];

/// A Secret (core/v1).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Secret {
    #[serde(rename = "apiVersion", default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    metadata: Metadata,
    #[serde(rename = "type", default)]
    kind_of_secret: String,
    #[serde(default)]
    data: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resource_version: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
}

/// A page of a list.
#[derive(Debug, Deserialize)]
pub(super) struct List {
    #[serde(default)]
    pub(super) metadata: Page,
    #[serde(default)]
    pub(super) items: Vec<Secret>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page {
    #[serde(default)]
    pub(super) resource_version: String,
    #[serde(rename = "continue", default)]
    rest: String,
}

/// A line of a watch.
#[derive(Debug, Deserialize)]
pub(super) struct Event {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) object: EventObject,
}

/// What an event is about: of a Secret its name and version, of an error (meta/v1 Status) its number.
#[derive(Debug, Default, Deserialize)]
pub(super) struct EventObject {
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    pub(super) code: Option<u16>,
}

/// What records are found by, as a query parameter.
pub(super) fn selector() -> String {
    LABELS.map(|(name, value)| format!("{name}={value}")).join(",")
}

impl Secret {
    /// Of a tenant.
    pub(super) fn record(alias: &TenantName, sealed: &[u8]) -> Self {
        let labels = LABELS.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self::new(name::of(alias), labels.into(), sealed)
    }

    /// With the proof of the key. It is no record, and has another component.
    pub(super) fn proof(proof: &[u8]) -> Self {
        let [by, (component, _)] = LABELS;
        let labels = [by, (component, "vault-key")];
        Self::new(
            name::PROOF.into(),
            labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            proof,
        )
    }

    fn new(name: String, labels: BTreeMap<String, String>, sealed: &[u8]) -> Self {
        Self {
            api_version: "v1".into(),
            kind: "Secret".into(),
            metadata: Metadata { name, resource_version: None, labels },
            kind_of_secret: "Opaque".into(),
            data: [(MEMBER.to_owned(), BASE64.encode(sealed))].into(),
        }
    }

    /// The same, to be put in the place of the one of this version and no other.
    pub(super) fn of(mut self, Version(version): Version) -> Self {
        self.metadata.resource_version = Some(version.to_string());
        self
    }

    pub(super) fn name(&self) -> &str {
        &self.metadata.name
    }

    pub(super) fn alias(&self) -> Option<TenantName> {
        name::alias(&self.metadata.name)
    }

    /// `None` where the API server counts otherwise than all do that are known.
    pub(super) fn version(&self) -> Option<Version> {
        self.metadata.resource_version.as_ref()?.parse().ok().map(Version)
    }

    pub(super) fn sealed(&self) -> Option<Vec<u8>> {
        BASE64.decode(self.data.get(MEMBER)?).ok()
    }
}

impl Page {
    /// Where the next page begins.
    pub(super) fn rest(self) -> Option<String> {
        Some(self.rest).filter(|rest| !rest.is_empty())
    }
}

impl EventObject {
    pub(super) fn alias(&self) -> Option<TenantName> {
        name::alias(&self.metadata.name)
    }

    pub(super) fn version(&self) -> Option<&str> {
        self.metadata.resource_version.as_deref()
    }
}
