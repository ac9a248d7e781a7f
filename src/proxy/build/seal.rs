//! Which secrets the broker's tokens are sealed by: those of the tenants that are in the directory at that moment.

use crate::{
    authn::{SealingSecrets, TenantSecrets},
    tenants::Directory,
    upstream::Tenant,
};

impl TenantSecrets for Directory<Tenant> {
    fn sealing(&self, tenant: &str) -> Option<SealingSecrets> {
        self.get(tenant).map(|tenant| tenant.sealing().clone())
    }
}
