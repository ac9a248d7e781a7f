//! What is known of the other processes that might rotate: since when each lease of another's has not changed, by the clock of
//! this process.

use std::time::Duration;

use crate::vault::{Lease, Sightings, Stored};

/// What is known of the others.
pub(super) struct Leases {
    /// This process.
    me: String,
    /// Versions with another's name.
    seen: Sightings,
}

impl Leases {
    pub(super) fn new() -> Self {
        Self { me: format!("{:016x}", fastrand::u64(..)), seen: Sightings::default() }
    }

    /// The name of this process.
    pub(super) fn me(&self) -> &str {
        &self.me
    }

    /// How long another one may go on with this record without being heard of; `None`: nobody does.
    pub(super) fn left(&self, stored: &Stored, lease: Duration) -> Option<Duration> {
        let alias = &stored.record.alias;
        match &stored.record.rotation.lease {
            Some(Lease { holder }) if *holder != self.me => {}
            _ => {
                self.seen.forget(alias);
                return None;
            }
        }
        let left = lease.saturating_sub(self.seen.unchanged_for(alias, stored.version));
        if left.is_zero() {
            self.seen.forget(alias);
        }
        Some(left).filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::{
        config::Endpoint,
        ids::TenantName,
        secret::Secret,
        vault::{Record, Version},
    };

    const LEASE: Duration = Duration::from_secs(60);

    fn stored(version: u64, holder: Option<&str>) -> Stored {
        let endpoint = Endpoint::parse("https://acme.logto.app").unwrap();
        let (alias, secret) = (TenantName::parse("acme").unwrap(), Secret::new(b"s".to_vec()));
        let now = SystemTime::UNIX_EPOCH;
        let mut record =
            Record::new(alias, endpoint, "https://x/api".into(), "m2m".into(), secret, "operator", now);
        record.rotation.lease = holder.map(|holder| Lease { holder: holder.into() });
        Stored { record, version: Version(version) }
    }

    #[tokio::test(start_paused = true)]
    async fn anothers_lease_holds_while_its_version_changes_and_for_a_while_after() {
        let leases = Leases::new();
        assert_eq!(leases.left(&stored(1, None), LEASE), None);
        assert_eq!(leases.left(&stored(1, Some(&leases.me.clone())), LEASE), None, "it is ours");
        assert_eq!(leases.left(&stored(2, Some("other")), LEASE), Some(LEASE));
        tokio::time::advance(LEASE / 2).await;
        assert_eq!(leases.left(&stored(2, Some("other")), LEASE), Some(LEASE / 2));
        assert_eq!(leases.left(&stored(3, Some("other")), LEASE), Some(LEASE), "it lives");
        tokio::time::advance(LEASE).await;
        assert_eq!(leases.left(&stored(3, Some("other")), LEASE), None, "it is dead");
        assert_eq!(leases.left(&stored(4, Some("third")), LEASE), Some(LEASE), "another one was faster");
    }
}
