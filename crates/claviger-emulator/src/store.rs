//! The data of one tenant, in memory and bounded.
//!
//! Rows are typed so that they serialise in Logto's member order. Rows stand in order of creation; lists are shown
//! newest first by the handlers. It must never grow beyond the number of rows it was given.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{errors::ApiError, options::ManagementRole};

/// The id of the role that grants `all`, and of the resource it belongs to.
pub(crate) const MANAGEMENT_ROLE: &str = "management-api-role00";
pub(crate) const MANAGEMENT_RESOURCE: &str = "management-api";

pub(crate) type Object = Map<String, Value>;

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) username: Option<String>,
    pub(crate) primary_email: Option<String>,
    pub(crate) primary_phone: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) avatar: Option<String>,
    pub(crate) custom_data: Object,
    pub(crate) identities: Object,
    pub(crate) last_sign_in_at: Option<u64>,
    pub(crate) created_at: u64,
    pub(crate) updated_at: u64,
    pub(crate) profile: Object,
    pub(crate) application_id: Option<String>,
    pub(crate) is_suspended: bool,
    pub(crate) has_password: bool,
    #[serde(skip)]
    pub(crate) password: Option<String>,
    #[serde(skip)]
    pub(crate) mfa: Vec<Mfa>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Mfa {
    pub(crate) id: String,
    pub(crate) created_at: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) remain_codes: Option<usize>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Application {
    pub(crate) tenant_id: &'static str,
    pub(crate) id: String,
    pub(crate) name: String,
    /// The secret of applications older than multi-secret (fact 7).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) secret: Option<String>,
    pub(crate) description: Option<String>,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) oidc_client_metadata: Value,
    pub(crate) custom_client_metadata: Object,
    pub(crate) protected_app_metadata: Value,
    pub(crate) custom_data: Object,
    pub(crate) is_third_party: bool,
    pub(crate) app_level_access_control_enabled: bool,
    pub(crate) created_at: u64,
    #[serde(skip)]
    pub(crate) is_admin: bool,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Secret {
    pub(crate) tenant_id: &'static str,
    pub(crate) application_id: String,
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) created_at: u64,
    pub(crate) expires_at: Option<u64>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PersonalToken {
    pub(crate) tenant_id: &'static str,
    pub(crate) user_id: String,
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) created_at: u64,
    pub(crate) expires_at: Option<u64>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Organization {
    pub(crate) tenant_id: &'static str,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) custom_data: Object,
    pub(crate) is_mfa_required: bool,
    pub(crate) color: Object,
    pub(crate) branding: Object,
    pub(crate) custom_css: Option<String>,
    pub(crate) created_at: u64,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Role {
    pub(crate) tenant_id: &'static str,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) is_default: bool,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Resource {
    pub(crate) tenant_id: &'static str,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) indicator: String,
    pub(crate) is_default: bool,
    pub(crate) access_token_ttl: u64,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Scope {
    pub(crate) tenant_id: &'static str,
    pub(crate) id: String,
    pub(crate) resource_id: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) created_at: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Connector {
    pub(crate) id: String,
    pub(crate) connector_id: String,
    pub(crate) config: Value,
    pub(crate) metadata: Value,
    pub(crate) sync_profile: bool,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SsoConnector {
    pub(crate) id: String,
    pub(crate) provider_name: String,
    pub(crate) connector_name: String,
    pub(crate) config: Value,
    pub(crate) domains: Value,
    pub(crate) branding: Value,
    pub(crate) sync_profile: bool,
    pub(crate) enable_token_storage: bool,
    pub(crate) created_at: u64,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Hook {
    pub(crate) tenant_id: &'static str,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) event: Option<String>,
    pub(crate) events: Value,
    pub(crate) config: Value,
    pub(crate) signing_key: String,
    pub(crate) enabled: bool,
    pub(crate) created_at: u64,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OneTimeToken {
    pub(crate) tenant_id: &'static str,
    pub(crate) id: String,
    pub(crate) email: String,
    pub(crate) token: String,
    pub(crate) context: Value,
    pub(crate) status: &'static str,
    pub(crate) created_at: u64,
    pub(crate) expires_at: u64,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Log {
    pub(crate) tenant_id: &'static str,
    pub(crate) id: String,
    pub(crate) key: &'static str,
    pub(crate) payload: Value,
    pub(crate) created_at: u64,
}

/// A relation between two ids.
pub(crate) type Pairs = Vec<(String, String)>;

/// All tables of a tenant.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) tenant: &'static str,
    pub(crate) limit: usize,
    pub(crate) rng: fastrand::Rng,
    pub(crate) users: Vec<User>,
    pub(crate) applications: Vec<Application>,
    pub(crate) secrets: Vec<Secret>,
    pub(crate) personal_tokens: Vec<PersonalToken>,
    pub(crate) organizations: Vec<Organization>,
    pub(crate) roles: Vec<Role>,
    pub(crate) resources: Vec<Resource>,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) connectors: Vec<Connector>,
    pub(crate) sso_connectors: Vec<SsoConnector>,
    pub(crate) hooks: Vec<Hook>,
    pub(crate) one_time_tokens: Vec<OneTimeToken>,
    pub(crate) logs: Vec<Log>,
    pub(crate) captcha: Option<Value>,
    pub(crate) customizers: Vec<(String, Value)>,
    /// (user, role)
    pub(crate) user_roles: Pairs,
    /// (application, role)
    pub(crate) application_roles: Pairs,
    /// (role, scope)
    pub(crate) role_scopes: Pairs,
    /// (organization, user)
    pub(crate) organization_users: Pairs,
    /// (organization, application)
    pub(crate) organization_applications: Pairs,
}

impl Store {
    pub(crate) fn new(tenant: &'static str, limit: usize, rng: fastrand::Rng) -> Self {
        Self {
            tenant,
            limit,
            rng,
            users: Vec::new(),
            applications: Vec::new(),
            secrets: Vec::new(),
            personal_tokens: Vec::new(),
            organizations: Vec::new(),
            roles: Vec::new(),
            resources: Vec::new(),
            scopes: Vec::new(),
            connectors: Vec::new(),
            sso_connectors: Vec::new(),
            hooks: Vec::new(),
            one_time_tokens: Vec::new(),
            logs: Vec::new(),
            captcha: None,
            customizers: Vec::new(),
            user_roles: Vec::new(),
            application_roles: Vec::new(),
            role_scopes: Vec::new(),
            organization_users: Vec::new(),
            organization_applications: Vec::new(),
        }
    }

    /// An id of lower-case letters and digits, as Logto's `generateStandardId` makes it.
    pub(crate) fn new_id(&mut self, len: usize) -> String {
        let alphabet = b"0123456789abcdefghijklmnopqrstuvwxyz";
        let mut pick = || alphabet.get(self.rng.usize(..alphabet.len())).copied().unwrap_or(b'0');
        (0..len).map(|_| char::from(pick())).collect()
    }

    /// A secret of 32 characters that Logto would generate.
    pub(crate) fn new_secret(&mut self) -> String {
        (0..32).map(|_| self.rng.alphanumeric()).collect()
    }

    /// Refuses one more row in a table of `len` rows that is full.
    pub(crate) fn room(&self, table: &str, len: usize) -> Result<(), ApiError> {
        if len < self.limit { Ok(()) } else { Err(ApiError::store_full(table)) }
    }

    /// Adds an audit log row; the oldest go when there are too many.
    pub(crate) fn log(&mut self, key: &'static str, payload: Value, now: u64) {
        if self.logs.len() >= self.limit.max(1) {
            self.logs.remove(0);
        }
        let id = self.new_id(21);
        self.logs.push(Log { tenant_id: self.tenant, id, key, payload, created_at: now });
    }

    pub(crate) fn set_secrets(&mut self, application: &str, values: Vec<String>, now: u64) {
        if !self.applications.iter().any(|row| row.id == application) {
            return;
        }
        self.secrets.retain(|row| row.application_id != application);
        for (index, value) in values.into_iter().enumerate() {
            let name = match index {
                0 => "Default secret".to_owned(),
                _ => format!("Secret {}", index + 1),
            };
            self.secrets.push(Secret {
                tenant_id: self.tenant,
                application_id: application.to_owned(),
                name,
                value,
                created_at: now,
                expires_at: None,
            });
        }
    }

    pub(crate) fn set_management_role(&mut self, application: &str, role: ManagementRole) {
        let pair = (application.to_owned(), MANAGEMENT_ROLE.to_owned());
        self.application_roles.retain(|known| *known != pair);
        if role == ManagementRole::Granted {
            self.application_roles.push(pair);
        }
    }

    /// The names of the scopes that an application has on a resource through its roles.
    pub(crate) fn granted_scopes(&self, application: &str, resource: &str) -> Vec<&str> {
        let roles: Vec<&str> = seconds(&self.application_roles, application).collect();
        let ids = self.role_scopes.iter().filter(|(role, _)| roles.contains(&role.as_str()));
        let scopes = ids.filter_map(|(_, scope)| {
            self.scopes.iter().find(|row| row.id == *scope && row.resource_id == resource)
        });
        let mut names: Vec<&str> = scopes.map(|row| row.name.as_str()).collect();
        let admin = self.applications.iter().any(|row| row.id == application && row.is_admin);
        if admin && resource == MANAGEMENT_RESOURCE && !names.contains(&"all") {
            names.push("all");
        }
        names
    }

    /// Removes an application with all that hangs on it.
    pub(crate) fn remove_application(&mut self, id: &str) -> bool {
        let before = self.applications.len();
        self.applications.retain(|row| row.id != id);
        self.secrets.retain(|row| row.application_id != id);
        self.application_roles.retain(|(application, _)| application != id);
        self.organization_applications.retain(|(_, application)| application != id);
        self.applications.len() < before
    }

    /// Removes a user with all that hangs on it.
    pub(crate) fn remove_user(&mut self, id: &str) -> bool {
        let before = self.users.len();
        self.users.retain(|row| row.id != id);
        self.personal_tokens.retain(|row| row.user_id != id);
        self.user_roles.retain(|(user, _)| user != id);
        self.organization_users.retain(|(_, user)| user != id);
        self.users.len() < before
    }
}

/// The second ids that belong to a first one.
pub(crate) fn seconds<'a>(pairs: &'a Pairs, first: &'a str) -> impl Iterator<Item = &'a str> {
    pairs.iter().filter(move |(left, _)| left == first).map(|(_, right)| right.as_str())
}

/// The first ids that belong to a second one.
pub(crate) fn firsts<'a>(pairs: &'a Pairs, second: &'a str) -> impl Iterator<Item = &'a str> {
    pairs.iter().filter(move |(_, right)| right == second).map(|(left, _)| left.as_str())
}

/// Removes one pair; tells whether it was there.
pub(crate) fn unlink(pairs: &mut Pairs, first: &str, second: &str) -> bool {
    let before = pairs.len();
    pairs.retain(|(left, right)| left != first || right != second);
    pairs.len() < before
}
