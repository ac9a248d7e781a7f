use std::sync::Arc;

use super::*;
use crate::{
    config::{self, Config, LoadRequest, References},
    ids::CallerIndex,
    openapi::Document,
    policy::{CatalogCheck, Grants},
};

/// What the one caller of a configuration may do.
fn rights(policy: &str, caller: &str) -> Rights {
    Grants::new(&config(policy, caller)).unwrap().rights(CallerIndex(0))
}

fn config(policy: &str, caller: &str) -> Config {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.toml");
    let text = format!(
        "[tenants.acme]\nclient_id = \"a\"\nclient_secret = {{ env = \"S\" }}\n[policies.p]\n{policy}\n\
         [callers.c]\nidentify = {{ loopback = true }}\npolicies = [\"p\"]\n{caller}\n"
    );
    std::fs::write(&path, text).unwrap();
    let (search, env) = (Vec::new(), config::Environment::new());
    let references = References::MayBeAbsent;
    let request = LoadRequest { paths: vec![path], search, env, rule_check: &CatalogCheck, references };
    config::load(&request).unwrap_or_else(|problems| panic!("{problems}")).config
}

fn cut(source: &Source, rights: &Rights) -> Value {
    let bytes = Cut::of(source, rights).at("http://localhost:3600/t/acme").concat();
    serde_json::from_slice(&bytes)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&bytes)))
}

fn ids(document: &Value) -> Vec<String> {
    let paths = document["paths"].as_object().unwrap().values();
    let operations = paths.flat_map(|item| item.as_object().unwrap().values());
    operations.filter_map(|operation| operation["operationId"].as_str()).map(str::to_owned).collect()
}

fn description(operation: &Value) -> &str {
    operation["description"].as_str().unwrap_or_default()
}

/// A document with what Logto's has, in small.
fn small() -> Source {
    let text = json!({
        "openapi": "3.0.1",
        "info": { "title": "Logto API references", "version": "Cloud" },
        "servers": [{ "url": "https://acme.logto.app" }],
        "security": [{ "OAuth2": ["all"] }],
        "paths": {
            "/api/users": {
                "get": {
                    "operationId": "ListUsers", "tags": ["Users"], "description": "Lists users.",
                    "servers": [{ "url": "https://elsewhere" }],
                    "parameters": [
                        { "name": "page", "in": "query", "schema": { "type": "integer" } },
                        { "name": "page_size", "in": "query", "schema": { "type": "integer", "default": 20 } },
                        { "name": "search_params", "in": "query", "schema": { "type": "object" } },
                    ],
                    "responses": { "200": { "content": { "application/json": { "schema": { "type": "array", "items":
                        { "$ref": "#/components/schemas/User" } } } } } },
                },
                "post": { "operationId": "CreateUser", "tags": ["Users"], "responses": {}, "requestBody": { "content": {
                    "application/json": { "schema": { "$ref": "#/components/schemas/NewUser" } } } } },
            },
            "/api/users/{userId}": {
                "parameters": [{ "$ref": "#/components/parameters/userId" }],
                "get": { "operationId": "GetUser", "tags": ["Users"], "summary": "Gets a user.", "responses": {} },
                "patch": { "operationId": "UpdateUser", "tags": ["Users"], "responses": {}, "requestBody": { "content": {
                    "application/json": { "schema": { "$ref": "#/components/schemas/NewUser" } } } } },
            },
            "/api/hooks/{id}": {
                "get": { "operationId": "GetHook", "tags": ["Hooks"], "responses": {}, "security": [] },
                "delete": { "operationId": "DeleteHook", "tags": ["Hooks"], "responses": {} },
            },
            "/api/new-things": { "get": { "operationId": "ListNewThings", "tags": ["New things"], "responses": {} } },
            "/api/odd path": { "get": { "operationId": "Odd", "responses": {} } },
            "/api/.well-known/management.openapi.json": { "get": { "operationId": "Document", "responses": {} } },
        },
        "components": {
            "securitySchemes": { "OAuth2": { "type": "oauth2" } },
            "schemas": {
                "User": { "type": "object", "properties": { "role": { "$ref": "#/components/schemas/Role" } } },
                "Role": { "type": "object", "properties": { "users": { "$ref": "#/components/schemas/User" } } },
                "NewUser": {
                    "type": "object", "required": ["name", "password"],
                    "properties": { "name": { "type": "string" }, "password": { "type": "string" },
                        "policy": { "type": "object", "default": {}, "required": ["min"], "properties": { "min": {} } } },
                },
                "Secret": { "type": "object" },
            },
            "parameters": { "userId": { "name": "userId", "in": "path", "required": true, "schema": { "type": "string" } } },
        },
        "tags": [
            { "name": "Users", "description": "Those who sign in." },
            { "name": "Hooks", "description": "Where events go." },
        ],
    });
    Source::Logto(Arc::new(Document::read(text.to_string().into_bytes()).unwrap()))
}

#[test]
fn a_cut_has_what_is_allowed_and_what_that_refers_to() {
    let document = cut(&small(), &rights("allow = [\"ListUsers\"]", ""));
    assert_eq!(ids(&document), ["ListUsers"]);
    let schemas: Vec<_> = document["components"]["schemas"].as_object().unwrap().keys().collect();
    assert_eq!(schemas, ["Role", "User"]);
    assert_eq!(document["tags"], json!([{ "name": "Users", "description": "Those who sign in." }]));
    assert_eq!(document["servers"][0]["url"], "http://localhost:3600/t/acme");
    assert_eq!((&document["openapi"], &document["info"]["version"]), (&json!("3.0.1"), &json!("Cloud")));
    assert_eq!(document["info"]["x-claviger-source"], "logto");
    let list = &document["paths"]["/api/users"]["get"];
    assert!(list["servers"].is_null(), "no other address leads past the rules");
    assert_eq!(
        description(list),
        "Lists users.\n\n**Claviger:** masks in the answer, where `includePasswordHash` asks for it: `/passwordDigest`."
    );
    let text = document.to_string();
    for gone in ["OAuth2", "elsewhere", "acme.logto.app", "userId", "Hooks", "NewUser", "Secret"] {
        assert!(!text.contains(gone), "{gone}");
    }
    assert!(document["components"]["securitySchemes"]["claviger"].is_object());

    let nothing = cut(&small(), &rights("allow = [\"roles:read\"]", ""));
    assert_eq!((&nothing["paths"], &nothing["tags"]), (&json!({}), &json!([])));
    assert_eq!(nothing["components"].as_object().unwrap().len(), 1);
}

#[test]
fn what_is_sensitive_new_or_withheld_is_there_as_the_rules_say() {
    let all = cut(&small(), &rights("allow = [\"*\"]", ""));
    assert_eq!(ids(&all), ["GetHook", "ListUsers", "CreateUser", "GetUser", "UpdateUser"]);
    assert_eq!(
        all["paths"]["/api/users/{userId}"]["parameters"],
        json!([{ "$ref": "#/components/parameters/userId" }])
    );
    let more = cut(
        &small(),
        &rights("allow = [\"*\", \"DeleteHook\", \"GET /api/**\"]\ndeny = [\"users:write\"]", ""),
    );
    assert_eq!(ids(&more), ["DeleteHook", "GetHook", "ListNewThings", "ListUsers", "GetUser"]);
    let new = description(&more["paths"]["/api/new-things"]["get"]);
    assert!(new.contains("masks in the answer whatever has the name of a secret"), "{new}");
    assert!(more["paths"]["/api/hooks/{id}"]["get"]["security"].is_null());
}

#[test]
fn masks_are_described_unless_they_are_lifted() {
    let hook = |caller: &str| {
        let document = cut(&small(), &rights("allow = [\"*\"]", caller));
        let of = |path: &str| description(&document["paths"][path]["get"]).to_owned();
        (of("/api/hooks/{id}"), of("/api/users/{userId}"))
    };
    let (masked, asked) = hook("");
    assert_eq!(masked, "**Claviger:** masks in the answer: `/config/headers`, `/signingKey`.");
    assert!(asked.starts_with("Gets a user.\n\n**Claviger:** masks in the answer, where `includePasswordHash` asks for it: `/password"));
    assert_eq!(hook("reveal = [\"GetHook\", \"GetUser\"]"), (String::new(), String::new()));
}

#[test]
fn conditions_narrow_what_an_operation_takes_and_are_said() {
    let policy = "allow = [\n\
        { operation = \"ListUsers\", query = { page_size = { required = true, max = 10 }, \"*\" = \"forbidden\" } },\n\
        { operation = \"UpdateUser\", body = [\"name\"] },\n\
        { operation = \"GET /api/users/u1\", query = { includePasswordHash = \"forbidden\" } }, \"GET /api/users/u2\"]";
    let document = cut(&small(), &rights(policy, ""));
    assert_eq!(ids(&document), ["ListUsers", "GetUser", "UpdateUser"]);
    let list = &document["paths"]["/api/users"]["get"];
    assert_eq!(
        list["parameters"],
        json!([{ "name": "page_size", "in": "query", "required": true, "schema": { "type": "integer", "maximum": 10 } }])
    );
    assert_eq!(
        description(list),
        "Lists users.\n\n**Claviger:** granted under a condition: page_size required, at most 10; no other query parameter.\n\n**Claviger:** masks in the answer, where `includePasswordHash` asks for it: `/passwordDigest`."
    );
    let update = &document["paths"]["/api/users/{userId}"]["patch"];
    let body = &update["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(body["properties"], json!({ "name": { "type": "string" } }));
    assert_eq!((&body["required"], &body["additionalProperties"]), (&json!(["name"]), &json!(false)));
    assert!(document["components"]["schemas"]["NewUser"].is_null(), "nothing refers to it any more");
    let get = description(&document["paths"]["/api/users/{userId}"]["get"]);
    assert!(
        get.contains(
            "**Claviger:** granted on these paths alone:\n- `/api/users/u1` under a condition: includePasswordHash forbidden.\n- `/api/users/u2`"
        ),
        "{get}"
    );
}

#[test]
fn several_conditions_are_said_and_narrow_nothing() {
    let policy = "allow = [{ operation = \"ListUsers\", query = { page_size = { max = 10 } } },\n\
                  { operation = \"GET /api/users\", query = { page = \"forbidden\" } }]";
    let document = cut(&small(), &rights(policy, ""));
    let list = &document["paths"]["/api/users"]["get"];
    assert_eq!(list["parameters"].as_array().unwrap().len(), 3);
    let says =
        "**Claviger:** granted under any one of these conditions:\n- page_size at most 10\n- page forbidden";
    assert!(description(list).contains(says), "{}", description(list));
}

#[test]
fn a_default_that_its_schema_refuses_is_taken_out() {
    let document = cut(&small(), &rights("allow = [\"CreateUser\"]", ""));
    let policy = &document["components"]["schemas"]["NewUser"]["properties"]["policy"];
    assert_eq!(policy, &json!({ "type": "object", "required": ["min"], "properties": { "min": {} } }));
}

#[test]
fn without_a_document_the_catalog_is_one() {
    let policy = "allow = [\"hooks:read\", \"GET /api/users/u1\",\n\
                  { operation = \"UpdateUser\", body = [\"name\"] },\n\
                  { operation = \"ListUsers\", query = { page_size = { max = 10 }, page = \"forbidden\" } }]";
    let document = cut(&Source::Catalog, &rights(policy, ""));
    assert_eq!(
        ids(&document),
        ["ListHooks", "GetHook", "ListHookRecentLogs", "ListUsers", "GetUser", "UpdateUser"]
    );
    assert_eq!(document["info"]["x-claviger-source"], "catalog");
    assert_eq!(document["tags"], json!([{ "name": "Hooks" }, { "name": "Users" }]));
    let all = cut(&Source::Catalog, &rights("allow = [\"*\"]", ""));
    let [list, whole] =
        [&document, &all].map(|it| it["paths"]["/api/users"]["get"]["parameters"].as_array().unwrap());
    let names = |list: &[Value]| list.iter().map(|it| it["name"].clone()).collect::<Vec<_>>();
    assert!(names(whole).contains(&json!("page")));
    assert_eq!(names(list), names(whole).into_iter().filter(|name| name != "page").collect::<Vec<_>>());
    assert_eq!(list[7]["schema"]["maximum"], 10);
    let body = &document["paths"]["/api/users/{userId}"]["patch"]["requestBody"]["content"]["application/json"]
        ["schema"];
    assert_eq!(body["properties"], json!({ "name": {} }));
    assert!(ids(&all).len() > 150 && all["paths"]["/api/swagger.json"].is_null());
}

#[test]
fn what_the_file_adds_is_described_as_well() {
    let line = "GET\t/api/users/{userId}/devices\tListDevices\tusers\tsecrets\t-\ttoken\tkind\t-\t/value";
    let catalog = crate::catalog::Catalog::extended(line).unwrap();
    let config = Config {
        catalog: config::CatalogOptions { file: None, catalog },
        ..config("allow = [\"users:read\"]", "")
    };
    let rights = Grants::new(&config).unwrap().rights(CallerIndex(0));
    let document = cut(&Source::Catalog, &rights);
    let devices = &document["paths"]["/api/users/{userId}/devices"]["get"];
    assert_eq!(devices["parameters"][1]["name"], "kind");
    assert!(description(devices).ends_with("masks in the answer: `/value`."), "{devices}");
}

#[test]
fn a_tag_is_that_of_one_document_at_one_address() {
    let rights = rights("allow = [\"ListUsers\"]", "");
    let (one, other) = (Cut::of(&small(), &rights), Cut::of(&Source::Catalog, &rights));
    assert_eq!(one.tag("http://a"), Cut::of(&small(), &rights).tag("http://a"));
    assert_ne!(one.tag("http://a"), one.tag("http://b"));
    assert_ne!(one.tag("http://a"), other.tag("http://a"));
    assert!(one.tag("http://a").len() == 34 && one.tag("http://a").starts_with('"'));
    let odd = serde_json::from_slice::<Value>(&one.at("http://a\"b").concat()).unwrap();
    assert_eq!(odd["servers"][0]["url"], "http://a\"b");
}

#[test]
#[ignore = "reads the document that Logto 1.42 serves: TEST_CLAVIGER_OPENAPI=FILE"]
fn logtos_own_document_is_cut() {
    let source = Source::Logto(Arc::new(Document::recorded()));
    for (policy, count) in [
        ("allow = [\"*\"]", None),
        ("allow = [\"users:read\"]", None),
        ("allow = [\"ListUsers\"]", Some(1)),
        (
            "allow = [\"GET /api/**\", \"POST /api/**\", \"PUT /api/**\", \"PATCH /api/**\", \"DELETE /api/**\"]",
            None,
        ),
    ] {
        let rights = rights(policy, "");
        let document = cut(&source, &rights);
        let allowed = ids(&cut(&Source::Catalog, &rights));
        let mut found = ids(&document);
        assert_eq!(count.unwrap_or(found.len()), found.len());
        found.sort_unstable();
        let mut allowed = allowed;
        allowed.sort_unstable();
        assert_eq!(found, allowed, "{policy}");
    }
}
