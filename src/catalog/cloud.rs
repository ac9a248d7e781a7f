//! The operations of the Logto Cloud API: a catalog of its own, in the form in which a file adds to the other one. Its names
//! begin with `cloud:`, so that they mean the same in rules, metrics and logs, and never an operation of a tenant's.

use std::sync::{Arc, LazyLock};

use super::{added::Added, api::Api, extend, index::Catalog, kept, operation::Operation};

const TEXT: &str = include_str!("cloud.tsv");

/// Makes a tenant: its answer has the one copy of a secret.
pub const CREATE_TENANT: &str = "cloud:CreateTenant";
/// Charges a card for one, once for each `Idempotency-Key`, without which it does not.
pub const SUBSCRIBE_TENANT: &str = "cloud:CreateTenantSubscription";
/// Ends one.
pub const DELETE_TENANT: &str = "cloud:DeleteTenant";

static CLOUD: LazyLock<Arc<Catalog>> = LazyLock::new(|| {
    let none = Catalog::of(Api::Cloud, Box::default(), Added::default());
    let read = extend::read(&none, TEXT).ok().and_then(|(operations, added)| {
        let named = operations.into_iter().map(named).collect::<Option<_>>()?;
        Some(Arc::new(Catalog::of(Api::Cloud, named, added)))
    });
    read.expect("the embedded catalog is well formed: its test reads this very text")
});

impl Catalog {
    /// The operations of the Logto Cloud API.
    pub fn cloud() -> &'static Arc<Self> {
        &CLOUD
    }

    /// The catalog that a rule, or an operation's name, is about: the Cloud API's, or this one.
    pub fn about<'c>(&'c self, rule: &str) -> &'c Self {
        match Api::of_rule(rule) {
            Api::Cloud => Self::cloud(),
            Api::Management => self,
        }
    }
}

fn named(operation: Operation) -> Option<Operation> {
    let prefixed = |name: &str| kept::text(&format!("{}{name}", Api::Cloud.prefix())).ok();
    Some(Operation { id: prefixed(operation.id)?, tag: prefixed(operation.tag)?, ..operation })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Risk, Verb};

    #[test]
    fn each_line_is_an_operation_with_its_names_in_front() {
        assert_eq!(
            extend::read(&Catalog::of(Api::Cloud, Box::default(), Added::default()), TEXT).err(),
            None
        );
        let cloud = Catalog::cloud();
        assert_eq!(cloud.operations().len(), 38);
        assert!(
            cloud.operations().all(|(_, it)| it.id.starts_with("cloud:") && it.tag.starts_with("cloud:"))
        );
        let create = cloud.find(Verb::Post, "/api/tenants").unwrap();
        assert_eq!(cloud.by_id(CREATE_TENANT), Some(create));
        assert!(cloud.by_id(DELETE_TENANT).is_some() && cloud.by_id(SUBSCRIBE_TENANT).is_some());
        assert!(cloud.secrets(create).unwrap().places().contains(&"/defaultApplication/secret".to_owned()));
        assert!(cloud.parameters(create).has_member("regionName"));
        assert!(
            cloud.by_id("CreateTenant").is_none() && Catalog::logto().by_id("cloud:CreateTenant").is_none()
        );
    }

    #[test]
    fn what_spends_money_or_destroys_or_answers_with_a_secret_is_sensitive() {
        let cloud = Catalog::cloud();
        for id in "CreateTenant DeleteTenant CreateTenantSubscription DeleteTenantSubscription CreateCheckoutSession \
                   UpdateStripeCustomer CreateStripeCustomerPortal SendMail SendSms DeleteTenantMember CreateTenantInvitation"
            .split_whitespace()
        {
            let op = cloud.by_id(&format!("cloud:{id}")).unwrap();
            assert!(cloud.operation(op).is_sensitive(), "{id}");
        }
        for id in ["ListRegions", "ListTenants", "GetTenant", "ListTenantInvoices", "GetTenantUsage"] {
            let op = cloud.by_id(&format!("cloud:{id}")).unwrap();
            assert!(!cloud.operation(op).is_sensitive(), "{id}");
        }
        let paid = cloud.by_id("cloud:CreateTenantSubscription").unwrap();
        assert_eq!(*cloud.operation(paid).risks, [Risk::Spending]);
    }
}
