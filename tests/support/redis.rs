//! A real `redis-server` of a test's own, on a Unix socket, with its data in a directory that goes with it. Where the program
//! is not installed the test says so and does nothing: `make test` installs it.

use std::{io::Write as _, os::unix::net::UnixStream, path::PathBuf, process::Stdio, time::Duration};

use claviger::{
    config::{RedisAddress, RedisOptions},
    redis::Redis,
};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use super::soon;

pub(crate) struct RedisServer {
    directory: tempfile::TempDir,
    arguments: Vec<String>,
    child: Option<Child>,
}

impl RedisServer {
    /// `None`, said with the name of the test, where there is no `redis-server`.
    pub(crate) async fn start(test: &str) -> Option<Self> {
        Self::start_with(test, &[]).await
    }

    pub(crate) async fn start_with(test: &str, arguments: &[&str]) -> Option<Self> {
        let there =
            std::process::Command::new("redis-server").arg("--version").stdout(Stdio::null()).status();
        if there.is_err() {
            let said = writeln!(
                std::io::stderr(),
                "SKIPPED {test}: redis-server is not installed (make test installs it)"
            );
            said.expect("standard error is open");
            return None;
        }
        let directory = tempfile::tempdir().expect("there is a temporary directory");
        let arguments = arguments.iter().map(|it| (*it).to_owned()).collect();
        let mut server = Self { directory, arguments, child: None };
        server.restart().await;
        Some(server)
    }

    /// A port that is free now, for servers that have to know it before they start.
    pub(crate) fn free_port() -> u16 {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        listener.local_addr().expect("it has one").port()
    }

    /// Carries a command out, without a client of ours.
    pub(crate) async fn told(&self, words: &[&str]) -> String {
        let mut command = Command::new("redis-cli");
        let output = command.arg("-s").arg(self.socket()).args(words).output().await.expect("it starts");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("redis.sock")
    }

    /// All that it wrote to its disk.
    pub(crate) fn written(&self) -> Vec<u8> {
        let files = std::fs::read_dir(self.directory.path().join("appendonlydir")).expect("it writes");
        let read =
            |file: std::io::Result<std::fs::DirEntry>| std::fs::read(file.expect("it is there").path());
        files.map(|file| read(file).expect("it can be read")).collect::<Vec<_>>().concat()
    }

    /// As in `redis.url`.
    pub(crate) fn url(&self) -> String {
        format!("unix:{}", self.socket().display())
    }

    /// With the data of before.
    pub(crate) async fn restart(&mut self) {
        self.kill().await;
        let mut command = Command::new("redis-server");
        command
            // Later ones win.
            .args(["--port", "0", "--unixsocket"])
            .arg(self.socket())
            .args(["--appendonly", "yes", "--appendfsync", "always", "--save", "", "--dir"])
            .arg(self.directory.path())
            .args(&self.arguments)
            .stdout(Stdio::null())
            .kill_on_drop(true);
        self.child = Some(command.spawn().expect("it starts"));
        let socket = self.socket();
        soon("redis-server to listen", || UnixStream::connect(&socket).is_ok()).await;
    }

    /// As by `kill -9`.
    pub(crate) async fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().await.expect("it is ours");
        }
        let _ = std::fs::remove_file(self.socket());
    }

    /// Stops it in its tracks, or lets it go on.
    pub(crate) fn hang(&self, hangs: bool) {
        let child = self.child.as_ref().and_then(Child::id).and_then(|id| i32::try_from(id).ok());
        let pid = child.and_then(Pid::from_raw).expect("it runs");
        kill_process(pid, if hangs { Signal::STOP } else { Signal::CONT }).expect("it is ours");
    }

    pub(crate) fn options(&self) -> RedisOptions {
        RedisOptions {
            timeout: Duration::from_secs(10),
            ..RedisOptions::at(vec![RedisAddress::parse(&self.url()).expect("it is one")])
        }
    }

    pub(crate) fn connect(&self) -> Redis {
        Redis::new(&self.options()).expect("there is no TLS")
    }
}
