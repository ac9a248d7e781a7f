//! The way to a Redis or Valkey that replicas share: one connection, on which all commands go side by side, and which comes
//! back by itself. Whoever asks while there is none is told so at once; nobody waits for longer than `redis.timeout`. Which
//! keys there are, and what stands in them, is for the rooms that use it; all keys and channels begin with
//! [`Redis::prefix`], so that in a cluster one node has them. Never: a command sent twice, or a secret in clear.

mod bounded;
mod connect;
mod error;
mod messages;
mod script;
mod state;
mod stay;
mod trial;

use std::{fmt, sync::Arc, time::Duration};

use redis::{Cmd, FromRedisValue, Pipeline};
use tokio::{sync::watch, task::AbortHandle};

use self::{connect::Connect, state::State};
pub use self::{
    error::RedisError,
    messages::{Message, Messages},
    script::Script,
    state::RedisStatus,
    trial::Uses,
};
use crate::{
    config::{RedisAddress, RedisOptions},
    trust::{self, TlsError},
};

/// A Redis. Cheap to clone; all clones are one connection, which ends with the last of them.
#[derive(Clone)]
pub struct Redis(Arc<Inner>);

struct Inner {
    state: Arc<State>,
    prefix: Box<str>,
    timeout: Duration,
    task: AbortHandle,
}

impl Redis {
    /// Begins to connect. To be called in the runtime that outlives those of requests.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(options: &RedisOptions) -> Result<Self, TlsError> {
        Self::connecting(options, None)
    }

    /// The same for a trial: where the user may not even connect, all that it lacks for these uses is named.
    ///
    /// # Errors
    /// As of [`Redis::new`].
    pub fn on_trial(options: &RedisOptions, uses: Uses) -> Result<Self, TlsError> {
        Self::connecting(options, Some(uses))
    }

    fn connecting(options: &RedisOptions, on_trial: Option<Uses>) -> Result<Self, TlsError> {
        let tls = options.url.iter().any(RedisAddress::is_tls);
        let tls = tls.then(|| trust::client(&options.roots)).transpose()?.map(Arc::new);
        let prefix = format!("{{{}}}", options.prefix).into_boxed_str();
        let connect = Connect::new(options.clone(), tls, prefix.clone(), on_trial);
        let state = Arc::new(State::default());
        let task = tokio::spawn(stay::connected(connect, state.clone())).abort_handle();
        Ok(Self(Arc::new(Inner { state, prefix, timeout: options.timeout, task })))
    }

    /// The longest that an answer is waited for.
    pub fn timeout(&self) -> Duration {
        self.0.timeout
    }

    /// What the names of all keys and channels begin with.
    pub fn prefix(&self) -> &str {
        &self.0.prefix
    }

    /// Waits until there is a connection, for as long as `patience`.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn connected(&self, patience: Duration) -> Result<(), RedisError> {
        let mut status = self.status();
        let there = status.wait_for(|status| *status == RedisStatus::Connected);
        match tokio::time::timeout(patience, there).await {
            Ok(Ok(_)) => Ok(()),
            _ => self.0.state.connection().map(drop),
        }
    }

    /// Whether there is a connection, and each change of that.
    pub fn status(&self) -> watch::Receiver<RedisStatus> {
        self.0.state.status()
    }

    /// The server of the last connection, where there has been one: one of `redis.url`, or whom it led to.
    pub fn server(&self) -> Option<RedisAddress> {
        self.0.state.server()
    }

    /// How many connections there have been.
    pub fn connections(&self) -> u64 {
        self.0.state.connections()
    }

    /// Sends a command and reads its answer.
    ///
    /// # Errors
    /// [`RedisError`]; where no answer came, it may have been carried out.
    pub async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, RedisError> {
        let mut connection = self.0.state.connection()?;
        let answer = tokio::time::timeout(self.0.timeout, connection.send_packed_command(command)).await;
        self.read(answer)
    }

    /// Sends several commands in one go and reads their answers.
    ///
    /// # Errors
    /// As of [`Redis::ask`].
    pub async fn ask_all<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, RedisError> {
        let mut connection = self.0.state.connection()?;
        let answers = tokio::time::timeout(self.0.timeout, commands.query_async(&mut connection)).await;
        self.judged(answers)
    }

    fn read<T: FromRedisValue>(
        &self,
        answer: Result<Result<redis::Value, redis::RedisError>, tokio::time::error::Elapsed>,
    ) -> Result<T, RedisError> {
        let value = self.judged(answer)?;
        let value = value.extract_error().map_err(|error| self.failed(&error))?;
        T::from_redis_value(value).map_err(|_| RedisError::Unexpected)
    }

    fn judged<T>(
        &self,
        answer: Result<Result<T, redis::RedisError>, tokio::time::error::Elapsed>,
    ) -> Result<T, RedisError> {
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.failed(&error)),
            Err(_) => Err(RedisError::Slow(self.0.timeout)),
        }
    }

    /// Tries what these uses need, all of it.
    ///
    /// # Errors
    /// [`RedisError::Permission`] names what the user lacks, [`RedisError::Full`]; [`RedisError`].
    pub async fn tried(&self, uses: Uses) -> Result<(), RedisError> {
        trial::tried(&self.0.state.connection()?, self.prefix(), uses, self.timeout()).await
    }

    fn failed(&self, error: &redis::RedisError) -> RedisError {
        if let Some(why) = error::elsewhere(error) {
            self.0.state.look_elsewhere(why);
        }
        RedisError::of(error)
    }

    /// What is published in a channel, from now on and on all connections to come. What could not be received, because
    /// there was no connection or nobody read, is said to be missing.
    pub fn messages(&self, channel: &str) -> Messages {
        self.0.state.subscribe(channel)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redis")
    }
}
