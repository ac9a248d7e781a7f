//! `/events`: requests as they end, as server-sent events, for the page and for `curl -N`. A reader that is slow
//! loses events and is told how many; it never slows a request down. Ends when the process drains, and when another
//! `admin.token` is asked for. While somebody reads, requests gather what the audit log would.

use std::{
    num::NonZeroUsize,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};
use serde_json::json;
use tokio::{sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    Admin,
    reply::{Body, answer, text},
};
use crate::{
    listen::tls::dates::date,
    observe::{RequestEvent, ShownRule, Subscription},
};

/// Events that wait for a reader.
const ROOM: NonZeroUsize = NonZeroUsize::new(256).expect("256 is not zero");
/// Between two parts of the stream: a reader has at most as many events a second as find room in this time.
const PAUSE: Duration = Duration::from_millis(200);
/// Without an event there is a sign of life.
const BEAT: Duration = Duration::from_secs(15);
/// How long a reader may take for a part.
const PATIENCE: Duration = Duration::from_secs(30);

/// A place among the readers.
struct Reader(Arc<Admin>);

impl Admin {
    /// The stream, or why there is none.
    pub(super) fn events(self: &Arc<Self>, method: &Method) -> Response<Body> {
        let (to, parts) = mpsc::channel(1);
        if method != Method::HEAD {
            let Some(reader) = self.reader() else {
                let remedy = "`admin.readers` allows no more readers: close another page, or raise it\n";
                let mut refused = text(StatusCode::SERVICE_UNAVAILABLE, remedy);
                refused.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("10"));
                return refused;
            };
            let (events, draining) = (self.shared.events.subscribe(ROOM), self.health.draining());
            let token = self.token_digest();
            tokio::spawn(async move {
                let is_allowed = || reader.0.token_digest() == token;
                feed(events, &to, &draining, is_allowed).await;
            });
        }
        answer(StatusCode::OK, "text/event-stream", Body::Stream(parts))
    }

    fn reader(self: &Arc<Self>) -> Option<Reader> {
        let most = self.pipeline.load().config().admin.readers;
        let enter = |readers| (readers < most).then_some(readers + 1);
        self.readers.fetch_update(Relaxed, Relaxed, enter).ok()?;
        Some(Reader(self.clone()))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.readers.fetch_sub(1, Relaxed);
    }
}

/// Hands on what happens, until nobody takes it, or may.
async fn feed(
    mut events: Subscription,
    to: &mpsc::Sender<Bytes>,
    draining: &CancellationToken,
    is_allowed: impl Fn() -> bool,
) {
    let mut told = 0;
    let mut part = String::from("retry: 3000\n\n");
    loop {
        if !matches!(timeout(PATIENCE, to.send(part.into())).await, Ok(Ok(()))) {
            return;
        }
        part = String::new();
        tokio::select! {
            biased;
            () = draining.cancelled() => {
                let end = Bytes::from_static(b"event: end\ndata: \"draining\"\n\n");
                let _gone: Result<_, _> = timeout(PATIENCE, to.send(end)).await;
                return;
            }
            () = to.closed() => return,
            event = timeout(BEAT, events.next()) => match event {
                Ok(Some(event)) => write(&mut part, &event),
                Ok(None) => return,
                Err(_) => part.push_str(":\n\n"),
            },
        }
        if !is_allowed() {
            return;
        }
        tokio::time::sleep(PAUSE).await;
        while let Some(event) = events.take() {
            write(&mut part, &event);
        }
        let lost = events.lost();
        if lost != told {
            part.push_str(&format!("event: lost\ndata: {lost}\n\n"));
            told = lost;
        }
    }
}

fn write(part: &mut String, event: &RequestEvent) {
    part.push_str(&format!("data: {}\n\n", shown(event)));
}

/// What happened to a request, as far as it is known: no query, no body, no credential.
fn shown(event: &RequestEvent) -> serde_json::Value {
    let (names, details) = (&event.operation, event.details.as_deref());
    let status = event.status.as_u16();
    json!({
        "time": details.map(|details| date(details.time)),
        "request_id": event.id.as_str(),
        "caller": some(names.caller()),
        "identified_by": event.identified_by.or(event.auth_method),
        "peer": event.peer.map(|peer| peer.to_string()).or_else(|| event.peer_uid.map(|uid| format!("uid {uid}"))),
        "tenant": some(names.tenant()),
        "operation": some(names.operation()),
        "method": event.shown_method(),
        "path": event.path.as_deref(),
        "via": event.via,
        "status": status,
        "source": event.answered_by.as_str(),
        "outcome": event.outcome(),
        "code": event.code,
        "reason": event.cause,
        "remedy": event.remedy,
        "rule": details.and_then(|details| details.rule.as_deref()).map(ShownRule::of),
        "attempts": event.attempts,
        "duration_ms": event.duration_ms(),
        "bytes": event.sent,
        "complete": event.complete,
    })
}

fn some(name: &str) -> Option<&str> {
    Some(name).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};
    use tokio::time::Instant;

    use super::*;
    use crate::{
        config::LogRequests,
        observe::{Events, Metrics, OperationMetrics, Record, Recorder, RequestId},
    };

    fn request(number: u64, events: &Events) {
        let operation = OperationMetrics::new(Arc::new(Metrics::new()), "billing", "acme", "ListUsers");
        let id = RequestId::of(&HeaderMap::new(), |_| false, || number);
        let recorder = Recorder::new(events.clone(), LogRequests::Off, |_| false);
        drop(Record::begin(id, Method::GET, Arc::new(operation), Arc::new(recorder), Instant::now()));
    }

    fn opened(events: &Events, room: usize) -> (mpsc::Receiver<Bytes>, CancellationToken) {
        let (to, parts) = mpsc::channel(1);
        let (subscription, draining) =
            (events.subscribe(NonZeroUsize::new(room).unwrap()), CancellationToken::new());
        let end = draining.clone();
        tokio::spawn(async move { feed(subscription, &to, &end, || true).await });
        (parts, draining)
    }

    async fn part(parts: &mut mpsc::Receiver<Bytes>) -> String {
        String::from_utf8(parts.recv().await.unwrap().to_vec()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn what_finds_no_room_is_counted_and_told() {
        let events = Events::default();
        let (mut parts, _) = opened(&events, 2);
        assert_eq!(part(&mut parts).await, "retry: 3000\n\n");
        (0..5).for_each(|number| request(number, &events));
        let told = part(&mut parts).await;
        assert_eq!(told.matches("data: {").count(), 2, "{told}");
        assert!(told.ends_with("event: lost\ndata: 3\n\n"), "{told}");
        request(6, &events);
        let told = part(&mut parts).await;
        assert!(
            told.contains("\"request_id\":\"6000000000000\"") && !told.contains("lost"),
            "told once: {told}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_takes_nothing_is_left_and_whoever_waits_is_shown_a_sign_of_life() {
        let events = Events::default();
        let (mut parts, _) = opened(&events, 1);
        part(&mut parts).await;
        for _ in 0..10 {
            assert_eq!(part(&mut parts).await, ":\n\n");
        }
        tokio::time::sleep(3 * BEAT + PATIENCE).await;
        assert!(!events.need_details(), "it left, and requests no longer gather anything for it");
        part(&mut parts).await;
        assert!(parts.recv().await.is_none());
        let (mut parts, _) = opened(&events, 1);
        part(&mut parts).await;
        assert!(events.need_details());
        drop(parts);
        tokio::time::sleep(PAUSE).await;
        assert!(!events.need_details(), "the reader left");
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_when_the_process_drains() {
        let events = Events::default();
        let (mut parts, draining) = opened(&events, 1);
        part(&mut parts).await;
        draining.cancel();
        assert_eq!(part(&mut parts).await, "event: end\ndata: \"draining\"\n\n");
        assert!(parts.recv().await.is_none());
    }
}
