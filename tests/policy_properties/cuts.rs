//! Whatever the rules: an OpenAPI document that is cut by them has the operations that they permit somewhere, and no others.
//! What they permit is asked of the oracle, on paths made of what the rules themselves name.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, LazyLock},
};

use claviger::{
    catalog::Catalog,
    config::{
        Caller, Conditions, Config, Identity, Issue, Origin, OtherParameters, Policy, RuleText, TenantScope,
    },
    ids::{CallerIndex, CallerName, PolicyName},
    openapi::{Cut, Document, Source},
    policy::{Grants, matched::Matched, path::CanonicalPath, rules::Effect},
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    NEWER, accepted,
    oracle::{LINES, permits, route},
    rules,
};

/// No rule names it.
const FRESH: &str = "zz9";

/// Every operation of the catalog, and some that are newer: method, template, operationId.
static OPERATIONS: LazyLock<Vec<(&'static str, &'static str, String)>> = LazyLock::new(|| {
    let known = LINES.iter().filter(|line| !line.withheld);
    let known = known.map(|line| (line.method, line.template, line.id.to_owned()));
    let newer = NEWER.into_iter().filter(|template| !template.contains("}."));
    let newer =
        newer.flat_map(|path| ["GET", "POST"].map(|method| (method, path, format!("{method} {path}"))));
    known.chain(newer).collect()
});

static DOCUMENT: LazyLock<Source> = LazyLock::new(|| {
    let mut paths = BTreeMap::<_, BTreeMap<_, _>>::new();
    for (method, template, id) in OPERATIONS.iter() {
        paths.entry(template).or_default().insert(method.to_ascii_lowercase(), json!({ "operationId": id }));
    }
    let document = json!({ "openapi": "3.0.1", "info": {}, "paths": paths });
    Source::Logto(Arc::new(Document::read(document.to_string().into_bytes()).unwrap()))
});

/// The grants of one caller, some of whose rules ask that there be no query.
fn grants(allow: &[String], deny: &[String], conditional: &[bool]) -> Grants {
    let none = Conditions { query: vec![], others: OtherParameters::Forbidden, body: None };
    let list = |rules: &[String], conditional: &[bool]| {
        let rule = |(at, text): (usize, &String)| {
            let one = text.contains(' ') && !text.contains("**") || !text.contains([' ', ':', '*']);
            let asks = one && conditional.get(at).is_some_and(|it| *it);
            let conditions = asks.then(|| none.clone());
            Arc::new(RuleText { text: text.clone(), conditions, cache: None, origin: Origin::from("test") })
        };
        rules.iter().enumerate().map(rule).collect()
    };
    let name = PolicyName::parse("p").unwrap();
    let policy = Policy { name: name.clone(), allow: list(allow, conditional), deny: list(deny, &[]) };
    let caller = Caller {
        name: CallerName::parse("c").unwrap(),
        identify: vec![Identity::Loopback],
        cloud: Vec::new(),
        tenants: TenantScope::All,
        policies: vec![name],
        reveal: vec![],
        issue: Issue::Claviger,
        scopes: None,
        organization_id: None,
        rate: None,
        priority: Default::default(),
        weight: 1,
        origin: Origin::from("test"),
    };
    Grants::new(&Config { policies: vec![policy], callers: vec![caller], ..Config::default() }).unwrap()
}

fn ids(cut: &Cut) -> BTreeSet<String> {
    let document: Value = serde_json::from_slice(&cut.at("http://localhost").concat()).unwrap();
    let paths = document["paths"].as_object().unwrap().values();
    let operations = paths.flat_map(|item| item.as_object().unwrap().values());
    operations.map(|operation| operation["operationId"].as_str().unwrap().to_owned()).collect()
}

/// Paths of a template, with what some rule names in the place of a parameter, and with what none names.
fn examples(template: &str, rules: &[String]) -> Vec<String> {
    let named = |at: usize| {
        let templates = rules.iter().filter_map(|rule| rule.split_once(' '));
        let segments = templates.filter_map(move |(_, path)| path.split('/').nth(at));
        segments.filter(|segment| !segment.contains(['{', '*'])).collect::<BTreeSet<_>>()
    };
    let mut paths = vec![String::new()];
    for (at, segment) in template.split('/').enumerate().skip(1) {
        let choices = match segment.starts_with('{') {
            true => named(at).into_iter().chain([FRESH]).collect(),
            false => vec![segment],
        };
        paths = paths.iter().flat_map(|path| choices.iter().map(move |it| format!("{path}/{it}"))).collect();
    }
    paths
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_cut_has_what_is_permitted_somewhere_and_nothing_else(
        (allow, deny) in (rules(6), rules(3)),
        conditional in prop::collection::vec(any::<bool>(), 6),
    ) {
        let (allow, deny) = (accepted(Effect::Allow, allow), accepted(Effect::Deny, deny));
        let grants = grants(&allow, &deny, &conditional);
        let (caller, named) = (CallerIndex(0), [allow.clone(), deny.clone()].concat());
        let rights = grants.rights(caller);
        let (of_logto, of_catalog) = (ids(&Cut::of(&DOCUMENT, &rights)), ids(&Cut::of(&Source::Catalog, &rights)));
        for (method, template, id) in OPERATIONS.iter() {
            let line = LINES.iter().find(|line| line.id == id);
            let mut permitted = false;
            for path in examples(template, &named) {
                let found = route(method, &path);
                if found.map(|found| found.id) != line.map(|line| line.id) {
                    continue;
                }
                let allowed = permits(&allow, &deny, method, &path, line);
                let canonical = CanonicalPath::parse(&path).unwrap();
                let matched = Matched::find(Catalog::logto(), &method.parse().unwrap(), canonical);
                prop_assert_eq!(allowed, grants.rules(caller, claviger::catalog::Api::Management).decide(&matched).may_be_allowed(), "{} {}", method, path);
                permitted |= allowed;
            }
            prop_assert_eq!(of_logto.contains(id), permitted, "{} {}: {:?} {:?}", id, template, allow, deny);
            if line.is_some() {
                prop_assert_eq!(of_catalog.contains(id), permitted, "{} of the catalog", id);
            }
        }
    }
}
