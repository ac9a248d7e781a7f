//! Wiring: Config → App (every port bound) → run until drained. Nothing is decided here.

mod concerns;
mod core;
mod grants;
mod in_force;
mod in_process;
mod metered;
mod probe;
mod reload;
mod resources;
mod start_error;
mod vault;

use std::{
    io,
    num::NonZeroUsize,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use arc_swap::ArcSwap;
use futures_util::StreamExt as _;
use tokio::{
    sync::{Notify, Semaphore},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

pub use grants::GrantMetrics;
pub use in_process::InProcess;
pub use probe::{ProbeError, probe, probe_redis};
pub use reload::{Loader, Reloader};
pub use start_error::StartError;
pub use vault::{look_into_vault, open_store, open_vault, open_vault_file, vault_key};

use self::{
    core::Core,
    in_force::{InForce, Listeners},
    reload::Seen,
};

use crate::{
    admin::{Admin, Health, Reread},
    authn::SealingSecrets,
    clock::Clock,
    config::{Address, Config, Loaded},
    ids::TenantName,
    listen::{
        Bound,
        accept::{Acceptor, Listening},
        budget::Budget,
        strangers::Strangers,
        worker::Workers,
    },
    observe::{Metrics, RequestLog},
    proxy::{Pipeline, Service, Shared},
    rotation::Rotator,
    token::SharedTokens,
};

/// A process that has all its ports and has yet to answer.
pub struct App {
    shared: Arc<Shared>,
    pipeline: Arc<ArcSwap<Pipeline>>,
    listeners: Listeners,
    workers: Arc<Workers>,
    proxy: Vec<Bound>,
    admin: Option<Bound>,
    health: Arc<Health>,
    reloader: Reloader,
    taken_over: Arc<Notify>,
    budget: Budget,
    log: Arc<RequestLog>,
    tokens: Option<SharedTokens>,
}

/// Where a process listens.
#[derive(Debug, Clone)]
pub struct Addresses {
    /// Proxy listeners, in the order of the configuration.
    pub proxy: Vec<Address>,
    /// The admin listener.
    pub admin: Option<Address>,
}

impl App {
    /// Binds all ports, opens the vault and builds the pipeline. Must be called in the runtime that is to run it.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left behind.
    pub async fn start(
        loaded: Loaded,
        loader: Loader,
        metrics: Arc<Metrics>,
        clock: Clock,
    ) -> Result<Self, StartError> {
        let Loaded { config, files, digest, .. } = loaded;
        let config = Arc::new(config);
        let mode = config.listen.unix_mode;
        let mut taken = Vec::new();
        let mut bind =
            |key, address: &Address| Bound::new(key, address, mode).map_err(|error| taken.push(error)).ok();
        let proxy: Vec<_> =
            config.listen.proxy.iter().filter_map(|address| bind("listen.proxy", address)).collect();
        let admin = config.listen.admin.as_ref().and_then(|address| bind("listen.admin", address));
        if !taken.is_empty() {
            return Err(StartError::Bind(taken));
        }
        let core = Core::start(config.clone(), metrics, clock).await?;
        let Core { shared, pipeline, listeners, budget, log, sources, tokens } = core;
        let workers = Arc::new(Workers::start(config.workers.get()).map_err(StartError::Workers)?);
        let (metrics, now) = (&shared.metrics, shared.clock.now());
        metrics.reloaded(Some(now.wall));
        metrics.started(now.wall);
        let health = Arc::new(Health::new(now));
        let in_force = InForce { pipeline: pipeline.clone(), listeners: listeners.clone(), sources };
        let seen = Seen::new(digest, files);
        let reloader = Reloader::new(loader, config, seen, in_force, shared.clone(), health.clone());
        let taken_over = reloader.taken_over();
        Ok(Self {
            shared,
            pipeline,
            listeners,
            workers,
            proxy,
            admin,
            health,
            reloader,
            taken_over,
            budget,
            log,
            tokens,
        })
    }

    /// Tries each tenant and account, some at a time, before anything is answered. Returns those that do not work.
    pub async fn probe_tenants(&self) -> Vec<(TenantName, ProbeError)> {
        const AT_A_TIME: usize = 16;
        let pipeline = self.pipeline.load();
        let tenants = pipeline.tenants().all().into_iter().chain(pipeline.accounts().all());
        let tries = tenants.map(|tenant| async move {
            let tried = probe(&tenant, &self.shared).await;
            tried.err().map(|error| (tenant.config().name.clone(), error))
        });
        let tried = futures_util::stream::iter(tries).buffer_unordered(AT_A_TIME);
        tried.filter_map(std::future::ready).collect().await
    }

    /// Where it listens, with the ports that the system chose.
    pub fn addresses(&self) -> Addresses {
        Addresses {
            proxy: self.proxy.iter().filter_map(Bound::address).collect(),
            admin: self.admin.as_ref().and_then(Bound::address),
        }
    }

    /// Runs until `stop`, then drains: not ready at once, still accepting for `shutdown.delay`, then done as
    /// soon as all requests are, or after `shutdown.drain`. `reload` asks for a reload. Returns whether all
    /// requests were finished.
    pub async fn run(
        mut self,
        stop: impl Future<Output = ()>,
        reload: tokio::sync::mpsc::Receiver<()>,
    ) -> bool {
        // Not before: whether a credential works is not told by a token that another replica got.
        if let Some(tokens) = self.tokens.take() {
            self.shared.tokens.share(tokens);
        }
        self.pipeline.load().warm();
        let config = self.pipeline.load().config();
        let (accepting, drain) = (CancellationToken::new(), CancellationToken::new());
        let leaving = Arc::new(AtomicBool::new(false));
        let acceptor = Arc::new(Acceptor {
            handler: Arc::new(Service::new(self.pipeline.clone(), leaving.clone())),
            workers: self.workers.clone(),
            places: Arc::new(Semaphore::new(self.budget.connections.min(Semaphore::MAX_PERMITS))),
            spare: self.budget.connections / 16,
            buffers: self.budget.socket_buffer,
            strangers: Arc::new(Strangers::new(self.budget.connections, self.budget.connections_of_a_peer)),
            metrics: self.shared.metrics.clone(),
            failures: Arc::default(),
            crowded: Arc::default(),
            unreadable: Arc::default(),
            stop: accepting.clone(),
            drain: drain.clone(),
        });
        let mut tasks = JoinSet::new();
        let log = self.log.clone();
        tasks.spawn(async move { log.tell().await });
        let addresses = self.addresses();
        for bound in self.proxy {
            let settings = self.listeners.settings(&bound);
            let accepting = acceptor.clone().accept(Listening { bound, settings });
            tasks.spawn(async move { report(accepting.await) });
        }
        let rotator = Arc::new(Rotator::new(self.shared.clone(), self.pipeline.clone()));
        if self.shared.vault.is_some() {
            tasks.spawn(rotator.clone().run());
            tasks.spawn(vault::settle_creations(self.pipeline.clone()));
        }
        let (reread, rereads) = Reread::new();
        if let Some(bound) = self.admin {
            let buffers = self.budget.socket_buffer;
            let admin = Arc::new(Admin::new(
                self.pipeline.clone(),
                self.listeners.tcp.clone(),
                self.workers.clone(),
                self.shared.clone(),
                self.health.clone(),
                rotator,
                reread,
            ));
            tasks.spawn(admin.clone().watch());
            tasks.spawn(async move { report(admin.serve(bound, buffers).await) });
        }
        self.reloader.start(reload, rereads);
        self.health.started();
        log_start(&addresses, &config);
        log_bounds(&self.budget, &config);
        let (settings, clock) = (self.listeners.tcp.clone(), self.shared.clock.clone());
        let taken_over = self.taken_over;
        tasks.spawn(async move {
            let concerns = || {
                let now = clock.now().wall;
                settings.load().tls.as_ref().map(|tls| tls.dates().concerns(now)).unwrap_or_default()
            };
            concerns::watch(concerns, &taken_over, |concern| tracing::warn!("{concern}")).await;
        });
        stop.await;

        let config = self.pipeline.load().config();
        self.health.drain();
        leaving.store(true, Relaxed);
        let left = self.workers.connections();
        tracing::info!(connections = left, delay = %humantime::format_duration(config.shutdown.delay), "stopping: no longer ready");
        tokio::time::sleep(config.shutdown.delay).await;
        accepting.cancel();
        drain.cancel();
        let underway = &self.shared.underway;
        let ended = async {
            self.workers.drained().await;
            // What goes on though its caller has left, and what the admin listener was asked.
            underway.ended().await;
        };
        let finished = tokio::time::timeout(config.shutdown.drain, ended).await.is_ok();
        let cut_off = underway.left();
        core::flush(&self.shared).await;
        if finished {
            tracing::info!("stopped: all requests were finished");
        } else {
            let left = self.workers.connections();
            for what in cut_off {
                tracing::warn!("{what} was cut off: whether Logto has carried it out is unknown here");
            }
            tracing::warn!(connections = left, drain = ?config.shutdown.drain, "stopped: requests were cut off after shutdown.drain");
        }
        finished
    }
}

fn report(result: io::Result<()>) {
    if let Err(error) = result {
        tracing::error!(%error, "a listener stopped");
    }
}

fn log_start(addresses: &Addresses, config: &Config) {
    let proxy = addresses.proxy.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let admin = addresses.admin.as_ref().map_or_else(|| "off".to_owned(), ToString::to_string);
    tracing::info!(
        proxy,
        admin,
        tenants = config.tenants.len(),
        callers = config.callers.len(),
        workers = NonZeroUsize::get(config.workers),
        version = env!("CARGO_PKG_VERSION"),
        "ready"
    );
    if config.broker.key.is_none() {
        let unsealed = |it: &&Arc<crate::config::Tenant>| !SealingSecrets::can_be_made_of(&it.client_secrets);
        match config.tenants.iter().filter(unsealed).count() {
            0 => {}
            tenants => tracing::info!(
                tenants,
                "tokens that Claviger issues at /oidc/token become invalid when this process ends: to keep them valid across restarts and replicas, set broker.key"
            ),
        }
    }
    let is_local = |address: &Address| match address {
        Address::Tcp(address) => address.ip().is_loopback(),
        Address::Unix(_) => true,
    };
    if config.authz.enabled && !addresses.proxy.iter().all(is_local) {
        tracing::warn!(
            "/authz hands out upstream tokens, and a listener is open to the network: let only the other proxy reach it"
        );
    }
}

fn log_bounds(budget: &Budget, config: &Config) {
    let (connections, asked) = (budget.connections, config.listen.max_connections);
    if connections == asked {
        return;
    }
    if budget.short_of_descriptors {
        tracing::warn!(
            connections,
            asked,
            "fewer connections than listen.max_connections: the limit of open files (ulimit -n) allows no more"
        );
    } else {
        tracing::info!(
            connections,
            asked,
            "fewer connections than listen.max_connections: the memory allows no more"
        );
    }
}

impl Addresses {
    /// As JSON, written whole or not at all: the file can be read as soon as it exists.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let text = |address: &Address| address.to_string();
        let json = serde_json::json!({
            "proxy": self.proxy.iter().map(text).collect::<Vec<_>>(),
            "admin": self.admin.as_ref().map(text),
        });
        let partial = path.with_extension("partial");
        std::fs::write(&partial, json.to_string())?;
        std::fs::rename(&partial, path)
    }
}
