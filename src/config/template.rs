//! `[tenant_templates.NAME]`: the settings of tenants that the vault has the credentials of.

use serde::Serialize;

use super::{
    quota::GivenQuota,
    rotate::Rotate,
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
