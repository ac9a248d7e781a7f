//! How long is waited, by all operations together: whom the tenant or Claviger tells to come back later, tells all of them.

use std::{
    io::{IsTerminal as _, Write as _},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Semaphore, time::Instant};

use crate::cli::output;

/// Whoever watches is told when nothing has got on for so long.
const SOON: Duration = Duration::from_secs(3);
/// The longest wait that nobody asked for.
const LONGEST: Duration = Duration::from_secs(10);
/// Longer is none that could be waited for.
const MOST_ASKED: Duration = Duration::from_hours(24 * 365);

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
        let wait = asked.unwrap_or(doubled).min(MOST_ASKED);
        let until = Instant::now() + wait;
        {
            let mut state = self.state();
            if until.saturating_duration_since(state.progress) > self.most {
                let (most, wait) = (humantime::format_duration(self.most), whole(wait));
                let for_so_long = whole(state.progress.elapsed());
                return Err(format!(
                    "nothing was completed for {for_so_long}, another {wait} would be waited for, and --patience is {most}: {why}"
                ));
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

/// In whole seconds, or milliseconds below one; rounded up, so that two of them are no less together than what they stand for.
fn whole(time: Duration) -> humantime::FormattedDuration {
    let unit = if time < Duration::from_secs(1) { 1_000_000 } else { 1_000_000_000 };
    let time = time.as_nanos().div_ceil(unit).saturating_mul(unit);
    humantime::format_duration(Duration::from_nanos_u128(time))
}

/// On standard error, in the place of the bar if there is one.
fn tell(why: &str, most: Duration) {
    let line = if std::io::stderr().is_terminal() { "\r\x1b[K" } else { "" };
    let most = humantime::format_duration(most);
    // A terminal that is gone is no reason to stop.
    let _ =
        writeln!(std::io::stderr(), "{line}claviger: waiting, for {most} at most: {}", output::plain(why));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_nobody_could_wait_for_ends_the_run_and_says_so() {
        let patience = Patience::new(Duration::from_mins(10));
        for asked in [u64::MAX, 100_000] {
            let told = patience.wait(Some(Duration::from_secs(asked)), 0, "429 slow down").await.unwrap_err();
            assert!(told.contains("another ") && told.contains("--patience is 10m: 429 slow down"), "{told}");
        }
        // Two parts of a second that are left out by both would make a sum that is not above the whole.
        let short = Patience::new(Duration::from_secs(3));
        short.wait(Some(Duration::from_millis(1900)), 0, "x").await.unwrap();
        let told = short.wait(Some(Duration::from_millis(1900)), 0, "x").await.unwrap_err();
        let sum = "nothing was completed for 2s, another 2s would be waited for, and --patience is 3s: x";
        assert_eq!(told, sum);
        let boundless = Patience::new(Duration::MAX);
        boundless.wait(Some(Duration::from_secs(7)), 0, "x").await.unwrap();
    }
}
