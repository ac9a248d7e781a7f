//! What was pasted where something else is wanted, or written as elsewhere: what is said of it.

use super::{
    remedies::{SECRET, above, bench, replaced},
    *,
};

#[track_caller]
fn says(bench: &Bench, want: &str) {
    let said = bench.problems();
    assert!(said.len() == 1 && said[0].contains(want), "{said:?}");
}

#[test]
fn a_secret_in_a_wrong_place_is_not_repeated() {
    let secret = "Xq3vL9pTz7Rk2Wm8Yc4Nb6Jd1Hf5Gs0A";
    for bench in [
        replaced("allow = [\"users:read\"]", &format!("allow = [\"{secret}=\", \"${{{secret}}}\"]")),
        replaced("policies = [\"p\"]", &format!("policies = [\"${{{secret}}}\", \"{secret}=\"]")),
        replaced(SECRET, &format!("client_secret = \"${{{secret}}}\"")),
        replaced(SECRET, &format!("client_secret = {{ env = \"${{{secret}}}\" }}")),
        replaced(SECRET, &format!("{SECRET}\nlabels = [\"{secret}\"]")),
        replaced("allow = [\"users:read\"]", &format!("allow = [\"{secret}\"]")),
        replaced("allow = [\"users:read\"]", &format!("allow = [\"users:read\"]\ndeny = [\"{secret}\"]")),
        replaced("policies = [\"p\"]", &format!("policies = [\"{secret}\"]")),
        replaced(SECRET, &format!("{SECRET}\nendpoint = \"{secret}\"")),
        above(&format!("[listen]\nproxy = \"{secret}\"")),
    ] {
        let said = bench.problems_by(&crate::policy::CatalogCheck);
        assert!(!said.is_empty() && !said.join("\n").contains(secret), "{said:?}");
    }
}

#[test]
fn what_no_token_has_is_no_audience() {
    let issuer = "[issuers.i]\nissuer = \"https://i.example\"\naudience = \"*\"\n";
    let want = "`*` is no pattern here. Write the audience that the tokens have.";
    says(&bench(&format!("{GOOD}{issuer}")), want);
}

#[test]
fn comments_and_tables_of_another_language_are_named() {
    for comment in ["// of acme\n", "/* of acme */"] {
        let json = format!("{{\n{comment} \"tenants\": {{}} }}\n");
        says(&Bench::new().with("c.json", json), "Begin comments with #, in JSON as well.");
    }
    let broken = bench(GOOD).env("CLAVIGER_TENANTS__ACME", "{client_secret=\"x\"");
    says(&broken, "neither JSON nor an inline table of TOML. Write CLAVIGER_TENANTS__ACME='{ key");
    let said = Bench::new().with("c.yaml", "tenants:\n- name: acme\n").problems();
    assert!(said[0].ends_with("Write a table for each name: tenants: { NAME: { … } }."), "{said:?}");
}

#[test]
fn keys_and_values_of_other_programs_are_told_what_they_are_here() {
    let of_reload = "Write \"5s\", or \"0s\" to reload on SIGHUP alone.";
    for (text, want) in [
        ("[reload]\ninterval = \"never\"", of_reload),
        ("[otel]\nx = 1", "There is no export to OpenTelemetry"),
        ("[listen]\nproxy = \"127.0.0.1:99999\"", "A port is at most 65535."),
        ("[listen]\nproxy = \"*:3600\"", "Write \"0.0.0.0:3600\"."),
        ("[listen]\nproxy = \"0.0.0.0\"", "such as \"0.0.0.0:3600\"."),
    ] {
        says(&above(text), want);
    }
    for (key, want) in [
        ("token_endpoint", "It follows from endpoint: leave it out."),
        ("audience", "or write resource"),
        ("proxy", "Forward proxies are not used"),
        ("timeout", "below [timeouts]"),
    ] {
        says(&replaced(SECRET, &format!("{SECRET}\n{key} = \"x\"")), want);
    }
}
