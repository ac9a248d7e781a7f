use std::sync::Arc;

use super::*;
use crate::catalog::{Paging, Requirement, Risk, Verb};

const DEVICES: &str = "GET\t/api/users/{userId}/trusted-devices\tListUserTrustedDevices\tusers\t-\talways\ttoken\tpage,page_size";
const CIMD: &str =
    "PUT\t/api/configs/cimd\tUpdateCimd\tconfigs\tsecrets,elevation\t-\ttoken\t-\tenabled,key\t/key,/old/key";

fn extended(lines: &[&str]) -> Arc<Catalog> {
    Catalog::extended(&lines.join("\n")).unwrap()
}

fn problems(text: &str) -> Vec<String> {
    let problems = Catalog::extended(text).err().unwrap_or_default();
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn a_file_adds_operations_and_changes_none() {
    let (embedded, extended) = (Catalog::logto(), extended(&["# newer than 1.42", "", DEVICES, CIMD]));
    assert_eq!((extended.operations().len(), extended.added()), (277, 2));
    for ((op, before), (same, now)) in embedded.operations().zip(extended.operations()) {
        assert_eq!((op, before.id, before.tag, &before.risks), (same, now.id, now.tag, &now.risks));
        assert_eq!((before.verb, &before.template), (now.verb, &now.template));
        assert_eq!(embedded.parameters(op), extended.parameters(op));
        assert!(match (embedded.secrets(op), extended.secrets(op)) {
            (Some(before), Some(now)) => std::ptr::eq(before, now),
            (before, now) => before.is_none() && now.is_none(),
        });
        assert_eq!(extended.find(now.verb, now.template.as_str()), Some(op), "{}", now.id);
    }
    let devices = extended.find(Verb::Get, "/api/USERS/u1/trusted-devices").unwrap();
    assert_eq!(extended.by_id("ListUserTrustedDevices"), Some(devices));
    let operation = extended.operation(devices);
    assert_eq!((operation.tag, operation.paging), ("users", Some(Paging::Always)));
    assert!(extended.tagged("users").unwrap().reading.contains(devices));
    assert!(extended.parameters(devices).takes("page_size") && extended.secrets(devices).is_none());
    let cimd = extended.by_id("UpdateCimd").unwrap();
    assert!(extended.sensitive().contains(cimd) && extended.parameters(cimd).has_member("enabled"));
    assert_eq!(*extended.operation(cimd).risks, [Risk::Secrets, Risk::Elevation]);
    assert_eq!(extended.operation(cimd).requirement, Requirement::Token);
    assert_eq!(extended.secrets(cimd).unwrap().places(), ["/key", "/old/key"]);
    assert!(extended.secrets_of_request(cimd, Some("a=b")).is_some());
}

#[test]
fn the_same_additions_are_the_same_catalog() {
    let one = extended(&["# as reviewed in May", DEVICES]);
    assert_eq!(*one, *extended(&[DEVICES, "", "# and in June"]));
    assert_ne!(*one, *extended(&[CIMD]));
    assert_ne!(*one, *Catalog::logto());
    assert_eq!(*extended(&["# nothing"]), *Catalog::logto());
}

#[test]
fn nothing_is_added_whose_risks_nobody_has_written_down() {
    let unreviewed = "POST\t/api/users/{userId}/devices\tCreateDevice\tusers\t?\t-\ttoken";
    let found = problems(unreviewed);
    assert_eq!(found.len(), 1);
    let says = "line 1: nobody has judged the risks of this operation yet. Write those that it has, separated by commas, or - \
                for none: secrets (answers with secrets in clear), elevation (";
    assert!(found[0].starts_with(says), "{}", found[0]);
    let empty = "POST\t/api/users/{userId}/devices\tCreateDevice\tusers\t\t-\ttoken";
    assert!(
        problems(empty)[0]
            .starts_with("line 1: a column holds spaces or unprintable characters. Separate by one tab")
    );
}

#[test]
fn no_line_redefines_what_claviger_knows() {
    let take_out = "Take the line out: a file adds operations and cannot change those that Claviger knows.";
    for (line, what) in [
        (
            "GET\t/api/elsewhere\tListApplicationSecrets\tapplications\t-\t-\ttoken",
            format!("ListApplicationSecrets is an operation of the embedded catalog. {take_out}"),
        ),
        (
            "GET\t/api/Users/{id}\tReadUser\tusers\t-\t-\ttoken",
            format!("GET /api/Users/{{id}} is GetUser of the embedded catalog. {take_out}"),
        ),
        (
            "DELETE\t/api/users/everybody\tDeleteAll\tusers\tdestruction\t-\ttoken",
            "its paths are such of DeleteUser (DELETE /api/users/{userId}) of the embedded catalog. Take the line out, and write \
             the rule \"DELETE /api/users/everybody\" in the policy."
                .into(),
        ),
        (
            "GET\t/api/configs/oidc/Private-Keys\tGetKeys\tconfigs\t-\t-\ttoken",
            "its paths are such of GetOidcKeys (GET /api/configs/oidc/{keyType}) of the embedded catalog. Take the line out, and \
             write the rule \"GET /api/configs/oidc/Private-Keys\" in the policy."
                .into(),
        ),
        (
            "GET\t/api/swagger.json/v2\tGetNewSwagger\tswagger-json\t-\t-\ttoken",
            "OpenAPI documents are never forwarded. Take the line out, or write withheld for its access.".into(),
        ),
        (
            "POST\t/api/users/{userId}/devices\tCreateDevice\tdevices\t-\t-\ttoken",
            "operations below /api/users have the tag users, and not devices. Write users.".into(),
        ),
        (
            "DELETE\t/api/applications/{id}/secrets/{name}/uses\tDeleteSecretUses\tapplications\t-\t-\ttoken",
            "a name in a path of it or of DeleteApplicationSecret may hold a slash, which would make one the other. Take the \
             line out, and write the rule \"DELETE /api/applications/{id}/secrets/{name}/uses\" in the policy."
                .into(),
        ),
    ] {
        assert_eq!(problems(line), [format!("line 1: {what}")], "{line}");
    }
}

/// What Logto's router would choose before it is no way around it.
#[test]
fn a_line_that_is_less_literal_than_what_is_known_takes_nothing_away() {
    let extended = extended(&["GET\t/api/configs/{name}\tGetConfig\tconfigs\t-\t-\ttoken"]);
    let find = |path| extended.find(Verb::Get, path).map(|op| extended.operation(op).id);
    assert_eq!(find("/api/configs/admin-console"), Some("GetAdminConsoleConfig"));
    assert_eq!(find("/api/configs/other"), Some("GetConfig"));
}

#[test]
fn every_problem_is_told_with_its_line() {
    let text = [
        "# method …",
        DEVICES,
        "GOT\t/users\tx y\tUsers\tbad\tsometimes\tnobody\t,\ta,,b\t-",
        DEVICES,
        "GET /api/new GetNew new - - token",
        "GET\t/api/new/**\ttoken\t-a\tsecrets\t-\ttoken",
        "GET\t/api/new\tGetNew\tnew\tsecrets\talways\ttoken\t-\ta",
        "GET\t/api/new\tGetNew\tnew\tsecrets\t-\ttoken\t-\t-\tvalue",
        "GET\t/api/new\tGetNew\tnew\t-\talways\ttoken",
        "GET\t/api/new\tGetNew\tnew\t-\t-\ttoken\t-\ta",
        "GET\t/api/new\tGetNew\tnew\t-\t-\ttoken\t-\t-\t/value",
        "HEAD\t/api/new\tHeadNew\tnew\t-\t-\ttoken",
    ];
    let found = problems(&text.join("\n"));
    let found: Vec<_> = found.iter().map(|problem| problem.split(". ").next().unwrap()).collect();
    assert_eq!(
        found,
        [
            "line 3: a column holds spaces or unprintable characters",
            "line 4: ListUserTrustedDevices is there already, at line 2",
            "line 5: 1 column instead of 7 to 10",
            "line 6: \"/api/new/**\" is many paths",
            "line 6: \"token\" means something else in metrics",
            "line 6: \"-a\" is not a tag",
            "line 6: its answer holds secrets, and nothing says at which places",
            "line 7: its answer holds secrets, and nothing says at which places",
            "line 8: \"value\" are no places of secrets: a place begins with a slash",
            "line 9: its answer comes in pages, and page and page_size are not among its query parameters",
            "line 10: what only reads has no body",
            "line 11: it has places of secrets, and not the risk `secrets`",
            "line 12: HEAD is asked as GET",
        ]
    );
    let all = problems("GOT\t/users\tx_y\tUsers\tbad\tsometimes\tnobody\t,\ta,,b\t-");
    assert_eq!(all.len(), 9, "{all:#?}");
}

#[test]
fn a_file_has_an_end() {
    let line = |n: usize| format!("GET\t/api/new/a{n}\tGetNew{n}\tnew\t-\t-\ttoken");
    let lines = |count: usize| (0..count).map(line).collect::<Vec<_>>().join("\n");
    assert_eq!(Catalog::extended(&lines(109)).unwrap().operations().len(), 384);
    assert!(problems(&lines(110))[0].starts_with("line 110: this is one operation more than the 109"));
    let wrong = "GET\n".repeat(200);
    assert_eq!(problems(&wrong).len(), 101);
    assert!(problems(&wrong)[100].contains("more than 100 problems"));
}
