//! What all handles see of the connection: whether it is there, and who waits for messages.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use arc_swap::ArcSwap;
use redis::{PushInfo, PushKind, Value, aio::MultiplexedConnection};
use tokio::sync::{Notify, watch};

use super::{
    error::RedisError,
    messages::{Inbox, Messages},
};
use crate::config::RedisAddress;

/// Whether there is a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisStatus {
    /// There is.
    Connected,
    /// There is none, for this reason.
    Away(RedisError),
}

pub(super) struct State {
    connection: ArcSwap<Result<MultiplexedConnection, RedisError>>,
    status: watch::Sender<RedisStatus>,
    connections: AtomicU64,
    server: Mutex<Option<RedisAddress>>,
    inboxes: Mutex<Vec<Inbox>>,
    /// Another server is to be asked from now on; why.
    pub(super) elsewhere: Notify,
    why_elsewhere: Mutex<Option<RedisError>>,
    /// There is another channel.
    pub(super) subscribed: Notify,
}

impl Default for State {
    fn default() -> Self {
        let why = RedisError::from("no connection yet");
        Self {
            connection: ArcSwap::from_pointee(Err(why.clone())),
            status: watch::Sender::new(RedisStatus::Away(why)),
            connections: AtomicU64::new(0),
            server: Mutex::default(),
            inboxes: Mutex::default(),
            elsewhere: Notify::new(),
            why_elsewhere: Mutex::default(),
            subscribed: Notify::new(),
        }
    }
}

impl State {
    pub(super) fn connection(&self) -> Result<MultiplexedConnection, RedisError> {
        (**self.connection.load()).clone()
    }

    pub(super) fn status(&self) -> watch::Receiver<RedisStatus> {
        self.status.subscribe()
    }

    pub(super) fn connections(&self) -> u64 {
        self.connections.load(Relaxed)
    }

    /// The server of the last connection.
    pub(super) fn server(&self) -> Option<RedisAddress> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn came(&self, connection: MultiplexedConnection, server: RedisAddress) {
        self.connections.fetch_add(1, Relaxed);
        *self.server.lock().unwrap_or_else(PoisonError::into_inner) = Some(server);
        self.connection.store(Arc::new(Ok(connection)));
        self.status.send_replace(RedisStatus::Connected);
    }

    pub(super) fn went(&self, why: &RedisError) {
        self.connection.store(Arc::new(Err(why.clone())));
        self.status.send_replace(RedisStatus::Away(why.clone()));
    }

    pub(super) fn look_elsewhere(&self, why: RedisError) {
        *self.why_elsewhere.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
        self.elsewhere.notify_one();
    }

    /// What the server said of itself when it was last to be left.
    pub(super) fn why_elsewhere(&self) -> RedisError {
        let why = self.why_elsewhere.lock().unwrap_or_else(PoisonError::into_inner).take();
        why.unwrap_or_else(|| "another server is to be asked".into())
    }

    pub(super) fn subscribe(&self, channel: &str) -> Messages {
        let (inbox, messages) = Inbox::new(channel);
        let mut inboxes = self.inboxes();
        inboxes.retain(|inbox| !inbox.is_deserted());
        inboxes.push(inbox);
        drop(inboxes);
        self.subscribed.notify_one();
        messages
    }

    /// The channels that somebody reads.
    pub(super) fn channels(&self) -> Vec<Box<str>> {
        self.inboxes().iter().map(|inbox| inbox.channel.clone()).collect()
    }

    /// From now on everything in this channel is received; what was before may be missing.
    pub(super) fn begun(&self, channel: &str) {
        self.inboxes().iter().filter(|inbox| &*inbox.channel == channel).for_each(Inbox::gap);
    }

    /// What the server sends unasked.
    pub(super) fn pushed(&self, info: &PushInfo) {
        let (PushKind::Message, [Value::BulkString(channel), Value::BulkString(payload), ..]) =
            (&info.kind, info.data.as_slice())
        else {
            return;
        };
        let inboxes = self.inboxes();
        inboxes.iter().filter(|inbox| inbox.channel.as_bytes() == channel).for_each(|it| it.put(payload));
    }

    fn inboxes(&self) -> MutexGuard<'_, Vec<Inbox>> {
        self.inboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
