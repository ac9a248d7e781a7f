//! The task that works for a slot: asks it what to do, and does it, one thing at a time. It ends when the
//! slot says so, when the last handle is gone, or with the runtime; if it ends in any other way, the slot
//! learns of it and nobody waits in vain.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use crate::token::{
    error::Fault,
    grant,
    replicas::Turn,
    slot::{Slot, Step},
};

/// The longest sleep at a stretch. Timers stand still while the machine sleeps, the wall clock does not: a
/// look at both every so often bounds how late a renewal can be after that.
const STRETCH: Duration = Duration::from_secs(30);

impl Slot {
    /// Has the refresh task look at the state now; starts one where there is none.
    pub(super) fn wake(self: &Arc<Self>) {
        let kept = std::mem::replace(&mut self.state().kept, true);
        if kept {
            self.wake.notify_one();
            return;
        }
        // Made before the task: a runtime that is shutting down drops the task without ever running it.
        let task = RefreshTask { slot: Arc::downgrade(self), phase: Phase::Idle };
        self.shared.runtime.spawn(task.run());
    }
}

struct RefreshTask {
    slot: Weak<Slot>,
    phase: Phase,
}

/// What a refresh task was doing when it was dropped.
enum Phase {
    Idle,
    Granting,
    Done,
}

impl RefreshTask {
    async fn run(mut self) {
        while let Some(slot) = self.slot.upgrade() {
            let wake = slot.wake.clone();
            match slot.next_step() {
                Step::Grant { asked } => {
                    self.phase = Phase::Granting;
                    Box::pin(slot.grant(asked)).await;
                    self.phase = Phase::Idle;
                }
                Step::Sleep(wait) => {
                    drop(slot);
                    let _woken = tokio::time::timeout(wait.min(STRETCH), wake.notified()).await;
                }
                Step::End => break,
            }
        }
        self.phase = Phase::Done;
    }
}

impl Drop for RefreshTask {
    fn drop(&mut self) {
        if matches!(self.phase, Phase::Done) {
            return;
        }
        let Some(slot) = self.slot.upgrade() else { return };
        let mut state = slot.state();
        state.kept = false;
        let (epoch, wanted) = (state.epoch, state.wanted);
        drop(state);
        let granting = matches!(self.phase, Phase::Granting);
        if wanted || granting {
            slot.settle(epoch, Err(Fault::Interrupted.into()));
        }
        // A bug in one grant must not end the renewals. Only after a grant: where the runtime itself goes
        // down in a panic, the refresh task begun here is dropped at once, and must not begin another.
        if granting && std::thread::panicking() {
            slot.wake();
        }
    }
}

impl Slot {
    async fn grant(self: &Arc<Self>, asked: bool) {
        // A grant that a request waits for must not queue behind those that are made ahead of need.
        let place = if asked {
            self.shared.asked.acquire().await
        } else {
            tokio::select! {
                place = self.shared.ahead.acquire() => place,
                () = self.wake.notified() => return,
            }
        };
        // The semaphores are never closed.
        let Ok(_place) = place else { return };
        let (source, epoch, secret, untried) = {
            let state = self.state();
            (state.source.clone(), state.epoch, state.secret, state.untried)
        };
        // A secret that is yet to be tried is not tried by another's token, and one that is the token is nobody else's.
        let replicas = self.shared.replicas.get().filter(|_| !untried && !source.key.is_the_secret());
        let lock = match replicas {
            None => None,
            Some(replicas) => match replicas.turn(&source, &self.held.all(), secret).await {
                Turn::Taken(minted) => {
                    self.shared.events.taken(&source.key.tenant);
                    return self.settle(epoch, Ok(minted));
                }
                Turn::Mint(lock) => lock,
            },
        };
        if let Some(draw) = &source.quota
            && let Err(wait) = draw().await
        {
            // Never zero, where a quota says no without saying until when: the refresh task would spin.
            if let Some(lock) = lock {
                lock.give_back().await;
            }
            let wait = wait.clamp(Duration::from_millis(10), Duration::from_mins(10));
            self.state().held_until = Some(self.shared.clock.now().instant + wait);
            // Whoever cannot wait so long learns of it now.
            self.turn.notify_waiters();
            return;
        }
        let outcome = grant::grant(&source, secret, &self.shared.clock, &*self.shared.events).await;
        match (lock, outcome) {
            (None, outcome) => self.settle(epoch, outcome),
            (Some(lock), Ok(minted)) => {
                self.settle(epoch, Ok(minted.clone()));
                lock.share(&minted).await;
            }
            (Some(lock), Err(failure)) => {
                self.settle(epoch, Err(failure));
                lock.give_back().await;
            }
        }
    }
}
