//! The reserved paths `/__emulator/…` for users of `claviger emulate`, as the module documentation lists them.
//!
//! Decides nothing of its own: it turns JSON into calls of the Rust interface.

use std::{sync::atomic::Ordering, time::Duration};

use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::{
    answer::{Answer, Family},
    body::Payload,
    faults,
    jwt::Algorithm,
    record::{Recorded, TenantName},
    shared::Shared,
};

pub(crate) fn answer(shared: &Shared, method: &Method, path: &str, payload: &Payload) -> Answer {
    let answer = match (method.as_str(), path) {
        ("GET", "/__emulator/faults") => Answer::ok(&shared.faults.armed()),
        ("PUT", "/__emulator/faults") => match faults::read(&payload.bytes) {
            Ok(faults) => {
                shared.faults.set(faults);
                Answer::no_content()
            }
            Err(error) => wrong(&error),
        },
        ("DELETE", "/__emulator/faults") => {
            shared.faults.clear();
            Answer::no_content()
        }
        ("GET", "/__emulator/recorded") => recorded(shared),
        ("DELETE", "/__emulator/recorded") => {
            shared.recorder.clear();
            Answer::no_content()
        }
        ("POST", "/__emulator/rotate-keys") => {
            let now = shared.now_ms() / 1000;
            let mut world = shared.world();
            let tenant = &mut world.default;
            let id = tenant.store.new_id(21);
            match tenant.keys.rotate(Algorithm::Es384, id, now) {
                Ok(()) => Answer::no_content(),
                Err(error) => wrong(&error),
            }
        }
        ("PUT", "/__emulator/token-ttl") => {
            let asked = serde_json::from_slice::<Value>(&payload.bytes).ok();
            match asked.as_ref().and_then(|asked| asked.get("seconds")).and_then(Value::as_u64) {
                Some(seconds) => {
                    shared.world().token_ttl = Duration::from_secs(seconds);
                    Answer::no_content()
                }
                None => wrong(&"seconds must be a whole number"),
            }
        }
        (
            _,
            "/__emulator/faults"
            | "/__emulator/recorded"
            | "/__emulator/rotate-keys"
            | "/__emulator/token-ttl",
        ) => Answer::text(StatusCode::METHOD_NOT_ALLOWED),
        _ => Answer::text(StatusCode::NOT_FOUND),
    };
    answer.family(Family::NoOrigin).without_etag().with(header::CACHE_CONTROL, "no-store")
}

fn wrong(reason: &dyn std::fmt::Display) -> Answer {
    let body = json!({ "code": "emulator.invalid", "message": reason.to_string() });
    Answer::json(StatusCode::BAD_REQUEST, &body)
}

fn recorded(shared: &Shared) -> Answer {
    let requests: Vec<Value> = shared.recorder.recorded().iter().map(request).collect();
    let surprises = shared.recorder.surprises();
    let surprises: Vec<Value> = surprises
        .iter()
        .map(|surprise| json!({ "number": surprise.number, "what": surprise.what }))
        .collect();
    Answer::ok(&json!({
        "requests": requests,
        "surprises": surprises,
        "grants": shared.grants.load(Ordering::SeqCst),
        "tokenRequests": shared.token_requests.load(Ordering::SeqCst),
        "apiRequests": shared.api_requests.load(Ordering::SeqCst),
        "connections": shared.connections.load(Ordering::SeqCst),
    }))
}

fn request(recorded: &Recorded) -> Value {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers: Vec<Value> =
        recorded.headers.iter().map(|(name, value)| json!([name, text(value)])).collect();
    json!({
        "number": recorded.number,
        "connection": recorded.connection,
        "method": recorded.method,
        "target": recorded.target_text(),
        "headers": headers,
        "tenant": match recorded.tenant { TenantName::Default => "default", TenantName::Admin => "admin" },
        "bodyLength": recorded.body_len,
        "body": text(&recorded.body),
        "status": recorded.status,
    })
}
