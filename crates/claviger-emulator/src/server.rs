//! Connections: accepts, runs hyper on each, applies the faults and writes the answers.
//!
//! Hands every request to `dispatch` (or `control`), and records it before that. It must never decide what Logto
//! would answer, only whether and how the answer leaves.

use std::{
    convert::Infallible,
    io,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::{
    answer::Answer,
    body::Payload,
    control, dispatch,
    faults::{Effect, Target},
    quota,
    received::Received,
    record::{Recorded, TenantName},
    shared::Shared,
    wire::{Control, Wire},
};

type Outgoing = UnsyncBoxBody<Bytes, io::Error>;

/// Ends a connection without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection ends without an answer")]
struct Dropped;

pub(crate) async fn accept(listener: TcpListener, shared: Arc<Shared>, stop: CancellationToken) {
    loop {
        let stream = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                // Out of file descriptors: give the others a moment to close.
                Err(_) => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                }
            },
        };
        let shared = Arc::clone(&shared);
        let stop = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = connection(stream, shared) => {}
            }
        });
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    let number = shared.connections.fetch_add(1, Ordering::SeqCst) + 1;
    let _ = stream.set_nodelay(true);
    let control = Arc::new(Control::default());
    let wire = Wire::new(stream, Arc::clone(&control));
    let keep_alive = shared.keep_alive;
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        let control = Arc::clone(&control);
        async move { serve(&shared, &control, number, request).await }
    });
    // In hyper the time for the head is also the idle time of a kept connection (fact 8.2: 6 s); and Node allows
    // 16 KiB for the head, then answers 431 (fact 5.4).
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(keep_alive)
        .max_buf_size(16 * 1024)
        .max_headers(1000)
        .title_case_headers(true)
        .serve_connection(TokioIo::new(wire), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(target: "emulator", %error, connection = number, "connection ended");
    }
}

async fn serve(
    shared: &Shared,
    control: &Arc<Control>,
    connection: usize,
    request: Request<Incoming>,
) -> Result<Response<Outgoing>, Dropped> {
    let (parts, incoming) = request.into_parts();
    let raw = control.take_head(parts.method.as_str());
    let path = parts.uri.path().to_owned();

    if path.starts_with("/__emulator/") {
        let payload = Payload::collect(incoming).await.ok_or(Dropped)?;
        control.skip_body(None);
        let answer = control::answer(shared, &parts.method, &path, &payload);
        return Ok(respond(answer, &parts.method, &parts.headers, None, control));
    }

    let tenant = dispatch::tenant(shared, &parts.headers);
    let (target, headers) = match raw {
        Some(raw) => (raw.target, raw.headers),
        None => (parts.uri.to_string().into_bytes(), parsed_headers(&parts.headers)),
    };
    let number = shared.recorder.head(Recorded {
        number: 0,
        connection,
        method: parts.method.to_string(),
        target,
        headers,
        tenant,
        body_len: 0,
        body: Vec::new(),
        status: None,
    });
    surprises(shared, number, &parts.headers, tenant);

    let on = target_of(&path);
    match on {
        Target::Token => shared.token_requests.fetch_add(1, Ordering::SeqCst),
        Target::Api => shared.api_requests.fetch_add(1, Ordering::SeqCst),
        Target::Any => 0,
    };
    let payload = Payload::collect(incoming).await.ok_or(Dropped)?;
    control.skip_body(payload.declared(&parts.headers));
    shared.recorder.body(number, &payload.bytes, payload.len);

    let applied = shared.faults.apply(on, parts.method.as_str(), &path);
    if !applied.latency.is_zero() {
        tokio::time::sleep(applied.latency).await;
    }
    let answer = match &applied.effect {
        Some(Effect::Answer { status, headers, body }) => Answer::scripted(*status, headers, body),
        Some(Effect::Close) => return Err(Dropped),
        Some(Effect::Reset) => {
            control.reset();
            return Err(Dropped);
        }
        Some(Effect::BlackHole) => match std::future::pending::<Infallible>().await {},
        _ if shared.bucket.as_ref().is_some_and(|bucket| !bucket.draw()) => quota::too_many(),
        _ => dispatch::answer(
            shared,
            Received {
                number,
                tenant,
                method: &parts.method,
                version: parts.version,
                uri: &parts.uri,
                headers: &parts.headers,
                payload: &payload,
            },
        ),
    };
    shared.recorder.status(number, answer.status.as_u16());
    Ok(respond(answer, &parts.method, &parts.headers, applied.effect, control))
}

fn parsed_headers(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect()
}

fn target_of(path: &str) -> Target {
    match path.trim_end_matches('/') {
        "/oidc/token" => Target::Token,
        "/api" => Target::Api,
        _ if path.starts_with("/api/") => Target::Api,
        _ => Target::Any,
    }
}

/// Headers that a proxy has to keep away from Logto (facts 2.8, 2.9, 3.1, 3.2).
fn surprises(shared: &Shared, number: usize, headers: &HeaderMap, tenant: TenantName) {
    if tenant == TenantName::Admin {
        shared.recorder.surprise(number, "the Host chose the admin tenant");
    }
    for name in
        ["development-user-id", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-for", "forwarded"]
    {
        if headers.contains_key(name) {
            shared.recorder.surprise(number, format!("header {name}"));
        }
    }
    if headers.get_all(header::AUTHORIZATION).iter().count() > 1 {
        shared.recorder.surprise(number, "two Authorization headers");
    }
}

fn respond(
    answer: Answer,
    method: &Method,
    request: &HeaderMap,
    effect: Option<Effect>,
    control: &Arc<Control>,
) -> Response<Outgoing> {
    let closing = request.get(header::CONNECTION).is_some_and(|value| value.as_bytes() == b"close");
    let (mut parts, body) = answer.finish(method, request).into_parts();
    if !closing && !parts.headers.contains_key(header::CONNECTION) {
        parts.headers.insert(header::CONNECTION, header::HeaderValue::from_static("keep-alive"));
        parts.headers.insert("keep-alive", header::HeaderValue::from_static("timeout=5"));
    }
    let body = match effect {
        Some(Effect::Truncate { after }) => cut(&mut parts.headers, body, after, None),
        Some(Effect::TruncateReset { after }) => {
            cut(&mut parts.headers, body, after, Some(Arc::clone(control)))
        }
        Some(Effect::Drip { bytes, every_ms }) => {
            declare(&mut parts.headers, &body);
            drip(body, bytes.max(1), Duration::from_millis(every_ms))
        }
        Some(Effect::CloseAfterAnswer) => ending(body, Arc::clone(control)),
        _ if body.is_empty() && parts.status == StatusCode::NO_CONTENT => {
            http_body_util::Empty::new().map_err(|never| match never {}).boxed_unsync()
        }
        // As Node does: a chunked body without a chunk.
        _ if parts.status == StatusCode::EXPECTATION_FAILED => {
            StreamBody::new(stream::empty()).boxed_unsync()
        }
        // Logto compresses as it sends.
        _ if parts.headers.contains_key(header::CONTENT_ENCODING) => {
            StreamBody::new(stream::iter([Ok(Frame::data(body))])).boxed_unsync()
        }
        _ => Full::new(body).map_err(|never| match never {}).boxed_unsync(),
    };
    Response::from_parts(parts, body)
}

fn declare(headers: &mut HeaderMap, body: &Bytes) {
    headers.insert(header::CONTENT_LENGTH, header::HeaderValue::from(body.len()));
}

/// Declares the whole body, sends its beginning, then fails; hyper closes the connection on that.
fn cut(headers: &mut HeaderMap, body: Bytes, after: usize, reset: Option<Arc<Control>>) -> Outgoing {
    declare(headers, &body);
    let first = body.slice(..after.min(body.len()));
    let steps = stream::unfold((0_u8, first, reset), |(step, first, reset)| async move {
        if step == 0 {
            return Some((Ok(Frame::data(first.clone())), (1, first, reset)));
        }
        // Hyper writes out what it has when the body makes it wait.
        tokio::task::yield_now().await;
        if let Some(control) = &reset {
            control.reset();
        }
        Some((Err(io::Error::other("cut on purpose")), (1, first, reset)))
    });
    StreamBody::new(steps).boxed_unsync()
}

fn drip(body: Bytes, piece: usize, every: Duration) -> Outgoing {
    let pieces = stream::unfold(body, move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(every).await;
        let next = rest.split_to(piece.min(rest.len()));
        Some((Ok(Frame::data(next)), rest))
    });
    StreamBody::new(pieces).boxed_unsync()
}

/// Ends the connection when hyper is done with the body.
fn ending(body: Bytes, control: Arc<Control>) -> Outgoing {
    struct OnDrop(Arc<Control>);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            self.0.end();
        }
    }
    let guard = OnDrop(control);
    Full::new(body)
        .map_err(move |never| {
            let _ = &guard;
            match never {}
        })
        .boxed_unsync()
}
