//! Out and back: the loop over tries, and the only place that joins a token to a request or lets one go.

use std::{sync::Arc, time::Duration};

use http::{HeaderValue, StatusCode, header};
use http_body_util::BodyExt as _;
use tokio::time::Instant;

use super::{
    answer::Answer,
    attempt::{Tried, attempt, failed},
    error::UpstreamError,
    foreign::Foreign,
    health::TryFailure,
    replay::Prepared,
    request::{Outbound, Outgoing},
    retry::{Again, Outcome, retry_after},
    tenant::Tenant,
    throttle::heed,
};
use crate::{
    filter, headers,
    ids::OperationId,
    limit::{Dispatch, Handout, Limited as _, Loan, TriedInVain, Turn},
    observe::Sends,
    policy::TokenSpec,
    token::{Rejection, Token, TokenHandle},
};

/// As much of a 401's body as is read to learn why; the caller never sees it (behaviour 26).
const MAX_REFUSAL: usize = 16 * 1024;
/// A request is sent again with one new token; with two, where the first had been replaced before it was refused.
const MOST_RENEWALS: u32 = 2;
/// How long that may take.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(5);

/// Draws on the quota for a request that another proxy is to send, and gives the token for it.
///
/// # Errors
/// [`UpstreamError`] from the quota or the token engine.
pub async fn lend(loan: Loan<Tenant>, deadline: Instant) -> Result<Arc<Token>, UpstreamError> {
    let mut permit = loan.tenant().quota().pace(loan.turn(), loan.operation(), deadline).await?;
    let token = token(loan.tenant(), loan.token(), deadline).await?;
    permit.sent();
    Ok(token)
}

/// The token, without drawing on the quota: what is done with it is out of sight.
///
/// # Errors
/// [`UpstreamError`] from the token engine.
pub async fn hand_out(handout: Handout<Tenant>, deadline: Instant) -> Result<Arc<Token>, UpstreamError> {
    token(handout.tenant(), handout.token(), deadline).await
}

async fn token(tenant: &Tenant, spec: &TokenSpec, deadline: Instant) -> Result<Arc<Token>, UpstreamError> {
    current(tenant, tenant.token(spec).ok_or(UpstreamError::NoSuchToken)?, deadline).await
}

async fn current(
    tenant: &Tenant,
    handle: &TokenHandle,
    deadline: Instant,
) -> Result<Arc<Token>, UpstreamError> {
    let [found, waited] = &tenant.common().token_found;
    if let Some(token) = handle.current() {
        found.inc();
        return Ok(token);
    }
    waited.inc();
    Ok(handle.get(deadline).await?)
}

/// Sends a request until there is an answer to hand on.
///
/// # Errors
/// [`UpstreamError`] from the token engine, the quota or the upstream.
pub async fn send(
    mut dispatch: Dispatch<Tenant>,
    outbound: Outbound<'_>,
    mut body: Prepared,
    record: &mut dyn Sends,
) -> Result<Answer, UpstreamError> {
    let (mut permit, mut probe) = (dispatch.take_permit(), dispatch.take_probe());
    let what = (dispatch.turn(), dispatch.operation());
    let tenant = dispatch.tenant().clone();
    let handle = tenant.token(dispatch.token()).ok_or(UpstreamError::NoSuchToken)?;
    let outgoing = Outgoing {
        head: outbound.head,
        target: dispatch.target(),
        masking: dispatch.masking(),
        compression: tenant.config().compression,
        takes_key: tenant.config().is_account(),
        id: record.id().header(),
    };
    tenant.retries().deposit();
    body = body.entering(dispatch.place());
    let (mut write, mut renewals, mut tries, mut looks) = (None, 0, 0, 0);
    loop {
        let token = current(&tenant, handle, outbound.deadline).await?;
        let Some(whole) = body.attempt() else { return Err(UpstreamError::Spent) };
        let mut permit = match permit.take() {
            Some(permit) => permit,
            None => tenant.quota().again(dispatch.turn(), dispatch.operation(), outbound.deadline).await?,
        };
        permit.sent();
        tries += 1;
        record.is_sent();
        write = write.or_else(|| tenant.writes().begin_with(&outbound.head.method));
        let request = outgoing.with(token.header(), whole);
        let tried = attempt(&tenant, what, &outbound, request, probe.take(), record).await;
        let (response, connection) = match tried {
            Ok(answer) => answer,
            Err((error, unread)) => {
                if error.is_unsent() {
                    record.was_unsent();
                    permit.unsent();
                }
                // Given back before anything is waited for.
                drop(permit);
                if let Some(failure) = body.failure() {
                    return Err(failure.into());
                }
                if let Some(unread) = unread {
                    body.take_back(unread);
                }
                if let Some(again) = look_again(&tenant, what, &outbound, &error, looks, record) {
                    (looks, tries) = (looks + 1, tries - 1);
                    pause(again, record).await;
                    continue;
                }
                let again =
                    error.outcome().and_then(|outcome| again(&tenant, &outbound, outcome, &body, tries));
                let again = again.ok_or_else(|| error.tried_again_in(tenant.circuit().status().next_try));
                pause(again?, record).await;
                continue;
            }
        };
        let foreign = Foreign::of(response.status(), response.headers(), dispatch.operation());
        if let Some(foreign) = foreign.filter(|it| !it.may_pass()) {
            return Err(noted(&tenant, TryFailure::Invalid, UpstreamError::Foreign(foreign, None)));
        }
        if response.status() == StatusCode::UNAUTHORIZED {
            let refusal = refusal((response, connection), &tenant.config().client_id, token.header()).await;
            let rejection = handle.reject(token.generation());
            if let Some(why) = why_not_again(&body, renewals, rejection) {
                let error = match tenant.config() {
                    config if config.is_account() => UpstreamError::AccountRefused(config.name.clone()),
                    _ => UpstreamError::TokenRejected(refusal, why),
                };
                return Err(noted(&tenant, TryFailure::TokenRejected, error));
            }
            // One that had been replaced already was not new: another try with the next one is left.
            renewals += if rejection == Rejection::Superseded { 1 } else { MOST_RENEWALS };
            record.operation().metrics().retries.of([&"401"]).inc();
            continue;
        }
        let mut response = response;
        let is_used_up = heed(&tenant, dispatch.operation(), &mut response, foreign).await;
        let outcome = match is_used_up {
            true => Outcome::NotTaken,
            false => Outcome::Answered(response.status(), response.headers()),
        };
        if let Some(again) = again(&tenant, &outbound, outcome, &body, tries) {
            pause(again, record).await;
            continue;
        }
        if let Some(foreign) = foreign {
            let wait = retry_after(response.headers(), tenant.common().clock.now().wall);
            let error = UpstreamError::Foreign(foreign, wait);
            // A 5xx was told where it was tried.
            return Err(if foreign.is_of_gateway() {
                error
            } else {
                noted(&tenant, TryFailure::Invalid, error)
            });
        }
        if is_used_up {
            // Logto does not say when, and our own count knows.
            let wait = tenant.quota().expected(dispatch.turn(), 0);
            response.headers_mut().insert(header::RETRY_AFTER, whole_seconds(wait).into());
        }
        if let Err(what) = headers::settle_length(response.headers_mut()) {
            return Err(noted(&tenant, TryFailure::Invalid, UpstreamError::Invalid(what)));
        }
        if response.status() == StatusCode::FORBIDDEN {
            tenant.health().forbidden();
        }
        if let Some(write) = write {
            write.answered(response.status());
        }
        return Ok(Answer::new(response, connection, token, handle, dispatch));
    }
}

/// Rounded up, and no less than one.
fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

/// Records for `/status` that the upstream's response was invalid.
fn noted(tenant: &Tenant, kind: TryFailure, error: UpstreamError) -> UpstreamError {
    tenant.health().failed(Instant::now(), kind, error.to_string());
    error
}

/// An upstream that refuses connections is waited for: nothing was sent. Those who wait keep their places among the tenant's
/// requests, so they are bounded, and so is the line behind them. Once it has refused for as long as it is waited for, it is the circuit
/// breaker's: while that is open nobody waits.
fn look_again(
    tenant: &Tenant,
    what: (Turn, OperationId),
    outbound: &Outbound<'_>,
    error: &UpstreamError,
    looks: u32,
    record: &dyn Sends,
) -> Option<Again> {
    if !error.is_refusal() || !tenant.circuit().is_closed() {
        return None;
    }
    let retries = tenant.retries();
    let now = Instant::now();
    let since = tenant.health().refused(now, retries.patience());
    if since == now {
        let (tenant, most) = (tenant.config(), retries.patience());
        tracing::warn!(tenant = %tenant.name, endpoint = %tenant.endpoint, most = %humantime::format_duration(most),
            "connection refused: requests wait for the upstream");
    }
    let after = retries.look_again(looks, since, outbound.deadline, fastrand::f64());
    if after.is_none() && retries.is_patience_over(since, now) {
        failed(tenant, what, TriedInVain::Unconnected, record);
    }
    Some(Again { after: after?, reason: "refused" })
}

/// Why a request whose token was refused is not sent with another one; `None` where it is.
fn why_not_again(body: &Prepared, renewals: u32, rejection: Rejection) -> Option<&'static str> {
    match (body.is_replayable(), renewals >= MOST_RENEWALS, rejection) {
        (false, ..) => Some("the request was streamed, so it was not sent again"),
        (true, true, _) => Some("a new token did not help"),
        (true, false, Rejection::Kept) => {
            Some("so was the one before, a moment ago: another is not asked for yet (token.min_interval)")
        }
        (true, false, Rejection::Forgotten | Rejection::Superseded) => None,
    }
}

fn again(
    tenant: &Tenant,
    outbound: &Outbound<'_>,
    outcome: Outcome<'_>,
    body: &Prepared,
    tries: u32,
) -> Option<Again> {
    let method = &outbound.head.method;
    if !body.is_replayable() || outcome.reason(method, tries).is_none() {
        return None;
    }
    if !tenant.circuit().is_closed() {
        return None;
    }
    let wall = tenant.common().clock.now().wall;
    tenant.retries().again(method, tries, outcome, outbound.deadline, wall, fastrand::f64())
}

async fn pause(again: Again, record: &dyn Sends) {
    record.operation().metrics().retries.of([&again.reason]).inc();
    tokio::time::sleep(again.after).await;
}

/// What the upstream says of a request whose token did not reach it, in the operator's terms.
const STRIPPED: &str = "no Authorization header reached it: a proxy between Claviger and Logto takes it out, and has to pass it on";
/// The same where something else reached it.
const REPLACED: &str = "another Authorization header than Claviger's reached it: a proxy between Claviger and Logto replaces it, and has to pass it on";

/// Logto's code for a refused token, from the body of a 401; or that it was not `sent`, the token of the application `client_id`.
async fn refusal((response, connection): Tried, client_id: &str, sent: &HeaderValue) -> &'static str {
    const KNOWN: [&str; 8] = [
        "ERR_JWT_EXPIRED",
        "ERR_JWT_CLAIM_VALIDATION_FAILED",
        "ERR_JWS_SIGNATURE_VERIFICATION_FAILED",
        "ERR_JWS_INVALID",
        "ERR_JWKS_NO_MATCHING_KEY",
        "ERR_JWKS_MULTIPLE_MATCHING_KEYS",
        "auth.jwt_sub_missing",
        "auth.unauthorized",
    ];
    const NONE: &str = "no reason given";
    let (head, body) = response.into_parts();
    let body = http_body_util::Limited::new(body, MAX_REFUSAL).collect();
    let Ok(Ok(body)) = tokio::time::timeout(REFUSAL_PATIENCE, body).await else { return NONE };
    let body = filter::beginning(&head.headers, body.to_bytes());
    drop(connection);
    let says = |code: &str| memchr::memmem::find(&body, code.as_bytes()).is_some();
    if says("auth.authorization_header_missing") {
        return STRIPPED;
    }
    // The claims of the token that it read are in what it says of them (fact 2.2).
    let is_anothers = says("\"payload\"") && !says(client_id);
    let is_no_jwt = says("ERR_JWS_INVALID") && sent.as_bytes().starts_with(b"Bearer eyJ");
    if is_anothers || is_no_jwt || says("auth.authorization_token_type_not_supported") {
        return REPLACED;
    }
    KNOWN.into_iter().find(|code| says(code)).unwrap_or(NONE)
}
