//! Whether an upstream can be reached and what it makes of requests: what `/status` and a gauge say when a token is there and
//! nothing works all the same. Written where a try fails; one that goes well costs no more than a look.

use std::{
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::observe::LastWithheld;

/// How an upstream fares; nothing is kept of one that never failed.
#[derive(Debug, Default)]
pub struct UpstreamHealth(OnceLock<Box<Failures>>);

#[derive(Debug, Default)]
struct Failures {
    /// In a row.
    consecutive: AtomicU32,
    /// Since somebody last looked.
    failed: AtomicU64,
    /// Answers with 403 since then.
    forbidden: AtomicU64,
    last: Mutex<Option<LastFailure>>,
    refusing: Mutex<Option<Refusing>>,
}

/// In which way a try failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TryFailure {
    /// No connection.
    Unreachable,
    /// A connection that broke before there was an answer.
    Broken,
    /// No answer in time.
    Timeout,
    /// An answer with 5xx.
    ServerError,
    /// A 5xx with a web page: what is in front of Logto answers in its stead.
    Gateway,
    /// The upstream refuses the access token, a new one too.
    TokenRejected,
    /// An answer that is not a Management API's.
    Invalid,
    /// An answer that repeats a credential that Claviger holds.
    Echo,
}

/// The last try that failed. It stays when others go well again.
#[derive(Debug, Clone)]
pub struct LastFailure {
    /// When.
    pub at: Instant,
    /// In which way.
    pub kind: TryFailure,
    /// In a sentence.
    pub what: String,
}

/// How long connections have to be refused before it is said that they are taken again; and after which nobody remembers.
const WORTH_A_WORD: Duration = Duration::from_secs(1);
const STALE: Duration = Duration::from_mins(10);

/// An upstream that refuses connections.
#[derive(Debug, Clone, Copy)]
struct Refusing {
    since: Instant,
    last: Instant,
}

impl UpstreamHealth {
    /// A try was not answered.
    pub fn unanswered(&self, now: Instant, kind: TryFailure, what: String) {
        self.failures().consecutive.fetch_add(1, Relaxed);
        self.failed(now, kind, what);
    }

    /// There was an answer, whatever its status. Since when connections had been refused until now, if that was worth a word.
    pub fn answered(&self, now: Instant) -> Option<Instant> {
        // Read before it is written, since all requests of all workers come by here.
        let failures = self.0.get().filter(|it| it.consecutive.load(Relaxed) != 0)?;
        failures.consecutive.store(0, Relaxed);
        let refusing = failures.refusing.lock().unwrap_or_else(PoisonError::into_inner).take();
        let lasted = |refusing: &Refusing| {
            let (since, last) =
                [refusing.since, refusing.last].map(|at| now.saturating_duration_since(at)).into();
            since >= WORTH_A_WORD && last < STALE
        };
        refusing.filter(lasted).map(|refusing| refusing.since)
    }

    /// A try failed, although it may have been answered.
    pub fn failed(&self, now: Instant, kind: TryFailure, what: String) {
        let failures = self.failures();
        failures.failed.fetch_add(1, Relaxed);
        *failures.last.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(LastFailure { at: now, kind, what });
    }

    /// Answers were withheld from their callers.
    pub fn withheld(&self, last: LastWithheld) {
        let kind = if last.is_echo { TryFailure::Echo } else { TryFailure::Invalid };
        self.failed(last.at, kind, last.what);
        self.failures().failed.fetch_add(last.count.saturating_sub(1), Relaxed);
    }

    /// It refused a connection; since when it does. Refusals that are further apart than `patience` are not one.
    pub fn refused(&self, now: Instant, patience: Duration) -> Instant {
        let mut refusing = self.failures().refusing.lock().unwrap_or_else(PoisonError::into_inner);
        let goes_on = refusing.filter(|before| now.saturating_duration_since(before.last) <= patience);
        let since = goes_on.map_or(now, |before| before.since);
        *refusing = Some(Refusing { since, last: now });
        since
    }

    /// Tries in a row that were not answered.
    pub fn consecutive(&self) -> u32 {
        self.0.get().map_or(0, |it| it.consecutive.load(Relaxed))
    }

    /// Tries that failed since the last look. There is one who looks: what is told here is told once.
    pub fn look(&self) -> u64 {
        self.0.get().map_or(0, |it| it.failed.swap(0, Relaxed))
    }

    /// The upstream's API answered with 403: one alone is its own business, and nothing else is a problem.
    pub fn forbidden(&self) {
        self.failures().forbidden.fetch_add(1, Relaxed);
    }

    /// Answers with 403 since the last look, likewise.
    pub fn look_for_forbidden(&self) -> u64 {
        self.0.get().map_or(0, |it| it.forbidden.swap(0, Relaxed))
    }

    /// The last try that failed.
    pub fn last(&self) -> Option<LastFailure> {
        self.0.get()?.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn failures(&self) -> &Failures {
        self.0.get_or_init(Box::default)
    }
}
