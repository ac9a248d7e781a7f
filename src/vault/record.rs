//! What the vault keeps of a tenant. Plain values, parsed before they get here; only the secrets cannot be printed.

use std::{sync::Arc, time::SystemTime};

use serde::Serialize;

use crate::{
    config::{Cloud, Endpoint, Tenant},
    ids::{CallerName, Label, OPERATOR, TemplateName, TenantName},
    secret::{ClientSecret, Secret},
};

/// A tenant's credential, and where it came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Record {
    /// The name that callers know the tenant by.
    pub alias: TenantName,
    /// Logto's own ID of it, where known.
    pub tenant_id: Option<String>,
    /// Scheme and authority.
    pub endpoint: Endpoint,
    /// The API resource indicator that tokens are asked for (RFC 8707).
    pub resource: Arc<str>,
    /// The App ID of the machine-to-machine application.
    pub client_id: Arc<str>,
    /// Its secrets, the one to use first: one, or two in the overlap of a rotation.
    pub secrets: Vec<StoredSecret>,
    /// `[tenant_templates.NAME]`, from which its settings come; `None`: defaults alone.
    pub template: Option<TemplateName>,
    /// Labels beside those of the template.
    pub labels: Vec<Label>,
    /// When the record was made. Kept in whole seconds, as all times here.
    #[serde(serialize_with = "shown")]
    pub created_at: SystemTime,
    /// The caller that had the tenant created, or "operator" of one that was adopted.
    pub created_by: String,
    /// How far a rotation has come.
    pub rotation: Rotation,
    /// The tenant is one of the configuration, which has all but the secret: that one Claviger replaces.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub configured: bool,
    /// Of a note of a creation under way: there is no credential yet, and no tenant in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creating: Option<Creating>,
}

/// A creation that was begun. Noted before anything is sent, so that whoever finds the note knows what may exist at Logto
/// Cloud without a credential here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Creating {
    /// The account at Logto Cloud.
    pub account: TenantName,
    /// What the tenant is to be called there, where the request says so.
    pub name: Option<String>,
    /// Whether it was sent and got no answer: its process waits no longer.
    pub is_unanswered: bool,
}

/// One secret of the application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StoredSecret {
    /// The value.
    #[serde(skip)]
    pub value: Secret,
    /// Its name at Logto, where known: by which it is deleted.
    pub name: Option<String>,
    /// Since when Claviger has it.
    #[serde(serialize_with = "shown")]
    pub since: SystemTime,
    /// When Logto ceases to take it.
    #[serde(serialize_with = "shown_if_any")]
    pub expires_at: Option<SystemTime>,
}

/// How far a rotation has come.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Rotation {
    /// When the last one switched to another secret.
    #[serde(serialize_with = "shown_if_any")]
    pub last: Option<SystemTime>,
    /// The one that is under way.
    pub step: Option<Step>,
    /// Who goes on with it, where several processes might.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
}

/// That one of several processes goes on with a rotation. It holds while the record changes: who sees the same version for
/// as long as `vault.lease` by a clock of its own takes over. No two clocks are compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lease {
    /// Which process: a random name of its own.
    pub holder: String,
}

/// A rotation under way. Each step is stored before the next is begun, so that whoever finds it knows what may have
/// happened at Logto since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// A secret of this name is to be made at Logto; perhaps it is there.
    Create {
        /// Its name.
        name: String,
    },
    /// It is there and not yet proved by a grant.
    Prove(StoredSecret),
    /// It is the first of `secrets`; the one before it is to be deleted at Logto then.
    Retire {
        /// When.
        #[serde(serialize_with = "shown")]
        at: SystemTime,
    },
}

impl Record {
    /// A record with one secret that Claviger has since `now`.
    pub fn new(
        alias: TenantName,
        endpoint: Endpoint,
        resource: Arc<str>,
        client_id: Arc<str>,
        secret: Secret,
        created_by: impl Into<String>,
        now: SystemTime,
    ) -> Self {
        Self {
            alias,
            tenant_id: None,
            endpoint,
            resource,
            client_id,
            secrets: vec![StoredSecret { value: secret, name: None, since: now, expires_at: None }],
            template: None,
            labels: Vec::new(),
            created_at: now,
            created_by: created_by.into(),
            rotation: Rotation::default(),
            configured: false,
            creating: None,
        }
    }

    /// A note that a tenant is being created.
    pub fn note(
        alias: TenantName,
        account: &Cloud,
        name: Option<String>,
        created_by: impl Into<String>,
        now: SystemTime,
    ) -> Self {
        Self {
            alias,
            tenant_id: None,
            endpoint: account.endpoint.clone(),
            resource: "".into(),
            client_id: "".into(),
            secrets: Vec::new(),
            template: account.template.clone(),
            labels: Vec::new(),
            created_at: now,
            created_by: created_by.into(),
            rotation: Rotation::default(),
            configured: false,
            creating: Some(Creating { account: account.name.clone(), name, is_unanswered: false }),
        }
    }

    /// Whether the secrets are for this tenant of the configuration.
    pub fn replaces(&self, own: &Tenant) -> bool {
        self.configured && own.name == self.alias && self.is_same_application(&own.endpoint, &own.client_id)
    }

    /// Whether the secrets are those of this application.
    pub fn is_same_application(&self, endpoint: &Endpoint, client_id: &str) -> bool {
        self.endpoint == *endpoint && *self.client_id == *client_id
    }

    /// A tenant of the configuration with these secrets: they come first, and the one that is configured is tried where Logto
    /// refuses them.
    pub fn replacing(&self, own: &Tenant) -> Tenant {
        let ours = self.secrets.iter().map(|it| ClientSecret::Held(it.value.clone()));
        let mut client_secrets: Vec<_> = ours.collect();
        let others = own.client_secrets.iter().filter(|it| !client_secrets.contains(it));
        let others: Vec<_> = others.cloned().collect();
        client_secrets.extend(others);
        Tenant { client_secrets, ..own.clone() }
    }

    /// Which other tenants of these are the same application, as far as their endpoints say.
    pub fn sharing<'t>(&self, tenants: impl IntoIterator<Item = &'t Arc<Tenant>>) -> Vec<TenantName> {
        let others = tenants.into_iter().filter(|other| other.name != self.alias);
        let same = others.filter(|other| self.is_same_application(&other.endpoint, &other.client_id));
        same.map(|other| other.name.clone()).collect()
    }

    /// Whether it is a note of a creation of which nobody knows yet what became.
    pub fn is_open_note(&self) -> bool {
        self.creating.is_some() && self.tenant_id.is_none()
    }

    /// Whether it is one of a creation that was sent and got no answer.
    pub fn is_unanswered_note(&self) -> bool {
        self.is_open_note() && self.creating.as_ref().is_some_and(|creating| creating.is_unanswered)
    }

    /// Whether it is one that nobody goes on with: what became of it is known, or is for whoever asks next to find out.
    pub fn is_note_at_rest(&self) -> bool {
        self.creating.is_some() && (self.tenant_id.is_some() || self.is_unanswered_note())
    }

    /// The caller that had the tenant created. No caller is the operator, whatever it is called.
    pub fn creator(&self) -> Option<CallerName> {
        (self.created_by != OPERATOR).then(|| CallerName::parse(&self.created_by).ok())?
    }

    /// Each secret that the record holds, that of a rotation under way included.
    pub fn all_secrets(&self) -> impl Iterator<Item = &Secret> {
        let coming = match &self.rotation.step {
            Some(Step::Prove(secret)) => Some(secret),
            _ => None,
        };
        self.secrets.iter().chain(coming).map(|secret| &secret.value)
    }
}

/// As in RFC 3339.
fn shown<S: serde::Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_rfc3339_seconds(*time))
}

#[expect(clippy::ref_option, reason = "what serde calls it with")]
fn shown_if_any<S: serde::Serializer>(time: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => shown(time, serializer),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
pub(super) mod tests;
