//! The place of one token: what is known about it, and every decision about it. One task at a time, the
//! refresh task (`slot/refresh.rs`), does the work that is decided here, which makes grants single-flight by
//! construction. Nothing here waits: the lock is held for a few comparisons and never across an await.

mod held;
mod refresh;
mod settle;
mod status;

use std::{
    fmt,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use held::Held;
pub use status::SlotStatus;

use crate::{
    clock::Moment,
    token::{
        error::{Fault, TokenError},
        key::TokenKey,
        life::Token,
        shared::Shared,
        source::TokenSource,
    },
};

/// One token's place. Lives as long as a handle to it does; its refresh task holds it weakly.
pub(super) struct Slot {
    key: Arc<TokenKey>,
    shared: Arc<Shared>,
    held: Held,
    /// A request has used the current token: worth renewing even where nothing keeps it warm.
    used: AtomicBool,
    state: Mutex<State>,
    /// Wakes the refresh task to look at the state again.
    wake: Arc<Notify>,
    /// Tells waiting requests to look at the state again; works across runtimes.
    turn: Notify,
}

struct State {
    source: Arc<TokenSource>,
    /// Counts changes of the secrets, so that a verdict on old ones is not held against new ones.
    epoch: u64,
    /// A refresh task is alive.
    kept: bool,
    /// Renewed for ever, used or not.
    warm: bool,
    /// A request waits for a token.
    wanted: bool,
    /// Of the last token; the first has 1.
    generation: u64,
    /// Index of the secret that worked last.
    secret: usize,
    /// The secrets have changed, and no grant has shown yet that they work.
    untried: bool,
    cooldown: Option<Box<Cooldown>>,
    /// The failure that the log told last, and when: a reload may be followed by a retry at once.
    told: Option<(&'static str, Instant)>,
    /// No grant before, as the tenant's quota says.
    held_until: Option<Instant>,
    /// No grant before, unless a request waits: spreads the grants at start.
    warm_from: Option<Instant>,
    /// When a rejected token last was forgotten.
    rejected_at: Option<Instant>,
}

/// After a failed grant. Monotonic time alone: setting the wall clock must not end it early.
struct Cooldown {
    fault: Fault,
    /// When the last grant failed.
    since: Instant,
    until: Instant,
    error: TokenError,
    /// What the issuer itself asked for lasts until here.
    asked_until: Option<Instant>,
    /// Failures in a row.
    failures: u32,
    /// Failures in a row at this pace.
    steps: u32,
}

/// What the refresh task is to do next.
enum Step {
    Sleep(Duration),
    Grant { asked: bool },
    End,
}

/// What a request that wants a token is told.
enum Verdict {
    Ready(Arc<Token>),
    Failed(TokenError),
    Wait,
}

/// What became of a rejected token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// It is forgotten and another one is on its way: ask again, and send again.
    Forgotten,
    /// It was no longer the current one: ask again, and send again.
    Superseded,
    /// The last one was rejected less than `token.min_interval` ago: another would be rejected as well.
    Kept,
}

impl Slot {
    pub(super) fn new(source: TokenSource, shared: Arc<Shared>) -> Self {
        let key = source.key.clone();
        let state = State {
            source: Arc::new(source),
            epoch: 0,
            kept: false,
            warm: false,
            wanted: false,
            generation: 0,
            secret: 0,
            untried: false,
            cooldown: None,
            told: None,
            held_until: None,
            warm_from: None,
            rejected_at: None,
        };
        Self {
            key,
            shared,
            held: Held::default(),
            used: AtomicBool::new(false),
            state: Mutex::new(state),
            wake: Arc::new(Notify::new()),
            turn: Notify::new(),
        }
    }

    /// Takes over how to get the token from now on. New secrets lift a verdict on the old ones; what passes
    /// by itself, and what the issuer asked for, stays. Where a token is held, they are tried at once: whoever changed them
    /// is there now, and may not be when it ends.
    pub(super) fn accept(self: &Arc<Self>, source: TokenSource) {
        let mut state = self.state();
        let changed = source.secrets != state.source.secrets;
        state.source = Arc::new(source);
        if !changed {
            return;
        }
        state.epoch += 1;
        state.secret = 0;
        state.untried = self.usable(self.shared.clock.now()).is_some();
        state.cooldown.take_if(|cooldown| cooldown.fault.is_of_secret());
        let wake = state.kept || state.warm || state.untried;
        drop(state);
        if wake {
            self.wake();
        }
    }

    /// Somebody says that the cause may be mended: what failed is tried again now. A pause that the issuer asked for stays.
    pub(super) fn retry(self: &Arc<Self>) {
        let now = self.shared.clock.now().instant;
        let mut state = self.state();
        // What comes of a grant that is under way may be about what was before.
        state.epoch += 1;
        let is_over = |cooldown: &mut Box<Cooldown>| cooldown.asked_until.is_none_or(|until| until <= now);
        let ended = state.cooldown.take_if(is_over).is_some();
        let wake = ended && (state.kept || state.warm);
        drop(state);
        if wake {
            self.wake();
        }
    }

    /// The hot path: no lock, no allocation.
    pub(super) fn current(self: &Arc<Self>) -> Option<Arc<Token>> {
        let now = self.shared.clock.now();
        let token = self.usable(now)?;
        self.mark_used();
        if token.renewal_in(now).is_zero() && token.ask_renewal() {
            self.wake();
        }
        Some(token)
    }

    pub(super) async fn get(self: &Arc<Self>, deadline: Instant) -> Result<Arc<Token>, TokenError> {
        if let Some(token) = self.current() {
            return Ok(token);
        }
        let mut turn = pin!(self.turn.notified());
        loop {
            // Before each look, so that no turn is missed.
            turn.as_mut().enable();
            match self.ask(deadline) {
                Verdict::Ready(token) => return Ok(token),
                Verdict::Failed(error) => return Err(error),
                Verdict::Wait => {}
            }
            if tokio::time::timeout_at(deadline, turn.as_mut()).await.is_err() {
                return Err(TokenError::new(Fault::Deadline, None));
            }
            turn.set(self.turn.notified());
        }
    }

    fn ask(self: &Arc<Self>, deadline: Instant) -> Verdict {
        let now = self.shared.clock.now();
        let mut state = self.state();
        if let Some(token) = self.usable(now) {
            self.mark_used();
            return Verdict::Ready(token);
        }
        if let Some(cooldown) = state.cooldown.as_ref().filter(|cooldown| cooldown.until > now.instant) {
            return Verdict::Failed(cooldown.error.clone());
        }
        if let Some(until) = state.held_until.filter(|until| *until > deadline) {
            return Verdict::Failed(TokenError::new(Fault::Quota, Some(until)));
        }
        let first = !std::mem::replace(&mut state.wanted, true);
        drop(state);
        if first {
            self.wake();
        }
        Verdict::Wait
    }

    pub(super) fn reject(self: &Arc<Self>, generation: u64) -> Rejection {
        let now = self.shared.clock.now().instant;
        let mut state = self.state();
        if self.held.current().is_none_or(|token| token.generation() != generation) {
            return Rejection::Superseded;
        }
        let floor = state.source.options.min_interval;
        if state.rejected_at.is_some_and(|last| now.saturating_duration_since(last) < floor) {
            return Rejection::Kept;
        }
        state.rejected_at = Some(now);
        // Whoever was refused is about to ask: begin without waiting for that.
        state.wanted = true;
        self.held.forget();
        drop(state);
        tracing::info!(tenant = %self.key.tenant, generation, "the upstream rejected the token, getting another");
        self.wake();
        Rejection::Forgotten
    }

    pub(super) fn other(&self, generation: u64) -> Option<Arc<Token>> {
        self.held.other(generation, || self.shared.clock.now())
    }

    pub(super) fn warm(self: &Arc<Self>) {
        let spread = Duration::from_millis(1)
            .saturating_mul(self.shared.slots.load(Relaxed))
            .min(Duration::from_secs(10));
        let delay = spread.mul_f64(self.shared.random.fraction());
        let mut state = self.state();
        if std::mem::replace(&mut state.warm, true) {
            return;
        }
        state.warm_from = Some(self.shared.clock.now().instant + delay);
        drop(state);
        self.wake();
    }

    fn usable(&self, now: Moment) -> Option<Arc<Token>> {
        self.held.usable(now)
    }

    fn mark_used(&self) {
        // Read first: a store by each request would move the cache line from core to core.
        if !self.used.load(Relaxed) {
            self.used.store(true, Relaxed);
        }
    }

    /// The whole schedule of a slot. [`Step::End`] is final for the refresh task; the state knows by then.
    fn next_step(&self) -> Step {
        let now = self.shared.clock.now();
        let mut state = self.state();
        let token = self.usable(now);
        if let Some(token) = &token {
            state.wanted = false;
            let renewal = token.renewal_in(now);
            if !renewal.is_zero() && !state.untried {
                return Step::Sleep(renewal);
            }
        }
        let live = token.is_some();
        let worth_it = state.wanted || state.warm || (live && (state.untried || self.used.load(Relaxed)));
        let terminal = state.cooldown.as_ref().is_some_and(|cooldown| cooldown.fault.is_terminal());
        // What a person must mend is tried again while a token still lives, and then when a request asks.
        if !worth_it || (terminal && !live && !state.wanted) {
            state.kept = false;
            return Step::End;
        }
        let left = |until: Option<Instant>| {
            until.map_or(Duration::ZERO, |u| u.saturating_duration_since(now.instant))
        };
        let cooldown = left(state.cooldown.as_ref().map(|cooldown| cooldown.until));
        let spread = if state.wanted { Duration::ZERO } else { left(state.warm_from) };
        let wait = cooldown.max(left(state.held_until)).max(spread);
        if !wait.is_zero() {
            return Step::Sleep(wait);
        }
        Step::Grant { asked: state.wanted }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code that could panic leaves the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("key", &self.key).finish_non_exhaustive()
    }
}
