//! Users, and what hangs on one user: roles, password, custom data, tokens, second factors.
//!
//! Decides conflicts and searches as Logto does (facts 5.2, 6.3, 6.4, 6.8). It must never answer a password.

use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    answer::{Answer, Members},
    call::Call,
    check::{self, Kind, Need, Rule},
    errors::{ApiError, Outcome},
    search::{Field, Search},
    store::{Mfa, Object, Store, User, firsts, seconds, unlink},
};

const FIELDS: &[Field] = &[
    ("id", "id"),
    ("primaryEmail", "primary_email"),
    ("primaryPhone", "primary_phone"),
    ("username", "username"),
    ("name", "name"),
];

const RULES: &[Rule] = &[
    ("primaryPhone", Need::Nullable, Kind::Form(is_phone)),
    ("primaryEmail", Need::Nullable, Kind::Form(is_email)),
    ("username", Need::Nullable, Kind::Form(is_username)),
    ("password", Need::Optional, Kind::Text),
    ("name", Need::Nullable, Kind::Text),
    ("avatar", Need::Nullable, Kind::Text),
    ("customData", Need::Optional, Kind::Object),
    ("profile", Need::Optional, Kind::Object),
];

pub(crate) fn run(operation: &str, call: &mut Call<'_>) -> Option<Outcome> {
    Some(match operation {
        "ListUsers" => list(call),
        "CreateUser" => create(call),
        "GetUser" => show(call),
        "UpdateUser" => update(call),
        "DeleteUser" => delete(call),
        "ListUserCustomData" => user(call).map(|user| Answer::ok(&user.custom_data)),
        "UpdateUserCustomData" => update_custom_data(call),
        "UpdateUserProfile" => update_profile(call),
        "UpdateUserIsSuspended" => suspend(call),
        "GetUserHasPassword" => {
            user(call).map(|user| Answer::ok(&json!({ "hasPassword": user.has_password })))
        }
        "UpdateUserPassword" => set_password(call),
        "VerifyUserPassword" => verify_password(call),
        "ListUserRoles" => list_roles(call),
        "AssignUserRoles" => assign_roles(call),
        "ReplaceUserRoles" => replace_roles(call),
        "DeleteUserRole" => remove_role(call),
        "ListUserOrganizations" => list_organizations(call),
        "ListUserMfaVerifications" => user(call).map(|user| Answer::ok(&user.mfa)),
        "CreateUserMfaVerification" => create_mfa(call),
        _ => return None,
    })
}

fn is_phone(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_email(text: &str) -> bool {
    let valid = |part: &str| !part.is_empty() && !part.contains([' ', '@']);
    text.split_once('@').is_some_and(|(local, domain)| {
        valid(local)
            && valid(domain)
            && domain.contains('.')
            && !domain.starts_with('.')
            && !domain.ends_with('.')
    })
}

fn is_username(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The user that the first parameter of the path names.
pub(crate) fn user<'a>(call: &'a mut Call<'_>) -> Result<&'a mut User, ApiError> {
    let id = call.param(0).to_owned();
    call.store.users.iter_mut().find(|row| row.id == id).ok_or_else(ApiError::not_found)
}

/// The searchable values of a user.
fn searchable(user: &User) -> [(&str, Option<&str>); 5] {
    [
        ("id", Some(user.id.as_str())),
        ("primaryEmail", user.primary_email.as_deref()),
        ("primaryPhone", user.primary_phone.as_deref()),
        ("username", user.username.as_deref()),
        ("name", user.name.as_deref()),
    ]
}

/// The users that pass `keep` and the search of the query, newest first.
pub(crate) fn found<'a>(store: &'a Store, search: &Search, keep: impl Fn(&User) -> bool) -> Vec<&'a User> {
    let matching = store.users.iter().rev().filter(|user| search.matches(&searchable(user)) && keep(user));
    matching.collect()
}

pub(crate) fn search(call: &Call<'_>) -> Result<Search, ApiError> {
    Search::parse(&call.query, FIELDS)
}

fn list(call: &mut Call<'_>) -> Outcome {
    let search = search(call)?;
    let asks = asks_for_digest(call);
    let (store, lister, _) = call.lister();
    let found = found(store, &search, |_| true);
    if !asks {
        return lister.list(found);
    }
    lister.list(found.into_iter().map(WithDigest::of).collect())
}

/// A user with the digest of its password, which comes to whoever asks for it with `includePasswordHash`: for one user as the
/// OpenAPI document says, for a list of them although it does not (fact 7).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WithDigest<'a> {
    #[serde(flatten)]
    user: &'a User,
    password_digest: Option<String>,
    password_algorithm: Option<&'static str>,
}

impl<'a> WithDigest<'a> {
    fn of(user: &'a User) -> Self {
        let password_digest = user.password.as_ref().map(|password| format!("digest of {password}"));
        let password_algorithm = user.password.as_ref().map(|_| "Argon2i");
        Self { user, password_digest, password_algorithm }
    }
}

fn asks_for_digest(call: &Call<'_>) -> bool {
    matches!(call.query.first("includePasswordHash"), Some("true" | "1" | "yes"))
}

fn show(call: &mut Call<'_>) -> Outcome {
    let asks = asks_for_digest(call);
    let user = &*user(call)?;
    Ok(if asks { Answer::ok(&WithDigest::of(user)) } else { Answer::ok(user) })
}

pub(crate) fn text(body: &Value, key: &str) -> Option<String> {
    body.get(key).and_then(Value::as_str).map(str::to_owned)
}

fn map(body: &Value, key: &str) -> Option<Object> {
    body.get(key).and_then(Value::as_object).cloned()
}

/// Refuses identifiers that another user has (fact 6.3: 422, not 409).
fn conflicts(store: &Store, body: &Value, own: Option<&str>) -> Result<(), ApiError> {
    let taken = |key: &str, of: fn(&User) -> Option<&str>| {
        let wanted = body.get(key).and_then(Value::as_str);
        wanted.is_some_and(|wanted| {
            store.users.iter().any(|user| own != Some(user.id.as_str()) && of(user) == Some(wanted))
        })
    };
    if taken("username", |user| user.username.as_deref()) {
        let message = "This username is already in use.";
        return Err(ApiError::unprocessable("user.username_already_in_use", message));
    }
    if taken("primaryEmail", |user| user.primary_email.as_deref()) {
        let message = "This email is associated with an existing account.";
        return Err(ApiError::unprocessable("user.email_already_in_use", message));
    }
    if taken("primaryPhone", |user| user.primary_phone.as_deref()) {
        let message = "This phone number is associated with an existing account.";
        return Err(ApiError::unprocessable("user.phone_already_in_use", message));
    }
    Ok(())
}

fn create(call: &mut Call<'_>) -> Outcome {
    let body = call.body();
    check::object(&body, RULES)?;
    conflicts(call.store, &body, None)?;
    call.store.room("users", call.store.users.len())?;
    let user = User {
        id: call.store.new_id(12),
        username: text(&body, "username"),
        primary_email: text(&body, "primaryEmail"),
        primary_phone: text(&body, "primaryPhone"),
        name: text(&body, "name"),
        avatar: text(&body, "avatar"),
        custom_data: map(&body, "customData").unwrap_or_default(),
        identities: Object::new(),
        last_sign_in_at: None,
        created_at: call.now,
        updated_at: call.now,
        profile: map(&body, "profile").unwrap_or_default(),
        application_id: None,
        is_suspended: false,
        has_password: body.get("password").is_some(),
        password: text(&body, "password"),
        mfa: Vec::new(),
    };
    let answer = Answer::ok(&user);
    call.store.users.push(user);
    Ok(answer)
}

fn update(call: &mut Call<'_>) -> Outcome {
    let body = call.body();
    check::object(&body, RULES)?;
    user(call)?;
    conflicts(call.store, &body, Some(call.param(0)))?;
    check::changes_something(&body, RULES)?;
    let now = call.now;
    let user = user(call)?;
    let columns = [
        ("username", &mut user.username),
        ("primaryEmail", &mut user.primary_email),
        ("primaryPhone", &mut user.primary_phone),
        ("name", &mut user.name),
        ("avatar", &mut user.avatar),
    ];
    for (key, column) in columns {
        if body.get(key).is_some() {
            *column = text(&body, key);
        }
    }
    user.custom_data = map(&body, "customData").unwrap_or_else(|| std::mem::take(&mut user.custom_data));
    user.profile = map(&body, "profile").unwrap_or_else(|| std::mem::take(&mut user.profile));
    user.updated_at = now;
    Ok(Answer::ok(user))
}

fn delete(call: &mut Call<'_>) -> Outcome {
    let id = call.param(0).to_owned();
    if call.store.remove_user(&id) { Ok(Answer::no_content()) } else { Err(ApiError::not_found()) }
}

fn update_custom_data(call: &mut Call<'_>) -> Outcome {
    let body = call.body();
    check::object(&body, &[("customData", Need::Required, Kind::Object)])?;
    let now = call.now;
    let user = user(call)?;
    user.custom_data.extend(map(&body, "customData").unwrap_or_default());
    user.updated_at = now;
    Ok(Answer::ok(&user.custom_data))
}

fn update_profile(call: &mut Call<'_>) -> Outcome {
    let body = call.body();
    check::object(&body, &[("profile", Need::Required, Kind::Object)])?;
    let now = call.now;
    let user = user(call)?;
    user.profile.extend(map(&body, "profile").unwrap_or_default());
    user.updated_at = now;
    Ok(Answer::ok(&user.profile))
}

fn suspend(call: &mut Call<'_>) -> Outcome {
    let body = call.body();
    check::object(&body, &[("isSuspended", Need::Required, Kind::Flag)])?;
    let now = call.now;
    let user = user(call)?;
    user.is_suspended = body.get("isSuspended").and_then(Value::as_bool).unwrap_or_default();
    user.updated_at = now;
    Ok(Answer::ok(user))
}

fn set_password(call: &mut Call<'_>) -> Outcome {
    let body = call.body();
    check::object(&body, &[("password", Need::Required, Kind::Text)])?;
    let now = call.now;
    let user = user(call)?;
    user.password = text(&body, "password");
    user.has_password = true;
    user.updated_at = now;
    Ok(Answer::ok(user))
}

fn verify_password(call: &mut Call<'_>) -> Outcome {
    let body = call.body();
    check::object(&body, &[("password", Need::Required, Kind::Text)])?;
    let user = user(call)?;
    if user.password.is_some() && user.password == text(&body, "password") {
        return Ok(Answer::no_content());
    }
    let message = "Incorrect account or password. Please check your input.";
    Err(ApiError::unprocessable("session.invalid_credentials", message))
}

fn list_roles(call: &mut Call<'_>) -> Outcome {
    user(call)?;
    let (store, lister, params) = call.lister();
    let id = params.first().map_or("", String::as_str);
    let roles = seconds(&store.user_roles, id);
    lister.list(roles.filter_map(|role| store.roles.iter().find(|row| row.id == role)).collect())
}

/// The ids of a member that holds an array of texts.
pub(crate) fn ids(body: &Value, key: &str) -> Vec<String> {
    let values = body.get(key).and_then(Value::as_array);
    values.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn role_ids(call: &mut Call<'_>) -> Result<Vec<String>, ApiError> {
    let body = call.body();
    check::object(&body, &[("roleIds", Need::Required, Kind::Texts)])?;
    user(call)?;
    let wanted = ids(&body, "roleIds");
    match wanted.iter().find(|id| !call.store.roles.iter().any(|row| row.id == **id)) {
        Some(id) => Err(ApiError::no_such("roles", id)),
        None => Ok(wanted),
    }
}

fn assign_roles(call: &mut Call<'_>) -> Outcome {
    let wanted = role_ids(call)?;
    call.store.room("role assignments", call.store.user_roles.len())?;
    let id = call.param(0).to_owned();
    let mut added = Vec::new();
    for role in &wanted {
        let pair = (id.clone(), role.clone());
        if !call.store.user_roles.contains(&pair) {
            call.store.user_roles.push(pair);
            added.push(role.clone());
        }
    }
    Ok(Answer::created(&Members([("roleIds", json!(wanted)), ("addedRoleIds", json!(added))])))
}

fn replace_roles(call: &mut Call<'_>) -> Outcome {
    let wanted = role_ids(call)?;
    let id = call.param(0).to_owned();
    call.store.user_roles.retain(|(user, _)| *user != id);
    call.store.user_roles.extend(wanted.iter().map(|role| (id.clone(), role.clone())));
    Ok(Answer::ok(&json!({ "roleIds": wanted })))
}

fn remove_role(call: &mut Call<'_>) -> Outcome {
    let (id, role) = (call.param(0).to_owned(), call.param(1).to_owned());
    if unlink(&mut call.store.user_roles, &id, &role) {
        Ok(Answer::no_content())
    } else {
        Err(ApiError::not_found())
    }
}

fn list_organizations(call: &mut Call<'_>) -> Outcome {
    user(call)?;
    let id = call.param(0).to_owned();
    let joined: Vec<&str> = firsts(&call.store.organization_users, &id).collect();
    let rows = call.store.organizations.iter().filter(|row| joined.contains(&row.id.as_str()));
    let rows: Vec<Value> = rows
        .map(|row| {
            let mut row = json!(row);
            row["organizationRoles"] = json!([]);
            row
        })
        .collect();
    Ok(Answer::ok(&rows))
}

fn create_mfa(call: &mut Call<'_>) -> Outcome {
    let body = call.body();
    check::object(&body, &[("type", Need::Required, Kind::OneOf(&["Totp", "BackupCode"]))])?;
    user(call)?;
    let kind = text(&body, "type").unwrap_or_default();
    let id = call.store.new_id(21);
    let secret = call.store.new_secret();
    let codes: Vec<String> = (0..10).map(|_| call.store.new_id(10)).collect();
    let since = std::time::Duration::from_millis(call.now);
    let created_at = humantime::format_rfc3339_millis(std::time::UNIX_EPOCH + since).to_string();
    let user = user(call)?;
    let backup = kind == "BackupCode";
    user.mfa.push(Mfa { id, created_at, kind: kind.clone(), remain_codes: backup.then_some(codes.len()) });
    if backup {
        return Ok(Answer::ok(&Members([("type", json!(kind)), ("codes", json!(codes))])));
    }
    let image = "data:image/png;base64,";
    Ok(Answer::ok(&Members([
        ("type", json!(kind)),
        ("secret", json!(secret)),
        ("secretQrCode", json!(image)),
    ])))
}
