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
    ids::{CallerId, CallerIndex, CallerName},
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
    id: CallerId,
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
    /// In a box, as it is handed on from stage to stage, and each has room for it.
    pub(super) permit: Box<Permit<T>>,
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
            let Known { id, memory } = kept.known(&caller.name);
            CallerLimit { rate, id, memory, class, weight }
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
        let turn = Turn { caller: limits.id, class: limits.class, weight: limits.weight };
        Ok(Admitted { permit: Box::new(permit), memory: limits.memory.clone(), turn, held: None })
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

    /// Whose turn it takes, and how urgent it is, as far as its head says.
    pub fn turn(&self, headers: &HeaderMap) -> Turn {
        self.turn.lowered(headers)
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
    known: HashMap<CallerName, Known>,
    /// How many numbers were given out.
    numbers: u64,
}

/// What stays with a caller as long as there is one of its name.
#[derive(Debug, Clone)]
struct Known {
    id: CallerId,
    memory: Arc<CallerMemory>,
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

    fn known(&self, name: &CallerName) -> Known {
        let Kept { known, numbers, .. } = &mut *self.kept();
        let made = || {
            *numbers += 1;
            Known { id: CallerId::numbered(*numbers), memory: self.memory.of(name) }
        };
        known.entry(name.clone()).or_insert_with(made).clone()
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
        kept.known.retain(|name, _| names.contains(name));
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(names: &[&str], kept: &CallerLimits) -> Vec<CallerId> {
        let callers = names.iter().map(|name| crate::authn::tests::caller(name, Vec::new()));
        let config = Config { callers: callers.collect(), ..Config::default() };
        RateLimits::new(&config, kept).callers.iter().map(|limits| limits.id).collect()
    }

    #[test]
    fn b23_a_caller_is_the_same_one_wherever_it_stands_and_nobody_else_has_its_number() {
        let kept = CallerLimits::default();
        let (b, c) = (ids(&["b", "c"], &kept)[0], ids(&["b", "c"], &kept)[1]);
        let with_another = ids(&["a", "b", "c"], &kept);
        assert_eq!(with_another[1..], [b, c]);
        assert!(with_another[0] != b && with_another[0] != c);
        assert_eq!(ids(&["c"], &kept), [c]);
        // Whoever was gone comes back as somebody new.
        let again = ids(&["a", "b", "c"], &kept);
        assert!(!with_another[..2].iter().any(|gone| again.contains(gone)), "{again:?}");
        assert_eq!(again[2], c);
        assert_eq!(kept.kept().known.len(), 3);
    }
}
