use super::*;
use crate::{
    config::{Origin, Policy, RuleText},
    ids::PolicyName,
    policy::path::CanonicalPath,
};

fn policy(name: &str, allow: &[&str], deny: &[&str]) -> Policy {
    let rules = |list: &[&str], kind| {
        let rule = |(line, text): (usize, &&str)| {
            let origin = Origin::from(format!("{name}.toml:{kind}:{}", line + 1));
            Arc::new(RuleText { text: (*text).into(), conditions: None, cache: None, origin })
        };
        list.iter().enumerate().map(rule).collect()
    };
    Policy { name: PolicyName::parse(name).unwrap(), allow: rules(allow, "allow"), deny: rules(deny, "deny") }
}

fn rules(allow: &[&str], deny: &[&str]) -> RuleSet {
    RuleSet::compile(Catalog::logto(), &[&policy("p", allow, deny)]).unwrap()
}

/// The verdict's word and rule for `METHOD /path`.
fn decide(rules: &RuleSet, request: &str) -> String {
    let (method, path) = request.split_once(' ').unwrap();
    let method = http::Method::from_bytes(method.as_bytes()).unwrap();
    let matched = Matched::find(Catalog::logto(), &method, CanonicalPath::parse(path).unwrap());
    let verdict = rules.decide(&matched);
    match verdict.rule() {
        Some(source) => format!("{} {}", verdict.label(), source.rule.text),
        None => verdict.label().into(),
    }
}

#[track_caller]
fn check(allow: &[&str], deny: &[&str], cases: &[(&str, &str)]) {
    let rules = rules(allow, deny);
    for (request, expected) in cases {
        assert_eq!(decide(&rules, request), *expected, "{request} with allow {allow:?}, deny {deny:?}");
    }
}

#[test]
fn without_rules_nothing_passes() {
    check(
        &[],
        &[],
        &[
            ("GET /api/users", "no_rule"),
            ("GET /api/applications", "no_rule"),
            ("POST /api/applications", "sensitive_not_named"),
            ("GET /api/swagger.json", "withheld"),
            ("GET /api/new", "operation_unknown"),
        ],
    );
    assert_eq!(decide(&RuleSet::compile(Catalog::logto(), &[]).unwrap(), "GET /api/users"), "no_rule");
}

#[test]
fn a_tag_grants_what_it_says() {
    check(
        &["users:read"],
        &[],
        &[
            ("GET /api/users", "allowed users:read"),
            ("HEAD /api/users/u1", "allowed users:read"),
            ("POST /api/users", "no_rule"),
            ("GET /api/roles", "no_rule"),
            ("GET /api/users/u1/personal-access-tokens", "allowed users:read"),
            ("POST /api/users/u1/personal-access-tokens", "sensitive_not_named"),
            ("OPTIONS /api/users", "operation_unknown"),
            ("PUT /api/users", "operation_unknown"),
            ("GET /api/users/u1/new-thing", "operation_unknown"),
        ],
    );
    check(
        &["users:write"],
        &[],
        &[("GET /api/users", "no_rule"), ("DELETE /api/users/u", "allowed users:write")],
    );
    check(
        &["users:*"],
        &[],
        &[("GET /api/users", "allowed users:*"), ("DELETE /api/users/u", "allowed users:*")],
    );
}

#[test]
fn deny_wins_in_whatever_form() {
    let get_user = "GET /api/users/u1";
    for deny in
        ["*", "users:read", "users:*", "GetUser", "GET /api/users/{x}", "GET /api/users/**", "GET /api/**"]
    {
        for allow in ["*", "users:read", "GetUser", "GET /api/users/{id}", "GET /api/users/**"] {
            check(&[allow], &[deny], &[(get_user, &format!("denied {deny}"))]);
        }
    }
    check(
        &["users:*"],
        &["users:write"],
        &[(get_user, "allowed users:*"), ("POST /api/users", "denied users:write")],
    );
}

#[test]
fn spelling_does_not_get_round_a_deny() {
    for path in ["/api/USERS/u1", "/api/Users/u1/", "/api/users/u1/", "/api/uSERS/u1"] {
        check(&["*"], &["GetUser"], &[(&format!("GET {path}"), "denied GetUser")]);
        check(&["*"], &["GET /api/users/{id}"], &[(&format!("GET {path}"), "denied GET /api/users/{id}")]);
        check(&["*"], &["GET /api/USERS/{id}"], &[(&format!("GET {path}"), "denied GET /api/USERS/{id}")]);
        check(&["*"], &["GET /api/users/U1"], &[(&format!("GET {path}"), "denied GET /api/users/U1")]);
    }
}

#[test]
fn a_sensitive_operation_is_granted_by_its_name_alone() {
    let request = "POST /api/applications/a1/secrets";
    for broad in
        ["*", "applications:*", "applications:write", "POST /api/applications/**", "POST /api/{a}/{b}/{c}"]
    {
        check(&[broad], &[], &[(request, &format!("sensitive_not_named {broad}"))]);
        let named = "allowed CreateApplicationSecret";
        check(&[broad, "CreateApplicationSecret"], &[], &[(request, named)]);
    }
    // Also where the template is about one of its paths only.
    check(&["POST /api/{a}/a1/{c}"], &[], &[(request, "sensitive_not_named POST /api/{a}/a1/{c}")]);
    for deny in [
        "*",
        "applications:write",
        "POST /api/applications/{id}/secrets",
        "POST /api/applications/a1/secrets",
    ] {
        check(&["CreateApplicationSecret"], &[deny], &[(request, &format!("denied {deny}"))]);
    }
}

#[test]
fn what_reads_nothing_worse_than_secrets_is_granted_as_any_other() {
    let request = "GET /api/applications/a1/secrets";
    for broad in
        ["*", "applications:*", "applications:read", "GET /api/applications/**", "GET /api/{a}/{b}/{c}"]
    {
        check(&[broad], &[], &[(request, &format!("allowed {broad}"))]);
        check(&[broad], &["ListApplicationSecrets"], &[(request, "denied ListApplicationSecrets")]);
    }
    check(&["applications:write"], &[], &[(request, "no_rule")]);
    for tag in ["hooks", "connectors", "sso-connectors", "captcha-provider", "applications"] {
        let one = if tag == "captcha-provider" {
            "/api/captcha-provider".to_owned()
        } else {
            format!("/api/{tag}/x")
        };
        let rule = format!("{tag}:*");
        check(
            &[&rule],
            &[],
            &[
                (&format!("GET {one}"), &format!("allowed {rule}")),
                (&format!("DELETE {one}"), &format!("sensitive_not_named {rule}")),
            ],
        );
    }
    check(
        &["*"],
        &[],
        &[
            ("GET /api/one-time-tokens", "sensitive_not_named *"),
            ("GET /api/configs/oidc/k", "sensitive_not_named *"),
        ],
    );
}

#[test]
fn a_template_may_be_about_a_part_of_an_operation() {
    check(
        &["GET /api/users/u1", "GET /api/users/u2/roles"],
        &[],
        &[
            ("GET /api/users/u1", "allowed GET /api/users/u1"),
            ("GET /api/USERS/u1/", "allowed GET /api/users/u1"),
            // Identifiers have case: another spelling is another user.
            ("GET /api/users/U1", "no_rule"),
            ("GET /api/users/u2", "no_rule"),
            ("GET /api/users/u2/roles", "allowed GET /api/users/u2/roles"),
            ("DELETE /api/users/u1", "no_rule"),
        ],
    );
    check(
        &["users:*"],
        &["DELETE /api/users/admin"],
        &[
            ("DELETE /api/users/admin", "denied DELETE /api/users/admin"),
            ("DELETE /api/users/ADMIN", "denied DELETE /api/users/admin"),
            ("DELETE /api/users/u1", "allowed users:*"),
        ],
    );
}

#[test]
fn the_tail_is_one_segment_or_more() {
    check(
        &["GET /api/users/**"],
        &[],
        &[
            ("GET /api/users", "no_rule"),
            ("GET /api/users/u1", "allowed GET /api/users/**"),
            ("GET /api/users/u1/roles", "allowed GET /api/users/**"),
            ("GET /api/users/u1/new/thing", "allowed GET /api/users/**"),
            ("POST /api/users/u1/roles", "sensitive_not_named"),
        ],
    );
}

#[test]
fn paths_newer_than_the_catalog_take_a_template() {
    check(&["*", "users:*"], &[], &[("GET /api/new-things/1", "operation_unknown")]);
    let allow = ["GET /api/new-things/{id}", "POST /api/new-things/**"];
    check(
        &allow,
        &[],
        &[
            ("GET /api/new-things/1", "allowed GET /api/new-things/{id}"),
            ("HEAD /api/new-things/1", "allowed GET /api/new-things/{id}"),
            ("GET /api/New-Things/1", "operation_unknown"),
            ("GET /api/new-things", "operation_unknown"),
            ("GET /api/new-things/1/2", "operation_unknown"),
            ("POST /api/new-things/1/2/3", "allowed POST /api/new-things/**"),
            ("DELETE /api/new-things/1", "operation_unknown"),
        ],
    );
    check(&allow, &["GET /api/NEW-things/1"], &[("GET /api/new-things/1", "denied GET /api/NEW-things/1")]);
    check(&allow, &["*"], &[("GET /api/new-things/1", "denied *")]);
    check(&allow, &["POST /api/**"], &[("POST /api/new-things/1", "denied POST /api/**")]);
}

#[test]
fn a_deny_by_tag_covers_what_is_newer_below_its_paths() {
    check(
        &["POST /api/users/**", "GET /api/users/**", "POST /api/saml/**"],
        &["users:write", "saml-applications:*"],
        &[
            ("POST /api/users/u1/new-thing", "denied users:write"),
            ("GET /api/users/u1/new-thing", "allowed GET /api/users/**"),
            ("POST /api/saml/new", "allowed POST /api/saml/**"),
        ],
    );
}

#[test]
fn openapi_documents_never_pass() {
    let allow = ["*", "well-known:read", "GET /api/**", "POST /api/**"];
    for request in [
        "GET /api/swagger.json",
        "HEAD /api/Swagger.JSON/",
        "POST /api/swagger.json",
        "GET /api/.well-known/management.openapi.json",
        "GET /api/.Well-Known/management.openapi.json",
        "GET /api/.well-known/newer.openapi.JSON",
    ] {
        check(&allow, &[], &[(request, "withheld")]);
    }
    check(&allow, &[], &[("GET /api/.well-known/sign-in-exp", "allowed *")]);
}

#[test]
fn policies_add_up_and_any_of_them_denies() {
    let (a, b) = (policy("a", &["users:read"], &[]), policy("b", &["users:*"], &["DeleteUser"]));
    let both = RuleSet::compile(Catalog::logto(), &[&a, &b]).unwrap();
    assert_eq!(decide(&both, "GET /api/users"), "allowed users:read");
    assert_eq!(decide(&both, "PATCH /api/users/u1"), "allowed users:*");
    assert_eq!(decide(&both, "DELETE /api/users/u1"), "denied DeleteUser");
}

#[test]
fn every_bad_rule_is_reported_with_its_place() {
    let (a, b) = (policy("a", &["users:read", "ListUser"], &["nope"]), policy("b", &["user:read"], &[]));
    let problems = RuleSet::compile(Catalog::logto(), &[&a, &b]).unwrap_err();
    let places: Vec<_> = problems.iter().map(|problem| problem.origin.to_string()).collect();
    assert_eq!(places, ["a.toml:deny:1", "a.toml:allow:2", "b.toml:allow:1"]);
    assert!(problems[1].to_string().starts_with("a.toml:allow:2: no operation is called"));
}

/// What is matched is what is forwarded, and costs no copy where the caller spelled it as Logto does.
#[test]
fn the_forwarded_path_is_in_the_spelling_of_the_catalog() {
    for (given, forwarded, copied) in [
        ("/api/users/u1/roles", "/api/users/u1/roles", false),
        ("/api/users/u1/roles/", "/api/users/u1/roles", false),
        ("/api/Users/U1/ROLES", "/api/users/U1/roles", true),
        ("/api/USERS/%C3%A9/roles/", "/api/users/%C3%A9/roles", true),
        ("/api/domains/Cleanup", "/api/domains/Cleanup", false),
        ("/api/New-Thing/1", "/api/New-Thing/1", false),
    ] {
        let path = CanonicalPath::parse(given).unwrap();
        let matched = Matched::find(Catalog::logto(), &http::Method::GET, path);
        assert_eq!(matched.path(), forwarded);
        assert_eq!(matches!(matched.into_path(), std::borrow::Cow::Owned(_)), copied, "{given}");
    }
}

fn with_conditions(allow: &[(&str, Option<&str>)]) -> RuleSet {
    let rule = |(line, (text, member)): (usize, &(&str, Option<&str>))| {
        Arc::new(RuleText {
            text: (*text).into(),
            conditions: member.map(|member| crate::config::Conditions {
                query: Vec::new(),
                others: Default::default(),
                body: Some(vec![member.into()]),
            }),
            cache: None,
            origin: Origin::from(format!("p.toml:{}", line + 1)),
        })
    };
    let allow = allow.iter().enumerate().map(rule).collect();
    let policy = Policy { name: PolicyName::parse("p").unwrap(), allow, deny: Vec::new() };
    RuleSet::compile(Catalog::logto(), &[&policy]).unwrap()
}

/// The texts of all rules that would do under their conditions.
fn candidates(rules: &RuleSet, request: &str) -> String {
    let (method, path) = request.split_once(' ').unwrap();
    let method = http::Method::from_bytes(method.as_bytes()).unwrap();
    let matched = Matched::find(Catalog::logto(), &method, CanonicalPath::parse(path).unwrap());
    match rules.decide(&matched) {
        Verdict::Conditional(candidates) => {
            assert!(!rules.decide(&matched).is_allowed());
            candidates.rules().map(|rule| rule.rule.origin.to_string()).collect::<Vec<_>>().join(" ")
        }
        other => other.label().into(),
    }
}

#[test]
fn a_rule_with_conditions_is_a_candidate_and_no_more() {
    let rules = with_conditions(&[
        ("UpdateUser", Some("name")),
        ("UpdateUser", Some("username")),
        ("PATCH /api/users/{id}", Some("a")),
        ("PATCH /api/users/u1", Some("b")),
        ("POST /api/new/{id}", Some("c")),
        ("POST /api/new/{x}", Some("d")),
        ("CreateApplicationSecret", Some("name")),
    ]);
    assert_eq!(candidates(&rules, "PATCH /api/users/u2"), "p.toml:1 p.toml:2 p.toml:3");
    assert_eq!(candidates(&rules, "PATCH /api/users/u1"), "p.toml:1 p.toml:2 p.toml:3 p.toml:4");
    assert_eq!(candidates(&rules, "POST /api/new/1"), "p.toml:5 p.toml:6");
    assert_eq!(candidates(&rules, "POST /api/applications/a/secrets"), "p.toml:7");
    assert_eq!(candidates(&rules, "DELETE /api/users/u1"), "no_rule");
    assert_eq!(candidates(&rules, "GET /api/new/1"), "operation_unknown");
}

#[test]
fn a_rule_without_conditions_wins_and_a_deny_wins_over_all() {
    let rules = with_conditions(&[("UpdateUser", Some("name")), ("users:write", None)]);
    assert_eq!(candidates(&rules, "PATCH /api/users/u1"), "allowed");
    let rules = with_conditions(&[("POST /api/new/{id}", Some("c")), ("POST /api/new/**", None)]);
    assert_eq!(candidates(&rules, "POST /api/new/1"), "allowed");
    let conditional = with_conditions(&[("CreateApplicationSecret", Some("name")), ("*", None)]);
    assert_eq!(
        candidates(&conditional, "POST /api/applications/a/secrets"),
        "p.toml:1",
        "* does not name it"
    );
}
