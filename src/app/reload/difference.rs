//! What a new configuration changes, where it is nothing but tenants: those are put in force one by one, without
//! touching the rest.

use std::sync::Arc;

use crate::{
    config::{Config, Tenant},
    ids::TenantName,
};

/// The tenants that differ.
pub(super) struct Difference {
    /// New, or with other settings.
    pub(super) put: Vec<Arc<Tenant>>,
    /// No longer there.
    pub(super) removed: Vec<TenantName>,
}

/// The difference; `None` where there is another one beside it.
pub(super) fn of_tenants_alone(old: &Config, new: &Config) -> Option<Difference> {
    if !old.is_same_but_for_tenants(new) {
        return None;
    }
    // Both are in order of name.
    let find = |all: &[Arc<Tenant>], name: &TenantName| all.binary_search_by(|it| it.name.cmp(name)).ok();
    let is_new =
        |tenant: &&Arc<Tenant>| find(&old.tenants, &tenant.name).is_none_or(|at| old.tenants[at] != **tenant);
    let is_gone = |tenant: &&Arc<Tenant>| find(&new.tenants, &tenant.name).is_none();
    Some(Difference {
        put: new.tenants.iter().filter(is_new).cloned().collect(),
        removed: old.tenants.iter().filter(is_gone).map(|tenant| tenant.name.clone()).collect(),
    })
}
