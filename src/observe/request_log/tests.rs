use std::{
    io,
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, HeaderValue, Method, StatusCode, uri::PathAndQuery};
use serde_json::{Value, json};

use super::*;
use crate::{
    config::{Origin, RuleText},
    ids::PolicyName,
    observe::{
        AnsweredBy, Details, Events, Metrics, OperationMetrics, Record, Recorder, RequestId, SecretsShown,
        Side, captured::Captured, log::paint::Paint,
    },
    policy::{decide::RuleSource, rules::Effect},
};

/// What is logged of requests, as `style` has it, with all levels or those from `level` on.
fn logged(level: Level, requests: impl FnOnce()) -> String {
    let lines = Captured::default();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_max_level(level)
        .with_writer(lines.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, requests);
    lines.text()
}

/// A request that was answered well but for `change`.
fn request(style: Style, log: LogRequests, caller: &str, change: impl FnOnce(&mut Record)) {
    let operation = Arc::new(OperationMetrics::new(Arc::new(Metrics::new()), caller, "acme", "ListUsers"));
    let id = RequestId::of(&HeaderMap::new(), |_| false, || 1);
    let events = Events::new(vec![Arc::new(RequestLog::new(style))]);
    let recorder = Arc::new(Recorder::new(events, log, |text| text == "a-key"));
    let mut record = Record::begin(id, Method::GET, operation, recorder, Instant::now());
    record.is_about(Some(&PathAndQuery::from_static("/api/users/a-key?search=ada")));
    (record.status, record.complete) = (StatusCode::OK, true);
    record.peer = Some("192.0.2.1:7".parse().unwrap());
    change(&mut record);
}

/// The line of a request of nobody, as JSON.
fn line(log: LogRequests, change: impl FnOnce(&mut Record)) -> Option<Value> {
    let text = logged(Level::DEBUG, || request(Style::Json, log, "", change));
    (!text.is_empty()).then(|| serde_json::from_str(&text).expect(&text))
}

#[test]
fn a_key_in_the_place_of_a_name_is_not_repeated() {
    let cause = "there is no tenant \"a-key\"; caller bob may use: acme";
    let line = line(LogRequests::All, |record| record.cause = Some(cause.into())).unwrap();
    assert_eq!(line["cause"], cause.replace("a-key", "[redacted]"));
}

#[test]
fn which_requests_have_a_line() {
    use LogRequests::{All, Auto, Failures, Off};
    assert!(line(All, |_| {}).is_some());
    for failures in [Failures, Auto] {
        assert!(line(failures, |_| {}).is_none());
        assert!(line(failures, |record| record.code = Some("claviger.not_permitted")).is_some());
        assert!(line(failures, |record| record.status = StatusCode::BAD_GATEWAY).is_some());
        assert!(line(failures, |record| record.complete = false).is_some());
    }
    assert!(line(Off, |record| record.code = Some("claviger.panic")).is_none());
    let human = Style::Human(Paint::Plain);
    let has_line = |log| !logged(Level::INFO, || request(human, log, "", |_| {})).is_empty();
    assert_eq!([Auto, All, Failures, Off].map(has_line), [true, true, false, false]);
}

#[test]
fn what_is_ours_is_a_warning_and_what_a_caller_did_is_not() {
    let level = |change: fn(&mut Record)| line(LogRequests::All, change).unwrap()["level"].take();
    assert_eq!(level(|_| {}), "INFO");
    let failed =
        |side| move |record: &mut Record| (record.code, record.side) = (Some("claviger.x"), Some(side));
    for (side, expected) in
        [(Side::Caller, "INFO"), (Side::Claviger, "WARN"), (Side::Issuer, "WARN"), (Side::Upstream, "WARN")]
    {
        let line = line(LogRequests::All, failed(side)).unwrap();
        assert_eq!((line["level"].as_str(), line["side"].as_str()), (Some(expected), Some(side.as_str())));
    }
    let answered = |status| {
        move |record: &mut Record| {
            record.answered_by = AnsweredBy::Upstream;
            record.status = StatusCode::from_u16(status).unwrap();
        }
    };
    for (status, expected) in [(200, "INFO"), (404, "INFO"), (422, "INFO"), (500, "WARN"), (503, "WARN")] {
        assert_eq!(line(LogRequests::All, answered(status)).unwrap()["level"], expected, "{status}");
    }
    assert_eq!(level(|record| record.complete = false), "INFO", "the caller left");
    assert_eq!(level(|record| record.quiet = true), "DEBUG");
    assert_eq!(
        level(|record| {
            (record.quiet, record.side, record.code) =
                (true, Some(Side::Claviger), Some("claviger.overloaded"));
        }),
        "DEBUG",
        "one of a flood"
    );
}

#[test]
fn what_is_in_a_line() {
    let long = "u".repeat(200);
    let told = line(LogRequests::All, |record| {
        record.method = Method::from_bytes(b"SECRET").unwrap();
        record.upstream_id = Some(HeaderValue::from_str(&long).unwrap());
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        record.trace = Some(HeaderValue::from_static(trace));
        (record.sent, record.attempts) = (12, 1);
        (record.code, record.side) = (Some("claviger.caller_unknown"), Some(Side::Caller));
        (record.cause, record.remedy) = (Some("it is".into()), Some("Do this.".into()));
        record.auth_method = Some("jwt");
    });
    let mut told = told.unwrap();
    assert!(told["duration_ms"].take().is_f64() && told["timestamp"].take().is_string());
    let expected = json!({
        "timestamp": null, "level": "INFO", "target": "claviger::request", "message": "request",
        "request_id": "1000000000000", "trace_id": "0af7651916cd43dd8448eb211c80319c", "auth_method": "jwt",
        "peer": "192.0.2.1:7", "tenant": "acme", "operation": "ListUsers", "method": "other",
        "path": "/api/users/[redacted]", "status": 200, "code": "claviger.caller_unknown", "side": "caller",
        "cause": "it is", "remedy": "Do this.", "source": "claviger", "attempts": 1, "duration_ms": null,
        "bytes": 12, "complete": true, "upstream_request_id": long[..128],
    });
    assert_eq!(told, expected);
    let cells = include_str!("../../../docs/logs.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let documented: Vec<_> = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    for member in told.as_object().unwrap().keys() {
        assert!(documented.contains(&member.as_str()), "docs/logs.md does not know {member}");
    }
    let sometimes =
        ["caller", "identified_by", "key", "issuer", "subject", "certificate", "via", "cache", "replayed"];
    let known = |member: &&str| told.get(*member).is_some() || sometimes.contains(member);
    assert!(documented.iter().all(known), "{documented:?}");
}

#[test]
fn an_answer_that_is_given_again_is_marked() {
    let replayed = |style| {
        logged(Level::INFO, || {
            request(style, LogRequests::All, "billing", |record| record.is_replayed = true)
        })
    };
    let json: Value = serde_json::from_str(&replayed(Style::Json)).unwrap();
    assert_eq!(json["replayed"], true);
    let human = replayed(Style::Human(Paint::Plain));
    assert!(human.contains("ListUsers  replayed"), "{human}");
}

#[test]
fn a_line_names_the_caller_and_how_it_was_identified() {
    let text = logged(Level::INFO, || {
        request(Style::Json, LogRequests::All, "billing", |record| {
            record.identified_by = Some("certificate");
            record.principal = Some(Principal::Certificate("spiffe://prod/billing".into()));
            (record.peer, record.peer_uid) = (None, Some(1001));
        });
    });
    let line: Value = serde_json::from_str(&text).unwrap();
    for (member, expected) in [
        ("caller", "billing"),
        ("identified_by", "certificate"),
        ("certificate", "spiffe://prod/billing"),
        ("peer", "uid 1001"),
    ] {
        assert_eq!(line[member], expected);
    }
    assert!(line.get("auth_method").is_none() && line.get("cause").is_none(), "{line}");
}

#[test]
fn a_line_that_no_filter_lets_through_costs_nothing() {
    let nothing = logged(Level::WARN, || {
        request(Style::Json, LogRequests::All, "billing", |record| {
            let log = RequestLog::json();
            assert!(!log.wants(record));
            record.status = StatusCode::INTERNAL_SERVER_ERROR;
            record.answered_by = AnsweredBy::Upstream;
            assert!(log.wants(record), "a warning");
            record.status = StatusCode::OK;
        });
    });
    assert_eq!(nothing, "");
}

fn rule(text: &str) -> Arc<RuleSource> {
    let rule = RuleText {
        text: text.into(),
        conditions: None,
        cache: None,
        origin: Origin::from("claviger.toml:7"),
    };
    Arc::new(RuleSource {
        effect: Effect::Allow,
        rule: Arc::new(rule),
        policy: PolicyName::parse("support").unwrap(),
    })
}

/// A session at a terminal, in `paint`.
fn session(paint: Paint) -> String {
    let messages = Captured::default();
    let show = |caller: &str, change: &dyn Fn(&mut Record)| {
        let text = logged(Level::INFO, || {
            request(Style::Human(paint), LogRequests::Auto, caller, |record| {
                record.details = Some(Box::new(Details::at(SystemTime::UNIX_EPOCH)));
                change(record);
                // As if it had taken this long.
                record.started -= record.duration;
            });
        });
        let line: Value = serde_json::from_str(&text).unwrap();
        io::Write::write_all(&mut messages.clone(), line["message"].as_str().unwrap().as_bytes()).unwrap();
        io::Write::write_all(&mut messages.clone(), b"\n").unwrap();
    };
    let answered = |record: &mut Record, status: u16, ms: u64| {
        record.answered_by = AnsweredBy::Upstream;
        record.status = StatusCode::from_u16(status).unwrap();
        (record.attempts, record.duration) = (1, Duration::from_millis(ms));
        record.details.as_mut().unwrap().rule = Some(rule("users:*"));
    };
    let refused =
        |record: &mut Record, status: u16, code: &'static str, side, cause: &str, remedy: &'static str| {
            record.status = StatusCode::from_u16(status).unwrap();
            (record.code, record.side) = (Some(code), Some(side));
            (record.cause, record.remedy) = (Some(cause.into()), Some(remedy.into()));
        };
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(
        async {
            tokio::time::advance(Duration::from_secs(100)).await;
            show("billing", &|record| {
                answered(record, 200, 12);
                record.details.as_mut().unwrap().secrets = Some(SecretsShown::Masked);
            });
            show("billing", &|record| {
                answered(record, 404, 3210);
                record.attempts = 3;
                record.is_about(Some(&PathAndQuery::from_static("/api/users/a-user-with-quite-a-long-id")));
                record.method = Method::DELETE;
            });
            show("billing", &|record| {
                record.identified_by = Some("certificate");
                record.principal = Some(Principal::Certificate("billing.internal".into()));
                let remedy = "To allow it, add \"ListUsers\" to policies.support.allow.";
                let cause = "no rule allows ListUsers";
                refused(record, 403, "claviger.not_permitted", Side::Caller, cause, remedy);
            });
            show("", &|record| {
                refused(record, 401, "claviger.caller_unknown", Side::Caller, "api\u{1b}[2Jkey", "Send one.");
            });
            show("billing", &|record| {
                record.identified_by = Some("loopback");
                let (cause, remedy) =
                    ("the issuer refused the token request (invalid_client)", "Look at the secret.");
                refused(record, 502, "claviger.credential_rejected", Side::Claviger, cause, remedy);
            });
            show("billing", &|record| {
                (record.complete, record.status) = (false, StatusCode::from_u16(499).unwrap());
                record.duration = Duration::from_secs(75);
            });
        },
    );
    messages.text()
}

/// What a session at a terminal looks like. The time, which stands in front of each first line, is the formatter's.
#[test]
fn what_a_terminal_shows() {
    assert_eq!(
        session(Paint::Plain),
        "\
200    12 ms  GET     /api/users/[redacted]?…     billing → acme  ListUsers  by users:*  secrets masked
404    3.2 s  DELETE  /api/users/a-user-with-quite-a-long-id  billing → acme  ListUsers  by users:*  3 attempts  answered by Logto
403   0.0 ms  GET     /api/users/[redacted]?…     billing → acme  ListUsers
                         claviger.not_permitted: no rule allows ListUsers
                         To allow it, add \"ListUsers\" to policies.support.allow.
                         request 1000000000000, by certificate billing.internal, from 192.0.2.1:7
401   0.0 ms  GET     /api/users/[redacted]?…     from 192.0.2.1:7  ListUsers
                         claviger.caller_unknown: api\\u{1b}[2Jkey
                         Send one.
                         request 1000000000000
502   0.0 ms  GET     /api/users/[redacted]?…     billing → acme  ListUsers
                         claviger.credential_rejected (claviger): the issuer refused the token request (invalid_client)
                         Look at the secret.
                         request 1000000000000, by loopback, from 192.0.2.1:7
499     75 s  GET     /api/users/[redacted]?…     billing → acme  ListUsers  the caller left
"
    );
}

#[test]
fn colours_change_nothing_but_colours() {
    let coloured = session(Paint::Colours);
    let first = "\u{1b}[32m200\u{1b}[0m  \u{1b}[2m  12 ms\u{1b}[0m  \u{1b}[1mGET   \u{1b}[0m  /api/users/[redacted]?…     billing → acme";
    assert!(coloured.starts_with(first), "{coloured:?}");
    for (what, painted) in [
        ("a slow one", "\u{1b}[33m  3.2 s\u{1b}[0m"),
        ("a refusal", "\u{1b}[33mclaviger.not_permitted\u{1b}[0m: no rule"),
        ("one of ours", "\u{1b}[1;31mclaviger.credential_rejected\u{1b}[0m (claviger)"),
    ] {
        assert!(coloured.contains(painted), "{what}: {coloured:?}");
    }
    let (mut plain, mut rest) = (String::new(), coloured.as_str());
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    plain.push_str(rest);
    assert_eq!(plain, session(Paint::Plain));
}

#[test]
fn what_does_not_fit_goes_below() {
    let operation = Arc::new(OperationMetrics::new(Arc::new(Metrics::new()), "billing", "acme", "ListUsers"));
    let id = RequestId::of(&HeaderMap::new(), |_| false, || 1);
    let recorder = Arc::new(Recorder::new(Events::default(), LogRequests::Auto, |_| false));
    let mut record = Record::begin(id, Method::GET, operation, recorder, Instant::now());
    record.status = StatusCode::FORBIDDEN;
    record.complete = true;
    record.path = Some("/api/users/a-user-with-a-long-id".into());
    (record.code, record.side) = (Some("claviger.not_permitted"), Some(Side::Caller));
    record.cause = Some("ListUsers is denied by deny \"users:*\" of policy support (claviger.toml:7)".into());
    let line = Line { event: &record, paint: Paint::Plain, width: 72 };
    assert_eq!(
        line.to_string(),
        "\
403   0.0 ms  GET     /api/users/a-user-with-a-long-id
                         billing → acme  ListUsers
                         claviger.not_permitted: ListUsers is denied by
                         deny \"users:*\" of policy support
                         (claviger.toml:7)
                         request 1000000000000"
    );
    assert!(line.to_string().lines().all(|line| line.chars().count() <= 72));
}
