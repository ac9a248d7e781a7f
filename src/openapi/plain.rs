//! What the catalog knows of operations, written as OpenAPI: methods, paths, names, the parameters and members that there
//! are. For as long as Logto's own document has not come; it says nothing of types, and so is right of every version.

use serde_json::{Map, Value, json};

use crate::catalog::{
    Catalog, Op, Operation, Parameters, Verb,
    template::{Segment, Template},
};

/// One path with its operations.
pub(super) struct Path {
    pub(super) template: Template,
    pub(super) operations: Vec<(Verb, Value)>,
}

/// All operations that `keep` keeps, by their path.
pub(super) fn paths(catalog: &Catalog, keep: impl Fn(&Operation) -> bool) -> Vec<Path> {
    let mut paths = Vec::<Path>::new();
    for (op, operation) in catalog.operations().filter(|(_, operation)| keep(operation)) {
        let same = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
        let template = &operation.template;
        // Two templates that differ in the names of their parameters are one path in OpenAPI.
        let known = paths.iter().position(|known| {
            known.template.covers(template, same) && template.covers(&known.template, same)
        });
        let at = known.unwrap_or_else(|| {
            paths.push(Path { template: template.clone(), operations: Vec::new() });
            paths.len() - 1
        });
        let object = object(catalog, op, operation, &paths[at].template);
        paths[at].operations.push((operation.verb, object));
    }
    paths
}

fn object(catalog: &Catalog, op: Op, operation: &Operation, path: &Template) -> Value {
    let takes = catalog.parameters(op);
    let mut object = Map::new();
    object.insert("operationId".into(), operation.id.into());
    object.insert("tags".into(), json!([tag(operation.tag)]));
    object.insert("summary".into(), summary(operation.id).into());
    object.insert("parameters".into(), parameters(path, takes));
    if let Some(schema) = body(takes) {
        object
            .insert("requestBody".into(), json!({ "content": { "application/json": { "schema": schema } } }));
    }
    let mut success = json!({ "description": "What Logto answers." });
    if operation.verb.reads() {
        success["content"] = json!({ "application/json": { "schema": {} } });
    }
    let problem = json!({ "type": "object", "properties": { "code": { "type": "string" }, "message": { "type": "string" } } });
    let error = json!({
        "description": "What Logto or Claviger has against it.",
        "content": { "application/json": { "schema": problem } },
    });
    object.insert("responses".into(), json!({ "2XX": success, "default": error }));
    Value::Object(object)
}

fn parameters(path: &Template, takes: Parameters) -> Value {
    let written = path.as_str().split('/').skip(1);
    let in_path = path.segments().iter().zip(written).filter(|(segment, _)| **segment == Segment::Param);
    let in_path = in_path.map(|(_, name)| {
        let name = name.trim_start_matches('{').trim_end_matches('}');
        json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } })
    });
    let query = takes.query().map(|name| {
        let schema = match name {
            "page" => json!({ "type": "integer", "minimum": 1, "default": 1 }),
            "page_size" => json!({ "type": "integer", "minimum": 1, "maximum": 100, "default": 20 }),
            _ => json!({ "type": "string" }),
        };
        match name.strip_suffix('*') {
            Some(family) => json!({
                "name": family, "in": "query", "schema": schema,
                "description": format!("Further parameters begin so: `{family}.name`."),
            }),
            None => json!({ "name": name, "in": "query", "schema": schema }),
        }
    });
    in_path.chain(query).collect()
}

fn body(takes: Parameters) -> Option<Value> {
    let mut names = takes.members().peekable();
    names.peek()?;
    let members: Map<String, Value> =
        names.filter(|name| *name != "*").map(|name| (name.to_owned(), json!({}))).collect();
    Some(json!({ "type": "object", "properties": members }))
}

/// `audit-logs`: "Audit logs", as Logto writes it.
pub(super) fn tag(kebab: &str) -> String {
    let mut text = kebab.replace('-', " ");
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text
}

/// `ListUserRoles`: "List user roles".
fn summary(id: &str) -> String {
    let mut text = String::with_capacity(id.len() + 8);
    for (at, letter) in id.char_indices() {
        if at > 0 && letter.is_ascii_uppercase() {
            text.push(' ');
            text.push(letter.to_ascii_lowercase());
        } else {
            text.push(letter);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_of_the_catalog_has_its_place() {
        let catalog = Catalog::logto();
        let paths = paths(catalog, |_| true);
        assert_eq!(paths.iter().map(|path| path.operations.len()).sum::<usize>(), 275);
        assert_eq!(paths.len(), 168, "as in Logto's document (fact 10.2)");
        let users = paths.iter().find(|path| path.template.as_str() == "/api/users").unwrap();
        let (_, list) = users.operations.iter().find(|(verb, _)| *verb == Verb::Get).unwrap();
        assert_eq!((&list["operationId"], &list["summary"]), (&json!("ListUsers"), &json!("List users")));
        let names: Vec<_> =
            list["parameters"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
        assert_eq!(
            names,
            [
                "excludeOrganizationId",
                "excludeRoleId",
                "includePasswordHash",
                "isCaseSensitive",
                "joint",
                "jointMode",
                "mode",
                "page",
                "page_size",
                "search"
            ]
        );
        assert_eq!(tag("audit-logs"), "Audit logs");
    }

    #[test]
    fn templates_of_one_shape_are_one_path() {
        let line = "PUT\t/api/users/{id}\tReplaceUser\tusers\t-\t-\ttoken\t-\tname";
        let catalog = Catalog::extended(line).unwrap();
        let paths = paths(&catalog, |operation| operation.tag == "users");
        let user = paths.iter().find(|path| path.template.as_str() == "/api/users/{userId}").unwrap();
        let (_, replace) = user.operations.iter().find(|(verb, _)| *verb == Verb::Put).unwrap();
        assert_eq!(replace["parameters"][0]["name"], "userId");
        assert!(!paths.iter().any(|path| path.template.as_str() == "/api/users/{id}"));
    }
}
