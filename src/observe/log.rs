//! Log lines on standard error: JSON, one object a line, or a form for people at a terminal. A line that cannot
//! be written (disk full, pipe closed) is counted and dropped: logging never stops a request.

pub(super) mod layout;
pub(super) mod paint;
mod repeated;
pub(super) mod style;
mod terminal;

use std::io::{self, Write};

use prometheus::IntCounter;
use tracing_subscriber::{
    filter::Targets,
    fmt::{self, MakeWriter},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use self::terminal::Terminal;
pub use self::{repeated::Repeated, style::Style};
use crate::{clock::Clock, config::Log};

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// `log.level` is not a filter.
    #[error(
        "log.level: {0:?} is not a level (error, warn, info, debug) or a filter such as \"info,claviger::token=debug\""
    )]
    Level(String),
    /// Somebody else has set up logging.
    #[error("logging is already set up")]
    Taken,
}

/// Sets up logging for the whole process; what it returns is to tell of the lines that were held back.
///
/// # Errors
/// [`LogError`].
pub fn init(log: &Log, lost: IntCounter) -> Result<Repeated, LogError> {
    let repeated = Repeated::default();
    let filter: Targets = log.level.parse().map_err(|_| LogError::Level(log.level.clone()))?;
    let lines = tracing_subscriber::registry().with(filter).with(repeated.clone());
    let base = fmt::layer().with_writer(Stderr { lost });
    let done = match Style::of(log) {
        Style::Json => {
            let json = base.json().flatten_event(true).with_current_span(false).with_span_list(false);
            lines.with(json).try_init()
        }
        Style::Human(paint) => {
            let human = Terminal { paint, clock: Clock::system(), columns: style::columns };
            lines.with(base.event_format(human)).try_init()
        }
    };
    done.map(|()| repeated).map_err(|_| LogError::Taken)
}

/// Standard error, one write a line.
struct Stderr {
    lost: IntCounter,
}

struct Line<'a>(&'a IntCounter);

impl<'a> MakeWriter<'a> for Stderr {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(&self.lost)
    }
}

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if io::stderr().lock().write_all(line).is_err() {
            self.0.inc();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
