//! A disk whose machine loses its power after so many operations: what was not synced by then is there in part or not at all. Or
//! one that takes nothing more from then on, as it is full, or was made read-only.
//! For tests, which set on their own thread when.

use std::{
    cell::RefCell,
    io,
    sync::{Mutex, PoisonError},
};

use redb::{StorageBackend, backends::FileBackend};

/// When the power goes, and what chance makes of what was not synced.
#[derive(Debug, Clone, Copy)]
pub(in crate::vault::embedded) struct Plan {
    pub(in crate::vault::embedded) operations: usize,
    /// `None`: the power goes; else what the system says of each write from then on.
    pub(in crate::vault::embedded) refused: Option<io::ErrorKind>,
    pub(in crate::vault::embedded) seed: u64,
}

thread_local! {
    static PLAN: RefCell<Option<Plan>> = const { RefCell::new(None) };
}

/// Of the files that this thread opens from now on.
pub(in crate::vault::embedded) fn dies(plan: Option<Plan>) {
    PLAN.with(|it| *it.borrow_mut() = plan);
}

/// Of this thread.
pub(super) fn plan() -> Option<Plan> {
    PLAN.with(|it| *it.borrow())
}

/// The file, and what was written to it since the last sync, with what was there before.
#[derive(Debug)]
pub(super) struct Mortal {
    file: FileBackend,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    left: usize,
    refused: Option<io::ErrorKind>,
    chance: fastrand::Rng,
    unsynced: Vec<(u64, Vec<u8>)>,
}

impl Mortal {
    pub(super) fn new(file: FileBackend, plan: Plan) -> Self {
        let state = State {
            left: plan.operations,
            refused: plan.refused,
            chance: fastrand::Rng::with_seed(plan.seed),
            unsynced: Vec::new(),
        };
        Self { file, state: Mutex::new(state) }
    }

    /// Counts an operation; after the last one there is no power.
    fn alive(&self) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.left > 0 {
            state.left -= 1;
            return Ok(());
        }
        if let Some(kind) = state.refused {
            return Err(kind.into());
        }
        // What was not synced is lost, piece by piece, as chance has it.
        let unsynced: Vec<_> = state.unsynced.drain(..).collect();
        for (offset, before) in unsynced.into_iter().rev() {
            if state.chance.bool() {
                let kept = state.chance.usize(..=before.len());
                self.file.write(offset, &before[..kept])?;
            }
        }
        Err(io::Error::other("there is no power"))
    }
}

impl StorageBackend for Mortal {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.alive_to_read()?;
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.alive()?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.alive()?;
        self.state.lock().unwrap_or_else(PoisonError::into_inner).unsynced.clear();
        // Nobody pulls a real plug here.
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.alive()?;
        let mut before = vec![0; data.len()];
        self.file.read(offset, &mut before)?;
        self.state.lock().unwrap_or_else(PoisonError::into_inner).unsynced.push((offset, before));
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }
}

impl Mortal {
    fn alive_to_read(&self) -> io::Result<()> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.left == 0 && state.refused.is_none() {
            Err(io::Error::other("there is no power"))
        } else {
            Ok(())
        }
    }
}
