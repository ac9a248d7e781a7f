//! Rules to add.

use super::*;
use crate::catalog::{Catalog, Requirement};

#[tokio::test]
async fn a_wider_rule_says_what_else_it_would_allow() {
    let said = said("local", "post /api/users").await;
    let lines: Vec<&str> = said.lines().skip(2).collect();
    assert_eq!(lines[0], "  to allow it, add to policies.reading.allow one of:");
    assert_eq!(lines[1], "    \"CreateUser\"   this operation alone");
    assert!(lines[2].starts_with("    \"users:write\"  would also allow "), "{said}");
    assert!(lines[2].contains("DeleteUser") && lines[2].ends_with(", …"), "{said}");

    let json = json("local", "patch /api/users/u1").await;
    let suggestion = &json["suggestion"];
    assert_eq!(
        (&suggestion["rule"], &suggestion["place"]),
        (&"UpdateUser".into(), &"policies.reading.allow".into())
    );
    assert_eq!(suggestion["also_allows"], serde_json::json!([]));
    let alternatives = suggestion["alternatives"].as_array().unwrap();
    assert_eq!(alternatives[0]["rule"], "PATCH /api/users/u1");
    assert_eq!(
        (&alternatives[0]["this_path_alone"], &alternatives[1]["rule"]),
        (&true.into(), &"users:write".into())
    );
    let also = alternatives[1]["also_allows"].as_array().unwrap();
    assert!(also.contains(&"CreateUser".into()) && !also.contains(&"UpdateUser".into()), "{json}");
    assert!(!also.contains(&"CreateUserPersonalAccessToken".into()), "sensitive: {json}");
}

/// Each suggestion is enough for every path of the operation, and what it says that it opens is what it opens.
#[tokio::test]
async fn every_suggestion_does_what_it_says() {
    let pipeline = pipeline().await;
    let (catalog, config) = (Catalog::logto(), pipeline.config());
    let mut tried = 0;
    for (index, caller) in config.callers.iter().enumerate().take(2) {
        for (op, operation) in catalog.operations() {
            if operation.requirement == Requirement::Withheld {
                continue;
            }
            let asked = Asked::parse(operation.id).unwrap();
            let question = Question {
                caller: Some(caller.name.to_string()),
                tenant: Some("acme".into()),
                ..Question::of(asked)
            };
            let answer = explain(&pipeline, question).await.unwrap().to_json().clone();
            let suggestion = &answer["suggestion"];
            if answer["allowed"] == true || suggestion.is_null() {
                continue;
            }
            let rules = [suggestion].into_iter().chain(suggestion["alternatives"].as_array().unwrap());
            for rule in rules {
                let mut changed = (*config).clone();
                let policy =
                    changed.policies.iter_mut().find(|policy| policy.name == caller.policies[0]).unwrap();
                policy.allow.push(std::sync::Arc::new(config::RuleText {
                    text: rule["rule"].as_str().unwrap().to_owned(),
                    conditions: None,
                    cache: None,
                    origin: "x".into(),
                }));
                let grants = crate::policy::Grants::new(&changed).unwrap();
                let is_open = |grants: &crate::policy::Grants, op, operation| {
                    grants
                        .rules(crate::ids::CallerIndex(index), catalog.api())
                        .about(op, operation)
                        .0
                        .is_allowed()
                };
                let opened = catalog.operations().filter(|(other, operation)| {
                    *other != op
                        && is_open(&grants, *other, operation)
                        && !is_open(pipeline.policy(), *other, operation)
                });
                let opened: Vec<Value> = opened.map(|(_, operation)| operation.id.into()).collect();
                assert_eq!(rule["also_allows"], Value::from(opened), "{} {rule}", operation.id);
                assert!(is_open(&grants, op, operation), "{} {rule}", operation.id);
                assert_eq!(rule["this_path_alone"], false, "{} {rule}", operation.id);
                tried += 1;
            }
        }
    }
    assert!(tried > 400, "{tried}");
}

/// The name of a parameter is no user's id: a rule for that path alone is not one for the operation.
#[tokio::test]
async fn an_operation_is_decided_by_what_holds_on_all_of_its_paths() {
    for text in ["DeleteUser", "delete /api/users/{userId}"] {
        let none = said("local", text).await;
        assert!(
            none.starts_with("denied: DELETE /api/users/{userId} (DeleteUser) by caller local"),
            "{none}"
        );
        assert!(
            !none.contains("/userId") && none.contains("\n    \"DeleteUser\"   this operation alone\n"),
            "{none}"
        );
        assert!(none.ends_with("\n  note: decided for any /api/users/{userId}\n"), "{none}");
        let some = said("two", text).await;
        let part = |path: &str| {
            format!("  allowed: DELETE {path}, by allow \"DELETE {path}\" of policy shared (c.toml:26)\n")
        };
        let head = "allowed on some paths only: DELETE /api/users/{userId} (DeleteUser) by caller two at tenant acme\n";
        let parts = [part("/api/users/userId"), part("/api/users/u1")].concat();
        let says = format!(
            "{head}{parts}  on others no rule allows it\n  to allow it, add to policies.shared.allow one of:\n"
        );
        assert!(some.starts_with(&says), "{some}");
        let json = json("two", text).await;
        assert_eq!(
            (&json["allowed"], &json["path"]),
            (&false.into(), &"/api/users/{userId}".into()),
            "{json}"
        );
        assert_eq!(json["allowed_on"], serde_json::json!(["/api/users/userId", "/api/users/u1"]));
    }
    let one = said("two", "delete /api/users/userId").await;
    assert!(one.starts_with("allowed: DELETE /api/users/userId (DeleteUser)"), "{one}");
    let but = said("two", "GetUser").await;
    assert!(
        but.contains(
            "\n  denied on some paths: by deny \"GET /api/users/root\" of policy shared (c.toml:27)\n"
        ),
        "{but}"
    );
    let unknown = said("local", "/api/other-things/{id}").await;
    assert!(unknown.contains("    \"GET /api/other-things/{id}\"  this path alone\n"), "{unknown}");
    for sent in
        [r#"{"method":"GET","path":"/api/users/{userId}"}"#, "curl http://127.0.0.1:3600/api/users/{userId}"]
    {
        let literally = said("local", sent).await;
        assert!(literally.contains("400 claviger.path_ambiguous"), "{literally}");
    }
    assert!(said("local", "/t/{tenant}/api/users").await.starts_with("denied: "));
}
