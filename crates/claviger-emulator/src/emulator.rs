//! The interface in Rust: start, watch, switch, stop.
//!
//! Decides nothing of what is answered; it hands on to the parts that do.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use crate::{
    cloud::{Account, Tenants},
    faults::Faults,
    jwt::Algorithm,
    options::{Client, Limits, ManagementRole, Options, Seed},
    quota::Bucket,
    record::{Recorded, Surprise},
    server,
    shared::Shared,
    world::World,
};

/// A running emulator; dropping it, or [`Emulator::shutdown`], ends it and cuts its connections.
#[derive(Debug)]
pub struct Emulator {
    addr: SocketAddr,
    shared: Arc<Shared>,
    stop: CancellationToken,
    /// Of an account.
    tenants: Arc<Started>,
}

/// The tenants of an account, oldest first: each is an emulator of its own.
#[derive(Debug, Default)]
struct Started(Mutex<Vec<(String, Arc<Emulator>)>>);

impl Emulator {
    /// Binds and starts serving on the current tokio runtime.
    ///
    /// # Errors
    /// The address cannot be bound, or no signing key could be made.
    pub async fn start(options: Options) -> io::Result<Self> {
        Self::on(std::net::TcpListener::bind(options.bind)?, options)
    }

    /// Starts serving what is bound.
    fn on(listener: std::net::TcpListener, options: Options) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let addr = listener.local_addr()?;
        let tenants = Arc::<Started>::default();
        let account = options.cloud.clone().map(|token| Account::new(token, tenants.clone()));
        let shared = Arc::new(Shared::new(options, account, addr)?);
        let stop = CancellationToken::new();
        tokio::spawn(server::accept(listener, Arc::clone(&shared), stop.clone()));
        Ok(Self { addr, shared, stop, tenants })
    }

    /// The address that was bound.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where to connect: `http://{address}`.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The base of the issuer; the same as [`Self::base_url`] unless [`Options::endpoint`] said otherwise.
    pub fn endpoint(&self) -> &str {
        &self.shared.endpoint
    }

    /// The tenants of the account, oldest first, each by its ID; of an emulator that is one ([`Options::cloud`]).
    pub fn cloud_tenants(&self) -> Vec<(String, Arc<Self>)> {
        self.tenants.lock().clone()
    }

    /// The switchable faults.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// What arrived so far, oldest first; the oldest are dropped beyond
    /// [`Limits::recorded`](crate::options::Limits::recorded).
    pub fn recorded(&self) -> Vec<Recorded> {
        self.shared.recorder.recorded()
    }

    /// What arrived and no well-behaved proxy would have sent; a test asserts that it is empty.
    pub fn surprises(&self) -> Vec<Surprise> {
        self.shared.recorder.surprises()
    }

    /// Forgets the recorded requests and surprises; counters stay.
    pub fn clear_recorded(&self) {
        self.shared.recorder.clear();
    }

    /// Access tokens issued so far.
    pub fn grants(&self) -> usize {
        self.shared.grants.load(Ordering::SeqCst)
    }

    /// Requests to the token endpoint so far, those answered by a fault included.
    pub fn token_requests(&self) -> usize {
        self.shared.token_requests.load(Ordering::SeqCst)
    }

    /// Requests below `/api` so far, those answered by a fault included.
    pub fn api_requests(&self) -> usize {
        self.shared.api_requests.load(Ordering::SeqCst)
    }

    /// Requests beyond [`Options::quota`] so far.
    pub fn refused_by_quota(&self) -> usize {
        self.shared.bucket.as_ref().map_or(0, Bucket::refused)
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Makes a new ES384 signing key: Current becomes Previous, Previous is forgotten (fact 2.7).
    ///
    /// # Errors
    /// The key could not be made.
    pub fn rotate_keys(&self) -> io::Result<()> {
        self.rotate_keys_to(Algorithm::Es384)
    }

    /// Like [`Self::rotate_keys`], with a choice of algorithm.
    ///
    /// # Errors
    /// The key could not be made.
    pub fn rotate_keys_to(&self, algorithm: Algorithm) -> io::Result<()> {
        let now = self.shared.now_ms();
        let mut world = self.shared.world();
        let World { default, .. } = &mut *world;
        default.keys.rotate(algorithm, default.store.new_id(21), now / 1000)
    }

    /// Signs `claims` with the current key and the given header members added, whatever they say, so that a test
    /// can present tokens which the token endpoint would never issue. `"kid": null` leaves the kid out.
    ///
    /// # Errors
    /// Signing failed.
    pub fn forge(&self, header: &serde_json::Value, claims: &serde_json::Value) -> io::Result<String> {
        self.shared.world().default.keys.forge(header, claims)
    }

    /// Like [`Self::forge`], with the key of the admin tenant.
    ///
    /// # Errors
    /// Signing failed.
    pub fn forge_as_admin(
        &self,
        header: &serde_json::Value,
        claims: &serde_json::Value,
    ) -> io::Result<String> {
        self.shared.world().admin.keys.forge(header, claims)
    }

    /// Replaces all secrets of an application; unknown ids are ignored.
    pub fn set_secrets(&self, client_id: &str, secrets: Vec<String>) {
        let now = self.shared.now_ms();
        self.shared.world().default.store.set_secrets(client_id, secrets, now);
    }

    /// Gives or takes the role for the Management API; tokens issued before keep their scope (fact 1.9).
    pub fn set_role(&self, client_id: &str, role: ManagementRole) {
        self.shared.world().default.store.set_management_role(client_id, role);
    }

    /// Sets the lifetime of Management API tokens issued from now on.
    pub fn set_token_ttl(&self, ttl: Duration) {
        self.shared.world().token_ttl = ttl;
    }

    /// Stops accepting and cuts every connection, as Logto does on SIGTERM (fact 8.6).
    pub fn shutdown(&self) {
        self.stop.cancel();
    }

    /// Completes when the emulator has been told to stop.
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Started {
    fn lock(&self) -> MutexGuard<'_, Vec<(String, Arc<Emulator>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tenants for Started {
    /// Its resource is its own `/api`, as of every tenant of Logto Cloud.
    fn start(&self, id: &str, default: &Client) -> io::Result<String> {
        let limits = Limits { rows: 1000, recorded: 200, ..Options::default().limits };
        let options =
            Options { clients: vec![default.clone()], seed: Seed::Empty, limits, ..Options::default() };
        let listener = std::net::TcpListener::bind(options.bind)?;
        let resource = format!("http://{}/api", listener.local_addr()?);
        let emulator = Emulator::on(listener, Options { resource, ..options })?;
        let endpoint = emulator.endpoint().to_owned();
        self.lock().push((id.to_owned(), Arc::new(emulator)));
        Ok(endpoint)
    }

    fn stop(&self, id: &str) {
        self.lock().retain(|(known, _)| known != id);
    }
}
