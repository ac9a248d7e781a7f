//! Applications and their secrets (facts 6.3, 7, 11).
//!
//! Decides what an application answer shows: the values of secrets only below `/secrets`, except for legacy ones. It
//! must never lose a live secret on a rename.

use serde_json::{Value, json};

use crate::{
    answer::Answer,
    call::Call,
    check::{self, Kind, Need, Rule},
    errors::{ApiError, Outcome},
    search::{Field, Search},
    seed,
    store::{Application, Object, Secret, firsts, seconds, unlink},
    users::ids,
};

const FIELDS: &[Field] = &[("id", "id"), ("name", "name"), ("description", "description")];

const KINDS: &[&str] = &["Native", "SPA", "Traditional", "MachineToMachine", "Protected", "SAML"];

const CHANGES: &[Rule] = &[
    ("name", Need::Optional, Kind::Text),
    ("description", Need::Nullable, Kind::Text),
    ("oidcClientMetadata", Need::Optional, Kind::Object),
    ("customClientMetadata", Need::Optional, Kind::Object),
    ("customData", Need::Optional, Kind::Object),
    ("isAdmin", Need::Optional, Kind::Flag),
];

pub(crate) fn run(operation: &str, call: &mut Call<'_>) -> Option<Outcome> {
    Some(match operation {
        "ListApplications" => list(call),
        "CreateApplication" => create(call),
        "GetApplication" => show(call),
        "UpdateApplication" => update(call),
        "UpdateApplicationCustomData" => update_custom_data(call),
        "DeleteApplication" => delete(call),
        "DeleteApplicationLegacySecret" => delete_legacy_secret(call),
        "ListApplicationSecrets" => list_secrets(call),
        "CreateApplicationSecret" => create_secret(call),
        "UpdateApplicationSecret" => rename_secret(call),
        "DeleteApplicationSecret" => delete_secret(call),
        "ListApplicationRoles" => list_roles(call),
        "AssignApplicationRoles" => assign_roles(call),
        "ReplaceApplicationRoles" => replace_roles(call),
        "DeleteApplicationRole" => remove_role(call),
        "ListApplicationOrganizations" => list_organizations(call),
        _ => return None,
    })
}

fn application<'a>(call: &'a mut Call<'_>) -> Result<&'a mut Application, ApiError> {
    let id = call.param(0).to_owned();
    let found = call.store.applications.iter_mut().find(|row| row.id == id);
    found.ok_or_else(|| ApiError::no_such("applications", &id))
}

fn list(call: &mut Call<'_>) -> Outcome {
    for name in ["isThirdParty", "excludeAppsWithoutRoles"] {
        if let Some(value) = call.query.first(name).filter(|value| !matches!(*value, "true" | "false")) {
            return Err(check::flag_in_query(name, value));
        }
    }
    let search = Search::parse(&call.query, FIELDS)?;
    let third_party = call.query.first("isThirdParty").map(|value| value == "true");
    let kinds: Vec<String> = call.query.values("types").map(str::to_owned).collect();
    let (store, lister, _) = call.lister();
    let rows = store.applications.iter().rev().filter(|row| {
        let values = [
            ("id", Some(row.id.as_str())),
            ("name", Some(&row.name)),
            ("description", row.description.as_deref()),
        ];
        (kinds.is_empty() || kinds.contains(&row.kind))
            && third_party.is_none_or(|wanted| wanted == row.is_third_party)
            && search.matches(&values)
    });
    lister.list(rows.collect())
}

fn create(call: &mut Call<'_>) -> Outcome {
    let body = call.body();
    let rules = [
        ("name", Need::Required, Kind::Text),
        ("type", Need::Required, Kind::OneOf(KINDS)),
        ("description", Need::Nullable, Kind::Text),
        ("oidcClientMetadata", Need::Optional, Kind::Object),
        ("customClientMetadata", Need::Optional, Kind::Object),
        ("customData", Need::Optional, Kind::Object),
    ];
    check::object(&body, &rules)?;
    call.store.room("applications", call.store.applications.len())?;
    let id = call.store.new_id(21);
    let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut row = seed::application(call.store.tenant, &id, &text("name"), &text("type"), call.now);
    change(&mut row, &body);
    let answer = Answer::ok(&row);
    let confidential = matches!(row.kind.as_str(), "Traditional" | "MachineToMachine" | "Protected");
    call.store.applications.push(row);
    if confidential {
        let secret = call.store.new_secret();
        call.store.set_secrets(&id, vec![secret], call.now);
    }
    Ok(answer)
}

fn change(row: &mut Application, body: &Value) {
    let object = |key: &str| body.get(key).and_then(Value::as_object).cloned();
    if let Some(name) = body.get("name").and_then(Value::as_str) {
        row.name = name.to_owned();
    }
    if let Some(description) = body.get("description") {
        row.description = description.as_str().map(str::to_owned);
    }
    for (key, value) in object("oidcClientMetadata").unwrap_or_default() {
        row.oidc_client_metadata[key] = value;
    }
    row.custom_client_metadata =
        object("customClientMetadata").unwrap_or_else(|| std::mem::take(&mut row.custom_client_metadata));
    row.custom_data = object("customData").unwrap_or_else(|| std::mem::take(&mut row.custom_data));
}

fn show(call: &mut Call<'_>) -> Outcome {
    let row = application(call)?;
    #[derive(serde::Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Shown<'a> {
        #[serde(flatten)]
        row: &'a Application,
        is_admin: bool,
    }
    Ok(Answer::ok(&Shown { is_admin: row.is_admin, row }))
}

fn update(call: &mut Call<'_>) -> Outcome {
    let body = call.body();
    check::object(&body, CHANGES)?;
    let row = application(call)?;
    change(row, &body);
    // Fact 7: this flag alone grants `all`.
    row.is_admin = body.get("isAdmin").and_then(Value::as_bool).unwrap_or(row.is_admin);
    Ok(Answer::ok(row))
}

fn update_custom_data(call: &mut Call<'_>) -> Outcome {
    let body = call.body();
    check::object(&body, &[])?;
    let row = application(call)?;
    row.custom_data.extend(body.as_object().cloned().unwrap_or_default());
    Ok(Answer::ok(&row.custom_data))
}

fn delete(call: &mut Call<'_>) -> Outcome {
    let id = call.param(0).to_owned();
    if call.store.remove_application(&id) {
        Ok(Answer::no_content())
    } else {
        Err(ApiError::no_such("applications", &id))
    }
}

fn delete_legacy_secret(call: &mut Call<'_>) -> Outcome {
    let row = application(call)?;
    if row.secret.take().is_none() {
        let message = "The application does not have a legacy secret.";
        return Err(ApiError::bad_request("application.no_legacy_secret_found", message));
    }
    Ok(Answer::ok(row))
}

fn list_secrets(call: &mut Call<'_>) -> Outcome {
    application(call)?;
    let id = call.param(0);
    let rows: Vec<&Secret> = call.store.secrets.iter().filter(|row| row.application_id == id).collect();
    Ok(Answer::ok(&rows))
}

fn create_secret(call: &mut Call<'_>) -> Outcome {
    let body = call.body();
    let rules = [("name", Need::Required, Kind::Text), ("expiresAt", Need::Nullable, Kind::Number)];
    check::object(&body, &rules)?;
    let expires_at = body.get("expiresAt").and_then(Value::as_u64);
    if expires_at.is_some_and(|at| at <= call.now) {
        let message = "Input is invalid. The value of `expiresAt` must be in the future.";
        return Err(ApiError::bad_request("request.invalid_input", message));
    }
    if matches!(application(call)?.kind.as_str(), "SPA" | "Native") {
        return Err(ApiError::constraint());
    }
    let application_id = call.param(0).to_owned();
    let name = body.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    free_name(call, &application_id, &name)?;
    call.store.room("application secrets", call.store.secrets.len())?;
    let row = Secret {
        tenant_id: call.store.tenant,
        application_id,
        name,
        value: call.store.new_secret(),
        created_at: call.now,
        expires_at,
    };
    let answer = Answer::created(&row);
    call.store.secrets.push(row);
    Ok(answer)
}

fn free_name(call: &Call<'_>, application: &str, name: &str) -> Result<(), ApiError> {
    if call.store.secrets.iter().any(|row| row.application_id == application && row.name == name) {
        let message = "Secret name already exists.";
        return Err(ApiError::unprocessable("application.secret_name_exists", message));
    }
    Ok(())
}

fn rename_secret(call: &mut Call<'_>) -> Outcome {
    let body = call.body();
    check::object(&body, &[("name", Need::Required, Kind::Text)])?;
    let (id, old) = (call.param(0).to_owned(), call.param(1).to_owned());
    let name = body.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    if name != old {
        free_name(call, &id, &name)?;
    }
    let mut secrets = call.store.secrets.iter_mut();
    let row =
        secrets.find(|row| row.application_id == id && row.name == old).ok_or_else(ApiError::not_found)?;
    row.name = name;
    Ok(Answer::ok(row))
}

fn delete_secret(call: &mut Call<'_>) -> Outcome {
    let (id, name) = (call.param(0).to_owned(), call.param(1).to_owned());
    let before = call.store.secrets.len();
    call.store.secrets.retain(|row| row.application_id != id || row.name != name);
    if call.store.secrets.len() == before { Err(ApiError::not_found()) } else { Ok(Answer::no_content()) }
}

fn list_roles(call: &mut Call<'_>) -> Outcome {
    application(call)?;
    let (store, lister, params) = call.lister();
    let roles = seconds(&store.application_roles, params.first().map_or("", String::as_str));
    lister.list(roles.filter_map(|role| store.roles.iter().find(|row| row.id == role)).collect())
}

fn role_ids(call: &mut Call<'_>) -> Result<Vec<String>, ApiError> {
    let body = call.body();
    check::object(&body, &[("roleIds", Need::Required, Kind::Texts)])?;
    application(call)?;
    let wanted = ids(&body, "roleIds");
    match wanted.iter().find(|id| !call.store.roles.iter().any(|row| row.id == **id)) {
        Some(id) => Err(ApiError::no_such("roles", id)),
        None => Ok(wanted),
    }
}

fn assign_roles(call: &mut Call<'_>) -> Outcome {
    let wanted = role_ids(call)?;
    call.store.room("role assignments", call.store.application_roles.len())?;
    for role in wanted {
        let pair = (call.param(0).to_owned(), role);
        if !call.store.application_roles.contains(&pair) {
            call.store.application_roles.push(pair);
        }
    }
    Ok(Answer::text(http::StatusCode::CREATED))
}

fn replace_roles(call: &mut Call<'_>) -> Outcome {
    let wanted = role_ids(call)?;
    let id = call.param(0).to_owned();
    call.store.application_roles.retain(|(application, _)| *application != id);
    call.store.application_roles.extend(wanted.into_iter().map(|role| (id.clone(), role)));
    Ok(Answer::text(http::StatusCode::OK))
}

fn remove_role(call: &mut Call<'_>) -> Outcome {
    let (id, role) = (call.param(0).to_owned(), call.param(1).to_owned());
    if unlink(&mut call.store.application_roles, &id, &role) {
        Ok(Answer::no_content())
    } else {
        Err(ApiError::not_found())
    }
}

fn list_organizations(call: &mut Call<'_>) -> Outcome {
    application(call)?;
    let (store, lister, params) = call.lister();
    let id = params.first().map_or("", String::as_str);
    let joined: Vec<&str> = firsts(&store.organization_applications, id).collect();
    let rows = store.organizations.iter().rev().filter(|row| joined.contains(&row.id.as_str()));
    let rows: Vec<Object> = rows
        .map(|row| {
            let mut row = json!(row).as_object().cloned().unwrap_or_default();
            row.insert("organizationRoles".to_owned(), json!([]));
            row
        })
        .collect();
    lister.list(rows)
}
