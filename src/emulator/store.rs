//! The data of one tenant, in memory and bounded.
//!
//! Rows are typed so that they serialise in Logto's member order. Rows stand in order of creation; lists are shown
//! newest first by the handlers. It must never grow beyond the number of rows it was given.

use serde::Serialize;
use serde_json::{Map, Value};

use super::ManagementRole;
use super::errors::ApiError;

/// The id of the role that grants `all`, and of the resource it belongs to.
pub(super) const MANAGEMENT_ROLE: &str = "management-api-role00";
pub(super) const MANAGEMENT_RESOURCE: &str = "management-api";

pub(super) type Object = Map<String, Value>;

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct User {
    pub(super) id: String,
    pub(super) username: Option<String>,
    pub(super) primary_email: Option<String>,
    pub(super) primary_phone: Option<String>,
    pub(super) name: Option<String>,
    pub(super) avatar: Option<String>,
    pub(super) custom_data: Object,
    pub(super) identities: Object,
    pub(super) last_sign_in_at: Option<u64>,
    pub(super) created_at: u64,
    pub(super) updated_at: u64,
    pub(super) profile: Object,
    pub(super) application_id: Option<String>,
    pub(super) is_suspended: bool,
    pub(super) has_password: bool,
    #[serde(skip)]
    pub(super) password: Option<String>,
    #[serde(skip)]
    pub(super) mfa: Vec<Mfa>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Mfa {
    pub(super) id: String,
    pub(super) created_at: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) remain_codes: Option<usize>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Application {
    pub(super) tenant_id: &'static str,
    pub(super) id: String,
    pub(super) name: String,
    /// The secret of applications older than multi-secret (fact 7).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) secret: Option<String>,
    pub(super) description: Option<String>,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) oidc_client_metadata: Value,
    pub(super) custom_client_metadata: Object,
    pub(super) protected_app_metadata: Value,
    pub(super) custom_data: Object,
    pub(super) is_third_party: bool,
    pub(super) app_level_access_control_enabled: bool,
    pub(super) created_at: u64,
    #[serde(skip)]
    pub(super) is_admin: bool,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Secret {
    pub(super) tenant_id: &'static str,
    pub(super) application_id: String,
    pub(super) name: String,
    pub(super) value: String,
    pub(super) created_at: u64,
    pub(super) expires_at: Option<u64>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PersonalToken {
    pub(super) tenant_id: &'static str,
    pub(super) user_id: String,
    pub(super) name: String,
    pub(super) value: String,
    pub(super) created_at: u64,
    pub(super) expires_at: Option<u64>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Organization {
    pub(super) tenant_id: &'static str,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) custom_data: Object,
    pub(super) is_mfa_required: bool,
    pub(super) color: Object,
    pub(super) branding: Object,
    pub(super) custom_css: Option<String>,
    pub(super) created_at: u64,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Role {
    pub(super) tenant_id: &'static str,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) description: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) is_default: bool,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Resource {
    pub(super) tenant_id: &'static str,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) indicator: String,
    pub(super) is_default: bool,
    pub(super) access_token_ttl: u64,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Scope {
    pub(super) tenant_id: &'static str,
    pub(super) id: String,
    pub(super) resource_id: String,
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) created_at: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Connector {
    pub(super) id: String,
    pub(super) connector_id: String,
    pub(super) config: Value,
    pub(super) metadata: Value,
    pub(super) sync_profile: bool,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SsoConnector {
    pub(super) id: String,
    pub(super) provider_name: String,
    pub(super) connector_name: String,
    pub(super) config: Value,
    pub(super) domains: Value,
    pub(super) branding: Value,
    pub(super) sync_profile: bool,
    pub(super) enable_token_storage: bool,
    pub(super) created_at: u64,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Hook {
    pub(super) tenant_id: &'static str,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) event: Option<String>,
    pub(super) events: Value,
    pub(super) config: Value,
    pub(super) signing_key: String,
    pub(super) enabled: bool,
    pub(super) created_at: u64,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OneTimeToken {
    pub(super) tenant_id: &'static str,
    pub(super) id: String,
    pub(super) email: String,
    pub(super) token: String,
    pub(super) context: Value,
    pub(super) status: &'static str,
    pub(super) created_at: u64,
    pub(super) expires_at: u64,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Log {
    pub(super) tenant_id: &'static str,
    pub(super) id: String,
    pub(super) key: &'static str,
    pub(super) payload: Value,
    pub(super) created_at: u64,
}

/// A relation between two ids.
pub(super) type Pairs = Vec<(String, String)>;

/// All tables of a tenant.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) tenant: &'static str,
    pub(super) limit: usize,
    pub(super) rng: fastrand::Rng,
    pub(super) users: Vec<User>,
    pub(super) applications: Vec<Application>,
    pub(super) secrets: Vec<Secret>,
    pub(super) personal_tokens: Vec<PersonalToken>,
    pub(super) organizations: Vec<Organization>,
    pub(super) roles: Vec<Role>,
    pub(super) resources: Vec<Resource>,
    pub(super) scopes: Vec<Scope>,
    pub(super) connectors: Vec<Connector>,
    pub(super) sso_connectors: Vec<SsoConnector>,
    pub(super) hooks: Vec<Hook>,
    pub(super) one_time_tokens: Vec<OneTimeToken>,
    pub(super) logs: Vec<Log>,
    pub(super) captcha: Option<Value>,
    pub(super) customizers: Vec<(String, Value)>,
    /// (user, role)
    pub(super) user_roles: Pairs,
    /// (application, role)
    pub(super) application_roles: Pairs,
    /// (role, scope)
    pub(super) role_scopes: Pairs,
    /// (organization, user)
    pub(super) organization_users: Pairs,
    /// (organization, application)
    pub(super) organization_applications: Pairs,
}

impl Store {
    pub(super) fn new(tenant: &'static str, limit: usize, rng: fastrand::Rng) -> Self {
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
    pub(super) fn new_id(&mut self, len: usize) -> String {
        let alphabet = b"0123456789abcdefghijklmnopqrstuvwxyz";
        let mut pick = || alphabet.get(self.rng.usize(..alphabet.len())).copied().unwrap_or(b'0');
        (0..len).map(|_| char::from(pick())).collect()
    }

    /// A secret of 32 characters that Logto would generate.
    pub(super) fn new_secret(&mut self) -> String {
        (0..32).map(|_| self.rng.alphanumeric()).collect()
    }

    /// Refuses one more row in a table of `len` rows that is full.
    pub(super) fn room(&self, table: &str, len: usize) -> Result<(), ApiError> {
        if len < self.limit { Ok(()) } else { Err(ApiError::store_full(table)) }
    }

    /// Adds an audit log row; the oldest go when there are too many.
    pub(super) fn log(&mut self, key: &'static str, payload: Value, now: u64) {
        if self.logs.len() >= self.limit.max(1) {
            self.logs.remove(0);
        }
        let id = self.new_id(21);
        self.logs.push(Log { tenant_id: self.tenant, id, key, payload, created_at: now });
    }

    pub(super) fn set_secrets(&mut self, application: &str, values: Vec<String>, now: u64) {
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

    pub(super) fn set_management_role(&mut self, application: &str, role: ManagementRole) {
        let pair = (application.to_owned(), MANAGEMENT_ROLE.to_owned());
        self.application_roles.retain(|known| *known != pair);
        if role == ManagementRole::Granted {
            self.application_roles.push(pair);
        }
    }

    /// The names of the scopes that an application has on a resource through its roles.
    pub(super) fn granted_scopes(&self, application: &str, resource: &str) -> Vec<&str> {
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
    pub(super) fn remove_application(&mut self, id: &str) -> bool {
        let before = self.applications.len();
        self.applications.retain(|row| row.id != id);
        self.secrets.retain(|row| row.application_id != id);
        self.application_roles.retain(|(application, _)| application != id);
        self.organization_applications.retain(|(_, application)| application != id);
        self.applications.len() < before
    }

    /// Removes a user with all that hangs on it.
    pub(super) fn remove_user(&mut self, id: &str) -> bool {
        let before = self.users.len();
        self.users.retain(|row| row.id != id);
        self.personal_tokens.retain(|row| row.user_id != id);
        self.user_roles.retain(|(user, _)| user != id);
        self.organization_users.retain(|(_, user)| user != id);
        self.users.len() < before
    }
}

/// The second ids that belong to a first one.
pub(super) fn seconds<'a>(pairs: &'a Pairs, first: &'a str) -> impl Iterator<Item = &'a str> {
    pairs.iter().filter(move |(left, _)| left == first).map(|(_, right)| right.as_str())
}

/// The first ids that belong to a second one.
pub(super) fn firsts<'a>(pairs: &'a Pairs, second: &'a str) -> impl Iterator<Item = &'a str> {
    pairs.iter().filter(move |(_, right)| right == second).map(|(left, _)| left.as_str())
}

/// Removes one pair; tells whether it was there.
pub(super) fn unlink(pairs: &mut Pairs, first: &str, second: &str) -> bool {
    let before = pairs.len();
    pairs.retain(|(left, right)| left != first || right != second);
    pairs.len() < before
}
