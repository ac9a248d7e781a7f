//! Audit logs: one row for each token request (fact 1.10).

use serde_json::Value;

use crate::{
    answer::Answer,
    call::Call,
    errors::{ApiError, Outcome},
};

pub(crate) fn run(operation: &str, call: &mut Call<'_>) -> Option<Outcome> {
    Some(match operation {
        "ListLogs" => list(call),
        "GetLog" => {
            let id = call.param(0);
            let row = call.store.logs.iter().find(|row| row.id == id);
            row.map(Answer::ok).ok_or_else(|| ApiError::no_such("logs", id))
        }
        _ => return None,
    })
}

fn list(call: &mut Call<'_>) -> Outcome {
    let wanted = |name: &str| call.query.first(name).map(str::to_owned);
    let (key, application, user) = (wanted("logKey"), wanted("applicationId"), wanted("userId"));
    let (store, lister, _) = call.lister();
    let member = |payload: &Value, name: &str, wanted: &Option<String>| {
        wanted.as_deref().is_none_or(|wanted| payload.get(name).and_then(Value::as_str) == Some(wanted))
    };
    let rows = store.logs.iter().rev().filter(|row| {
        key.as_ref().is_none_or(|key| key == row.key)
            && member(&row.payload, "applicationId", &application)
            && member(&row.payload, "userId", &user)
    });
    lister.list(rows.collect())
}
