//! Permit → Admitted: the caller's rate limit is drawn on here, before anything that costs.

use std::sync::Arc;

use tokio::time::Instant;

pub use crate::policy::conditions::ApprovedTarget;

use super::{Bucket, InFlight, LimitError, Limits, Slot};
use crate::{
    caller::Caller,
    config::Config,
    ids::{CallerName, TenantIndex},
    policy::grants::{Action, Permit},
};

/// The limits of a configuration, at the places of callers and tenants.
#[derive(Debug)]
pub struct Admission {
    callers: Box<[(CallerName, Option<Arc<Bucket>>)]>,
    in_flight: Box<[Arc<InFlight>]>,
}

/// A permitted request within its caller's limit. Only [`Admission::admit`] makes one.
#[derive(Debug)]
pub struct Admitted {
    permit: Permit,
    in_flight: Arc<InFlight>,
}

impl Admission {
    /// Resolves the limits of `config`.
    pub fn new(config: &Config, limits: &Limits) -> Self {
        let caller =
            |c: &crate::config::Caller| (c.name.clone(), c.rate.map(|rate| limits.caller(&c.name, rate)));
        let places =
            |t: &Arc<crate::config::Tenant>| limits.in_flight(&t.name, t.max_in_flight, config.limits.queue);
        Self {
            callers: config.callers.iter().map(caller).collect(),
            in_flight: config.tenants.iter().map(places).collect(),
        }
    }

    /// Lets a request pass, or says how long its caller must wait.
    ///
    /// # Errors
    /// [`LimitError::Rate`].
    pub fn admit(&self, permit: Permit, now: Instant) -> Result<Admitted, LimitError> {
        let (caller, bucket) = &self.callers[permit.caller().index().0];
        if let Some(bucket) = bucket {
            bucket.take(now).map_err(|wait| LimitError::Rate {
                caller: caller.clone(),
                rate: bucket.rate().expect("a caller's bucket has a rate"),
                wait,
            })?;
        }
        let in_flight = self.in_flight[permit.tenant().0].clone();
        Ok(Admitted { permit, in_flight })
    }

    /// Requests under way to a tenant.
    pub fn in_flight(&self, tenant: TenantIndex) -> usize {
        self.in_flight[tenant.0].used()
    }
}

impl Admitted {
    /// Who.
    pub fn caller(&self) -> Caller {
        self.permit.caller()
    }

    /// Where.
    pub fn tenant(&self) -> TenantIndex {
        self.permit.tenant()
    }

    /// What, where, with which token.
    pub fn permit(&self) -> &Permit {
        &self.permit
    }

    /// What.
    pub fn action(&self) -> &Action {
        self.permit.action()
    }

    /// Waits for a place among the tenant's requests.
    ///
    /// # Errors
    /// [`LimitError::Overloaded`] when too many wait already.
    pub async fn place(&self) -> Result<Slot, LimitError> {
        self.in_flight.enter().await
    }
}
