//! Whatever the scopes: a caller may name a tenant by `{ created = true }` if it had it created, and nobody else may for that.
//! The oracle reads scopes as text.

use claviger::{
    config::{
        Caller, ClientAuth, Config, Endpoint, Identity, Issue, Origin, Tenant, TenantMatch, TenantPattern,
        TenantScope, UpstreamTls,
    },
    ids::{CallerIndex, CallerName, Label, TenantName},
    policy::Grants,
};
use proptest::prelude::*;

const CALLERS: [&str; 3] = ["a", "b", "ab"];

fn scope(texts: &[&str]) -> TenantScope {
    let one = |text: &&str| match text.split_once(':') {
        Some(("label", label)) => TenantMatch::Label(Label::parse(label).unwrap()),
        Some(_) => TenantMatch::Created,
        None if text.contains('*') => TenantMatch::Pattern(TenantPattern::parse(text).unwrap()),
        None => TenantMatch::Name(TenantName::parse(text).unwrap()),
    };
    TenantScope::Only(texts.iter().map(one).collect())
}

fn caller(name: &str, scope_of_it: &[&str]) -> Caller {
    Caller {
        name: CallerName::parse(name).unwrap(),
        identify: vec![Identity::Loopback],
        cloud: Vec::new(),
        tenants: scope(scope_of_it),
        policies: vec![],
        reveal: vec![],
        issue: Issue::Claviger,
        scopes: None,
        organization_id: None,
        rate: None,
        priority: Default::default(),
        weight: 1,
        origin: Origin::from("test"),
    }
}

fn tenant(name: &str, label: Option<&str>, creator: Option<&str>) -> Tenant {
    Tenant {
        name: TenantName::parse(name).unwrap(),
        labels: label.map(|label| Label::parse(label).unwrap()).into_iter().collect(),
        endpoint: Endpoint::parse("https://abc123.logto.app").unwrap(),
        resource: "https://abc123.logto.app/api".into(),
        client_id: "m2m".into(),
        client_secrets: vec![],
        client_auth: ClientAuth::Basic,
        scopes: vec!["all".into()],
        resources: vec![],
        organization_id: None,
        parameters: vec![],
        quota: None,
        max_in_flight: 1,
        compression: false,
        tls: UpstreamTls::default(),
        rotate: None,
        created_by: creator.map(|creator| CallerName::parse(creator).unwrap()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_a_caller_had_created_is_its_own_and_nobody_elses(
        scopes in prop::collection::vec(
            prop::collection::vec(prop::sample::select(vec!["created:true", "label:a", "label:x", "t", "a", "a*", "*b"]), 0..4),
            3,
        ),
        name in prop::sample::select(vec!["t", "a", "b", "ab", "created"]),
        label in prop::option::of(prop::sample::select(vec!["a", "x", "created"])),
        creator in prop::option::of(prop::sample::select(vec!["a", "b", "ab", "gone"])),
    ) {
        let callers = CALLERS.iter().zip(&scopes).map(|(name, scope)| caller(name, scope)).collect();
        let grants = Grants::new(&Config { callers, ..Config::default() }).unwrap();
        let tenant = tenant(name, label, creator);
        for (index, (caller, scope)) in CALLERS.iter().zip(&scopes).enumerate() {
            let is_meant = |text: &&str| match *text {
                "created:true" => creator == Some(*caller),
                "label:a" => label == Some("a"),
                "label:x" => label == Some("x"),
                "a*" => name.starts_with('a'),
                "*b" => name.ends_with('b'),
                exact => name == exact,
            };
            let expected = scope.iter().any(is_meant);
            prop_assert_eq!(grants.may_name(CallerIndex(index), &tenant), expected, "{} {:?}", caller, scope);
        }
    }
}
