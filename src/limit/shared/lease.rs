//! The script that leases permits, and what is said and answered with it. All replicas run the same one on the same bucket: a token
//! bucket as GCRA whose clock is the server's. One step does everything: what this replica used on its own while it could not ask, what the
//! tenant said to it (a pause, a pace), and how many permits it gets.

use std::{pin::Pin, sync::LazyLock};

use crate::redis::{Redis, RedisError, Script};

/// In microseconds of the server's clock; what is answered counts from now on.
static LEASE: LazyLock<Script> = LazyLock::new(|| Script::new(TEXT));
pub(super) const TEXT: &str = r"local cost, reach, want, most = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local used, least, pause = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local pace, lasts, who, limit = tonumber(ARGV[8]), tonumber(ARGV[9]), ARGV[10], ARGV[11]
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local s = redis.call('HMGET', KEYS[1], 'at', 'paused', 'pace', 'slow', 'by', 'limit')
local at, paused = tonumber(s[1] or 0) or 0, tonumber(s[2] or 0) or 0
local slowest, slow, by = tonumber(s[3] or 1) or 1, tonumber(s[4] or 0) or 0, s[5] or ''
-- What lies further ahead than anything may is of a clock that was set back, or nobody's: it does not count. No comparison with what is no number holds.
if not (at > now and at <= now + most) then at = now end
if not (paused > now and paused <= now + 60000000) then paused = 0 end
if not (slow > now and slow <= now + 180000000 and slowest >= 0.01 and slowest < 1) then slowest, slow = 1, 0 end
-- The slowest pace counts, until whoever said it says another one or nothing more.
if lasts > 0 and (pace <= slowest or by == who) then
  slowest, slow, by = pace, now + lasts, who
end
if pause > 0 then paused = math.max(paused, now + pause) end
at = math.min(math.max(at + used, now + least), now + most)
cost = cost / math.min(pace, slowest)
local first, count = at - now, 0
if want > 0 and paused <= now and first <= reach then
  count = math.min(want, math.floor((reach - first) / cost) + 1)
end
at = at + count * cost
local ends = math.max(at, paused, slow)
if ends > now then
  redis.call('HSET', KEYS[1], 'at', string.format('%.2f', at), 'paused', string.format('%.0f', paused),
    'pace', slowest, 'slow', string.format('%.0f', slow), 'by', by, 'limit', limit)
  redis.call('PEXPIRE', KEYS[1], math.min(math.ceil((ends - now) / 1000), 4e10) + 1000)
end
return {count, math.ceil(first * 1000), math.ceil(cost * 1000), math.max(0, math.ceil((paused - now) * 1000)),
  (s[6] and s[6] ~= limit) and 1 or 0}";

/// What is said. In nanoseconds.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Ask {
    /// Between two requests at the full pace.
    pub(super) cost: u64,
    /// Permits may arrive so far ahead.
    pub(super) reach: u64,
    /// How many.
    pub(super) want: u64,
    /// Nothing ever lies further ahead.
    pub(super) most: u64,
    /// Was used without a lease.
    pub(super) used: u64,
    /// So much is spent at least.
    pub(super) least: u64,
    /// The tenant asked for a pause of so much.
    pub(super) pause: u64,
    /// The pace of this replica.
    pub(super) pace: f64,
    /// For how long the others are to keep it as well; zero, where it is not news.
    pub(super) pace_lasts: u64,
    /// The limit as it is configured, to tell another from.
    pub(super) limit: String,
}

/// What is answered. In nanoseconds, from when it was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lease {
    pub(super) count: u64,
    /// When the first of them arrives, or the next one would.
    pub(super) first: u64,
    /// Between two of them.
    pub(super) cost: u64,
    /// How long nobody gets any.
    pub(super) paused: u64,
    /// Whether whoever asked before has another limit.
    pub(super) is_others: bool,
}

/// Where the bucket is.
pub(super) trait Lessor: Send + Sync {
    /// Asks for it. Whoever implements it bounds the wait.
    fn lease<'a>(&'a self, key: &'a str, who: &'a str, ask: &'a Ask) -> Leasing<'a>;
}

/// A question under way.
pub(super) type Leasing<'a> = Pin<Box<dyn Future<Output = Result<Lease, RedisError>> + Send + 'a>>;

impl Lessor for Redis {
    fn lease<'a>(&'a self, key: &'a str, who: &'a str, ask: &'a Ask) -> Leasing<'a> {
        Box::pin(async move {
            let (count, first, cost, paused, others) =
                self.run::<(u64, u64, u64, u64, u8)>(&LEASE, &[key], &arguments(who, ask)).await?;
            // More than was asked for would be memory, and without a cost there would be no end.
            if count > ask.want || cost == 0 {
                return Err(RedisError::Unexpected);
            }
            Ok(Lease { count, first, cost, paused, is_others: others == 1 })
        })
    }
}

pub(super) fn arguments(who: &str, ask: &Ask) -> [String; 11] {
    let micros = |nanos: u64| format!("{}.{:03}", nanos / 1000, nanos % 1000);
    [
        micros(ask.cost),
        micros(ask.reach),
        ask.want.to_string(),
        micros(ask.most),
        micros(ask.used),
        micros(ask.least),
        micros(ask.pause),
        ask.pace.to_string(),
        micros(ask.pace_lasts),
        who.to_owned(),
        ask.limit.clone(),
    ]
}
