//! Takes a credential that exists at Logto into the vault: parsed, proved by a grant, stored. The same for the command line
//! and the admin listener.

use std::{fmt::Display, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};
use zeroize::Zeroizing;

use super::{
    build::{Shared, Unproved},
    pipeline::Pipeline,
};
use crate::{
    config::{Config, Endpoint},
    ids::{Label, OPERATOR, TemplateName, TenantName},
    observe::audit::TenantRecord,
    secret::Secret,
    vault::{Holder, Record, Stored, Unavailable, VaultError, fault_point},
};

/// How long somebody else may be at the same alias, who waits for a token of Logto's; and how often it is looked for.
const UNDERWAY: Duration = Duration::from_secs(15);
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// What the audit log calls a tenant whose alias is none, or that has none yet.
const UNNAMED: &str = "unnamed";

/// What is said of a tenant, as it came.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adoption {
    /// The alias.
    pub alias: String,
    /// Logto's ID of the tenant.
    pub tenant_id: Option<String>,
    /// Left out: that of the tenant on Logto Cloud.
    pub endpoint: Option<String>,
    /// Left out: the endpoint's own.
    pub resource: Option<String>,
    /// The App ID.
    pub client_id: String,
    /// The App secret.
    pub client_secret: Zeroizing<String>,
    /// `[tenant_templates.NAME]`
    pub template: Option<String>,
    /// Labels beside those of the template.
    #[serde(default)]
    pub labels: Vec<String>,
}

/// What came of an adoption that may have been done before.
#[derive(Debug)]
pub enum Adopted {
    /// It was done now.
    Now(Stored),
    /// It was done before: nothing was changed, and Logto was asked for nothing.
    Before(Stored),
}

/// Why a tenant is not adopted. Nothing is stored then.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// It is not said rightly.
    #[error("{0}")]
    Said(String),
    /// The vault cannot take it.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The vault has another tenant of this alias.
    #[error("the vault has a tenant {alias} already, with another {what}; it stays as it is")]
    Differs {
        /// The alias.
        alias: TenantName,
        /// What is not the same.
        what: &'static str,
    },
    /// The credential does not work.
    #[error("the credential could not be verified, so it is not stored: {0}")]
    Unproved(#[from] Unproved),
}

impl AdoptError {
    /// What to do about it: a sentence, or nothing.
    pub fn remedy(&self) -> &str {
        match self {
            Self::Said(_) => "",
            Self::Vault(error) => error.remedy(),
            Self::Differs { .. } => "Remove that one first, or leave this one out.",
            Self::Unproved(error) => error.remedy(),
        }
    }
}

/// Like all that [`AdoptError::Said`] holds, without a full stop.
/// Templates that an error names.
const MOST_SHOWN: usize = 20;
const NOWHERE: &str = "nothing says where the tenant is. Give its endpoint, or for Logto Cloud its tenant ID";

impl Adoption {
    fn record(self, config: &Config, now: std::time::SystemTime) -> Result<Record, AdoptError> {
        let said = |what: String| AdoptError::Said(what);
        let alias = alias(&self.alias)?;
        let endpoint = match (&self.endpoint, &self.tenant_id) {
            (Some(endpoint), _) => endpoint.clone(),
            (None, Some(id)) => format!("https://{id}.logto.app"),
            (None, None) => return Err(said(NOWHERE.into())),
        };
        let endpoint = Endpoint::parse(&endpoint)
            .map_err(|error| said(format!("{error}. {}", error.remedy.trim_end_matches('.'))))?;
        let template = self.template.as_deref().map(|name| {
            let known = || config.tenant_templates.iter().filter_map(|template| template.name.as_ref());
            let found = known().find(|known| known.as_str() == name).cloned();
            found.ok_or_else(|| {
                let known: Vec<_> = known().take(MOST_SHOWN).map(TemplateName::as_str).collect();
                let there = match &known[..] {
                    [] => "write [tenant_templates.NAME]".to_owned(),
                    known => format!("there are: {}", known.join(", ")),
                };
                said(format!("there is no such template; {there}"))
            })
        });
        let template: Option<TemplateName> = template.transpose()?;
        let labels = self.labels.iter().map(|label| Label::parse(label)).collect::<Result<_, _>>();
        let (client_id, secret) = (self.client_id.trim(), self.client_secret.trim_end_matches(['\n', '\r']));
        if client_id.is_empty() || !client_id.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(said("the client ID is empty, or holds characters other than visible ASCII".into()));
        }
        let resource = self.resource.clone().unwrap_or_else(|| endpoint.own_resource());
        let secret = Secret::new(secret.as_bytes().to_vec());
        let record = Record::new(alias, endpoint, resource.into(), client_id.into(), secret, OPERATOR, now);
        let labels = labels.map_err(|error| said(format!("a label is a name: {error}")))?;
        Ok(Record { tenant_id: self.tenant_id, template, labels, ..record })
    }
}

/// The alias that a text is.
///
/// # Errors
/// [`AdoptError::Said`]
pub fn alias(text: &str) -> Result<TenantName, AdoptError> {
    TenantName::parse(text).map_err(|error| AdoptError::Said(format!("this is not a valid alias: {error}")))
}

impl Shared {
    /// Adopts a tenant: its alias is free, its credential works, it is stored, and it is in force.
    ///
    /// # Errors
    /// [`AdoptError`]: nothing is stored.
    pub async fn adopt(&self, pipeline: &Pipeline, adoption: Adoption) -> Result<Stored, AdoptError> {
        let (config, alias): (Arc<Config>, _) = (pipeline.config(), adoption.alias.clone());
        let adopting = async {
            let record = adoption.record(&config, self.clock.now().wall)?;
            self.take_in(pipeline, &config, record).await
        };
        let adopted = adopting.await;
        self.audit_of_operator(&alias, "adopt", adopted.as_ref().err());
        adopted
    }

    /// The same where it may have been done before, as by an import that was cut off.
    ///
    /// # Errors
    /// [`AdoptError`]: nothing is stored.
    pub async fn adopt_once(&self, pipeline: &Pipeline, adoption: Adoption) -> Result<Adopted, AdoptError> {
        let alias = adoption.alias.clone();
        let adopted = self.adopted_once(pipeline, adoption).await;
        if !matches!(adopted, Ok(Adopted::Before(_))) {
            self.audit_of_operator(&alias, "adopt", adopted.as_ref().err());
        }
        adopted
    }

    /// Forgets a tenant's credential; at Logto nothing changes.
    ///
    /// # Errors
    /// [`VaultError`]
    pub async fn remove(&self, alias: &TenantName) -> Result<(), VaultError> {
        let removing = async {
            let vault = self.vault.as_ref().ok_or_else(Unavailable::not_configured)?;
            let stored = vault.get(alias).await?.ok_or_else(|| VaultError::Unknown(alias.clone()))?;
            vault.remove(alias, stored.version).await
        };
        let removed = removing.await;
        self.audit_of_operator(alias.as_str(), "remove", removed.as_ref().err());
        removed
    }

    /// What the operator did with the tenant of this alias, or why not, goes into the audit log.
    pub fn audit_of_operator(&self, alias: &str, action: &'static str, error: Option<&impl Display>) {
        let Some(audit) = &self.audit else { return };
        let Ok(alias) = TenantName::parse(alias).or_else(|_| TenantName::parse(UNNAMED)) else { return };
        let outcome = if error.is_some() { "failed" } else { "done" };
        let (now, error) = (self.clock.now().wall, error.map(ToString::to_string));
        audit.tenant(TenantRecord::new(now, alias, action, OPERATOR, outcome, error));
    }

    async fn adopted_once(&self, pipeline: &Pipeline, adoption: Adoption) -> Result<Adopted, AdoptError> {
        let config: Arc<Config> = pipeline.config();
        let record = adoption.record(&config, self.clock.now().wall)?;
        let (until, mut found) = (Instant::now() + UNDERWAY, false);
        loop {
            let done = self.adopt_or_compare(pipeline, &config, &record).await;
            // Somebody else is at the same, as an import that is given twice: what that stores is compared like all that is there.
            match done {
                Err(AdoptError::Vault(VaultError::AliasTaken { by: Holder::Underway, .. }))
                    if Instant::now() < until =>
                {
                    sleep(LOOK_AGAIN).await;
                }
                Err(AdoptError::Vault(VaultError::AliasTaken { by: Holder::Vault, .. })) if !found => {
                    found = true;
                }
                done => return done,
            }
        }
    }

    async fn adopt_or_compare(
        &self,
        pipeline: &Pipeline,
        config: &Arc<Config>,
        record: &Record,
    ) -> Result<Adopted, AdoptError> {
        let vault = self.vault.as_ref().ok_or_else(|| VaultError::from(Unavailable::not_configured()))?;
        let there = vault.get(&record.alias).await?;
        let Some(stored) = there.filter(|stored| stored.record.creating.is_none()) else {
            return Ok(Adopted::Now(self.take_in(pipeline, config, record.clone()).await?));
        };
        match difference(&stored.record, record) {
            None => Ok(Adopted::Before(stored)),
            Some(what) => Err(AdoptError::Differs { alias: record.alias.clone(), what }),
        }
    }

    async fn take_in(
        &self,
        pipeline: &Pipeline,
        config: &Arc<Config>,
        record: Record,
    ) -> Result<Stored, AdoptError> {
        // The note of a creation that was cut off makes way when the credential is stored, and not before: it says what there is to adopt.
        let reservation = self.reserve_to_adopt(pipeline, record.alias.clone()).await?;
        self.prove(config, &record.tenant(config)).await?;
        fault_point("adopt.proved");
        let version = reservation.store(record.clone()).await?;
        fault_point("adopt.stored");
        Ok(Stored { record, version })
    }
}

/// What of a tenant that is said again is not as it is stored. What Claviger may have changed since counts as the same.
fn difference(stored: &Record, said: &Record) -> Option<&'static str> {
    let said_secret = said.secrets.first().map(|secret| &secret.value);
    let knows_secret = stored.all_secrets().any(|known| Some(known) == said_secret);
    let differences = [
        ("endpoint", stored.endpoint != said.endpoint),
        ("resource", stored.resource != said.resource),
        ("client ID", stored.client_id != said.client_id),
        ("tenant ID", said.tenant_id.is_some() && stored.tenant_id != said.tenant_id),
        ("template", stored.template != said.template),
        ("list of labels", stored.labels != said.labels),
        ("client secret", !knows_secret && stored.rotation.last.is_none()),
    ];
    differences.into_iter().find(|(_, differs)| *differs).map(|(what, _)| what)
}
