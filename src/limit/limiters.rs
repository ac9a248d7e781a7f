//! Where limiters are made: of this process, or shared with the other replicas where there is a Redis for that. Nothing above knows
//! which.

use std::sync::Arc;

use super::{bucket::Bucket, limiter::Limiter, replicas::Replicas, shared::SharedBucket};
use crate::{
    config::{Quota, Rate},
    ids::{CallerName, TenantName},
};

/// Makes limiters.
#[derive(Debug, Clone, Default)]
pub struct Limiters(Option<Replicas>);

impl Limiters {
    /// Those that are shared with others.
    pub fn shared(replicas: Replicas) -> Self {
        Self(Some(replicas))
    }

    /// The others, where limits are shared.
    pub fn replicas(&self) -> Option<&Replicas> {
        self.0.as_ref()
    }

    /// What may be spent of a tenant's quota.
    pub fn of_quota(&self, tenant: &TenantName, quota: Option<Quota>) -> Arc<dyn Limiter> {
        match (&self.0, quota) {
            (Some(replicas), Some(quota)) => {
                Arc::new(SharedBucket::of_quota(tenant, quota, replicas.clone()))
            }
            _ => Arc::new(Bucket::of(quota)),
        }
    }

    /// What a caller may send.
    pub fn of_rate(&self, caller: &CallerName, rate: Rate) -> Arc<dyn Limiter> {
        match &self.0 {
            Some(replicas) => Arc::new(SharedBucket::of_rate(caller, rate, replicas.clone())),
            None => Arc::new(Bucket::new(Some(rate))),
        }
    }
}
