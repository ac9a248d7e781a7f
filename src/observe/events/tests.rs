use std::sync::Mutex;

use http::{HeaderMap, Method, StatusCode, uri::PathAndQuery};
use tokio::time::Instant;

use super::*;
use crate::{
    config::LogRequests,
    observe::{Details, Metrics, OperationMetrics, Outcome, Record, Recorder, RequestId, RequestLog, Side},
};

fn record(number: u64, events: &Events, log: LogRequests) -> Record {
    let operation = Arc::new(OperationMetrics::new(Arc::new(Metrics::new()), "billing", "acme", "ListUsers"));
    let id = RequestId::of(&HeaderMap::new(), |_| false, || number);
    let recorder = Arc::new(Recorder::new(events.clone(), log, |_| false));
    let mut record = Record::begin(id, Method::GET, operation, recorder, Instant::now());
    record.is_about(Some(&PathAndQuery::from_static("/api/users?page=2")));
    (record.status, record.complete) = (StatusCode::OK, true);
    record
}

fn request(number: u64, events: &Events) {
    drop(record(number, events, LogRequests::Off));
}

fn room(capacity: usize) -> NonZeroUsize {
    NonZeroUsize::new(capacity).unwrap()
}

#[tokio::test]
async fn a_tool_gets_events_in_order_and_loses_what_finds_no_room() {
    let events = Events::default();
    let (mut tool, mut other) = (events.subscribe(room(2)), events.subscribe(room(8)));
    for number in 0..5 {
        request(number, &events);
    }
    assert_eq!((tool.lost(), other.lost()), (3, 0));
    let first = tool.next().await.unwrap();
    assert_eq!((first.operation.caller(), first.status), ("billing", StatusCode::OK));
    assert_eq!(first.id.as_str(), "0000000000000");
    assert_eq!(tool.next().await.unwrap().id.as_str(), "1000000000000");
    request(5, &events);
    assert_eq!(tool.next().await.unwrap().id.as_str(), "5000000000000", "there is room again");
    assert_eq!(tool.lost(), 3);
    for number in 0..6 {
        assert_eq!(other.next().await.unwrap().id.as_str(), format!("{number}000000000000"));
    }
    drop(events);
    assert!(tool.next().await.is_none(), "the stream is gone");
}

#[test]
fn who_drops_a_subscription_is_told_nothing_more() {
    let events = Events::default();
    assert!(!events.need_details());
    let (one, two) = (events.subscribe(room(1)), events.subscribe(room(1)));
    assert!(events.need_details());
    drop(one);
    assert_eq!(events.0.tools.load().len(), 1);
    request(1, &events);
    request(2, &events);
    assert_eq!(two.lost(), 1);
    drop(two);
    assert!(!events.need_details());
    assert!(events.0.tools.load().is_empty());
}

/// Remembers the ids of all requests.
#[derive(Default)]
struct Ids(Mutex<Vec<String>>);

impl Subscriber for Ids {
    fn needs_details(&self) -> bool {
        true
    }

    fn wants(&self, _event: &RequestEvent) -> bool {
        true
    }

    fn receive(&self, event: &RequestEvent) {
        self.0.lock().unwrap().push(event.id.as_str().to_owned());
    }
}

#[test]
fn a_fixed_subscriber_gets_every_event_and_says_whether_it_needs_details() {
    let ids = Arc::new(Ids::default());
    let events = Events::new(vec![Arc::new(RequestLog::json()), ids.clone()]);
    assert!(events.need_details() && !Events::new(vec![Arc::new(RequestLog::json())]).need_details());
    request(1, &events);
    request(2, &events);
    assert_eq!(*ids.0.lock().unwrap(), ["1000000000000", "2000000000000"]);
}

#[test]
fn an_event_that_nobody_wants_allocates_nothing() {
    let events = Events::new(vec![Arc::new(RequestLog::json())]);
    // The first answer of a kind makes its counter.
    let warm = record(0, &events, LogRequests::Failures);
    let operation = warm.operation.clone();
    drop(warm);
    let mut fine = record(1, &events, LogRequests::Failures);
    fine.operation = operation;
    let measured = allocation_counter::measure(move || drop(fine));
    assert_eq!(measured.count_total, 0, "{measured:?}");
    let tool = events.subscribe(room(1));
    request(2, &events);
    let mut full = record(3, &events, LogRequests::Failures);
    let measured =
        allocation_counter::measure(|| events.publish(&mut full, |_| unreachable!("nobody has room")));
    assert_eq!((measured.count_total, tool.lost()), (0, 1), "a tool without room costs no copy");
}

#[tokio::test]
async fn a_tool_is_shown_what_was_asked_and_what_decided() {
    let events = Events::default();
    let mut tool = events.subscribe(room(2));
    let mut refused = record(1, &events, LogRequests::Off);
    refused.details = Some(Box::new(Details::at(std::time::SystemTime::UNIX_EPOCH)));
    refused.identified_by = Some("loopback");
    (refused.code, refused.side) = (Some("claviger.not_permitted"), Some(Side::Caller));
    refused.cause = Some("no rule allows ListUsers".into());
    drop(refused);
    let event = tool.next().await.unwrap();
    assert_eq!((event.path.as_deref(), event.has_query), (Some("/api/users"), true));
    assert_eq!((event.identified_by, event.outcome()), (Some("loopback"), Outcome::Denied));
    assert!(!event.needs_attention());
    assert_eq!(event.cause.as_deref(), Some("no rule allows ListUsers"));
}
