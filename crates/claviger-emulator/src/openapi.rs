//! The OpenAPI document of the operations that exist here, in the form of Logto's: what every route is called and how its list
//! is paged. It says little of what bodies and answers hold, and nothing of operations that there are none of here.

use serde_json::{Map, Value, json};

use crate::routes::{self, Paging, Route};

/// The document of the whole API, or of the Management API, as seen from `origin`.
pub(crate) fn management(origin: &str) -> Value {
    let mut paths = Map::new();
    for route in routes::all() {
        let item = paths.entry(route.path()).or_insert_with(|| json!({}));
        item[route.method.as_str().to_ascii_lowercase()] = operation(route);
    }
    let parameters: Map<String, Value> = routes::all().flat_map(Route::names).map(parameter).collect();
    document(origin, &paths, &parameters)
}

/// A document of another API, of which nothing is here.
pub(crate) fn other(origin: &str) -> Value {
    document(origin, &Map::new(), &Map::new())
}

fn document(origin: &str, paths: &Map<String, Value>, parameters: &Map<String, Value>) -> Value {
    let mut tags: Vec<_> = routes::all().map(tag).collect();
    tags.sort();
    tags.dedup();
    let tags: Vec<_> = tags.into_iter().map(|name| json!({ "name": name })).collect();
    let scheme = json!({
        "type": "oauth2",
        "flows": { "clientCredentials": { "tokenUrl": "/oidc/token", "scopes": { "all": "All scopes" } } },
    });
    json!({
        "openapi": "3.0.1",
        "servers": [{ "url": origin, "description": "Logto endpoint address." }],
        "info": {
            "title": "Logto API references", "description": "Of the emulator.", "version": "Cloud",
        },
        "security": [{ "OAuth2": ["all"] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "OAuth2": scheme },
            "parameters": parameters,
            "schemas": { "Error": {
                "type": "object", "required": ["code", "message"],
                "properties": { "code": { "type": "string" }, "message": { "type": "string" } },
            } },
        },
        "tags": tags,
    })
}

fn operation(route: &Route) -> Value {
    let mut parameters: Vec<_> =
        route.names().map(|name| json!({ "$ref": format!("#/components/parameters/{name}") })).collect();
    if route.paging != Paging::Never {
        for (name, default) in [("page", 1), ("page_size", 20)] {
            parameters.push(json!({
                "name": name, "in": "query", "required": false,
                "schema": { "type": "integer", "minimum": 1, "default": default },
            }));
        }
    }
    let object = json!({ "type": "object", "additionalProperties": true });
    // A page is a list; of what comes whole nothing is said.
    let answer = match route.paging {
        Paging::Never => json!({}),
        Paging::Optional | Paging::Always => json!({ "type": "array", "items": object }),
    };
    let content = |schema: Value| json!({ "application/json": { "schema": schema } });
    let error = json!({
        "description": "What is wrong.",
        "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Error" } } },
    });
    let mut responses = json!({ "400": error });
    if route.method == http::Method::DELETE {
        responses["204"] = json!({ "description": "Done." });
    } else {
        responses["200"] = json!({ "description": "Done.", "content": content(answer) });
    }
    let mut operation = json!({
        "operationId": route.operation,
        "tags": [tag(route)],
        "summary": route.operation,
        "parameters": parameters,
        "responses": responses,
    });
    if matches!(route.method, http::Method::POST | http::Method::PUT | http::Method::PATCH) {
        operation["requestBody"] = json!({ "required": false, "content": content(object) });
    }
    if !route.guarded {
        operation["security"] = json!([]);
    }
    operation
}

fn parameter(name: &str) -> (String, Value) {
    let parameter = json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } });
    (name.to_owned(), parameter)
}

/// Logto's tag: mostly what stands after `/api`, in words.
fn tag(route: &Route) -> String {
    let path = route.path();
    let room = path.split('/').nth(2).unwrap_or_default();
    let words = match room {
        "logs" => "audit-logs",
        "saml" => "saml-applications-auth-flow",
        "sign-in-exp" => "sign-in-experience",
        room => room.trim_start_matches('.'),
    };
    let mut text = words.replace('-', " ");
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_every_route() {
        let document = management("http://localhost:3001");
        let paths = document["paths"].as_object().expect("an object");
        let operations: usize = paths.values().map(|item| item.as_object().expect("an object").len()).sum();
        assert_eq!((paths.len(), operations), (168, 275), "fact 10.2");
        assert_eq!(document["servers"][0]["url"], "http://localhost:3001");
        let users = &document["paths"]["/api/users"]["get"];
        assert_eq!((&users["operationId"], &users["tags"][0]), (&json!("ListUsers"), &json!("Users")));
        assert_eq!(users["parameters"][1]["name"], "page_size");
        assert_eq!(document["paths"]["/api/status"]["get"]["security"], json!([]));
    }
}
