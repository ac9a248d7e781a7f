//! The audit log: one JSON object a line for each request, kept apart from the log. It says who asked for what, by
//! which rule, and what came of it; it never holds a secret, a body or the value of a query parameter. A request
//! never waits for it: a record that finds no room, or cannot be written, is counted as lost.

mod file;
mod writer;

use std::{
    io,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    time::{Duration, SystemTime},
};

use prometheus::IntCounter;
use serde::Serialize;
use tokio::sync::oneshot;

use self::{file::Rotated, writer::Message};
use super::Record;
use crate::{
    config::{self, AuditOutput},
    policy::{decide::RuleSource, rules::Effect},
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

/// What is to be done where `path` cannot be written.
fn remedy(path: &str, error: &io::Error) -> Option<String> {
    let uid = rustix::process::geteuid().as_raw();
    let directory = match Path::new(path).parent() {
        Some(parent) if parent != Path::new("") => parent.display().to_string(),
        _ => ".".to_owned(),
    };
    Some(match error.kind() {
        io::ErrorKind::NotFound => format!("Create the directory {directory}, writable for uid {uid}."),
        io::ErrorKind::PermissionDenied => {
            format!("Let uid {uid} write to the directory {directory} and to the audit files in it.")
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            format!("Mount a volume at {directory} that uid {uid} may write to.")
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => format!(
            "Make room on the file system of {directory}: then it goes on by itself. To need less: audit.max_size, audit.keep."
        ),
        io::ErrorKind::IsADirectory => "Name a file in it.".to_owned(),
        io::ErrorKind::WouldBlock => {
            "Another process writes this file: give each one a file of its own.".into()
        }
        io::ErrorKind::BrokenPipe => "Whoever read it has ended: start both again.".into(),
        _ => return None,
    })
}

/// The way to the audit log. Never blocks.
#[derive(Debug)]
pub struct Audit {
    sender: SyncSender<Message>,
    lost: IntCounter,
    health: Arc<Health>,
}

/// How the writing goes, for `/status`.
#[derive(Debug)]
struct Health {
    /// The file, or `stdout`.
    path: String,
    /// Why the last records could not be written; `None` since one could.
    last_error: Mutex<Option<String>>,
}

impl Health {
    fn of(path: String) -> Arc<Self> {
        Arc::new(Self { path, last_error: Mutex::new(None) })
    }

    fn set(&self, error: Option<String>) {
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }
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
            last_error: self.health.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// Hands over a record.
    fn write(&self, entry: Entry) {
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

/// What a request's record in the audit log needs beside [`Record`]; filled in on the way.
#[derive(Debug)]
pub struct Trail {
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

/// A token that left the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Issued {
    /// One that is good only here.
    Claviger,
    /// The tenant's access token, to a caller.
    Upstream,
    /// The tenant's access token, to another proxy that asked `/authz`.
    Authz,
}

impl Trail {
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

    /// Hands it over, at the end of the request.
    pub(super) fn end(self, record: &Record, seconds: f64) {
        let outcome = match () {
            () if self.denied => Outcome::Denied,
            () if record.code.is_some() => Outcome::Failed,
            () if self.issued.is_some() => Outcome::Issued,
            () if !record.complete => Outcome::Aborted,
            () => Outcome::Answered,
        };
        let text = |value: &Option<http::HeaderValue>| {
            let text = value.as_ref()?.to_str().ok()?;
            Some(text.get(..text.len().min(128))?.to_owned())
        };
        let entry = Entry {
            time: humantime::format_rfc3339_millis(self.time).to_string(),
            schema: SCHEMA,
            request_id: record.id.as_str().to_owned(),
            caller: self.caller,
            identified_by: self.identified_by,
            peer: self.peer.map(|peer| peer.to_string()),
            peer_uid: self.peer_uid,
            tenant: self.tenant,
            operation: self.operation,
            method: record.method().to_owned(),
            via: record.via,
            path: self.path,
            rule: self.rule.map(|rule| Rule {
                policy: rule.policy.as_str().to_owned(),
                effect: match rule.effect {
                    Effect::Allow => "allow",
                    Effect::Deny => "deny",
                },
                text: rule.rule.text.clone(),
                conditions: rule.rule.conditions.is_some(),
                origin: rule.rule.origin.to_string(),
            }),
            outcome,
            status: record.status.as_u16(),
            code: record.code,
            tried: record.tried,
            cause: record.cause.clone(),
            source: record.source.as_str(),
            issued: self.issued,
            attempts: record.attempts,
            upstream_request_id: text(&record.upstream_id),
            duration_ms: (seconds * 1e6).round() / 1e3,
        };
        self.log.write(entry);
    }
}

/// The version of the schema in `docs/audit.md`; members may be added without another.
const SCHEMA: u32 = 1;

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Denied,
    Failed,
    Issued,
    Answered,
    Aborted,
}

/// One line.
#[derive(Debug, Serialize)]
struct Entry {
    time: String,
    schema: u32,
    request_id: String,
    caller: Option<String>,
    identified_by: Option<&'static str>,
    peer: Option<String>,
    peer_uid: Option<u32>,
    tenant: Option<String>,
    operation: Option<&'static str>,
    method: String,
    via: Option<&'static str>,
    path: Option<String>,
    rule: Option<Rule>,
    outcome: Outcome,
    status: u16,
    code: Option<&'static str>,
    tried: Option<&'static str>,
    cause: Option<String>,
    source: &'static str,
    issued: Option<Issued>,
    attempts: u32,
    upstream_request_id: Option<String>,
    duration_ms: f64,
}

#[derive(Debug, Serialize)]
struct Rule {
    policy: String,
    effect: &'static str,
    text: String,
    conditions: bool,
    origin: String,
}

#[cfg(test)]
mod tests;
