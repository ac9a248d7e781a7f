//! Takes over a changed configuration while requests go on: a whole new pipeline is built beside the old one
//! and swapped in, or, if anything is wrong with it, reported and left. Files are looked at by content, not by
//! event: that sees Kubernetes' symlink swap, a `subPath`, a network share and an editor's rename alike.

use std::{path::PathBuf, sync::Arc};

use arc_swap::ArcSwap;
use tokio::sync::{Notify, mpsc};

use crate::{
    admin::Health,
    config::{self, Config, Loaded, Problems},
    pipeline::{Pipeline, build::Shared},
    secret::Digest,
};

/// Reads the configuration again, from where it came.
pub type Loader = Box<dyn Fn() -> Result<Loaded, Problems> + Send>;

/// More changed keys than anyone reads in a line.
const MOST_NAMED: usize = 20;

/// Keeps the configuration up to date.
pub struct Reloader {
    loader: Loader,
    /// As it was read, with what waits for a restart.
    last: Config,
    seen: Seen,
    pipeline: Arc<ArcSwap<Pipeline>>,
    shared: Arc<Shared>,
    health: Arc<Health>,
    taken_over: Arc<Notify>,
}

/// What was read last, good or bad.
struct Seen {
    digest: Digest,
    files: Vec<PathBuf>,
    content: Digest,
}

impl Seen {
    fn new(digest: Digest, files: Vec<PathBuf>) -> Self {
        let content = content(&files);
        Self { digest, files, content }
    }
}

/// One digest for what is in all of these files; a missing file counts as one that says so.
fn content(files: &[PathBuf]) -> Digest {
    let mut digests = Vec::with_capacity(files.len() * 64);
    for file in files {
        let bytes = std::fs::read(file).map(zeroize::Zeroizing::new);
        let digest = bytes.map_or_else(|error| error.kind().to_string(), |bytes| Digest::of(&bytes).to_hex());
        digests.extend_from_slice(digest.as_bytes());
    }
    Digest::of(&digests)
}

impl Reloader {
    /// Begins with what was loaded at the start.
    pub fn new(
        loader: Loader,
        loaded: Loaded,
        pipeline: Arc<ArcSwap<Pipeline>>,
        shared: Arc<Shared>,
        health: Arc<Health>,
    ) -> Self {
        let seen = Seen::new(loaded.digest, loaded.files);
        Self { loader, last: loaded.config, seen, pipeline, shared, health, taken_over: Arc::default() }
    }

    /// Tells of each configuration that was taken over.
    pub fn taken_over(&self) -> Arc<Notify> {
        self.taken_over.clone()
    }

    /// Looks every `reload.interval` (zero: never by itself) and whenever asked.
    pub async fn run(&mut self, asked: &mut mpsc::Receiver<()>) {
        loop {
            let interval = self.pipeline.load().config().reload.interval;
            tokio::select! {
                () = tokio::time::sleep(interval), if !interval.is_zero() => {
                    if content(&self.seen.files) != self.seen.content {
                        self.reload(false);
                    }
                }
                Some(()) = asked.recv() => self.reload(true),
                else => return,
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
                self.take_over(loaded.config);
            }
            Err(problems) => {
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

    fn take_over(&mut self, config: Config) {
        let changed = config::changed(&self.last, &config);
        let last = config.clone();
        let old = self.pipeline.load().config().clone();
        let restart = config::needs_restart(&old, &config);
        let kept = Config {
            // Ports, threads and the log are as they are until a restart.
            listen: config::Listen {
                proxy: old.listen.proxy.clone(),
                admin: old.listen.admin.clone(),
                unix_mode: old.listen.unix_mode,
                max_connections: old.listen.max_connections,
                // New certificates are taken up; whether there are any is not.
                tls: match (&old.listen.tls, config.listen.tls) {
                    (Some(_), Some(new)) => Some(new),
                    (old, _) => old.clone(),
                },
                ..config.listen
            },
            workers: old.workers,
            audit: old.audit.clone(),
            log: config::Log { requests: config.log.requests, ..old.log.clone() },
            ..config
        };
        match self.shared.pipeline(Arc::new(kept)) {
            Ok(pipeline) => {
                pipeline.warm();
                self.pipeline.store(Arc::new(pipeline));
                self.shared.metrics.reloaded(Some(self.shared.clock.now().wall));
                self.health.reloaded(self.shared.clock.now(), restart);
                self.last = last;
                tell_of(&changed);
                self.tell_of_restart();
                self.taken_over.notify_one();
            }
            Err(error) => {
                tracing::error!("{error}");
                self.refuse(1, error.to_string());
            }
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
        self.health.reload_failed(first);
        tracing::error!(problems, "the changed configuration was refused; the old one stays in force");
    }
}

/// Names alone, and not without end.
fn tell_of(changed: &[String]) {
    let (named, rest) = changed.split_at(changed.len().min(MOST_NAMED));
    match rest.len() {
        0 => tracing::info!(changed = ?named, "the configuration was reloaded"),
        more => tracing::info!(changed = ?named, more, "the configuration was reloaded"),
    }
    if changed.iter().any(|key| key == "broker.key") {
        tracing::warn!(key = "broker.key", "tokens issued earlier are refused from now");
    }
}
