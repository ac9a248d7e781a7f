//! What is in force, for requests and connections that come from now on: the pipeline, and what listeners serve with.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::vault::Sources;
use crate::{
    authn::Reach,
    config::Config,
    listen::{Bound, ListenSettings, budget::Budget, tls::Tls},
    proxy::Pipeline,
};

/// What the listeners serve connections with: those on TCP with TLS where there is one, those on Unix sockets without.
#[derive(Clone)]
pub(super) struct Listeners {
    pub(super) tcp: Arc<ArcSwap<ListenSettings>>,
    unix: Arc<ArcSwap<ListenSettings>>,
    /// As the memory allows, which is asked once.
    budget: Budget,
}

/// What a reload replaces.
pub(super) struct InForce {
    pub(super) pipeline: Arc<ArcSwap<Pipeline>>,
    pub(super) listeners: Listeners,
    pub(super) sources: Arc<Sources>,
}

impl Listeners {
    pub(super) fn new(config: &Config, tls: Option<Arc<Tls>>, budget: Budget) -> Self {
        let [tcp, unix] =
            Self::both(config, tls, &budget).map(|settings| Arc::new(ArcSwap::from_pointee(settings)));
        Self { tcp, unix, budget }
    }

    fn both(config: &Config, tls: Option<Arc<Tls>>, budget: &Budget) -> [ListenSettings; 2] {
        let limits = &config.limits;
        let with = |tls| ListenSettings {
            timeouts: config.timeouts.clone(),
            head: limits.head,
            headers: limits.headers,
            streams: budget.streams,
            windows: budget.windows,
            tls,
        };
        [with(tls), with(None)]
    }

    /// For connections that come from now on.
    pub(super) fn replace(&self, config: &Config, tls: Option<Arc<Tls>>) {
        let [tcp, unix] = Self::both(config, tls, &self.budget);
        self.tcp.store(Arc::new(tcp));
        self.unix.store(Arc::new(unix));
    }

    pub(super) fn settings(&self, bound: &Bound) -> Arc<ArcSwap<ListenSettings>> {
        match bound.reach {
            Reach::Unix | Reach::CommandLine(_) => self.unix.clone(),
            Reach::Loopback | Reach::Network => self.tcp.clone(),
        }
    }

    /// For connections from within the process: there is nothing to secure.
    pub(super) fn in_process(&self) -> Arc<ListenSettings> {
        self.unix.load_full()
    }
}
