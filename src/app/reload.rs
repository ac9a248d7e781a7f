//! Takes over a changed configuration while requests go on: what changed is built beside what is in force
//! and swapped in, or, if anything is wrong with it, reported and left. Reads files on a thread of its own, so that a hung
//! share stops nothing else. Files are looked at by content, not by event: that sees Kubernetes' symlink swap, a
//! `subPath`, a network share and an editor's rename alike.

mod content;
mod difference;
mod waits;

use std::{sync::Arc, thread};

use tokio::{
    runtime,
    sync::{Notify, mpsc},
};

pub(super) use self::content::Seen;
use self::waits::{Look, Waits};
use super::{in_force::InForce, resources};
use crate::{
    admin::{Health, Rereading},
    config::{self, Config, Loaded, Problems},
    listen::tls::Tls,
    observe::audit::{ConfigurationRecord, Reading},
    proxy::{BuildError, Shared},
};

/// Reads the configuration again, from where it came.
pub type Loader = Box<dyn Fn() -> Result<Loaded, Problems> + Send>;

/// More changed keys than anyone reads in a line.
const MOST_NAMED: usize = 20;

/// Keeps the configuration up to date.
pub struct Reloader {
    loader: Loader,
    /// As it was read, with what waits for a restart.
    last: Arc<Config>,
    seen: Seen,
    in_force: InForce,
    shared: Arc<Shared>,
    health: Arc<Health>,
    taken_over: Arc<Notify>,
}

impl Reloader {
    /// Begins with what was loaded at the start.
    pub(super) fn new(
        loader: Loader,
        config: Arc<Config>,
        seen: Seen,
        in_force: InForce,
        shared: Arc<Shared>,
        health: Arc<Health>,
    ) -> Self {
        Self { loader, last: config, seen, in_force, shared, health, taken_over: Arc::default() }
    }

    /// Tells of each configuration that was taken over.
    pub fn taken_over(&self) -> Arc<Notify> {
        self.taken_over.clone()
    }

    /// Looks every `reload.interval` (zero: never by itself) and whenever asked, by `awaited` for whoever waits, on a thread that ends
    /// with the process: a read that hangs is not waited for. What is begun for a new configuration runs on the current runtime.
    pub fn start(self, asked: mpsc::Receiver<()>, awaited: mpsc::Receiver<Rereading>) {
        let control = runtime::Handle::current();
        let started = Waits::new(asked, awaited).and_then(|waits| {
            thread::Builder::new().name("config".into()).spawn(move || {
                resources::yield_to_requests();
                let _begun_there = control.enter();
                self.run(waits);
            })
        });
        if let Err(error) = started {
            tracing::error!(%error, "no thread to watch the configuration with; changes need a restart");
        }
    }

    fn run(mut self, mut waits: Waits) {
        loop {
            let interval = self.in_force.pipeline.load().config().reload.interval;
            match waits.next(interval) {
                Some(Look::Due) if self.seen.has_changed() => self.reload(false),
                Some(Look::Due) => {}
                Some(Look::Asked) => {
                    self.reload(true);
                    // Whoever asks may have mended what no file shows: a role, a secret, an application.
                    self.in_force.pipeline.load().retry_tokens();
                }
                Some(Look::Awaited(reading)) => {
                    if self.seen.has_changed() {
                        self.reload(false);
                    }
                    // Whoever waited may have gone.
                    let _: Result<(), ()> = reading.send(());
                }
                None => return,
            }
        }
    }

    fn reload(&mut self, asked: bool) {
        match (self.loader)() {
            Ok(loaded) => {
                let unchanged = loaded.digest == self.seen.digest && self.health.reload_error().is_none();
                self.seen = Seen::new(loaded.digest, loaded.files);
                if unchanged {
                    if asked {
                        tracing::info!("the configuration has not changed");
                        self.tell_of_restart();
                    }
                    return;
                }
                for warning in &loaded.warnings {
                    tracing::warn!("{warning}");
                }
                self.take_over(Arc::new(loaded.config));
            }
            Err(mut problems) => {
                problems.problems =
                    problems.problems.into_iter().map(config::Problem::while_running).collect();
                for problem in &problems.problems {
                    tracing::error!("{problem}");
                }
                let count = problems.problems.len();
                let first = problems.problems.first().map(ToString::to_string).unwrap_or_default();
                self.seen = Seen::new(problems.digest, problems.files);
                self.refuse(count, first);
            }
        }
    }

    fn take_over(&mut self, config: Arc<Config>) {
        let changed = config::changed(&self.last, &config);
        let old = self.in_force.pipeline.load().config();
        let restart = config::needs_restart(&old, &config);
        let before = self.in_force.pipeline.load().policy_version();
        let new = if restart.is_empty() { config.clone() } else { Arc::new(as_far_as_can_be(&old, &config)) };
        match self.put_in_force(new) {
            Ok(()) => {
                self.shared.metrics.reloaded(Some(self.shared.clock.now().wall));
                self.audit(Reading::Changed, |record| ConfigurationRecord {
                    policy_before: Some(before),
                    pending_restart: restart.clone(),
                    ..record.changing(changed.clone())
                });
                self.health.reloaded(self.shared.clock.now(), restart);
                self.last = config;
                tell_of(&changed);
                self.tell_of_restart();
                self.taken_over.notify_one();
                self.shared.reconfigured.notify_one();
            }
            Err(error) => {
                tracing::error!("{error}");
                self.refuse(1, error.to_string());
            }
        }
    }

    fn put_in_force(&self, new: Arc<Config>) -> Result<(), BuildError> {
        let now = self.shared.clock.now().wall;
        self.in_force.sources.lock().configure(new, now, |new| self.put_together_in_force(new))
    }

    /// With the tenants of the vault.
    fn put_together_in_force(&self, new: Arc<Config>) -> Result<(), BuildError> {
        let current = self.in_force.pipeline.load_full();
        if let Some(difference) = difference::of_tenants_alone(&current.config(), &new) {
            return self.shared.change_tenants(&current, &difference.put, difference.removed, new);
        }
        let tls = new.listen.tls.as_ref().map(|tls| Tls::new(tls, &self.shared.clock)).transpose()?;
        let pipeline = self.shared.pipeline(new.clone(), tls.as_ref(), Some(&current))?;
        pipeline.warm();
        self.in_force.pipeline.store(Arc::new(pipeline));
        self.in_force.listeners.replace(&new, tls.map(Arc::new));
        Ok(())
    }

    /// In the audit log, where there is one: which policy is in force from now on.
    fn audit(&self, outcome: Reading, with: impl FnOnce(ConfigurationRecord) -> ConfigurationRecord) {
        if let Some(audit) = &self.shared.audit {
            let policy = self.in_force.pipeline.load().policy_version();
            audit.configuration(with(ConfigurationRecord::new(
                self.shared.clock.now().wall,
                outcome,
                policy,
            )));
        }
    }

    /// Each time somebody asks: what waits is easily forgotten.
    fn tell_of_restart(&self) {
        for key in self.health.pending_restart() {
            tracing::warn!(key, "this change takes effect after a restart");
        }
    }

    fn refuse(&self, problems: usize, first: String) {
        self.shared.metrics.reloaded(None);
        self.audit(Reading::Refused, |record| ConfigurationRecord { error: Some(first.clone()), ..record });
        self.health.reload_failed(self.shared.clock.now(), first);
        tracing::error!(problems, "the changed configuration was refused; the old one stays in force");
    }
}

/// `new`, with what only a restart can change as it is in `old`: ports, threads and the log.
fn as_far_as_can_be(old: &Config, new: &Config) -> Config {
    let new = new.clone();
    Config {
        listen: config::Listen {
            proxy: old.listen.proxy.clone(),
            admin: old.listen.admin.clone(),
            unix_mode: old.listen.unix_mode,
            max_connections: old.listen.max_connections,
            // New certificates are taken up; whether there are any is not.
            tls: match (&old.listen.tls, new.listen.tls) {
                (Some(_), Some(new)) => Some(new),
                (old, _) => old.clone(),
            },
            ..new.listen
        },
        workers: old.workers,
        audit: old.audit.clone(),
        vault: old.vault.clone(),
        log: config::Log { requests: new.log.requests, ..old.log.clone() },
        ..new
    }
}

/// Names alone, and not without end.
fn tell_of(changed: &[String]) {
    let (named, rest) = changed.split_at(changed.len().min(MOST_NAMED));
    let named = named.join(", ");
    match rest.len() {
        0 => tracing::info!(changed = named, "the configuration was reloaded"),
        more => tracing::info!(changed = named, more, "the configuration was reloaded"),
    }
    if changed.iter().any(|key| key == "broker.key") {
        tracing::warn!(key = "broker.key", "tokens issued earlier are refused from now");
    }
}
