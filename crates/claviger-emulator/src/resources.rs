//! API resources and their scopes; the built-in one cannot be changed (fact 1.11).

use serde::Serialize;
use serde_json::Value;

use crate::{
    answer::Answer,
    call::Call,
    check::{self, Kind, Need, Rule},
    errors::{ApiError, Outcome},
    store::{MANAGEMENT_RESOURCE, Resource, Scope},
};

pub(crate) fn run(operation: &str, call: &mut Call<'_>) -> Option<Outcome> {
    Some(match operation {
        "ListResources" => list(call),
        "CreateResource" => create(call),
        "GetResource" => resource(call).map(|row| Answer::ok(row)),
        "UpdateResource" => update(call),
        "UpdateResourceIsDefault" => update_default(call),
        "DeleteResource" => delete(call),
        "ListResourceScopes" => list_scopes(call),
        "CreateResourceScope" => create_scope(call),
        "DeleteResourceScope" => delete_scope(call),
        _ => return None,
    })
}

/// A resource with its scopes.
#[derive(Serialize)]
struct WithScopes<'a> {
    #[serde(flatten)]
    row: &'a Resource,
    #[serde(skip_serializing_if = "Option::is_none")]
    scopes: Option<Vec<&'a Scope>>,
}

const RULES: &[Rule] = &[
    ("name", Need::Required, Kind::Text),
    ("indicator", Need::Required, Kind::Text),
    ("accessTokenTtl", Need::Optional, Kind::Number),
];

fn resource<'a>(call: &'a mut Call<'_>) -> Result<&'a mut Resource, ApiError> {
    let id = call.param(0).to_owned();
    let found = call.store.resources.iter_mut().find(|row| row.id == id);
    found.ok_or_else(|| ApiError::no_such("resources", &id))
}

fn built_in(call: &Call<'_>) -> Result<(), ApiError> {
    if call.param(0) == MANAGEMENT_RESOURCE {
        let message = "Cannot modify Logto Management API.";
        return Err(ApiError::bad_request("resource.cannot_modify_management_api", message));
    }
    Ok(())
}

fn list(call: &mut Call<'_>) -> Outcome {
    let with_scopes = call.query.first("includeScopes").is_some_and(|value| value != "false");
    let (store, lister, _) = call.lister();
    let rows = store.resources.iter().map(|row| {
        let scopes = || store.scopes.iter().filter(|scope| scope.resource_id == row.id).collect();
        WithScopes { row, scopes: with_scopes.then(scopes) }
    });
    lister.list(rows.collect())
}

fn indicator_in_use(call: &Call<'_>, indicator: &str) -> Result<(), ApiError> {
    if call.store.resources.iter().any(|row| row.indicator == indicator) {
        let message = format!("The API identifier {indicator} is already in use.");
        return Err(ApiError::unprocessable("resource.resource_identifier_in_use", &message));
    }
    Ok(())
}

fn create(call: &mut Call<'_>) -> Outcome {
    let body = call.body();
    check::object(&body, RULES)?;
    let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    indicator_in_use(call, &text("indicator"))?;
    call.store.room("resources", call.store.resources.len())?;
    let row = Resource {
        tenant_id: call.store.tenant,
        id: call.store.new_id(21),
        name: text("name"),
        indicator: text("indicator"),
        is_default: false,
        access_token_ttl: body.get("accessTokenTtl").and_then(Value::as_u64).unwrap_or(3600),
    };
    let answer = Answer::created(&WithScopes { row: &row, scopes: Some(Vec::new()) });
    call.store.resources.push(row);
    Ok(answer)
}

fn update(call: &mut Call<'_>) -> Outcome {
    let body = call.body();
    let rules: Vec<Rule> = RULES.iter().map(|(key, _, kind)| (*key, Need::Optional, *kind)).collect();
    check::object(&body, &rules)?;
    built_in(call)?;
    resource(call)?;
    check::changes_something(&body, RULES)?;
    let row = resource(call)?;
    if let Some(name) = body.get("name").and_then(Value::as_str) {
        row.name = name.to_owned();
    }
    row.access_token_ttl = body.get("accessTokenTtl").and_then(Value::as_u64).unwrap_or(row.access_token_ttl);
    Ok(Answer::ok(row))
}

fn update_default(call: &mut Call<'_>) -> Outcome {
    let body = call.body();
    check::object(&body, &[("isDefault", Need::Required, Kind::Flag)])?;
    let wanted = body.get("isDefault").and_then(Value::as_bool).unwrap_or_default();
    resource(call)?;
    for row in &mut call.store.resources {
        row.is_default &= !wanted;
    }
    let row = resource(call)?;
    row.is_default = wanted;
    Ok(Answer::ok(row))
}

fn delete(call: &mut Call<'_>) -> Outcome {
    if call.param(0) == MANAGEMENT_RESOURCE {
        let message = "Cannot delete Logto Management API.";
        return Err(ApiError::bad_request("resource.cannot_delete_management_api", message));
    }
    let id = resource(call)?.id.clone();
    call.store.resources.retain(|row| row.id != id);
    call.store.scopes.retain(|row| row.resource_id != id);
    Ok(Answer::no_content())
}

fn list_scopes(call: &mut Call<'_>) -> Outcome {
    resource(call)?;
    let (store, lister, params) = call.lister();
    let id = params.first().map_or("", String::as_str);
    lister.list(store.scopes.iter().rev().filter(|row| row.resource_id == id).collect())
}

fn create_scope(call: &mut Call<'_>) -> Outcome {
    let body = call.body();
    let rules = [("name", Need::Required, Kind::Text), ("description", Need::Nullable, Kind::Text)];
    check::object(&body, &rules)?;
    built_in(call)?;
    resource(call)?;
    let name = body.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let resource_id = call.param(0).to_owned();
    if call.store.scopes.iter().any(|row| row.resource_id == resource_id && row.name == name) {
        let message = format!("The scope name {name} is already in use.");
        return Err(ApiError::unprocessable("scope.name_exists", &message));
    }
    call.store.room("scopes", call.store.scopes.len())?;
    let row = Scope {
        tenant_id: call.store.tenant,
        id: call.store.new_id(21),
        resource_id,
        name,
        description: body.get("description").and_then(Value::as_str).map(str::to_owned),
        created_at: call.now,
    };
    let answer = Answer::created(&row);
    call.store.scopes.push(row);
    Ok(answer)
}

fn delete_scope(call: &mut Call<'_>) -> Outcome {
    built_in(call)?;
    let (resource, id) = (call.param(0).to_owned(), call.param(1).to_owned());
    let before = call.store.scopes.len();
    call.store.scopes.retain(|row| row.resource_id != resource || row.id != id);
    call.store.role_scopes.retain(|(_, scope)| *scope != id);
    if call.store.scopes.len() == before { Err(ApiError::not_found()) } else { Ok(Answer::no_content()) }
}
