//! Permit → Admitted: the caller's rate limit is drawn on here, before anything that costs. What it holds is counted from here on.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::{HeaderMap, HeaderName, HeaderValue, request::Parts};
use tokio::time::Instant;

use super::{
    circuit::Circuit,
    error::LimitError,
    in_flight::InFlight,
    limiter::Limiter,
    limiters::Limiters,
    memory::{CallerMemory, KeptMemory, Memory},
    quota::Quota,
    shares::Held,
    turn::Turn,
};
use crate::{
    authn::Caller,
    config::{Class, Config, Rate},
    ids::{CallerIndex, CallerName},
    policy::{Action, Permit, TokenSpec},
};

/// What a request that waits takes beside its head and its body: its task, its record. An estimate, in bytes.
const REQUEST: usize = 8 * 1024;
/// The same for each field of its head.
const FIELD: usize = 128;

/// What the limits know of a tenant.
pub trait Limited {
    /// What it allows us.
    fn quota(&self) -> &Quota;

    /// The places among its requests.
    fn in_flight(&self) -> &Arc<InFlight>;

    /// Whether anything is sent there.
    fn circuit(&self) -> &Arc<Circuit>;
}

/// The limits of a configuration's callers, in their order.
#[derive(Debug)]
pub struct RateLimits {
    callers: Box<[CallerLimit]>,
}

/// Those of one caller.
#[derive(Debug)]
struct CallerLimit {
    rate: Option<RateLimit>,
    memory: Arc<CallerMemory>,
    class: Class,
    weight: u32,
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
    pub(super) memory: Arc<CallerMemory>,
    pub(super) turn: Turn,
    /// While it waits.
    pub(super) held: Option<Held>,
}

impl RateLimits {
    /// Those of `config`; a bucket that is there in `kept` with the same rate goes on.
    pub fn new(config: &Config, kept: &CallerLimits) -> Self {
        let limit = |caller: &crate::config::Caller| {
            let rate = caller.rate.map(|rate| RateLimit {
                caller: caller.name.clone(),
                limiter: kept.bucket(&caller.name, rate),
            });
            let (class, weight) = (caller.priority, caller.weight);
            CallerLimit { rate, memory: kept.memory(&caller.name), class, weight }
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
        let index = permit.caller().index().0;
        let limits = &self.callers[index];
        if let Some(RateLimit { caller, limiter }) = &limits.rate
            && let Err(wait) = limiter.take(now, Class::Interactive).await
            && let Some(rate) = limiter.rate()
        {
            return Err(LimitError::Rate { caller: caller.clone(), rate, wait });
        }
        let turn = Turn { caller: index, class: limits.class, weight: limits.weight };
        Ok(Admitted { permit, memory: limits.memory.clone(), turn, held: None })
    }

    /// What a caller holds.
    pub fn memory(&self, caller: CallerIndex) -> &Arc<CallerMemory> {
        &self.callers[caller.0].memory
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

    /// How urgent it is, as far as its head says.
    pub fn class(&self, headers: &HeaderMap) -> Class {
        self.turn.lowered(headers).class
    }

    /// Counts the request's head.
    ///
    /// # Errors
    /// [`LimitError::Memory`].
    pub fn hold_head(&mut self, head: &Parts) -> Result<(), LimitError> {
        let field = |(name, value): (&HeaderName, &HeaderValue)| FIELD + name.as_str().len() + value.len();
        let path = head.uri.path_and_query().map_or(0, |path| path.as_str().len());
        self.hold((REQUEST + path + head.headers.iter().map(field).sum::<usize>()) as u64)
    }

    /// Counts what the request holds while it waits, in bytes, beside what was counted before.
    ///
    /// # Errors
    /// [`LimitError::Memory`]: its caller holds too much already.
    pub fn hold(&mut self, bytes: u64) -> Result<(), LimitError> {
        let is_held = match &mut self.held {
            Some(held) => held.grow(bytes),
            none => {
                *none = self.memory.hold(bytes);
                none.is_some()
            }
        };
        if is_held { Ok(()) } else { Err(self.memory.is_used_up()) }
    }

    /// What it holds, where it is answered without being sent.
    pub fn into_held(self) -> Option<Held> {
        self.held
    }

    /// Whether the request's body has to be whole in memory for the conditions on it.
    pub fn looks_at_body(&self) -> bool {
        matches!(self.action(), Action::Forward(operation) if operation.looks_at_body())
    }
}

/// What is kept of callers by name, across reloads.
#[derive(Debug, Default)]
pub struct CallerLimits {
    memory: Memory,
    limiters: Limiters,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    buckets: HashMap<CallerName, Arc<dyn Limiter>>,
    memories: HashMap<CallerName, Arc<CallerMemory>>,
}

impl CallerLimits {
    /// Of callers that share this memory.
    pub fn new(memory: Memory) -> Self {
        Self { memory, ..Self::default() }
    }

    /// The same with limiters made there.
    #[must_use]
    pub fn made_by(self, limiters: Limiters) -> Self {
        Self { limiters, ..self }
    }

    /// The share of answers that are kept, in the memory that callers have.
    pub fn memory_of_kept(&self) -> KeptMemory {
        self.memory.kept()
    }

    fn memory(&self, name: &CallerName) -> Arc<CallerMemory> {
        let mut kept = self.kept();
        kept.memories.entry(name.clone()).or_insert_with(|| self.memory.of(name)).clone()
    }

    fn bucket(&self, name: &CallerName, rate: Rate) -> Arc<dyn Limiter> {
        let buckets = &mut self.kept().buckets;
        match buckets.get(name) {
            Some(bucket) if bucket.rate() == Some(rate) => bucket.clone(),
            _ => {
                let bucket = self.limiters.of_rate(name, rate);
                buckets.insert(name.clone(), bucket.clone());
                bucket
            }
        }
    }

    /// Lets go of those that no caller of `config` has.
    fn keep(&self, config: &Config) {
        let limited = config.callers.iter().filter(|caller| caller.rate.is_some());
        let limited: HashSet<&CallerName> = limited.map(|caller| &caller.name).collect();
        let names: HashSet<&CallerName> = config.callers.iter().map(|caller| &caller.name).collect();
        let mut kept = self.kept();
        kept.buckets.retain(|name, _| limited.contains(name));
        kept.memories.retain(|name, _| names.contains(name));
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
