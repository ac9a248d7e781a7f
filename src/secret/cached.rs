//! Remembers what is costly to fetch. Within the time to live the remembered value is used; after that one
//! fetch is made, which all who ask meanwhile share. Where it fails, what is remembered stays in use until the issuer
//! refuses it: a secret manager that is down for an hour is no outage. Never waits longer than the timeout for one
//! fetch, and never gives again what was refused unless a new fetch says the same.

use std::{
    fmt,
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    Secret,
    provider::{Age, Read, Reading, SecretProvider, Unreadable},
};

/// How soon a failed fetch is made again while there is a secret to go on with.
const AGAIN: Duration = Duration::from_secs(30);

/// Where a secret is fetched from, at a cost.
pub trait Fetch: fmt::Debug + Send + Sync {
    /// Fetches it. Dropping the future ends the attempt.
    fn fetch(&self) -> Fetching<'_>;

    /// Where from, for an error: "the command vault".
    fn name(&self) -> String;
}

/// A fetch under way.
pub type Fetching<'a> = Pin<Box<dyn Future<Output = Result<Secret, Unreadable>> + Send + 'a>>;

/// A secret that is fetched now and then.
#[derive(Debug)]
pub struct Cached<F> {
    origin: F,
    /// How long a secret is used before it is fetched again.
    ttl: Duration,
    /// How long one fetch may take.
    timeout: Duration,
    /// Whoever holds it fetches.
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    secret: Option<Secret>,
    /// When it is due to be fetched again.
    due: Option<Instant>,
    /// Fetches that came to an end.
    fetches: u64,
    /// Why the last one failed, if it did.
    failure: Option<Unreadable>,
}

impl<F: Fetch> Cached<F> {
    /// Nothing is remembered yet.
    pub fn new(origin: F, ttl: Duration, timeout: Duration) -> Self {
        Self { origin, ttl, timeout, turn: tokio::sync::Mutex::default(), state: Mutex::default() }
    }

    async fn remembered_or_fetched(&self) -> Result<Reading, Unreadable> {
        let before = self.state().fetches;
        if let Some(reading) = self.state().remembered() {
            return Ok(reading);
        }
        let _turn = self.turn.lock().await;
        // Whoever waited for its turn shares what came of the fetch that it waited for.
        let meanwhile = self.state().since(before);
        if let Some(outcome) = meanwhile {
            return outcome;
        }
        let fetched = tokio::time::timeout(self.timeout, self.origin.fetch()).await.unwrap_or_else(|_| {
            let (name, timeout) = (self.origin.name(), humantime::format_duration(self.timeout));
            Err(Unreadable::new(format!("{name} did not answer within its timeout of {timeout}")))
        });
        self.state().take_in(fetched, self.ttl)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code that could panic leaves the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What is remembered and not yet due.
    fn remembered(&self) -> Option<Reading> {
        let secret = self.secret.clone()?;
        self.due.is_some_and(|due| due > Instant::now()).then(|| {
            let age = self.failure.clone().map_or(Age::Cached, Age::Stale);
            Reading { secret, age }
        })
    }

    /// What came of the fetches after the first `before`, if there were any.
    fn since(&self, before: u64) -> Option<Result<Reading, Unreadable>> {
        (self.fetches != before).then(|| self.outcome()).flatten()
    }

    fn outcome(&self) -> Option<Result<Reading, Unreadable>> {
        match (&self.secret, &self.failure) {
            (Some(secret), None) => Some(Ok(Reading { secret: secret.clone(), age: Age::Fresh })),
            (Some(secret), Some(failure)) => {
                Some(Ok(Reading { secret: secret.clone(), age: Age::Stale(failure.clone()) }))
            }
            (None, Some(failure)) => Some(Err(failure.clone())),
            // Refused in between.
            (None, None) => None,
        }
    }

    fn take_in(&mut self, fetched: Result<Secret, Unreadable>, ttl: Duration) -> Result<Reading, Unreadable> {
        self.fetches += 1;
        let now = Instant::now();
        match fetched {
            Ok(secret) => {
                *self = Self {
                    secret: Some(secret.clone()),
                    due: now.checked_add(ttl),
                    fetches: self.fetches,
                    failure: None,
                };
                Ok(Reading { secret, age: Age::Fresh })
            }
            Err(failure) => {
                self.due = now.checked_add(ttl.min(AGAIN));
                self.failure = Some(failure.clone());
                let secret = self.secret.clone();
                secret.map(|secret| Reading { secret, age: Age::Stale(failure.clone()) }).ok_or(failure)
            }
        }
    }
}

impl<F: Fetch> SecretProvider for Cached<F> {
    fn read(&self) -> Read<'_> {
        Box::pin(self.remembered_or_fetched())
    }

    fn last(&self) -> Option<Secret> {
        self.state().secret.clone()
    }

    fn refused(&self, secret: &Secret) {
        // By value: the refusal of an older secret says nothing about the current one.
        self.state().secret.take_if(|known| known == secret);
    }
}

#[cfg(test)]
mod tests;
