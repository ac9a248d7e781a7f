//! One run of a command of the program, to its end.

use std::{
    ffi::OsString,
    process::{ExitStatus, Stdio},
};

use tokio::process::Command;

use super::{tap::Tap, within};

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// Fails unless the exit code is this.
    #[track_caller]
    pub(crate) fn assert_code(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    pub(crate) fn keep(&self, tap: &Tap) {
        tap.keep("stdout of a command", self.stdout.as_bytes());
        tap.keep("stderr of a command", self.stderr.as_bytes());
    }
}

/// The program of this build, or another that the environment names.
fn binary() -> OsString {
    std::env::var_os("TEST_CLAVIGER_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_claviger").into())
}

/// The program, with nothing in its environment that would configure it.
pub(crate) fn program() -> Command {
    prepared(Command::new(binary()))
}

/// The same, with as many open files as `most` (`ulimit -n`).
pub(crate) fn program_with_descriptors(most: u32) -> Command {
    let mut command = Command::new("/bin/sh");
    let limited = format!("ulimit -n {most}; exec \"$@\"");
    command.args(["-c", &limited, "sh"]).arg(binary());
    prepared(command)
}

fn prepared(mut command: Command) -> Command {
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Runs a command.
pub(crate) async fn claviger(arguments: &[&str]) -> Finished {
    finish(program().args(arguments)).await
}

/// Runs what was prepared with [`program`].
pub(crate) async fn finish(command: &mut Command) -> Finished {
    let output = within("a command to end", command.output()).await.expect("the program can be run");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Finished { code: code(output.status), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn code(status: ExitStatus) -> Option<i32> {
    status.code()
}
