//! What the user may not do of what is needed, found out by doing it: on a key and a channel of their own, which are left as they were.

use std::time::Duration;

use super::{Message, Redis, RedisError, RedisStatus, Script};

/// Runs each line, with the key in the place of K, and says which commands the user may not run. What else the server says of them does not
/// matter: the key is of one type.
const TRY: &str = "
local lacks = {}
for _, line in ipairs(ARGV) do
  local words = {}
  for word in string.gmatch(line, '%S+') do words[#words + 1] = word == 'K' and KEYS[1] or word end
  local said = redis.pcall(unpack(words))
  local why = type(said) == 'table' and said.err or ''
  if string.find(why, 'NOPERM') or string.find(why, 'can.t run this') or string.find(why, 'ACL failure') then
    lacks[#lacks + 1] = words[1]
  end
end
redis.pcall('DEL', KEYS[1])
return lacks";
const VAULT: &[&str] = &[
    "hset K f 1",
    "pexpire K 1000",
    "exists K",
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
const LIMITS: &[&str] = &[
    "time",
    "hset K f 1",
    "hmget K f",
    "pexpire K 1000",
    "zadd K 1 a",
    "zcard K",
    "zcount K 0 1",
    "zremrangebyscore K 0 1",
];
const TOKENS: &[&str] = &["set K 1 px 1000", "get K", "pttl K", "del K"];
const KEYS: &[&str] = &[
    "time",
    "hset K f 1",
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

impl Redis {
    /// Tries what these uses need.
    ///
    /// # Errors
    /// [`RedisError::Permission`] names what the user lacks; [`RedisError`].
    pub async fn tried(&self, uses: Uses) -> Result<(), RedisError> {
        let lines = [(uses.vault, VAULT), (uses.limits, LIMITS), (uses.tokens, TOKENS), (uses.keys, KEYS)];
        let lines: Vec<_> =
            lines.into_iter().filter(|(is_used, _)| *is_used).flat_map(|(_, lines)| lines).collect();
        if lines.is_empty() {
            return Ok(());
        }
        let key = format!("{}:check", self.prefix());
        let mut lacks: Vec<String> = self.run(&Script::new(TRY), &[&key], &lines).await?;
        if (uses.vault || uses.keys) && !self.may_subscribe(&key).await? {
            lacks.push("subscribe, or the channels of its prefix".into());
        }
        lacks.sort();
        lacks.dedup();
        match lacks.is_empty() {
            true => Ok(()),
            false => Err(RedisError::Permission(lacks.join(", ").into())),
        }
    }

    async fn may_subscribe(&self, channel: &str) -> Result<bool, RedisError> {
        let (mut messages, mut status) = (self.messages(channel), self.status());
        let begun = async {
            tokio::select! {
                message = messages.next() => Ok(message == Some(Message::Gap)),
                away = status.wait_for(|status| *status != RedisStatus::Connected) => match away.as_deref() {
                    Ok(RedisStatus::Away(RedisError::Permission(_))) => Ok(false),
                    Ok(RedisStatus::Away(why)) => Err(why.clone()),
                    _ => Err(RedisError::Unexpected),
                },
            }
        };
        let longest = self.timeout() + Duration::from_secs(1);
        tokio::time::timeout(longest, begun).await.unwrap_or(Err(RedisError::Slow(longest)))
    }
}
