//! Tokens that replicas share through Redis: one of them asks the issuer, under a lock that ends with its holder, and the others take what
//! it got. A token rests there sealed, bound to all that makes it differ from another, under a name that tells nothing, for as long as it
//! lives. Whether it is fresh is decided here, never there. Where Redis does not answer, this replica gets its own: nothing waits for
//! it longer than for the issuer, and nothing fails for it.

use std::{
    fmt::{self, Write as _},
    sync::{Arc, LazyLock},
    time::{Duration, UNIX_EPOCH},
};

use tokio::time::Instant;
use zeroize::Zeroizing;

use super::{
    grant::{Minted, Via},
    key::TokenKey,
    life::Token,
    source::TokenSource,
};
use crate::{
    clock::Clock,
    redis::{Redis, RedisError, Script},
    sealer::Sealer,
    secret::Secret,
};

/// What tokens are sealed for.
const PURPOSE: &[u8] = b"claviger token 1";
/// The longest that Redis may take for an answer, and for its first connection.
const PATIENCE: Duration = Duration::from_millis(250);
/// How often it is looked whether another replica has got it.
const LOOK: Duration = Duration::from_millis(40);
/// How much longer than a token request the lock is held that is not given back.
const GRACE: Duration = Duration::from_secs(2);
/// The least bytes of a token with what is said of it.
const HEAD: usize = 16;
/// Gives a lock back, if it is still the one that was taken.
static UNLOCK: LazyLock<Script> = LazyLock::new(|| {
    Script::new("if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end return 0")
});

/// Tokens that replicas share. Cheap to clone.
#[derive(Clone)]
pub struct SharedTokens(Arc<Inner>);

struct Inner {
    redis: Redis,
    sealer: Sealer,
    clock: Clock,
}

/// Who gets the token.
pub(super) enum Turn {
    /// Another replica has.
    Taken(Minted),
    /// This one is to; the others wait for it where there is a lock.
    Mint(Option<Lock>),
}

/// The right to ask the issuer. Ends by itself.
pub(super) struct Lock {
    tokens: SharedTokens,
    key: Place,
    owner: String,
}

/// Where a token rests.
struct Place {
    /// All that makes it differ from another.
    identity: Vec<u8>,
    token: String,
    lock: String,
}

impl SharedTokens {
    /// Those in `redis` that are sealed with `key`.
    pub fn new(redis: Redis, key: &Secret, clock: Clock) -> Self {
        Self(Arc::new(Inner { redis, sealer: Sealer::new(key, PURPOSE), clock }))
    }

    /// Waits until another replica has a token that is none of `known`, or it is this one's turn to get one.
    pub(super) async fn turn(&self, source: &TokenSource, known: &[Arc<Token>], secret: usize) -> Turn {
        let Some(place) = self.place(&source.key) else { return Turn::Mint(None) };
        if self.0.redis.connections() == 0
            && let Err(error) = self.0.redis.connected(PATIENCE).await
        {
            return alone(&error);
        }
        let until = Instant::now() + source.timeout;
        loop {
            match self.found(&place, source, known, secret).await {
                Ok(Some(minted)) => return Turn::Taken(minted),
                Ok(None) => {}
                Err(error) => return alone(&error),
            }
            let owner = format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
            match self.locked(&place, &owner, source.timeout + GRACE).await {
                Ok(true) => {
                    let lock = Lock { tokens: self.clone(), key: place, owner };
                    // Somebody may have had it between the look and the lock.
                    return match self.found(&lock.key, source, known, secret).await {
                        Ok(Some(minted)) => {
                            lock.give_back().await;
                            Turn::Taken(minted)
                        }
                        Ok(None) => Turn::Mint(Some(lock)),
                        Err(error) => alone(&error),
                    };
                }
                Ok(false) if Instant::now() < until => tokio::time::sleep(LOOK).await,
                Ok(false) => return Turn::Mint(None),
                Err(error) => return alone(&error),
            }
        }
    }

    async fn locked(&self, place: &Place, owner: &str, lasts: Duration) -> Result<bool, RedisError> {
        let lasts = u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX);
        let ask = redis::cmd("SET").arg(&place.lock).arg(owner).arg("NX").arg("PX").arg(lasts).to_owned();
        Ok(soon(self.0.redis.ask::<Option<String>>(&ask)).await?.is_some())
    }

    /// The token that another replica got, where it is good: none of those that are known here, and not yet due for renewal.
    async fn found(
        &self,
        place: &Place,
        source: &TokenSource,
        known: &[Arc<Token>],
        secret: usize,
    ) -> Result<Option<Minted>, RedisError> {
        let mut ask = redis::pipe();
        ask.cmd("GET").arg(&place.token).cmd("PTTL").arg(&place.token);
        let (sealed, left): (Option<Vec<u8>>, i64) = soon(self.0.redis.ask_all(&ask)).await?;
        Ok(sealed.and_then(|sealed| {
            let text = self.0.sealer.open(&place.identity, 0, &sealed)?;
            self.judged(&text, Duration::from_millis(u64::try_from(left).ok()?), source, known, secret)
        }))
    }

    fn judged(
        &self,
        text: &[u8],
        left: Duration,
        source: &TokenSource,
        known: &[Arc<Token>],
        secret: usize,
    ) -> Option<Minted> {
        let (life, rest) = text.split_first_chunk()?;
        let (asked, value) = rest.split_first_chunk()?;
        let life = Duration::from_millis(u64::from_be_bytes(*life));
        let asked = UNIX_EPOCH.checked_add(Duration::from_millis(u64::from_be_bytes(*asked)))?;
        let now = self.0.clock.now();
        // By Redis' clock, which nobody can lengthen beyond what ours says, nor the other way round.
        let by_wall = now.wall.duration_since(asked).unwrap_or_default();
        let age = life.saturating_sub(left).max(by_wall);
        let began = now.before(age)?;
        let header = Secret::new(value.to_vec()).header("Bearer ").ok()?;
        let token = Token::new(header.clone(), 0, began, life, source.options.refresh_at, 1.0);
        let is_new = known.iter().all(|known| known.value() != token.value());
        let is_fresh = token.is_usable(now) && !token.renewal_in(now).is_zero();
        (is_new && is_fresh).then_some(Minted { header, life, asked: began, secret, via: Via::Replica })
    }

    fn place(&self, key: &TokenKey) -> Option<Place> {
        let identity = key.identity();
        let alias = self.0.sealer.alias(&identity).ok()?;
        let mut token = format!("{}:token:", self.0.redis.prefix());
        for byte in alias {
            // To a string there is always room.
            let _ = write!(token, "{byte:02x}");
        }
        Some(Place { identity, lock: format!("{token}:lock"), token })
    }
}

impl Lock {
    /// Gives the others what was got, and the lock back.
    pub(super) async fn share(self, minted: &Minted) {
        if let Err(error) = self.put(minted).await {
            tracing::debug!(%error, "the token is not shared with the other replicas");
        }
        self.give_back().await;
    }

    async fn put(&self, minted: &Minted) -> Result<(), RedisError> {
        let Inner { redis, sealer, clock } = &*self.tokens.0;
        let asked = minted.asked.wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let left =
            minted.life.saturating_sub(clock.now().instant.saturating_duration_since(minted.asked.instant));
        let value = minted.header.as_bytes().strip_prefix(b"Bearer ").unwrap_or_default();
        if left.is_zero() || value.is_empty() {
            return Ok(());
        }
        // As large as it will be: growing, and sealing, would leave copies behind.
        let mut text = Zeroizing::new(Vec::with_capacity(HEAD + value.len() + 64));
        text.extend_from_slice(&millis(minted.life).to_be_bytes());
        text.extend_from_slice(&millis(asked).to_be_bytes());
        text.extend_from_slice(value);
        let Ok(sealed) = sealer.seal(&self.key.identity, 0, text) else { return Ok(()) };
        let ask =
            redis::cmd("SET").arg(&self.key.token).arg(sealed).arg("PX").arg(millis(left).max(1)).to_owned();
        redis.ask(&ask).await
    }

    /// Lets the others try.
    pub(super) async fn give_back(self) {
        let Inner { redis, .. } = &*self.tokens.0;
        // Otherwise it ends by itself.
        let _: Result<u64, RedisError> = redis.run(&UNLOCK, &[&self.key.lock], &[self.owner]).await;
    }
}

async fn soon<T>(answer: impl Future<Output = Result<T, RedisError>>) -> Result<T, RedisError> {
    tokio::time::timeout(PATIENCE, answer).await.unwrap_or(Err(RedisError::Slow(PATIENCE)))
}

fn alone(error: &RedisError) -> Turn {
    tracing::debug!(%error, "this replica gets its own token");
    Turn::Mint(None)
}

impl fmt::Debug for SharedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedTokens")
    }
}

#[cfg(test)]
mod tests;
