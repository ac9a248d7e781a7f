//! The audit log: one JSON object a line for each request, kept apart from the log. It says who asked for what, by
//! which rule, and what came of it; it never holds a secret, a body or the value of a query parameter. A request
//! never waits for it: a record that finds no room, or cannot be written, is counted as lost.

mod error;
mod file;
mod health;
mod record;
mod writer;

use std::{
    sync::{
        Arc,
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    time::Duration,
};

use prometheus::IntCounter;
use serde::Serialize;
use tokio::sync::oneshot;

pub use self::{
    error::{AuditError, NO_FILE},
    file::no_file,
    record::{AdminRecord, ConfigurationRecord, Reading, TenantRecord},
};
use self::{
    file::Rotated,
    health::Health,
    record::{AuditRecord, RequestRecord},
    writer::{Message, Stream},
};
use super::{RequestEvent, events::Subscriber};
use crate::config::{self, AuditOutput};

/// Records that wait to be written; about 8 MiB.
const ROOM: usize = 16 * 1024;

/// The audit log of a process: takes records at any time without blocking, and has a thread that writes them.
#[derive(Debug)]
pub struct Audit {
    sender: SyncSender<Message>,
    lost: IntCounter,
    health: Arc<Health>,
}

/// What `/status` says of the audit log.
#[derive(Debug, Serialize)]
pub struct AuditStatus {
    /// The file, or `stdout`.
    pub file: String,
    /// Records that were lost since the start.
    pub lost: u64,
    /// Why the last records could not be written; `None` since one could.
    pub last_error: Option<String>,
    /// What the operator can do about it, where the error does not say all there is to say.
    pub remedy: Option<String>,
}

impl Audit {
    /// Opens it and starts its thread; `None` when it is off. `lost` counts the records that are lost.
    ///
    /// # Errors
    /// [`AuditError`], before anything is served.
    pub fn open(config: &config::Audit, lost: IntCounter) -> Result<Option<Arc<Self>>, AuditError> {
        Self::with(config, lost, || ("stdout", Box::new(Stream(std::io::stdout()))))
    }

    /// The same for a command: what a process would write to standard output goes to standard error, as the other is for what was asked.
    ///
    /// # Errors
    /// [`AuditError`], before anything is changed.
    pub fn open_for_command(
        config: &config::Audit,
        lost: IntCounter,
    ) -> Result<Option<Arc<Self>>, AuditError> {
        Self::with(config, lost, || ("stderr", Box::new(Stream(std::io::stderr()))))
    }

    fn with(
        config: &config::Audit,
        lost: IntCounter,
        stream: impl FnOnce() -> (&'static str, Box<dyn writer::Sink>),
    ) -> Result<Option<Arc<Self>>, AuditError> {
        let (path, sink): (_, Box<dyn writer::Sink>) = match &config.output {
            AuditOutput::Off => return Ok(None),
            AuditOutput::Stdout => {
                let (shown, sink) = stream();
                (shown.to_owned(), sink)
            }
            AuditOutput::File { path, max_bytes, keep } => {
                let shown = path.display().to_string();
                if no_file(path) {
                    return Err(AuditError::NoFile { path: shown });
                }
                match Rotated::open(path.clone(), *max_bytes, *keep) {
                    Ok(file) => (shown, Box::new(file)),
                    Err(error) => return Err(AuditError::new(shown, error)),
                }
            }
        };
        let (sender, receiver) = sync_channel(ROOM);
        let health = Health::of(path.clone());
        let mut writer = writer::Writer::new(sink, lost.clone(), health.clone());
        std::thread::Builder::new()
            .name("audit".into())
            .spawn(move || writer.run(&receiver))
            .map_err(|error| AuditError::new(path, error))?;
        Ok(Some(Arc::new(Self { sender, lost, health })))
    }

    /// For `/status`.
    pub fn status(&self) -> AuditStatus {
        let (last_error, remedy) =
            self.health.failure().map_or((None, None), |(error, remedy)| (Some(error), remedy));
        AuditStatus { file: self.health.path.clone(), lost: self.lost.get(), last_error, remedy }
    }

    fn write(&self, record: AuditRecord) {
        if self.sender.try_send(Message::Record(Box::new(record))).is_err() {
            self.lost.inc();
        }
    }

    /// Another configuration is in force, or was refused.
    pub fn configuration(&self, record: ConfigurationRecord) {
        self.write(AuditRecord::Configuration(record));
    }

    /// A tenant of the vault was changed, or its secret.
    pub fn tenant(&self, record: TenantRecord) {
        self.write(AuditRecord::Tenant(record));
    }

    /// Something was done, or refused, at the admin listener.
    pub fn admin(&self, record: AdminRecord) {
        self.write(AuditRecord::Admin(record));
    }

    /// Waits until everything so far is written, or `patience` is over: for the end of the process.
    pub async fn flush(&self, patience: Duration) {
        let asking = async {
            let (done, written) = oneshot::channel();
            let mut message = Message::Flush(done);
            while let Err(TrySendError::Full(back)) = self.sender.try_send(message) {
                message = back;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            // Without the thread there is nothing to wait for.
            let _ = written.await;
        };
        if tokio::time::timeout(patience, asking).await.is_err() {
            tracing::error!(?patience, "the audit log was not written to its end");
        }
    }
}

impl Subscriber for Audit {
    fn needs_details(&self) -> bool {
        true
    }

    fn wants(&self, event: &RequestEvent) -> bool {
        event.details.is_some() && !event.quiet
    }

    fn receive(&self, event: &RequestEvent) {
        if let Some(details) = &event.details {
            self.write(AuditRecord::Request(RequestRecord::of(event, details)));
        }
    }
}

#[cfg(test)]
mod tests;
