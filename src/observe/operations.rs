//! Metric handles by caller, tenant and operation, resolved on first use and kept: the request path finds its counters
//! without a label look-up and without a lock, and nothing is made that is not used.

use std::{
    fmt,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use prometheus::{Histogram, IntCounter};
use rpds::HashTrieMapSync;

use tokio::time::Instant;

use super::{
    answered_by::AnsweredBy,
    metrics::{Label, Metrics},
    side::Side,
    usual::{Pace, Usual},
};
use crate::{
    clock::Moment,
    ids::{CallerName, TenantName},
    usage::{Usage, Used},
};

/// The handles of one tenant, for every caller that has asked it. Outlives changes of the tenant's settings.
#[derive(Debug)]
pub struct TenantMetrics {
    metrics: Arc<Metrics>,
    tenant: TenantName,
    /// How many operations there are to keep handles for.
    operations: usize,
    /// None of a tenant that nobody has asked.
    callers: ArcSwapOption<HashTrieMapSync<CallerName, Arc<CallerMetrics>>>,
    adding: Mutex<()>,
}

/// Handles of one caller at one tenant. In pages, since most callers use few of the operations.
#[derive(Debug)]
struct CallerMetrics {
    caller: CallerName,
    pages: Box<[OnceLock<Box<Page>>]>,
}

type Page = [OnceLock<Arc<OperationMetrics>>; PAGE];
const PAGE: usize = 16;

/// The handles of one operation of a caller at a tenant.
#[derive(Debug)]
pub struct OperationMetrics {
    metrics: Arc<Metrics>,
    caller: Name,
    tenant: Name,
    operation: &'static str,
    answers: [[OnceLock<Watched>; CODES.len()]; 3],
    duration: Histogram,
    upstream: OnceLock<Histogram>,
    /// How long the upstream takes.
    usual: Usual,
    /// Answers with 4xx for what is not their caller's.
    limited: Limited,
    /// Of the grant: requests that were permitted.
    usage: Usage,
}

/// That a caller's grant for an operation of a tenant was used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantUse {
    /// Whose grant.
    pub caller: CallerName,
    /// For what, by operationId; `other` and `token` as in metrics.
    pub operation: &'static str,
    /// When last, and how often.
    pub used: Used,
}

/// A counter, and up to where it has been looked at.
#[derive(Debug)]
struct Watched {
    counter: IntCounter,
    seen: AtomicU64,
}

/// Refusals with 4xx that are on another side than their caller's: counted so far, and up to where they have been looked at.
#[derive(Debug, Default)]
struct Limited {
    counted: AtomicU64,
    seen: AtomicU64,
}

/// Of a caller or tenant; empty while it is not known.
#[derive(Debug)]
struct Name(Box<str>);

/// Requests since somebody last looked, by how they ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// All of them.
    pub requests: u64,
    /// Those that Claviger refused for what their caller did (4xx).
    pub denied: u64,
    /// Those that it refused for the tenant's quota, or a pause that Logto asked for (4xx).
    pub limited: u64,
    /// Those that were answered with 5xx, by Claviger or by the upstream.
    pub failed: u64,
    /// Answers of the upstream that are no 5xx.
    pub served: u64,
}

impl Tally {
    fn add(&mut self, by: usize, class: usize, count: u64) {
        self.requests += count;
        const CLAVIGER: usize = AnsweredBy::Claviger as usize;
        const UPSTREAM: usize = AnsweredBy::Upstream as usize;
        match (class, by) {
            (SERVER_ERROR, _) => self.failed += count,
            (CALLER_ERROR, CLAVIGER) => self.denied += count,
            (LEFT, _) => {}
            (_, UPSTREAM) => self.served += count,
            // What was kept says nothing of whether the upstream serves.
            _ => {}
        }
    }
}

/// How an answer is counted: by the class of its status, or as one whose caller did not take it.
const CODES: [&str; 6] = ["499", "1xx", "2xx", "3xx", "4xx", "5xx"];
const LEFT: usize = 0;
const CALLER_ERROR: usize = 4;
const SERVER_ERROR: usize = 5;

impl TenantMetrics {
    /// No handles yet, and room for `operations` of them for each caller.
    pub fn new(metrics: Arc<Metrics>, tenant: TenantName, operations: usize) -> Self {
        metrics.tenant_added(&tenant);
        Self { metrics, tenant, operations, callers: ArcSwapOption::empty(), adding: Mutex::default() }
    }

    /// The handles of a caller for an operation, by its index among the operations and its name; `None`: for what it
    /// asked for before an operation was known.
    pub fn of(&self, caller: &CallerName, operation: Option<(usize, &'static str)>) -> Arc<OperationMetrics> {
        // Behind those of the operations there is a place for none.
        let (index, name) = operation.unwrap_or((self.operations, ""));
        let index = index.min(self.operations);
        let known = self.callers.load();
        let callers = match known.as_ref().and_then(|known| known.get(caller.as_str())) {
            Some(callers) => callers.clone(),
            None => self.add(caller),
        };
        let page = callers.pages[index / PAGE].get_or_init(Box::default);
        let make =
            || OperationMetrics::new(self.metrics.clone(), caller.as_str(), self.tenant.as_str(), name);
        page[index % PAGE].get_or_init(|| Arc::new(make())).clone()
    }

    fn add(&self, caller: &CallerName) -> Arc<CallerMetrics> {
        let _turn = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.callers.load_full().unwrap_or_default();
        if let Some(there) = known.get(caller.as_str()) {
            return there.clone();
        }
        let pages = (0..=self.operations / PAGE).map(|_| OnceLock::new()).collect();
        let added = Arc::new(CallerMetrics { caller: caller.clone(), pages });
        self.callers.store(Some(Arc::new(known.insert(caller.clone(), added.clone()))));
        added
    }

    /// The grants that were used since the process started, by caller; those of a caller in the order of the catalog.
    pub fn grant_uses(&self, now: Moment) -> Vec<GrantUse> {
        let callers = self.callers.load();
        let mut callers: Vec<_> = callers.iter().flat_map(|callers| callers.values()).collect();
        callers.sort_unstable_by(|one, other| one.caller.cmp(&other.caller));
        let of = |of: &Arc<CallerMetrics>| {
            let handles = of.pages.iter().filter_map(OnceLock::get).flat_map(|page| page.iter());
            let used = handles.filter_map(OnceLock::get).filter_map(|handle| {
                let used = handle.usage.read(now)?;
                Some(GrantUse { caller: of.caller.clone(), operation: handle.operation, used })
            });
            used.collect::<Vec<_>>()
        };
        callers.into_iter().flat_map(of).collect()
    }

    /// What was counted since the last look, by caller. There is one who looks: what is told here is told once.
    pub fn look(&self, mut tell: impl FnMut(&CallerName, Tally)) {
        for callers in self.callers.load().iter().flat_map(|callers| callers.values()) {
            let mut tally = Tally::default();
            let pages = callers.pages.iter().filter_map(OnceLock::get);
            pages.flat_map(|page| page.iter()).filter_map(OnceLock::get).for_each(|it| it.look(&mut tally));
            if tally.requests > 0 {
                tell(&callers.caller, tally);
            }
        }
    }

    /// Lets go of callers that are gone.
    pub fn retain(&self, is_there: impl Fn(&CallerName) -> bool) {
        let _turn = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = self.callers.load_full() else { return };
        if known.keys().all(&is_there) {
            return;
        }
        let kept = known.values().filter(|callers| is_there(&callers.caller));
        let kept = kept.fold(HashTrieMapSync::new_sync(), |kept, callers| {
            kept.insert(callers.caller.clone(), callers.clone())
        });
        self.callers.store(Some(Arc::new(kept)));
    }
}

impl OperationMetrics {
    /// Handles for these labels.
    pub fn new(metrics: Arc<Metrics>, caller: &str, tenant: &str, operation: &'static str) -> Self {
        let (caller, tenant) = (Name(caller.into()), Name(tenant.into()));
        let duration = metrics.duration.of([&tenant, &operation]);
        let (answers, upstream, usual, limited, usage) = Default::default();
        Self { metrics, caller, tenant, operation, answers, duration, upstream, usual, limited, usage }
    }

    /// A request that began at `now` is permitted.
    pub fn note_use(&self, now: Instant) {
        self.usage.note(now);
    }

    /// Counts an answer; `side` of a refusal.
    pub fn answered(&self, status: http::StatusCode, by: AnsweredBy, side: Option<Side>, seconds: f64) {
        if status == http::StatusCode::TOO_MANY_REQUESTS && side.is_some_and(|side| side != Side::Caller) {
            self.limited.counted.fetch_add(1, Relaxed);
        }
        self.count(usize::from(status.as_u16() / 100).clamp(1, CODES.len() - 1), by, seconds);
    }

    /// Counts a request whose caller left before the end of its answer.
    pub fn left(&self, by: AnsweredBy, seconds: f64) {
        self.count(LEFT, by, seconds);
    }

    fn count(&self, class: usize, by: AnsweredBy, seconds: f64) {
        self.answers[by as usize][class]
            .get_or_init(|| {
                let (caller, tenant, operation) = (&self.caller, &self.tenant, &self.operation);
                let counter =
                    self.metrics.requests.of([caller, tenant, operation, &CODES[class], &by.as_str()]);
                // Another handle may have counted before, of a configuration that is gone.
                let seen = AtomicU64::new(counter.get());
                Watched { counter, seen }
            })
            .counter
            .inc();
        self.duration.observe(seconds);
    }

    /// Adds what was counted since the last look.
    pub fn look(&self, tally: &mut Tally) {
        for (by, classes) in self.answers.iter().enumerate() {
            for (class, watched) in classes.iter().enumerate() {
                let Some(watched) = watched.get() else { continue };
                let now = watched.counter.get();
                tally.add(by, class, now.saturating_sub(watched.seen.swap(now, Relaxed)));
            }
        }
        let counted = self.limited.counted.load(Relaxed);
        let limited = counted.saturating_sub(self.limited.seen.swap(counted, Relaxed));
        tally.limited += limited;
        tally.denied = tally.denied.saturating_sub(limited);
    }

    /// Counts a try at the upstream.
    pub fn upstream_answered(&self, seconds: f64) {
        let make = || self.metrics.upstream_duration.of([&self.tenant, &self.operation]);
        self.upstream.get_or_init(make).observe(seconds);
    }

    /// How long the upstream took, beside what it usually takes for this.
    pub fn pace(&self, took: Duration) -> Pace {
        self.usual.compare(took)
    }

    /// Counts an answer that was stopped for this reason: as it repeated a credential, or could not be looked through.
    pub fn withheld(&self, is_echo: bool, why: &dyn fmt::Display) {
        if is_echo {
            self.metrics.echo_guard.of([&self.tenant]).inc();
        }
        let why = why.to_string();
        let what = why.strip_prefix("the upstream's answer ").unwrap_or(&why);
        self.metrics.withheld(
            self.tenant(),
            is_echo,
            format!("the upstream's answer to {} {what}", self.operation),
        );
    }

    /// The metrics of the process.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The caller's name; empty while it is not known.
    pub fn caller(&self) -> &str {
        &self.caller.0
    }

    /// The tenant's name; empty while it is not known.
    pub fn tenant(&self) -> &str {
        &self.tenant.0
    }

    /// The operationId; empty while it is not known.
    pub fn operation(&self) -> &'static str {
        self.operation
    }
}

impl Label for Name {
    fn text(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::clock::Clock;

    #[tokio::test(start_paused = true)]
    async fn the_last_use_of_a_grant_is_known_by_caller_and_operation() {
        let begin = Instant::now();
        let clock = Clock::with_wall(move || UNIX_EPOCH + begin.elapsed());
        let tenant = TenantMetrics::new(Arc::new(Metrics::new()), TenantName::parse("acme").unwrap(), 40);
        let caller = |name: &str| CallerName::parse(name).unwrap();
        assert!(tenant.grant_uses(clock.now()).is_empty());
        for (name, operation, seconds) in [
            ("support", (3, "GetUser"), 5),
            ("billing", (33, "ListRoles"), 7),
            ("billing", (1, "ListUsers"), 9),
        ] {
            tokio::time::advance(Duration::from_secs(seconds)).await;
            tenant.of(&caller(name), Some(operation)).note_use(Instant::now());
        }
        // Asked for, and not granted.
        tenant.of(&caller("support"), Some((2, "DeleteUser")));
        let uses = tenant.grant_uses(clock.now());
        let shown: Vec<_> = uses
            .iter()
            .map(|it| {
                (it.caller.as_str(), it.operation, it.used.last.duration_since(UNIX_EPOCH).unwrap().as_secs())
            })
            .collect();
        assert_eq!(
            shown,
            [("billing", "ListUsers", 21), ("billing", "ListRoles", 12), ("support", "GetUser", 5)]
        );
        assert!(uses.iter().all(|it| it.used.times == 1));
        tenant.retain(|name| name.as_str() == "support");
        assert_eq!(tenant.grant_uses(clock.now()).len(), 1);
    }
}
