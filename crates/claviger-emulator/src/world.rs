//! What requests change: the two tenants with their keys and data, and the lifetime of tokens.
//!
//! A leaf for whoever answers. It must never be kept beyond one request.

use std::time::Duration;

use crate::{jwt::Keys, record::TenantName, store::Store};

/// What requests change.
pub(crate) struct World {
    pub(crate) default: Tenant,
    pub(crate) admin: Tenant,
    pub(crate) resource: String,
    pub(crate) token_ttl: Duration,
}

/// One Logto tenant: issuer, keys and data.
pub(crate) struct Tenant {
    pub(crate) issuer: String,
    pub(crate) keys: Keys,
    pub(crate) store: Store,
}

impl World {
    pub(crate) fn tenant(&self, name: TenantName) -> &Tenant {
        match name {
            TenantName::Default => &self.default,
            TenantName::Admin => &self.admin,
        }
    }

    pub(crate) fn tenant_mut(&mut self, name: TenantName) -> &mut Tenant {
        match name {
            TenantName::Default => &mut self.default,
            TenantName::Admin => &mut self.admin,
        }
    }
}
