//! What is done to every request before and after the pipeline. It begins the record, turns a panic into one
//! 500, and sees to it that every answer carries the request id, says which web pages may read it, and is recorded.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderValue, Request, Response, Version, header};
use http_body::Body as _;
use hyper::body::Incoming;

use super::{error::Failure, pipeline::Pipeline, problem};
use crate::{
    activity::Busy,
    headers,
    limit::LimitError,
    listen::{Connection, Handler},
    observe::{AnsweredBy, RequestId},
    reply::Body,
};

/// Answers with a body on one connection before anybody has authenticated on it: what more there are come without.
const MOST_ANSWERS: usize = 8;
/// What one of our own answers takes until its caller has taken it, with its task and its record. An estimate, in bytes.
const ANSWER: u64 = 6 * 1024;

/// Answers every request by the pipeline that is in force when it comes.
#[derive(Debug)]
pub struct Service {
    pipeline: Arc<ArcSwap<Pipeline>>,
    leaving: Arc<AtomicBool>,
}

impl Service {
    /// By this pipeline, and those that it will be replaced with. Once `leaving` is set, callers are told to open no request on
    /// connections that they keep: one that is closed while a request is on its way costs its caller that request.
    pub fn new(pipeline: Arc<ArcSwap<Pipeline>>, leaving: Arc<AtomicBool>) -> Self {
        Self { pipeline, leaving }
    }
}

impl Handler for Service {
    type Body = Body;

    async fn handle(
        &self,
        connection: &Connection,
        request: Request<Incoming>,
        busy: Busy,
    ) -> Response<Body> {
        let pipeline: Arc<Pipeline> = self.pipeline.load_full();
        let keeps_by_itself = request.version() < Version::HTTP_2;
        let id = RequestId::of(request.headers(), |id| pipeline.gives_away(id), || fastrand::u64(..));
        let page = pipeline.hosts().origins().listed(request.headers()).cloned();
        let mut record = Box::new(pipeline.record(connection, &request, id, busy.since));
        let handled =
            AssertUnwindSafe(pipeline.handle(connection, request, &mut record)).catch_unwind().await;
        let result = handled.unwrap_or_else(|_| {
            record.metrics().panics.inc();
            Err(Failure::Panic)
        });
        let is_failed = result.is_err();
        let mut response = match result {
            Ok(response) => response,
            Err(failure) => problem::answer(failure.itself(), &mut record),
        };
        // An answer of our own, or one that is given again, waits for its reader, and holds what it holds as long; over HTTP/2 there may be many at a time.
        let mut held = None;
        let is_too_many = match connection.standing.caller() {
            None => busy.under_way() > MOST_ANSWERS,
            Some(caller)
                if !keeps_by_itself && (record.answered_by == AnsweredBy::Claviger || record.is_replayed) =>
            {
                held = caller.hold(ANSWER);
                held.is_none()
            }
            Some(_) => false,
        };
        if is_too_many && !response.body().is_end_stream() {
            // Without its body only a failure still says what it is.
            if !is_failed {
                let failure = match connection.standing.caller() {
                    Some(memory) => LimitError::Memory { caller: memory.caller().clone() },
                    None => LimitError::Unauthenticated,
                };
                record.is_replayed = false;
                response = problem::answer(&Failure::from(failure), &mut record);
            }
            *response.body_mut() = Body::whole(Bytes::new());
            response.headers_mut().remove(header::CONTENT_TYPE);
        }
        response.headers_mut().insert(headers::X_REQUEST_ID, record.id.header());
        pipeline.hosts().origins().mark(page, response.headers_mut());
        // HTTP/2 has a frame for it, which comes with the drain.
        if keeps_by_itself && self.leaving.load(Relaxed) {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        record.status = response.status();
        if record.answered_by == AnsweredBy::Upstream {
            record.upstream_id = response.headers().get(headers::LOGTO_REQUEST_ID).cloned();
        }
        let body = response.body_mut();
        body.record(record, busy);
        if let Some(held) = held {
            body.hold(held);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes<F>(_: fn(&'static Service, &'static Connection, Request<Incoming>, Busy) -> F) -> usize {
        size_of::<F>()
    }

    /// Every connection of HTTP/1.1 has room for it from its first moment to its last.
    #[test]
    fn what_a_request_takes_while_it_is_answered_does_not_creep() {
        let bytes = bytes(|service, connection, request, busy| service.handle(connection, request, busy));
        assert!(bytes <= 7 * 1024, "{bytes} bytes");
    }
}
