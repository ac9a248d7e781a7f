//! Roles, their scopes, and who has them.
//!
//! Decides which roles grant what; the built-in role of the Management API cannot be changed.

use http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    answer::Answer,
    call::Call,
    check::{self, Kind, Need, Rule},
    errors::{ApiError, Outcome},
    organizations::featured_users,
    search::{Field, Search},
    store::{MANAGEMENT_ROLE, Role, firsts, seconds, unlink},
    users::{self, ids},
};

const FIELDS: &[Field] = &[("id", "id"), ("name", "name"), ("description", "description")];

const RULES: &[Rule] = &[
    ("name", Need::Required, Kind::Text),
    ("description", Need::Required, Kind::Text),
    ("type", Need::Optional, Kind::OneOf(&["User", "MachineToMachine"])),
    ("isDefault", Need::Optional, Kind::Flag),
];

pub(crate) fn run(operation: &str, call: &mut Call<'_>) -> Option<Outcome> {
    Some(match operation {
        "ListRoles" => list(call),
        "CreateRole" => create(call),
        "GetRole" => role(call).map(|row| Answer::ok(row)),
        "UpdateRole" => update(call),
        "DeleteRole" => delete(call),
        "ListRoleUsers" => list_users(call),
        "CreateRoleUser" => add_users(call),
        "DeleteRoleUser" => remove_user(call),
        "ListRoleApplications" => list_applications(call),
        "CreateRoleApplication" => add_applications(call),
        "DeleteRoleApplication" => remove_application(call),
        "ListRoleScopes" => list_scopes(call),
        "CreateRoleScope" => add_scopes(call),
        "DeleteRoleScope" => remove_scope(call),
        _ => return None,
    })
}

fn role<'a>(call: &'a mut Call<'_>) -> Result<&'a mut Role, ApiError> {
    let id = call.param(0).to_owned();
    let found = call.store.roles.iter_mut().find(|row| row.id == id);
    found.ok_or_else(|| ApiError::no_such("roles", &id))
}

/// A role that may be changed.
fn own_role<'a>(call: &'a mut Call<'_>) -> Result<&'a mut Role, ApiError> {
    if call.param(0) == MANAGEMENT_ROLE {
        let message = "Internal role access violation. Only internal users can assign, modify, or delete internal roles.";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "role.internal_role_violation", message));
    }
    role(call)
}

fn list(call: &mut Call<'_>) -> Outcome {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Listed<'a> {
        #[serde(flatten)]
        row: &'a Role,
        users_count: usize,
        featured_users: Vec<Value>,
        applications_count: usize,
        featured_applications: Vec<Value>,
    }
    let search = Search::parse(&call.query, FIELDS)?;
    let kind = call.query.first("type").map(str::to_owned);
    let (store, lister, _) = call.lister();
    let rows = store.roles.iter().rev().filter(|row| {
        let values = [
            ("id", Some(row.id.as_str())),
            ("name", Some(&row.name)),
            ("description", Some(&row.description)),
        ];
        kind.as_ref().is_none_or(|kind| *kind == row.kind) && search.matches(&values)
    });
    let rows = rows.map(|row| {
        let members: Vec<&str> = firsts(&store.user_roles, &row.id).collect();
        let apps: Vec<&str> = firsts(&store.application_roles, &row.id).collect();
        let featured = store.applications.iter().filter(|app| apps.contains(&app.id.as_str())).take(3);
        Listed {
            row,
            users_count: members.len(),
            featured_users: featured_users(store, &members),
            applications_count: apps.len(),
            featured_applications: featured
                .map(|app| json!({ "id": app.id, "name": app.name, "type": app.kind }))
                .collect(),
        }
    });
    lister.list(rows.collect())
}

fn name_in_use(call: &Call<'_>, body: &Value, own: Option<&str>) -> Result<(), ApiError> {
    let wanted = body.get("name").and_then(Value::as_str);
    let taken =
        call.store.roles.iter().any(|row| own != Some(row.id.as_str()) && Some(row.name.as_str()) == wanted);
    if taken {
        let message = format!("This role name {} is already in use.", wanted.unwrap_or_default());
        return Err(ApiError::unprocessable("role.name_in_use", &message));
    }
    Ok(())
}

fn create(call: &mut Call<'_>) -> Outcome {
    let body = call.body();
    check::object(&body, RULES)?;
    name_in_use(call, &body, None)?;
    call.store.room("roles", call.store.roles.len())?;
    let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let row = Role {
        tenant_id: call.store.tenant,
        id: call.store.new_id(21),
        name: text("name"),
        description: text("description"),
        kind: body.get("type").and_then(Value::as_str).unwrap_or("User").to_owned(),
        is_default: body.get("isDefault").and_then(Value::as_bool).unwrap_or_default(),
    };
    let answer = Answer::ok(&row);
    let id = row.id.clone();
    call.store.roles.push(row);
    for scope in ids(&body, "scopeIds") {
        call.store.role_scopes.push((id.clone(), scope));
    }
    Ok(answer)
}

fn update(call: &mut Call<'_>) -> Outcome {
    let body = call.body();
    let rules: Vec<Rule> = RULES.iter().map(|(key, _, kind)| (*key, Need::Optional, *kind)).collect();
    check::object(&body, &rules)?;
    own_role(call)?;
    name_in_use(call, &body, Some(call.param(0)))?;
    check::changes_something(&body, RULES)?;
    let row = role(call)?;
    if let Some(name) = body.get("name").and_then(Value::as_str) {
        row.name = name.to_owned();
    }
    if let Some(description) = body.get("description").and_then(Value::as_str) {
        row.description = description.to_owned();
    }
    row.is_default = body.get("isDefault").and_then(Value::as_bool).unwrap_or(row.is_default);
    Ok(Answer::ok(row))
}

fn delete(call: &mut Call<'_>) -> Outcome {
    let id = own_role(call)?.id.clone();
    call.store.roles.retain(|row| row.id != id);
    call.store.user_roles.retain(|(_, role)| *role != id);
    call.store.application_roles.retain(|(_, role)| *role != id);
    call.store.role_scopes.retain(|(role, _)| *role != id);
    Ok(Answer::no_content())
}

fn list_users(call: &mut Call<'_>) -> Outcome {
    role(call)?;
    let search = users::search(call)?;
    let (store, lister, params) = call.lister();
    let members: Vec<&str> = firsts(&store.user_roles, params.first().map_or("", String::as_str)).collect();
    lister.list(users::found(store, &search, |user| members.contains(&user.id.as_str())))
}

fn list_applications(call: &mut Call<'_>) -> Outcome {
    role(call)?;
    let (store, lister, params) = call.lister();
    let members: Vec<&str> =
        firsts(&store.application_roles, params.first().map_or("", String::as_str)).collect();
    lister.list(store.applications.iter().rev().filter(|row| members.contains(&row.id.as_str())).collect())
}

fn list_scopes(call: &mut Call<'_>) -> Outcome {
    role(call)?;
    let (store, lister, params) = call.lister();
    let granted: Vec<&str> = seconds(&store.role_scopes, params.first().map_or("", String::as_str)).collect();
    lister.list(store.scopes.iter().rev().filter(|row| granted.contains(&row.id.as_str())).collect())
}

fn wanted(call: &mut Call<'_>, key: &'static str) -> Result<Vec<String>, ApiError> {
    let body = call.body();
    check::object(&body, &[(key, Need::Required, Kind::SomeTexts)])?;
    role(call)?;
    Ok(ids(&body, key))
}

fn add_users(call: &mut Call<'_>) -> Outcome {
    let wanted = wanted(call, "userIds")?;
    if wanted.iter().any(|id| !call.store.users.iter().any(|row| row.id == *id)) {
        return Err(ApiError::not_found());
    }
    call.store.room("role assignments", call.store.user_roles.len())?;
    for id in wanted {
        let pair = (id, call.param(0).to_owned());
        if call.store.user_roles.contains(&pair) {
            let message = "This user already has this role.";
            return Err(ApiError::unprocessable("role.user_exists", message));
        }
        call.store.user_roles.push(pair);
    }
    Ok(Answer::text(StatusCode::CREATED))
}

fn add_applications(call: &mut Call<'_>) -> Outcome {
    let wanted = wanted(call, "applicationIds")?;
    if wanted.iter().any(|id| !call.store.applications.iter().any(|row| row.id == *id)) {
        return Err(ApiError::not_found());
    }
    call.store.room("role assignments", call.store.application_roles.len())?;
    for id in wanted {
        let pair = (id, call.param(0).to_owned());
        if call.store.application_roles.contains(&pair) {
            let message = "This application already has this role.";
            return Err(ApiError::unprocessable("role.application_exists", message));
        }
        call.store.application_roles.push(pair);
    }
    Ok(Answer::text(StatusCode::CREATED))
}

fn add_scopes(call: &mut Call<'_>) -> Outcome {
    let wanted = wanted(call, "scopeIds")?;
    own_role(call)?;
    if wanted.iter().any(|id| !call.store.scopes.iter().any(|row| row.id == *id)) {
        return Err(ApiError::not_found());
    }
    let id = call.param(0).to_owned();
    for scope in wanted {
        let pair = (id.clone(), scope);
        if !call.store.role_scopes.contains(&pair) {
            call.store.role_scopes.push(pair);
        }
    }
    let granted: Vec<&str> = seconds(&call.store.role_scopes, &id).collect();
    let scopes: Vec<_> = call.store.scopes.iter().filter(|row| granted.contains(&row.id.as_str())).collect();
    Ok(Answer::created(&scopes))
}

fn removed(was_there: bool) -> Outcome {
    if was_there { Ok(Answer::no_content()) } else { Err(ApiError::not_found()) }
}

fn remove_user(call: &mut Call<'_>) -> Outcome {
    let (role, user) = (call.param(0).to_owned(), call.param(1).to_owned());
    removed(unlink(&mut call.store.user_roles, &user, &role))
}

fn remove_application(call: &mut Call<'_>) -> Outcome {
    let (role, application) = (call.param(0).to_owned(), call.param(1).to_owned());
    removed(unlink(&mut call.store.application_roles, &application, &role))
}

fn remove_scope(call: &mut Call<'_>) -> Outcome {
    let id = own_role(call)?.id.clone();
    let scope = call.param(1).to_owned();
    removed(unlink(&mut call.store.role_scopes, &id, &scope))
}
