//! Personal access tokens of users: list, create, rename, delete.
//!
//! Decides as Logto does when a name or an expiry is refused. It must never show a token of another user.

use serde_json::Value;

use crate::{
    answer::Answer,
    call::Call,
    check::{self, Kind, Need},
    errors::{ApiError, Outcome},
    store::PersonalToken,
    users::{text, user},
};

pub(crate) fn run(operation: &str, call: &mut Call<'_>) -> Option<Outcome> {
    Some(match operation {
        "ListUserPersonalAccessTokens" => list(call),
        "CreateUserPersonalAccessToken" => create(call),
        "UpdateUserPersonalAccessToken" => rename(call),
        "DeleteUserPersonalAccessToken" => delete(call),
        _ => return None,
    })
}

fn list(call: &mut Call<'_>) -> Outcome {
    user(call)?;
    let id = call.param(0);
    let rows: Vec<&PersonalToken> =
        call.store.personal_tokens.iter().filter(|row| row.user_id == id).collect();
    Ok(Answer::ok(&rows))
}

fn create(call: &mut Call<'_>) -> Outcome {
    let body = call.body();
    let rules = [("name", Need::Required, Kind::Text), ("expiresAt", Need::Nullable, Kind::Number)];
    check::object(&body, &rules)?;
    user(call)?;
    let expires_at = body.get("expiresAt").and_then(Value::as_u64);
    if expires_at.is_some_and(|at| at <= call.now) {
        let message = "Input is invalid. The value of `expiresAt` must be in the future.";
        return Err(ApiError::bad_request("request.invalid_input", message));
    }
    let name = text(&body, "name").unwrap_or_default();
    let user_id = call.param(0).to_owned();
    let tokens = &call.store.personal_tokens;
    if tokens.iter().any(|row| row.user_id == user_id && row.name == name) {
        let message = "Personal access token name already exists.";
        return Err(ApiError::unprocessable("user.personal_access_token_name_exists", message));
    }
    call.store.room("personal access tokens", tokens.len())?;
    let row = PersonalToken {
        tenant_id: call.store.tenant,
        user_id,
        name,
        value: format!("pat_{}", call.store.new_secret()),
        created_at: call.now,
        expires_at,
    };
    let answer = Answer::created(&row);
    call.store.personal_tokens.push(row);
    Ok(answer)
}

fn rename(call: &mut Call<'_>) -> Outcome {
    let body = call.body();
    check::object(&body, &[("name", Need::Required, Kind::Text)])?;
    let (user_id, old) = (call.param(0).to_owned(), call.param(1).to_owned());
    let mut tokens = call.store.personal_tokens.iter_mut();
    let row = tokens.find(|row| row.user_id == user_id && row.name == old).ok_or_else(ApiError::not_found)?;
    row.name = text(&body, "name").unwrap_or_default();
    Ok(Answer::ok(row))
}

fn delete(call: &mut Call<'_>) -> Outcome {
    let (user_id, name) = (call.param(0).to_owned(), call.param(1).to_owned());
    let before = call.store.personal_tokens.len();
    call.store.personal_tokens.retain(|row| row.user_id != user_id || row.name != name);
    if call.store.personal_tokens.len() == before {
        Err(ApiError::not_found())
    } else {
        Ok(Answer::no_content())
    }
}
