//! The real program, running: with a directory and ports of its own, all of its output kept, and killed when
//! its test is done with it, whichever way the test ends.

use std::{
    path::{Path, PathBuf},
    process::ExitStatus,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::{process::Child, task::JoinHandle};

use super::{
    Answer, Client, Logto, Request, Settings,
    canary::Canary,
    command::{program, program_with_descriptors},
    soon,
    tap::Tap,
    until,
    wire::Place,
    within,
};

/// What is to be started.
pub(crate) struct Builder {
    settings: Settings,
    environment: Vec<(String, String)>,
    directory: TempDir,
    descriptors: Option<u32>,
    is_log_read: bool,
}

/// A running program.
pub(crate) struct Proxy {
    settings: Settings,
    directory: TempDir,
    child: Child,
    followed: Vec<JoinHandle<()>>,
    places: Vec<Place>,
    admin: Option<Place>,
    tap: Tap,
}

impl Proxy {
    /// With the usual settings and no tenant.
    pub(crate) fn builder() -> Builder {
        let directory = tempfile::tempdir().expect("there is a temporary directory");
        Builder {
            settings: Settings::usual(),
            environment: Vec::new(),
            directory,
            descriptors: None,
            is_log_read: true,
        }
    }

    /// With the usual settings and one tenant, `acme`.
    pub(crate) async fn of(logto: &Logto) -> Self {
        Self::builder().tenant("acme", logto).start().await
    }

    /// The directory of its files.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The file that it was configured by.
    pub(crate) fn file(&self) -> PathBuf {
        self.directory.path().join("claviger.toml")
    }

    /// Where it listens.
    pub(crate) fn places(&self) -> &[Place] {
        &self.places
    }

    /// Host and port of its first listener.
    pub(crate) fn authority(&self) -> String {
        match &self.places[0] {
            Place::Tcp(address) => address.to_string(),
            Place::Unix(_) => "localhost".into(),
        }
    }

    /// Host and port of its admin listener.
    pub(crate) fn admin_authority(&self) -> String {
        match &self.admin {
            Some(Place::Tcp(address)) => address.to_string(),
            _ => panic!("no TCP admin listener"),
        }
    }

    /// A new connection to its first listener.
    pub(crate) async fn connect(&self) -> Client {
        self.try_connect().await.expect("it listens")
    }

    pub(crate) async fn try_connect(&self) -> std::io::Result<Client> {
        self.places[0].connect(self.tap.clone()).await
    }

    /// A new connection to the listener at `index` in the order of the configuration.
    pub(crate) async fn connect_to(&self, index: usize) -> Client {
        self.places[index].connect(self.tap.clone()).await.expect("it listens")
    }

    /// One request on a connection of its own.
    pub(crate) async fn ask(&self, request: &Request) -> Answer {
        self.connect().await.ask(request).await
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.ask(&Request::get(target)).await
    }

    /// What all users have for this member, in order.
    pub(crate) async fn users(&self, member: &str) -> Vec<String> {
        let mut all = Vec::new();
        for page in 1.. {
            let users = self.get(&format!("/api/users?page_size=100&page={page}")).await.json();
            let users = users.as_array().expect("a list");
            if users.is_empty() {
                break;
            }
            all.extend(users.iter().filter_map(|user| user[member].as_str().map(str::to_owned)));
        }
        all.sort();
        all
    }

    /// A request to the admin listener.
    pub(crate) async fn admin(&self, target: &str) -> Answer {
        self.ask_admin(&Request::get(target)).await
    }

    /// The same, with headers.
    pub(crate) async fn ask_admin(&self, request: &Request) -> Answer {
        self.connect_admin().await.ask(request).await
    }

    /// A new connection to its admin listener.
    pub(crate) async fn connect_admin(&self) -> Client {
        self.try_connect_admin().await.expect("it listens")
    }

    pub(crate) async fn try_connect_admin(&self) -> std::io::Result<Client> {
        let place = self.admin.as_ref().expect("it has an admin listener");
        place.connect(self.tap.clone()).await
    }

    /// `/status`.
    pub(crate) async fn status(&self) -> serde_json::Value {
        self.admin("/status").await.json()
    }

    /// The value of a metric, labels as they are written; 0 where there is none yet.
    pub(crate) async fn metric(&self, name_and_labels: &str) -> f64 {
        let metrics = self.admin("/metrics").await.text();
        let value = |line: &str| line.strip_prefix(name_and_labels)?.strip_prefix(' ')?.parse().ok();
        metrics.lines().find_map(value).unwrap_or_default()
    }

    /// Everything that it logged so far.
    pub(crate) fn log(&self) -> String {
        self.tap.text("stderr")
    }

    /// Waits until a line with this text was logged.
    pub(crate) async fn logged(&self, text: &str) {
        soon(format!("{text:?} in the log"), || self.log().contains(text)).await;
    }

    /// Everything that came out of it.
    pub(crate) fn tap(&self) -> &Tap {
        &self.tap
    }

    /// Changes its configuration and has it read again; whether it was taken over.
    pub(crate) async fn reload_with(&mut self, change: impl FnOnce(Settings) -> Settings) -> bool {
        self.settings = change(self.settings.clone());
        self.settings.write(&self.file());
        self.reload().await
    }

    /// Has it read its configuration again (SIGHUP) and waits until it has; whether it was taken over.
    pub(crate) async fn reload(&self) -> bool {
        const TAKEN: &str = "the configuration was reloaded";
        const SAME: &str = "the configuration has not changed";
        const REFUSED: &str = "the old one stays in force";
        let count = |log: &str| [TAKEN, SAME, REFUSED].map(|text| log.matches(text).count());
        let before = count(&self.log());
        self.signal(Signal::HUP);
        let after = until("the configuration to be read again", || {
            Some(count(&self.log())).filter(|now| *now != before)
        })
        .await;
        after[2] == before[2]
    }

    fn pid(&self) -> Option<Pid> {
        Pid::from_raw(i32::try_from(self.child.id()?).ok()?)
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid().expect("it runs"), signal).expect("it is ours");
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) async fn stop(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.ended().await
    }

    /// Kills it, unless it has ended by itself, and says how it ended.
    pub(crate) async fn kill(&mut self) -> ExitStatus {
        if let Some(pid) = self.pid() {
            kill_process(pid, Signal::KILL).expect("it is ours");
        }
        self.ended().await
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let status = within("the program to end", self.child.wait()).await.expect("it is ours");
        for followed in self.followed.drain(..) {
            within("the rest of its output", followed).await.expect("the reader does not panic");
        }
        status
    }

    /// Resident memory in KiB, now and at its highest.
    pub(crate) fn memory(&self) -> (u64, u64) {
        let id = self.child.id().expect("it runs");
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("Linux");
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).expect("Linux has it");
            line.split_ascii_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number")
        };
        (field("VmRSS:"), field("VmHWM:"))
    }
}

#[expect(clippy::print_stderr, reason = "a test that fails shows what the program said")]
impl Drop for Proxy {
    fn drop(&mut self) {
        // Gone already, where it was stopped.
        let _ = self.child.start_kill();
        if std::thread::panicking() {
            let log = self.log();
            let start = log.len().saturating_sub(4000);
            eprintln!("--- log of the program ---\n{}", String::from_utf8_lossy(&log.as_bytes()[start..]));
        } else {
            // Its threads are to end quietly too.
            assert!(!self.log().contains("panicked at"), "{}", self.log());
            Canary::common().assert_silent(&self.tap);
        }
    }
}

impl Builder {
    /// Another tenant.
    pub(crate) fn tenant(self, name: &str, logto: &Logto) -> Self {
        self.change(|settings| settings.tenant(name, logto))
    }

    /// Sets a key to a TOML value.
    pub(crate) fn set(self, key: &str, value: impl std::fmt::Display) -> Self {
        self.change(|settings| settings.set(key, value))
    }

    pub(crate) fn without(self, key: &str) -> Self {
        self.change(|settings| settings.without(key))
    }

    fn change(mut self, change: impl FnOnce(Settings) -> Settings) -> Self {
        self.settings = change(self.settings);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Lets it have no more open files than this (`ulimit -n`).
    pub(crate) fn descriptors(self, most: u32) -> Self {
        Self { descriptors: Some(most), ..self }
    }

    /// Lets its log go to a pipe that nobody reads.
    pub(crate) fn with_unread_log(self) -> Self {
        Self { is_log_read: false, ..self }
    }

    /// The directory of its files, for secrets and sockets.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Starts it and waits until it is ready.
    pub(crate) async fn start(self) -> Proxy {
        let (file, ready) =
            (self.directory.path().join("claviger.toml"), self.directory.path().join("ready.json"));
        self.settings.write(&file);
        let mut command = self.descriptors.map_or_else(program, program_with_descriptors);
        command
            .arg("serve")
            .arg("--config")
            .arg(&file)
            .arg("--ready-file")
            .arg(&ready)
            .envs(self.environment);
        let mut child = command.spawn().expect("the program can be run");
        let tap = Tap::default();
        let mut followed = vec![tap.follow("stdout", child.stdout.take().expect("it is piped"))];
        if self.is_log_read {
            followed.push(tap.follow("stderr", child.stderr.take().expect("it is piped")));
        }
        let ended = until("the ready file", || match child.try_wait() {
            Ok(Some(status)) => Some(Some(status)),
            _ => ready.exists().then_some(None),
        })
        .await;
        if let Some(status) = ended {
            for followed in followed {
                within("the rest of its output", followed).await.expect("the reader does not panic");
            }
            panic!("it ended with {status} instead of getting ready: {}", tap.text("stderr"));
        }
        let written = std::fs::read(&ready).expect("it is there");
        let written: serde_json::Value = serde_json::from_slice(&written).expect("it is JSON, and whole");
        let place = |text: &serde_json::Value| text.as_str().map(Place::parse);
        let places = written["proxy"].as_array().expect("a list").iter().filter_map(place).collect();
        Proxy {
            settings: self.settings,
            directory: self.directory,
            child,
            followed,
            places,
            admin: place(&written["admin"]),
            tap,
        }
    }
}
