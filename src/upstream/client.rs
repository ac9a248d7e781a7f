//! One tenant's upstream: the loop over tries. It is the only place that joins a token to a request.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, Response, StatusCode, header, request::Parts};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use prometheus::IntCounter;
use tokio::time::Instant;

use super::{
    UpstreamError,
    pool::{Lease, Pool},
    replay::Prepared,
    request::Outgoing,
    retry::{Again, Outcome, Retries, retry_after},
    trouble::Trouble,
};
use crate::{
    catalog::Secrets,
    clock::Clock,
    config::{self, Endpoint, Timeouts},
    error::Failure,
    ids::TokenIndex,
    limit::{Bucket, LimitError, admit::ApprovedTarget},
    observe::Record,
    token::{Rejection, Token, TokenHandle},
};

/// The longest pause that an upstream's `Retry-After` may ask of a tenant's other requests.
const MAX_PAUSE: Duration = Duration::from_mins(1);
/// As much of a 401's body as is read to learn why; the caller never sees it (behaviour 26).
const MAX_REFUSAL: usize = 16 * 1024;

/// A tenant's upstream.
#[derive(Debug)]
pub struct Upstream {
    /// The tenant as configured.
    pub tenant: Arc<config::Tenant>,
    /// Its token.
    pub token: TokenHandle,
    /// The tokens that grants ask for instead, in the order of `Grants::asks`.
    pub asked: Box<[TokenHandle]>,
    /// One pool for each worker.
    pub pools: Arc<[Arc<Pool>]>,
    /// Its retry rules and budget.
    pub retries: Retries,
    /// What it allows us.
    pub quota: Arc<Bucket>,
    /// Draws from the quota.
    pub quota_used: IntCounter,
    /// Requests that found their token in the cache, and those that had to wait for it.
    pub token_found: [IntCounter; 2],
    /// How long things may take.
    pub timeouts: Timeouts,
    /// Whether it answers.
    pub trouble: Trouble,
    /// Time.
    pub clock: Clock,
}

/// An answer to hand on, and the connection that it comes from.
#[derive(Debug)]
pub struct Answer {
    /// The answer as the upstream made it.
    pub response: Response<Incoming>,
    /// The token that it was asked for with.
    pub token: Arc<Token>,
    /// Keeps the connection until the body has ended.
    pub lease: Lease,
}

/// A request on its way.
#[derive(Debug)]
pub struct Sending<'a> {
    /// The caller's head.
    pub head: &'a Parts,
    /// The canonical path with the caller's query, its conditions met.
    pub target: ApprovedTarget<'a>,
    /// Which of the tenant's tokens goes with it.
    pub token: TokenIndex,
    /// The secrets that will be masked in the answer.
    pub hidden: Option<&'static Secrets>,
    /// The worker that sends it.
    pub worker: usize,
    /// When it must be over.
    pub deadline: Instant,
}

impl Upstream {
    /// The tenant's endpoint.
    pub fn endpoint(&self) -> &Endpoint {
        &self.tenant.endpoint
    }

    /// The token that a permit is for.
    pub fn handle(&self, token: TokenIndex) -> &TokenHandle {
        token.0.checked_sub(1).map_or(&self.token, |at| &self.asked[at])
    }

    /// The tenant's token, then those that grants ask for instead.
    pub fn handles(&self) -> impl Iterator<Item = &TokenHandle> {
        std::iter::once(&self.token).chain(&self.asked)
    }

    /// Draws on the quota for a request that another proxy is to send, and gives the token for it.
    ///
    /// # Errors
    /// [`Failure`] from the quota or the token engine.
    pub async fn lend(&self, token: TokenIndex, deadline: Instant) -> Result<Arc<Token>, Failure> {
        self.draw()?;
        self.token(self.handle(token), deadline).await
    }

    /// The token, without drawing on the quota: what is done with it is out of sight.
    ///
    /// # Errors
    /// [`Failure`] from the token engine.
    pub async fn hand_out(&self, token: TokenIndex, deadline: Instant) -> Result<Arc<Token>, Failure> {
        self.token(self.handle(token), deadline).await
    }

    /// Sends a request until there is an answer to hand on.
    ///
    /// # Errors
    /// [`Failure`] from the token engine, the quota or the upstream.
    pub async fn send(
        &self,
        sending: Sending<'_>,
        mut body: Prepared,
        record: &mut Record,
    ) -> Result<Answer, Failure> {
        let handle = self.handle(sending.token);
        let Sending { head, target, hidden, .. } = &sending;
        let outgoing = Outgoing { head, target: target.target(), hidden: *hidden, id: record.id.header() };
        self.retries.deposit();
        let (mut refreshed, mut tries) = (false, 0);
        loop {
            let token = self.token(handle, sending.deadline).await?;
            let Some(attempt) = body.attempt() else { return Err(UpstreamError::Spent.into()) };
            self.draw()?;
            tries += 1;
            record.attempts += 1;
            let tried = self.attempt(&sending, outgoing.with(token.header(), attempt), &token, record).await;
            let answer = match tried {
                Ok(answer) => answer,
                Err(error) => {
                    // Counted before, as a caller may leave in the middle.
                    record.attempts -= u32::from(error.is_unsent());
                    if let Some(failure) = body.failure() {
                        return Err(failure.into());
                    }
                    let again =
                        error.outcome().and_then(|outcome| self.again(&sending, outcome, &body, tries));
                    self.pause(again.ok_or(error)?, record).await;
                    continue;
                }
            };
            if answer.response.status() == StatusCode::UNAUTHORIZED {
                let refusal = refusal(answer).await;
                let rejection = handle.reject(token.generation());
                if !body.is_replayable() {
                    return Err(UpstreamError::TokenRejected(
                        refusal,
                        "the request was streamed, so it was not sent again",
                    )
                    .into());
                }
                let why = match (refreshed, rejection) {
                    (true, _) => Some("a new token did not help"),
                    (false, Rejection::Kept) => Some(
                        "so was the one before, a moment ago: another is not asked for yet (token.min_interval)",
                    ),
                    (false, _) => None,
                };
                if let Some(why) = why {
                    return Err(UpstreamError::TokenRejected(refusal, why).into());
                }
                refreshed = true;
                record.metrics().retried("401");
                continue;
            }
            self.heed(&answer);
            let outcome = Outcome::Answered(answer.response.status(), answer.response.headers());
            if let Some(again) = self.again(&sending, outcome, &body, tries) {
                self.pause(again, record).await;
                continue;
            }
            return valid(answer).map_err(Failure::from);
        }
    }

    async fn token(&self, handle: &TokenHandle, deadline: Instant) -> Result<Arc<Token>, Failure> {
        if let Some(token) = handle.current() {
            self.token_found[0].inc();
            return Ok(token);
        }
        self.token_found[1].inc();
        Ok(handle.get(deadline).await?)
    }

    fn draw(&self) -> Result<(), LimitError> {
        self.quota.take(Instant::now()).inspect(|()| self.quota_used.inc()).map_err(|wait| {
            LimitError::Quota { tenant: self.tenant.name.clone(), rate: self.tenant.quota, wait }
        })
    }

    async fn attempt(
        &self,
        sending: &Sending<'_>,
        request: http::Request<super::replay::RequestBody>,
        token: &Arc<Token>,
        record: &Record,
    ) -> Result<Answer, UpstreamError> {
        let started = Instant::now();
        let end = (started + self.timeouts.response).min(sending.deadline);
        let pool = &self.pools[sending.worker % self.pools.len()];
        let sent = tokio::time::timeout_at(end, pool.send(request)).await;
        record.cells.upstream_answered(started.elapsed().as_secs_f64());
        let error = match sent {
            Ok(Ok((response, lease))) => {
                self.trouble.over();
                return Ok(Answer { response, token: token.clone(), lease });
            }
            Ok(Err(error)) => UpstreamError::Unreachable(error),
            Err(_) if end == sending.deadline => UpstreamError::Deadline(self.timeouts.deadline),
            Err(_) => UpstreamError::Timeout(self.timeouts.response),
        };
        self.trouble.met(
            Instant::now(),
            match &error {
                UpstreamError::Unreachable(inner) => format!("{error}: {}", inner.cause()),
                _ => error.to_string(),
            },
        );
        Err(error)
    }

    fn again(
        &self,
        sending: &Sending<'_>,
        outcome: Outcome<'_>,
        body: &Prepared,
        tries: u32,
    ) -> Option<Again> {
        if !body.is_replayable() || outcome.reason(&sending.head.method, tries).is_none() {
            return None;
        }
        let wall = self.clock.now().wall;
        self.retries.again(&sending.head.method, tries, outcome, sending.deadline, wall, fastrand::f64())
    }

    async fn pause(&self, again: Again, record: &Record) {
        record.metrics().retried(again.reason);
        tokio::time::sleep(again.after).await;
    }

    /// An upstream that is told to slow down would only be told so again: everybody waits. Without a
    /// `Retry-After` a 429 is about one recipient of messages (fact 6.6) and nobody else's business.
    fn heed(&self, answer: &Answer) {
        if answer.response.status() == StatusCode::TOO_MANY_REQUESTS
            && let Some(wait) = retry_after(answer.response.headers(), self.clock.now().wall)
        {
            self.quota.pause(Instant::now(), wait.min(MAX_PAUSE));
        }
    }
}

/// Outside `/api` Logto answers 200 with a web page (fact 3.4): the base URL is wrong.
fn valid(answer: Answer) -> Result<Answer, UpstreamError> {
    let is_page = |headers: &HeaderMap| {
        headers.get(header::CONTENT_TYPE).is_some_and(|value| {
            value.as_bytes().get(..9).is_some_and(|start| start.eq_ignore_ascii_case(b"text/html"))
        })
    };
    if answer.response.status().is_success() && is_page(answer.response.headers()) {
        return Err(UpstreamError::Invalid("a web page (text/html)"));
    }
    Ok(answer)
}

/// Logto's code for a refused token, from the body of a 401.
async fn refusal(answer: Answer) -> &'static str {
    const KNOWN: [&str; 9] = [
        "ERR_JWT_EXPIRED",
        "ERR_JWT_CLAIM_VALIDATION_FAILED",
        "ERR_JWS_SIGNATURE_VERIFICATION_FAILED",
        "ERR_JWS_INVALID",
        "ERR_JWKS_NO_MATCHING_KEY",
        "ERR_JWKS_MULTIPLE_MATCHING_KEYS",
        "auth.jwt_sub_missing",
        "auth.authorization_token_type_not_supported",
        "auth.unauthorized",
    ];
    let body = http_body_util::Limited::new(answer.response.into_body(), MAX_REFUSAL).collect();
    let Ok(Ok(body)) = tokio::time::timeout(Duration::from_secs(5), body).await else {
        return "no reason given";
    };
    let body = body.to_bytes();
    drop(answer.lease);
    KNOWN
        .into_iter()
        .find(|code| memchr::memmem::find(&body, code.as_bytes()).is_some())
        .unwrap_or("no reason given")
}
