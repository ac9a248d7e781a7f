//! What is said of wrong configurations: exact words, because they are what somebody reads at night.

use super::*;

/// `GOOD` with `from` replaced, and what is said of it.
#[track_caller]
fn says(from: &str, to: &str, want: &[&str]) {
    assert!(GOOD.contains(from), "{from}");
    let bench = Bench::new().with("c.toml", GOOD.replacen(from, to, 1)).env("S", "secret");
    assert_eq!(bench.problems(), want, "{to}");
}

/// `GOOD` with `from` replaced, and the warnings.
#[track_caller]
fn warns(from: &str, to: &str, want: &[&str]) {
    assert!(GOOD.contains(from), "{from}");
    let bench = Bench::new().with("c.toml", GOOD.replacen(from, to, 1)).env("S", "secret");
    assert_eq!(bench.warnings(), want, "{to}");
}

const ID: &str = "client_id = \"app\"";
const SECRET: &str = "client_secret = { env = \"S\" }";
const ALLOW: &str = "allow = [\"users:read\"]";
const IDENTIFY: &str = "identify = { loopback = true }";
const POLICIES: &str = "policies = [\"p\"]";

#[test]
fn tenants() {
    says(
        ID,
        "",
        &[
            "c.toml:2: tenants.acme.client_id: the tenant has no client_id. Copy the App ID of a machine-to-machine application from the Logto Console.",
        ],
    );
    says(
        ID,
        "client_id = \" \"",
        &[
            "c.toml:3: tenants.acme.client_id: the client_id is empty. Copy the App ID of a machine-to-machine application from the Logto Console.",
        ],
    );
    says(
        SECRET,
        "",
        &[
            "c.toml:2: tenants.acme.client_secret: the tenant has no client_secret. Write client_secret = { file = \"/run/secrets/…\" } or { env = \"NAME\" }.",
        ],
    );
    says(
        SECRET,
        "client_secret = { env = \"T\" }",
        &[
            "c.toml:4: tenants.acme.client_secret: the environment variable T is not set. Set T, or write { file = \"…\" }.",
        ],
    );
    says(
        SECRET,
        "client_secret = { flie = \"x\" }",
        &[
            "c.toml:4: tenants.acme.client_secret: this reference to a secret has neither the key `file` nor the key `env`. Write { file = \"/run/secrets/…\" } or { env = \"NAME\" }.",
        ],
    );
    says(
        SECRET,
        "client_secret = { file = \"x\", env = \"y\" }",
        &[
            "c.toml:4: tenants.acme.client_secret: a reference to a secret has exactly one of the keys `file` and `env`. Write { file = \"/run/secrets/…\" } or { env = \"NAME\" }.",
        ],
    );
    says(
        SECRET,
        "client_secret = \"\"",
        &[
            "c.toml:4: tenants.acme.client_secret: the secret is empty. Write { file = \"/run/secrets/…\" } or { env = \"NAME\" }.",
        ],
    );
    says(
        SECRET,
        "client_secret = []",
        &[
            "c.toml:4: tenants.acme.client_secret: the tenant has no client_secret. Write client_secret = { file = \"/run/secrets/…\" } or { env = \"NAME\" }.",
        ],
    );
    says(
        SECRET,
        "client_secret = [\"one\",\n\"two\", \"three\"]",
        &[
            "c.toml:4: tenants.acme.client_secret: there are 3 secrets; two is the most. Keep the new one and the one that it replaces.",
        ],
    );
    says(
        SECRET,
        "client_secret = \"a\\nb\"",
        &[
            "c.toml:4: tenants.acme.client_secret: the secret holds line breaks, or characters other than visible ASCII. Copy the App secret alone, without anything around it.",
        ],
    );
    let endpoint = |text: &str| format!("endpoint = \"{text}\"\n{ID}");
    says(
        ID,
        &endpoint("https://acme.logto.app/api"),
        &[
            "c.toml:3: tenants.acme.endpoint: the endpoint goes on after the host. Write \"https://acme.logto.app\": Claviger adds /api and /oidc itself.",
        ],
    );
    says(
        ID,
        &endpoint("acme.logto.app"),
        &["c.toml:3: tenants.acme.endpoint: the endpoint has no scheme. Write \"https://acme.logto.app\"."],
    );
    says(
        ID,
        &endpoint("ftp://acme.logto.app"),
        &["c.toml:3: tenants.acme.endpoint: the scheme is neither https nor http. Write \"https://…\"."],
    );
    says(
        ID,
        &endpoint("https://me:pw@acme.logto.app"),
        &[
            "c.toml:3: tenants.acme.endpoint: the endpoint holds a user name or password. Take the part before the @ out; credentials go into client_id and client_secret.",
        ],
    );
    says(
        ID,
        &endpoint("https://a b"),
        &[
            "c.toml:3: tenants.acme.endpoint: this is not a URL. Write scheme and host, such as \"https://acme.logto.app\".",
        ],
    );
    says(
        ID,
        &format!("resource = \"https://acme.logto.app/api/\"\n{ID}"),
        &[
            "c.toml:3: tenants.acme.resource: Logto refuses a resource with a slash at its end. Write \"https://acme.logto.app/api\".",
        ],
    );
    says(
        ID,
        &format!("resource = \"api\"\n{ID}"),
        &[
            "c.toml:3: tenants.acme.resource: \"api\" is not an absolute URI. Copy the API identifier from the Logto Console, such as \"https://acme.logto.app/api\".",
        ],
    );
    says(
        ID,
        &format!("scopes = [\"all\", \"a b\"]\n{ID}"),
        &[
            "c.toml:3: tenants.acme.scopes[1]: \"a b\" is not a scope. Write each scope as an element of its own: [\"a\", \"b\"].",
        ],
    );
    says(
        ID,
        &format!("parameters.scope = \"all\"\n{ID}"),
        &[
            "c.toml:3: tenants.acme.parameters.scope: this parameter is not free to choose. Take it out: it is the key scopes of the tenant.",
        ],
    );
    says(
        ID,
        &format!("quota = {{ requests = 0, per = \"10\" }}\n{ID}"),
        &[
            "c.toml:3: tenants.acme.quota.requests: 0 is out of range. Write a whole number from 1 to 1000000.",
            "c.toml:3: tenants.acme.quota.per: the duration \"10\" has no unit. Write \"10s\" for seconds or \"10ms\" for milliseconds.",
        ],
    );
    says(
        ID,
        &format!("tls.roots = {{ file = \"none.pem\" }}\n{ID}"),
        &[
            "c.toml:3: tenants.acme.tls.roots: cannot read the file none.pem: there is no such file. Look at the path, and at what is mounted there.",
        ],
    );
    says(
        ID,
        &format!("tls.roots = \"sytem\"\n{ID}"),
        &[
            "c.toml:3: tenants.acme.tls.roots: \"sytem\" is not a set of certificate authorities. Did you mean \"system\"?",
        ],
    );
    says(
        "tenants.acme",
        "tenants.Acme",
        &[
            "c.toml:2: tenants.Acme: a name is 1 to 63 of a-z, 0-9, '-', '_' and '.', and begins with a letter or a digit. Rename it, here and where callers name it.",
        ],
    );
    warns(
        ID,
        &endpoint("http://logto:3001"),
        &[
            "c.toml:3: tenants.acme.endpoint: over http:// the client secret and every token cross the network in clear. Write https://, unless the network in between is trusted.",
        ],
    );
    warns(
        ID,
        &format!("scopes = \"read\"\n{ID}"),
        &[
            "c.toml:3: tenants.acme.scopes: the Management API knows one scope, all; without it every request is answered with 403. Write [\"all\"], or leave the key out.",
        ],
    );
    warns(
        SECRET,
        "client_secret = \"hush\"",
        &[
            "c.toml:4: tenants.acme.client_secret: a secret is written in the configuration itself. Put it into a file that only this process can read, and write { file = \"…\" }.",
        ],
    );
}

#[test]
fn callers_and_policies() {
    says(
        IDENTIFY,
        "",
        &[
            "c.toml:7: callers.c.identify: nothing says how this caller proves who it is. Write identify = { api_key = { file = \"…\" } }, { loopback = true } or { unix_uid = 1001 }.",
        ],
    );
    says(
        IDENTIFY,
        "identify = { spiffe = \"spiffe://a/b\" }",
        &[
            "c.toml:8: callers.c.identify[0].spiffe: this version does not support SPIFFE IDs. Use one of: loopback, unix_uid, api_key, api_key_sha256.",
        ],
    );
    says(
        IDENTIFY,
        "identify = { loopback = true, unix_uid = 1 }",
        &[
            "c.toml:8: callers.c.identify[0]: loopback and unix_uid stand in one table, which leaves open whether all of them or any is meant. Write a list of tables with one key each: any of them will do.",
        ],
    );
    says(
        IDENTIFY,
        "identify = { loopback = false }",
        &[
            "c.toml:8: callers.c.identify[0].loopback: false identifies nobody. Write loopback = true, or take it out.",
        ],
    );
    says(
        IDENTIFY,
        "identify = \"loopback\"",
        &[
            "c.toml:8: callers.c.identify: found a single value where a table is wanted. Write identify = { loopback = true }, or another of the ways.",
        ],
    );
    says(
        IDENTIFY,
        "identify = { unix_uid = \"root\" }",
        &[
            "c.toml:8: callers.c.identify[0].unix_uid: \"root\" is not a whole number. Write digits alone, such as 100.",
        ],
    );
    says(
        IDENTIFY,
        "identify = { api_key = { env = \"S\" } }",
        &[
            "c.toml:8: callers.c.identify[0].api_key: the API key has 6 bytes and could be guessed; 20 is the least. Make one with: openssl rand -base64 32",
        ],
    );
    says(
        IDENTIFY,
        "identify = [{ api_key_sha256 = \"abc\" }]",
        &[
            "c.toml:8: callers.c.identify[0].api_key_sha256: this is not a SHA-256 in 64 hexadecimal digits. Print one with: printf %s \"$KEY\" | sha256sum",
        ],
    );
    says(
        POLICIES,
        "",
        &[
            "c.toml:7: callers.c.policies: the caller has no policies, so it could call nothing. Write policies = [\"NAME\"], and the rules under [policies.NAME].",
        ],
    );
    says(
        POLICIES,
        "policies = [\"P\"]",
        &["c.toml:9: callers.c.policies[0]: there is no policy \"P\". Did you mean \"p\"?"],
    );
    says(
        POLICIES,
        "policies = [\"p\"]\ntenants = \"acne\"",
        &["c.toml:10: callers.c.tenants: there is no tenant \"acne\". Did you mean \"acme\"?"],
    );
    says(
        POLICIES,
        "policies = [\"p\"]\ntenants = [\"other\"]",
        &["c.toml:10: callers.c.tenants[0]: there is no tenant \"other\". There are: acme."],
    );
    says(
        POLICIES,
        "policies = [\"p\"]\nreveal = [\"X\"]",
        &["c.toml:10: callers.c.reveal: this version does not support unmasked answers. Take the key out."],
    );
    says(
        "[callers.c]",
        "[callers.d]\nidentify = { loopback = true }\npolicies = \"p\"\n[callers.c]",
        &[
            "c.toml:8: callers.d.identify: loopback = true identifies the caller c as well. Keep it for one of the two; identify the other by api_key or unix_uid.",
        ],
    );
    says(
        ALLOW,
        "allow = [\"users:read\",\n  \"users read\"]",
        &[
            "c.toml:7: policies.p.allow[1]: \"users read\" is not a rule. Write a tag, an operationId or a template.",
        ],
    );
    says(
        ALLOW,
        "allow = [{ operation = \"ListUsers\" }]",
        &["c.toml:6: policies.p.allow[0]: found a table where text is wanted"],
    );
    says(
        "[callers.c]",
        "[tenants.b]\nclient_id = \"b\"\nclient_secret = { env = \"S\" }\n[callers.c]",
        &[
            "c.toml:10: callers.c.tenants: there are several tenants, and nothing says which ones this caller may name. Write tenants = [\"acme\"], or [\"*\"] for all.",
        ],
    );
    warns(
        ALLOW,
        "allow = []",
        &[
            "c.toml:6: policies.p.allow: the list is empty: it allows nothing. Write what callers need, such as allow = [\"users:read\"].",
        ],
    );
    warns(
        "[callers.c]",
        "[policies.q]\nallow = \"*\"\n[callers.c]",
        &["c.toml:7: policies.q: no caller has this policy. Name it in a caller's policies, or take it out."],
    );
    warns(
        IDENTIFY,
        "identify = { unix_uid = 5 }",
        &[
            "c.toml:8: callers.c.identify: no listener is a Unix socket, so nobody can be known by unix_uid. Add \"unix:/run/claviger/claviger.sock\" to listen.proxy.",
        ],
    );
}

#[test]
fn two_callers_with_one_key() {
    let two = |one: &str, other: &str| {
        GOOD.replace(
            IDENTIFY,
            &format!("identify = {{ {one} }}\npolicies = \"p\"\n[callers.d]\nidentify = {{ {other} }}"),
        )
    };
    let key = "a-key-of-twenty-bytes";
    let hex = Digest::of(key.as_bytes()).to_hex();
    let text = two("api_key = [{ env = \"K\" }]", &format!("api_key_sha256 = \"{hex}\""));
    let bench = Bench::new().with("c.toml", text).env("S", "secret").env("K", key);
    assert_eq!(
        bench.problems(),
        [
            "c.toml:11: callers.d.identify: the same API key identifies the caller c as well. Give each caller a key of its own: openssl rand -base64 32"
        ]
    );
    let bench = Bench::new().with("c.toml", two("unix_uid = 7", "unix_uid = 7")).env("S", "secret");
    assert_eq!(
        bench.problems(),
        [
            "c.toml:11: callers.d.identify: the same unix_uid identifies the caller c as well. Run the two as different users, or identify one of them by api_key."
        ]
    );
}

#[test]
fn listeners() {
    let listen = |text: &str| format!("[listen]\n{text}\n[callers.c]");
    let with = |text: &str, want: &[&str]| says("[callers.c]", &listen(text), want);
    with(
        "proxy = []",
        &["c.toml:8: listen.proxy: there is no address to listen on. Write [\"127.0.0.1:3600\"]."],
    );
    with(
        "proxy = [\":3600\"]",
        &[
            "c.toml:8: listen.proxy[0]: \":3600\" is not an address to listen on. Write \"127.0.0.1:3600\" for this machine alone, or \"0.0.0.0:3600\" for all.",
        ],
    );
    with(
        "proxy = \"localhost:3600\"",
        &[
            "c.toml:8: listen.proxy: localhost is a name; a listener needs an address. Write \"127.0.0.1:3600\" or \"[::1]:3600\".",
        ],
    );
    with(
        "proxy = \"127.0.0.1:3601\"",
        &[
            "c.toml:8: listen.proxy: this is the address of listen.admin as well. Give admin a port of its own, such as \"127.0.0.1:3601\", or write admin = \"off\".",
        ],
    );
    with(
        "admin = \"127.0.0.1:3600\"",
        &[
            "c.toml:8: listen.admin: this is the address that the proxy listens on. Give it another port, or write listen.proxy.",
        ],
    );
    with(
        "unix_mode = \"0999\"",
        &[
            "c.toml:8: listen.unix_mode: \"0999\" are not permission bits. Write them in octal, such as \"0660\".",
        ],
    );
    with(
        "public_url = \"internal/x\"",
        &[
            "c.toml:8: listen.public_url: this is not the base of a URL. Write scheme and host, such as \"https://logto.internal\".",
        ],
    );
    with(
        "allowed_hosts = [\"a\", \"b:80\"]",
        &[
            "c.toml:8: listen.allowed_hosts[1]: \"b:80\" is not a host name. Write the name alone, without scheme, port and path: \"logto.internal\".",
        ],
    );
    with(
        "tls = { cert = \"x\" }",
        &["c.toml:8: listen.tls: this version does not support TLS on the listener. Take the key out."],
    );
    let long = format!("proxy = \"unix:/{}\"", "x".repeat(107));
    with(
        &long,
        &[
            "c.toml:8: listen.proxy: the socket path has 108 bytes; the system allows 107. Choose a shorter path, such as unix:/run/claviger.sock.",
        ],
    );
    let mixed = listen("proxy = [\"0.0.0.0:3600\", \"127.0.0.1:3602\"]");
    warns(
        "[callers.c]",
        &mixed,
        &[
            "c.toml:10: callers.c.identify: callers on 0.0.0.0:3600 are not known by loopback, even from this machine. Let them use the loopback address, or identify by api_key.",
        ],
    );
    let open = listen("proxy = [\"0.0.0.0:3600\"]");
    warns(
        "[callers.c]",
        &open,
        &[
            "c.toml:10: callers.c.identify: no listener is on a loopback address or a Unix socket, so nobody can be known by loopback. Add \"127.0.0.1:3600\" to listen.proxy, or identify by api_key.",
        ],
    );
}

#[test]
fn all_problems_of_a_file_at_once() {
    let text = "workers = 0\ntenant = 1\n[timeouts]\nhead = \"10\"\nidel = \"1s\"\nbody = [1]\n[limits]\nbody = \"1 MB\"\n\
                [retry]\nbudget = 2\nbackoff = \"3s\"\nmax_backoff = \"1s\"\n[log]\nformat = \"jsn\"\nlevel = \"inof\"\n[broker]\nkey = { env = \"S\" }\n\
                [tenants.acme]\nclient_idd = \"x\"\n[tenants.other]\nclient_secret = \"s\"\n[policies]\np = \"*\"\n\
                [callers.c]\nidentify = [\"x\", { unix_uid = -1 }]\npolicies = [\"p\"]\nlimits = 1\n";
    let bench = Bench::new().with("c.toml", text).env("S", "secret");
    assert_eq!(
        bench.problems(),
        [
            "c.toml:1: workers: 0 is out of range. Write a whole number from 1 to 256.",
            "c.toml:2: tenant: there is no such section. Did you mean `tenants`?",
            "c.toml:4: timeouts.head: the duration \"10\" has no unit. Write \"10s\" for seconds or \"10ms\" for milliseconds.",
            "c.toml:5: timeouts.idel: there is no such key. Did you mean `idle`?",
            "c.toml:6: timeouts.body: found a list where a duration is wanted",
            "c.toml:8: limits.body: \"1 MB\" is not a size. Write a number of bytes, or a number with a unit, such as \"64KiB\" or \"1MiB\".",
            "c.toml:10: retry.budget: 2 is out of range. Write a fraction from 0 to 1.",
            "c.toml:12: retry.max_backoff: the longest wait is shorter than the first (backoff). Write a longer one, or shorten backoff.",
            "c.toml:14: log.format: \"jsn\" is not a log format. Did you mean \"json\"?",
            "c.toml:15: log.level: \"inof\" is not a log filter. Write error, warn, info, debug or trace; or directives such as \"info,claviger::token=debug\".",
            "c.toml:17: broker.key: the key has 6 bytes; 32 is the least. Make one with: openssl rand -base64 32",
            "c.toml:18: tenants.acme.client_secret: the tenant has no client_secret. Write client_secret = { file = \"/run/secrets/…\" } or { env = \"NAME\" }.",
            "c.toml:19: tenants.acme.client_idd: there is no such key. Did you mean `client_id`?",
            "c.toml:20: tenants.other.client_id: the tenant has no client_id. Copy the App ID of a machine-to-machine application from the Logto Console.",
            "c.toml:23: policies.p: found a single value where a table is wanted. Write [policies.p] and its keys below it.",
            "c.toml:24: callers.c.tenants: there are several tenants, and nothing says which ones this caller may name. Write tenants = [\"acme\"], or [\"*\"] for all.",
            "c.toml:25: callers.c.identify[0]: found a single value where a table is wanted. Write identify = { loopback = true }, or another of the ways.",
            "c.toml:25: callers.c.identify[1].unix_uid: \"-1\" is not a whole number. Write digits alone, such as 100.",
            "c.toml:27: callers.c.limits: there is no such key. `limits` stands at the top, before the first [section] or as [limits].",
        ]
    );
}

#[test]
fn all_syntax_errors_of_all_files_at_once() {
    let bench = Bench::new()
        .with("a.toml", "[listen\nproxy = \n[tenants.acme]\nclient_id = app\nclient_id = \"app\"\n")
        .with("b.yaml", "listen:\n  admin: off\n  admin: on\n  proxy: *x\n  other: &a 1\n  third: !!str 1\n")
        .with("c.yaml", "a: [1\n")
        .with("d.yaml", "a: 1\n---\nb: 1\n")
        .with("e.yaml", "- a\n")
        .with("f.json", "{\"a\": {\"b\": 1, \"b\": 2}}")
        .with("g.yaml", "{a: b}: 1\n")
        .with("h.conf", "")
        .with("i.toml", b"a = 1\nb = \"\xff\"\n");
    std::fs::create_dir(bench.path().join("j.toml")).unwrap();
    let mut bench = bench;
    bench.paths.push(bench.path().join("j.toml"));
    bench.paths.push(bench.path().join("k.toml"));
    bench.paths.push("/dev/null.toml".into());
    let problems = bench.problems();
    let has = |text: &str| {
        assert!(problems.iter().any(|problem| problem.starts_with(text)), "{text}\n{problems:#?}")
    };
    has("a.toml:1: this is not TOML: unclosed table, expected `]`. ");
    has("a.toml:4: this is not TOML: ");
    has("b.yaml:3: listen.admin: the key is given twice, first at ");
    has("b.yaml:4: ");
    has("c.yaml:");
    has("d.yaml:3: a second document begins here. ");
    has("e.yaml:1: the file is not a map of keys to values. ");
    has("f.json:1: a.b: the key is given twice, first at f.json:1. Keep one of the two.");
    has("g.yaml:1: a key is not text. ");
    has(
        "h.conf: the name does not say what the file is written in. Let it end in .toml, .yaml, .yml or .json.",
    );
    has("i.toml: line 2 is not UTF-8. Save the file as UTF-8; is it perhaps a binary file?");
    has("j.toml: this is a directory. Name a file in it.");
    has("k.toml: there is no such file. Look at the path, and at what is mounted there.");
}

#[test]
fn yaml_that_would_mean_something_else_is_refused() {
    for (text, want) in [
        (
            "a: &x 1\n",
            "c.yaml:1: an anchor (&name) is not read here. Write each value out where it is used; a value that begins with & goes in quotes.",
        ),
        (
            "\nlisten: { admin: !!str 1 }\n",
            "c.yaml:2: a tag (!name) is not read here. Leave it out; a value that begins with ! goes in quotes.",
        ),
        ("listen:\n  proxy: [,]\n", "c.yaml:2: "),
    ] {
        let problems = Bench::new().with("c.yaml", text).problems();
        assert!(problems[0].starts_with(want), "{problems:?}");
    }
    let deep = format!("a: {}1{}", "[".repeat(40), "]".repeat(40));
    let problems = Bench::new().with("c.yaml", deep).problems();
    assert_eq!(
        problems,
        [
            "c.yaml:1: more than 16 levels or 100000 values: this is not a configuration of Claviger. Is this the right file?"
        ]
    );
    let deep = format!("a = {}1{}", "[".repeat(40), "]".repeat(40));
    let problems = Bench::new().with("c.toml", deep).problems();
    assert_eq!(
        problems,
        [
            "c.toml:1: more than 16 levels or 100000 values: this is not a configuration of Claviger. Is this the right file?"
        ]
    );
    let many = format!("a = [{}]", "1,".repeat(100_001));
    assert_eq!(Bench::new().with("c.toml", many).problems().len(), 1);
    let large = vec![b'#'; 4 * 1024 * 1024 + 1];
    assert_eq!(
        Bench::new().with("c.toml", large).problems(),
        ["c.toml: the file is larger than 4 MiB. Is this the right file?"]
    );
}

#[test]
fn yaml_says_what_an_empty_tenant_lacks() {
    let bench = Bench::new().with("c.yaml", "# nothing\ntenants:\n  acme:\npolicies:\n");
    assert_eq!(
        bench.problems(),
        [
            "c.yaml:3: tenants.acme.client_id: the tenant has no client_id. Copy the App ID of a machine-to-machine application from the Logto Console.",
            "c.yaml:3: tenants.acme.client_secret: the tenant has no client_secret. Write client_secret = { file = \"/run/secrets/…\" } or { env = \"NAME\" }.",
        ]
    );
}

#[test]
fn nothing_at_all() {
    let bench = Bench::new();
    let [problem] = &bench.problems()[..] else { panic!() };
    assert_eq!(
        problem.replace(&bench.path().display().to_string(), "."),
        "nothing is configured: no file at claviger.toml or etc.toml, and nothing in the environment. Write a \
         claviger.toml (config/minimal.toml is one), or set LOGTO_ENDPOINT, LOGTO_M2M_APP_ID and LOGTO_M2M_APP_SECRET. \
         To look around without a Logto tenant: claviger demo."
    );
    assert!(Bench::new().with("c.toml", "# later\n").problems()[0].contains("c.toml configures nothing. "));
    let bench = Bench::new().with("c.toml", "workers = 1\n");
    assert_eq!(
        bench.problems(),
        [
            "tenants: there is no tenant. Write [tenants.NAME] with client_id and client_secret, or set LOGTO_ENDPOINT, \
          LOGTO_M2M_APP_ID and LOGTO_M2M_APP_SECRET."
        ]
    );
}

#[test]
fn secret_files() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let text = GOOD.replace("{ env = \"S\" }", "{ file = \"s\" }");
    let bench = Bench::new().with("c.toml", &text);
    let at = |what: &str| format!("c.toml:4: tenants.acme.client_secret: {what}");
    assert_eq!(
        bench.problems(),
        [at(
            "cannot read the file s: there is no such file. Look at the path, and at what is mounted there."
        )]
    );
    let path = bench.write("s", "\n");
    assert_eq!(
        bench.problems(),
        [at(
            "the file s is empty. Write the secret into it, without anything else; if it is being written just now, wait."
        )]
    );
    bench.write("s", "hush\n");
    bench.config();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(bench.warnings(), [at("every user of this machine may read s (mode 0644). Run: chmod o= s")]);
    // As Kubernetes mounts it.
    std::fs::create_dir(bench.path().join("..2026")).unwrap();
    std::fs::rename(&path, bench.path().join("..2026/s")).unwrap();
    symlink("..2026", bench.path().join("..data")).unwrap();
    symlink("..data/s", &path).unwrap();
    bench.config();
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert_eq!(
        bench.problems(),
        [at("cannot read the file s: it is a directory. Name the file in it that holds the value.")]
    );
}

#[test]
fn no_caller_is_worth_a_warning() {
    let text = GOOD.split("[callers").next().unwrap();
    let bench = Bench::new().with("c.toml", text).env("S", "secret");
    assert_eq!(
        bench.warnings(),
        [
            "callers: there is no caller: every request will be refused. Write [callers.NAME] with identify and policies, such as identify = { loopback = true }."
        ]
    );
}
