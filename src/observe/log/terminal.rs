//! A line of the log for people: time, level, what happened, and the rest dimmed behind it. What was made for a request is
//! printed as it is (`request_log`).

use std::fmt;

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

use super::{
    layout::Layout,
    paint::{Harmless, Ink, Paint},
    style::REQUESTS,
};
use crate::clock::Clock;

/// Makes the lines.
pub(super) struct Terminal {
    pub(super) paint: Paint,
    pub(super) clock: Clock,
    /// How many columns the terminal has now.
    pub(super) columns: fn() -> usize,
}

/// Behind time and level.
const INDENT: usize = 18;

impl<S, N> FormatEvent<S, N> for Terminal
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut line: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let paint = self.paint;
        let time = humantime::format_rfc3339_seconds(self.clock.now().wall).to_string();
        // The reader at a terminal knows the day.
        write!(line, "{}  ", paint.ink(Ink::Dim, time.get(11..).unwrap_or_default()))?;
        if event.metadata().target() == REQUESTS {
            return writeln!(line, "{}", fields.message);
        }
        let (level, ink) = match *event.metadata().level() {
            Level::ERROR => ("ERROR", Ink::Bad),
            Level::WARN => ("WARN", Ink::Careful),
            Level::INFO => ("INFO", Ink::Good),
            Level::DEBUG => ("DEBUG", Ink::Neutral),
            Level::TRACE => ("TRACE", Ink::Dim),
        };
        write!(line, "{}", paint.ink(ink, format_args!("{level:<5}")))?;
        let mut layout =
            Layout { out: &mut line, paint, width: (self.columns)(), indent: INDENT, at: INDENT - 2 };
        layout.text(Ink::Usual, "  ")?;
        layout.words(&Harmless(&fields.message).to_string())?;
        for (name, value) in &fields.others {
            layout.pair(name, &Harmless(value).to_string())?;
        }
        writeln!(line)
    }
}

/// The fields of a line.
#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, String)>,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message = value.to_owned(),
            name => self.others.push((name, value.to_owned())),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::observe::captured::Captured;

    fn said(paint: Paint, say: impl FnOnce()) -> String {
        let lines = Captured::default();
        let clock = Clock::with_wall(|| SystemTime::UNIX_EPOCH + Duration::from_secs(15 * 3600 + 4 * 60 + 5));
        let subscriber = tracing_subscriber::fmt()
            .event_format(Terminal { paint, clock, columns: || 80 })
            .with_writer(lines.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, say);
        lines.text()
    }

    #[test]
    fn what_a_line_looks_like() {
        let say = || {
            tracing::info!(proxy = "127.0.0.1:3600", tenants = 2, "ready");
            tracing::warn!("tenants.acme.client_secret: a secret is written in the configuration itself");
            tracing::error!(error = %"no\u{1b}[2Jroom", "the audit log cannot be written");
            tracing::info!(target: "claviger::request", "{}", "200  a line of its own");
        };
        assert_eq!(
            said(Paint::Plain, say),
            "15:04:05Z  INFO   ready  proxy=127.0.0.1:3600  tenants=2\n\
             15:04:05Z  WARN   tenants.acme.client_secret: a secret is written in the\n                  \
             configuration itself\n\
             15:04:05Z  ERROR  the audit log cannot be written  error=no\\u{1b}[2Jroom\n\
             15:04:05Z  200  a line of its own\n"
        );
        assert_eq!(
            said(Paint::Colours, || tracing::warn!(key = "log.level", "takes effect after a restart")),
            "\u{1b}[2m15:04:05Z\u{1b}[0m  \u{1b}[33mWARN \u{1b}[0m  takes effect after a restart  \u{1b}[2mkey=\u{1b}[0mlog.level\n"
        );
    }
}
