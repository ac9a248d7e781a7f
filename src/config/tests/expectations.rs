//! What other programs take and this one does not: variables and ~ that are expanded, lists by spaces, a table's name for its key.

use super::*;

const SECRET: &str = "client_secret = { env = \"S\" }";

fn bench(text: &str) -> Bench {
    Bench::new().with("c.toml", text).env("S", "secret")
}

fn replaced(from: &str, to: &str) -> Bench {
    assert!(GOOD.contains(from), "{from}");
    bench(&GOOD.replacen(from, to, 1))
}

/// In front of the tables of `GOOD`.
fn above(text: &str) -> Bench {
    bench(&format!("{text}\n{GOOD}"))
}

#[test]
fn the_audit_log_spoils_no_file_that_is_named_for_something_else() {
    let said = |output: &str, secret: &str| {
        let text =
            format!("[audit]\noutput = {{ file = \"{output}\" }}\n{}", GOOD.replacen(SECRET, secret, 1));
        let bench = bench(&text);
        bench.write("acme", "secret");
        bench.load().map_err(|problems| bench.short(&problems.problems))
    };
    let spoilt = "c.toml:2: audit.output.file: the configuration names this file for something else, which the audit log would spoil. \
                  Name a file of its own, such as \"/var/log/claviger/audit.jsonl\".";
    for output in ["acme", "./acme", "c.toml"] {
        let secret = "client_secret = { file = \"acme\" }";
        assert_eq!(said(output, secret).unwrap_err(), [spoilt], "{output}");
    }
    assert!(said("acme", SECRET).is_ok(), "a file that nothing names");
    assert_eq!(
        said("logs/", SECRET).unwrap_err(),
        [
            "c.toml:2: audit.output.file: the path ends with a slash, so it is a directory's. Name a file in it."
        ]
    );
    let vault = above(
        "[audit]\noutput = { file = \"v\" }\n[vault]\nstore = { file = \"v\" }\nkey = { env = \"K\" }\n",
    );
    assert_eq!(vault.env("K", &"k".repeat(64)).problems(), [spoilt]);
}

#[test]
fn a_variable_in_an_address_is_not_expanded() {
    for text in ["$LOGTO_ENDPOINT", "https://$X", "https://${X}", "${X}/"] {
        assert_eq!(
            replaced("client_id", &format!("endpoint = \"{text}\"\nclient_id")).problems(),
            ["c.toml:3: tenants.acme.endpoint: variables are not expanded here. \
                 Write the address itself, or set CLAVIGER_TENANTS__ACME__ENDPOINT to it."]
        );
    }
}

#[test]
fn the_variable_of_a_whole_table_is_told_which_keys_it_has() {
    let what = "this is a whole table, and no key of one.";
    for (name, remedy) in [
        (
            "CLAVIGER_POLICIES__P",
            "Write CLAVIGER_POLICIES__P__ALLOW, such as CLAVIGER_POLICIES__P__ALLOW=users:read.",
        ),
        (
            "CLAVIGER_TENANTS__ACME",
            "Write CLAVIGER_TENANTS__ACME__ENDPOINT, CLAVIGER_TENANTS__ACME__CLIENT_ID and CLAVIGER_TENANTS__ACME__CLIENT_SECRET.",
        ),
        ("CLAVIGER_CALLERS__C", "Write CLAVIGER_CALLERS__C__IDENTIFY and CLAVIGER_CALLERS__C__POLICIES."),
        ("CLAVIGER_ISSUERS__I", "Write CLAVIGER_ISSUERS__I__ISSUER and CLAVIGER_ISSUERS__I__AUDIENCE."),
        ("CLAVIGER_CLOUD__I", "Two underscores stand before the key: CLAVIGER_CLOUD__I__KEY."),
        (
            "CLAVIGER_TENANTS",
            "Two underscores stand before a name and before its key: CLAVIGER_TENANTS__NAME__KEY.",
        ),
    ] {
        for value in ["users:read", "[\"users:read\"]"] {
            assert_eq!(
                bench(GOOD).env(name, value).problems(),
                [format!("environment variable {name}: {what} {remedy}")]
            );
        }
    }
    let table = bench(GOOD).env("CLAVIGER_POLICIES__P", "{ allow = [\"users:read\"] }");
    assert_eq!(table.config().policies.len(), 1);
}

#[test]
fn the_name_of_a_variable_is_one_that_can_be_set() {
    let said = |name: &str| replaced(SECRET, &format!("client_secret = {{ env = \"{name}\" }}")).problems();
    let at = "c.toml:4: tenants.acme.client_secret: the env of this reference";
    assert_eq!(
        said("%SECRET%"),
        [format!(
            "{at} is written as a shell would expand it. Write the name alone: {{ env = \"SECRET\" }}."
        )]
    );
    for name in ["MY SECRET", "A=b", "100%"] {
        assert_eq!(
            said(name),
            [format!(
                "{at} cannot be the name of a variable. Write a name of letters, digits and _: {{ env = \"LOGTO_SECRET\" }}."
            )]
        );
    }
}

#[test]
fn what_is_no_secret_is_no_reference() {
    for form in ["env", "file"] {
        assert_eq!(
            replaced("\"app\"", &format!("{{ {form} = \"APP_ID\" }}")).problems(),
            [
                "c.toml:3: tenants.acme.client_id: this is no secret, and only a secret is written as a reference. \
                 Write the text itself, or set CLAVIGER_TENANTS__ACME__CLIENT_ID to it."
            ]
        );
    }
}

#[test]
fn a_rule_is_one_operation_and_takes_nothing_back() {
    assert_eq!(
        replaced("[\"users:read\"]", "[\"*:read\", \"!users:read\"]").problems(),
        ["c.toml:6: policies.p.allow[1]: \"!users:read\" is no rule: none takes anything back. \
             Put \"users:read\" into deny, beside allow."]
    );
    let rule = "[{ operation = [\"ListUsers\", \"GetUser\"], query = { page = { max = 1 } } }]";
    assert_eq!(
        replaced("[\"users:read\"]", rule).problems(),
        ["c.toml:6: policies.p.allow[0].operation: found a list where text is wanted. \
             Write a rule for each: { operation = \"ListUsers\", … }, { operation = \"GetUser\", … }."]
    );
}

#[test]
fn a_path_is_written_whole() {
    let remedy = "Write the whole path.";
    let what = "is written as a shell would expand it, and neither ~ nor variables are expanded here";
    for (text, key) in [
        ("[listen]\nproxy = [\"unix:~/c.sock\"]", "c.toml:2: listen.proxy[0]: the path"),
        ("[audit]\noutput = { file = \"~/a.jsonl\" }", "c.toml:2: audit.output.file: the path"),
        ("[audit]\noutput = { file = \"$HOME/a.jsonl\" }", "c.toml:2: audit.output.file: the path"),
        ("[audit]\noutput = { file = \"${HOME}/a.jsonl\" }", "c.toml:2: audit.output.file: the path"),
    ] {
        assert_eq!(above(text).problems(), [format!("{key} {what}. {remedy}")]);
    }
    assert_eq!(
        replaced(SECRET, "client_secret = { exec = [\"~/bin/x\"] }").problems(),
        [format!("c.toml:4: tenants.acme.client_secret: the program of this reference {what}. {remedy}")]
    );
    let said = replaced(SECRET, "client_secret = { file = \"$HOME/acme\" }").problems();
    assert!(said[0].ends_with("~ is not expanded, nor is a variable: write the whole path."), "{said:?}");
}

#[test]
fn the_variable_of_the_file_is_found_under_names_near_to_it() {
    assert_eq!(
        bench(GOOD).env("CLAVIGER_CONFIG_FILE", "x").problems(),
        [
            "environment variable CLAVIGER_CONFIG_FILE: no key of the configuration has this name. Did you mean CLAVIGER_CONFIG?"
        ]
    );
}
