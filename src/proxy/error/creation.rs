//! Why a tenant was not created, or is not known here though it was. What its caller is told names the tenant and how to
//! adopt it, so that nothing is lost silently.

use super::table::Description;
use crate::ids::InvalidName;

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
    /// It exists: which it is, or which it may be, by Logto's IDs.
    pub fn not_stored(ids: &[String], alias: Option<&str>, why: impl Into<String>) -> Self {
        let (what, how) = match ids {
            [] => (
                "a tenant was created at Logto Cloud".to_owned(),
                ": GET /cloud/api/tenants lists which there are".to_owned(),
            ),
            [id] => {
                let alias = alias.unwrap_or(id);
                let how = format!(": claviger tenant adopt {alias} --tenant-id {id} --client-id …");
                (format!("the tenant {id} exists at Logto Cloud"), how)
            }
            several => {
                (format!("the tenant is one of these at Logto Cloud: {}", several.join(", ")), String::new())
            }
        };
        Self::NotStored { what, why: why.into(), how }
    }
}
