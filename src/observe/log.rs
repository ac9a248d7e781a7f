//! Log lines on standard error: JSON, one object a line, or a form for people at a terminal. Logging never stops a request.

pub(super) mod layout;
pub(super) mod paint;
mod repeated;
pub(super) mod style;
mod terminal;
mod writer;

use std::{io, sync::OnceLock, time::Duration};

use prometheus::IntCounter;
use tracing_subscriber::{filter::Targets, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

pub use self::{repeated::Repeated, style::Style};
use self::{terminal::Terminal, writer::Writer};
use crate::{clock::Clock, config::Log};

/// How long the last lines may take. A reader that has stopped is not waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// The process's, as its log is.
static WRITER: OnceLock<Writer> = OnceLock::new();

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
    /// The system gives no thread.
    #[error("cannot start the thread that writes the log: {0}")]
    Thread(#[source] io::Error),
}

/// Sets up logging for the whole process; what it returns is to tell of the lines that were held back.
///
/// # Errors
/// [`LogError`].
pub fn init(log: &Log, lost: IntCounter) -> Result<Repeated, LogError> {
    let repeated = Repeated::default();
    let filter: Targets = log.level.parse().map_err(|_| LogError::Level(log.level.clone()))?;
    let lines = tracing_subscriber::registry().with(filter).with(repeated.clone());
    let writer = Writer::start(io::stderr(), lost).map_err(LogError::Thread)?;
    let base = fmt::layer().with_writer(WRITER.get_or_init(|| writer).clone());
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

/// Waits until what was logged is written, for a moment at most: before the process ends.
pub fn flush() {
    if let Some(writer) = WRITER.get() {
        writer.flush(PATIENCE);
    }
}
