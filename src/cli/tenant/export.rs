//! `claviger tenant export`: the tenants of the vault in the form that `import` takes. What is missing is what nobody is shown,
//! the secrets; `claviger vault export` has those too, sealed.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{
    asked::{Ask, answer},
    frame,
};

/// As `import` takes them.
const MEMBERS: [&str; 6] = ["alias", "tenant_id", "endpoint", "resource", "client_id", "template"];

pub(super) fn run(plain: &super::super::Plain) -> ExitCode {
    let loaded = match super::super::load_policy(&plain.sources.paths) {
        Ok(loaded) => loaded,
        Err(problems) => return super::super::report(&problems),
    };
    let list = match answer(plain, loaded, &Ask::List) {
        Ok(list) => list,
        Err(error) => return super::super::fail(&error),
    };
    let all = list["tenants"].as_array().into_iter().flatten();
    let tenants: Vec<_> = all.filter(|tenant| tenant["creating"].is_null()).map(exported).collect();
    if plain.json {
        return super::super::print(&format!("{:#}\n", json!(tenants)));
    }
    let lines: Vec<_> = tenants.iter().map(ToString::to_string).collect();
    super::super::print(&frame::around(&lines))
}

fn exported(tenant: &Value) -> Value {
    let mut exported = json!({ "client_secret": null });
    for member in MEMBERS.into_iter().filter(|member| !tenant[member].is_null()) {
        exported[member] = tenant[member].clone();
    }
    if tenant["labels"].as_array().is_some_and(|labels| !labels.is_empty()) {
        exported["labels"] = tenant["labels"].clone();
    }
    exported
}
