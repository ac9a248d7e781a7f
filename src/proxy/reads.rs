//! Reads that need not be sent: those that others are waiting for the same answer of, and those whose answer is kept. Says which request
//! may be given which answer, and keeps what may be kept. It is asked after a request was admitted, and never decides whether
//! it may be answered: a key is made of what was permitted alone.
//!
//! A read sees every write that was answered before it came: the count of the tenant's writes is part of what two reads must have
//! in common, and an answer from before the last write is not given again, whatever it was about. Which answers a write
//! changes nobody can tell from its path: to delete a role changes what users have.

mod fitness;
mod flights;
mod key;
mod store;
#[cfg(test)]
mod tests;

use std::{
    hash::RandomState,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts, uri::PathAndQuery};
use http_body::Body as _;
use hyper::body::Incoming;
use prometheus::IntCounter;
use tokio::time::Instant;

pub(super) use self::flights::{Followers, Joined, Landing, Lead};
use self::{
    fitness::{Fitness, age, freshen, strip_own, validator},
    flights::{FlightKey, Flights},
    key::{Key, Manner},
    store::Store,
};
use crate::{
    config::{Class, Limits},
    ids::CallerId,
    limit::{Admitted, KeptMemory},
    observe::{CacheUse, Metrics},
    policy::{Action, Sharing},
    upstream::{Tenant, WholeAnswer, Writes},
};

/// The reads of a process: what is under way and what is kept. Outlives a reload.
#[derive(Debug)]
pub struct Reads {
    flights: Flights,
    hasher: RandomState,
    kept: Mutex<Store<Kept>>,
    memory: KeptMemory,
    counters: [IntCounter; CacheUse::ALL.len()],
}

/// A read whose answer others may be given, or that may be given another's.
#[derive(Debug, Clone)]
pub(super) struct Read {
    key: Key,
    /// Its caller, and how urgent it is.
    turn: (CallerId, Class),
    /// When it came, and how many writes there had been.
    began: Instant,
    count: u64,
    writes: Arc<Writes>,
    /// How old an answer may be that is given again; `None`: none is.
    kept: Option<Duration>,
}

/// How a request is answered, as far as others come into it.
#[derive(Debug)]
pub(super) enum Way {
    /// On its own; with this to say of it where its operation has a cache.
    Alone(Option<HeaderValue>),
    /// Like others.
    Shared(Read),
}

/// An answer that is kept.
#[derive(Debug)]
pub(super) struct Kept {
    answer: WholeAnswer,
    /// When it was asked for, how old it was when it came, and how many writes there had been.
    began: Instant,
    age: Duration,
    count: u64,
    /// How long Logto says that it is good.
    longest: Duration,
}

/// What is kept for a read.
#[derive(Debug)]
pub(super) enum Found {
    /// An answer, of this age, for so long.
    Good(Arc<Kept>, Duration, Duration),
    /// One that Logto has to say is still true.
    Stale(Arc<Kept>),
    Nothing,
}

/// What became of the cache, where an operation has one: for the log, and for `Cache-Status`.
pub(super) type Said = Option<(CacheUse, &'static str)>;

impl Reads {
    /// None yet.
    pub fn new(metrics: &Metrics, memory: KeptMemory) -> Self {
        let counters = CacheUse::ALL.map(|used| metrics.cache_requests.of([&used.as_str()]));
        Self {
            flights: Flights::default(),
            hasher: RandomState::new(),
            kept: Mutex::default(),
            memory,
            counters,
        }
    }

    /// Takes up what is configured now.
    pub(super) fn bound(&self, limits: &Limits) {
        self.kept().bound(limits.cache);
    }

    /// How a request is answered that has been admitted.
    pub(super) fn way(
        &self,
        admitted: &Admitted<Tenant>,
        head: &Parts,
        body: &Incoming,
        limits: &Limits,
        began: Instant,
    ) -> Way {
        let Action::Forward(operation) = admitted.action() else { return Way::Alone(None) };
        let kept = match operation.sharing() {
            Sharing::Kept(longest) => Some(longest),
            Sharing::UnderWay if limits.coalesce => None,
            Sharing::UnderWay | Sharing::Never => return Way::Alone(None),
        };
        if head.method != Method::GET || !body.is_end_stream() {
            return Way::Alone(None);
        }
        let alone = |why| Way::Alone(kept.map(|_| HeaderValue::from_static(why)));
        let variants = match Manner::of(&head.headers) {
            Manner::Usual(variants) => variants,
            Manner::Fresh => return alone("claviger; fwd=request"),
            Manner::Own => return alone("claviger; fwd=bypass"),
        };
        let key = Key::of(admitted, operation, (&head.headers, variants), &self.hasher);
        let writes = admitted.tenant().writes().clone();
        let turn = admitted.turn(&head.headers);
        let turn = (turn.caller, turn.class);
        let count = writes.count();
        Way::Shared(Read { key, turn, began, count, writes, kept })
    }

    /// Joins the same read where it is under way, or leads it.
    pub(super) fn join(&self, read: &Read, limits: &Limits) -> Joined {
        if !limits.coalesce {
            return Joined::Leads(Lead::alone(read.turn));
        }
        self.flights.join(FlightKey { key: read.key.clone(), writes: read.count }, read.turn)
    }

    /// The answer that is kept for a read.
    pub(super) fn find(&self, read: &Read, now: Instant) -> Found {
        let Some(longest) = read.kept else { return Found::Nothing };
        let Some(kept) = self.kept().find(&read.key) else { return Found::Nothing };
        let age = kept.age.saturating_add(now.saturating_duration_since(kept.began));
        let longest = longest.min(kept.longest);
        if kept.count == read.count && age < longest && read.writes.are_settled(now) {
            return Found::Good(kept, age, longest - age);
        }
        Found::Stale(kept)
    }

    /// Takes up what Logto answered to a read; `asked_with` is the answer whose validator it was sent with.
    pub(super) fn arrived(
        &self,
        read: &Read,
        mut answer: WholeAnswer,
        as_it_came: AsItCame,
        asked_with: Option<&Kept>,
        now: Instant,
    ) -> (WholeAnswer, Said) {
        if read.kept.is_none() {
            return (answer, None);
        }
        let confirmed = asked_with.filter(|_| answer.status() == StatusCode::NOT_MODIFIED);
        let is_true = confirmed.is_some();
        if let Some(kept) = confirmed {
            let not_modified = std::mem::replace(&mut answer, kept.answer.clone());
            freshen(answer.headers_mut(), not_modified.headers());
        }
        let is_kept = match as_it_came.fitness(&answer) {
            Fitness::Kept(longest) => self.keep(read, &answer, longest, now),
            Fitness::Shared | Fitness::Alone => false,
        };
        if !is_kept {
            self.kept().take(&read.key);
        }
        let said = match (is_true, asked_with.is_some(), is_kept) {
            (true, _, true) => (CacheUse::Revalidated, "claviger; fwd=stale; fwd-status=304; stored"),
            (true, _, false) => (CacheUse::Revalidated, "claviger; fwd=stale; fwd-status=304"),
            (false, true, true) => (CacheUse::Miss, "claviger; fwd=stale; stored"),
            (false, true, false) => (CacheUse::Miss, "claviger; fwd=stale"),
            (false, false, true) => (CacheUse::Miss, "claviger; fwd=miss; stored"),
            (false, false, false) => (CacheUse::Miss, "claviger; fwd=miss"),
        };
        self.count(said.0);
        (answer, Some(said))
    }

    /// Takes up that an answer to a read is handed on as it comes, or that there is none.
    pub(super) fn passed(&self, read: &Read) -> Said {
        read.kept?;
        self.kept().take(&read.key);
        self.count(CacheUse::Miss);
        Some((CacheUse::Miss, "claviger; fwd=miss"))
    }

    /// Keeps an answer, unless a write came between, and there is room.
    fn keep(&self, read: &Read, answer: &WholeAnswer, longest: Duration, now: Instant) -> bool {
        if read.writes.count() != read.count || !read.writes.are_settled(now) {
            return false;
        }
        let headers = answer.headers();
        let age = age(headers);
        if age >= longest.min(read.kept.unwrap_or_default()) {
            return false;
        }
        let size =
            |(name, value): (&header::HeaderName, &HeaderValue)| 64 + name.as_str().len() + value.len();
        let bytes = size_of::<Kept>() + answer.size() + headers.iter().map(size).sum::<usize>();
        let mut store = self.kept();
        let Some(cost) = store.cost(&read.key, bytes) else { return false };
        store.take(&read.key);
        let held = loop {
            match self.memory.hold(cost as u64) {
                Some(held) => break held,
                None if store.evict() => {}
                None => return false,
            }
        };
        let mut kept = answer.to_keep(Some(held));
        strip_own(kept.headers_mut());
        let kept = Kept { answer: kept, began: read.began, age, count: read.count, longest };
        store.put(read.key.clone(), Arc::new(kept), cost);
        true
    }

    /// Counts how a request was answered.
    pub(super) fn count(&self, used: CacheUse) {
        self.counters[used as usize].inc();
    }

    /// Bytes and answers that are kept.
    pub fn size(&self) -> (usize, usize) {
        self.kept().size()
    }

    fn kept(&self) -> MutexGuard<'_, Store<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What has to be known of an answer's head before anything is taken out of it. The rest is looked at where somebody else may be given
/// the answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct AsItCame {
    sets_cookie: bool,
}

impl AsItCame {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        Self { sets_cookie: headers.contains_key(header::SET_COOKIE) }
    }

    /// Whether an answer that came so may be given to those who asked the same while it was under way.
    pub(super) fn may_be_shared(self, answer: &WholeAnswer) -> bool {
        self.fitness(answer) != Fitness::Alone
    }

    fn fitness(self, answer: &WholeAnswer) -> Fitness {
        if self.sets_cookie { Fitness::Alone } else { Fitness::of(answer.status(), answer.headers()) }
    }
}

impl Read {
    /// What is asked for.
    pub(super) fn target(&self) -> &PathAndQuery {
        self.key.target()
    }

    /// Whether its answer is kept for those who ask later.
    pub(super) fn is_kept(&self) -> bool {
        self.kept.is_some()
    }

    /// The same read, once more, seeing what was written meanwhile.
    pub(super) fn again(&mut self) {
        self.count = self.writes.count();
    }

    /// What to ask Logto with whether an answer that is kept is still true.
    pub(super) fn validator(&self, kept: &Kept) -> Option<HeaderValue> {
        validator(kept.answer.headers()).filter(|_| !self.key.is_masked())
    }
}

impl Kept {
    /// The answer.
    pub(super) fn answer(&self) -> &WholeAnswer {
        &self.answer
    }
}

/// The headers of an answer for another than the one whose request it came for.
pub(super) fn headers_for_another(answer: &WholeAnswer) -> HeaderMap {
    let mut headers = answer.headers().clone();
    strip_own(&mut headers);
    headers
}
