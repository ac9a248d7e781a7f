//! A bucket that all replicas draw on. It stands in Redis; each replica leases a few permits ahead, as many as it has needed of late,
//! and hands them out as a bucket of its own would, so that a request seldom waits for Redis and the order of those who wait is kept
//! where they wait. A permit is used by the time of its arrival and soon after, or not at all: so what all replicas send in any period is what one
//! bucket would have let pass. While Redis is away, or late, this replica keeps to its part of the bucket, and what it used so
//! is told to Redis afterwards. Nobody waits for Redis longer than [`PATIENCE`].

mod lease;
mod state;
mod stock;

use std::{
    fmt,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use self::{
    lease::{Ask, Lessor},
    state::{MOST, State},
    stock::NoPermit,
};
use super::{
    bucket::{Bucket, nanos},
    limiter::{Drawn, From, Limiter, Take},
    replicas::{Leased, Replicas},
};
use crate::{
    config::{Class, Quota, Rate},
    ids::{CallerName, TenantName},
    redis::RedisError,
};

/// The longest that a request waits for Redis.
const PATIENCE: Duration = Duration::from_millis(5);
/// The longest time that somebody who waits reserves ahead, in nanoseconds.
const LONGEST_LOOK: u64 = 100_000_000;
/// The longest that a permit is good after its arrival, in nanoseconds; and the part of a period that it is at most.
const LONGEST_LAPSE: u64 = 200_000_000;
const PART: u64 = 50;
/// Periods for which a pace that the tenant has narrowed is everybody's, unless it is said again.
const PACE_LASTS: u64 = 3;

/// A bucket that replicas share. Cheap to clone.
#[derive(Clone)]
pub(super) struct SharedBucket(Arc<Inner>);

struct Inner {
    key: String,
    /// What it is of in the configuration.
    setting: String,
    replicas: Replicas,
    lessor: Arc<dyn Lessor>,
    rate: Rate,
    /// This replica's part of it, for when Redis is away.
    own: Bucket,
    /// How far ahead those who wait reserve, in nanoseconds.
    look: u64,
    /// How long a permit is good.
    lapse: u64,
    epoch: Instant,
    state: Mutex<State>,
    answered: Notify,
}

/// A request that waits for Redis, until it is dropped.
struct Waiting(SharedBucket);

/// Whether a request that asks is one of those that wait.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Comes {
    First,
    Again,
}

/// What is known without Redis.
enum Found {
    Known(Result<Drawn, Duration>),
    /// It has been asked.
    Asked,
}

impl SharedBucket {
    /// What may be spent of a tenant's quota.
    pub(super) fn of_quota(tenant: &TenantName, quota: Quota, replicas: Replicas) -> Self {
        let own = Bucket::of(Some(quota));
        let look = (own.ahead[0] / 4).max(2 * own.full).min(LONGEST_LOOK.max(own.full));
        let setting = format!("tenants.{tenant}.quota");
        Self::new((format!("quota:{tenant}"), setting), quota.spent(), own, look, replicas)
    }

    /// What a caller may send: nobody waits for it, so nothing is reserved.
    pub(super) fn of_rate(caller: &CallerName, rate: Rate, replicas: Replicas) -> Self {
        let setting = format!("callers.{caller}.rate");
        Self::new((format!("rate:{caller}"), setting), rate, Bucket::new(Some(rate)), 0, replicas)
    }

    fn new(
        (name, setting): (String, String),
        rate: Rate,
        own: Bucket,
        look: u64,
        replicas: Replicas,
    ) -> Self {
        Self(Arc::new(Inner {
            key: format!("{}:{name}", replicas.redis().prefix()),
            setting,
            lessor: Arc::new(replicas.redis().clone()),
            replicas,
            rate,
            look,
            lapse: (nanos(rate.per) / PART).clamp(1_000_000, LONGEST_LAPSE),
            epoch: Instant::now(),
            state: Mutex::new(State::new(own.full)),
            own,
            answered: Notify::new(),
        }))
    }

    /// One for this class, or how long until there might be one; or Redis has been asked, and the request is one of those that wait.
    fn find(&self, now: Instant, class: Class, comes: Comes) -> Found {
        let Inner { own, look, lapse, replicas, .. } = &*self.0;
        let (at, ahead) = (self.0.since_epoch(now), own.ahead[class.index()]);
        let mut state = self.0.lock();
        let paused = state.paused_until.saturating_sub(at);
        if paused > 0 {
            return Found::Known(Err(Duration::from_nanos(paused)));
        }
        let reach = ahead + look;
        match state.stock.take(at, ahead, *lapse) {
            Ok(drawn) => {
                let wanted = state.count(at);
                state.reach = state.reach.max(reach);
                if (state.stock.len() as u64) * 2 < wanted && state.next <= at + reach {
                    self.ask(&mut state, now);
                }
                return Found::Known(Ok(drawn));
            }
            Err(NoPermit::Early(wait)) => return Found::Known(Err(Duration::from_nanos(wait))),
            Err(NoPermit::Empty) => {}
        }
        let is_late = state.asked.is_some_and(|asked| now.saturating_duration_since(asked) > PATIENCE);
        if replicas.is_away() || is_late {
            drop(state);
            return Found::Known(self.0.draw_own(now, class));
        }
        let early = state.next.saturating_sub(at + reach);
        if early > 0 {
            return Found::Known(Err(Duration::from_nanos(early)));
        }
        state.reach = state.reach.max(reach);
        state.missing += u64::from(comes == Comes::First);
        self.ask(&mut state, now);
        Found::Asked
    }

    /// Waits for what Redis answers, for a moment.
    async fn answered(&self, class: Class, _waiting: Waiting) -> Result<Drawn, Duration> {
        let until = Instant::now() + PATIENCE;
        loop {
            let mut answered = pin!(self.0.answered.notified());
            // Before it is looked, so that no answer is missed.
            answered.as_mut().enable();
            if let Found::Known(found) = self.find(Instant::now(), class, Comes::Again) {
                return found;
            }
            if timeout_at(until, answered).await.is_err() {
                return self.0.draw_own(Instant::now(), class);
            }
        }
    }

    /// Asks Redis, unless it is being asked.
    fn ask(&self, state: &mut State, now: Instant) {
        if state.asked.is_none() {
            state.asked = Some(now);
            let bucket = self.clone();
            self.0.replicas.runtime().spawn(async move { while bucket.0.asks().await {} });
        }
    }

    /// Tells Redis something, as soon as it can be told.
    fn tell(&self, now: Instant, news: impl FnOnce(&mut State)) {
        let mut state = self.0.lock();
        news(&mut state);
        self.ask(&mut state, now);
    }
}

impl Inner {
    /// Asks once, and takes up the answer. Whether there is more to say.
    async fn asks(&self) -> bool {
        let ask = self.question(Instant::now());
        let Self { replicas, key, lessor, .. } = self;
        let answer = lessor.lease(key, replicas.name(), &ask).await;
        let now = Instant::now();
        let mut state = self.lock();
        let goes_on = match answer {
            Ok(lease) => {
                if lease.is_others {
                    replicas.differs(&self.setting, now);
                }
                state.take_up(self.since_epoch(now), lease);
                if ask.want > 0 {
                    let is_refused = lease.count == 0;
                    replicas.count_lease(if is_refused { Leased::Refused } else { Leased::Granted });
                }
                state.news.is_there()
            }
            Err(error) => {
                self.forgo(&mut state, &ask, error);
                false
            }
        };
        state.asked = goes_on.then_some(now);
        drop(state);
        self.answered.notify_waiters();
        goes_on
    }

    fn question(&self, now: Instant) -> Ask {
        let mut state = self.lock();
        let at = self.since_epoch(now);
        let wanted = state.wanted(at).saturating_sub(state.stock.len() as u64);
        let (reach, news) = (std::mem::take(&mut state.reach), std::mem::take(&mut state.news));
        // Of what was drawn without Redis only what has not come back since: nobody else could use that time.
        let own = if news.was_away { self.own.settle(now) / u64::from(self.replicas.count()) } else { 0 };
        let period = nanos(self.rate.per).min(nanos(Duration::from_mins(1)));
        Ask {
            cost: self.own.full,
            reach,
            want: wanted.max(state.missing).min(MOST),
            most: self.most(),
            used: news.debt.saturating_add(own),
            least: news.least,
            pause: news.pause,
            pace: state.pace,
            pace_lasts: if news.pace { period * PACE_LASTS } else { 0 },
            limit: format!("{}/{}/{}", self.rate.requests, self.rate.per.as_millis(), self.rate.burst),
        }
    }

    /// As far ahead as anybody may draw, at the slowest pace.
    fn most(&self) -> u64 {
        self.own.ahead[0].saturating_add(self.look).saturating_add(self.own.full.saturating_mul(100))
    }

    /// There was no answer. What was to be told is told the next time.
    fn forgo(&self, state: &mut State, ask: &Ask, error: RedisError) {
        self.replicas.count_lease(Leased::Failed);
        state.news.debt = state.news.debt.saturating_add(ask.used).min(ask.most);
        state.news.least = state.news.least.max(ask.least);
        state.news.pause = state.news.pause.max(ask.pause);
        state.news.pace |= ask.pace_lasts > 0;
        self.replicas.failed(error);
    }

    /// Out of this replica's part, which goes on from where the bucket of all was.
    fn draw_own(&self, now: Instant, class: Class) -> Result<Drawn, Duration> {
        let mut state = self.lock();
        self.own.set_pace(state.pace / f64::from(self.replicas.count()));
        if self.replicas.is_away() {
            let known = state.next.saturating_sub(self.since_epoch(now));
            self.own.spend(now, known.min(self.own.ahead[0]));
            state.news.was_away = true;
            return self.own.draw(now, class);
        }
        let drawn = self.own.draw(now, class)?;
        self.replicas.count_lease(Leased::Late);
        state.news.debt = state.news.debt.saturating_add(self.own.full);
        Ok(drawn)
    }

    fn since_epoch(&self, now: Instant) -> u64 {
        nanos(now.saturating_duration_since(self.epoch))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Limiter for SharedBucket {
    fn take(&self, now: Instant, class: Class) -> Take<'_> {
        match self.find(now, class, Comes::First) {
            Found::Known(found) => Take::Ready(found),
            Found::Asked => Take::Later(Box::pin(self.answered(class, Waiting(self.clone())))),
        }
    }

    fn wait(&self, now: Instant, class: Class) -> Duration {
        let at = self.0.since_epoch(now);
        if self.0.replicas.is_away() {
            return self.0.own.wait(now, class);
        }
        let state = self.0.lock();
        let due = state.next.saturating_sub(at + self.0.own.ahead[class.index()]);
        Duration::from_nanos(due.max(state.paused_until.saturating_sub(at)))
    }

    fn give_back(&self, now: Instant, drawn: Drawn) {
        match drawn.from {
            From::Here => self.0.own.give_back(now, drawn),
            From::Lease => self.0.lock().stock.give_back(drawn),
        }
    }

    fn remaining(&self, now: Instant) -> Option<u32> {
        if self.0.replicas.is_away() {
            return self.0.own.remaining(now);
        }
        let (state, at) = (self.0.lock(), self.0.since_epoch(now));
        let ahead = state.next.saturating_sub(at);
        let free = (self.0.own.ahead[0] + state.cost).saturating_sub(ahead) / state.cost.max(1);
        let all = free + state.stock.len() as u64;
        Some(u32::try_from(all).unwrap_or(u32::MAX).min(self.0.rate.burst))
    }

    fn pause(&self, now: Instant, wait: Duration) {
        let (until, wait) = (self.0.since_epoch(now).saturating_add(nanos(wait)), nanos(wait));
        self.tell(now, |state| {
            state.paused_until = state.paused_until.max(until);
            state.news.pause = state.news.pause.max(wait);
        });
    }

    fn paused(&self, now: Instant) -> Option<Duration> {
        let left = self.0.lock().paused_until.saturating_sub(self.0.since_epoch(now));
        (left > 0).then(|| Duration::from_nanos(left))
    }

    fn set_pace(&self, pace: f64) {
        self.tell(Instant::now(), |state| {
            state.pace = pace;
            state.news.pace = true;
        });
    }

    fn empty(&self, now: Instant) {
        if self.0.replicas.is_away() {
            self.0.own.empty(now);
        }
        self.tell(now, |state| {
            state.stock.clear();
            state.news.least = self.0.own.ahead[0];
        });
    }

    fn interval(&self) -> Duration {
        let replicas = &self.0.replicas;
        if replicas.is_away() { self.0.own.interval() } else { self.0.lock().interval(replicas.count()) }
    }

    #[expect(clippy::cast_precision_loss, reason = "a part of a rate")]
    fn pace(&self) -> f64 {
        if self.0.replicas.is_away() {
            return self.0.own.pace();
        }
        self.0.own.full as f64 / self.0.lock().cost.max(1) as f64
    }

    fn rate(&self) -> Option<Rate> {
        Some(self.0.rate)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.0.lock().missing -= 1;
    }
}

impl fmt::Debug for SharedBucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedBucket").field("key", &self.0.key).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
