//! When a request is sent again: only what is safe to repeat, only as often as allowed, only within the
//! deadline and a budget, so that a struggling upstream is not finished off by its clients.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime},
};

use http::{HeaderMap, Method, StatusCode, header};
use tokio::time::Instant;
use tower::retry::budget::{Budget as _, TpsBudget};

use crate::config::Retry;

/// Retries that are allowed without any traffic to measure them by, per second.
const FLOOR_PER_SECOND: u32 = 2;
/// The span over which the budget is kept (tower allows 1 s to 60 s).
const WINDOW: Duration = Duration::from_secs(10);

/// Between two looks at an upstream that refuses connections: at first, and at most.
const LOOK: Duration = Duration::from_millis(50);
const LONGEST_LOOK: Duration = Duration::from_millis(500);

/// The rules and the budget of one tenant.
#[derive(Debug)]
pub struct Retries {
    rules: Arc<Retry>,
    /// Made with the first request: it takes more memory than the rest of a tenant that nobody asks.
    budget: OnceLock<Box<TpsBudget>>,
}

/// What happened to a try.
#[derive(Debug, Clone, Copy)]
pub enum Outcome<'a> {
    /// The upstream answered.
    Answered(StatusCode, &'a HeaderMap),
    /// The upstream answered that the tenant's quota is used up: it has not been carried out.
    NotTaken,
    /// It did not.
    Failed {
        /// The request has certainly not been carried out.
        unsent: bool,
        /// A label from a closed set.
        label: &'static str,
    },
}

impl Outcome<'_> {
    /// Why another try may be worth it; `None` where the answer stands, as it mostly does.
    pub fn reason(&self, method: &Method, attempt: u32) -> Option<&'static str> {
        match *self {
            Self::Failed { unsent, label } => (unsent || is_idempotent(method)).then_some(label),
            Self::NotTaken => Some("429"),
            Self::Answered(status, _) => transient(status, attempt).filter(|_| is_idempotent(method)),
        }
    }
}

/// One more try.
#[derive(Debug, PartialEq, Eq)]
pub struct Again {
    /// After this long.
    pub after: Duration,
    /// The label for the metric.
    pub reason: &'static str,
}

impl Retries {
    /// A fresh budget.
    pub fn new(rules: Arc<Retry>) -> Self {
        Self { rules, budget: OnceLock::new() }
    }

    /// Whether these are its rules.
    pub fn are_by(&self, rules: &Retry) -> bool {
        *self.rules == *rules
    }

    /// A request begins: it pays into the budget.
    pub fn deposit(&self) {
        self.budget().deposit();
    }

    /// Whether to try again after try number `attempt` (1 is the first), before `deadline`. `random` is in 0..1.
    pub fn again(
        &self,
        method: &Method,
        attempt: u32,
        outcome: Outcome<'_>,
        deadline: Instant,
        wall: SystemTime,
        random: f64,
    ) -> Option<Again> {
        let reason = outcome.reason(method, attempt).filter(|_| attempt < self.rules.attempts)?;
        let asked = match outcome {
            Outcome::Answered(_, headers) => retry_after(headers, wall),
            Outcome::NotTaken | Outcome::Failed { .. } => None,
        };
        let after = match asked {
            Some(asked) if asked > self.rules.max_backoff => return None,
            Some(asked) => asked,
            None => self.backoff(attempt, random),
        };
        if Instant::now() + after >= deadline || !self.budget().withdraw() {
            return None;
        }
        Some(Again { after, reason })
    }

    /// How long to wait before another look at an upstream that refuses connections since `since`, after `looks` of them. Nothing
    /// was sent, so it counts neither as an attempt nor against the budget.
    pub fn look_again(&self, looks: u32, since: Instant, deadline: Instant, random: f64) -> Option<Duration> {
        let doubled = LOOK.saturating_mul(1 << looks.min(16)).min(LONGEST_LOOK);
        let after = doubled.mul_f64(0.5 + 0.5 * random.clamp(0.0, 1.0));
        let end = deadline.min(since + self.rules.unreachable);
        (Instant::now() + after < end).then_some(after)
    }

    /// Whether an upstream that refuses connections since `since` has been waited for.
    pub fn is_patience_over(&self, since: Instant, now: Instant) -> bool {
        now + LONGEST_LOOK >= since + self.rules.unreachable
    }

    /// How long an upstream that refuses connections is waited for.
    pub fn patience(&self) -> Duration {
        self.rules.unreachable
    }

    fn budget(&self) -> &TpsBudget {
        let make = || Box::new(TpsBudget::new(WINDOW, FLOOR_PER_SECOND, self.rules.budget));
        self.budget.get_or_init(make)
    }

    /// Full jitter: anything between nothing and the doubled pause.
    fn backoff(&self, attempt: u32, random: f64) -> Duration {
        let doubled = self.rules.backoff.saturating_mul(1 << (attempt - 1).min(16));
        doubled.min(self.rules.max_backoff).mul_f64(random.clamp(0.0, 1.0))
    }
}

/// RFC 9110 section 9.2.2. PATCH is not.
fn is_idempotent(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::PUT | Method::DELETE | Method::OPTIONS)
}

fn transient(status: StatusCode, attempt: u32) -> Option<&'static str> {
    match status {
        StatusCode::TOO_MANY_REQUESTS => Some("429"),
        StatusCode::BAD_GATEWAY => Some("502"),
        StatusCode::SERVICE_UNAVAILABLE => Some("503"),
        StatusCode::GATEWAY_TIMEOUT => Some("504"),
        // Once: some of Logto's 500s are deterministic (fact 6.5).
        StatusCode::INTERNAL_SERVER_ERROR if attempt == 1 => Some("500"),
        _ => None,
    }
}

/// `Retry-After` in seconds or as a date (RFC 9110 section 10.2.3).
pub(super) fn retry_after(headers: &HeaderMap, wall: SystemTime) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => Some(httpdate::parse_http_date(text).ok()?.duration_since(wall).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const RESET: Outcome<'static> = Outcome::Failed { unsent: false, label: "reset" };
    const UNSENT: Outcome<'static> = Outcome::Failed { unsent: true, label: "connect" };

    fn again(method: &Method, attempt: u32, outcome: Outcome<'_>) -> Option<Again> {
        let deadline = Instant::now() + Duration::from_secs(60);
        Retries::new(Arc::default()).again(method, attempt, outcome, deadline, SystemTime::UNIX_EPOCH, 1.0)
    }

    fn answered(
        method: &Method,
        attempt: u32,
        status: u16,
        retry_after: Option<&'static str>,
    ) -> Option<Again> {
        let mut headers = HeaderMap::new();
        if let Some(text) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(text));
        }
        again(method, attempt, Outcome::Answered(StatusCode::from_u16(status).unwrap(), &headers))
    }

    #[tokio::test(start_paused = true)]
    async fn b19_only_what_is_safe_to_repeat() {
        for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE] {
            assert!(again(&method, 1, RESET).is_some());
            for status in [429, 500, 502, 503, 504] {
                assert!(answered(&method, 1, status, None).is_some(), "{method} {status}");
            }
            for status in [200, 400, 401, 403, 404, 422, 501] {
                assert!(answered(&method, 1, status, None).is_none(), "{method} {status}");
            }
        }
        for method in [Method::POST, Method::PATCH] {
            assert!(again(&method, 1, UNSENT).is_some());
            assert!(again(&method, 1, RESET).is_none());
            for status in [429, 500, 502, 503, 504] {
                assert!(answered(&method, 1, status, None).is_none(), "{method} {status}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn b19_what_the_quota_kept_out_was_not_carried_out() {
        assert!(again(&Method::POST, 1, Outcome::NotTaken).is_some());
        assert!(again(&Method::POST, 3, Outcome::NotTaken).is_none(), "attempts");
    }

    #[tokio::test(start_paused = true)]
    async fn b19_not_forever() {
        assert!(answered(&Method::GET, 2, 503, None).is_some());
        assert!(answered(&Method::GET, 3, 503, None).is_none(), "attempts");
        assert!(answered(&Method::GET, 2, 500, None).is_none(), "a second 500 is deterministic");
        let retries = Retries::new(Arc::default());
        let soon = Instant::now() + Duration::from_millis(10);
        assert_eq!(
            retries.again(&Method::GET, 1, RESET, soon, SystemTime::UNIX_EPOCH, 1.0),
            None,
            "deadline"
        );
        let later = Instant::now() + Duration::from_secs(60);
        let granted = (0..1000)
            .filter(|_| retries.again(&Method::GET, 1, RESET, later, SystemTime::UNIX_EPOCH, 1.0).is_some());
        assert_eq!(
            granted.count(),
            20,
            "the budget: two a second over ten seconds, and no traffic to add to it"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn b36_a_refusing_upstream_is_looked_at_until_patience_or_the_deadline_ends() {
        let retries = Retries::new(Retry { attempts: 1, ..Retry::default() }.into());
        let (start, long) = (Instant::now(), Duration::from_secs(3600));
        for (deadline, longest) in [(start + long, retries.patience()), (start + long / 3600, long / 3600)] {
            let (begun, mut looks) = (Instant::now(), 0);
            let deadline = begun + (deadline - start);
            while let Some(after) = retries.look_again(looks, begun, deadline, 1.0) {
                tokio::time::sleep(after).await;
                looks += 1;
            }
            let waited = begun.elapsed();
            assert!(waited < longest && waited + LONGEST_LOOK >= longest, "{waited:?} of {longest:?}");
            assert!(u128::from(looks) <= longest.as_millis() / 250 + 5, "{looks} looks in {waited:?}");
        }
        let off = Retries::new(Retry { unreachable: Duration::ZERO, ..Retry::default() }.into());
        assert_eq!(off.look_again(0, Instant::now(), Instant::now() + long, 0.0), None);
    }

    #[tokio::test(start_paused = true)]
    async fn b19_retry_after_is_obeyed_and_capped() {
        let after = |text| answered(&Method::GET, 1, 503, Some(text)).map(|again| again.after);
        assert_eq!(after("1"), Some(Duration::from_secs(1)));
        assert_eq!(after("3"), None, "longer than max_backoff: the caller is told instead");
        assert_eq!(after("Thu, 01 Jan 1970 00:00:02 GMT"), Some(Duration::from_secs(2)));
        assert_eq!(after("soon"), Some(Duration::from_millis(50)), "an invalid value is ignored");
    }
}
