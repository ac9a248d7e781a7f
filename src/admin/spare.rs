//! A descriptor kept back, so that a probe is answered when there are none left: it is given up for the probe's
//! connection, and taken again when that has been accepted.

use std::{
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

/// After an error that giving up the spare one did not mend.
const PAUSE: Duration = Duration::from_millis(50);

/// One descriptor, or none at the moment.
#[derive(Debug)]
pub(super) struct Spare {
    like: Option<OwnedFd>,
    spare: Option<OwnedFd>,
}

impl Spare {
    /// Kept as copies of `socket`, which cost the process nothing else.
    pub(super) fn of(socket: &impl AsFd) -> Self {
        let copy = || socket.as_fd().try_clone_to_owned().ok();
        Self { like: copy(), spare: copy() }
    }

    /// Takes one again, where it was given up.
    pub(super) fn keep(&mut self) {
        if self.spare.is_none() {
            self.spare = self.like.as_ref().and_then(|like| like.try_clone().ok());
        }
    }

    /// After an error: gives it up, so that the next attempt may succeed at once; or waits a moment where there is none.
    pub(super) async fn give(&mut self) {
        if self.spare.take().is_none() {
            tokio::time::sleep(PAUSE).await;
        }
    }
}
