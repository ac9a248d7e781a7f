//! Keys that replicas share through Redis: claimed and settled in one step each, by the server's clock. What rests there are digests,
//! and answers sealed for the request that they answer. A claim whose holder does not settle it in its time is one of unknown
//! outcome, never free. Redis away: no request with a key is sent, and what became of those under way is told when it is back.

mod again;
mod script;
mod tell;

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    runtime,
    sync::watch,
    time::{Instant, timeout_at},
};

use self::script::{Claimed, Said};
use super::{
    asked::Digests,
    error::{IdempotencyError, NotKept},
    store::{Claim, Claiming, Outcome, Purpose, Settled, Store, Ticket},
};
use crate::{
    config::Limits,
    ids::CallerName,
    redis::{Redis, RedisError, RedisStatus},
    sealer::Sealer,
    secret::{Fingerprint, Secret},
    upstream::KeptAnswer,
};

/// What answers are sealed for.
const PURPOSE: &[u8] = b"claviger answer 1";
/// How much longer than its deadline a request counts as under way, so that what became of it can be told.
const GRACE: Duration = Duration::from_secs(5);
/// For how long a request that was refused is a problem of now, where nothing else is known.
const LATELY: Duration = Duration::from_mins(1);

/// Keys that replicas share. Cheap to clone.
#[derive(Clone)]
pub struct SharedKeys(Arc<Inner>);

struct Inner {
    redis: Redis,
    /// Of the scripts.
    keys: [String; 7],
    sealer: Option<Sealer>,
    runtime: runtime::Handle,
    /// Of requests that this replica sends.
    under_way: Mutex<HashMap<u64, Holding>>,
    /// Of the last claim.
    number: AtomicU64,
    /// How many wait to be settled, and bytes of their answers.
    untold: watch::Sender<usize>,
    untold_bytes: AtomicUsize,
    /// Why Redis could not be asked the last time, when that was, and how many connections there had been.
    why: Mutex<Option<(RedisError, Instant, u64)>>,
    /// It is asked again in the background.
    asks_again: AtomicBool,
}

/// A claim of this replica's.
#[derive(Clone)]
struct Holding {
    claimed: Claimed,
    /// What its answer is sealed for.
    identity: [u8; 64],
    /// Until when it counts as under way, and is remembered.
    holds: Instant,
    ends: Instant,
    memory: usize,
}

/// A claim that nobody has heard of yet: dropped, it is given back.
struct Unheard(SharedKeys, Option<Holding>);

impl SharedKeys {
    /// Those in `redis`, with answers that are sealed with `key`; without one no answers are kept. To be called in the runtime that
    /// outlives those of requests.
    pub fn new(redis: Redis, key: Option<&Secret>) -> Self {
        Self(Arc::new(Inner {
            keys: script::names(redis.prefix()),
            redis,
            sealer: key.map(|key| Sealer::new(key, PURPOSE)),
            runtime: runtime::Handle::current(),
            under_way: Mutex::default(),
            number: AtomicU64::new(0),
            untold: watch::Sender::new(0),
            untold_bytes: AtomicUsize::new(0),
            why: Mutex::default(),
            asks_again: AtomicBool::new(false),
        }))
    }

    /// Why requests with a key are refused, where the last one was, of late, and Redis is not back since.
    pub fn why_away(&self) -> Option<RedisError> {
        let (why, at, connections) = self.0.why().clone()?;
        let is_connected = *self.0.redis.status().borrow() == RedisStatus::Connected;
        let is_back = is_connected && self.0.redis.connections() > connections;
        (at.elapsed() < LATELY && !is_back).then_some(why)
    }

    /// Waits until Redis was told what became of all requests, for as long as `patience`.
    pub async fn flush(&self, patience: Duration) {
        let mut untold = self.0.untold.subscribe();
        // What it is not told by then reads as of unknown outcome.
        let _ = tokio::time::timeout(patience, untold.wait_for(|untold| *untold == 0)).await;
    }

    async fn claimed(
        &self,
        caller: &CallerName,
        digests: Digests,
        now: Instant,
        deadline: Instant,
        limits: &Limits,
        purpose: Purpose,
    ) -> Result<Claim, IdempotencyError> {
        let holds = deadline + GRACE;
        let ends = holds.max(now + limits.idempotency_ttl);
        let identity = self.0.identity(digests);
        let claimed = self.0.request(caller, digests, &identity, limits);
        let holding = Holding { claimed, identity, holds, ends, memory: limits.idempotency_memory };
        let claims = (purpose == Purpose::Send).then(|| holding.clone());
        let mut unheard = Unheard(self.clone(), claims);
        let said = match self.0.ask(&holding, deadline, purpose).await {
            Ok(said) => said,
            Err(error) => {
                // Where it was not even sent, there is nothing to give back.
                unheard.1.take_if(|_| matches!(error, RedisError::Away(_)));
                self.0.went(&error);
                self.ask_again();
                return Err(IdempotencyError::Unavailable(error));
            }
        };
        unheard.1 = None;
        self.0.came();
        match said {
            Said::First => {
                let number = self.0.number.fetch_add(1, Relaxed);
                self.0.under_way().insert(number, holding);
                Ok(Claim::First(Ticket { scope: digests.scope, number }))
            }
            Said::Reused => Err(IdempotencyError::Reused),
            Said::UnderWay => Err(IdempotencyError::InProgress),
            Said::Unknown => Err(IdempotencyError::Unknown),
            Said::Full => Err(IdempotencyError::Full),
            Said::NotKnown => Err(IdempotencyError::NotKnown),
            Said::NotKept(status, why) => Err(IdempotencyError::NotKept { status, why }),
            Said::Answered(status, sealed) => match self.0.opened(&identity, &sealed) {
                Some(answer) if answer.status() == status => Ok(Claim::Answered(Arc::new(answer))),
                _ => Err(IdempotencyError::NotKept { status, why: NotKept::NotOpened }),
            },
        }
    }
}

impl Store for SharedKeys {
    fn claim<'s>(
        &'s self,
        caller: &'s CallerName,
        digests: Digests,
        now: Instant,
        deadline: Instant,
        limits: &'s Limits,
        purpose: Purpose,
    ) -> Claiming<'s> {
        Box::pin(self.claimed(caller, digests, now, deadline, limits, purpose))
    }

    fn settle(&self, ticket: Ticket, outcome: Outcome) -> Settled {
        match self.0.under_way().remove(&ticket.number) {
            Some(holding) => self.tell(holding, outcome),
            None => Settled::now(),
        }
    }
}

impl Inner {
    async fn ask(&self, holding: &Holding, deadline: Instant, purpose: Purpose) -> Result<Said, RedisError> {
        let timeout = self.redis.timeout();
        let asking = async {
            if self.redis.connections() == 0 {
                self.redis.connected(timeout).await?;
            }
            let now = Instant::now();
            let (holds, ends) = (millis(holding.holds - now), millis(holding.ends - now));
            let mut arguments = holding.claimed.claiming(holds, ends);
            arguments.extend((purpose == Purpose::Ask).then(|| b"ask".to_vec()));
            script::claim(&self.redis, &self.names(), &arguments).await
        };
        timeout_at(deadline, asking).await.unwrap_or(Err(RedisError::Slow(timeout)))
    }

    fn names(&self) -> [&str; 7] {
        self.keys.each_ref().map(String::as_str)
    }

    /// What a request is to be told from others by, in Redis.
    fn request(
        &self,
        caller: &CallerName,
        digests: Digests,
        identity: &[u8; 64],
        limits: &Limits,
    ) -> Claimed {
        let content = self.sealer.as_ref().and_then(|sealer| {
            let (key, content) = (sealer.alias(b"key").ok()?, sealer.alias(identity).ok()?);
            Some(hex(&key[..8]) + &hex(&content))
        });
        // Without a key whoever reads it can try what the request was, if he knows its Idempotency-Key.
        let content =
            content.unwrap_or_else(|| "0".repeat(16) + &hex(&digest(&[b"content", identity])[..16]));
        Claimed {
            name: hex(&digest(&[b"name", &digests.scope])[..16]),
            content,
            claim: format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..)),
            caller: hex(&digest(&[b"caller", caller.as_str().as_bytes()])[..8]),
            most: limits.idempotency_keys,
        }
    }

    fn identity(&self, Digests { scope, content }: Digests) -> [u8; 64] {
        let mut identity = [0; 64];
        identity[..32].copy_from_slice(&scope);
        identity[32..].copy_from_slice(&content);
        identity
    }

    fn sealed(&self, identity: &[u8; 64], answer: &KeptAnswer) -> Option<Vec<u8>> {
        self.sealer.as_ref()?.seal(identity, 0, answer.to_bytes()?).ok()
    }

    fn opened(&self, identity: &[u8; 64], sealed: &[u8]) -> Option<KeptAnswer> {
        KeptAnswer::from_bytes(&self.sealer.as_ref()?.open(identity, 0, sealed)?)
    }

    fn went(&self, error: &RedisError) {
        if self.why().replace((error.clone(), Instant::now(), self.redis.connections())).is_none() {
            tracing::warn!(reason = %error, remedy = error.remedy(),
                "requests with an Idempotency-Key are refused: Redis, where replicas share them, does not answer or refuses");
        }
    }

    fn came(&self) {
        if self.why().take().is_some() {
            tracing::info!("requests with an Idempotency-Key are taken again");
        }
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<u64, Holding>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn why(&self) -> MutexGuard<'_, Option<(RedisError, Instant, u64)>> {
        self.why.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Unheard {
    fn drop(&mut self) {
        if let Some(holding) = self.1.take() {
            self.0.tell(holding, Outcome::NotSent);
        }
    }
}

fn digest(values: &[&[u8]]) -> [u8; 32] {
    let mut fingerprint = Fingerprint::default();
    values.iter().for_each(|value| fingerprint.add(value));
    *fingerprint.digest().as_bytes()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl fmt::Debug for SharedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedKeys")
    }
}

#[cfg(test)]
mod tests;
