//! Nothing is ever allowed that upstream could take for an operation that the rules do not allow.
//!
//! The oracle below shares no code with the product: it reads the catalog's table and the rules as text, tries
//! every template one after the other, and looks at a path in each way that some server on the way is known to
//! read it: decoded once or twice, dot segments resolved, slashes merged, `;` parameters cut off, and so on.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

#[path = "policy_properties/created.rs"]
mod created;
#[path = "policy_properties/cuts.rs"]
mod cuts;
#[path = "policy_properties/oracle.rs"]
mod oracle;

use std::{collections::BTreeSet, sync::Arc};

use claviger::{
    catalog::Catalog,
    config::{Origin, Policy, RuleText},
    ids::PolicyName,
    policy::{
        decide::RuleSet,
        matched::Matched,
        path::CanonicalPath,
        reveal::Reveals,
        rules::{Effect, Rule},
    },
};
use proptest::{prelude::*, sample::Index};

use oracle::{LINES, TABLE, decode, koa, nginx, node, permits, readings, route};

// --- what is tried ----------------------------------------------------------------------------------------

const PARAMS: [&str; 13] = [
    "u1",
    "U1",
    "admin",
    "a%20b",
    "%E5%90%8D",
    "a@b.example",
    "roles",
    "session",
    "cleanup",
    "delete",
    "a%22",
    "~",
    "%EF%BC%8F",
];

/// What a name that people choose may hold, as it is escaped.
const NAMES: [&str; 16] = [
    "CI%2FCD",
    "%2F",
    "a%2Fb%2Fc",
    "%2Fapplications",
    "..%2F..%2Froles%2Fr1",
    "x%2F..%2F..%2F..%2Froles",
    "x%5C..%5Croles",
    "..%3B%2Froles",
    "100%25",
    "%252e%252e%252f",
    "%3F",
    "%23x",
    "x%3Fy",
    "v1.",
    "v1%20",
    "%C2%85",
];

const TRICKS: [&str; 40] = [
    "/",
    "//",
    "/.",
    "/..",
    "/../",
    "/../..",
    "/%2e%2e",
    "/%2E%2e/",
    "/.%2e/",
    "%2f",
    "%2F..%2F",
    "%5c",
    "\\",
    "\\..\\",
    ";",
    ";x=1",
    "%3b",
    "%3f",
    "?",
    "#",
    "%23",
    "%00",
    "\0",
    "%0a",
    "%20",
    "%09",
    ".",
    "..",
    "%2e",
    "%252e",
    "%252f",
    "%c0%af",
    "%c0%ae%c0%ae",
    "%u002e",
    "%zz",
    "%",
    "%75",
    "%C3",
    "é",
    "/../applications/u1/secrets",
];

fn fill(template: &str, params: &[Index]) -> String {
    let mut params = params.iter().cycle();
    let segments = template.split('/').map(|segment| match (segment.starts_with('{'), params.next()) {
        (true, Some(index)) => *index.get(&PARAMS),
        _ => segment,
    });
    segments.collect::<Vec<_>>().join("/")
}

/// The path of an operation that ends in a free name, with all that such a name may hold and more.
fn named_request() -> impl Strategy<Value = (&'static str, String)> {
    let lines: Vec<_> =
        LINES.iter().filter(|line| line.free).map(|line| (line.method, line.template)).collect();
    let name = prop::collection::vec(
        prop_oneof![
            prop::sample::select(NAMES.to_vec()).prop_map(str::to_owned),
            prop::sample::select(TRICKS.to_vec()).prop_map(escaped),
            any::<char>().prop_map(|c| escaped(&c.to_string())),
            "[a-z]{1,4}",
        ],
        1..5,
    );
    (prop::sample::select(lines), indices(4..5), name).prop_map(|((method, template), params, name)| {
        let (parent, _) = template.rsplit_once('/').unwrap();
        (method, format!("{}/{}", fill(parent, &params), name.concat()))
    })
}

/// As `encodeURIComponent` does.
fn escaped(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[derive(Debug, Clone)]
enum Mutation {
    Insert(Index, &'static str),
    AfterSegment(Index, &'static str),
    Escape(Index, bool),
    EscapeTwice(Index),
    FlipCase(Index),
    Shout,
    Delete(Index),
    Append(&'static str),
}

fn mutate(path: String, mutation: &Mutation) -> String {
    let chars: Vec<char> = path.chars().collect();
    let replace = |at: &Index, with: &dyn Fn(char) -> String| {
        let at = at.index(chars.len().max(1));
        chars.iter().enumerate().map(|(i, c)| if i == at { with(*c) } else { c.to_string() }).collect()
    };
    match mutation {
        Mutation::AfterSegment(at, trick) => {
            let count = path.split('/').count();
            let segments = path.split('/').enumerate();
            let changed =
                segments.map(|(i, s)| if i == at.index(count) { format!("{s}{trick}") } else { s.into() });
            changed.collect::<Vec<_>>().join("/")
        }
        Mutation::Insert(at, trick) => replace(at, &|c| format!("{c}{trick}")),
        Mutation::Escape(at, true) => replace(at, &|c| format!("%{:02X}", u32::from(c))),
        Mutation::Escape(at, false) => replace(at, &|c| format!("%{:02x}", u32::from(c))),
        Mutation::EscapeTwice(at) => replace(at, &|c| format!("%25{:02x}", u32::from(c))),
        Mutation::FlipCase(at) => replace(at, &|c| {
            if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }.to_string()
        }),
        Mutation::Shout => path
            .split('/')
            .map(|s| if s == "api" || s.contains('%') { s.to_owned() } else { s.to_ascii_uppercase() })
            .collect::<Vec<_>>()
            .join("/"),
        Mutation::Delete(at) => replace(at, &|_| String::new()),
        Mutation::Append(trick) => path + trick,
    }
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let trick = || prop::sample::select(TRICKS.as_slice());
    prop_oneof![
        (any::<Index>(), trick()).prop_map(|(at, trick)| Mutation::Insert(at, trick)),
        (any::<Index>(), trick()).prop_map(|(at, trick)| Mutation::AfterSegment(at, trick)),
        (any::<Index>(), any::<bool>()).prop_map(|(at, upper)| Mutation::Escape(at, upper)),
        any::<Index>().prop_map(Mutation::EscapeTwice),
        any::<Index>().prop_map(Mutation::FlipCase),
        Just(Mutation::Shout),
        any::<Index>().prop_map(Mutation::Delete),
        trick().prop_map(Mutation::Append),
    ]
}

/// The path of some operation, or one that is newer than the catalog; with its method, or another.
fn request() -> impl Strategy<Value = (&'static str, String)> {
    let methods = ["GET", "POST", "PUT", "PATCH", "DELETE"];
    let lines: Vec<_> = LINES.iter().map(|line| (line.method, line.template)).collect();
    let known =
        (prop::sample::select(lines), prop::option::weighted(0.1, prop::sample::select(methods.to_vec())))
            .prop_map(|((method, template), other)| (other.unwrap_or(method), template));
    let newer = (prop::sample::select(methods.to_vec()), prop::sample::select(NEWER.to_vec()));
    (prop_oneof![9 => known, 1 => newer], prop::collection::vec(any::<Index>(), 4))
        .prop_map(|((method, template), params)| (method, fill(template, &params)))
}

const NEWER: [&str; 6] = [
    "/api/new-things",
    "/api/new-things/{id}",
    "/api/users/{id}/new-things",
    "/api/my-account",
    "/api/configs/oidc/{a}/{b}/{c}",
    "/api/.well-known/{new}.openapi.json",
];

fn adversarial_request() -> impl Strategy<Value = (&'static str, String)> {
    (prop_oneof![5 => request(), 1 => named_request()], prop::collection::vec(mutation(), 0..3))
        .prop_map(|((method, path), mutations)| (method, mutations.iter().fold(path, mutate)))
}

/// Any form of rule, most often about what is likely to be asked for.
fn rule() -> impl Strategy<Value = String> {
    let lines = &*LINES;
    let ids: Vec<_> = lines.iter().map(|line| line.id).collect();
    let tags: BTreeSet<_> = lines.iter().map(|line| line.tag).collect();
    let templates: Vec<_> = lines.iter().map(|line| (line.method, line.template)).collect();
    let tag = (
        prop::sample::select(tags.into_iter().collect::<Vec<_>>()),
        prop::sample::select(vec!["read", "write", "*"]),
    );
    let template = (
        prop_oneof![
            9 => prop::sample::select(templates),
            1 => (prop::sample::select(vec!["GET", "POST"]), prop::sample::select(NEWER.to_vec())),
        ],
        prop::collection::vec(prop::option::weighted(0.2, any::<Index>()), 8),
        prop::option::weighted(0.3, 2..5_usize),
    )
        .prop_map(|((method, template), changes, cut)| {
            let literals: Vec<_> =
                PARAMS.into_iter().filter(|p| !p.contains(['%', '@'])).chain(["{x}"]).collect();
            let mut segments: Vec<_> = template.split('/').collect();
            for (segment, change) in segments.iter_mut().skip(2).zip(&changes) {
                if let Some(index) = change {
                    *segment = *index.get(literals.as_slice());
                }
            }
            if let Some(cut) = cut {
                segments.truncate(cut);
                segments.push("**");
            }
            format!("{method} {}", segments.join("/"))
        });
    prop_oneof![
        1 => Just("*".to_owned()),
        4 => tag.prop_map(|(tag, access)| format!("{tag}:{access}")),
        4 => prop::sample::select(ids).prop_map(str::to_owned),
        6 => template,
    ]
}

fn rules(most: usize) -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(rule(), 0..=most)
}

fn accepted(effect: Effect, mut rules: Vec<String>) -> Vec<String> {
    rules.retain(|rule| Rule::parse(Catalog::logto(), effect, rule).is_ok());
    rules
}

fn compile(allow: &[String], deny: &[String]) -> RuleSet {
    let texts = |rules: &[String]| {
        rules
            .iter()
            .map(|text| RuleText {
                text: text.clone(),
                conditions: None,
                cache: None,
                origin: Origin::from("test"),
            })
            .map(Arc::new)
            .collect()
    };
    let policy = Policy { name: PolicyName::parse("p").unwrap(), allow: texts(allow), deny: texts(deny) };
    RuleSet::compile(Catalog::logto(), &[&policy]).unwrap()
}

/// Rules in every form about a request: about its operation, about this very path, about all below a part of it.
fn rules_about(method: &str, path: &str) -> Vec<String> {
    let mut rules =
        vec!["*".to_owned(), format!("{method} {path}"), format!("{method} {}", path.to_ascii_lowercase())];
    let shouted = path.split('/').map(|s| if s == "api" { s.into() } else { s.to_ascii_uppercase() });
    rules.push(format!("{method} {}", shouted.collect::<Vec<_>>().join("/")));
    rules.extend(path.match_indices('/').skip(1).map(|(at, _)| format!("{method} {}/**", &path[..at])));
    if let Some(line) = route(method, path) {
        rules.extend([line.id.to_owned(), format!("{}:*", line.tag), format!("{method} {}", line.template)]);
    }
    rules
}

fn indices(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Index>> {
    prop::collection::vec(any::<Index>(), count)
}

fn chosen(choices: &[String], indices: &[Index]) -> impl Iterator<Item = String> {
    indices.iter().map(|index| index.get(choices).clone())
}

// --- the properties ---------------------------------------------------------------------------------------

proptest! {
    // Nothing is written to disk: a case that fails belongs into a table of `src/policy/*/tests.rs`.
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_allowed_is_allowed_however_it_is_read(
        (method, path) in adversarial_request(),
        (mut allow, mut deny) in (rules(5), rules(2)),
        (allow_more, deny_more) in (indices(0..2), indices(0..2)),
        generous in any::<bool>(),
    ) {
        let verb: http::Method = method.parse().unwrap();
        let Ok(canonical) = CanonicalPath::of_request(Catalog::logto(), &verb, &path) else { return Ok(()) };
        // Most may pass, but not what some reading of the path amounts to.
        let about: Vec<_> = readings(&path).iter().flat_map(|reading| rules_about(method, reading)).collect();
        let usable: Vec<_> = accepted(Effect::Deny, about).into_iter().filter(|rule| rule != "*").collect();
        allow.extend(chosen(&rules_about(method, &path), &allow_more));
        if generous {
            allow.extend(["*".to_owned(), format!("{method} /api/**")]);
            allow.extend(route(method, &path).map(|line| line.id.to_owned()));
        }
        if !usable.is_empty() {
            deny.extend(chosen(&usable, &deny_more));
        }
        let (allow, deny) = (accepted(Effect::Allow, allow), accepted(Effect::Deny, deny));
        let matched = Matched::find(Catalog::logto(), &method.parse().unwrap(), canonical);
        let set = compile(&allow, &deny);
        if !set.decide(&matched).is_allowed() {
            return Ok(());
        }
        let forwarded = matched.path();
        let line = route(method, forwarded);
        prop_assert!(permits(&allow, &deny, method, forwarded, line), "{forwarded} by {set:?}");
        prop_assert_eq!(route(method, &path).map(|l| l.id), line.map(|l| l.id), "respelled to another");
        prop_assert!(path.strip_suffix('/').unwrap_or(&path).eq_ignore_ascii_case(forwarded));
        for reading in readings(forwarded).iter().skip(1) {
            if let Some(read) = route(method, reading) {
                // A rule with a literal in place of a free name is about that spelling; no rule is got round to another operation.
                if CanonicalPath::parse(&path).is_err() && line.is_some_and(|line| line.free && line.id == read.id) {
                    continue;
                }
                let line = read;
                prop_assert!(permits(&allow, &deny, method, reading, Some(line)), "{forwarded} read as {reading}");
            }
        }
        // Read as it is split, each parameter is the caller's own.
        let as_split: Vec<_> = koa(path.strip_suffix('/').unwrap_or(&path));
        prop_assert!(koa(forwarded).iter().zip(&as_split).all(|(a, b)| a.eq_ignore_ascii_case(b)));
        let again = CanonicalPath::of_request(Catalog::logto(), &verb, forwarded).map(CanonicalPath::as_str);
        prop_assert_eq!(again, Ok(forwarded), "what is forwarded is canonical");
        let uri = http::uri::PathAndQuery::try_from(forwarded).unwrap();
        prop_assert_eq!(uri.as_str(), forwarded);
    }

    /// A name that people may choose reaches its operation byte for byte, and no server on the way can take it for another.
    #[test]
    fn a_free_name_is_what_it_is_to_every_server((method, path) in named_request()) {
        let verb: http::Method = method.parse().unwrap();
        let line = route(method, &path);
        let Ok(canonical) = CanonicalPath::of_request(Catalog::logto(), &verb, &path) else { return Ok(()) };
        let Some(line) = line else { return Ok(()) };
        let matched = Matched::find(Catalog::logto(), &verb, canonical);
        prop_assert_eq!(matched.op(), Catalog::logto().by_id(line.id));
        prop_assert_eq!(matched.path(), path.strip_suffix('/').unwrap_or(&path));
        for reading in [nginx(&path), node(&path)].iter().chain(&readings(&path)) {
            let read = route(method, reading).map_or(line.id, |other| other.id);
            prop_assert_eq!(read, line.id, "{} read as {}", &path, reading);
        }
    }

    /// Of ordinary names none is refused: no dot segment, nothing that is an escape itself, no control character.
    #[test]
    fn ordinary_names_are_taken(name in "[ -~é名]{1,30}") {
        let dots = |piece: &str| piece.contains('.') && piece.trim_matches(['.', ' ']).is_empty();
        let pieces = name.split(['/', '\\']).map(|piece| piece.split([';', '?', '#']).next().unwrap_or_default());
        prop_assume!(!pieces.into_iter().any(dots) && decode(&name) == name.chars().flat_map(|c| {
            let mut bytes = [0; 4];
            c.encode_utf8(&mut bytes).bytes().map(char::from).collect::<Vec<_>>()
        }).collect::<String>());
        let path = format!("/api/users/u1/personal-access-tokens/{}", escaped(&name));
        let read = CanonicalPath::of_request(Catalog::logto(), &http::Method::DELETE, &path);
        prop_assert_eq!(read.map(CanonicalPath::as_str), Ok(path.as_str()));
    }

    /// The other direction: a proxy that refuses everything would pass the test above.
    #[test]
    fn what_the_rules_permit_is_allowed(
        (method, path) in request(),
        (shout, slash) in (any::<bool>(), any::<bool>()),
        (mut allow, mut deny) in (rules(5), rules(2)),
        (allow_more, deny_more) in (indices(0..3), indices(0..2)),
    ) {
        allow.extend(chosen(&rules_about(method, &path), &allow_more));
        deny.extend(chosen(&rules_about(method, &path), &deny_more));
        let (allow, deny) = (accepted(Effect::Allow, allow), accepted(Effect::Deny, deny));
        let Some(line) = route(method, &path) else { return Ok(()) };
        let spelled: Vec<_> = path.split('/').zip(line.template.split('/')).map(|(given, wanted)| {
            let literal = shout && wanted != "api" && !wanted.starts_with('{');
            if literal { given.to_ascii_uppercase() } else { given.to_owned() }
        }).collect();
        let spelled = spelled.join("/") + if slash { "/" } else { "" };
        let matched =
            Matched::find(Catalog::logto(), &method.parse().unwrap(), CanonicalPath::parse(&spelled).unwrap());
        prop_assert_eq!(matched.op(), Catalog::logto().by_id(line.id));
        let allowed = compile(&allow, &deny).decide(&matched).is_allowed();
        prop_assert_eq!(allowed, permits(&allow, &deny, method, matched.path(), Some(line)));
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in any::<String>(), path in "/[ -~]{0,40}") {
        let _ = Rule::parse(Catalog::logto(), Effect::Allow, &text);
        let _ = Rule::parse(Catalog::logto(), Effect::Deny, &path);
        let _ = Rule::parse(Catalog::logto(), Effect::Deny, &format!("GET /api{path}"));
        let _ = CanonicalPath::parse(&text);
        if let Ok(canonical) = CanonicalPath::parse(&path) {
            let _ = Matched::find(Catalog::logto(), &http::Method::GET, canonical);
        }
    }
}

/// What a rule does not name, it grants only where the answer can be masked: whatever rules there are, every operation
/// whose answer holds secrets is named, or is a read that comes masked to whoever has not asked to see them.
#[test]
fn no_broad_rule_grants_an_answer_with_secrets_that_nobody_masks() {
    let catalog = Catalog::logto();
    let reveals = Reveals::default();
    let methods = ["GET", "POST", "PUT", "PATCH", "DELETE"];
    let tags: BTreeSet<_> = LINES.iter().map(|line| format!("{}:*", line.tag)).collect();
    let templates = methods.iter().map(|method| format!("{method} /api/**"));
    let broad = accepted(Effect::Allow, ["*".to_owned()].into_iter().chain(tags).chain(templates).collect());
    let (set, mut masked) = (compile(&broad, &[]), 0);
    for line in LINES.iter() {
        let risks: Vec<_> = TABLE
            .lines()
            .map(|text| text.split('\t').collect::<Vec<_>>())
            .filter(|column| column.get(2) == Some(&line.id))
            .flat_map(|column| column[4].split(','))
            .filter(|risk| *risk != "-")
            .collect();
        let path = line.template.replace(['{', '}'], "");
        let matched =
            Matched::find(catalog, &line.method.parse().unwrap(), CanonicalPath::parse(&path).unwrap());
        if !set.decide(&matched).is_allowed() {
            continue;
        }
        match risks[..] {
            [] => {}
            ["secrets"] => {
                assert_eq!(line.method, "GET", "{}", line.id);
                assert!(
                    reveals.hidden(catalog, matched.op(), None).is_some(),
                    "{} would come unmasked",
                    line.id
                );
                masked += 1;
            }
            _ => panic!("{} is granted by a broad rule: {risks:?}", line.id),
        }
    }
    assert_eq!(masked, 18);
}

/// The oracle sees the tricks for what they are; else the properties above would prove nothing.
#[test]
fn the_oracle_is_not_blind() {
    for path in [
        "/api/users/%2e%2e/applications",
        "/api/users/..%2fapplications",
        "/api/users/%252e%252e/applications",
        "/api/users/..;/applications",
        "/api/users/..\\applications",
        "/api/applications%00x",
        "/api/applications%3Fx/users",
        "/api//applications",
        "/api/applications./",
        "/api/users/u1/personal-access-tokens/..%2F..%2F..%2Fapplications",
        "/api/users/u1/personal-access-tokens/..%252F..%252F..%252Fapplications",
        "/api/%61pplications",
        "/api/users/%c0%ae%c0%ae/applications",
    ] {
        let seen = readings(path);
        let routes = seen.iter().filter_map(|reading| route("GET", reading));
        assert!(routes.into_iter().any(|line| line.id == "ListApplications"), "{path}: {seen:?}");
    }
}
