//! Permit → Admitted: the caller's rate limit is drawn on here, before anything that costs.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::time::Instant;

use super::{bucket::Bucket, error::LimitError, in_flight::InFlight, limiter::Limiter};
use crate::{
    authn::Caller,
    config::{Config, Rate},
    ids::CallerName,
    policy::{Action, Permit, TokenSpec},
};

/// What the limits know of a tenant.
pub trait Limited {
    /// The places among its requests.
    fn in_flight(&self) -> &Arc<InFlight>;
}

/// The limits of a configuration's callers, in their order.
#[derive(Debug)]
pub struct RateLimits {
    callers: Box<[Option<RateLimit>]>,
}

/// The limit of a caller that has one.
#[derive(Debug)]
struct RateLimit {
    caller: CallerName,
    limiter: Arc<dyn Limiter>,
}

/// A permitted request within its caller's limit. Only [`RateLimits::admit`] makes one.
#[derive(Debug)]
pub struct Admitted<T> {
    pub(super) permit: Permit<T>,
}

impl RateLimits {
    /// Those of `config`; a bucket that is there in `kept` with the same rate goes on.
    pub fn new(config: &Config, kept: &CallerLimits) -> Self {
        let limit = |caller: &crate::config::Caller| {
            let rate = caller.rate?;
            Some(RateLimit { caller: caller.name.clone(), limiter: kept.bucket(&caller.name, rate) })
        };
        let callers = config.callers.iter().map(limit).collect();
        kept.keep(config);
        Self { callers }
    }

    /// Lets a request pass, or says how long its caller must wait.
    ///
    /// # Errors
    /// [`LimitError::Rate`].
    pub async fn admit<T>(&self, permit: Permit<T>, now: Instant) -> Result<Admitted<T>, LimitError> {
        if let Some(RateLimit { caller, limiter }) = &self.callers[permit.caller().index().0]
            && let Err(wait) = limiter.take(now).await
            && let Some(rate) = limiter.rate()
        {
            return Err(LimitError::Rate { caller: caller.clone(), rate, wait });
        }
        Ok(Admitted { permit })
    }
}

impl<T> Admitted<T> {
    /// Who.
    pub fn caller(&self) -> &Caller {
        self.permit.caller()
    }

    /// Where: to look at. What is sent there is sent with a value that has the tenant in it.
    pub fn tenant(&self) -> &Arc<T> {
        self.permit.tenant()
    }

    /// What.
    pub fn action(&self) -> &Action {
        self.permit.action()
    }

    /// With which of the tenant's tokens.
    pub fn token(&self) -> &TokenSpec {
        self.permit.token()
    }

    /// Whether the request's body has to be whole in memory for the conditions on it.
    pub fn looks_at_body(&self) -> bool {
        matches!(self.action(), Action::Forward(operation) if operation.looks_at_body())
    }
}

/// The buckets of callers by name, across reloads.
#[derive(Debug, Default)]
pub struct CallerLimits(Mutex<HashMap<CallerName, Arc<Bucket>>>);

impl CallerLimits {
    fn bucket(&self, name: &CallerName, rate: Rate) -> Arc<Bucket> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match kept.get(name) {
            Some(bucket) if bucket.rate() == Some(rate) => bucket.clone(),
            _ => {
                let bucket = Arc::new(Bucket::new(Some(rate)));
                kept.insert(name.clone(), bucket.clone());
                bucket
            }
        }
    }

    /// Lets go of those that no caller of `config` has.
    fn keep(&self, config: &Config) {
        let limited = config.callers.iter().filter(|caller| caller.rate.is_some());
        let names: HashSet<&CallerName> = limited.map(|caller| &caller.name).collect();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|name, _| names.contains(name));
    }
}
