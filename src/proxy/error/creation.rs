//! Why a tenant was not created, or is not known here though it was. What its caller is told names the tenant and how to
//! adopt it, so that nothing is lost silently.

use super::table::Description;
use crate::ids::{InvalidName, TemplateName, TenantName};

/// What is wrong with a creation.
#[derive(Debug, thiserror::Error)]
pub enum CreationError {
    /// The header says what cannot be an alias. Nothing was sent.
    #[error("the Claviger-Tenant header is to name the alias of the new tenant: {0}")]
    Alias(InvalidName),
    /// The configuration changed under the request. Nothing was sent.
    #[error("the account is no longer in the configuration")]
    NoAccount,
    /// The tenant exists at Logto and not here.
    #[error(
        "{what}, and its credential is not stored here: {why}. It is not created again; adopt it, with a secret from the Logto Console{how}"
    )]
    NotStored {
        /// Which tenant.
        what: String,
        /// Why.
        why: String,
        /// The command, where enough is known for it.
        how: String,
    },
    /// Nobody knows whether the tenant exists.
    #[error("{cause}; whether the tenant was created is unknown, and it is not sent again: {found}")]
    Unknown {
        /// What happened to the request.
        cause: String,
        /// What its caller would be told of that alone.
        told: Box<Description>,
        /// What the list of tenants says.
        found: String,
    },
}

impl CreationError {
    /// It exists: which it is, or which it may be, by Logto's IDs. It can be adopted under this alias, with the settings of this
    /// template.
    pub fn not_stored(
        ids: &[String],
        alias: Option<&TenantName>,
        template: Option<&TemplateName>,
        why: impl Into<String>,
    ) -> Self {
        let (what, how) = match ids {
            [] => (
                "a tenant was created at Logto Cloud".to_owned(),
                ": GET /cloud/api/tenants lists which there are".to_owned(),
            ),
            [id] => {
                let alias = alias.map_or("ALIAS", TenantName::as_str);
                let template = template.map(|it| format!(" --template {}", it.as_str())).unwrap_or_default();
                let how = format!(": claviger tenant adopt {alias} --tenant-id {id}{template} --client-id …");
                (format!("the tenant {id} exists at Logto Cloud"), how)
            }
            several => {
                (format!("the tenant is one of these at Logto Cloud: {}", several.join(", ")), String::new())
            }
        };
        Self::NotStored { what, why: why.into(), how }
    }
}
