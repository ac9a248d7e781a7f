//! Cuts that were made, for all callers that may do the same: each is made once, kept while there is room, and let go of when
//! others are asked for more.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::{
    cut::Cut,
    document::Source,
    thread::{Busy, Thread},
};
use crate::{policy::Rights, secret::Digest};

/// Why there is no cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CutError {
    /// Too many others are being made.
    #[error("too many OpenAPI documents are being made")]
    Busy,
    /// A bug.
    #[error("the OpenAPI document could not be made; this is a bug")]
    Failed,
}

/// The cuts of one configuration.
#[derive(Debug, Clone)]
pub struct Cuts(Arc<Mutex<Kept>>);

#[derive(Debug)]
struct Kept {
    cuts: Vec<Entry>,
    /// Bytes that they may fill together.
    most: usize,
    /// Counts up with each use.
    uses: u64,
}

/// Whose rights, and of which document.
type Key = (usize, Option<Digest>);

#[derive(Debug)]
struct Entry {
    key: Key,
    used: u64,
    progress: Progress,
}

#[derive(Debug)]
enum Progress {
    Making(watch::Receiver<Option<Arc<Cut>>>),
    Made(Arc<Cut>),
}

enum Found {
    Made(Arc<Cut>),
    Making(watch::Receiver<Option<Arc<Cut>>>),
    Nothing(Making),
}

impl Cuts {
    /// None yet, and room for `most` bytes of them.
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Mutex::new(Kept { cuts: Vec::new(), most, uses: 0 })))
    }

    /// The cut of `source` for a class of callers, who have `rights`: the one that is there, or that is being made.
    pub(super) async fn cut(
        &self,
        thread: &Thread,
        class: usize,
        source: Source,
        rights: impl FnOnce() -> Rights,
    ) -> Result<Arc<Cut>, CutError> {
        let mut made = match self.find((class, source.version())) {
            Found::Made(cut) => return Ok(cut),
            Found::Making(made) => made,
            Found::Nothing(making) => {
                let (made, rights) = (making.made.subscribe(), rights());
                let job = thread.run(move || {
                    let cut = Cut::of(&source, &rights);
                    making.done(Arc::new(cut));
                });
                job.map_err(|Busy| CutError::Busy)?;
                made
            }
        };
        let cut = made.wait_for(Option::is_some).await.map_err(|_| CutError::Failed)?;
        cut.clone().ok_or(CutError::Failed)
    }

    fn find(&self, key: Key) -> Found {
        let mut kept = self.kept();
        kept.uses += 1;
        let uses = kept.uses;
        if let Some(entry) = kept.cuts.iter_mut().find(|entry| entry.key == key) {
            entry.used = uses;
            return match &entry.progress {
                Progress::Made(cut) => Found::Made(cut.clone()),
                Progress::Making(made) => Found::Making(made.clone()),
            };
        }
        let made = watch::Sender::new(None);
        kept.cuts.push(Entry { key, used: uses, progress: Progress::Making(made.subscribe()) });
        Found::Nothing(Making { cuts: self.clone(), key, made })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn put(&mut self, key: Key, cut: Arc<Cut>) {
        let Some(entry) = self.cuts.iter_mut().find(|entry| entry.key == key) else { return };
        entry.progress = Progress::Made(cut);
        while self.bytes() > self.most {
            let made = self.cuts.iter().enumerate().filter(|(_, entry)| entry.bytes() > 0);
            let Some((oldest, _)) = made.min_by_key(|(_, entry)| entry.used) else { return };
            self.cuts.swap_remove(oldest);
        }
    }

    fn bytes(&self) -> usize {
        self.cuts.iter().map(Entry::bytes).sum()
    }
}

impl Entry {
    fn bytes(&self) -> usize {
        match &self.progress {
            Progress::Made(cut) => cut.len(),
            Progress::Making(_) => 0,
        }
    }
}

/// The making of a cut. Dropped before it is done, it leaves no trace, and those who wait are told that nothing comes.
struct Making {
    cuts: Cuts,
    key: Key,
    made: watch::Sender<Option<Arc<Cut>>>,
}

impl Making {
    fn done(self, cut: Arc<Cut>) {
        self.cuts.kept().put(self.key, cut.clone());
        self.made.send_replace(Some(cut));
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        let making = |entry: &Entry| entry.key == self.key && matches!(entry.progress, Progress::Making(_));
        self.cuts.kept().cuts.retain(|entry| !making(entry));
    }
}

#[cfg(test)]
mod tests;
