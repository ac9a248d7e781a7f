//! Keeps one line of the program from filling the log, however often strangers cause it: of each warning and error
//! (and of all that other crates say) the first few of a minute pass, and then a few that say something new; the rest is counted, and
//! the count told. Requests have a limit of their own (`log.requests`), and the audit log is no log.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use tracing::{
    Event, Level, Metadata, Subscriber,
    callsite::Identifier,
    field::{Field, Visit},
};
use tracing_subscriber::layer::{Context, Layer};

use super::style::REQUESTS;

/// Between two counts.
const PERIOD: Duration = Duration::from_mins(1);
/// What passes of one line in a period: of ours, which name tenants and callers, and of other crates'.
const OURS: u64 = 60;
const OTHERS: u64 = 10;
/// Lines beyond these that pass in a period because none like them has: so what one peer causes without end does not hide what else is
/// said at the same place.
const NEW: u64 = 20;

/// How often each line has been said.
#[derive(Debug, Clone, Default)]
pub struct Repeated(Arc<Mutex<HashMap<Identifier, Said>>>);

#[derive(Debug)]
struct Said {
    since: Instant,
    times: u64,
    held_back: u64,
    /// What passed in this period, by its text.
    texts: HashSet<u64>,
    what: &'static Metadata<'static>,
}

impl Repeated {
    /// Whether a line is to be written at `now`.
    fn passes(&self, event: &Event<'_>, now: Instant) -> bool {
        let what = event.metadata();
        let Some(most) = most(what) else { return true };
        let text = Text::of(event);
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // As many entries as the program has places that log.
        let said = lines.entry(what.callsite()).or_insert_with(|| Said {
            since: now,
            times: 0,
            held_back: 0,
            texts: HashSet::new(),
            what,
        });
        if now.saturating_duration_since(said.since) >= PERIOD {
            (said.since, said.times) = (now, 0);
            said.texts.clear();
        }
        let passes = said.times < most || (said.times < most + NEW && !said.texts.contains(&text));
        if passes {
            said.times += 1;
            said.texts.insert(text);
        }
        said.held_back += u64::from(!passes);
        passes
    }

    /// What was held back since this was last asked: where it is said, and how many lines.
    fn held_back(&self) -> Vec<(&'static Metadata<'static>, u64)> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = lines.values_mut().map(|said| (said.what, std::mem::take(&mut said.held_back)));
        taken.filter(|(_, held_back)| *held_back > 0).collect()
    }

    /// Tells how many lines were held back, once a period, for as long as it runs.
    pub async fn tell(self) {
        let mut periods = tokio::time::interval(PERIOD);
        loop {
            periods.tick().await;
            for (what, more) in self.held_back() {
                let line = what.line().unwrap_or_default();
                tracing::info!(
                    of = what.target(), at = what.file().unwrap_or_default(), line, level = %what.level(), more,
                    "lines like an earlier one were held back"
                );
            }
        }
    }
}

/// What a line says, without what differs from one to the next: numbers, and where the peer is.
struct Text(DefaultHasher);

impl Text {
    fn of(event: &Event<'_>) -> u64 {
        let mut text = Self(DefaultHasher::new());
        event.record(&mut text);
        text.0.finish()
    }
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() != "peer" {
            // It never fails.
            let _: fmt::Result = fmt::write(self, format_args!("{}={value:?};", field.name()));
        }
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().filter(|byte| !byte.is_ascii_digit()).for_each(|byte| byte.hash(&mut self.0));
        Ok(())
    }
}

/// How many lines of a place pass in a period; `None`: all.
fn most(what: &Metadata<'_>) -> Option<u64> {
    let ours = what.target().starts_with("claviger");
    match (ours, *what.level()) {
        (true, _) if what.target() == REQUESTS => None,
        (true, Level::ERROR | Level::WARN) => Some(OURS),
        (true, _) => None,
        (false, _) => Some(OTHERS),
    }
}

impl<S: Subscriber> Layer<S> for Repeated {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        self.passes(event, Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    /// Counts what gets as far as it.
    struct Counting(Arc<Mutex<HashMap<&'static str, u64>>>);

    impl<S: Subscriber> Layer<S> for Counting {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            *self.0.lock().unwrap().entry(event.metadata().target()).or_default() += 1;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn repeated_lines_are_held_back_and_counted() {
        let (repeated, counts) = (Repeated::default(), Arc::<Mutex<HashMap<_, _>>>::default());
        let subscriber = tracing_subscriber::registry().with(Counting(counts.clone())).with(repeated.clone());
        let _set = tracing::subscriber::set_default(subscriber);
        let say = || {
            for n in 0..1000 {
                tracing::warn!(target: "h2::somewhere", n, "a peer misbehaves");
                tracing::warn!(target: "claviger::listen", n, "too few files");
                tracing::info!(target: "claviger::app", n, "said on purpose");
                tracing::warn!(target: "claviger::request", n, "request");
            }
        };
        let passed = |target: &str| counts.lock().unwrap().get(target).copied().unwrap_or_default();
        say();
        assert_eq!((passed("h2::somewhere"), passed("claviger::listen")), (OTHERS, OURS));
        assert_eq!((passed("claviger::app"), passed("claviger::request")), (1000, 1000));
        let mut told: Vec<_> = repeated.held_back().into_iter().map(|(_, more)| more).collect();
        told.sort_unstable();
        assert_eq!(told, [1000 - OURS, 1000 - OTHERS]);
        assert!(repeated.held_back().is_empty(), "told once");
        tokio::time::advance(PERIOD).await;
        say();
        assert_eq!((passed("h2::somewhere"), passed("claviger::listen")), (2 * OTHERS, 2 * OURS));
    }
    #[tokio::test(start_paused = true)]
    async fn what_is_new_passes_beyond_that_and_not_without_end() {
        let (repeated, counts) = (Repeated::default(), Arc::<Mutex<HashMap<_, _>>>::default());
        let subscriber = tracing_subscriber::registry().with(Counting(counts.clone())).with(repeated.clone());
        let _set = tracing::subscriber::set_default(subscriber);
        let passed = || counts.lock().unwrap().values().sum::<u64>();
        let say = |error: &str, n: u64| tracing::warn!(target: "claviger::x", peer = n * 7, error, "n {n}");
        (0..100).for_each(|n| say("one", n));
        assert_eq!(passed(), OURS);
        (0..100).for_each(|n| say("another", n));
        assert_eq!(passed(), OURS + 1, "once");
        (0..100).for_each(|n| say(&"x".repeat(n), 0));
        assert_eq!(passed(), OURS + NEW);
        tokio::time::advance(PERIOD).await;
        (0..100).for_each(|n| say("one", n));
        assert_eq!(passed(), 2 * OURS + NEW);
    }
}
