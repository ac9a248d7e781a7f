//! A request with an `Idempotency-Key`, which is sent once however often it comes. It is read whole before anything is drawn on,
//! goes on when its caller has left, and its outcome is remembered for its repeats. What is sent at all was permitted,
//! admitted and dispatched as any other; a repeat is permitted and admitted, and draws on no quota.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header, request, request::Parts};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::{
    error::{CreationError, Failure},
    pipeline::Pipeline,
    underway::Task,
};
use crate::{
    catalog::SUBSCRIBE_TENANT,
    headers,
    idempotency::{Asked, Begun, Claim, IdempotencyError, Key, NotKept, Outcome, Purpose},
    limit::{Admitted, Dispatch, LimitError},
    listen::Connection,
    observe::{AnsweredBy, Apart, Record},
    policy::{Action, PermittedOperation, Tenant as _},
    reply::{self, Body},
    upstream::{self, Extent, KeptAnswer, Outbound, Prepared, Tenant, Whole},
};

/// The first of a key that is a repeat of nothing.
const FIRST: &str = "first";
const REPLAYED: &str = "replayed";

/// What becomes of a request with a key.
enum Next {
    Send(Begun, Dispatch<Tenant>, Prepared),
    Answer(Response<Bytes>),
}

/// A request on its way out, which its caller may leave.
struct Sending {
    begun: Begun,
    dispatch: Dispatch<Tenant>,
    body: Prepared,
    head: request::Parts,
    worker: usize,
    deadline: Instant,
    idle: Duration,
    /// The most bytes of an answer that is kept; `None` where it is not to be kept, however small.
    most: Option<usize>,
    task: Task,
}

impl Pipeline {
    /// The key of a request that is sent once, where it has one. Of subscriptions Logto Cloud keeps the keys itself, so that a
    /// repeat is safe there whatever is known here.
    pub(super) fn key_of(admitted: &Admitted<Tenant>, head: &Parts) -> Result<Option<Key>, IdempotencyError> {
        match admitted.action() {
            Action::Forward(operation) if operation.name() != SUBSCRIBE_TENANT => {
                Key::of(&head.method, &head.headers)
            }
            _ => Key::none(&head.headers),
        }
    }

    /// Sends a request, if no other had its key; else answers as the first one was answered, or says why not.
    pub(super) async fn once(
        &self,
        key: &Key,
        connection: &Connection,
        admitted: Admitted<Tenant>,
        head: &Parts,
        body: Incoming,
        record: &mut Record,
    ) -> Result<Response<Body>, Failure> {
        let Action::Forward(operation) = admitted.action() else { return Err(Failure::Panic) };
        let (tenant, target) = (admitted.tenant().clone(), operation.target().clone());
        let most = (!operation.reveals_secrets()).then_some(self.config.limits.idempotency_answer);
        let deadline = record.started + self.config.timeouts.deadline;
        let next = {
            let next = std::pin::pin!(self.next(key, admitted, head, body, deadline, record));
            connection.standing.in_time(next).await.unwrap_or(Err(LimitError::Connections.into()))?
        };
        let mut answer = match next {
            Next::Answer(answer) => answer.map(Body::whole),
            Next::Send(begun, dispatch, body) => {
                let mut head = head.clone();
                // A repeat may take another coding; every caller takes the answer as it is.
                head.headers.remove(header::ACCEPT_ENCODING);
                let (worker, idle) = (connection.worker, self.config.timeouts.body);
                let what = format!("a request with an Idempotency-Key, of the tenant {}", tenant.name());
                let task = self.underway.begin(what);
                let sending = Sending { begun, dispatch, body, head, worker, deadline, idle, most, task };
                let apart = record.apart();
                let sent = tokio::spawn(sending.run(apart.clone())).await;
                record.attempts += apart.attempts();
                let answer = sent.map_err(|_| Failure::Panic)?;
                record.answered_by = AnsweredBy::Upstream;
                answer?
            }
        };
        reply::rebuild(
            answer.headers_mut(),
            || self.base(connection.scheme, head),
            &target,
            tenant.endpoint(),
        );
        Ok(answer)
    }

    async fn next(
        &self,
        key: &Key,
        mut admitted: Admitted<Tenant>,
        head: &Parts,
        body: Incoming,
        deadline: Instant,
        record: &mut Record,
    ) -> Result<Next, Failure> {
        let body = self.read_body(&mut admitted, Extent::Whole, head, body, deadline).await?;
        let Action::Forward(operation) = admitted.action() else { return Err(Failure::Panic) };
        let claimed = self.claim(key, &admitted, operation, head, body.held(), record).await?;
        let kept = match claimed {
            Ok(begun) => {
                return match self.enter(admitted, head, body.held(), deadline, record).await {
                    Ok(dispatch) => Ok(Next::Send(begun, dispatch, body)),
                    Err(refused) => {
                        begun.settle(Outcome::NotSent).await;
                        Err(refused)
                    }
                };
            }
            Err(kept) => kept,
        };
        let Some(mut answer) = kept.again(operation, head, body.held().unwrap_or_default())? else {
            return Err(IdempotencyError::NotKept { status: kept.status(), why: NotKept::MaskedNow }.into());
        };
        answer.headers_mut().insert(headers::IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
        record.metrics().idempotency.of([&REPLAYED]).inc();
        (record.answered_by, record.is_replayed) = (AnsweredBy::Cache, true);
        Ok(Next::Answer(answer))
    }

    /// Claims the key of a request; of a repeat that was answered, the answer.
    async fn claim(
        &self,
        key: &Key,
        admitted: &Admitted<Tenant>,
        operation: &PermittedOperation,
        head: &Parts,
        body: Option<&[u8]>,
        record: &Record,
    ) -> Result<Result<Begun, Arc<KeptAnswer>>, Failure> {
        let caller = &self.config.callers[admitted.caller().index().0].name;
        let (tenant, target) = (admitted.tenant().name(), operation.target());
        let endpoint = admitted.tenant().endpoint().to_string();
        let endpoint = endpoint.as_str();
        let digests =
            Asked { caller, tenant, endpoint, key, head, target, body: body.unwrap_or_default() }.digests();
        let (now, limits) = (record.started, &self.config.limits);
        let deadline = now + self.config.timeouts.deadline;
        let only_asks = head.headers.contains_key(headers::CLAVIGER_REPLAY);
        let purpose = if only_asks { Purpose::Ask } else { Purpose::Send };
        match self.idempotency.claim(caller, digests, now, deadline, limits, purpose).await? {
            Claim::First(ticket) => {
                record.metrics().idempotency.of([&FIRST]).inc();
                Ok(Ok(Begun::new(self.idempotency.clone(), ticket)))
            }
            Claim::Answered(kept) => Ok(Err(kept)),
        }
    }

    /// What it takes to send a tenant's creation, as [`Pipeline::prepare`] has it, with its key claimed if it has one.
    pub(super) async fn prepare_creation(
        &self,
        connection: &Connection,
        mut admitted: Admitted<Tenant>,
        head: &Parts,
        body: Incoming,
        deadline: Instant,
        record: &mut Record,
    ) -> Result<(Option<Begun>, Dispatch<Tenant>, Prepared), Failure> {
        let preparing = async {
            let body = self.read_body(&mut admitted, Extent::Whole, head, body, deadline).await?;
            let begun = match (Self::key_of(&admitted, head)?, admitted.action()) {
                (Some(key), Action::Forward(operation)) => {
                    let claimed = self.claim(&key, &admitted, operation, head, body.held(), record).await?;
                    let not_kept = |kept: Arc<KeptAnswer>| IdempotencyError::NotKept {
                        status: kept.status(),
                        why: NotKept::OfCreation,
                    };
                    Some(claimed.map_err(not_kept)?)
                }
                _ => None,
            };
            let dispatch = self.enter(admitted, head, body.held(), deadline, record).await?;
            Ok((begun, dispatch, body))
        };
        let preparing = std::pin::pin!(preparing);
        connection.standing.in_time(preparing).await.unwrap_or(Err(LimitError::Connections.into()))
    }
}

impl Sending {
    /// Sends it, and remembers what became of it, whoever is still there to hear of it.
    async fn run(self, mut apart: Apart) -> Result<Response<Body>, Failure> {
        let Self { mut begun, dispatch, body, head, worker, deadline, idle, most, task: _task } = self;
        begun.is_sent();
        let outbound = Outbound { head: &head, worker, deadline };
        let mut answer = match upstream::send(dispatch, outbound, body, &mut apart).await {
            Ok(answer) => answer,
            Err(error) => {
                let unknown = error.may_have_been_carried_out();
                begun.settle(if unknown { Outcome::Unknown } else { Outcome::NotSent }).await;
                return Err(error.into());
            }
        };
        let status = answer.status();
        headers::hand_on(answer.headers_mut());
        // The tenant did not take it: a repeat is to try again.
        let most = most.filter(|_| status != StatusCode::TOO_MANY_REQUESTS);
        let streamed = |head, body| Response::from_parts(head, Body::streamed(body));
        let (answered, outcome) = match most {
            Some(most) => match answer.whole(&head, idle, most, deadline).await {
                Ok(Whole::Kept(answer, kept)) => {
                    (Ok(Response::from(answer).map(Body::whole)), Outcome::Answered(kept))
                }
                Ok(Whole::Streamed(head, body)) => {
                    let why = if Instant::now() < deadline { NotKept::TooLarge } else { NotKept::TooSlow };
                    (Ok(streamed(head, body)), Outcome::NotKept(status, why))
                }
                Err(error) => (Err(error), Outcome::NotKept(status, NotKept::BrokeOff)),
            },
            None => {
                let filtered = answer.filtered(&head, idle).await;
                let outcome = match status {
                    StatusCode::TOO_MANY_REQUESTS => Outcome::NotSent,
                    _ => Outcome::NotKept(status, NotKept::InClear),
                };
                (filtered.map(|(head, body)| streamed(head, body)), outcome)
            }
        };
        begun.settle(outcome).await;
        Ok(answered?)
    }
}

/// What is remembered of a tenant's creation, by what came of it.
pub(super) fn outcome_of_creation(failure: Option<&Failure>) -> Outcome {
    match failure {
        None => Outcome::NotKept(StatusCode::CREATED, NotKept::OfCreation),
        Some(Failure::Creation(CreationError::NotStored { .. } | CreationError::Unknown { .. })) => {
            Outcome::Unknown
        }
        Some(Failure::Upstream(error)) if error.may_have_been_carried_out() => Outcome::Unknown,
        Some(_) => Outcome::NotSent,
    }
}
