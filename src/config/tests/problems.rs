//! What is said of wrong configurations: exact words, because they are what somebody reads at night.

use super::*;
use crate::secret::Digest;

/// What no schema of one file can tell: what another file or the environment may add, what other keys, files and
/// variables say, and what the rules mean.
const BEYOND_A_SCHEMA: [&str; 18] = [
    "the tenant has no ",
    "nothing says how",
    "the caller has no policies",
    "there are several tenants",
    "there is no policy",
    "there is no tenant",
    "identifies the caller",
    "is not a rule",
    "the environment variable",
    "cannot read the file",
    "the secret is empty",
    "the secret holds",
    "the API key has",
    "there is no address to listen on",
    "this is the address ",
    "this address is given twice",
    "this parameter is not free to choose",
    "user name or password",
];

/// `GOOD` with `from` replaced, and what is said of it.
#[track_caller]
fn says(from: &str, to: &str, want: &[&str]) {
    assert!(GOOD.contains(from), "{from}");
    let text = GOOD.replacen(from, to, 1);
    let is_beyond = |what: &str| BEYOND_A_SCHEMA.iter().any(|part| what.contains(part));
    let accepted = super::example::schema_accepts(&text);
    assert!(!accepted || want.iter().all(|what| is_beyond(what)), "the schema accepts it: {want:?}");
    let bench = Bench::new().with("c.toml", text).env("S", "secret");
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
            "c.toml:4: tenants.acme.client_secret: this reference to a secret has neither the key `file` nor the key `env`. Did you mean `file`? Write { file = \"/run/secrets/…\" } or { env = \"NAME\" }.",
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
            "c.toml:3: tenants.acme.endpoint: the endpoint holds a user name or password. Take the part before the @ out: credentials have keys of their own.",
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
        &format!("quota = {{ requests = 5, share = 2 }}\n{ID}"),
        &[
            "c.toml:3: tenants.acme.quota.per: the period is missing. Write { requests = 200, per = \"10s\" }.",
            "c.toml:3: tenants.acme.quota.share: 2 is out of range. Write a fraction from 0.01 to 1.",
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
    for (written, want) in [
        (
            "roots = \"sn.crt\"",
            "tls.roots: \"sn.crt\" is not a set of certificate authorities. For the certificates of a file write roots = { file = \"sn.crt\" }.",
        ),
        (
            "roots = \"mine\"",
            "tls.roots: \"mine\" is not a set of certificate authorities. Write \"system\", \"bundled\" or, for the certificates of a file, { file = \"ca.pem\" }.",
        ),
        ("ca = \"sn.crt\"", "tls.ca: there is no such key. Write roots = { file = \"ca.pem\" }."),
        (
            "verify = false",
            "tls.verify: there is no such key. Certificates are always verified. To trust one of your own, write roots = { file = \"ca.pem\" }.",
        ),
        ("rots = \"system\"", "tls.rots: there is no such key. Did you mean `roots`?"),
    ] {
        let want = format!("c.toml:3: tenants.acme.{want}");
        says(ID, &format!("tls = {{ {written} }}\n{ID}"), &[&want]);
    }
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
        ID,
        &format!("quota = {{ burst = 100 }}\n{ID}"),
        &[
            "c.toml:3: tenants.acme.quota.burst: share and burst together let 239 requests pass in some periods, where the tenant allows 200. Write 61 at most, or leave burst out.",
        ],
    );
    warns(
        ID,
        &format!("quota = {{ requests = 1, per = \"1m\", share = 1 }}\n{ID}"),
        &[
            "c.toml:3: tenants.acme.quota: a token request draws on the quota too, and leaves nothing of a burst of 1 to callers with the priority normal: their first request waits 1m then, or is refused. Allow more, write a burst of 3 or more, or tokens = false if token requests do not count at Logto.",
        ],
    );
    warns(
        ID,
        &format!("quota = {{ requests = 2, per = \"10s\", share = 1 }}\n{ID}"),
        &[
            "c.toml:3: tenants.acme.quota: a token request draws on the quota too, and leaves nothing of a burst of 2 to callers with the priority normal: their first request waits 2s 500ms then, or is refused. Allow more, write a burst of 3 or more, or tokens = false if token requests do not count at Logto.",
        ],
    );
    warns(ID, &format!("quota = {{ requests = 3, per = \"10s\", share = 1 }}\n{ID}"), &[]);
    warns(ID, &format!("quota = {{ requests = 1, per = \"1m\", tokens = false }}\n{ID}"), &[]);
    warns(ID, &format!("quota = {{ requests = 20, per = \"10s\" }}\n{ID}"), &[]);
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
            "c.toml:8: callers.c.identify: found a single value where a table is wanted. Write identify = { loopback = true }, or another authentication method.",
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
            "c.toml:8: callers.c.identify[0].api_key: the API key has 6 bytes and could be guessed; 20 is the least. Make one with: openssl rand -hex 32",
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
    // Whoever did as the remedy for an empty policy says would grant something.
    warns(
        ALLOW,
        "deny = [\"users:read\"]",
        &[
            "c.toml:5: policies.p.allow: the policy has no allow: it allows nothing. It only denies. If that is meant, beside other policies of the same callers, ignore this.",
        ],
    );
    warns(
        "[callers.c]",
        "[policies.q]\nallow = \"*\"\n[callers.c]",
        &["c.toml:7: policies.q: no caller has this policy. Name it in a caller's policies, or take it out."],
    );
    let behind_a_proxy = "with authz.enabled everybody who reaches the other proxy is this caller, without a key: the connection is that proxy's. \
                          Write identify = { api_key = { env = \"KEY\" } } or another method that goes by what a request presents.";
    for identify in [IDENTIFY, "identify = [{ unix_uid = 5 }, { loopback = true }]"] {
        let text = GOOD
            .replacen("[callers.c]", "[authz]\nenabled = true\n[callers.c]", 1)
            .replacen(IDENTIFY, identify, 1);
        let bench = Bench::new().with("c.toml", text).env("S", "secret");
        let warnings = bench.warnings();
        assert!(
            warnings.contains(&format!("c.toml:10: callers.c.identify: {behind_a_proxy}")),
            "{warnings:?}"
        );
    }
    warns(
        IDENTIFY,
        "identify = { unix_uid = 5 }",
        &[
            "c.toml:8: callers.c.identify: no listener is a Unix socket, so this method authenticates nobody. Add \"unix:/run/claviger/claviger.sock\" to listen.proxy.",
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
            "c.toml:11: callers.d.identify: the same API key identifies the caller c as well. Give each caller a key of its own: openssl rand -hex 32"
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
            "c.toml:8: listen.proxy: this is the address of listen.admin as well, where nothing else is written for it. Give admin a port of its own, such as \"127.0.0.1:3602\", or write admin = \"off\".",
        ],
    );
    with(
        "admin = \"127.0.0.1:3600\"",
        &[
            "c.toml:8: listen.admin: this is the address that the proxy listens on. Give it another port, or write listen.proxy.",
        ],
    );
    with(
        "admin = \"0.0.0.0:3600\"",
        &[
            "c.toml:8: listen.admin: this is the address that the proxy listens on. Give it another port, or write listen.proxy.",
        ],
    );
    with(
        "proxy = [\"0.0.0.0:80\", \"127.0.0.1:80\"]",
        &[
            "c.toml:8: listen.proxy[1]: this address is given twice, or within another one. Take one of the two out.",
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
        "allowed_origins = [\"HTTP://Localhost:80\", \"http://a/\", \"localhost:1\", \"*\", \"http://*\", \"null\"]",
        &[
            "c.toml:8: listen.allowed_origins[1]: \"http://a/\" is not an origin. Write scheme, host and port of one origin, without a path: \"http://localhost:5173\".",
            "c.toml:8: listen.allowed_origins[2]: \"localhost:1\" is not an origin. Write scheme, host and port of one origin, without a path: \"http://localhost:5173\".",
            "c.toml:8: listen.allowed_origins[3]: \"*\" is not an origin. Write scheme, host and port of one origin, without a path: \"http://localhost:5173\".",
            "c.toml:8: listen.allowed_origins[4]: \"http://*\" is not an origin. Write scheme, host and port of one origin, without a path: \"http://localhost:5173\".",
            "c.toml:8: listen.allowed_origins[5]: \"null\" is not an origin. Write scheme, host and port of one origin, without a path: \"http://localhost:5173\".",
        ],
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
            "c.toml:10: callers.c.identify: no listener is on a loopback address or a Unix socket, so this method authenticates nobody. Add \"127.0.0.1:3600\" to listen.proxy, or identify by api_key.",
        ],
    );
}

#[test]
fn a_key_in_the_singular_is_one_problem() {
    let misspelt = |from: &str, to: &str| {
        assert!(GOOD.contains(from), "{from}");
        Bench::new().with("c.toml", GOOD.replace(from, to)).env("S", "secret").problems()
    };
    assert_eq!(
        misspelt(POLICIES, "policy = [\"p\"]"),
        ["c.toml:9: callers.c.policy: there is no such key. Did you mean `policies`?"]
    );
    assert_eq!(
        misspelt("[policies.p]", "[policy.p]"),
        ["c.toml:5: policy: there is no such section. Did you mean `policies`?"]
    );
}

#[test]
fn a_rate_in_words_is_answered_with_one_as_it_is_written() {
    for (text, written) in [
        ("100 per 10s", "{ requests = 100, per = \"10s\" }"),
        ("5/s", "{ requests = 5, per = \"1s\" }"),
        ("20 / 1m", "{ requests = 20, per = \"1m\" }"),
        ("none", "{ requests = 100, per = \"10s\" }"),
        ("7", "{ requests = 100, per = \"10s\" }"),
    ] {
        says(
            ID,
            &format!("{ID}\nquota = \"{text}\""),
            &[&format!(
                "c.toml:4: tenants.acme.quota: \"{text}\" is not a rate. Write {written}, or \"off\"."
            )],
        );
    }
}
