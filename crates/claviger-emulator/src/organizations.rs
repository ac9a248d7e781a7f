//! Organizations and who belongs to them (fact 5.8: some creates answer `Created` as text).
//!
//! Decides nothing about organization roles, which have no state here.

use http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    answer::Answer,
    call::Call,
    check::{self, Kind, Need, Rule},
    errors::{ApiError, Outcome},
    store::{Application, Object, Organization, Pairs, Store, User, seconds, unlink},
    users::ids,
};

const RULES: &[Rule] = &[
    ("name", Need::Required, Kind::Text),
    ("description", Need::Nullable, Kind::Text),
    ("customData", Need::Optional, Kind::Object),
    ("isMfaRequired", Need::Optional, Kind::Flag),
    ("color", Need::Optional, Kind::Object),
    ("branding", Need::Optional, Kind::Object),
];

pub(crate) fn run(operation: &str, call: &mut Call<'_>) -> Option<Outcome> {
    Some(match operation {
        "ListOrganizations" => list(call),
        "CreateOrganization" => create(call),
        "GetOrganization" => organization(call).map(|row| Answer::ok(row)),
        "UpdateOrganization" => update(call),
        "DeleteOrganization" => delete(call),
        "ListOrganizationUsers" => list_users(call),
        "AddOrganizationUsers" => add_users(call),
        "ReplaceOrganizationUsers" => replace_users(call),
        "DeleteOrganizationUser" => remove(call, |store| &mut store.organization_users),
        "ListOrganizationApplications" => list_applications(call),
        "AddOrganizationApplications" => add_applications(call),
        "ReplaceOrganizationApplications" => replace_applications(call),
        "DeleteOrganizationApplication" => remove(call, |store| &mut store.organization_applications),
        "ListOrganizationJitEmailDomains"
        | "ListOrganizationJitRoles"
        | "ListOrganizationJitSsoConnectors" => empty_of_organization(call),
        "ListOrganizationRoles" | "ListOrganizationScopes" => {
            let (_, lister, _) = call.lister();
            lister.list(Vec::<Value>::new())
        }
        _ => return None,
    })
}

/// A row with what the relation adds to it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Member<'a, T> {
    #[serde(flatten)]
    row: &'a T,
    organization_roles: [(); 0],
}

fn organization<'a>(call: &'a mut Call<'_>) -> Result<&'a mut Organization, ApiError> {
    let id = call.param(0).to_owned();
    let found = call.store.organizations.iter_mut().find(|row| row.id == id);
    found.ok_or_else(|| ApiError::no_such("organizations", &id))
}

fn list(call: &mut Call<'_>) -> Outcome {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Listed<'a> {
        #[serde(flatten)]
        row: &'a Organization,
        #[serde(skip_serializing_if = "Option::is_none")]
        users_count: Option<usize>,
        #[serde(skip_serializing_if = "Option::is_none")]
        featured_users: Option<Vec<Value>>,
    }
    let featured = call.query.first("showFeatured").is_some_and(|value| value == "true" || value == "1");
    let wanted = call.query.first("q").map(str::to_lowercase);
    let (store, lister, _) = call.lister();
    let rows = store.organizations.iter().rev().filter(|row| {
        wanted.as_ref().is_none_or(|text| row.name.to_lowercase().contains(text) || row.id.contains(text))
    });
    let rows = rows.map(|row| {
        let members: Vec<&str> = seconds(&store.organization_users, &row.id).collect();
        Listed {
            row,
            users_count: featured.then_some(members.len()),
            featured_users: featured.then(|| featured_users(store, &members)),
        }
    });
    lister.list(rows.collect())
}

/// Id, avatar and name of the first three.
pub(crate) fn featured_users(store: &Store, ids: &[&str]) -> Vec<Value> {
    let users = store.users.iter().filter(|user| ids.contains(&user.id.as_str())).take(3);
    users.map(|user| json!({ "id": user.id, "avatar": user.avatar, "name": user.name })).collect()
}

fn change(row: &mut Organization, body: &Value) {
    let object = |key: &str| body.get(key).and_then(Value::as_object).cloned();
    if let Some(name) = body.get("name").and_then(Value::as_str) {
        row.name = name.to_owned();
    }
    if let Some(description) = body.get("description") {
        row.description = description.as_str().map(str::to_owned);
    }
    row.custom_data = object("customData").unwrap_or_else(|| std::mem::take(&mut row.custom_data));
    row.color = object("color").unwrap_or_else(|| std::mem::take(&mut row.color));
    row.branding = object("branding").unwrap_or_else(|| std::mem::take(&mut row.branding));
    row.is_mfa_required = body.get("isMfaRequired").and_then(Value::as_bool).unwrap_or(row.is_mfa_required);
}

fn create(call: &mut Call<'_>) -> Outcome {
    let body = call.body();
    check::object(&body, RULES)?;
    call.store.room("organizations", call.store.organizations.len())?;
    let mut row = Organization {
        tenant_id: call.store.tenant,
        id: call.store.new_id(12),
        name: String::new(),
        description: None,
        custom_data: Object::new(),
        is_mfa_required: false,
        color: Object::new(),
        branding: Object::new(),
        custom_css: None,
        created_at: call.now,
    };
    change(&mut row, &body);
    let answer = Answer::created(&row);
    call.store.organizations.push(row);
    Ok(answer)
}

fn update(call: &mut Call<'_>) -> Outcome {
    let body = call.body();
    let optional: Vec<Rule> = RULES
        .iter()
        .map(|(key, need, kind)| (*key, if *key == "name" { Need::Optional } else { *need }, *kind))
        .collect();
    check::object(&body, &optional)?;
    organization(call)?;
    check::changes_something(&body, RULES)?;
    let row = organization(call)?;
    change(row, &body);
    Ok(Answer::ok(row))
}

fn delete(call: &mut Call<'_>) -> Outcome {
    let id = organization(call)?.id.clone();
    call.store.organizations.retain(|row| row.id != id);
    call.store.organization_users.retain(|(organization, _)| *organization != id);
    call.store.organization_applications.retain(|(organization, _)| *organization != id);
    Ok(Answer::no_content())
}

fn list_users(call: &mut Call<'_>) -> Outcome {
    organization(call)?;
    let wanted = call.query.first("q").map(str::to_lowercase);
    let (store, lister, params) = call.lister();
    let id = params.first().map_or("", String::as_str);
    let members: Vec<&str> = seconds(&store.organization_users, id).collect();
    let fits = |user: &User| {
        let texts = [Some(&user.id), user.username.as_ref(), user.primary_email.as_ref(), user.name.as_ref()];
        wanted
            .as_ref()
            .is_none_or(|wanted| texts.iter().flatten().any(|text| text.to_lowercase().contains(wanted)))
    };
    let rows = store.users.iter().rev().filter(|row| members.contains(&row.id.as_str()) && fits(row));
    lister.list(rows.map(|row| Member { row, organization_roles: [] }).collect())
}

fn list_applications(call: &mut Call<'_>) -> Outcome {
    organization(call)?;
    let (store, lister, params) = call.lister();
    let id = params.first().map_or("", String::as_str);
    let members: Vec<&str> = seconds(&store.organization_applications, id).collect();
    let rows = store.applications.iter().rev().filter(|row| members.contains(&row.id.as_str()));
    let rows: Vec<Member<'_, Application>> = rows.map(|row| Member { row, organization_roles: [] }).collect();
    lister.list(rows)
}

/// The ids of the body, all of which exist; as does the organization (otherwise 422, not 404).
fn members(
    call: &Call<'_>,
    key: &'static str,
    known: impl Fn(&Store, &str) -> bool,
) -> Result<Vec<String>, ApiError> {
    let body = call.body();
    check::object(&body, &[(key, Need::Required, Kind::Texts)])?;
    let wanted = ids(&body, key);
    let here = call.store.organizations.iter().any(|row| row.id == call.param(0));
    if !here || wanted.iter().any(|id| !known(call.store, id)) {
        return Err(ApiError::relation());
    }
    Ok(wanted)
}

fn is_user(store: &Store, id: &str) -> bool {
    store.users.iter().any(|row| row.id == id)
}

fn is_application(store: &Store, id: &str) -> bool {
    store.applications.iter().any(|row| row.id == id)
}

fn link(call: &Call<'_>, pairs: &Pairs, wanted: &[String]) -> Result<Pairs, ApiError> {
    call.store.room("members", pairs.len())?;
    let mut linked = pairs.clone();
    for id in wanted {
        let pair = (call.param(0).to_owned(), id.clone());
        if !linked.contains(&pair) {
            linked.push(pair);
        }
    }
    Ok(linked)
}

fn unlinked(call: &Call<'_>, pairs: &Pairs) -> Pairs {
    pairs.iter().filter(|(organization, _)| organization != call.param(0)).cloned().collect()
}

fn add_users(call: &mut Call<'_>) -> Outcome {
    let wanted = members(call, "userIds", is_user)?;
    call.store.organization_users = link(call, &call.store.organization_users, &wanted)?;
    Ok(Answer::created(&json!({ "userIds": wanted })))
}

fn replace_users(call: &mut Call<'_>) -> Outcome {
    let wanted = members(call, "userIds", is_user)?;
    let others = unlinked(call, &call.store.organization_users);
    call.store.organization_users = link(call, &others, &wanted)?;
    Ok(Answer::no_content())
}

fn add_applications(call: &mut Call<'_>) -> Outcome {
    let wanted = members(call, "applicationIds", is_application)?;
    call.store.organization_applications = link(call, &call.store.organization_applications, &wanted)?;
    Ok(Answer::text(StatusCode::CREATED))
}

fn replace_applications(call: &mut Call<'_>) -> Outcome {
    let wanted = members(call, "applicationIds", is_application)?;
    let others = unlinked(call, &call.store.organization_applications);
    call.store.organization_applications = link(call, &others, &wanted)?;
    Ok(Answer::no_content())
}

fn remove(call: &mut Call<'_>, pairs: fn(&mut Store) -> &mut Pairs) -> Outcome {
    let (id, member) = (call.param(0).to_owned(), call.param(1).to_owned());
    if unlink(pairs(call.store), &id, &member) {
        Ok(Answer::no_content())
    } else {
        Err(ApiError::not_found())
    }
}

fn empty_of_organization(call: &mut Call<'_>) -> Outcome {
    organization(call)?;
    let (_, lister, _) = call.lister();
    lister.list(Vec::<Value>::new())
}
