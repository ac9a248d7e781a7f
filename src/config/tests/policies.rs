//! Rules with conditions.

use super::*;
use crate::catalog::Catalog;

const ALLOW: &str = "allow = [\"users:read\"]";

fn bench(allow: &str) -> Bench {
    Bench::new().with("c.toml", GOOD.replace(ALLOW, allow)).env("S", "secret")
}

#[track_caller]
fn says(allow: &str, want: &[&str]) {
    assert_eq!(bench(allow).problems(), want, "{allow}");
}

#[test]
fn conditions_are_read_from_every_kind_of_file() {
    let toml = bench(
        "allow = [\"users:read\", { operation = \" ListUsers\", query = { page_size = { max = 50, min = 1 }, secret_x = { required = true } } },\n\
         { operation = \"UpdateUser\", body = [\"name\", \"customData\", \"name\"] }]",
    );
    let config = toml.config();
    let [plain, list, update] = &config.policies[0].allow[..] else { panic!("{:?}", config.policies) };
    assert_eq!((plain.text.as_str(), &plain.conditions), ("users:read", &None));
    assert_eq!(list.text, "ListUsers");
    let query = vec![
        ("page_size".to_owned(), QueryCondition { max: Some(50), min: Some(1), ..Default::default() }),
        // A parameter is no key of ours, whatever its name sounds like.
        ("secret_x".to_owned(), QueryCondition { required: true, ..Default::default() }),
    ];
    assert_eq!(
        list.conditions,
        Some(Conditions { query, others: OtherParameters::Unrestricted, body: None })
    );
    assert!(list.origin.to_string().ends_with("c.toml:6"), "{}", list.origin);
    let body = Some(vec!["name".to_owned(), "customData".to_owned()]);
    assert_eq!(
        update.conditions,
        Some(Conditions { query: Vec::new(), others: OtherParameters::Unrestricted, body })
    );
    assert!(update.origin.to_string().ends_with("c.toml:7"), "{}", update.origin);
    assert_eq!(
        in_effect(&config)["policies"]["p"]["allow"],
        serde_json::json!(["users:read",
            { "operation": "ListUsers", "query": { "page_size": { "max": 50, "min": 1 }, "secret_x": { "required": true } } },
            { "operation": "UpdateUser", "body": ["name", "customData"] }])
    );

    let yaml = Bench::new()
        .with("c.toml", GOOD)
        .with("d.yaml", "policies:\n  p:\n    allow:\n      operation: ListUsers\n      query:\n        q: { one_of: [a, b] }\n")
        .env("S", "secret");
    let one_of = Some(vec!["a".to_owned(), "b".to_owned()]);
    let query = vec![("q".to_owned(), QueryCondition { one_of, ..Default::default() })];
    let [rule] = &yaml.config().policies[0].allow[..] else { panic!() };
    assert_eq!(
        rule.conditions,
        Some(Conditions { query, others: OtherParameters::Unrestricted, body: None })
    );

    let env = bench(ALLOW).env(
        "CLAVIGER_POLICIES__P__ALLOW",
        "[{ operation = \"GET /api/users\", query = { q = { forbidden = true } } }]",
    );
    let [rule] = &env.config().policies[0].allow[..] else { panic!() };
    assert_eq!(rule.text, "GET /api/users");
    assert!(rule.conditions.as_ref().unwrap().query[0].1.forbidden);
    let nothing = bench("allow = { operation = \"CreateUser\", body = [] }").config();
    assert_eq!(nothing.policies[0].allow[0].conditions.as_ref().unwrap().body, Some(Vec::new()));
}

#[test]
fn a_rule_with_conditions_is_about_one_operation() {
    for text in ["*", "users:read", "GET /api/users/**"] {
        let want = format!(
            "c.toml:6: policies.p.allow[0].operation: {text:?} is more than one operation. Write an operationId, or METHOD /api/template/{{id}}; a rule for each operation."
        );
        says(&format!("allow = [{{ operation = {text:?}, body = [\"a\"] }}]"), &[&want]);
    }
    says(
        "allow = [{ query = { a = { max = 1 } } }]",
        &[
            "c.toml:6: policies.p.allow[0].operation: nothing says which operation the conditions are for. Write { operation = \"ListUsers\", query = { page_size = { max = 50 } } }.",
        ],
    );
    says(
        "allow = [{ operation = \"List Users\", body = [] }]",
        &[
            "c.toml:6: policies.p.allow[0].operation: \"List Users\" is not a rule. Write a tag, an operationId or a template.",
        ],
    );
    says(
        "allow = [{ operation = \"ListUsers\" }]",
        &[
            "c.toml:6: policies.p.allow[0]: the rule has no conditions. Write \"ListUsers\" alone, or add query or body.",
        ],
    );
    says(
        "allow = [{ operation = \"ListUsers\", qeury = { a = { max = 1 } } }]",
        &["c.toml:6: policies.p.allow[0].qeury: there is no such key. Did you mean `query`?"],
    );
    says(
        "allow = [{ operation = \"GET /api/users\", body = [\"name\"] }]",
        &[
            "c.toml:6: policies.p.allow[0].body: a request that reads has no body. Take it out; query is for parameters.",
        ],
    );
    says(
        "allow = \"x\"\ndeny = [{ operation = \"ListUsers\", body = [] }]",
        &[
            "c.toml:7: policies.p.deny[0]: found a table where a rule without conditions is wanted. Write a text for each: deny = [\"…\"].",
        ],
    );
}

#[test]
fn conditions_that_contradict_each_other() {
    let query = |condition: &str, want: &str| {
        says(
            &format!("allow = [{{ operation = \"ListUsers\", query = {{ a = {condition} }} }}]"),
            &[&format!("c.toml:6: policies.p.allow[0].query.a{want}")],
        );
    };
    let form =
        "Write { max = 50 }, { one_of = [\"a\", \"b\"] }, { required = true } or { forbidden = true }.";
    query("{}", &format!(": nothing is asked of the parameter. {form}"));
    query("{ required = false }", &format!(": nothing is asked of the parameter. {form}"));
    query(
        "{ forbidden = true, required = true }",
        &format!(": a parameter that is forbidden cannot be anything else. {form}"),
    );
    query(
        "{ forbidden = true, max = 1 }",
        &format!(": a parameter that is forbidden cannot be anything else. {form}"),
    );
    query("{ min = 2, max = 1 }", &format!(": min is above max, so no number would do. {form}"));
    query(
        "{ one_of = [\"1\"], max = 1 }",
        &format!(": one_of says all that is allowed; max and min say it once more. {form}"),
    );
    query(
        "{ one_of = [] }",
        ".one_of: there is no value in the list, so none would do. Write the values that are allowed; or { forbidden = true }.",
    );
    query("{ max = \"many\" }", ".max: \"many\" is not a whole number. Write digits alone, such as 100.");
    query(
        "50",
        ": this is not what can be asked of a parameter. Write \"forbidden\", or a table such as { max = 50 }.",
    );
    says(
        "allow = [\"ListUsers\",\n { operation = \"ListUsers\", query = { a = { max = 1 } } }]",
        &[&format!(
            "c.toml:7: policies.p.allow[1]: \"ListUsers\" stands here with other conditions than at {}, which leaves open which of them hold. Write one rule for the operation, with all of its conditions; of alternatives, each in a policy of its own.",
            "c.toml:6"
        )],
    );
    let twice = "{ operation = \"ListUsers\", query = { a = { max = 1 } } }";
    assert_eq!(
        bench(&format!("allow = [{twice}, {twice}]")).warnings(),
        ["c.toml:6: policies.p.allow[1]: the rule is given twice, first at c.toml:6. Keep one of the two."]
    );
    assert_eq!(
        bench("allow = [{ operation = \"UpdateUser\", body = [\"profile.name\"] }]").warnings(),
        [
            "c.toml:6: policies.p.allow[0].body[0]: \"profile.name\" looks like a path, and would be the name of one member. Write the member at the top; what is in it is not looked at."
        ]
    );
}

#[test]
fn all_other_parameters_can_be_forbidden_and_nothing_else() {
    let config = bench(
        "allow = [{ operation = \"ListUsers\", query = { page_size = { max = 5 }, search = \"forbidden\", \"*\" = \"forbidden\" } },\n\
         { operation = \"ListRoles\", query = { \"*\" = { forbidden = true } } }]",
    )
    .config();
    let [users, roles] = &config.policies[0].allow[..] else { panic!("{:?}", config.policies) };
    let users = users.conditions.as_ref().unwrap();
    assert_eq!(users.others, OtherParameters::Forbidden);
    let names: Vec<_> = users.query.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["page_size", "search"]);
    assert!(users.query[1].1.forbidden);
    let nothing = Conditions { query: Vec::new(), others: OtherParameters::Forbidden, body: None };
    assert_eq!(roles.conditions, Some(nothing));
    assert_eq!(
        in_effect(&config)["policies"]["p"]["allow"],
        serde_json::json!([
            { "operation": "ListUsers", "query": { "*": "forbidden", "page_size": { "max": 5 }, "search": { "forbidden": true } } },
            { "operation": "ListRoles", "query": { "*": "forbidden" } }])
    );
    for condition in ["{ max = 1 }", "{ required = true }"] {
        says(
            &format!("allow = [{{ operation = \"ListUsers\", query = {{ \"*\" = {condition} }} }}]"),
            &[
                "c.toml:6: policies.p.allow[0].query.\"*\": all other parameters together can be forbidden, and nothing else. Write \"*\" = \"forbidden\", or take it out.",
            ],
        );
    }
    says(
        "allow = [{ operation = \"ListUsers\", query = { \"*\" = \"any\" } }]",
        &[
            "c.toml:6: policies.p.allow[0].query.\"*\": this is not what can be asked of a parameter. Write \"forbidden\", or a table such as { max = 50 }.",
        ],
    );
}

#[test]
fn b32_what_a_condition_is_about_is_asked_of_whoever_knows() {
    struct Knows;
    impl RuleCheck for Knows {
        fn rule(&self, _: &Catalog, _: RuleList, _: &str) -> Result<(), String> {
            Ok(())
        }

        fn doubt(&self, _: &Catalog, list: RuleList, text: &str) -> Option<String> {
            (list == RuleList::Deny).then(|| format!("{text} is odd. Is it meant?"))
        }

        fn parameter(
            &self,
            _: &Catalog,
            rule: &str,
            name: &str,
            condition: &QueryCondition,
        ) -> Result<(), String> {
            if condition.forbidden { Ok(()) } else { Err(format!("{rule} has no {name}. Look again.")) }
        }

        fn member(&self, _: &Catalog, rule: &str, name: &str) -> Result<(), String> {
            if name == "name" { Ok(()) } else { Err(format!("{rule} has no {name}. Look there.")) }
        }
    }
    let bench = bench(
        "allow = [{ operation = \"ListUsers\", query = { a = { max = 1 }, b = \"forbidden\", \"*\" = \"forbidden\" } },\n\
         { operation = \"UpdateUser\", body = [\"name\", \"nmae\"] }]",
    );
    assert_eq!(
        bench.problems_by(&Knows),
        [
            "c.toml:6: policies.p.allow[0].query.a: ListUsers has no a. Look again.",
            "c.toml:7: policies.p.allow[1].body[1]: UpdateUser has no nmae. Look there.",
        ]
    );
    let doubtful = self::bench("allow = [\"a\"]\ndeny = [\"b\"]").load_by(&Knows).unwrap();
    let warnings: Vec<_> =
        doubtful.warnings.iter().map(|warning| (warning.key.as_str(), warning.what.as_str())).collect();
    assert_eq!(warnings, [("policies.p.deny[0]", "b is odd")]);
}

#[test]
fn b63_a_cache_is_read_with_and_without_conditions_and_shown() {
    let config = bench(
        "allow = [{ operation = \"ListRoles\", cache = \"5s\" },\n\
         { operation = \"ListUsers\", query = { page_size = { max = 50 } }, cache = \"1m\" }]",
    )
    .config();
    let [roles, users] = &config.policies[0].allow[..] else { panic!("{:?}", config.policies) };
    assert_eq!((&roles.conditions, roles.cache), (&None, Some(Duration::from_secs(5))));
    assert!(users.conditions.is_some() && users.cache == Some(Duration::from_secs(60)));
    assert_eq!(
        in_effect(&config)["policies"]["p"]["allow"],
        serde_json::json!([{ "operation": "ListRoles", "cache": "5s" },
            { "operation": "ListUsers", "query": { "page_size": { "max": 50 } }, "cache": "1m" }])
    );
    for (allow, want) in [
        (
            "allow = [{ operation = \"ListRoles\", cache = \"2h\" }]",
            "policies.p.allow[0].cache: 2h is out of range. Write a duration from \"1s\" to \"1h\".",
        ),
        (
            "allow = [\"ListRoles\", { operation = \"ListRoles\", cache = \"2s\" }]",
            "policies.p.allow[1]: \"ListRoles\" stands here with another cache than at",
        ),
        ("allow = [\"GetUser\"]\ndeny = [{ operation = \"ListRoles\", cache = \"2s\" }]", "policies.p.deny"),
    ] {
        let problems = bench(allow).problems();
        assert!(problems.len() == 1 && problems[0].contains(want), "{problems:#?}");
    }
}
