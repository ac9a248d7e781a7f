//! How long is waited, by all operations together: whom the tenant or Claviger tells to come back later, tells all of them.

use std::{
    io::{IsTerminal as _, Write as _},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Semaphore, time::Instant};

/// Whoever watches is told when nothing has got on for so long.
const SOON: Duration = Duration::from_secs(3);
/// The longest wait that nobody asked for.
const LONGEST: Duration = Duration::from_secs(10);

/// Waits of a run.
pub(super) struct Patience {
    most: Duration,
    state: Mutex<State>,
    ended: Semaphore,
}

struct State {
    /// When something got on last.
    progress: Instant,
    /// Before which nothing is sent.
    until: Instant,
    /// Whether it was said that nothing gets on.
    is_told: bool,
}

impl Patience {
    pub(super) fn new(most: Duration) -> Self {
        let now = Instant::now();
        Self {
            most,
            state: Mutex::new(State { progress: now, until: now, is_told: false }),
            ended: Semaphore::new(0),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something got on.
    pub(super) fn progress(&self) {
        let mut state = self.state();
        (state.progress, state.is_told) = (Instant::now(), false);
    }

    /// From now on nobody waits.
    pub(super) fn end(&self) {
        self.ended.close();
    }

    /// Waits until something may be sent.
    ///
    /// # Errors
    /// The run ends.
    pub(super) async fn turn(&self) -> Result<(), String> {
        loop {
            let until = self.state().until;
            if Instant::now() >= until && !self.ended.is_closed() {
                return Ok(());
            }
            self.sleep_until(until).await?;
        }
    }

    async fn sleep_until(&self, until: Instant) -> Result<(), String> {
        tokio::select! {
            biased;
            _closed = self.ended.acquire() => Err("the run ends".to_owned()),
            () = tokio::time::sleep_until(until) => Ok(()),
        }
    }

    /// Waits as long as was `asked` for, or a while that doubles with each time in a row.
    ///
    /// # Errors
    /// Nothing would have got on for too long by then: what is waited for.
    pub(super) async fn wait(&self, asked: Option<Duration>, times: u32, why: &str) -> Result<(), String> {
        let doubled = Duration::from_millis(100).saturating_mul(1 << times.min(10)).min(LONGEST);
        let until = Instant::now() + asked.unwrap_or(doubled);
        {
            let mut state = self.state();
            if until > state.progress + self.most {
                let most = humantime::format_duration(self.most);
                return Err(format!("nothing was completed for {most}: {why}"));
            }
            if state.progress.elapsed() >= SOON && !std::mem::replace(&mut state.is_told, true) {
                tell(why, self.most);
            }
            if asked.is_some() {
                state.until = state.until.max(until);
            }
        }
        self.sleep_until(until).await
    }
}

/// On standard error, in the place of the bar if there is one.
fn tell(why: &str, most: Duration) {
    let line = if std::io::stderr().is_terminal() { "\r\x1b[K" } else { "" };
    let most = humantime::format_duration(most);
    // A terminal that is gone is no reason to stop.
    let _ = writeln!(std::io::stderr(), "{line}claviger: waiting, for {most} at most: {why}");
}
