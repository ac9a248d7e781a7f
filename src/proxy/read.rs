//! How a read is answered that others may ask as well: with an answer that is kept, with one that is on its way, or by sending it for all of
//! them. The answer that others are given came through the filter with the same masking, and each of them was authenticated,
//! authorised and admitted before it gets here. What is sent goes on when its caller leaves and others wait for it.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderValue, Request, Response, header, request::Parts, response};
use hyper::body::Incoming;
use tokio::{
    runtime::Handle,
    time::{Instant, timeout_at},
};

use super::{
    error::Failure,
    pipeline::Pipeline,
    reads::{
        AsItCame, Followers, Found, Joined, Kept, Landing, Lead, Read, Reads, Said, headers_for_another,
    },
};
use crate::{
    headers::{self, CACHE_STATUS},
    limit::{Admitted, Dispatch, LimitError},
    listen::Connection,
    observe::{AnsweredBy, Apart, CacheUse, Record},
    reply::{self, Body},
    upstream::{self, FilteredBody, Gathered, Outbound, Prepared, Tenant, WholeAnswer},
};

/// How long the leader of a read waits for the rest of an answer that has begun, so that others can be given it.
const PATIENCE: Duration = Duration::from_millis(250);

/// All that it takes to send a read and to tell what came of it, whoever is still there then.
struct Fetch {
    dispatch: Dispatch<Tenant>,
    body: Prepared,
    head: Parts,
    worker: usize,
    deadline: Instant,
    /// `timeouts.body`, `limits.shared_answer`
    idle: Duration,
    most: usize,
    apart: Apart,
    lead: Lead,
    read: Read,
    reads: Arc<Reads>,
    stale: Option<Arc<Kept>>,
}

/// What came of it, for the caller that led it; with the head of its request, which was lent.
struct Fetched {
    answer: Result<Came, Failure>,
    said: Said,
    head: Parts,
}

/// An answer.
enum Came {
    Whole(WholeAnswer),
    Streamed(response::Parts, Box<FilteredBody>),
}

impl Pipeline {
    /// Answers a read like others that ask the same.
    pub(super) async fn read(
        &self,
        connection: &Connection,
        admitted: Admitted<Tenant>,
        mut read: Read,
        (head, body): (&mut Parts, Incoming),
        record: &mut Record,
    ) -> Result<Response<Body>, Failure> {
        loop {
            let stale = match self.reads.find(&read, Instant::now()) {
                Found::Good(kept, age, ttl) => {
                    self.used(CacheUse::Hit, record);
                    let mut response = self.shared(connection, head, &read, (admitted, kept.answer()));
                    let headers = response.headers_mut();
                    headers.insert(header::AGE, age.as_secs().into());
                    let status = format!("claviger; hit; ttl={}", ttl.as_secs());
                    headers.append(CACHE_STATUS, HeaderValue::try_from(status).unwrap_or(HIT));
                    return Ok(response);
                }
                Found::Stale(kept) => Some(kept),
                Found::Nothing => None,
            };
            let mut landing = match self.reads.join(&read, &self.config.limits) {
                Joined::Leads(lead) => {
                    return self.lead(connection, admitted, (read, lead, stale), (head, body), record).await;
                }
                Joined::Follows(landing) => landing,
            };
            let deadline = record.started + self.config.timeouts.deadline;
            let landed = tokio::select! {
                biased;
                landed = timeout_at(deadline, landing.wait_for(|it| !matches!(it, Landing::UnderWay))) => landed,
                () = connection.standing.has_had_its_time() => return Err(LimitError::Connections.into()),
            };
            let landed = landed.map_err(|_| Failure::InFlightTimeout(self.config.timeouts.deadline))?;
            match landed.map(|landing| landing.clone()) {
                Ok(Landing::Answer(answer)) => {
                    self.used(CacheUse::Collapsed, record);
                    let mut response = self.shared(connection, head, &read, (admitted, &answer));
                    response.headers_mut().append(CACHE_STATUS, COLLAPSED);
                    return Ok(response);
                }
                Ok(Landing::Failure(failure)) => return Err(Failure::Shared(failure)),
                Ok(Landing::Alone) => {
                    return Box::pin(self.exchange(connection, admitted, head, body, record)).await;
                }
                // Who led it has gone, and nothing is on its way: somebody else leads.
                Ok(Landing::UnderWay) | Err(_) => read.again(),
            }
        }
    }

    /// Sends a read for all who ask the same.
    async fn lead(
        &self,
        connection: &Connection,
        admitted: Admitted<Tenant>,
        (read, lead, stale): (Read, Lead, Option<Arc<Kept>>),
        (head, body): (&mut Parts, Incoming),
        record: &mut Record,
    ) -> Result<Response<Body>, Failure> {
        let deadline = record.started + self.config.timeouts.deadline;
        let tenant = admitted.tenant().clone();
        // Nothing is on its way yet: when its caller leaves, another sends it. All who wait are of the same caller.
        let (dispatch, body) = match self.prepare(connection, admitted, head, body, deadline, record).await {
            Ok(prepared) => prepared,
            Err(failure) => return Err(lead.failed(failure)),
        };
        lead.is_sent();
        let sent_to = dispatch.target().target().clone();
        let (apart, followers) = (record.apart(), lead.followers());
        let attempts = Attempts { of: record, apart: apart.clone() };
        let fetch = Fetch {
            dispatch,
            body,
            head: std::mem::replace(head, nothing()),
            worker: connection.worker,
            deadline,
            idle: self.config.timeouts.body,
            most: self.config.limits.shared_answer,
            apart,
            lead,
            read,
            reads: self.reads.clone(),
            stale,
        };
        let fetched = GoingOn { fetching: Some(fetch.run()), followers }.await;
        *head = fetched.head;
        drop(attempts);
        let mut response = match fetched.answer? {
            Came::Whole(answer) => Response::from(answer).map(Body::whole),
            Came::Streamed(answered, body) => Response::from_parts(answered, Body::streamed(body)),
        };
        if let Some((used, status)) = fetched.said {
            record.cache = Some(used);
            response.headers_mut().append(CACHE_STATUS, HeaderValue::from_static(status));
        }
        let base = || self.base(connection.scheme, head);
        reply::rebuild(response.headers_mut(), base, &sent_to, tenant.endpoint());
        record.answered_by = AnsweredBy::Upstream;
        Ok(response)
    }

    /// An answer that came for another request, for this one.
    fn shared(
        &self,
        connection: &Connection,
        head: &Parts,
        read: &Read,
        (admitted, answer): (Admitted<Tenant>, &WholeAnswer),
    ) -> Response<Body> {
        let (tenant, held) = (admitted.tenant().clone(), admitted.into_held());
        let mut headers = headers_for_another(answer);
        reply::rebuild(&mut headers, || self.base(connection.scheme, head), read.target(), tenant.endpoint());
        // What its request holds it holds until the answer was taken.
        let mut response = Response::new(Body::whole(answer.data()));
        if let Some(held) = held {
            response.body_mut().hold(held);
        }
        (*response.status_mut(), *response.headers_mut()) = (answer.status(), headers);
        response
    }

    fn used(&self, used: CacheUse, record: &mut Record) {
        self.reads.count(used);
        (record.answered_by, record.cache) = (AnsweredBy::Cache, Some(used));
    }
}

const HIT: HeaderValue = HeaderValue::from_static("claviger; hit");
const COLLAPSED: HeaderValue = HeaderValue::from_static("claviger; fwd=miss; collapsed");

/// What is left of a request's head while it is lent.
fn nothing() -> Parts {
    Request::new(()).into_parts().0
}

impl Fetch {
    /// As a future that owns all of it. What it holds is used where it is: to take it apart first would be to copy it once more.
    fn run(mut self) -> Fetching {
        Box::pin(async move {
            let stale = self.stale.as_deref();
            let asked_with = stale.and_then(|kept| Some((kept, self.read.validator(kept)?)));
            if let Some((_, validator)) = &asked_with {
                self.head.headers.insert(header::IF_NONE_MATCH, validator.clone());
            }
            let outbound = Outbound { head: &self.head, worker: self.worker, deadline: self.deadline };
            let sending = async {
                let mut answer = upstream::send(self.dispatch, outbound, self.body, &mut self.apart).await?;
                let headers = answer.headers_mut();
                let as_it_came = AsItCame::of(headers);
                headers::hand_on(headers);
                let (answered, body) = answer.filtered(&self.head, self.idle).await?;
                let gathered = match self.read.is_kept() || self.lead.is_followed() {
                    true => body.gathered(answered, self.most, PATIENCE).await?,
                    false => Gathered::Streamed(answered, body),
                };
                Ok::<_, Failure>((as_it_came, gathered))
            };
            let (answer, said) = match sending.await {
                Ok((as_it_came, Gathered::Whole(answer))) => {
                    let stale = asked_with.as_ref().map(|(kept, _)| *kept);
                    let (answer, said) =
                        self.reads.arrived(&self.read, answer, as_it_came, stale, Instant::now());
                    self.lead.land(|| match as_it_came.may_be_shared(&answer) {
                        true => Landing::Answer(Arc::new(answer.clone())),
                        false => Landing::Alone,
                    });
                    (Ok(Came::Whole(answer)), said)
                }
                Ok((_, Gathered::Streamed(answered, body))) => {
                    self.lead.land(|| Landing::Alone);
                    (Ok(Came::Streamed(answered, body)), self.reads.passed(&self.read))
                }
                Err(failure) => (Err(self.lead.failed(failure)), None),
            };
            if asked_with.is_some() {
                self.head.headers.remove(header::IF_NONE_MATCH);
            }
            Fetched { answer, said, head: self.head }
        })
    }
}

/// How often a read was sent, for the record of the caller that led it, however far that has come when it leaves.
struct Attempts<'r> {
    of: &'r mut Record,
    apart: Apart,
}

impl Drop for Attempts<'_> {
    fn drop(&mut self) {
        self.of.attempts += self.apart.attempts();
    }
}

type Fetching = Pin<Box<dyn Future<Output = Fetched> + Send>>;

/// A read that is being sent. When its caller leaves, it goes on for as long as others wait for it.
struct GoingOn {
    fetching: Option<Fetching>,
    followers: Followers,
}

impl Future for GoingOn {
    type Output = Fetched;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Fetched> {
        let Some(fetching) = &mut self.fetching else { return Poll::Pending };
        let fetched = std::task::ready!(fetching.as_mut().poll(cx));
        self.fetching = None;
        Poll::Ready(fetched)
    }
}

impl Drop for GoingOn {
    fn drop(&mut self) {
        let Some(fetching) = self.fetching.take().filter(|_| self.followers.are_there()) else { return };
        let followers = self.followers.clone();
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                tokio::select! {
                    _ = fetching => {}
                    () = followers.have_left() => {}
                }
            });
        }
    }
}
