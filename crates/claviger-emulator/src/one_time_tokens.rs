//! One-time tokens (magic links), which show their token (fact 7).

use serde_json::{Value, json};

use crate::{
    answer::Answer,
    call::Call,
    check::{self, Kind, Need},
    errors::{ApiError, Outcome},
    store::OneTimeToken,
};

/// Ten minutes, in milliseconds.
const LIFETIME: u64 = 600_000;

pub(crate) fn run(operation: &str, call: &mut Call<'_>) -> Option<Outcome> {
    Some(match operation {
        "ListOneTimeTokens" => list(call),
        "AddOneTimeTokens" => create(call),
        "GetOneTimeToken" => token(call).map(|row| Answer::ok(row)),
        "DeleteOneTimeToken" => delete(call),
        "ReplaceOneTimeTokenStatus" => set_status(call),
        "VerifyOneTimeToken" => verify(call),
        _ => return None,
    })
}

fn token<'a>(call: &'a mut Call<'_>) -> Result<&'a mut OneTimeToken, ApiError> {
    let id = call.param(0).to_owned();
    let found = call.store.one_time_tokens.iter_mut().find(|row| row.id == id);
    found.ok_or_else(|| ApiError::no_such("one_time_tokens", &id))
}

fn list(call: &mut Call<'_>) -> Outcome {
    let email = call.query.first("email").map(str::to_owned);
    let (store, lister, _) = call.lister();
    let rows = store.one_time_tokens.iter().rev();
    lister.list(rows.filter(|row| email.as_ref().is_none_or(|email| *email == row.email)).collect())
}

fn create(call: &mut Call<'_>) -> Outcome {
    let body = call.body();
    let rules = [
        ("email", Need::Required, Kind::Text),
        ("context", Need::Optional, Kind::Object),
        ("expiresIn", Need::Optional, Kind::Number),
    ];
    check::object(&body, &rules)?;
    call.store.room("one-time tokens", call.store.one_time_tokens.len())?;
    let lifetime = body.get("expiresIn").and_then(Value::as_u64).map(|seconds| seconds.saturating_mul(1000));
    let row = OneTimeToken {
        tenant_id: call.store.tenant,
        id: call.store.new_id(21),
        email: body.get("email").and_then(Value::as_str).unwrap_or_default().to_owned(),
        token: call.store.new_secret(),
        context: body.get("context").cloned().unwrap_or_else(|| json!({})),
        status: "active",
        created_at: call.now,
        expires_at: call.now.saturating_add(lifetime.unwrap_or(LIFETIME)),
    };
    let answer = Answer::created(&row);
    call.store.one_time_tokens.push(row);
    Ok(answer)
}

fn delete(call: &mut Call<'_>) -> Outcome {
    let id = token(call)?.id.clone();
    call.store.one_time_tokens.retain(|row| row.id != id);
    Ok(Answer::no_content())
}

fn set_status(call: &mut Call<'_>) -> Outcome {
    let body = call.body();
    check::object(&body, &[("status", Need::Required, Kind::OneOf(&["revoked"]))])?;
    let row = token(call)?;
    row.status = "revoked";
    Ok(Answer::ok(row))
}

fn verify(call: &mut Call<'_>) -> Outcome {
    let body = call.body();
    check::object(&body, &[("email", Need::Required, Kind::Text), ("token", Need::Required, Kind::Text)])?;
    let is = |key: &str, value: &str| body.get(key).and_then(Value::as_str) == Some(value);
    let now = call.now;
    let row = call.store.one_time_tokens.iter_mut().find(|row| is("token", &row.token));
    let row = row.ok_or_else(|| {
        let message = "Active token not found with the given email and token.";
        ApiError::new(http::StatusCode::NOT_FOUND, "one_time_token.token_not_found", message)
    })?;
    if !is("email", &row.email) {
        return Err(ApiError::bad_request("one_time_token.email_mismatch", "Email mismatch."));
    }
    if row.status != "active" || row.expires_at <= now {
        return Err(ApiError::bad_request("one_time_token.token_expired", "The token is expired."));
    }
    row.status = "consumed";
    Ok(Answer::ok(row))
}
