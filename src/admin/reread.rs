//! Has the files of the configuration read again before a command is obeyed that may be about what was changed in them. The thread
//! that reads them may hang, so it is waited for only so long.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

/// How long the files may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Told once what is in the files is in force, or was refused.
pub type Rereading = oneshot::Sender<()>;

/// Asks for it.
pub struct Reread(mpsc::Sender<Rereading>);

impl Reread {
    /// And who is asked.
    pub fn new() -> (Self, mpsc::Receiver<Rereading>) {
        let (ask, asked) = mpsc::channel(1);
        (Self(ask), asked)
    }

    /// Waits until it is done; whether it was, in time.
    pub(super) async fn done(&self) -> bool {
        let (reading, read) = oneshot::channel();
        let all = async { self.0.send(reading).await.is_ok() && read.await.is_ok() };
        tokio::time::timeout(PATIENCE, all).await.unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_hangs_is_waited_for_only_so_long() {
        let (reread, mut asked) = Reread::new();
        let (done, _read) = tokio::join!(reread.done(), async { asked.recv().await.map(|it| it.send(())) });
        assert!(done);
        assert!(!reread.done().await, "nobody reads");
        drop(asked);
        assert!(!reread.done().await, "and nobody ever will");
    }
}
