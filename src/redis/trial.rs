//! What the user may not do of what is needed, and whether there is room, found out by doing it: on a key and a channel of their own,
//! which are left as they were.

use std::{collections::BTreeSet, time::Duration};

use redis::{Value, aio::MultiplexedConnection};

use super::error::{RedisError, said};

/// As much as is written, to see whether there is room: more than most records have.
const LARGE: usize = 64 * 1024;

/// Words of commands: K stands for the key, V for a value of some size.
const ALWAYS: &[&str] = &["ping", "exists K"];
const VAULT: &[&str] = &[
    "eval return{} 1 K",
    "hset K f V",
    "pexpire K 1000",
    "type K",
    "hget K f",
    "hmget K f",
    "hsetnx K f 1",
    "hexists K f",
    "hincrby K n 1",
    "hlen K",
    "hscan K 0",
    "hdel K f",
    "publish K x",
];
/// The name of a script that nobody has.
const SCRIPTS: &[&str] = &["evalsha 0000000000000000000000000000000000000000 1 K", "eval return{} 1 K"];
const LIMITS: &[&str] = &[
    "time",
    "hset K f V",
    "hmget K f",
    "pexpire K 1000",
    "zadd K 1 a",
    "zcard K",
    "zcount K 0 1",
    "zremrangebyscore K 0 1",
];
const TOKENS: &[&str] = &["set K V px 1000", "get K", "pttl K", "del K"];
const KEYS: &[&str] = &[
    "time",
    "hset K f V",
    "pexpire K 1000",
    "hget K f",
    "hlen K",
    "hincrby K n 1",
    "hdel K f",
    "zadd K 1 a",
    "zincrby K 1 a",
    "zrange K 0 1",
    "zrangebyscore K 0 1",
    "zrangebylex K - +",
    "zrem K a",
    "publish K x",
];
/// So that nothing stays; whoever may not do the first has the second.
const AFTERWARDS: &[&str] = &["del K", "hdel K f n"];

/// What Redis is used for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Uses {
    /// The vault.
    pub vault: bool,
    /// Limits.
    pub limits: bool,
    /// Tokens.
    pub tokens: bool,
    /// Idempotency-Keys.
    pub keys: bool,
}

impl Uses {
    fn lines(self) -> impl Iterator<Item = &'static &'static str> {
        let Self { vault, limits, tokens, keys } = self;
        let scripts = limits || tokens || keys;
        let lines = [
            (true, ALWAYS),
            (scripts, SCRIPTS),
            (vault, VAULT),
            (limits, LIMITS),
            (tokens, TOKENS),
            (keys, KEYS),
        ];
        lines.into_iter().filter(|(is_used, _)| *is_used).flat_map(|(_, lines)| lines)
    }
}

/// Tries on this connection what these uses need, all of it.
pub(super) async fn tried(
    connection: &MultiplexedConnection,
    prefix: &str,
    uses: Uses,
    timeout: Duration,
) -> Result<(), RedisError> {
    let (key, value) = (format!("{prefix}:check"), "x".repeat(LARGE));
    let tried = async |line: &str| {
        let mut words = line.split(' ');
        let mut command = redis::cmd(words.next().unwrap_or_default());
        for word in words {
            command.arg(match word {
                "K" => &key,
                "V" => &value,
                word => word,
            });
        }
        let mut connection = connection.clone();
        let answer = tokio::time::timeout(timeout, connection.send_packed_command(&command)).await;
        let answer = answer.map_err(|_| RedisError::Slow(timeout))?;
        Ok::<_, RedisError>(answer.and_then(Value::extract_error).err())
    };
    let (mut lacks, mut is_full) = (BTreeSet::new(), false);
    for line in uses.lines() {
        let Some(error) = tried(line).await? else { continue };
        match RedisError::of(&error) {
            RedisError::Permission(why) => {
                let name = line.split(' ').next().unwrap_or_default();
                lacks.insert(lacking(&why, name, prefix));
            }
            RedisError::Full => is_full = true,
            gone @ (RedisError::Broken(_) | RedisError::Away(_)) => return Err(gone),
            // What else it says does not matter: the key is of one type.
            _ => {}
        }
    }
    for line in AFTERWARDS {
        tried(line).await?;
    }
    if uses.vault || uses.keys {
        let mut connection = connection.clone();
        match tokio::time::timeout(timeout, connection.subscribe(&*key)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => match RedisError::of(&error) {
                RedisError::Permission(why) => {
                    lacks.insert(lacking(&why, &format!("subscribe on {}", channels(prefix)), prefix));
                }
                _ => return Err(RedisError::Away(said(&error))),
            },
            Err(_) => return Err(RedisError::Slow(timeout)),
        }
    }
    match lacks.is_empty() {
        false => Err(RedisError::Permission(lacks.into_iter().collect::<Vec<_>>().join(", ").into())),
        true if is_full => Err(RedisError::Full),
        true => Ok(()),
    }
}

fn channels(prefix: &str) -> String {
    format!("the channels of its prefix (&{prefix}:*)")
}

/// What of it the user lacks by what the server says: the command, which that names, or else what it was to be used on.
fn lacking(why: &str, command: &str, prefix: &str) -> String {
    match () {
        () if why.contains("command") => command.to_owned(),
        () if why.contains("channel") => channels(prefix),
        () => format!("the keys of its prefix (~{prefix}:*)"),
    }
}
