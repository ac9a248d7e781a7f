//! A secret that a command prints, so that any secret manager with a command line works. The command is run without a
//! shell, with nothing on its standard input, this process's environment, and a process group of its own, which is
//! killed when nobody waits for it any more. What it prints is the secret and is never shown; the first line of what it
//! complains of is, unless the secret is in it. Decides nothing about when to run it.

mod output;

use std::{fmt, io, process::Stdio, sync::Arc, time::Duration};

use serde::{Serialize, Serializer, ser::SerializeMap as _};
use tokio::process::Child;

use super::{
    Secret,
    cached::{Fetch, Fetching},
    provider::Unreadable,
};

/// How long a secret is used before the command is run again, unless configured.
pub const DEFAULT_TTL: Duration = Duration::from_mins(5);
/// How long one run may take, unless configured.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// A command that prints a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Command {
    /// A path, or a name that is looked for in `PATH`.
    pub program: String,
    /// Its arguments. Never shown: a password may be among them by mistake.
    pub arguments: Vec<String>,
    /// How long a secret is used before the command is run again.
    pub ttl: Duration,
    /// How long one run may take.
    pub timeout: Duration,
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command")
            .field("program", &self.program)
            .field("ttl", &self.ttl)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Without its arguments.
impl Serialize for Command {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let arguments = (!self.arguments.is_empty()).then_some("…");
        let exec: Vec<&str> = std::iter::once(self.program.as_str()).chain(arguments).collect();
        let mut members = serializer.serialize_map(Some(3))?;
        members.serialize_entry("exec", &exec)?;
        members.serialize_entry("ttl", &humantime::format_duration(self.ttl).to_string())?;
        members.serialize_entry("timeout", &humantime::format_duration(self.timeout).to_string())?;
        members.end()
    }
}

/// Runs a command for each secret.
#[derive(Debug)]
pub struct Exec(Arc<Command>);

impl Exec {
    /// By this command; its timeouts are up to the code that asks.
    pub fn new(command: Arc<Command>) -> Self {
        Self(command)
    }

    async fn run(&self) -> Result<Secret, Unreadable> {
        let mut running = Running(self.spawn()?);
        let (stdout, stderr) = (running.0.stdout.take(), running.0.stderr.take());
        let (printed, complaint) = tokio::join!(output::printed(stdout), output::complaint(stderr));
        let printed = printed.map_err(|flaw| self.failed(&flaw))?;
        // Only now, because the group may be killed by its number as long as its leader has not been waited for.
        let status = running.0.wait().await.map_err(|error| self.failed(&error))?;
        if !status.success() {
            let complaint = complaint.shown(&printed);
            return Err(self.failed(&format_args!("ended with {status}{complaint}")));
        }
        printed.secret().map_err(|flaw| self.failed(&flaw))
    }

    fn spawn(&self) -> Result<Child, Unreadable> {
        tokio::process::Command::new(&self.0.program)
            .args(&self.0.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => self.failed(&"was not found"),
                io::ErrorKind::PermissionDenied => self.failed(&"may not be executed by this process"),
                _ => self.failed(&format_args!("cannot be started: {error}")),
            })
    }

    fn failed(&self, what: &dyn fmt::Display) -> Unreadable {
        Unreadable::new(format!("{} {what}", self.name()))
    }
}

impl Fetch for Exec {
    fn fetch(&self) -> Fetching<'_> {
        Box::pin(self.run())
    }

    fn name(&self) -> String {
        format!("the command {}", self.0.program)
    }
}

/// A process with all that it has started. Killed when dropped, unless it has ended.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let group = self.0.id().and_then(|id| rustix::process::Pid::from_raw(id.try_into().ok()?));
        if let Some(group) = group {
            let _gone_already = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests;
