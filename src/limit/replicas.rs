//! The other replicas, as far as Redis knows them: how many there are, and whether Redis can be asked at all. Each shows itself every
//! few seconds; who has not for a while is no longer counted. Where Redis is away, each replica goes on with what it last knew: an
//! equal part of each limit is its own. Never decides what is drawn.

use std::{
    fmt,
    sync::{
        Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{runtime, time::Instant};

use super::agreement::{self, Agreement};
use crate::{
    redis::{Redis, RedisError, RedisStatus, Script},
    secret::Secret,
};

/// How often a replica shows itself.
const EVERY: Duration = Duration::from_secs(2);
/// Microseconds after which one that has not is no longer counted.
const GONE: u64 = 10_000_000;
/// The same after a time without Redis.
const OFTEN: Duration = Duration::from_millis(200);
/// As long as others may take to find Redis again, after which nobody is waited for.
const LATEST: Duration = Duration::from_secs(6);
/// Its time is the server's. Returns how many there are, how many of them have shown themselves since a time, and the time.
static SHOW: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - ARGV[2]))
-- Of a clock that was set back, or nobody's.
redis.call('ZREMRANGEBYSCORE', KEYS[1], '(' .. string.format('%.0f', now), '+inf')
redis.call('PEXPIRE', KEYS[1], ARGV[2] / 1000)
return {redis.call('ZCARD', KEYS[1]), redis.call('ZCOUNT', KEYS[1], ARGV[3], '+inf'), now}",
    )
});

/// This replica among the others. Cheap to clone.
#[derive(Clone)]
pub struct Replicas(Arc<Inner>);

struct Inner {
    redis: Redis,
    runtime: runtime::Handle,
    /// What this one is called; chance.
    name: String,
    /// As many as there are said to be.
    least: u32,
    seen: AtomicU32,
    away: AtomicBool,
    has_shared: AtomicBool,
    /// The log says that limits are not shared.
    is_told: AtomicBool,
    why: Mutex<Option<RedisError>>,
    leases: [AtomicU64; 4],
    agreement: Mutex<Agreement>,
}

/// What came of asking for permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leased {
    Granted,
    Refused,
    Failed,
    /// Not in time for a request, which was drawn from this replica's part.
    Late,
}

/// What may be shown of it.
#[derive(Debug, Clone)]
pub struct ReplicasStatus {
    /// How many there are, this one included; as many as there are said to be, at least.
    pub count: u32,
    /// How many have shown themselves, this one included.
    pub seen: u32,
    /// Whether this one keeps to its part of each limit.
    pub is_away: bool,
    /// Why that is so.
    pub why: Option<RedisError>,
    /// How often permits were granted, refused, not answered, and answered too late for a request.
    pub leases: [u64; 4],
    /// Whether another one has another `redis.token_key`, or none; `None` where Redis does not say.
    pub other_keys: Option<bool>,
    /// The limits that are others at another one.
    pub other_limits: Vec<String>,
    /// The settings that have been for minutes.
    pub lasting: Vec<String>,
}

impl Replicas {
    /// What can come of asking for permits, in the order of [`ReplicasStatus::leases`].
    pub const OUTCOMES: [&str; 4] = ["granted", "refused", "failed", "late"];

    /// Begins to show itself. `least` are there even if they have not been seen; tokens are sealed with `token_key`. To be called in the
    /// runtime that outlives those of requests.
    pub fn new(redis: Redis, least: u32, token_key: Option<&Secret>) -> Self {
        let inner = Arc::new(Inner {
            redis,
            runtime: runtime::Handle::current(),
            name: format!("{:016x}", fastrand::u64(..)),
            least: least.max(1),
            seen: AtomicU32::new(1),
            // Until it has answered.
            away: AtomicBool::new(true),
            has_shared: AtomicBool::new(false),
            is_told: AtomicBool::new(false),
            why: Mutex::default(),
            leases: Default::default(),
            agreement: Mutex::new(Agreement::new(token_key)),
        });
        tokio::spawn(show(Arc::downgrade(&inner)));
        Self(inner)
    }

    /// So many that Redis is not asked about.
    #[cfg(test)]
    pub(super) fn known(redis: Redis, count: u32) -> Self {
        Self(Arc::new(Inner {
            redis,
            runtime: runtime::Handle::current(),
            name: format!("{:016x}", fastrand::u64(..)),
            least: count,
            seen: AtomicU32::new(count),
            away: AtomicBool::new(false),
            has_shared: AtomicBool::new(true),
            is_told: AtomicBool::new(false),
            why: Mutex::default(),
            leases: Default::default(),
            agreement: Mutex::new(Agreement::new(None)),
        }))
    }

    /// How many there are, as far as is known.
    pub(super) fn count(&self) -> u32 {
        self.0.seen.load(Relaxed).max(self.0.least)
    }

    /// What may be shown.
    pub fn status(&self) -> ReplicasStatus {
        let why = self.0.why.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let leases = self.0.leases.each_ref().map(|count| count.load(Relaxed));
        let differing = self.0.agreement().differing(Instant::now());
        ReplicasStatus {
            count: self.count(),
            seen: self.0.seen.load(Relaxed),
            is_away: self.is_away(),
            why,
            leases,
            other_keys: (!self.is_away()).then_some(differing.keys),
            other_limits: differing.limits,
            lasting: differing.lasting,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.0.name
    }

    pub(super) fn runtime(&self) -> &runtime::Handle {
        &self.0.runtime
    }

    pub(super) fn redis(&self) -> &Redis {
        &self.0.redis
    }

    /// Whether nobody need ask.
    pub(super) fn is_away(&self) -> bool {
        self.0.away.load(Relaxed)
    }

    pub(super) fn failed(&self, error: RedisError) {
        self.0.went(error);
    }

    /// Another replica has another value of this setting, by what it leases.
    pub(super) fn differs(&self, setting: &str, now: Instant) {
        let is_to_be_told = self.0.agreement().differs(setting, now);
        if is_to_be_told {
            tell(setting);
        }
    }

    pub(super) fn count_lease(&self, leased: Leased) {
        self.0.leases[leased as usize].fetch_add(1, Relaxed);
    }
}

impl Inner {
    fn went(&self, error: RedisError) {
        let share = self.seen.load(Relaxed).max(self.least);
        self.away.store(true, Relaxed);
        if !self.is_told.swap(true, Relaxed) {
            tracing::warn!(reason = %error, remedy = error.remedy(), replicas = share,
                "limits are not shared: this replica keeps to its part of each");
        }
        *self.why.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    fn agreement(&self) -> MutexGuard<'_, Agreement> {
        self.agreement.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows the mark of this replica's key among those of the others.
    async fn compare_keys(&self) -> Result<(), RedisError> {
        let key = format!("{}:token_keys", self.redis.prefix());
        let arguments = [self.agreement().key_mark().to_owned(), GONE.to_string(), "0".to_owned()];
        let (marks, ..) = self.redis.run::<(u32, u32, u64)>(&SHOW, &[&key], &arguments).await?;
        let told = self.agreement().counted_keys(marks, Instant::now());
        if let Some(setting) = told {
            tell(setting);
        }
        Ok(())
    }

    fn came(&self, count: u32) {
        self.seen.store(count, Relaxed);
        self.has_shared.store(true, Relaxed);
        *self.why.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.is_told.store(false, Relaxed);
        if self.away.swap(false, Relaxed) {
            tracing::info!(replicas = count.max(self.least), "limits are shared with the other replicas");
        }
    }
}

fn tell(setting: &str) {
    tracing::warn!(remedy = agreement::REMEDY, "{setting}: {}", agreement::effect(setting));
}

/// Redis is back for this replica, and not yet for all: whoever shared all of a limit now would do so beside those who keep to their part.
struct Back {
    /// By the server's clock, in microseconds.
    since: u64,
    began: Instant,
    /// How many there were before.
    expected: u32,
}

impl Back {
    fn is_over(&self) -> bool {
        self.began.elapsed() > LATEST
    }
}

/// Shows it every few seconds, and as soon as there is a connection, until nobody has it any more.
async fn show(replicas: Weak<Inner>) {
    let Some(mut status) = replicas.upgrade().map(|inner| inner.redis.status()) else { return };
    // The first connection is made, or fails, before there is anything to say.
    let is_connected = *status.borrow_and_update() == RedisStatus::Connected;
    if !is_connected && status.changed().await.is_err() {
        return;
    }
    let mut back: Option<Back> = None;
    while let Some(inner) = replicas.upgrade() {
        let key = format!("{}:replicas", inner.redis.prefix());
        let since = back.as_ref().map(|back| back.since);
        let arguments = [inner.name.clone(), GONE.to_string(), since.unwrap_or_default().to_string()];
        let shown = inner.redis.run::<(u32, u32, u64)>(&SHOW, &[&key], &arguments).await;
        let compared = if shown.is_ok() { inner.compare_keys().await } else { Ok(()) };
        match compared.and(shown) {
            Ok((count, there, now)) => {
                if inner.away.load(Relaxed) && inner.has_shared.load(Relaxed) {
                    let expected = inner.seen.load(Relaxed).max(inner.least);
                    let back =
                        back.get_or_insert_with(|| Back { since: now, began: Instant::now(), expected });
                    if (since.is_some() && there >= back.expected) || back.is_over() {
                        inner.came(count);
                    }
                } else {
                    inner.came(count);
                }
            }
            Err(error) => {
                back = None;
                inner.went(error);
            }
        }
        drop(inner);
        // For a while after it came: the others look for this one, too.
        back.take_if(|back| back.is_over());
        let pause = if back.is_some() { OFTEN } else { EVERY };
        tokio::select! {
            changed = status.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(pause.mul_f64(0.8 + 0.2 * fastrand::f64())) => {}
        }
    }
}

impl fmt::Debug for Replicas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replicas").field("count", &self.count()).finish_non_exhaustive()
    }
}
