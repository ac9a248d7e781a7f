//! A tenant's quota: what it allows all of its clients, how much of that is spent here, and on whom. A request draws before it has a
//! place among the tenant's requests, so that who waits here keeps nobody else out.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use prometheus::IntCounter;
use tokio::time::Instant;

use super::{
    belief::Belief,
    error::{LimitError, Paused},
    limiter::{Drawn, Limiter},
    pacing::{Pacer, Rank, TooLate},
    pauses::{Pauses, Throttled},
    turn::Turn,
};
use crate::{
    config::{self, Class},
    ids::{OperationId, TenantName},
};

/// A pause that the upstream asked for is waited for where it is short; of a longer one the caller is told.
const SHORT_PAUSE: Duration = Duration::from_secs(2);
/// The longest that a request waits which keeps others out meanwhile.
const BRIEFLY: Duration = Duration::from_secs(2);

/// What a tenant allows us. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Quota(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    tenant: TenantName,
    config: Option<config::Quota>,
    waits: Waits,
    pacer: Pacer,
    kept: Arc<Kept>,
}

/// What goes on when it is waited for in another way.
#[derive(Debug)]
struct Kept {
    limiter: Arc<dyn Limiter>,
    /// Made when it is first heard of: most tenants never throttle anybody.
    throttling: OnceLock<Box<Throttling>>,
    /// Of a tenant with a rate; made when it first counts, as a series for each of ten thousand tenants takes more than they do.
    used: Option<OnceLock<IntCounter>>,
    meter: Box<dyn QuotaMeter>,
}

/// What the tenant's answers say of it.
#[derive(Debug)]
struct Throttling {
    /// Of operations that the upstream throttles by themselves.
    pauses: Pauses,
    belief: Belief,
}

/// How it is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waits {
    /// How long at most (`timeouts.quota`).
    pub longest: Duration,
    /// How many at a time (`limits.quota_queue`).
    pub most: usize,
}

/// Who counts what comes of waiting.
pub trait QuotaMeter: fmt::Debug + Send + Sync {
    /// The counter of requests that drew on the quota and were sent.
    fn used(&self) -> IntCounter;

    /// A request has waited.
    fn waited(&self, class: Class, wait: Duration);

    /// A request was refused.
    fn refused(&self, class: Class);

    /// The tenant answered that its quota is used up, and this fraction of the pace is left.
    fn narrowed(&self, pace: f64);
}

/// Counts what is used, and nothing else.
impl QuotaMeter for IntCounter {
    fn used(&self) -> IntCounter {
        self.clone()
    }

    fn waited(&self, _class: Class, _wait: Duration) {}

    fn refused(&self, _class: Class) {}

    fn narrowed(&self, _pace: f64) {}
}

/// What may be shown of a quota.
#[derive(Debug, Clone, Copy)]
pub struct QuotaStatus {
    /// As configured.
    pub config: config::Quota,
    /// The fraction of it that is spent at most: less where the tenant gave less, or where replicas cannot share it.
    pub pace: f64,
    /// How long ago the tenant said that it was used up, though by our count it was not.
    pub ran_out: Option<Duration>,
    /// Requests that would pass at once.
    pub remaining: Option<u32>,
    /// Requests that wait, by class.
    pub waiting: [usize; 3],
}

impl QuotaStatus {
    /// Requests per second that are spent at most.
    pub fn believed(&self) -> f64 {
        self.config.per_second() * self.config.share * self.pace
    }
}

/// One request of it; given back when it is dropped, unless it was sent.
#[derive(Debug)]
pub struct Permit {
    quota: Quota,
    drawn: Drawn,
    is_sent: bool,
}

impl Quota {
    /// The quota of `tenant` as `limiter` keeps it.
    pub fn new(
        tenant: TenantName,
        config: Option<config::Quota>,
        limiter: Arc<dyn Limiter>,
        waits: Waits,
        meter: impl QuotaMeter + 'static,
    ) -> Self {
        let used = config.map(|_| OnceLock::new());
        let kept = Kept { limiter, throttling: OnceLock::new(), used, meter: Box::new(meter) };
        Self::with(tenant, config, waits, Arc::new(kept))
    }

    fn with(tenant: TenantName, config: Option<config::Quota>, waits: Waits, kept: Arc<Kept>) -> Self {
        let pacer = Pacer::new(kept.limiter.clone(), waits.most);
        Self(Arc::new(Inner { tenant, config, waits, pacer, kept }))
    }

    /// The same for other settings of the tenant: the same allowance, while its quota is.
    #[must_use]
    pub fn carried_over(&self, config: Option<config::Quota>, waits: Waits) -> Option<Self> {
        if self.0.config != config {
            return None;
        }
        if self.0.waits == waits {
            return Some(self.clone());
        }
        // Those who wait already wait as they did.
        Some(Self::with(self.0.tenant.clone(), config, waits, self.0.kept.clone()))
    }

    /// Draws for what Claviger does on its own, if that may be had now.
    ///
    /// # Errors
    /// The time after which a request would pass.
    pub async fn draw(&self) -> Result<(), Duration> {
        self.limiter().take(Instant::now(), Class::Interactive).await?;
        self.count();
        Ok(())
    }

    /// Waits for the turn of a request of this operation, until `deadline` at the longest.
    ///
    /// # Errors
    /// [`LimitError::Quota`]: it would not have its turn in time.
    pub async fn pace(
        &self,
        turn: Turn,
        operation: OperationId,
        deadline: Instant,
    ) -> Result<Permit, LimitError> {
        self.turn_of(turn, Rank::Class(turn.class), operation, deadline, self.0.waits.longest).await
    }

    /// Draws for a request of this operation if it need not wait.
    pub async fn at_once(&self, turn: Turn, operation: OperationId) -> Option<Permit> {
        let (now, kept) = (Instant::now(), &self.0.kept);
        let throttling = kept.throttling.get();
        if throttling.is_some_and(|throttling| throttling.pauses.left(operation, now).is_some()) {
            return None;
        }
        self.0.pacer.pass(Rank::Class(turn.class), now).await.map(|drawn| self.permit(drawn))
    }

    /// Waits for the turn of a request that has a place among the tenant's requests: it goes before all others, as it keeps them out, and does
    /// not wait long.
    ///
    /// # Errors
    /// [`LimitError::Quota`].
    pub async fn again(
        &self,
        turn: Turn,
        operation: OperationId,
        deadline: Instant,
    ) -> Result<Permit, LimitError> {
        self.turn_of(turn, Rank::Placed, operation, deadline, BRIEFLY).await
    }

    async fn turn_of(
        &self,
        turn: Turn,
        rank: Rank,
        operation: OperationId,
        deadline: Instant,
        longest: Duration,
    ) -> Result<Permit, LimitError> {
        let Inner { pacer, kept, .. } = &*self.0;
        let now = Instant::now();
        if let Some(Throttling { pauses, belief }) = kept.throttling.get().map(|it| &**it) {
            if let Some(wait) = pauses.left(operation, now) {
                return Err(self.paused(turn, Paused::Operation, wait));
            }
            if let Some(pace) = belief.widen(now) {
                kept.limiter.set_pace(pace);
            }
        }
        if let Some(drawn) = pacer.pass(rank, now).await {
            return Ok(self.permit(drawn));
        }
        if let Some(pause) = kept.limiter.paused(now).filter(|pause| *pause > SHORT_PAUSE) {
            return Err(self.paused(turn, Paused::Tenant, pause));
        }
        let until = deadline.min(now.checked_add(longest).unwrap_or(deadline));
        match pacer.wait(turn, rank, until).await {
            Ok(drawn) => {
                kept.meter.waited(turn.class, now.elapsed());
                Ok(self.permit(drawn))
            }
            Err(TooLate(wait)) => Err(self.too_late(turn, wait)),
        }
    }

    /// While a pause lasts, it is what keeps those that wait from their turns; a tenant without a quota has nothing else.
    fn too_late(&self, turn: Turn, wait: Duration) -> LimitError {
        let limiter = self.limiter();
        match limiter.rate().filter(|_| limiter.paused(Instant::now()).is_none()) {
            None => self.paused(turn, Paused::Tenant, wait),
            Some(rate) => {
                self.0.kept.meter.refused(turn.class);
                LimitError::Quota { tenant: self.0.tenant.clone(), rate, wait, class: turn.class }
            }
        }
    }

    fn paused(&self, turn: Turn, what: Paused, wait: Duration) -> LimitError {
        self.0.kept.meter.refused(turn.class);
        LimitError::Paused { tenant: self.0.tenant.clone(), what, wait }
    }

    /// How long one would wait for its turn who came behind so many that have yet to get in line.
    pub fn expected(&self, turn: Turn, before: usize) -> Duration {
        let before = u32::try_from(before).unwrap_or(u32::MAX);
        self.0.pacer.would_wait(turn).saturating_add(self.limiter().interval().saturating_mul(before))
    }

    fn permit(&self, drawn: Drawn) -> Permit {
        Permit { quota: self.clone(), drawn, is_sent: false }
    }

    /// The upstream asked for a pause of `wait` when this operation came: no request of it passes until then, and none at
    /// all where others were throttled just before.
    pub fn pause(&self, operation: OperationId, wait: Duration) {
        let now = Instant::now();
        if self.throttling().pauses.pause(operation, now, wait) == Throttled::Tenant {
            self.limiter().pause(now, wait);
            self.narrow(now);
        }
    }

    /// The upstream says that its quota is used up, without saying until when.
    pub fn ran_out(&self) {
        let now = Instant::now();
        self.limiter().empty(now);
        self.narrow(now);
    }

    fn narrow(&self, now: Instant) {
        if let Some(pace) = self.throttling().belief.narrow(now) {
            self.limiter().set_pace(pace);
            self.0.kept.meter.narrowed(pace);
        }
    }

    /// The upstream says how many requests it takes in a period, and how long nothing is left of them.
    pub fn told(&self, told: Told) {
        let (now, kept) = (Instant::now(), &self.0.kept);
        if let (Some(config), Some((requests, per))) = (&self.0.config, told.policy) {
            let fraction = (f64::from(requests) / per.as_secs_f64())
                / (f64::from(config.requests) / config.per.as_secs_f64());
            if let Some(pace) = self.throttling().belief.told(fraction, now) {
                kept.limiter.set_pace(pace);
                kept.meter.narrowed(pace);
            }
        }
        if let Some(wait) = told.empty_for {
            kept.limiter.pause(now, wait);
        }
    }

    /// Whether there is a number that the tenant allows.
    pub fn has_rate(&self) -> bool {
        self.0.config.is_some()
    }

    /// What may be shown, of a tenant with a quota.
    pub fn status(&self) -> Option<QuotaStatus> {
        let Inner { pacer, kept, .. } = &*self.0;
        Some(QuotaStatus {
            config: self.0.config?,
            // It comes of whole nanoseconds.
            pace: (kept.limiter.pace() * 1e6).round() / 1e6,
            ran_out: kept.throttling.get().and_then(|it| it.belief.narrowed(Instant::now())),
            remaining: self.remaining(),
            waiting: Class::ALL.map(|class| pacer.waiting(class)),
        })
    }

    /// Requests that would pass now.
    pub fn remaining(&self) -> Option<u32> {
        self.limiter().remaining(Instant::now())
    }

    fn throttling(&self) -> &Throttling {
        let period = self.0.config.map_or(Duration::MAX, |config| config.per);
        let make = || Box::new(Throttling { pauses: Pauses::new(), belief: Belief::new(period) });
        self.0.kept.throttling.get_or_init(make)
    }

    fn limiter(&self) -> &dyn Limiter {
        &*self.0.kept.limiter
    }

    fn count(&self) {
        let kept = &self.0.kept;
        if let Some(used) = &kept.used {
            used.get_or_init(|| kept.meter.used()).inc();
        }
    }
}

/// What an answer says of the quota (draft-ietf-httpapi-ratelimit-headers).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Told {
    /// So many requests in so much time.
    pub policy: Option<(u32, Duration)>,
    /// Nothing is left for so long.
    pub empty_for: Option<Duration>,
}

impl Permit {
    /// It goes out.
    pub fn sent(&mut self) {
        self.is_sent = true;
    }

    /// It did not go out after all.
    pub fn unsent(&mut self) {
        self.is_sent = false;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.is_sent {
            self.quota.count();
        } else {
            self.quota.0.pacer.give_back(self.drawn);
        }
    }
}

#[cfg(test)]
mod tests;
