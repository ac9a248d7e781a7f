//! The audit log: one JSON object a line for each request, kept apart from the log. It says who asked for what, by
//! which rule, and what came of it; it never holds a secret, a body or the value of a query parameter. A request
//! never waits for it: a record that finds no room, or cannot be written, is counted as lost.

pub(in crate::observe) mod entry;
mod file;
mod health;
mod writer;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    time::{Duration, SystemTime},
};

use prometheus::IntCounter;
use serde::Serialize;
use tokio::sync::oneshot;

pub use self::entry::Issued;
use self::{
    entry::Entry,
    file::Rotated,
    health::{Health, remedy},
    writer::Message,
};
use crate::{
    config::{self, AuditOutput},
    policy::decide::RuleSource,
};

/// Records that wait to be written; about 8 MiB.
const ROOM: usize = 16 * 1024;

/// Why there can be no audit log.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// Two would rename the file under each other.
    #[error("audit.output: {path} is written by another process; give each one a file of its own")]
    Taken {
        /// The file.
        path: String,
    },
    /// The system does not let us.
    #[error("audit.output: {path} cannot be written: {error}{remedy}")]
    Unwritable {
        /// The file, or `stdout`.
        path: String,
        /// What the system says.
        error: io::Error,
        /// What to do, with the full stop before it; or nothing.
        remedy: String,
    },
}

impl AuditError {
    fn new(path: String, error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::WouldBlock {
            return Self::Taken { path };
        }
        let remedy = remedy(&path, &error).map(|remedy| format!(". {remedy}")).unwrap_or_default();
        Self::Unwritable { path, error, remedy }
    }
}

/// The way to the audit log. Never blocks.
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
}

impl Audit {
    /// Opens it and starts its thread; `None` when it is off. `lost` counts the records that are lost.
    ///
    /// # Errors
    /// [`AuditError`], before anything is served.
    pub fn open(config: &config::Audit, lost: IntCounter) -> Result<Option<Arc<Self>>, AuditError> {
        let (path, sink): (_, Box<dyn writer::Sink>) = match &config.output {
            AuditOutput::Off => return Ok(None),
            AuditOutput::Stdout => ("stdout".to_owned(), Box::new(std::io::stdout())),
            AuditOutput::File { path, max_bytes, keep } => {
                let shown = path.display().to_string();
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

    /// How the writing goes.
    pub fn status(&self) -> AuditStatus {
        AuditStatus {
            file: self.health.path.clone(),
            lost: self.lost.get(),
            last_error: self.health.last_error(),
        }
    }

    /// Hands over a record.
    pub(in crate::observe) fn write(&self, entry: Entry) {
        if self.sender.try_send(Message::Record(Box::new(entry))).is_err() {
            self.lost.inc();
        }
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

/// What a request's record in the audit log needs beside [`Record`](super::Record); filled in on the way.
#[derive(Debug)]
pub struct AuditRecord {
    /// Where it goes.
    pub log: Arc<Audit>,
    /// When the request came, by the wall clock.
    pub time: SystemTime,
    /// The other end, where it has an address.
    pub peer: Option<SocketAddr>,
    /// The user id of a Unix peer.
    pub peer_uid: Option<u32>,
    /// How the caller was identified.
    pub identified_by: Option<&'static str>,
    /// Its name.
    pub caller: Option<String>,
    /// The tenant, also where the request was refused.
    pub tenant: Option<String>,
    /// The operation, also where the request was refused.
    pub operation: Option<&'static str>,
    /// The path of a permitted operation, without its query.
    pub path: Option<String>,
    /// The rule that decided.
    pub rule: Option<Arc<RuleSource>>,
    /// Which token was handed out.
    pub issued: Option<Issued>,
    /// Whether a stage before the upstream refused the request.
    pub denied: bool,
}

impl AuditRecord {
    /// Of a request that begins.
    pub fn begin(log: Arc<Audit>, time: SystemTime, peer: Option<SocketAddr>, peer_uid: Option<u32>) -> Self {
        Self {
            log,
            time,
            peer,
            peer_uid,
            identified_by: None,
            caller: None,
            tenant: None,
            operation: None,
            path: None,
            rule: None,
            issued: None,
            denied: false,
        }
    }
}

#[cfg(test)]
mod tests;
