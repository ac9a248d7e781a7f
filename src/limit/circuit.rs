//! The circuit breaker of one tenant: whether its requests are sent at all. Closed, they are. When there is evidence that nothing works
//! there (`circuit/evidence.rs`), it opens: requests are refused at once, and told when to come back. When that time has come it is half open, and one
//! request goes through, the probe: whether it is answered decides. There is one probe at a time, and one that ends without an outcome, because its
//! caller left, leaves its place to the next.
//!
//! A read is preferred as the probe, of another operation than the one whose probe was answered with 500 just before: one broken operation keeps
//! nobody out. Where none comes, whatever comes is the probe, after as long again.

mod evidence;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

use self::evidence::Evidence;
pub use self::evidence::TriedInVain;
use super::{error::LimitError, in_flight::Who};
use crate::{
    config::Breaker,
    ids::{CallerId, OperationId, TenantName},
};

/// Told to those that come while a probe is under way: it mostly takes less.
const PROBING: Duration = Duration::from_secs(1);

/// The circuit breaker of a tenant.
#[derive(Debug)]
pub struct Circuit {
    tenant: TenantName,
    settings: Breaker,
    /// Made with the first failure: most tenants never have one.
    trouble: OnceLock<Box<Trouble>>,
}

#[derive(Debug)]
struct Trouble {
    /// While it is false, the circuit is closed and an answer is no news.
    is_stirred: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    evidence: Evidence,
    /// How long it stays open.
    length: Duration,
    /// When it opened first, and how often it has.
    since: Option<Instant>,
    opened: u64,
    /// The operation whose probe failed last.
    spoiled: Option<OperationId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Closed,
    Open { until: Instant },
    Probing,
}

/// What became of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Succeeded,
    Failed,
    /// It may be this operation alone that fails.
    Spoiled(OperationId),
}

/// What may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CircuitStatus {
    /// `closed`, `open` or `half_open`.
    pub state: &'static str,
    /// When it opened, unless it is closed.
    pub since: Option<Instant>,
    /// How often it has, since the process started.
    pub opened: u64,
    /// Until the next request is tried.
    pub next_try: Option<Duration>,
}

/// The one request that finds out whether the tenant answers again.
#[derive(Debug)]
pub struct Probe {
    of: Arc<Circuit>,
    operation: OperationId,
    is_decided: bool,
}

impl Circuit {
    /// Closed.
    pub fn new(tenant: TenantName, settings: Breaker) -> Self {
        Self { tenant, settings, trouble: OnceLock::new() }
    }

    /// Whether it goes by these settings.
    pub fn is_by(&self, settings: &Breaker) -> bool {
        self.settings == *settings
    }

    /// Whether requests are sent as usual.
    pub fn is_closed(&self) -> bool {
        self.stirred().is_none_or(|trouble| trouble.lock().phase == Phase::Closed)
    }

    /// Whether a request may wait for its turn and its place. It is no probe yet.
    ///
    /// # Errors
    /// [`LimitError::Unavailable`].
    pub fn check(&self, who: Who, is_safe: bool) -> Result<(), LimitError> {
        let Some(trouble) = self.stirred() else { return Ok(()) };
        let left = trouble.lock().left(who, is_safe, Instant::now());
        left.map_or(Ok(()), |left| Err(self.unavailable(left)))
    }

    /// Whether a request may be sent now; the probe, where it is one.
    ///
    /// # Errors
    /// [`LimitError::Unavailable`].
    pub fn pass(self: &Arc<Self>, who: Who, is_safe: bool) -> Result<Option<Probe>, LimitError> {
        let Some(trouble) = self.stirred() else { return Ok(None) };
        let mut state = trouble.lock();
        if let Some(left) = state.left(who, is_safe, Instant::now()) {
            return Err(self.unavailable(left));
        }
        if state.phase == Phase::Closed {
            return Ok(None);
        }
        state.phase = Phase::Probing;
        Ok(Some(Probe { of: self.clone(), operation: who.operation, is_decided: false }))
    }

    /// There was an answer that is no failure; whether it shows that the tenant's database answers too. Of a probe the probe tells.
    pub fn answered(&self, is_whole: bool) {
        if let Some(trouble) = self.stirred() {
            let mut state = trouble.lock();
            if state.phase == Phase::Closed {
                state.evidence.answered(is_whole);
                trouble.settle(&state);
            }
        }
    }

    /// A try failed. Whether the circuit opens for it. Of a probe the probe tells.
    pub fn failed(&self, caller: CallerId, operation: OperationId, how: TriedInVain) -> bool {
        if !self.settings.enabled {
            return false;
        }
        let Breaker { failures, window, open, .. } = self.settings.clone();
        let make = || {
            let state = State {
                phase: Phase::Closed,
                evidence: Evidence::default(),
                length: open,
                since: None,
                opened: 0,
                spoiled: None,
            };
            Box::new(Trouble { is_stirred: AtomicBool::new(false), state: Mutex::new(state) })
        };
        let trouble = self.trouble.get_or_init(make);
        let (mut state, now) = (trouble.lock(), Instant::now());
        if state.phase != Phase::Closed {
            return false;
        }
        let opens = state.evidence.failed(now, (caller, operation), how, failures, window);
        if opens {
            state.evidence = Evidence::default();
            (state.length, state.since) = (open, Some(now));
            state.phase = Phase::Open { until: now + open };
            state.opened += 1;
        }
        trouble.settle(&state);
        drop(state);
        if opens {
            tracing::warn!(tenant = %self.tenant, failures, next_try = %humantime::format_duration(open),
                "Logto fails whatever it is asked: nothing more is sent until one request has succeeded");
        }
        opens
    }

    /// What may be shown.
    pub fn status(&self) -> CircuitStatus {
        let Some(trouble) = self.trouble.get() else {
            return CircuitStatus { state: "closed", since: None, opened: 0, next_try: None };
        };
        let (state, now) = (trouble.lock(), Instant::now());
        let (name, next_try) = match state.phase {
            Phase::Closed => ("closed", None),
            Phase::Probing => ("half_open", None),
            Phase::Open { until } if until <= now => ("half_open", Some(Duration::ZERO)),
            Phase::Open { until } => ("open", Some(until - now)),
        };
        CircuitStatus { state: name, since: state.since, opened: state.opened, next_try }
    }

    fn decided(&self, outcome: Outcome) {
        let Some(trouble) = self.trouble.get() else { return };
        let (mut state, now) = (trouble.lock(), Instant::now());
        if outcome != Outcome::Succeeded {
            state.length = (state.length * 2).min(self.settings.max_open);
            state.phase = Phase::Open { until: now + state.length };
            state.spoiled = match outcome {
                Outcome::Spoiled(operation) => Some(operation),
                Outcome::Failed | Outcome::Succeeded => None,
            };
            return;
        }
        let since = state.since.take();
        (state.phase, state.spoiled, state.evidence) = (Phase::Closed, None, Evidence::default());
        trouble.settle(&state);
        drop(state);
        let after = since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        let after = humantime::format_duration(Duration::from_millis(
            u64::try_from(after.as_millis()).unwrap_or(u64::MAX),
        ));
        tracing::info!(tenant = %self.tenant, %after, "Logto answers again: requests are sent as before");
    }

    fn unavailable(&self, wait: Duration) -> LimitError {
        LimitError::Unavailable { tenant: self.tenant.clone(), wait }
    }

    fn stirred(&self) -> Option<&Trouble> {
        self.trouble.get().map(|it| &**it).filter(|trouble| trouble.is_stirred.load(Relaxed))
    }
}

impl State {
    /// How long a request would have to wait; `None` where it may go.
    fn left(&self, who: Who, is_safe: bool, now: Instant) -> Option<Duration> {
        match self.phase {
            Phase::Closed => None,
            Phase::Probing => Some(PROBING),
            Phase::Open { until } => {
                let is_preferred = is_safe && self.spoiled != Some(who.operation);
                let due = if is_preferred { until } else { until + self.length };
                due.checked_duration_since(now).filter(|left| !left.is_zero())
            }
        }
    }
}

impl Trouble {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settle(&self, state: &State) {
        self.is_stirred.store(state.phase != Phase::Closed || !state.evidence.is_empty(), Relaxed);
    }
}

impl Probe {
    /// It was answered: the circuit is closed.
    pub fn succeeded(self) {
        self.decide(Outcome::Succeeded);
    }

    /// There was no answer: the circuit stays open, for longer.
    pub fn failed(self) {
        self.decide(Outcome::Failed);
    }

    /// It was answered with 5xx. Likewise, and another operation is preferred the next time.
    pub fn answered_in_vain(self) {
        let spoiled = self.operation;
        self.decide(Outcome::Spoiled(spoiled));
    }

    fn decide(mut self, outcome: Outcome) {
        self.is_decided = true;
        self.of.decided(outcome);
    }
}

impl Drop for Probe {
    /// Nothing came of it: the next one may try at once.
    fn drop(&mut self) {
        if !self.is_decided
            && let Some(trouble) = self.of.trouble.get()
        {
            trouble.lock().phase = Phase::Open { until: Instant::now() };
        }
    }
}

#[cfg(test)]
mod tests;
