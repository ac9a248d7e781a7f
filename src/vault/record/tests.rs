//! A record for tests of what is done with one.

use super::*;

/// The record of a tenant on Logto Cloud with this secret.
pub(in crate::vault) fn record(name: &str, secret: &str) -> Record {
    let endpoint = Endpoint {
        scheme: http::uri::Scheme::HTTPS,
        authority: format!("{name}.logto.app").parse().unwrap(),
    };
    let resource = format!("{endpoint}/api").into();
    let secret = Secret::new(secret.into());
    Record::new(
        TenantName::parse(name).unwrap(),
        endpoint,
        resource,
        "m2m".into(),
        secret,
        "onboarding",
        SystemTime::UNIX_EPOCH,
    )
}
