//! Config → what answers requests, whoever brings them: everything but listeners, workers and reloads.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;

use super::{
    GrantMetrics, StartError,
    in_force::Listeners,
    resources,
    vault::{self, Sources},
};
use crate::{
    clock::{Clock, Random},
    config::Config,
    limit::Memory,
    listen::{
        budget::{Budget, Means},
        tls::Tls,
    },
    observe::{
        Audit, Events, Metrics, RequestLog, Subscriber,
        audit::{ConfigurationRecord, Reading},
        log::Style,
    },
    proxy::{BuildError, Pipeline, Shared},
    token::{SharedTokens, Tokens},
    upstream::PoolBuffers,
};

/// How long the last records may take to reach the audit log.
const AUDIT_PATIENCE: Duration = Duration::from_secs(5);
/// How long the end waits until Redis was told what became of requests with an `Idempotency-Key`.
const KEYS_PATIENCE: Duration = Duration::from_secs(2);
/// The largest window of HTTP/2 (RFC 9113 section 6.9.1).
const MOST_WINDOW: u32 = (1 << 31) - 1;

/// What answers requests.
pub(super) struct Core {
    pub(super) shared: Arc<Shared>,
    pub(super) pipeline: Arc<ArcSwap<Pipeline>>,
    pub(super) listeners: Listeners,
    pub(super) budget: Budget,
    pub(super) log: Arc<RequestLog>,
    pub(super) sources: Arc<Sources>,
    /// Shared with other replicas from when it is told to the tokens.
    pub(super) tokens: Option<SharedTokens>,
}

impl Core {
    /// Opens the audit log and the vault, and builds the pipeline. Must be called in the runtime that is to run it.
    pub(super) async fn start(
        config: Arc<Config>,
        metrics: Arc<Metrics>,
        clock: Clock,
    ) -> Result<Self, StartError> {
        let grants = Arc::new(GrantMetrics(metrics.clone()));
        let tokens = Tokens::new(clock.clone(), Random::system(), grants, tokio::runtime::Handle::current());
        let audit = Audit::open(&config.audit, metrics.audit_lost.clone())?;
        let budget = Budget::of(means(&config));
        let memory = Memory::new(budget.waiting, budget.exchanges);
        let mut shared = Shared::new(metrics.clone(), clock.clone(), tokens).within(
            budget.unauthenticated,
            memory,
            pool_buffers(&budget),
        );
        let log = Arc::new(RequestLog::new(Style::of(&config.log)));
        let subscriber: Arc<dyn Subscriber> = log.clone();
        shared.events =
            Events::new([subscriber].into_iter().chain(audit.clone().map(|audit| audit as _)).collect());
        shared.audit = audit;
        let vault::Opened { records, known, tokens } = vault::open(&config, &mut shared).await?;
        let shared = Arc::new(shared);
        let sources = Arc::new(Sources::new(config.clone(), records, shared.clock.now().wall));
        let tls = config.listen.tls.as_ref().map(|tls| Tls::new(tls, &clock)).transpose();
        let tls = tls.map_err(BuildError::from)?.map(Arc::new);
        let together = Arc::new(sources.lock().together());
        let pipeline = shared.pipeline(together, tls.as_deref(), None)?;
        if let Some(audit) = &shared.audit {
            let (now, policy) = (clock.now().wall, pipeline.policy_version());
            audit.configuration(ConfigurationRecord::new(now, Reading::Started, policy));
        }
        let pipeline = Arc::new(ArcSwap::from_pointee(pipeline));
        let listeners = Listeners::new(&config, tls, budget);
        vault::follow(&config, known, sources.clone(), pipeline.clone(), shared.clone());
        Ok(Self { shared, pipeline, listeners, budget, log, sources, tokens })
    }
}

/// Redis knows what became of requests with an `Idempotency-Key`, and the last records are in the audit log, when this returns, or took
/// too long.
pub(super) async fn flush(shared: &Shared) {
    if let Some(keys) = &shared.keys {
        keys.flush(KEYS_PATIENCE).await;
    }
    if let Some(audit) = &shared.audit {
        audit.flush(AUDIT_PATIENCE).await;
    }
}

/// What there is, and what is asked for.
fn means(config: &Config) -> Means {
    let memory = Some(config.limits.memory).filter(|bytes| *bytes > 0).or_else(resources::memory);
    Means {
        memory,
        descriptors: resources::descriptors(),
        connections: config.listen.max_connections,
        unauthenticated: config.limits.unauthenticated,
    }
}

/// A stream's window is what an exchange is counted with; that of a connection never stops one for the sake of another.
fn pool_buffers(budget: &Budget) -> PoolBuffers {
    let stream = budget.upstream_window;
    let exchanges = u32::try_from(budget.exchanges).unwrap_or(u32::MAX);
    let connection = stream.saturating_mul(exchanges).min(MOST_WINDOW);
    PoolBuffers { socket: budget.socket_buffer, windows: Some((stream, connection)) }
}
