use super::*;
use crate::{
    config::{Conditions, Origin},
    ids::PolicyName,
    policy::{matched::Matched, path::CanonicalPath},
};

/// What a policy of three or four rules may keep allocated once it is compiled, in bytes. Ten thousand of these are to be
/// a small part of a process.
const MOST_FOR_A_SMALL_POLICY: i64 = 1280;
/// The same, where it has no template that takes a trie of its own.
const MOST_WITHOUT_TEMPLATES: i64 = 512;

fn policy(name: &str, allow: &[&str], deny: &[&str]) -> Policy {
    let rules = |list: &'static str, texts: &[&str]| {
        let rule = |(line, text): (usize, &&str)| RuleText {
            text: (*text).into(),
            conditions: None,
            cache: None,
            origin: Origin::from(format!("{name}.toml:{list}:{}", line + 1)),
        };
        texts.iter().enumerate().map(rule).map(Arc::new).collect()
    };
    Policy { name: PolicyName::parse(name).unwrap(), allow: rules("allow", allow), deny: rules("deny", deny) }
}

fn verdict(rules: &RuleSet, path: &str) -> String {
    let matched = Matched::find(Catalog::logto(), &http::Method::GET, CanonicalPath::parse(path).unwrap());
    let verdict = rules.decide(&matched);
    format!("{} {}", verdict.label(), verdict.rule().unwrap())
}

/// The bytes that are still allocated for one set, when there are a thousand, each of a policy of its own.
fn bytes_each(policy_of: impl Fn(usize) -> Policy) -> i64 {
    const COUNT: usize = 1000;
    let policies: Vec<Policy> = (0..COUNT).map(policy_of).collect();
    let mut sets = Vec::with_capacity(COUNT);
    // The catalog is read once, by whoever comes first.
    RuleSet::compile(Catalog::logto(), &[]).unwrap();
    let measured = allocation_counter::measure(|| {
        let mut compiler = Compiler::new(Catalog::logto());
        sets.extend(policies.iter().map(|policy| compiler.compile(&[policy]).unwrap()));
    });
    assert_eq!(sets.len(), COUNT);
    measured.bytes_current / i64::try_from(COUNT).unwrap()
}

#[test]
fn a_small_policy_takes_little_memory() {
    let ids: Vec<_> = Catalog::logto().ids().collect();
    let named = bytes_each(|n| {
        let (first, second) = (ids[n % 200], ids[200 + n % 75]);
        policy("p", &["users:read", "roles:read"], &[first, second])
    });
    assert!(named <= MOST_WITHOUT_TEMPLATES, "{named} bytes");
    let by_template = bytes_each(|n| {
        let template = format!("GET /api/organizations/o{n}/users");
        policy("p", &["users:*", "ListOrganizations", &template], &["users:write"])
    });
    assert!(by_template <= MOST_FOR_A_SMALL_POLICY, "{by_template} bytes");
}

#[test]
fn lists_that_say_the_same_share_their_tables_and_keep_their_places() {
    let (a, b) = (policy("a", &["users:read"], &["GetUser"]), policy("b", &["users:read"], &["GetUser"]));
    let mut compiler = Compiler::new(Catalog::logto());
    let (of_a, of_b) = (compiler.compile(&[&a]).unwrap(), compiler.compile(&[&b]).unwrap());
    assert!(of_a.shares_tables_with(&of_b));
    assert_eq!(verdict(&of_a, "/api/users"), "allowed allow \"users:read\" of policy a (a.toml:allow:1)");
    assert_eq!(verdict(&of_b, "/api/users"), "allowed allow \"users:read\" of policy b (b.toml:allow:1)");
    assert_eq!(verdict(&of_b, "/api/users/u"), "denied deny \"GetUser\" of policy b (b.toml:deny:1)");
}

/// The same text may allow, deny, or allow under conditions.
#[test]
fn lists_that_say_something_else_have_tables_of_their_own() {
    let allows = policy("p", &["ListUsers"], &[]);
    let denies = policy("p", &[], &["ListUsers"]);
    let conditional = Policy {
        allow: vec![Arc::new(RuleText {
            conditions: Some(Conditions {
                query: Vec::new(),
                others: Default::default(),
                body: Some(Vec::new()),
            }),
            ..RuleText::clone(&allows.allow[0])
        })],
        ..allows.clone()
    };
    let mut compiler = Compiler::new(Catalog::logto());
    let labels = [&allows, &denies, &conditional, &allows].map(|policy| {
        let rules = compiler.compile(&[policy]).unwrap();
        verdict(&rules, "/api/users").split(' ').next().unwrap().to_owned()
    });
    assert_eq!(labels, ["allowed", "denied", "conditional", "allowed"]);
}
