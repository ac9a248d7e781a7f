//! The bar on a terminal, on standard error; nothing elsewhere.

use std::io::{IsTerminal as _, Write as _};

use tokio::time::Instant;

use super::outcome::Tally;

const WIDTH: usize = 30;

/// A bar.
pub(super) struct Progress {
    began: Instant,
    /// What was concluded before this run.
    before: usize,
    is_shown: bool,
}

impl Progress {
    pub(super) fn new(tally: Tally) -> Self {
        Self { began: Instant::now(), before: tally.concluded(), is_shown: std::io::stderr().is_terminal() }
    }

    pub(super) fn show(&self, tally: Tally) {
        if self.is_shown {
            let seconds = self.began.elapsed().as_secs_f64();
            // A terminal that is gone is no reason to stop.
            let _ = write!(std::io::stderr(), "\r{}\x1b[K", bar(tally, self.before, seconds));
        }
    }

    pub(super) fn end(&self) {
        if self.is_shown {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "it is for the eye")]
fn bar(tally: Tally, before: usize, seconds: f64) -> String {
    let (concluded, all) = (tally.concluded(), tally.all.max(1));
    let full = concluded * WIDTH / all;
    let rate = (concluded - before) as f64 / seconds.max(0.1);
    let left = (all - concluded) as f64 / rate;
    let left =
        if rate > 0.0 { format!("{}:{:02} left", left as u64 / 60, left as u64 % 60) } else { String::new() };
    let (mark, rest) = ("#".repeat(full), "-".repeat(WIDTH - full));
    let bad = tally.failed + tally.unknown;
    format!("[{mark}{rest}] {concluded}/{} {rate:.0}/s {left}, {bad} failed", tally.all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_fills() {
        let tally = Tally { done: 45, failed: 5, all: 100, ..Tally::default() };
        let shown = bar(tally, 0, 10.0);
        assert_eq!(shown, "[###############---------------] 50/100 5/s 0:10 left, 5 failed");
        assert_eq!(bar(Tally { all: 1, ..Tally::default() }, 0, 0.0).matches('-').count(), WIDTH);
    }
}
