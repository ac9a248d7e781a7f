//! `[tenant_templates.NAME]`: the settings of tenants that the vault has the credentials of.

use std::time::Duration;

use serde::Serialize;

use super::{
    quota::GivenQuota,
    show,
    tenant::{DEFAULT_MAX_IN_FLIGHT, UpstreamTls},
};
use crate::ids::{Label, TemplateName};

/// `[tenant_templates.NAME]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TenantTemplate {
    /// Its name; `None` of the defaults.
    #[serde(skip)]
    pub name: Option<TemplateName>,
    /// `labels`
    pub labels: Vec<Label>,
    /// `quota`; left out: by the endpoint, as of a tenant of the configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota: Option<GivenQuota>,
    /// `max_in_flight`
    pub max_in_flight: usize,
    /// `compression`; left out: by the endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compression: Option<bool>,
    /// `rotate`; left out: secrets are rotated only when somebody asks, or before they expire.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotate: Option<Rotate>,
    /// `tls`
    pub tls: UpstreamTls,
}

/// `rotate = { every = "30d", overlap = "1h" }`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Rotate {
    /// How old a secret becomes.
    #[serde(serialize_with = "show::duration")]
    pub every: Duration,
    /// How long the one before it works beside it.
    #[serde(serialize_with = "show::duration")]
    pub overlap: Duration,
}

impl Rotate {
    /// The default of `overlap`: as long as a token of Logto lives, so that whatever still asks with the old secret notices.
    pub const OVERLAP: Duration = Duration::from_hours(1);
}

/// As for a tenant of the configuration.
impl Default for TenantTemplate {
    fn default() -> Self {
        Self {
            name: None,
            labels: Vec::new(),
            quota: None,
            max_in_flight: DEFAULT_MAX_IN_FLIGHT,
            compression: None,
            rotate: None,
            tls: UpstreamTls::default(),
        }
    }
}

impl show::Named for TenantTemplate {
    fn name(&self) -> &str {
        self.name.as_ref().map_or("", TemplateName::as_str)
    }
}
