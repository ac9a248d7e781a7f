//! The keys of one issuer as they are now. Read without a lock; fetched in the background, when it starts, again
//! with each `refresh`, and when a token names a key that is not there (at most once in [`COOL_DOWN`], for all
//! that ask). While the issuer cannot be reached the old keys stay in use, but not for ever. What it answers takes
//! effect at once: a key that it no longer publishes is no longer trusted.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::{
    sync::{Notify, watch},
    task::AbortHandle,
    time::{Instant, timeout},
};

use super::{
    error::JwtError,
    fetch::{Fetch, FetchError, fetch},
    key_set::{Key, KeySet, KeySetError},
};
use crate::{
    clock::Random,
    config::{Algorithm, Issuer},
    secret::Digest,
};

/// Between two fetches that tokens cause, beside those of `refresh`: a forged key id must not make us a burden to the issuer.
pub(super) const COOL_DOWN: Duration = Duration::from_secs(10);
/// How long a request waits for keys.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);
/// How long keys stay in use while the issuer cannot be reached.
pub(super) const GRACE: Duration = Duration::from_secs(24 * 60 * 60);
/// After the first failed fetch; doubles, up to `refresh`.
const BACKOFF: Duration = Duration::from_secs(1);

/// An issuer and its keys.
pub type Trusted = (Arc<Issuer>, Arc<Keyring>);

/// A wait for keys that are being fetched; ends by itself.
pub(super) type Refreshing = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The keys of one issuer.
pub struct Keyring {
    issuer: Arc<Issuer>,
    /// `None`: nothing is fetched.
    from: Option<(Arc<dyn Fetch>, Random)>,
    held: ArcSwap<Held>,
    state: Mutex<State>,
    asked: Arc<Notify>,
    /// Fetches that have completed, with or without success.
    fetched: watch::Sender<u64>,
    missed: AtomicU64,
}

#[derive(Default)]
struct Held {
    keys: KeySet,
    /// `None`: for ever.
    until: Option<Instant>,
}

#[derive(Default)]
struct State {
    task: Option<AbortHandle>,
    /// A fetch is under way, or about to be.
    running: bool,
    /// The one that is under way was asked for by a token.
    is_asked_for: bool,
    /// When the last one ended that a token had asked for.
    cooling: Option<Instant>,
    last: Option<Instant>,
    failures: u32,
    error: Option<FetchError>,
}

/// What may be shown of a keyring.
#[derive(Debug)]
pub struct KeyringStatus {
    /// The issuer of the keys.
    pub issuer: Arc<Issuer>,
    /// How many keys are in use now.
    pub keys: usize,
    /// The ids of those that have one.
    pub kids: Vec<String>,
    /// Tokens that were refused because they name a key that is not there.
    pub missed: u64,
    /// Whether they are fetched; else they are from a file.
    pub is_fetched: bool,
    /// How long those that are in use stay so if the issuer is not heard of again; `None` without any, and for those of a file.
    pub usable_for: Option<Duration>,
    /// Time since they were last asked for, with or without success; `None` before.
    pub asked: Option<Duration>,
    /// Fetches that failed since the last one that succeeded.
    pub consecutive_failures: u32,
    /// Why the last one failed; `None` after one that succeeded.
    pub last_error: Option<FetchError>,
}

impl Keyring {
    /// The keys of a file (`jwks = { file = … }`), as they are.
    ///
    /// # Errors
    /// When none of them is usable.
    pub(super) fn of_file(issuer: Arc<Issuer>, json: &[u8]) -> Result<Arc<Self>, KeySetError> {
        let keys = KeySet::parse(json)?;
        if keys.len() == 0 {
            return Err(KeySetError::Useless(keys.ignored()));
        }
        Ok(Self::new(issuer, None, keys))
    }

    /// Keys that are fetched; none before [`Keyring::start`].
    pub(super) fn fetched(issuer: Arc<Issuer>, from: Arc<dyn Fetch>, random: Random) -> Arc<Self> {
        Self::new(issuer, Some((from, random)), KeySet::default())
    }

    fn new(issuer: Arc<Issuer>, from: Option<(Arc<dyn Fetch>, Random)>, keys: KeySet) -> Arc<Self> {
        Arc::new(Self {
            issuer,
            from,
            held: ArcSwap::from_pointee(Held { keys, until: None }),
            state: Mutex::default(),
            asked: Arc::default(),
            fetched: watch::Sender::new(0),
            missed: AtomicU64::new(0),
        })
    }

    /// Whether it would fetch the same keys the same way for `issuer`.
    pub(super) fn serves(&self, issuer: &Issuer) -> bool {
        let own = &*self.issuer;
        self.has_keys_of(issuer)
            && (&own.bearer, &own.ca, own.refresh) == (&issuer.bearer, &issuer.ca, issuer.refresh)
    }

    /// Whether it would fetch the keys of `issuer` from the same place, if in another way.
    pub(super) fn has_keys_of(&self, issuer: &Issuer) -> bool {
        (&self.issuer.issuer, &self.issuer.jwks) == (&issuer.issuer, &issuer.jwks)
    }

    /// Goes on with the keys that `old` holds until it has fetched its own: another authority or bearer token is not
    /// another issuer, and may not work.
    pub(super) fn take_over(&self, old: &Self) {
        self.held.store(old.held.load_full());
    }

    /// Whether no key is held.
    pub fn is_empty(&self) -> bool {
        self.held.load().count() == 0
    }

    /// Begins to fetch, on the current runtime, until the last holder lets go. Does nothing the second time, and
    /// nothing for keys in a file.
    pub fn start(self: &Arc<Self>) {
        let Some((from, random)) = self.from.clone() else { return };
        let mut state = self.state();
        if state.task.is_none() {
            state.running = true;
            state.task = Some(tokio::spawn(refresh(Arc::downgrade(self), from, random)).abort_handle());
        }
    }

    /// Fetches the keys once, for `check --online`, and puts none to use: how many there are. `None`: they are in a file.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn probe(&self) -> Option<Result<usize, FetchError>> {
        let (from, _) = self.from.as_ref()?;
        Some(fetch(&**from, &self.issuer).await.map(|keys| keys.len()))
    }

    /// The issuer, as configured when the keyring was made.
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// For `/status` and the metrics.
    pub fn status(&self) -> KeyringStatus {
        let (held, state) = (self.held.load(), self.state());
        KeyringStatus {
            issuer: self.issuer.clone(),
            keys: held.count(),
            kids: held.current().into_iter().flat_map(KeySet::kids).map(str::to_owned).collect(),
            missed: self.missed.load(Relaxed),
            is_fetched: self.from.is_some(),
            usable_for: held.current().and(held.until).map(|until| until.duration_since(Instant::now())),
            asked: state.last.map(|last| last.elapsed()),
            consecutive_failures: state.failures,
            last_error: state.error.clone(),
        }
    }

    /// The keys that a token with this header may be signed with.
    pub(super) fn candidates(&self, kid: Option<&str>, alg: Algorithm) -> Vec<Arc<Key>> {
        let held = self.held.load();
        if held.has_expired() { Vec::new() } else { held.keys.candidates(kid, alg) }
    }

    /// Why there are no such keys. Only an issuer that answers says that it has no other.
    pub(super) fn without(&self, kid: Option<&str>) -> JwtError {
        let held = self.held.load();
        match (held.current(), kid) {
            (None, _) => JwtError::NoKeys { again_in: self.again_in() },
            (Some(keys), _) if self.may_be_behind() => {
                JwtError::KeysNotRenewed { held: keys.len(), again_in: self.again_in() }
            }
            (Some(keys), Some(kid)) if keys.kids().any(|held| held == kid) => JwtError::KeyKind,
            (Some(keys), Some(_)) => JwtError::KeyUnknown(keys.len()),
            (Some(keys), None) => JwtError::KeyNotNamed(keys.len()),
        }
    }

    /// Whether the issuer may publish others by now: the last fetch failed, or one has not come to its end.
    fn may_be_behind(&self) -> bool {
        let state = self.state();
        state.running || state.failures > 0
    }

    /// Until a token may cause another fetch.
    fn again_in(&self) -> Duration {
        let left = self.state().cooling.map_or(COOL_DOWN, |ended| COOL_DOWN.saturating_sub(ended.elapsed()));
        left.max(Duration::from_secs(1))
    }

    /// Counts a token that was rejected because it names a key that is not there.
    pub(super) fn missed(&self) {
        self.missed.fetch_add(1, Relaxed);
    }

    /// Whether the issuer still publishes this key, as far as is known.
    pub(super) fn holds(&self, key: &Digest) -> bool {
        let held = self.held.load();
        !held.has_expired() && held.keys.holds(key)
    }

    /// Asks for a fetch, as a key is not there. `None`: it would not help, or is too soon.
    pub(super) fn ask(&self) -> Option<Refreshing> {
        let mut state = self.state();
        state.task.as_ref()?;
        // Before the fetch can end.
        let mut fetched = self.fetched.subscribe();
        if !state.running {
            if state.cooling.is_some_and(|ended| ended.elapsed() < COOL_DOWN) {
                return None;
            }
            (state.running, state.is_asked_for) = (true, true);
            self.asked.notify_one();
        }
        Some(Box::pin(async move {
            // Whoever waits looks again in any case.
            let _ = timeout(PATIENCE, fetched.changed()).await;
        }))
    }

    /// One fetch; how long to wait until the next.
    async fn fetch(&self, from: &dyn Fetch, random: &Random) -> Duration {
        self.state().running = true;
        let result = fetch(from, &self.issuer).await;
        let wait = {
            let mut state = self.state();
            state.running = false;
            state.last = Some(Instant::now());
            if std::mem::take(&mut state.is_asked_for) {
                state.cooling = state.last;
            }
            let (failures, wait) = match &result {
                Ok(_) => (0, self.issuer.refresh),
                Err(_) => {
                    let doubled = BACKOFF.saturating_mul(1 << state.failures.min(16));
                    (state.failures.saturating_add(1), doubled.min(self.issuer.refresh))
                }
            };
            state.failures = failures;
            state.error = result.as_ref().err().cloned();
            wait.mul_f64(1.0 - 0.1 * random.fraction())
        };
        match result {
            Ok(keys) => self.take(keys),
            Err(error) => self.report(&error, wait),
        }
        self.fetched.send_modify(|count| *count += 1);
        wait
    }

    fn take(&self, keys: KeySet) {
        let issuer = &self.issuer.name;
        let (count, ignored) = (keys.len(), keys.ignored());
        if count == 0 {
            tracing::error!(%issuer, ignored, "the issuer publishes no usable key: none of its tokens is accepted");
        } else {
            tracing::debug!(%issuer, keys = count, ignored, "the issuer's keys were fetched");
        }
        self.held.store(Arc::new(Held { keys, until: Some(Instant::now() + GRACE) }));
    }

    fn report(&self, error: &FetchError, wait: Duration) {
        let (issuer, url, held) = (&self.issuer.name, self.issuer.asked(), self.held.load());
        match held.count() {
            0 => {
                tracing::error!(%issuer, url, %error, remedy = error.remedy(), keys = 0, again_in = %format_args!("{wait:.0?}"), "the issuer's keys could not be fetched, and none is held: every token of this issuer is refused");
            }
            keys => {
                tracing::warn!(%issuer, url, %error, remedy = error.remedy(), keys, again_in = %format_args!("{wait:.0?}"), "the issuer's keys could not be fetched; those that are held stay in use");
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn refresh(keyring: Weak<Keyring>, from: Arc<dyn Fetch>, random: Random) {
    while let Some(this) = keyring.upgrade() {
        let wait = this.fetch(&*from, &random).await;
        let asked = this.asked.clone();
        drop(this);
        // Early when asked.
        let _ = timeout(wait, asked.notified()).await;
    }
}

impl Held {
    fn has_expired(&self) -> bool {
        self.until.is_some_and(|until| until <= Instant::now())
    }

    /// The keys in use, if there is one.
    fn current(&self) -> Option<&KeySet> {
        (!self.has_expired() && self.keys.len() > 0).then_some(&self.keys)
    }

    fn count(&self) -> usize {
        self.current().map_or(0, KeySet::len)
    }
}

impl Drop for Keyring {
    fn drop(&mut self) {
        if let Some(task) = self.state().task.take() {
            task.abort();
        }
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("issuer", &self.issuer.name).finish_non_exhaustive()
    }
}
