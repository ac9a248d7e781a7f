//! Files in another form than their name says, and mistakes that are one problem and not two.

use super::*;

fn said(name: &str, text: &str) -> Vec<String> {
    Bench::new().with(name, text).env("S", "secret").problems()
}

#[test]
fn yaml_under_the_name_of_toml_is_one_problem() {
    let yaml = "tenants:\n  acme:\n    client_id: app\n    client_secret: { env: S }\n";
    let json = "{ \"tenants\": {\n\"acme\": {} } }\n";
    let broken = format!("# Claviger\n\n{yaml}   policies:\n");
    for text in [yaml, json, &broken] {
        let want = "c.toml: this is YAML or JSON. Let the name of the file end in .yaml or .json.";
        assert_eq!(said("c.toml", text), [want], "{text}");
    }
    assert!(said("c.toml", "nonsense\n")[0].contains("this is not TOML"));
}

#[test]
fn typographic_quotation_marks_are_named() {
    let curly = GOOD.replacen("\"app\"", "\u{201c}app\u{201d}", 1);
    assert_eq!(
        said("c.toml", &curly),
        [
            "c.toml:3: this is not TOML: typographic quotation marks. Write straight ones: \" in the place of \u{201c} and \u{201d}."
        ]
    );
}

#[test]
fn a_rule_that_yaml_took_for_a_map_is_one_text() {
    let rules = |rules: &str| {
        format!(
            "tenants:\n  acme: {{ client_id: app, client_secret: {{ env: S }} }}\npolicies:\n  p:\n{rules}\n\
             callers:\n  c: {{ identify: {{ loopback: true }}, policies: [p], tenants: [acme] }}\n"
        )
    };
    for (list, at) in [
        ("    allow: [users: read]", "c.yaml:5: policies.p.allow[0].users"),
        ("    allow:\n      - users: read", "c.yaml:6: policies.p.allow[0].users"),
    ] {
        let want = format!(
            "{at}: there is no such key. Write the rule as one text, in quotes and without a space: \"users:read\"."
        );
        assert_eq!(said("c.yaml", &rules(list)), [want], "{list}");
    }
}

#[test]
fn a_password_that_is_named_and_not_there_is_not_missing_as_well() {
    let redis = "[redis]\nurl = \"redis://127.0.0.1:6379\"\nusername = \"u\"\n";
    let at = GOOD.lines().count();
    assert_eq!(
        said("c.toml", &format!("{GOOD}{redis}password = {{ env = \"NONE\" }}\n")),
        [format!(
            "c.toml:{}: redis.password: the environment variable NONE is not set. Set NONE, or write {{ file = \"…\" }}.",
            at + 4
        )]
    );
    let without = said("c.toml", &format!("{GOOD}{redis}"));
    let at = at + 1;
    assert_eq!(
        without,
        [format!(
            "c.toml:{at}: redis.password: the user has no password. Write password = {{ file = \"…\" }}."
        )]
    );
}

#[test]
fn a_name_that_is_to_be_renamed_is_not_proposed() {
    let renamed = GOOD.replacen("[tenants.acme]", "[tenants.Acme]", 1);
    let problems = said("c.toml", &renamed.replacen("[callers.c]", "[callers.c]\ntenants = [\"acme\"]", 1));
    assert!(problems.len() == 1 && problems[0].contains("Rename it, here and where"), "{problems:?}");
    let other = said("c.toml", &renamed.replacen("[callers.c]", "[callers.c]\ntenants = [\"beta\"]", 1));
    assert!(other.len() == 2 && other[1].contains("there is no tenant \"beta\""), "{other:?}");
}

#[test]
fn a_key_at_the_top_as_other_programs_write_it_is_shown() {
    let said = |line: &str| {
        let said = Bench::new().with("c.toml", format!("{line}\n{GOOD}")).env("S", "secret").problems();
        assert_eq!(said.len(), 1, "{said:?}");
        said[0].clone()
    };
    assert_eq!(
        said("logLevel = \"info\""),
        "c.toml:1: logLevel: there is no such section. Did you mean a key of [log]?"
    );
    assert!(said("fooBar = 1").starts_with("c.toml:1: fooBar: there is no such section."));
    for value in ["hunter2Hunter2", "abcdefghijklmnopQRSTUVWXYZabcdef", "Secret"] {
        let said = said(&format!("{value} = 1"));
        assert!(!said.contains(value), "{said}");
    }
}

#[test]
fn a_manifest_of_kubernetes_is_called_one() {
    let yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: claviger\ndata:\n  claviger.yaml: |\n    tenants: {}\n";
    assert_eq!(
        Bench::new().with("c.yaml", yaml).problems(),
        [
            "c.yaml:1: apiVersion: this is a manifest of Kubernetes. The configuration is the text in it, below `data:`: write that alone into the file."
        ]
    );
}

#[test]
fn a_star_in_a_claim_is_a_character() {
    let jwt = |sub: &str| {
        let identify = format!("{{ jwt = {{ issuer = \"i\", claims = {{ sub = {sub} }} }} }}");
        let text = GOOD.replacen("{ loopback = true }", &identify, 1);
        let issuer = "[issuers.i]\nissuer = \"https://i.example\"\naudience = \"a\"\n";
        Bench::new().with("c.toml", format!("{text}{issuer}")).env("S", "secret").warnings()
    };
    let want = "`*` is no pattern in a claim: only a token with a * in this claim would do. Write each value in full, as a list if there are several.";
    let of_stars = |said: Vec<String>| said.into_iter().filter(|it| it.ends_with(want)).count();
    assert_eq!(of_stars(jwt("\"repo:org/*\"")), 1, "{:?}", jwt("\"repo:org/*\""));
    assert_eq!(of_stars(jwt("[\"repo:org/a\", \"*\"]")), 1);
    assert_eq!(of_stars(jwt("\"repo:org/a\"")), 0);
}

#[test]
fn names_that_are_not_taken_are_told_which_are() {
    let text = format!("{GOOD}[timeouts]\nread = \"10s\"\n");
    let line = text.lines().count();
    assert_eq!(
        Bench::new().with("c.toml", text).env("S", "secret").problems(),
        [format!(
            "c.toml:{line}: timeouts.read: there is no such key. Did you mean `response`, for an answer to begin, or `body`, for the next part of it?"
        )]
    );
    for list in ["p, other", "p other", "one;other"] {
        let text = GOOD.replacen("[\"p\"]", &format!("\"{list}\""), 1);
        let said = Bench::new().with("c.toml", text).env("S", "secret").problems();
        assert!(said.len() == 1 && said[0].contains("Write a list: [\""), "{said:?}");
    }
}
