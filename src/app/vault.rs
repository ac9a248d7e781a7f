//! The tenants of the vault in force: opened at the start, and taken up on a thread of their own when they change, so that
//! nobody who serves waits for a pipeline or a digest.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use tokio::runtime;

use super::{metered::Metered, resources::yield_to_requests};
use crate::{
    config::{Config, KubernetesOptions, RedisOptions, Roots, StoreOptions, VaultOptions},
    idempotency::SharedKeys,
    ids::TenantName,
    limit::Replicas,
    proxy::{BuildError, Pipeline, Shared},
    redis::Redis,
    secret::{Bearer, ClientSecret, Secret, SecretHandle, SecretProvider as _},
    token::SharedTokens,
    trust,
    vault::{
        Changed, Embedded, InRedis, KubernetesSecrets, Record, Removed, Server, Store, Unavailable, Vault,
        VaultError, VaultTenants, Version,
    },
};

/// How long a file with a token or a certificate may take to be read.
const PATIENCE: Duration = Duration::from_secs(5);
/// Changes that come into force in one step.
const AT_A_TIME: usize = 256;

/// Opens the vault that is configured, with the records in it.
///
/// # Errors
/// [`VaultError`].
pub async fn open_vault(options: &VaultOptions) -> Result<(Vault, Vec<Record>), VaultError> {
    let store = open_store(options, None).await?;
    let records = store.list().await?.into_iter().map(|stored| stored.record).collect();
    Ok((Vault::new(store), records))
}

/// Opens the store that is configured, or makes it; through `redis`, where that is the one.
///
/// # Errors
/// [`VaultError`].
pub async fn open_store(options: &VaultOptions, redis: Option<&Redis>) -> Result<Box<dyn Store>, VaultError> {
    let key = vault_key(options).await?;
    Ok(match &options.store {
        StoreOptions::File(path) => Box::new(Embedded::open(path.clone(), key).await?),
        StoreOptions::Redis(own) => {
            let redis = redis.map_or_else(|| connect(own), |redis| Ok(redis.clone()))?;
            let store = InRedis::open(redis, key).await?;
            for concern in store.concerns().await {
                tracing::warn!("{concern}");
            }
            Box::new(store)
        }
        StoreOptions::Kubernetes(options) => {
            Box::new(KubernetesSecrets::open(api_server(options).await?, key).await?)
        }
    })
}

/// Opens the store that is configured, where there is one, for a command.
///
/// # Errors
/// [`VaultError`].
pub async fn open_vault_file(options: &VaultOptions) -> Result<Option<Box<dyn Store>>, VaultError> {
    existing(options, Embedded::open_existing).await
}

/// The same for whoever only looks: a file stays as it is.
///
/// # Errors
/// [`VaultError`].
pub async fn look_into_vault(options: &VaultOptions) -> Result<Option<Box<dyn Store>>, VaultError> {
    existing(options, Embedded::open_copy).await
}

async fn existing<F>(
    options: &VaultOptions,
    open: impl FnOnce(PathBuf, Secret) -> F,
) -> Result<Option<Box<dyn Store>>, VaultError>
where
    F: Future<Output = Result<Embedded, VaultError>>,
{
    fn boxed(store: impl Store + 'static) -> Box<dyn Store> {
        Box::new(store)
    }
    Ok(match &options.store {
        StoreOptions::File(path) if !path.exists() => None,
        StoreOptions::File(path) => Some(boxed(open(path.clone(), vault_key(options).await?).await?)),
        StoreOptions::Redis(redis) => {
            InRedis::open_existing(connect(redis)?, vault_key(options).await?).await?.map(boxed)
        }
        StoreOptions::Kubernetes(kubernetes) => {
            let server = api_server(kubernetes).await?;
            KubernetesSecrets::open_existing(server, vault_key(options).await?).await?.map(boxed)
        }
    })
}

/// Begins to connect to the Redis that is configured.
///
/// # Errors
/// [`VaultError::Unavailable`], when TLS cannot be set up.
pub(super) fn connect(options: &RedisOptions) -> Result<Redis, VaultError> {
    Ok(Redis::new(options)
        .map_err(|error| Unavailable::wrong(error.to_string(), "Correct redis.tls.roots."))?)
}

/// The API server that is configured, or that of the cluster in which this process runs.
async fn api_server(options: &KubernetesOptions) -> Result<Server, VaultError> {
    let base = match &options.server {
        Some(server) => server.clone(),
        None => {
            let given = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
            match (given("KUBERNETES_SERVICE_HOST"), given("KUBERNETES_SERVICE_PORT")) {
                (Some(host), Some(port)) if host.contains(':') => format!("https://[{host}]:{port}"),
                (Some(host), Some(port)) => format!("https://{host}:{port}"),
                _ => {
                    return Err(Unavailable::new(
                        "this process does not run in a cluster: KUBERNETES_SERVICE_HOST is not set",
                        "Run it in a pod, or write vault.store.kubernetes.server.",
                    )
                    .into());
                }
            }
        }
    };
    let roots = match &options.roots {
        Some(roots) => roots.clone(),
        None if base.starts_with("http:") => Roots::Bundled,
        None => {
            let path = Path::new(KubernetesOptions::ACCOUNT).join("ca.crt");
            let read = Bearer::File(path.clone()).provider(PATIENCE).read().await;
            let read = read.map_err(|error| {
                let remedy = "Mount the ServiceAccount's token, or write vault.store.kubernetes.tls.roots.";
                Unavailable::new(format!("the authority of the API server cannot be read: {error}"), remedy)
            })?;
            Roots::File { path, pem: read.secret.expose().to_vec() }
        }
    };
    let tls = trust::client(&roots).map_err(|error| {
        Unavailable::wrong(error.to_string(), "Correct vault.store.kubernetes.tls.roots.")
    })?;
    let bearer = options.bearer.provider(PATIENCE);
    Ok(Server { base, namespace: options.namespace.clone(), bearer, tls })
}

/// What was opened.
#[derive(Default)]
pub(super) struct Opened {
    pub(super) records: Vec<Record>,
    /// Which versions they are.
    pub(super) known: BTreeMap<TenantName, Version>,
    /// Where tokens are to be shared with other replicas, once this one has seen what it has to see by itself.
    pub(super) tokens: Option<SharedTokens>,
}

/// Connects to what is configured, and opens the vault.
pub(super) async fn open(config: &Config, shared: &mut Shared) -> Result<Opened, VaultError> {
    let mut tokens = None;
    if let Some(options) = &config.redis {
        let redis = connect(options)?;
        let key = match &options.token_key {
            Some(key) => Some(sealing_key("redis.token_key", key).await?),
            None => None,
        };
        if options.share_limits {
            shared.share_limits(Replicas::new(redis.clone(), options.replicas, key.as_ref()));
        }
        tokens = key.as_ref().map(|key| SharedTokens::new(redis.clone(), key, shared.clock.clone()));
        if options.share_idempotency {
            shared.share_keys(SharedKeys::new(redis.clone(), key.as_ref()));
        }
        shared.redis = Some(redis);
    }
    let Some(options) = &config.vault else { return Ok(Opened { tokens, ..Opened::default() }) };
    let store = open_store(options, shared.redis.as_ref()).await?;
    let found = store.list().await?;
    let known = found.iter().map(|it| (it.record.alias.clone(), it.version)).collect();
    shared.vault = Some(Vault::new(Metered::new(store, shared.metrics.clone())));
    let records = found.into_iter().map(|stored| stored.record).collect();
    Ok(Opened { records, known, tokens })
}

/// The master key of the vault that is configured.
///
/// # Errors
/// [`VaultError::Unavailable`].
pub async fn vault_key(options: &VaultOptions) -> Result<crate::secret::Secret, VaultError> {
    sealing_key("vault.key", &options.key).await
}

async fn sealing_key(name: &str, key: &ClientSecret) -> Result<Secret, VaultError> {
    let read = SecretHandle::from(key.clone()).read().await;
    let reading = read.map_err(|error| {
        Unavailable::wrong(
            format!("{name} cannot be read: {error}"),
            format!("Look at where {name} comes from."),
        )
    })?;
    Ok(reading.secret)
}

/// What is to be in force: what the files say, and what the vault has.
pub(super) struct Sources(Mutex<Both>);

pub(super) struct Both {
    /// As the files have it, as far as it can be without a restart.
    configured: Arc<Config>,
    vault: VaultTenants,
}

impl Sources {
    pub(super) fn new(configured: Arc<Config>, records: Vec<Record>, now: SystemTime) -> Self {
        let vault = VaultTenants::new(records, &configured);
        for concern in vault.concerns(&configured, now) {
            tracing::warn!("{concern}");
        }
        Self(Mutex::new(Both { configured, vault }))
    }

    /// Held while a change of either comes into force: one at a time.
    pub(super) fn lock(&self) -> MutexGuard<'_, Both> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Both {
    /// The configuration that is to be in force.
    pub(super) fn together(&self) -> Config {
        self.vault.beside(&self.configured)
    }

    /// Puts another configuration of the files in force by `put`, with the tenants of the vault beside its own.
    pub(super) fn configure(
        &mut self,
        configured: Arc<Config>,
        now: SystemTime,
        put: impl FnOnce(Arc<Config>) -> Result<(), BuildError>,
    ) -> Result<(), BuildError> {
        let vault = self.vault.under(&configured);
        put(Arc::new(vault.beside(&configured)))?;
        for concern in vault.concerns(&configured, now) {
            tracing::warn!("{concern}");
        }
        *self = Self { configured, vault };
        Ok(())
    }

    fn take_up(&mut self, changes: &[Changed], pipeline: &Pipeline, shared: &Shared) {
        let (mut put, mut removed) = (Vec::new(), Vec::new());
        for Changed { alias, now, .. } in changes {
            put.retain(|tenant: &Arc<crate::config::Tenant>| tenant.name != *alias);
            match now {
                Some(stored) => put.extend(self.vault.put(stored.record.clone(), &self.configured)),
                None => match self.vault.remove(alias, &self.configured) {
                    Removed::Nothing => {}
                    Removed::Gone => removed.push(alias.clone()),
                    Removed::Configured(own) => put.push(own),
                },
            }
        }
        removed.retain(|alias| put.iter().all(|tenant| tenant.name != *alias));
        if put.is_empty() && removed.is_empty() {
            // Notes of creations, and tenants that the configuration has too.
            return;
        }
        if let Err(error) = shared.change_tenants(pipeline, &put, removed, Arc::new(self.together())) {
            tracing::error!(%error, "tenants of the vault are stored, but cannot be served");
        }
    }
}

/// Takes up what changes in the vault beyond what is `known`, until the process ends.
pub(super) fn follow(
    config: &Config,
    known: BTreeMap<TenantName, Version>,
    sources: Arc<Sources>,
    pipeline: Arc<ArcSwap<Pipeline>>,
    shared: Arc<Shared>,
) {
    let Some(vault) = &shared.vault else { return };
    let relist = config.vault.as_ref().map_or(VaultOptions::RELIST, |options| options.relist);
    let mut changes = vault.changes(known, relist);
    let (control, told) = (runtime::Handle::current(), vault.clone());
    let following = async move {
        let mut batch = Vec::new();
        while changes.recv_many(&mut batch, AT_A_TIME).await > 0 {
            sources.lock().take_up(&batch, &pipeline.load_full(), &shared);
            batch.iter().for_each(|changed| told.took_up(&changed.alias));
            // Whoever waits for them goes on now.
            batch.clear();
        }
    };
    let started = thread::Builder::new().name("tenants".into()).spawn(move || {
        yield_to_requests();
        control.block_on(following);
    });
    if let Err(error) = started {
        tracing::error!(%error, "no thread to follow the vault with; changes need a restart");
    }
}

/// Finds out what became of creations that were cut off, now and then, until its task is dropped.
pub(super) async fn settle_creations(pipeline: Arc<ArcSwap<Pipeline>>) {
    loop {
        let again = pipeline.load_full().settle_creations().await;
        tokio::time::sleep(again).await;
    }
}
