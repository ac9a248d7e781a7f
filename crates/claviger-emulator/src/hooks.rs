//! Webhooks, which show their signing key and headers (fact 7). The emulator never calls one.

use serde_json::{Value, json};

use crate::{
    answer::Answer,
    call::Call,
    check::{self, Kind, Need},
    errors::{ApiError, Outcome},
    store::Hook,
};

pub(crate) fn run(operation: &str, call: &mut Call<'_>) -> Option<Outcome> {
    Some(match operation {
        "ListHooks" => {
            let (store, lister, _) = call.lister();
            lister.list(store.hooks.iter().rev().collect())
        }
        "CreateHook" => create(call),
        "GetHook" => hook(call).map(|row| Answer::ok(row)),
        "UpdateHook" => update(call),
        "UpdateHookSigningKey" => rotate(call),
        "DeleteHook" => delete(call),
        "ListHookRecentLogs" => {
            if let Err(error) = hook(call) {
                return Some(Err(error));
            }
            let (_, lister, _) = call.lister();
            lister.list(Vec::<Value>::new())
        }
        _ => return None,
    })
}

fn hook<'a>(call: &'a mut Call<'_>) -> Result<&'a mut Hook, ApiError> {
    let id = call.param(0).to_owned();
    let found = call.store.hooks.iter_mut().find(|row| row.id == id);
    found.ok_or_else(|| ApiError::no_such("hooks", &id))
}

fn create(call: &mut Call<'_>) -> Outcome {
    let body = call.body();
    let rules = [
        ("name", Need::Optional, Kind::Text),
        ("events", Need::Optional, Kind::Texts),
        ("config", Need::Required, Kind::Object),
        ("enabled", Need::Optional, Kind::Flag),
    ];
    check::object(&body, &rules)?;
    call.store.room("hooks", call.store.hooks.len())?;
    let row = Hook {
        tenant_id: call.store.tenant,
        id: call.store.new_id(21),
        name: body.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
        event: None,
        events: body.get("events").cloned().unwrap_or_else(|| json!([])),
        config: body.get("config").cloned().unwrap_or_default(),
        signing_key: call.store.new_secret(),
        enabled: body.get("enabled").and_then(Value::as_bool).unwrap_or(true),
        created_at: call.now,
    };
    let answer = Answer::created(&row);
    call.store.hooks.push(row);
    Ok(answer)
}

fn update(call: &mut Call<'_>) -> Outcome {
    let body = call.body();
    let rules = [
        ("name", Need::Optional, Kind::Text),
        ("events", Need::Optional, Kind::Texts),
        ("config", Need::Optional, Kind::Object),
        ("enabled", Need::Optional, Kind::Flag),
    ];
    check::object(&body, &rules)?;
    let row = hook(call)?;
    if let Some(name) = body.get("name").and_then(Value::as_str) {
        row.name = name.to_owned();
    }
    if let Some(events) = body.get("events") {
        row.events = events.clone();
    }
    if let Some(config) = body.get("config") {
        row.config = config.clone();
    }
    row.enabled = body.get("enabled").and_then(Value::as_bool).unwrap_or(row.enabled);
    Ok(Answer::ok(row))
}

fn rotate(call: &mut Call<'_>) -> Outcome {
    let fresh = call.store.new_secret();
    let row = hook(call)?;
    row.signing_key = fresh;
    Ok(Answer::ok(row))
}

fn delete(call: &mut Call<'_>) -> Outcome {
    let id = hook(call)?.id.clone();
    call.store.hooks.retain(|row| row.id != id);
    Ok(Answer::no_content())
}
