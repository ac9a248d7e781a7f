//! The ways to identify that rest on tokens and certificates, callers that look alike, and finer grants.

use serde_json::json;

use super::*;

const IDENTIFY: &str = "identify = { loopback = true }";
const ISSUERS: &str = "[issuers.kubernetes]\nissuer = \"https://k.example\"\naudience = \"a\"\n";

/// `GOOD` behind TLS, with these lines for the caller and these sections in front.
fn bench(sections: &str, caller: &str) -> Bench {
    let listen = "[listen]\ntls = { cert = \"tls.crt\", key = \"tls.key\", client_ca = \"ca.crt\" }\n";
    let text = format!("{}{sections}{listen}", GOOD.trim_start().replace(IDENTIFY, caller));
    let bench = Bench::new().with("c.toml", text).env("S", "secret");
    Tls::new().write(&bench);
    bench
}

#[track_caller]
fn says(sections: &str, caller: &str, want: &[&str]) {
    assert_eq!(bench(sections, caller).problems(), want, "{caller}");
}

#[test]
fn names_in_certificates() {
    let spiffe = |text: &str, what: &str| {
        let want = format!(
            "c.toml:7: callers.c.identify[0].spiffe: {text:?} {what}. Write \"spiffe://TRUST-DOMAIN/path\"; `*` stands for one whole segment of the path."
        );
        says("", &format!("identify = {{ spiffe = {text:?} }}"), &[&want]);
    };
    spiffe("https://a/b", "does not begin with spiffe://");
    spiffe("spiffe://Prod/a", "has no trust domain in lower case");
    spiffe("spiffe:///a", "has no trust domain in lower case");
    spiffe("spiffe://*/a", "has a `*` in its trust domain: whoever runs another domain could be this caller");
    spiffe("spiffe://prod", "has no path: it is the trust domain itself and no workload");
    spiffe("spiffe://prod/", "has no path: it is the trust domain itself and no workload");
    spiffe("spiffe://prod/a/", "has an empty segment, or one of dots");
    spiffe("spiffe://prod/a/../b", "has an empty segment, or one of dots");
    spiffe("spiffe://prod/a*/b", "has a `*` that is only a part of a segment");
    spiffe("spiffe://prod/**", "has a `*` that is only a part of a segment");
    spiffe(
        "spiffe://prod/a%2fb",
        "has characters that no SPIFFE ID has: letters, digits, '-', '_' and '.' are allowed",
    );
    let dns = |text: &str, what: &str| {
        let want = format!(
            "c.toml:7: callers.c.identify[0].dns: {text:?} is {what}. Write \"billing.internal\", or \"*.internal\" for any one label in front."
        );
        says("", &format!("identify = {{ dns = {text:?} }}"), &[&want]);
    };
    for text in ["", "*", "a..b", "a.*.b", "*.*.b", "a.", "-a.b", "a b", "https://a"] {
        dns(text, "not a DNS name");
    }
    dns("10.0.0.1", "an address, not a DNS name");
    dns("*.1", "an address, not a DNS name");
    dns("::1", "an address, not a DNS name");
    bench("", "identify = [{ dns = \"a_b.Internal\" }, { spiffe = \"spiffe://a.b/x/*\" }]").config();
}

#[test]
fn a_method_whose_secret_is_refused_is_not_empty() {
    let secret = "this reference to a secret has neither the key `file` nor the key `env`. Did you mean `file`? \
                  Write { file = \"/run/secrets/…\" } or { env = \"NAME\" }.";
    let want = format!("c.toml:7: callers.c.identify.api_key: {secret}");
    says("", "identify = { api_key = { fil = \"x\" } }", &[&want]);
}

#[test]
fn tokens() {
    says(
        "",
        "identify = { service_account = \"a/b\" }",
        &[
            "c.toml:7: callers.c.identify[0].issuer: no issuer is configured whose tokens could identify it. Write [issuers.NAME] with issuer and audience.",
        ],
    );
    for text in ["billing", "*/billing", "a/", "A/b", "a/b/c", "a/b*"] {
        let want = format!(
            "c.toml:7: callers.c.identify[0].service_account: {text:?} is not a service account. Write \"NAMESPACE/NAME\", or \"NAMESPACE/*\" for any in the namespace."
        );
        says(ISSUERS, &format!("identify = {{ service_account = {text:?} }}"), &[&want]);
    }
    says(
        ISSUERS,
        "identify = { service_account = \"a/b\", issuer = \"kubernets\" }",
        &[
            "c.toml:7: callers.c.identify[0].issuer: there is no issuer \"kubernets\". Did you mean \"kubernetes\"?",
        ],
    );
    let more = format!("{ISSUERS}[issuers.x]\nissuer = \"https://x.example\"\naudience = \"a\"\n");
    says(
        &more,
        "identify = { jwt = { claims = { sub = \"me\" } } }",
        &[
            "c.toml:7: callers.c.identify[0].jwt.issuer: there are several issuers, and nothing says whose token it is. Write issuer = one of: kubernetes, x.",
        ],
    );
    let any = bench(ISSUERS, "identify = { service_account = \"a/*\" }").config();
    let [Identity::ServiceAccount { name: None, issuer, .. }] = &any.callers[0].identify[..] else {
        panic!()
    };
    assert_eq!(issuer.as_str(), "kubernetes");
    let fallback = bench(
        &more,
        "identify = [{ service_account = \"a/b\" }, { jwt = { issuer = \"x\", claims = { a = \"b\" } } }]",
    )
    .config();
    assert!(
        matches!(&fallback.callers[0].identify[0], Identity::ServiceAccount { issuer, .. } if issuer.as_str() == "kubernetes")
    );
    let form = "Write claims = { sub = \"…\" }, or what else tells this caller from others.";
    for claims in ["", ", claims = {}", ", claims = { iss = \"a\", aud = \"b\" }"] {
        let want = format!(
            "c.toml:7: callers.c.identify[0].jwt.claims: nothing tells this caller from all others with a token of this issuer. {form}"
        );
        says(ISSUERS, &format!("identify = {{ jwt = {{ issuer = \"kubernetes\"{claims} }} }}"), &[&want]);
    }
    says(
        ISSUERS,
        "identify = { jwt = { claims = { sub = [], \"a..b\" = \"x\", c = \"\" } } }",
        &[
            "c.toml:7: callers.c.identify[0].jwt.claims.\"a..b\": this is not the name of a claim. Write a name, with dots for nested ones: \"realm_access.roles\".",
            &format!("c.toml:7: callers.c.identify[0].jwt.claims.c: the value is empty. {form}"),
            &format!(
                "c.toml:7: callers.c.identify[0].jwt.claims.sub: there is no value in the list, so no token would do. {form}"
            ),
        ],
    );
    says(
        ISSUERS,
        "identify = { loopback = true, issuer = \"kubernetes\" }",
        &[
            "c.toml:7: callers.c.identify[0].issuer: an issuer stands beside service_account alone. Take it out; for jwt, write jwt = { issuer = \"…\", claims = { … } }.",
        ],
    );
    says(
        ISSUERS,
        "identify = { issuer = \"kubernetes\" }",
        &[
            "c.toml:7: callers.c.identify[0]: an issuer alone identifies nobody. Write { service_account = \"NAMESPACE/NAME\", issuer = \"…\" }.",
        ],
    );
    let unused = bench(ISSUERS, "identify = { dns = \"a.b\" }");
    assert_eq!(
        unused.warnings(),
        [
            "c.toml:9: issuers.kubernetes: no caller is known by a token of this issuer. Name it in a caller's identify, or take it out."
        ]
    );
}

/// What is shared, if these two are the ways of two callers.
fn shared(one: &str, other: &str) -> Option<String> {
    let two = format!("identify = {{ {one} }}\npolicies = \"p\"\n[callers.d]\nidentify = {{ {other} }}");
    let more = format!("{ISSUERS}[issuers.x]\nissuer = \"https://x.example\"\naudience = \"a\"\n");
    let problems = match bench(&more, &two).load() {
        Ok(_) => return None,
        Err(problems) => problems.problems,
    };
    let [problem] = &problems[..] else { panic!("{problems:?}") };
    assert_eq!(problem.key, "callers.d.identify");
    Some(problem.what.strip_suffix(" identifies the caller c as well").expect("the words").to_owned())
}

#[test]
fn no_request_is_from_two_callers() {
    let jwt =
        |issuer: &str, claims: &str| format!("jwt = {{ issuer = \"{issuer}\", claims = {{ {claims} }} }}");
    let account = |name: &str| format!("service_account = \"{name}\"");
    for (one, other, what) in [
        ("unix_gid = 7".to_owned(), "unix_gid = 7".to_owned(), "the same unix_gid"),
        ("dns = \"a.b\"".into(), "dns = \"A.b\"".into(), "a certificate with such a DNS name"),
        ("dns = \"*.b\"".into(), "dns = \"a.b\"".into(), "a certificate with such a DNS name"),
        (
            "spiffe = \"spiffe://a/*/x\"".into(),
            "spiffe = \"spiffe://a/y/*\"".into(),
            "a certificate with such a SPIFFE ID",
        ),
        (account("a/b"), account("a/b"), "a token of such a service account"),
        (account("a/*"), account("a/b"), "a token of such a service account"),
        (account("a/*"), account("a/*"), "a token of such a service account"),
        (jwt("x", "sub = \"a\""), jwt("x", "sub = [\"b\", \"a\"]"), "a token with these claims"),
        (jwt("x", "sub = \"a\""), jwt("x", "sub = \"a\", role = \"r\""), "a token with these claims"),
        (
            account("a/*"),
            jwt("kubernetes", "sub = \"system:serviceaccount:a:b\""),
            "a token with these claims",
        ),
    ] {
        assert_eq!(shared(&one, &other).as_deref(), Some(what), "{one} {other}");
        assert_eq!(shared(&other, &one).as_deref(), Some(what), "{other} {one}");
    }
    for (one, other) in [
        ("unix_gid = 7".to_owned(), "unix_uid = 7".to_owned()),
        ("dns = \"*.b\"".into(), "dns = \"b\"".into()),
        ("dns = \"*.b\"".into(), "dns = \"x.a.b\"".into()),
        ("spiffe = \"spiffe://a/*/x\"".into(), "spiffe = \"spiffe://a/y/z\"".into()),
        (account("a/*"), account("ab/c")),
        (account("a/*"), jwt("kubernetes", "sub = \"system:serviceaccount:ab:c\"")),
        (account("a/b"), jwt("x", "sub = \"system:serviceaccount:a:b\"")),
        (jwt("x", "sub = \"a\""), jwt("x", "sub = \"b\"")),
        (jwt("x", "sub = \"a\", role = \"r\""), jwt("x", "sub = \"b\"")),
        (jwt("x", "sub = \"a\""), jwt("kubernetes", "sub = \"a\"")),
    ] {
        assert_eq!(shared(&one, &other), None, "{one} {other}");
    }
}

#[test]
fn finer_grants() {
    let with = |lines: &str| bench("", &format!("{IDENTIFY}\n{lines}"));
    let plain = with("").config();
    let caller = &plain.callers[0];
    assert!(caller.reveal.is_empty() && caller.issue == Issue::Claviger);
    assert_eq!((&caller.scopes, &caller.organization_id), (&None, &None));
    let finer = with("reveal = [\"ListApplicationSecrets\"]\nissue = \"upstream\"\nscopes = \"all\"\norganization_id = \"o\"").config();
    let caller = &finer.callers[0];
    assert_eq!(caller.reveal[0].text, "ListApplicationSecrets");
    assert!(caller.reveal[0].origin.to_string().ends_with("c.toml:8"));
    assert_eq!(caller.issue, Issue::Upstream);
    assert_eq!(caller.scopes, Some(vec!["all".into()]));
    assert_eq!(caller.organization_id.as_deref(), Some("o"));

    for text in ["*", "users:read", "GET /api/users"] {
        let want = format!(
            "c.toml:8: callers.c.reveal[0]: {text:?} is not an operationId. Write each operation by its operationId; see: claviger operations"
        );
        assert_eq!(with(&format!("reveal = [{text:?}]")).problems(), [want]);
    }
    assert_eq!(
        with("issue = \"both\"\nscopes = [\"none\"]\norganization_id = \"\"").problems(),
        [
            "c.toml:8: callers.c.issue: \"both\" is not a kind of token. Write one of: \"claviger\" \"upstream\".",
            "c.toml:9: callers.c.scopes: \"none\" is not among the scopes of the tenant acme. Write one of these: all.",
            "c.toml:10: callers.c.organization_id: an organization ID is visible ASCII and not empty. Copy it from the Logto Console, or leave the key out.",
        ]
    );
    assert_eq!(
        with("scopes = []").problems(),
        [
            "c.toml:8: callers.c.scopes: there is no scope, so tokens would allow nothing. Write [\"all\"], the one scope of the Management API, or leave the key out."
        ]
    );
}

#[test]
fn labels_tell_the_keys_of_a_caller_apart() {
    let key = |n: u8| format!("api_key_sha256 = \"{}\"", format!("{n:02x}").repeat(32));
    let identify = format!(
        "identify = [{{ {}, label = \"2026-11\" }}, {{ api_key_sha256 = [\"{}\", \"{}\"] }}, {{ loopback = true }}]",
        key(1),
        "02".repeat(32),
        "03".repeat(32),
    );
    let config = bench("", &identify).config();
    let labels: Vec<_> = config.callers[0].api_keys().map(|(_, label)| label.to_string()).collect();
    assert_eq!(labels, ["2026-11", "2", "3"]);
    assert_eq!(
        in_effect(&config)["callers"]["c"]["identify"][0],
        json!({ "api_key": "(set)", "label": "2026-11" })
    );
    let says_of = |identify: String, want: &str| says("", &format!("identify = {identify}"), &[want]);
    says_of(
        format!("[{{ {}, label = \"a\" }}, {{ {}, label = \"a\" }}]", key(1), key(2)),
        "c.toml:7: callers.c.identify[1].label: two keys have the label \"a\". Give each key a label of its own: log and status tell them apart by it.",
    );
    says_of(
        "{ api_key_sha256 = \"3eb1bd439947eb762998e566ccc2e099c791118b2f40579cc4f7da2b5061b7f9\", label = \"0123456789abcdef0123456789abcdef\" }".into(),
        "c.toml:7: callers.c.identify[0].label: this is the key itself, and log, audit log and status show labels. Write a name for the key, such as \"2026-11\".",
    );
    says_of(
        format!("{{ {}, label = \"No spaces\" }}", key(1)),
        "c.toml:7: callers.c.identify[0].label: \"No spaces\" is not a label: a name is 1 to 63 of a-z, 0-9, '-', '_' and '.', and begins with a letter or a digit. Write something like label = \"2026-11\".",
    );
    says_of(
        format!("{{ api_key_sha256 = [\"{}\", \"{}\"], label = \"a\" }}", "02".repeat(32), "03".repeat(32)),
        "c.toml:7: callers.c.identify[0].label: one label stands beside two keys. Write a table for each key: identify = [{ api_key = …, label = \"2026-11\" }, { api_key = …, label = \"2026-05\" }].",
    );
    says_of(
        "{ loopback = true, label = \"a\" }".into(),
        "c.toml:7: callers.c.identify[0].label: only an API key has a label. Take it out; a label tells API keys apart.",
    );
    says_of(
        "{ label = \"a\" }".into(),
        "c.toml:7: callers.c.identify[0]: there is a label, and no key that it is for. Write { api_key = { file = \"…\" }, label = \"…\" }.",
    );
}

#[test]
fn other_proxies_may_ask_where_that_is_said() {
    let keyed = GOOD.replacen("loopback = true", "api_key = { env = \"K\" }", 1);
    let on =
        Bench::new().with("c.toml", keyed).env("S", "secret").env("K", "0123456789abcdef0123456789abcdef");
    let on = on.env("CLAVIGER_AUTHZ__ENABLED", "true");
    assert!(on.config().authz.enabled && !Config::default().authz.enabled);
}

#[test]
fn one_list_has_two_keys_and_a_caller_any_number() {
    let digest = |n: u8| format!("\"{}\"", format!("{n:02}").repeat(32));
    let tables: Vec<_> = (2..5).map(|n| format!("{{ api_key_sha256 = {} }}", digest(n))).collect();
    let config = bench("", &format!("identify = [{}]", tables.join(", "))).config();
    assert_eq!(config.callers[0].api_keys().count(), 3);
    let list = format!("identify = {{ api_key_sha256 = [{}, {}, {}] }}", digest(2), digest(3), digest(4));
    says(
        "",
        &list,
        &[
            "c.toml:7: callers.c.identify[0].api_key_sha256: there are 3 keys; two is the most. Keep the new one and the one that it replaces.",
        ],
    );
}
