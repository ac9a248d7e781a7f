//! From a record to the tenant that requests are sent to: its settings come from its template, and where that says nothing
//! from its endpoint, as for a tenant of the configuration.

use serde_json::{Value, json};

use super::{record::Record, store::Stored};
use crate::{
    config::{ClientAuth, Config, GivenQuota, Tenant, TenantTemplate},
    ids::Label,
    secret::ClientSecret,
};

impl Stored {
    /// As whoever asks for the tenant is shown it: without its secrets, and with the labels that its template gives it.
    pub fn shown(&self, config: &Config) -> Value {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        let template = self.record.template_in(config);
        value["template_labels"] = json!(template.map(|template| &template.labels[..]).unwrap_or_default());
        value
    }

    /// Says in what is shown of it that no caller of `config` may name the tenant, where that is so: a misspelt label is easily overlooked.
    pub fn show_callers(&self, config: &Config, shown: &mut Value) {
        let tenant = self.record.tenant(config);
        if !config.callers.iter().any(|caller| caller.tenants.matches(&caller.name, &tenant)) {
            shown["no_caller"] = true.into();
        }
    }
}

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
