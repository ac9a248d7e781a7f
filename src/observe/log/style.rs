//! What the lines of a process look like: for a program that reads them, or for people.

use std::io::{self, IsTerminal as _};

use super::paint::Paint;
use crate::config::{Log, LogFormat};

/// The target of lines about requests.
pub(in crate::observe) const REQUESTS: &str = "claviger::request";

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// One JSON object a line.
    Json,
    /// For people.
    Human(Paint),
}

/// Of a terminal that does not say how wide it is, and at the least.
const COLUMNS: usize = 120;
const FEWEST: usize = 60;

/// How many columns the terminal has now; without one, no line is broken.
pub(in crate::observe) fn columns() -> usize {
    let stderr = io::stderr();
    if !stderr.is_terminal() {
        return usize::MAX;
    }
    match rustix::termios::tcgetwinsize(&stderr) {
        Ok(size) if size.ws_col > 0 => usize::from(size.ws_col).max(FEWEST),
        _ => COLUMNS,
    }
}

impl Style {
    /// As configured, for this process' standard error.
    pub fn of(log: &Log) -> Self {
        let is_terminal = io::stderr().is_terminal();
        match log.format {
            LogFormat::Json => Self::Json,
            LogFormat::Auto if !is_terminal => Self::Json,
            LogFormat::Auto | LogFormat::Human => {
                // https://no-color.org
                let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
                let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
                let plain = !is_terminal || is_dumb || is_set("NO_COLOR");
                Self::Human(if plain { Paint::Plain } else { Paint::Colours })
            }
        }
    }
}
