//! What a process answers without a listener: requests of a command, as a caller whom the operator names. Through the same service as
//! those of listeners. It reloads nothing, and rotates nothing.

use std::sync::Arc;

use tokio::io::DuplexStream;

use super::{
    StartError,
    core::{self, Core},
};
use crate::{
    clock::Clock,
    config::Config,
    ids::CallerIndex,
    listen,
    observe::Metrics,
    proxy::{Service, Shared},
};

/// Answers the requests of one command.
pub struct InProcess {
    connections: listen::InProcess<Service>,
    shared: Arc<Shared>,
}

impl InProcess {
    /// Opens the audit log and the vault, and builds the pipeline. Must be called in the runtime that is to run it.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(
        config: Config,
        caller: CallerIndex,
        metrics: Arc<Metrics>,
        clock: Clock,
    ) -> Result<Self, StartError> {
        let core = Core::start(Arc::new(config), metrics, clock).await?;
        if let Some(tokens) = core.tokens {
            core.shared.tokens.share(tokens);
        }
        let service = Arc::new(Service::new(core.pipeline, Arc::default()));
        let connections = listen::InProcess::new(service, core.listeners.in_process(), caller);
        Ok(Self { connections, shared: core.shared })
    }

    /// The caller's end of a new connection, on which HTTP/1.1 is spoken.
    pub fn connect(&self) -> DuplexStream {
        self.connections.connect()
    }

    /// What was asked is in the audit log when this returns.
    pub async fn end(&self) {
        self.connections.end().await;
        core::flush(&self.shared).await;
    }
}
