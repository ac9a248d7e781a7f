//! The tenants of the vault beside those of the configuration, which wins where both have an alias: a file that somebody
//! wrote is what they look at when something is wrong.

use std::{collections::BTreeMap, sync::Arc};

use super::record::Record;
use crate::{
    config::{Config, Tenant},
    ids::TenantName,
};

/// The records that are known, each with the tenant that comes of it.
#[derive(Debug, Clone, Default)]
pub struct VaultTenants(BTreeMap<TenantName, (Arc<Record>, Arc<Tenant>)>);

impl VaultTenants {
    /// Of these records, with the templates of `config`.
    pub fn new(records: impl IntoIterator<Item = Record>, config: &Config) -> Self {
        let mut tenants = Self::default();
        for record in records {
            tenants.put(record, config);
        }
        tenants
    }

    /// Takes a record up; returns its tenant, if it is to be in force.
    pub fn put(&mut self, record: Record, config: &Config) -> Option<Arc<Tenant>> {
        let tenant = Arc::new(record.tenant(config));
        let is_new = !is_configured(config, &record.alias);
        self.0.insert(record.alias.clone(), (Arc::new(record), tenant.clone()));
        is_new.then_some(tenant)
    }

    /// Forgets a record; whether its tenant was in force.
    pub fn remove(&mut self, alias: &TenantName, config: &Config) -> bool {
        self.0.remove(alias).is_some() && !is_configured(config, alias)
    }

    /// The same with the templates of another configuration. Tenants that stay the same stay one.
    #[must_use]
    pub fn under(&self, config: &Config) -> Self {
        let same = self.0.iter().map(|(alias, (record, before))| {
            let now = record.tenant(config);
            let tenant = if now == **before { before.clone() } else { Arc::new(now) };
            (alias.clone(), (record.clone(), tenant))
        });
        Self(same.collect())
    }

    /// `config` with these tenants beside its own.
    pub fn beside(&self, config: &Config) -> Config {
        let ours = self.0.values().map(|(_, tenant)| tenant);
        let ours = ours.filter(|tenant| !is_configured(config, &tenant.name));
        let mut tenants: Vec<_> = config.tenants.iter().chain(ours).cloned().collect();
        tenants.sort_by(|one, other| one.name.cmp(&other.name));
        Config { tenants, ..config.clone() }
    }

    /// What is odd about the records under this configuration: sentences for the operator.
    pub fn concerns(&self, config: &Config) -> Vec<String> {
        let mut concerns = Vec::new();
        for (alias, (record, _)) in &self.0 {
            if is_configured(config, alias) {
                concerns.push(format!(
                    "tenants.{alias}: the vault has a tenant of this name too; the configuration wins. Take one of them out: \
                     claviger tenant remove {alias}"
                ));
            }
            if let (Some(name), None) = (&record.template, record.template_in(config)) {
                concerns.push(format!(
                    "the tenant {alias} of the vault has no settings and no labels: there is no tenant_templates.{name}. Write it."
                ));
            }
        }
        concerns
    }

    /// The records.
    pub fn records(&self) -> impl Iterator<Item = &Arc<Record>> {
        self.0.values().map(|(record, _)| record)
    }
}

/// `config.tenants` are in order of name.
fn is_configured(config: &Config, alias: &TenantName) -> bool {
    config.tenants.binary_search_by(|tenant| tenant.name.cmp(alias)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::TenantTemplate,
        ids::{Label, TemplateName},
        vault::record::tests::record,
    };

    #[test]
    fn the_configuration_wins_and_a_template_gives_the_settings() {
        let customer = TemplateName::parse("customer").unwrap();
        let mut template = TenantTemplate { name: Some(customer.clone()), ..TenantTemplate::default() };
        template.labels = vec![Label::parse("customer").unwrap()];
        template.max_in_flight = 3;
        let own = Arc::new(record("acme", "configured").tenant(&Config::default()));
        let config =
            Config { tenants: vec![own.clone()], tenant_templates: vec![template], ..Config::default() };
        let mut templated = record("beta", "s");
        templated.template = Some(customer);
        templated.labels = vec![Label::parse("eu").unwrap()];
        let mut vault = VaultTenants::new([record("acme", "vaulted"), templated.clone()], &config);
        let both = vault.beside(&config);
        assert!(Arc::ptr_eq(&both.tenants[0], &own) && both.tenants.len() == 2);
        let beta = &both.tenants[1];
        assert_eq!((beta.max_in_flight, beta.quota.is_some()), (3, true));
        assert_eq!(beta.labels.iter().map(Label::as_str).collect::<Vec<_>>(), ["customer", "eu"]);
        assert!(vault.concerns(&config)[0].starts_with("tenants.acme: the vault has a tenant of this name"));

        let bare = Config { tenants: vec![own], ..Config::default() };
        let under = vault.under(&bare);
        assert_eq!(under.beside(&bare).tenants[1].labels.len(), 1, "no label of a template that is gone");
        assert!(under.concerns(&bare)[1].contains("no tenant_templates.customer"));
        assert!(vault.put(record("acme", "again"), &config).is_none(), "it would not be in force");
        assert!(!vault.remove(&TenantName::parse("acme").unwrap(), &config));
        assert!(vault.remove(&TenantName::parse("beta").unwrap(), &config));
    }
}
