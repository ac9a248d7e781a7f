//! What the thread of the configuration waits for. It has a timer of its own: it may be reading a file while the process
//! stops, and a timer of a runtime that is gone panics when it is asked.

use std::{io, time::Duration};

use tokio::{runtime, sync::mpsc};

use crate::admin::Rereading;

/// Why the files are to be looked at.
#[derive(Debug)]
pub(super) enum Look {
    /// `reload.interval` has passed.
    Due,
    /// Somebody asks.
    Asked,
    /// Somebody asks for a file that was changed, and waits.
    Awaited(Rereading),
}

pub(super) struct Waits {
    timer: runtime::Runtime,
    asked: mpsc::Receiver<()>,
    awaited: mpsc::Receiver<Rereading>,
}

impl Waits {
    /// # Errors
    /// Where the system has no descriptors left.
    pub(super) fn new(asked: mpsc::Receiver<()>, awaited: mpsc::Receiver<Rereading>) -> io::Result<Self> {
        Ok(Self { timer: runtime::Builder::new_current_thread().enable_time().build()?, asked, awaited })
    }

    /// Blocks until the next look; with an interval of zero, until somebody asks. `None`: nobody ever will.
    pub(super) fn next(&mut self, interval: Duration) -> Option<Look> {
        let Self { timer, asked, awaited } = self;
        timer.block_on(async {
            tokio::select! {
                () = tokio::time::sleep(interval), if !interval.is_zero() => Some(Look::Due),
                Some(()) = asked.recv() => Some(Look::Asked),
                Some(reading) = awaited.recv() => Some(Look::Awaited(reading)),
                else => None,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_outlives_the_runtime_of_the_process() {
        let process = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (ask, asked) = mpsc::channel(1);
        let (_, awaited) = mpsc::channel(1);
        let mut waits = {
            let _within = process.enter();
            Waits::new(asked, awaited).unwrap()
        };
        let waiting = std::thread::spawn(move || {
            [Duration::from_hours(1), Duration::from_millis(1), Duration::ZERO]
                .map(|interval| waits.next(interval))
        });
        drop(process);
        ask.blocking_send(()).unwrap();
        // The second look is due by itself, the third finds that nobody is left to ask.
        drop(ask);
        assert!(matches!(waiting.join().unwrap(), [Some(Look::Asked), Some(Look::Due), None]));
    }
}
