//! The tenants of the vault beside those of the configuration, which wins where both have an alias: a file that somebody
//! wrote is what they look at when something is wrong.

use std::{collections::BTreeMap, sync::Arc, time::SystemTime};

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
        let tenant = Arc::new(tenant(&record, config));
        let is_new = is_in_force(&record, config);
        self.0.insert(record.alias.clone(), (Arc::new(record), tenant.clone()));
        is_new.then_some(tenant)
    }

    /// Forgets a record; what becomes of its tenant.
    pub fn remove(&mut self, alias: &TenantName, config: &Config) -> Removed {
        let Some((record, _)) = self.0.remove(alias) else { return Removed::Nothing };
        match configured(config, alias) {
            _ if !is_in_force(&record, config) => Removed::Nothing,
            Some(own) => Removed::Configured(own.clone()),
            None => Removed::Gone,
        }
    }

    /// The same with the templates of another configuration. Tenants that stay the same stay one.
    #[must_use]
    pub fn under(&self, config: &Config) -> Self {
        let same = self.0.iter().map(|(alias, (record, before))| {
            let now = tenant(record, config);
            let tenant = if now == **before { before.clone() } else { Arc::new(now) };
            (alias.clone(), (record.clone(), tenant))
        });
        Self(same.collect())
    }

    /// `config` with these tenants beside its own.
    pub fn beside(&self, config: &Config) -> Config {
        let ours = self.0.values().filter(|(record, _)| configured(config, &record.alias).is_none());
        let ours = ours.filter(|(record, _)| is_in_force(record, config)).map(|(_, tenant)| tenant);
        let own = config.tenants.iter().map(|own| match self.0.get(&own.name) {
            Some((record, tenant)) if record.replaces(own) => tenant,
            _ => own,
        });
        let mut tenants: Vec<_> = own.chain(ours).cloned().collect();
        tenants.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Config { tenants, ..config.clone() }
    }

    /// What is odd about the records under this configuration, `now`: sentences for the operator.
    pub fn concerns(&self, config: &Config, now: SystemTime) -> Vec<String> {
        let mut concerns = Vec::new();
        for (alias, (record, _)) in &self.0 {
            if record.creating.is_some() {
                // One that may be under way is nobody's concern.
                let age = now.duration_since(record.created_at).unwrap_or_default();
                let is_under_way = record.is_open_note() && !record.is_unanswered_note();
                if is_under_way && age < config.timeouts.deadline * 2 {
                    continue;
                }
                concerns.push(format!(
                    "the creation of the tenant {alias} was cut off, and it may exist at Logto Cloud without a credential here: \
                     claviger tenant show {alias}"
                ));
                continue;
            }
            let own = configured(config, alias);
            if own.is_some_and(|own| record.replaces(own)) {
                concerns.push(format!(
                    "tenants.{alias}.client_secret: the secret of the vault comes first, as Claviger replaces it; the one that is \
                     configured is tried where Logto refuses that"
                ));
            } else if record.configured {
                concerns.push(format!(
                    "tenants.{alias}: the vault has a client secret for it that is not used, as endpoint or client_id are others now. \
                     Take it out: claviger tenant remove {alias}"
                ));
            } else if own.is_some() {
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
        concerns.extend(self.shared(config));
        concerns
    }

    /// Applications that several tenants are, one of them at least of the vault: none of their secrets is replaced.
    fn shared(&self, config: &Config) -> Vec<String> {
        let mut users = BTreeMap::<_, Vec<_>>::new();
        let all = self.beside(config).tenants;
        for tenant in &all {
            let application = (tenant.endpoint.to_string(), tenant.client_id.clone());
            users.entry(application).or_default().push(&tenant.name);
        }
        let several = users
            .into_iter()
            .filter(|(_, names)| names.len() > 1 && names.iter().any(|name| self.0.contains_key(*name)));
        let said = several.map(|((endpoint, client_id), names)| {
            format!(
                "the tenants {} are one application, {client_id} at {endpoint}: none of them is rotated. Give each its own, or take \
                 one out: claviger tenant remove",
                names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ")
            )
        });
        said.collect()
    }

    /// The records.
    pub fn records(&self) -> impl Iterator<Item = &Arc<Record>> {
        self.0.values().map(|(record, _)| record)
    }
}

/// What becomes of a tenant whose record is gone.
#[derive(Debug, PartialEq)]
pub enum Removed {
    /// It was not in force.
    Nothing,
    /// There is none any more.
    Gone,
    /// The configuration has it, with the secret that stands there.
    Configured(Arc<Tenant>),
}

/// The tenant that comes of a record.
fn tenant(record: &Record, config: &Config) -> Tenant {
    match configured(config, &record.alias) {
        Some(own) if record.replaces(own) => record.replacing(own),
        _ => record.tenant(config),
    }
}

fn is_in_force(record: &Record, config: &Config) -> bool {
    match configured(config, &record.alias) {
        Some(own) => record.replaces(own),
        None => record.creating.is_none() && !record.configured,
    }
}

/// `config.tenants` are in order of name.
fn configured<'c>(config: &'c Config, alias: &TenantName) -> Option<&'c Arc<Tenant>> {
    let found = config.tenants.binary_search_by(|tenant| tenant.name.cmp(alias));
    found.ok().map(|at| &config.tenants[at])
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        config::TenantTemplate,
        ids::{Label, TemplateName},
        vault::record::{Creating, tests::record},
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
        assert!(
            vault.concerns(&config, SystemTime::UNIX_EPOCH)[0]
                .starts_with("tenants.acme: the vault has a tenant of this name")
        );

        let bare = Config { tenants: vec![own], ..Config::default() };
        let under = vault.under(&bare);
        assert_eq!(under.beside(&bare).tenants[1].labels.len(), 1, "no label of a template that is gone");
        assert!(under.concerns(&bare, SystemTime::UNIX_EPOCH)[1].contains("no tenant_templates.customer"));
        assert!(vault.put(record("acme", "again"), &config).is_none(), "it would not be in force");
        assert_eq!(vault.remove(&TenantName::parse("acme").unwrap(), &config), Removed::Nothing);
        assert_eq!(vault.remove(&TenantName::parse("beta").unwrap(), &config), Removed::Gone);
    }

    #[test]
    fn the_note_of_a_creation_is_a_concern_when_nothing_can_be_under_way_any_more() {
        let config = Config::default();
        let creating =
            Creating { account: TenantName::parse("default").unwrap(), name: None, is_unanswered: false };
        let note = Record { creating: Some(creating.clone()), secrets: Vec::new(), ..record("acme", "s") };
        let concerned = |note: &Record, seconds: u64| {
            let now = note.created_at + Duration::from_secs(seconds);
            !VaultTenants::new([note.clone()], &config).concerns(&config, now).is_empty()
        };
        let old = config.timeouts.deadline.as_secs() * 2;
        assert_eq!((concerned(&note, 0), concerned(&note, old - 1)), (false, false));
        assert!(concerned(&note, old));
        let unanswered = Creating { is_unanswered: true, ..creating };
        assert!(concerned(&Record { creating: Some(unanswered), ..note.clone() }, 0));
        assert!(concerned(&Record { tenant_id: Some("abc123".into()), ..note }, 0), "it exists");
    }

    #[test]
    fn the_replaced_secret_of_a_configured_tenant_comes_before_the_one_that_is_written() {
        let own = Arc::new(record("acme", "written").tenant(&Config::default()));
        let config = Config { tenants: vec![own.clone()], ..Config::default() };
        let replaced = Record { configured: true, ..record("acme", "replaced") };
        let mut vault = VaultTenants::new([replaced.clone()], &config);
        let secrets = |tenant: &Tenant| {
            let held = tenant.client_secrets.iter().filter_map(crate::secret::ClientSecret::held);
            held.map(|it| String::from_utf8(it.expose().to_vec()).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(secrets(&vault.beside(&config).tenants[0]), ["replaced", "written"]);
        assert!(
            vault.concerns(&config, SystemTime::UNIX_EPOCH)[0]
                .contains("the secret of the vault comes first")
        );
        assert_eq!(vault.remove(&own.name, &config), Removed::Configured(own.clone()));
        // The key names another application now.
        let other = Config {
            tenants: vec![Arc::new(Tenant { client_id: "other".into(), ..(*own).clone() })],
            ..Config::default()
        };
        let mut vault = VaultTenants::new([replaced.clone()], &other);
        assert_eq!(secrets(&vault.beside(&other).tenants[0]), ["written"]);
        assert!(vault.concerns(&other, SystemTime::UNIX_EPOCH)[0].contains("that is not used"));
        assert!(vault.put(replaced.clone(), &other).is_none());
        // Without its table the tenant is gone, whatever the vault has.
        let none = Config::default();
        let mut vault = VaultTenants::new([replaced.clone()], &none);
        assert!(vault.beside(&none).tenants.is_empty() && vault.put(replaced, &none).is_none());
    }
}
