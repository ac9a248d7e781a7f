//! What a tenant allows us, and how much of it is spent: the rest is for sign-in, which draws on the same allowance at Logto.

use std::time::Duration;

use serde::{Serialize, Serializer, ser::SerializeMap as _};

use super::{rate::Rate, show};

/// `{ requests = 200, per = "10s", share = 0.7 }`
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Quota {
    /// What the tenant allows all of its clients in each period; at least 1.
    pub requests: u32,
    /// The period; at least 1 ms.
    #[serde(serialize_with = "show::duration")]
    pub per: Duration,
    /// The fraction of it that is spent here.
    #[serde(serialize_with = "fraction")]
    pub share: f64,
    /// The most at once.
    pub burst: u32,
    /// Whether token requests count.
    pub tokens: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls it with")]
fn fraction<S: Serializer>(share: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    show::Fraction(*share).serialize(serializer)
}

impl Quota {
    /// The share at Logto Cloud, where nothing else is said.
    pub const CLOUD_SHARE: f64 = 0.7;

    /// What Logto Cloud allows each tenant (fact 12).
    pub fn of_cloud() -> Self {
        Self::new(200, Duration::from_secs(10), Self::CLOUD_SHARE)
    }

    /// With the burst that fits the share.
    pub fn new(requests: u32, per: Duration, share: f64) -> Self {
        Self { requests, per, share, burst: Self::own_burst(requests, share), tokens: true }
    }

    /// Half of what is left beside the share: so much at once on top of the share still leaves the other half to sign-in, in any
    /// period whatever. Where all of the quota is spent here, it is a token bucket of that size.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a part of a u32, 1 at least"
    )]
    pub fn own_burst(requests: u32, share: f64) -> u32 {
        if share >= 1.0 {
            return requests;
        }
        (f64::from(requests) * (1.0 - share) / 2.0).max(1.0) as u32
    }

    /// The most that passes here in any period: the share evenly, and the burst on top.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a part of a u32, and no negative one"
    )]
    pub fn most(&self) -> u32 {
        ((f64::from(self.requests) * self.share - 1e-9).ceil() as u32)
            .saturating_add(self.burst)
            .saturating_sub(1)
    }

    /// Nanoseconds between two requests where the share is spent evenly; rounded up.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a period by a number of requests, and no negative one"
    )]
    pub fn interval(&self) -> u64 {
        let spent = (f64::from(self.requests) * self.share).max(f64::MIN_POSITIVE);
        (self.per.as_nanos() as f64 / spent).ceil() as u64
    }

    /// What the tenant allows, in requests per second.
    pub fn per_second(&self) -> f64 {
        f64::from(self.requests) / self.per.as_secs_f64()
    }

    /// What is spent, as a rate.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a part of a u32, 1 at least"
    )]
    pub fn spent(&self) -> Rate {
        let requests = (f64::from(self.requests) * self.share).round().max(1.0) as u32;
        Rate { requests, per: self.per, burst: self.burst }
    }
}

/// A quota as it was given: what it comes to depends on the tenant's resource.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum GivenQuota {
    /// `"off"`
    Off,
    /// What was written, each part where it was.
    Given {
        /// `requests` and `per`: both, or neither, which is what Logto Cloud allows.
        rate: Option<(u32, Duration)>,
        /// `share`
        share: Option<f64>,
        /// `burst`
        burst: Option<u32>,
        /// `tokens`
        tokens: Option<bool>,
    },
}

impl GivenQuota {
    /// That of a tenant with this resource; `given` is `None` where nothing is said.
    pub fn of(given: Option<Self>, resource: &str) -> Option<Quota> {
        let is_on_cloud = is_of_cloud(resource);
        let of_cloud = is_on_cloud.then(Quota::of_cloud);
        match given {
            None => of_cloud,
            Some(Self::Off) => None,
            Some(Self::Given { rate, share, burst, tokens }) => {
                let (requests, per) = rate.or(of_cloud.map(|cloud| (cloud.requests, cloud.per)))?;
                let usual = if is_on_cloud { Quota::CLOUD_SHARE } else { 1.0 };
                let quota = Quota::new(requests, per, share.unwrap_or(usual));
                Some(Quota {
                    burst: burst.unwrap_or(quota.burst),
                    tokens: tokens.unwrap_or(quota.tokens),
                    ..quota
                })
            }
        }
    }
}

/// Whether a resource is the Management API of a tenant on Logto Cloud. Those of an installation of one's own have the names
/// `default` and `admin` there, whatever its address (fact 1.14).
pub(super) fn is_of_cloud(resource: &str) -> bool {
    let label = resource.strip_prefix("https://").and_then(|rest| rest.strip_suffix(".logto.app/api"));
    label.is_some_and(|label| {
        !label.is_empty() && !label.contains('/') && !matches!(label, "default" | "admin")
    })
}

/// As it was written.
impl Serialize for GivenQuota {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self::Given { rate, share, burst, tokens } = self else { return serializer.serialize_str("off") };
        let mut members = serializer.serialize_map(None)?;
        if let Some((requests, per)) = rate {
            members.serialize_entry("requests", requests)?;
            members.serialize_entry("per", &show::Text(humantime::format_duration(*per)))?;
        }
        if let Some(share) = share {
            members.serialize_entry("share", &show::Fraction(*share))?;
        }
        if let Some(burst) = burst {
            members.serialize_entry("burst", burst)?;
        }
        if let Some(tokens) = tokens {
            members.serialize_entry("tokens", tokens)?;
        }
        members.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOUD: &str = "https://abc123.logto.app/api";
    const OWN: &str = "https://default.logto.app/api";

    fn given(requests: u32, share: Option<f64>, burst: Option<u32>) -> Option<GivenQuota> {
        let rate = Some((requests, Duration::from_secs(10)));
        Some(GivenQuota::Given { rate, share, burst, tokens: None })
    }

    #[test]
    fn a_tenant_is_on_cloud_by_its_resource_and_keeps_room_for_sign_in_there() {
        let cloud = GivenQuota::of(None, CLOUD).unwrap();
        assert_eq!((cloud.requests, cloud.share, cloud.burst, cloud.most()), (200, 0.7, 30, 169));
        assert_eq!(
            GivenQuota::of(None, OWN),
            None,
            "the built-in resource of every installation of one's own"
        );
        assert_eq!(GivenQuota::of(None, "https://admin.logto.app/api"), None);
        assert_eq!(GivenQuota::of(None, "https://a/b.logto.app/api"), None);
        assert_eq!(GivenQuota::of(Some(GivenQuota::Off), CLOUD), None);
        assert_eq!(GivenQuota::of(given(100, None, None), CLOUD).map(|it| it.share), Some(0.7));
        let own = GivenQuota::of(given(100, None, None), OWN).unwrap();
        assert_eq!((own.share, own.burst), (1.0, 100), "a token bucket of that size");
        let part = Some(GivenQuota::Given { rate: None, share: Some(0.5), burst: None, tokens: Some(false) });
        let part = GivenQuota::of(part, CLOUD).unwrap();
        assert_eq!((part.requests, part.share, part.burst, part.tokens), (200, 0.5, 50, false));
    }

    #[test]
    fn what_passes_in_any_period_fits_the_quota_by_default() {
        for requests in 1..=1000 {
            for share in [0.01, 0.1, 0.5, 0.7, 0.9, 0.99] {
                let quota = Quota::new(requests, Duration::from_secs(10), share);
                assert!(quota.most() <= requests, "{quota:?}: {}", quota.most());
            }
        }
    }
}
