//! What all connections share: the tenants behind a lock, the faults, the memory of requests, the counters.
//!
//! Decides the authority that the endpoint stands for. It must never be locked across an `await`.

use std::{
    io,
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError, atomic::AtomicUsize},
    time::{Duration, UNIX_EPOCH},
};

use crate::{
    cloud::Account,
    faults::Faults,
    options::{Clock, Options},
    quota::Bucket,
    record::Recorder,
    seed,
    world::World,
};

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) endpoint: String,
    pub(crate) authority: String,
    pub(crate) admin_authority: Option<String>,
    pub(crate) keep_alive: Duration,
    clock: Clock,
    pub(crate) faults: Faults,
    pub(crate) recorder: Recorder,
    pub(crate) grants: AtomicUsize,
    pub(crate) token_requests: AtomicUsize,
    pub(crate) api_requests: AtomicUsize,
    pub(crate) connections: AtomicUsize,
    /// What all of its clients draw on.
    pub(crate) bucket: Option<Bucket>,
    /// The account that it is, where it is one.
    pub(crate) account: Option<Account>,
    world: Mutex<World>,
}

impl Shared {
    pub(crate) fn new(options: Options, account: Option<Account>, addr: SocketAddr) -> io::Result<Self> {
        let endpoint = options.endpoint.clone().unwrap_or_else(|| format!("http://{addr}"));
        let authority = endpoint.split_once("://").map_or(endpoint.as_str(), |(_, rest)| rest);
        let authority = authority.split('/').next().unwrap_or_default().to_ascii_lowercase();
        let admin_authority = options.admin_authority.clone().map(|name| name.to_ascii_lowercase());
        let now = unix_ms(&options.clock);
        let world = seed::world(&options, &endpoint, now)?;
        Ok(Self {
            endpoint,
            authority,
            admin_authority,
            keep_alive: options.keep_alive,
            clock: options.clock,
            faults: Faults::default(),
            recorder: Recorder::new(options.limits),
            grants: AtomicUsize::new(0),
            token_requests: AtomicUsize::new(0),
            api_requests: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            bucket: options.quota.map(Bucket::new),
            account,
            world: Mutex::new(world),
        })
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        // A panic in one handler must not take the rest of a test down with it.
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now_ms(&self) -> u64 {
        unix_ms(&self.clock)
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

fn unix_ms(clock: &Clock) -> u64 {
    let since = clock().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
