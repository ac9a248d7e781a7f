//! From a record to the tenant that requests are sent to: its settings come from its template, and where that says nothing
//! from its endpoint, as for a tenant of the configuration.

use super::record::Record;
use crate::{
    config::{ClientAuth, Config, GivenQuota, Tenant, TenantTemplate},
    ids::Label,
    secret::ClientSecret,
};

impl Record {
    /// The template of the record, where the configuration has it.
    pub fn template_in<'c>(&self, config: &'c Config) -> Option<&'c TenantTemplate> {
        let name = self.template.as_ref()?;
        config.tenant_templates.iter().find(|template| template.name.as_ref() == Some(name))
    }

    /// The tenant, as `config` would have it. Without its template it has no label but its own, so that grants by label do
    /// not reach it by mistake.
    pub fn tenant(&self, config: &Config) -> Tenant {
        let template = self.template_in(config).cloned().unwrap_or_default();
        let mut labels: Vec<Label> = template.labels;
        for own in &self.labels {
            if !labels.contains(own) {
                labels.push(own.clone());
            }
        }
        Tenant {
            name: self.alias.clone(),
            labels,
            endpoint: self.endpoint.clone(),
            resource: self.resource.clone(),
            client_id: self.client_id.clone(),
            client_secrets: self.secrets.iter().map(|it| ClientSecret::Held(it.value.clone())).collect(),
            client_auth: ClientAuth::Basic,
            scopes: vec!["all".into()],
            resources: Vec::new(),
            organization_id: None,
            parameters: Vec::new(),
            quota: GivenQuota::of(template.quota, &self.resource),
            max_in_flight: template.max_in_flight,
            compression: template.compression.unwrap_or_else(|| self.endpoint.compresses()),
            tls: template.tls,
            rotate: None,
            created_by: self.creator(),
        }
    }
}
