//! What other programs take and this one does not: variables and ~ that are expanded, lists by spaces, a table's name for its key.

use super::{
    remedies::{SECRET, above, bench, replaced},
    *,
};

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
fn a_variable_in_the_variable_of_an_address_is_to_be_replaced_there() {
    let name = "CLAVIGER_TENANTS__ACME__ENDPOINT";
    let said = format!(
        "environment variable {name}: tenants.acme.endpoint: variables are not expanded here. Set {name} to the address itself."
    );
    assert_eq!(bench(GOOD).env(name, "$LOGTO").problems(), [said]);
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

#[test]
fn names_in_one_text_are_shown_as_a_list() {
    let two = format!("{GOOD}[policies.q]\nallow = [\"roles:read\"]\n");
    for (text, list) in [("p,q", "\"p\", \"q\""), ("p q", "\"p\", \"q\""), ("[p]", "\"p\"")] {
        assert_eq!(
            bench(&two).env("CLAVIGER_CALLERS__C__POLICIES", text).problems(),
            [format!(
                "environment variable CLAVIGER_CALLERS__C__POLICIES: callers.c.policies: there is no policy \"{text}\". \
                 Write a list: [{list}]; in a shell put '…' around it."
            )]
        );
    }
    for text in ["[127.0.0.1:3700]", "['127.0.0.1:3700']"] {
        let said = bench(GOOD).env("CLAVIGER_LISTEN__PROXY", text);
        match text.contains('\'') {
            true => assert_eq!(said.config().listen.proxy.len(), 1),
            false => assert_eq!(
                said.problems(),
                [
                    "environment variable CLAVIGER_LISTEN__PROXY: listen.proxy: \"[127.0.0.1:3700]\" is a list of addresses as text. \
                     Write a list: [\"127.0.0.1:3700\"]; in a shell put '…' around it."
                ]
            ),
        }
    }
}

#[test]
fn an_issuer_and_its_keys_are_named_as_they_are() {
    let said = |issuer: &str, jwks: &str| {
        above(&format!("[issuers.x]\nissuer = \"{issuer}\"\naudience = \"c\"\njwks = \"{jwks}\"")).problems()
    };
    let jwks =
        "c.toml:4: issuers.x.jwks: this is a path, not a URL. Write jwks = { file = \"/x/jwks.json\" }.";
    for url in ["file:///x/jwks.json", "file:/x/jwks.json"] {
        assert_eq!(said("https://x.example", url), [jwks]);
    }
    assert_eq!(
        said("https://x.example/oidc/.well-known/openid-configuration", "https://x.example/keys"),
        [
            "c.toml:2: issuers.x.issuer: this is the URL of the issuer's discovery document; the issuer is what the claim iss of its tokens says. \
             Write \"https://x.example/oidc\"."
        ]
    );
}

#[test]
fn nobody_is_reached_at_port_0() {
    assert_eq!(
        replaced("client_id", "endpoint = \"https://x.example:0\"\nclient_id").problems(),
        [
            "c.toml:3: tenants.acme.endpoint: nobody can be reached at port 0. Write the port that Logto listens on, or leave it out."
        ]
    );
}

#[test]
fn a_host_is_written_as_dns_has_it() {
    let remedy = "Write the host as DNS has it, with xn-- in it";
    for (key, value) in [
        ("allowed_hosts", "[\"größe.example\"]"),
        ("allowed_origins", "[\"https://größe.example\"]"),
        ("public_url", "\"https://größe.example\""),
    ] {
        let said = above(&format!("[listen]\n{key} = {value}")).problems();
        assert!(said.len() == 1 && said[0].contains(remedy), "{said:?}");
    }
}

#[test]
fn a_secret_that_begins_as_a_reference_is_doubted() {
    let what = "tenants.acme.client_secret: the secret begins as a reference to one, and is taken as it is.";
    let variable = "CLAVIGER_TENANTS__ACME__CLIENT_SECRET";
    for value in ["exec:acme", "@acme"] {
        assert_eq!(
            bench(GOOD).env(variable, value).warnings(),
            [format!(
                "environment variable {variable}: {what} If it is one, write {variable}='{{ file = \"…\" }}'."
            )]
        );
        assert_eq!(
            Bench::new().with("c.toml", GOOD).env("S", value).warnings(),
            [format!("c.toml:4: {what} If it is one, write {{ file = \"…\" }}.")]
        );
    }
}
