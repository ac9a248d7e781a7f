//! What `check`, `policy matrix` and `operations` say of rules.

use serde_json::Value;

use super::{Files, claviger, finish, offline, program};

#[tokio::test]
async fn b32_a_condition_on_a_name_that_nothing_has_is_a_mistake() {
    let files = Files::new();
    let file = files.with(&offline().set(
        "policies.all.allow",
        "[{ operation = 'ListUsers', query = { serach = { forbidden = true }, pagesize = { max = 3 } } }, \
          { operation = 'UpdateUser', body = ['nmae'] }, \
          { operation = 'GET /api/organization-scopes', query = { page_size = { max = 3 } } }]",
    ));
    let said = claviger(&["check", "--config", &file]).await;
    said.assert_code(64);
    for what in [
        "policies.all.allow[0].query.serach: \"serach\" is not a query parameter of ListUsers. Did you mean \"search\"?",
        "policies.all.allow[0].query.pagesize: \"pagesize\" is not a query parameter of ListUsers. Did you mean \"page_size\"?",
        "policies.all.allow[1].body[0]: \"nmae\" is not a member of the body of UpdateUser. Did you mean \"name\"?",
        "policies.all.allow[2].query.page_size: without page and page_size ListOrganizationScopes answers the whole list, \
         so this bounds nothing. Add required = true.",
    ] {
        assert!(said.stderr.contains(what), "{what}\n{}", said.stderr);
    }
}

#[tokio::test]
async fn check_and_the_matrix_say_what_a_tag_brings() {
    let files = Files::new();
    let file = files.with(
        &offline()
            .set("policies.all.allow", "['hooks:*', 'roles:read', 'GetUser', 'DeleteHook']")
            .set("policies.all.deny", "['GetRole']")
            .set("callers.local.reveal", "['GetHook']"),
    );
    let hooks = "\"hooks:*\" brings 3 operations, of which 2 come with secrets masked: ListHooks, GetHook; only by name: \
                 CreateHook, UpdateHook, DeleteHook, UpdateHookSigningKey, CreateHookTest\n";
    let check =
        finish(program().args(["check", "--config", &file]).env("ACME_SECRET", "0123456789abcdef")).await;
    check.assert_code(0);
    let matrix = claviger(&["policy", "matrix", "--config", &file]).await;
    for said in [&check.stdout, &matrix.stdout] {
        assert!(said.contains(hooks), "{said}");
        assert!(said.contains("\"roles:read\" brings ") && !said.contains("\"GetUser\" brings"), "{said}");
    }
    for line in ["ListHooks+ ", "DeleteHook* ", "GetUser ", "  GetHook: answers unmasked"] {
        assert!(matrix.stdout.contains(line), "{line}\n{}", matrix.stdout);
    }
    assert!(
        !matrix.stdout.contains("CreateHook ") && !matrix.stdout.contains("CreateHook* "),
        "{}",
        matrix.stdout
    );

    let json: Value =
        serde_json::from_str(&claviger(&["policy", "matrix", "--config", &file, "--json"]).await.stdout)
            .expect("it is JSON");
    let caller = &json["callers"][0];
    assert_eq!(caller["broad_rules"][0]["masked"], serde_json::json!(["ListHooks", "GetHook"]));
    let masked = |id: &str| {
        let operations = caller["operations"].as_array().expect("a list");
        let found = operations.iter().find(|operation| operation["operation"] == id);
        found.unwrap_or_else(|| panic!("{id}"))["secrets_masked"].clone()
    };
    assert_eq!(
        (masked("ListHooks"), masked("GetHook"), masked("GetUser")),
        (true.into(), false.into(), false.into())
    );

    let operations = claviger(&["operations", "--tag", "hooks"]).await.stdout;
    assert!(operations.contains("hooks (secrets masked)\n"), "{operations}");
    assert!(operations.contains("hooks (sensitive: destruction)\n"), "{operations}");
}
