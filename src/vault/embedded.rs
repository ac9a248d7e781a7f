//! The vault in a file of this machine. All that touches the file is done on a thread of its own, one thing after the other,
//! so that nobody who serves waits for a disk; whoever asks waits for a time. The thread ends with the last handle.

mod file;

use std::{
    cell::Cell,
    fmt,
    panic::{self, AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use tokio::sync::{mpsc, oneshot};

use self::file::VaultFile;
use super::{
    error::{Unavailable, VaultError},
    record::Record,
    store::{Checkup, Imported, Pending, Store, Stored, Version},
};
use crate::{ids::TenantName, secret::Secret};

/// How long a disk may take. What is asked for may be done all the same.
const PATIENCE: Duration = Duration::from_secs(30);
/// What may wait for the disk.
const QUEUE: usize = 1024;

/// What the thread is to do.
type Job = Box<dyn FnOnce(&mut VaultFile) + Send>;

/// A vault in a file.
pub struct Embedded {
    path: PathBuf,
    jobs: mpsc::Sender<Job>,
}

impl Embedded {
    /// Opens the file, or makes it; it is locked from then on.
    ///
    /// # Errors
    /// [`VaultError::Unavailable`]; a file that is damaged, or that another key has sealed, stays as it is.
    pub async fn open(path: PathBuf, key: Secret) -> Result<Self, VaultError> {
        Self::start(path, move |path| VaultFile::open(path, &key)).await
    }

    /// The same for a file that must be there.
    ///
    /// # Errors
    /// As of [`Embedded::open`].
    pub async fn open_existing(path: PathBuf, key: Secret) -> Result<Self, VaultError> {
        Self::start(path, move |path| VaultFile::open_existing(path, &key)).await
    }

    /// What such a file holds; the file itself stays as it is, whatever is asked for.
    ///
    /// # Errors
    /// As of [`Embedded::open`].
    pub async fn open_copy(path: PathBuf, key: Secret) -> Result<Self, VaultError> {
        Self::start(path, move |path| VaultFile::open_copy(path, &key)).await
    }

    async fn start(
        path: PathBuf,
        open: impl FnOnce(PathBuf) -> Result<VaultFile, Unavailable> + Send + 'static,
    ) -> Result<Self, VaultError> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let (tell, told) = oneshot::channel();
        let at = path.clone();
        let work = move || match guarded(&at, || open(at.clone())) {
            Ok(file) => {
                // Whoever asked may have left; then there is no job either.
                let _ = tell.send(Ok(()));
                run(file, queue);
            }
            Err(error) => {
                let _ = tell.send(Err(error));
            }
        };
        let thread = thread::Builder::new().name("vault".into()).spawn(work);
        thread.map_err(|error| Unavailable::new(format!("no thread for it: {error}"), AGAIN))?;
        answered(told).await??;
        Ok(Self { path, jobs })
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut VaultFile) -> Result<T, VaultError> + Send + 'static,
    ) -> Result<T, VaultError> {
        let (tell, told) = oneshot::channel();
        let path = self.path.clone();
        let job: Job = Box::new(move |file| {
            // Whoever asked may have stopped waiting.
            let _ = tell.send(guarded(&path, || work(file)));
        });
        let sent = tokio::time::timeout(PATIENCE, self.jobs.send(job)).await;
        if !matches!(sent, Ok(Ok(()))) {
            return Err(hangs().into());
        }
        answered(told).await?
    }

    fn later<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut VaultFile) -> Result<T, VaultError> + Send + 'static,
    ) -> Pending<'_, T> {
        Box::pin(self.run(work))
    }
}

const AGAIN: &str = "Try again; look at the disk and at the limits of the process.";

async fn answered<T>(told: oneshot::Receiver<T>) -> Result<T, Unavailable> {
    match tokio::time::timeout(PATIENCE, told).await {
        Ok(Ok(answer)) => Ok(answer),
        _ => Err(hangs()),
    }
}

fn hangs() -> Unavailable {
    Unavailable::new("its disk does not answer", AGAIN)
}

fn run(mut file: VaultFile, mut queue: mpsc::Receiver<Job>) {
    while let Some(job) = queue.blocking_recv() {
        job(&mut file);
    }
}

thread_local! {
    /// Whether this thread is at work that is guarded.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// From now on this process prints no panic that is caught here and told as an error.
pub fn print_no_caught_panic() {
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if !GUARDED.get() {
            print(panic);
        }
    }));
}

/// Nothing that a damaged file makes of the store's code ends the thread.
fn guarded<T, E: From<Unavailable>>(path: &Path, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    GUARDED.set(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(false);
    done.unwrap_or_else(|_| {
        Err(Unavailable::wrong(
            format!("{} is damaged", path.display()),
            "Move the file away, then restore a copy of it, or take an export in with `claviger vault import`; it was not changed.",
        )
        .into())
    })
}

impl Store for Embedded {
    fn create(&self, record: Record) -> Pending<'_, Version> {
        self.later(move |file| file.put(&record, None))
    }

    fn get(&self, alias: &TenantName) -> Pending<'_, Option<Stored>> {
        let alias = alias.clone();
        self.later(move |file| Ok(file.get(&alias)?))
    }

    fn replace(&self, record: Record, known: Version) -> Pending<'_, Version> {
        self.later(move |file| file.put(&record, Some(known)))
    }

    fn remove(&self, alias: &TenantName, known: Version) -> Pending<'_, ()> {
        let alias = alias.clone();
        self.later(move |file| file.remove(&alias, known))
    }

    fn list(&self) -> Pending<'_, Vec<Stored>> {
        self.later(|file| Ok(file.list()?))
    }

    fn verify(&self) -> Pending<'_, Checkup> {
        self.later(|file| Ok(file.verify()?))
    }

    /// All records or none.
    fn rekey(&self, key: Secret) -> Pending<'_, usize> {
        self.later(move |file| Ok(file.rekey(&key)?))
    }

    /// All records or none.
    fn import(&self, records: Vec<Record>) -> Pending<'_, Imported> {
        self.later(move |file| file.import(records))
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Embedded({})", self.path.display())
    }
}

#[cfg(test)]
mod tests;
