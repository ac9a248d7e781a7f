//! Which tenants a caller may name: by name, by pattern, by label.

use super::*;

/// Three tenants, two of them with labels, and one caller with these lines.
fn bench(caller: &str) -> Bench {
    let tenant = |name: &str, more: &str| {
        format!("[tenants.{name}]\nclient_id = \"app\"\nclient_secret = {{ env = \"S\" }}\n{more}\n")
    };
    let text = format!(
        "{}{}{}[policies.p]\nallow = [\"users:read\"]\n[callers.c]\nidentify = {{ loopback = true }}\npolicies = \"p\"\n{caller}",
        tenant("acme", ""),
        tenant("customer-1", "labels = \"customer\""),
        tenant("customer-2", "labels = [\"customer\", \"eu\", \"eu\"]"),
    );
    Bench::new().with("c.toml", text).env("S", "secret")
}

/// The tenants of the configuration that the caller may name.
fn granted(config: &Config) -> Vec<&str> {
    let caller = &config.callers[0];
    let within = config.tenants.iter().filter(|tenant| caller.tenants.matches(&caller.name, tenant));
    within.map(|tenant| tenant.name.as_str()).collect()
}

#[test]
fn by_name_pattern_and_label() {
    for (tenants, want) in [
        ("[\"acme\", \"customer-*\"]", &["acme", "customer-1", "customer-2"][..]),
        ("[\"*\"]", &["acme", "customer-1", "customer-2"]),
        ("\"customer-*\"", &["customer-1", "customer-2"]),
        ("\"*-1\"", &["customer-1"]),
        ("{ label = \"eu\" }", &["customer-2"]),
        ("[{ label = \"customer\" }]", &["customer-1", "customer-2"]),
        ("[{ label = \"customer\" }, \"acme\", \"acme\"]", &["acme", "customer-1", "customer-2"]),
    ] {
        let loaded = bench(&format!("tenants = {tenants}")).load().unwrap();
        assert_eq!(granted(&loaded.config), want, "{tenants}");
    }
    let config = bench("tenants = [{ label = \"eu\" }, \"customer-*\", \"acme\"]").config();
    let shown = in_effect(&config);
    assert_eq!(
        shown["callers"]["c"]["tenants"],
        serde_json::json!([{ "label": "eu" }, "customer-*", "acme"])
    );
    assert_eq!(shown["tenants"]["customer-2"]["labels"], serde_json::json!(["customer", "eu"]));
}

#[test]
fn a_later_layer_replaces_the_list_and_the_environment_may_give_it() {
    let bench = bench("tenants = { label = \"eu\" }")
        .env("CLAVIGER_CALLERS__C__TENANTS", "[{ label = \"customer\" }]");
    assert_eq!(granted(&bench.load().unwrap().config), ["customer-1", "customer-2"]);
}

#[test]
fn what_matches_nothing_today_is_a_warning() {
    for (tenants, want) in [
        (
            "[\"acme\", \"cutsomer-*\"]",
            "callers.c.tenants[1]: no tenant's name matches this pattern today. If its tenants are added later, leave it; or take it out.",
        ),
        (
            "[\"acme\", \"customer-1*9\"]",
            "callers.c.tenants[1]: no tenant's name matches this pattern today. Did you mean \"customer-1\"? If its tenants are added later, leave it.",
        ),
        (
            "[\"acme\", { label = \"custmer\" }]",
            "callers.c.tenants[1].label: no tenant has this label today. Did you mean \"customer\"? If its tenants are added later, leave it.",
        ),
    ] {
        let warnings = bench(&format!("tenants = {tenants}")).warnings();
        assert_eq!(warnings.iter().filter(|warning| warning.contains("today")).count(), 1, "{warnings:?}");
        assert!(warnings.contains(&format!("c.toml:18: {want}")), "{warnings:#?}");
    }
}

#[test]
fn what_is_wrong() {
    for (tenants, want) in [
        ("\"customer\"", "callers.c.tenants: there is no tenant \"customer\". Did you mean \"customer-1\"?"),
        (
            "[\"Customer-*\"]",
            "callers.c.tenants[0]: \"Customer-*\" is not a pattern: a pattern is up to 64 of a-z, 0-9, '-', '_', '.' and '*', with one to four '*' of which no two are neighbours. Write a pattern such as \"customer-*\".",
        ),
        (
            "[{ label = \"A b\" }]",
            "callers.c.tenants[0].label: \"A b\" is not a label: a name is 1 to 63 of a-z, 0-9, '-', '_' and '.', and begins with a letter or a digit. Write it as the tenants have it in labels.",
        ),
        ("[{}]", "callers.c.tenants[0].label: the label is missing. Write { label = \"customer\" }."),
        ("[{ labl = \"eu\" }]", "callers.c.tenants[0].labl: there is no such key. Did you mean `label`?"),
        (
            "[]",
            "callers.c.tenants: the caller may name no tenant. Write the aliases of tenants, or [\"*\"] for all.",
        ),
    ] {
        assert_eq!(
            bench(&format!("tenants = {tenants}")).problems(),
            [format!("c.toml:18: {want}")],
            "{tenants}"
        );
    }
    let labelled = GOOD.replace("client_id", "labels = [\"A\"]\nclient_id");
    assert_eq!(
        Bench::new().with("c.toml", labelled).env("S", "s").problems(),
        [
            "c.toml:3: tenants.acme.labels[0]: a name is 1 to 63 of a-z, 0-9, '-', '_' and '.', and begins with a letter or a digit. Write such a name, as in labels = [\"customer\"]."
        ]
    );
}

#[test]
fn what_a_caller_had_created_is_no_tenant_of_the_configuration() {
    let account = "cloud = \"default\"\n[cloud.default]\ntoken = { env = \"S\" }\n";
    let loaded = bench(&format!("tenants = [{{ created = true }}]\n{account}")).load().unwrap();
    assert_eq!(granted(&loaded.config), Vec::<&str>::new());
    assert_eq!(
        in_effect(&loaded.config)["callers"]["c"]["tenants"],
        serde_json::json!([{ "created": true }])
    );
    for (caller, want) in [
        (
            "tenants = [{ created = false }]",
            "callers.c.tenants[0].created: this means nothing: no tenant is meant by it. Write { created = true }, or take it out.",
        ),
        (
            "tenants = [{ created = true, label = \"eu\" }]",
            "callers.c.tenants[0]: label and created stand together, and either would do. Write two elements: { label = \"…\" }, { created = true }.",
        ),
        (
            "tenants = \"acme\"\n[callers.operator]\nidentify = { unix_uid = 1 }\npolicies = \"p\"\ntenants = [{ created = true }]",
            "callers.operator.tenants[0].created: a caller of this name cannot be told from the operator, who creates and adopts tenants too. Rename the caller.",
        ),
    ] {
        let problems = bench(caller).problems();
        assert!(problems.iter().any(|problem| problem.ends_with(want)), "{caller}: {problems:?}");
    }
    let loaded = bench("tenants = [{ created = true }]").load().unwrap();
    let warned = "the caller may use no account at Logto Cloud, so it creates no tenant";
    assert!(loaded.warnings.iter().any(|it| it.to_string().contains(warned)), "{:?}", loaded.warnings);
}
