//! Tenants' documents, and when each is to be fetched again. A request gets what is there at once; none waits for Logto.
//! A document is fetched by one task, when somebody asks and it is time, and all of them together have a bound of bytes.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
    time::Duration,
};

use tokio::{runtime::Handle, sync::oneshot, time::Instant};

use super::{
    cut::Cut,
    cuts::{CutError, Cuts},
    document::{Document, Source},
    fetch::{self, FetchError},
    thread::{Busy, Thread},
};
use crate::{
    config::OpenApiOptions,
    ids::TenantName,
    limit::{InFlight, Quota},
    observe::Metrics,
    policy::Rights,
};

/// After the first failed fetch; doubles, up to an hour or `openapi.refresh`.
const BACKOFF: Duration = Duration::from_mins(1);
const LONGEST_BACKOFF: Duration = Duration::from_hours(1);

/// The documents of all tenants, and the thread that reads and cuts them. Outlives configurations.
pub struct Library {
    thread: Thread,
    /// Where documents are fetched.
    control: Handle,
    metrics: Arc<Metrics>,
    /// Those that some tenant has: tenants with the same operations share one.
    documents: Arc<Mutex<Vec<Weak<Document>>>>,
}

/// What there is of a tenant's document; nothing before somebody asks for it. Goes on with the tenant while its endpoint stays the same.
#[derive(Debug, Default)]
pub struct Shelf(OnceLock<Box<Mutex<State>>>);

#[derive(Debug, Default)]
struct State {
    document: Option<Arc<Document>>,
    fetched: Option<Instant>,
    /// After a fetch that failed: not before.
    retry: Option<Instant>,
    fetching: bool,
    failures: u32,
}

impl State {
    fn is_due(&self, now: Instant, refresh: Duration) -> bool {
        let due = self.retry.or_else(|| Some(self.fetched? + refresh));
        !self.fetching && due.is_none_or(|due| now >= due)
    }
}

/// Where a tenant's document is fetched from, and what that draws on.
pub struct Origin {
    /// Whose it is.
    pub tenant: TenantName,
    /// A client with the tenant's roots.
    pub http: reqwest::Client,
    /// Of the document.
    pub url: String,
    /// What the tenant allows us.
    pub quota: Quota,
    /// The places among the tenant's requests.
    pub in_flight: Arc<InFlight>,
    /// How long all of it may take.
    pub whole: Duration,
}

impl Library {
    /// Nothing yet. Documents are fetched on `control`.
    pub fn new(control: Handle, metrics: Arc<Metrics>) -> Self {
        Self { thread: Thread::default(), control, metrics, documents: Arc::default() }
    }

    /// The cut of a tenant's document for callers of a class, who have these rights.
    ///
    /// # Errors
    /// [`CutError`].
    pub async fn cut(
        &self,
        cuts: &Cuts,
        (class, rights): (usize, impl FnOnce() -> Rights),
        source: Source,
    ) -> Result<Arc<Cut>, CutError> {
        cuts.cut(&self.thread, class, source, rights).await
    }

    /// What a cut of a tenant's document can be made of now. Where it is time, begins to fetch the next one.
    pub fn source(
        &self,
        shelf: &Arc<Shelf>,
        options: &OpenApiOptions,
        origin: impl FnOnce() -> Origin,
    ) -> Source {
        let (source, turn) = shelf.ask(Instant::now(), options.refresh);
        if let Some(turn) = turn {
            let fetch = Fetch {
                origin: origin(),
                options: options.clone(),
                thread: self.thread.clone(),
                documents: self.documents.clone(),
                metrics: self.metrics.clone(),
            };
            self.control.spawn(fetch.run(turn));
        }
        source
    }
}

/// One fetch of a document.
struct Fetch {
    origin: Origin,
    options: OpenApiOptions,
    thread: Thread,
    documents: Arc<Mutex<Vec<Weak<Document>>>>,
    metrics: Arc<Metrics>,
}

impl Fetch {
    async fn run(self, turn: Turn) {
        let fetched = self.document(&turn).await;
        let outcome = match &fetched {
            Ok(document) if turn.has(document) => "unchanged",
            Ok(_) => "fetched",
            Err(_) => "failed",
        };
        let tenant = &self.origin.tenant;
        self.metrics.openapi_fetches.of([tenant, &outcome]).inc();
        match fetched {
            Ok(document) => {
                let bytes = document.len();
                turn.fetched(document);
                tracing::info!(%tenant, bytes, outcome, "the OpenAPI document was fetched");
            }
            Err(error) => {
                let wait = turn.failed(self.options.refresh);
                tracing::warn!(%tenant, %error, retry_in = %format_args!("{wait:.0?}"), "the OpenAPI document cannot be fetched; callers read the last one, or what the catalog knows");
            }
        }
    }

    async fn document(&self, turn: &Turn) -> Result<Arc<Document>, FetchError> {
        let Origin { http, url, quota, in_flight, whole, .. } = &self.origin;
        // Logto makes it for seconds: it is a request like any other.
        let _place = tokio::time::timeout(*whole, in_flight.enter_for_ourselves())
            .await
            .map_err(|_| FetchError::InFlight)?
            .map_err(|_| FetchError::InFlight)?;
        quota.draw().await.map_err(|_| FetchError::Quota)?;
        let bytes = fetch::get(http, url, self.options.max_bytes, *whole).await?;
        let (done, document) = oneshot::channel();
        let reading = self.thread.run(move || {
            // Nobody waits for it only where the process ends.
            let _: Result<(), _> = done.send(Document::read(bytes));
        });
        reading.map_err(|Busy| FetchError::Busy)?;
        let document = document.await.map_err(|_| FetchError::Busy)??;
        self.shared(document, turn.document())
    }

    /// The same document where a tenant has it, and room for it where not; `old` is the one that it takes the place of.
    fn shared(&self, document: Document, old: Option<Arc<Document>>) -> Result<Arc<Document>, FetchError> {
        let mut all = self.documents.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|document| document.strong_count() > 0);
        let alive: Vec<_> = all.iter().filter_map(Weak::upgrade).collect();
        if let Some(same) = alive.iter().find(|known| known.version() == document.version()) {
            return Ok(same.clone());
        }
        // Beside what is held here, the tenant alone has it.
        let goes = |known: &&Arc<Document>| {
            old.as_ref().is_some_and(|old| Arc::ptr_eq(known, old)) && Arc::strong_count(known) <= 3
        };
        let bytes: usize = alive.iter().filter(|known| !goes(known)).map(|document| document.len()).sum();
        if bytes.saturating_add(document.len()) > self.options.memory {
            return Err(FetchError::Memory);
        }
        let document = Arc::new(document);
        all.push(Arc::downgrade(&document));
        Ok(document)
    }
}

impl Shelf {
    /// What there is, and the turn to fetch the next document where that is due and nobody has it.
    fn ask(self: &Arc<Self>, now: Instant, refresh: Duration) -> (Source, Option<Turn>) {
        let mut state = self.state();
        let source = state.document.clone().map_or(Source::Catalog, Source::Logto);
        let due = state.is_due(now, refresh);
        state.fetching |= due;
        (source, due.then(|| Turn(self.clone())))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.get_or_init(Box::default).lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to fetch a tenant's document, which one at a time has. Given back when dropped, whatever happened.
struct Turn(Arc<Shelf>);

impl Turn {
    fn document(&self) -> Option<Arc<Document>> {
        self.0.state().document.clone()
    }

    fn has(&self, document: &Document) -> bool {
        self.document().is_some_and(|known| known.version() == document.version())
    }

    fn fetched(&self, document: Arc<Document>) {
        let mut state = self.0.state();
        state.document = Some(document);
        state.fetched = Some(Instant::now());
        (state.retry, state.failures) = (None, 0);
    }

    fn failed(&self, refresh: Duration) -> Duration {
        let mut state = self.0.state();
        let wait = BACKOFF.saturating_mul(1 << state.failures.min(10)).min(LONGEST_BACKOFF).min(refresh);
        state.failures = state.failures.saturating_add(1);
        state.retry = Some(Instant::now() + wait);
        wait
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.fetching = false;
        if state.fetched.is_none() && state.retry.is_none() {
            // The task ended before it could say how.
            state.retry = Some(Instant::now() + BACKOFF);
        }
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Library")
    }
}

#[cfg(test)]
mod tests;
