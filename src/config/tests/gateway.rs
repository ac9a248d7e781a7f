//! TLS on the listener, issuers of caller tokens, the audit log: what they become, and what is said of them.

use super::*;
use crate::secret::Bearer;

const KEYS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AA"}]}"#;

const GATEWAY: &str = r#"
[listen]
proxy = ["0.0.0.0:3600"]
tls = { cert = "tls.crt", key = "tls.key", client_ca = "ca.crt", crl = "ca.crl" }
[issuers.kubernetes]
issuer = "https://kubernetes.default.svc"
jwks = { file = "jwks.json" }
audience = "claviger"
[issuers.x]
issuer = "https://x.example/"
audience = ["a", "b", "a"]
algorithms = "ES256"
leeway = "0s"
refresh = "1m"
tls = { roots = { file = "ca.crt" } }
[tenants.acme]
client_id = "app"
client_secret = { env = "S" }
[policies.p]
allow = ["users:read"]
[callers.c]
identify = [
    { service_account = "shop/billing" },
    { jwt = { issuer = "x", claims = { sub = "me", "realm.roles" = ["r", "s", "r"] } } },
    { spiffe = "spiffe://prod/ns/*/sa/billing" },
    { dns = "*.Internal" },
]
policies = ["p"]
"#;

fn bench(text: &str) -> Bench {
    let bench = Bench::new().with("c.toml", text).env("S", "secret");
    Tls::new().write(&bench);
    bench.write("jwks.json", KEYS);
    bench
}

/// What is said of `GATEWAY` with `from` replaced.
#[track_caller]
fn says(from: &str, to: &str, want: &[&str]) {
    assert!(GATEWAY.contains(from), "{from}");
    assert_eq!(bench(&GATEWAY.replacen(from, to, 1)).problems(), want, "{to}");
}

#[track_caller]
fn warns(from: &str, to: &str, want: &[&str]) {
    assert!(GATEWAY.contains(from), "{from}");
    assert_eq!(bench(&GATEWAY.replacen(from, to, 1)).warnings(), want, "{to}");
}

const TLS: &str = r#"tls = { cert = "tls.crt", key = "tls.key", client_ca = "ca.crt", crl = "ca.crl" }"#;
const X: &str = "issuer = \"https://x.example/\"";
const JWKS: &str = "jwks = { file = \"jwks.json\" }";

#[test]
fn a_gateway_is_read_whole() {
    let bench = bench(GATEWAY);
    let config = bench.config();
    let file = |name: &str| PemFile {
        path: bench.path().join(name),
        pem: std::fs::read(bench.path().join(name)).unwrap(),
        origin: Written(Some(Origin::in_file(&bench.path().join("c.toml").display().to_string().into(), 4))),
    };
    let tls = config.listen.tls.as_ref().unwrap();
    assert_eq!(tls.cert.origin.0, file("tls.crt").origin.0);
    assert_eq!((&tls.cert, tls.client_ca.as_ref()), (&file("tls.crt"), Some(&file("ca.crt"))));
    assert_eq!(tls.crl, Some(file("ca.crl")));
    assert_eq!(
        tls.key.expose(),
        std::fs::read_to_string(bench.path().join("tls.key")).unwrap().trim_end().as_bytes()
    );

    let [kubernetes, x] = &config.issuers[..] else { panic!("{:?}", config.issuers) };
    assert_eq!(kubernetes.issuer, "https://kubernetes.default.svc");
    assert_eq!(
        kubernetes.jwks,
        Jwks::File {
            path: bench.path().join("jwks.json"),
            json: KEYS.into(),
            origin: Written(Some(Origin::from(format!("{}:7", bench.path().join("c.toml").display())))),
        }
    );
    assert_eq!((kubernetes.leeway, kubernetes.refresh), (Duration::from_secs(30), Duration::from_secs(600)));
    assert_eq!((&kubernetes.algorithms[..], &kubernetes.ca), (&Issuer::ALGORITHMS[..], &Roots::System));
    assert_eq!((x.name.as_str(), x.issuer.as_str(), &x.jwks), ("x", "https://x.example/", &Jwks::Discovery));
    assert_eq!(x.audience, ["a", "b"]);
    assert_eq!(
        (&x.algorithms[..], x.leeway, x.refresh),
        (&[Algorithm::Es256][..], Duration::ZERO, Duration::from_secs(60))
    );
    assert_eq!(x.ca, Roots::File { path: file("ca.crt").path, pem: file("ca.crt").pem });

    let [account, jwt, spiffe, dns] = &config.callers[0].identify[..] else { panic!() };
    let Identity::ServiceAccount { namespace, name, issuer } = account else { panic!("{account:?}") };
    assert_eq!(
        (namespace.as_str(), name.as_deref(), issuer.as_str()),
        ("shop", Some("billing"), "kubernetes")
    );
    let Identity::Jwt { issuer, claims } = jwt else { panic!("{jwt:?}") };
    assert_eq!(issuer.as_str(), "x");
    let matches = |values: &[&str]| ClaimMatch(values.iter().map(|value| (*value).to_owned()).collect());
    assert_eq!(claims[..], [("realm.roles".into(), matches(&["r", "s"])), ("sub".into(), matches(&["me"]))]);
    assert!(matches!(spiffe, Identity::Spiffe(id) if id == "spiffe://prod/ns/*/sa/billing"), "{spiffe:?}");
    assert!(matches!(dns, Identity::Dns(name) if name == "*.internal"), "{dns:?}");
}

/// A bearer token in a file is replaced while the program runs, which is no change of the configuration.
#[test]
fn a_bearer_token_is_read_when_it_is_needed() {
    let with = |bearer: &str| GATEWAY.replacen(X, &format!("{X}\nbearer = {bearer}"), 1);
    let bearer = |bench: &Bench| bench.config().issuers[1].bearer.clone().expect("there is one");
    let of_file = bench(&with("{ file = 'token' }"));
    let path = of_file.path().join("token");
    assert_eq!(
        of_file.warnings(),
        [
            "c.toml:11: issuers.x.bearer: cannot read the file token: No such file or directory (os error 2). It is read \
             when keys are fetched, and until then the issuer's tokens are refused."
        ],
        "it may be there by then"
    );
    of_file.write("token", "two words");
    assert_eq!(
        of_file.warnings(),
        [
            "c.toml:11: issuers.x.bearer: token holds no bearer token. A token is made of letters, digits and -._~+/ \
             alone, with = at its end."
        ]
    );
    of_file.write("token", "one\n");
    let loaded = of_file.load().unwrap();
    assert_eq!(loaded.config.issuers[1].bearer, Some(Bearer::File(path.clone())));
    assert!(!loaded.files.contains(&path), "it is not watched");
    of_file.write("token", "two\n");
    assert_eq!(of_file.load().unwrap().digest, loaded.digest);
    assert_eq!(in_effect(&loaded.config)["issuers"]["x"]["bearer"], serde_json::json!({ "file": path }));
    assert_eq!(in_effect(&loaded.config)["issuers"]["kubernetes"]["bearer"], serde_json::Value::Null);

    let Bearer::Held(held) = bearer(&bench(&with("{ env = 'B' }")).env("B", "abc")) else { panic!() };
    assert_eq!(held.expose(), b"abc");
    let exec = bench(&with("{ exec = ['sh', '-c', 'ZqXjK'] }")).env("PATH", "/bin");
    let Bearer::Exec(command) = bearer(&exec) else { panic!() };
    assert_eq!((&*command.program, command.arguments.len()), ("sh", 2));
    assert!(!in_effect(&exec.config()).to_string().contains("ZqXjK"));
    let same = |one: &str, other: &str| {
        bench(&with(one)).env("B", "b").config().issuers == bench(&with(other)).env("B", "c").config().issuers
    };
    assert!(!same("{ env = 'B' }", "{ env = 'B' }"), "another value is another configuration");

    says(
        X,
        &format!("{X}\nbearer = {{ env = 'S2' }}"),
        &[
            "c.toml:11: issuers.x.bearer: the environment variable S2 is not set. Set S2, or write { file = \"…\" }.",
        ],
    );
    warns(
        JWKS,
        &format!("{JWKS}\nbearer = {{ env = 'S' }}"),
        &[
            "c.toml:8: issuers.kubernetes.bearer: it is never shown to anybody: the keys are in a file. Take it out, or write the URL of the keys into jwks.",
        ],
    );
}

#[test]
fn a_changed_certificate_is_a_changed_configuration() {
    let bench = bench(GATEWAY);
    let first = bench.load().unwrap();
    for name in ["tls.crt", "tls.key", "ca.crt", "ca.crl", "jwks.json"] {
        assert!(first.files.contains(&bench.path().join(name)), "{name}");
    }
    Tls::new().write(&bench);
    let second = bench.load().unwrap();
    assert_ne!(first.digest, second.digest);
    assert_ne!(first.config.listen.tls, second.config.listen.tls);
    assert!(needs_restart(&first.config, &second.config).is_empty());
    bench.write("jwks.json", KEYS.replace("AA", "BB"));
    assert_ne!(bench.load().unwrap().digest, second.digest);
    let mut without = first.config.clone();
    without.listen.tls = None;
    without.audit.output = AuditOutput::Stdout;
    assert_eq!(needs_restart(&first.config, &without), ["listen.tls", "audit"]);
}

#[test]
fn the_private_key_shows_nowhere() {
    let made = Tls::new();
    let line = made.key.lines().nth(1).unwrap();
    let written_out = made.key.replace('\n', "\\n");
    for (key, env) in
        [("\"tls.key\"", None), ("{ env = \"K\" }", Some("K")), (&*format!("\"{written_out}\""), None)]
    {
        let bench = bench(&GATEWAY.replace("\"tls.key\"", key));
        made.write(&bench);
        let bench = env.into_iter().fold(bench, |bench, name| bench.env(name, &made.key));
        let loaded = bench.load().unwrap();
        assert_eq!(loaded.config.listen.tls.as_ref().unwrap().key.expose(), made.key.trim_end().as_bytes());
        let shown = format!("{loaded:?}{}", in_effect(&loaded.config));
        assert!(!shown.contains(line), "{shown}");
        assert_eq!(loaded.warnings.len(), usize::from(key.starts_with("\"-")));
    }
    // A variable may hold the path as well as the key.
    for value in ["tls.key", &made.key] {
        let bench = bench(&GATEWAY.replace("key = \"tls.key\", ", ""));
        made.write(&bench);
        let path = bench.path().join("tls.key").display().to_string();
        let value = if value == "tls.key" { &path } else { value };
        let bench = bench.env("CLAVIGER_LISTEN__TLS__KEY", value);
        assert!(bench.config().listen.tls.is_some());
    }
    // Not a key, and for all we know a part of one.
    let bench = bench(&GATEWAY.replace("\"tls.key\"", &format!("\"{line}\"")));
    let shown = format!("{:?}", bench.load().unwrap_err());
    assert!(shown.contains("this is not a private key") && !shown.contains(line), "{shown}");
}

#[test]
fn tls_problems() {
    says(
        TLS,
        "tls = { client_ca = \"ca.crt\" }",
        &[
            "c.toml:4: listen.tls.cert: TLS needs a certificate. Write cert = \"/tls/tls.crt\".",
            "c.toml:4: listen.tls.key: TLS needs the private key of the certificate. Write key = \"/tls/tls.key\".",
        ],
    );
    says(
        TLS,
        "tls = { cert = \"tls.key\", key = \"tls.crt\", client_ca = \"ca.crl\" }",
        &[
            "c.toml:4: listen.tls.cert: tls.key holds no certificate. Name a PEM file with -----BEGIN CERTIFICATE----- in it.",
            "c.toml:4: listen.tls.key: this is not a private key. Name a PEM file with -----BEGIN PRIVATE KEY----- in it.",
            "c.toml:4: listen.tls.client_ca: ca.crl holds no certificate. Name a PEM file with -----BEGIN CERTIFICATE----- in it.",
        ],
    );
    says(
        "crl = \"ca.crl\"",
        "crl = \"none\"",
        &[
            "c.toml:4: listen.tls.crl: cannot read the file none: there is no such file. Look at the path, and at what is mounted there.",
        ],
    );
    says(
        "cert = \"tls.crt\"",
        "cert = \"/dev/null\"",
        &[
            "c.toml:4: listen.tls.cert: cannot read the file /dev/null: it is not a regular file. Look at the path, and at what is mounted there.",
        ],
    );
    says(
        "client_ca = \"ca.crt\", ",
        "",
        &[
            "c.toml:4: listen.tls.crl: revocation lists have no effect without client_ca: no client is asked for a certificate. Write client_ca = \"/tls/ca.crt\", or take crl out.",
        ],
    );
    says("crl = ", "crk = ", &["c.toml:4: listen.tls.crk: there is no such key. Did you mean `crl`?"]);
    let encrypted = bench(GATEWAY);
    encrypted.write(
        "tls.key",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    assert_eq!(
        encrypted.problems(),
        [
            "c.toml:4: listen.tls.key: the private key is encrypted, and nobody is there to ask for its password. Decrypt it with: openssl pkey -in KEY -out tls.key"
        ]
    );
    let mixed = bench(GATEWAY);
    mixed.write("tls.key", Tls::new().key);
    let cut = "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n";
    mixed.write("ca.crl", cut);
    let problems = mixed.problems();
    assert!(
        problems[0]
            .starts_with("c.toml:4: listen.tls.crl: ca.crl holds a revocation list that cannot be read: "),
        "{problems:?}"
    );
    assert_eq!(
        problems[1..],
        [
            "c.toml:4: listen.tls.key: the private key does not belong to the certificate in tls.crt. Name the key that the certificate was asked for with; if both are being replaced just now, wait.",
        ]
    );
    let garbled = bench(GATEWAY);
    garbled.write("tls.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    assert_eq!(
        garbled.problems(),
        [
            "c.toml:4: listen.tls.cert: the first certificate in tls.crt cannot be read. Name a file whose first certificate is the server's own.",
        ]
    );
    warns(
        "proxy = [\"0.0.0.0:3600\"]",
        "proxy = [\"unix:/tmp/x\"]",
        &[
            "c.toml:4: listen.tls: it has no effect: every listener is a Unix socket. Add \"0.0.0.0:3600\" to listen.proxy, or take it out.",
        ],
    );
}

#[test]
fn one_file_may_name_ways_that_only_other_places_have() {
    let here = |ways: &str| {
        let text = GOOD.replace("{ loopback = true }", ways);
        Bench::new().with("c.toml", text).env("S", "secret").warnings()
    };
    let all = "[{ loopback = true }, { unix_uid = 1 }, { spiffe = \"spiffe://prod/billing\" }]";
    assert_eq!(here(all), [""; 0]);
    assert_eq!(
        here("[{ dns = \"billing.internal\" }, { spiffe = \"spiffe://prod/billing\" }, { unix_gid = 1 }]"),
        [
            "c.toml:8: callers.c.identify: no client is asked for a certificate, so this method authenticates nobody. Write listen.tls = { cert = \"…\", key = \"…\", client_ca = \"ca.crt\" }.",
            "c.toml:8: callers.c.identify: no listener is a Unix socket, so this method authenticates nobody. Add \"unix:/run/claviger/claviger.sock\" to listen.proxy.",
        ]
    );
}

#[test]
fn credentials_in_clear_earn_a_warning() {
    let text = GOOD.replace("{ loopback = true }", "{ api_key = { env = \"K\" } }");
    let key = "a-key-of-twenty-bytes";
    let open = format!("[listen]\nproxy = \"0.0.0.0:3600\"\n{text}");
    assert_eq!(
        Bench::new().with("c.toml", open).env("S", "secret").env("K", key).warnings(),
        [
            "c.toml:2: listen.proxy: the key or token of the caller c crosses the network to 0.0.0.0:3600 in clear. Write listen.tls = { cert = \"…\", key = \"…\" }, unless something in front speaks TLS."
        ]
    );
    let here = format!("[listen]\nproxy = [\"127.0.0.1:3600\", \"unix:/tmp/x\"]\n{text}");
    Bench::new().with("c.toml", here).env("S", "secret").env("K", key).config();
}

#[test]
fn issuer_problems() {
    says(
        X,
        "",
        &[
            "c.toml:9: issuers.x.issuer: nothing says what the claim iss of its tokens is. Write an https URL, such as \"https://accounts.example.com\".",
        ],
    );
    let url = |text: &str, what: &str| {
        let want = format!(
            "c.toml:10: issuers.x.issuer: {what}. Write an https URL, such as \"https://accounts.example.com\"."
        );
        says(X, &format!("issuer = \"{text}\""), &[&want]);
    };
    url("x.example", "the scheme is not https");
    url("", "this is not a URL");
    url("https://x.example/?a", "the URL of an issuer has no query");
    url("https://me:pw@x.example", "the URL holds a user name or password");
    url(
        "http://x.example",
        "over http:// anybody on the way could put keys of their own in place, and be any caller",
    );
    bench(&GATEWAY.replacen(X, "issuer = \"http://127.0.0.1:9000/oidc\"", 1)).config();
    says(
        X,
        "issuer = \"https://kubernetes.default.svc\"",
        &[
            "c.toml:10: issuers.x.issuer: the issuer kubernetes has the same URL, so a token could be either's. Keep one of the two, with the audiences of both.",
        ],
    );
    says(
        "audience = \"claviger\"",
        "",
        &[
            "c.toml:5: issuers.kubernetes.audience: without an audience, a token that was made for another service would do here as well. Write what its tokens are made for, such as audience = \"claviger\".",
        ],
    );
    says(
        "audience = \"claviger\"",
        "audience = \" \"",
        &[
            "c.toml:8: issuers.kubernetes.audience: the audience is empty. Write what its tokens are made for, such as audience = \"claviger\".",
        ],
    );
    let algorithm = |text: &str, what: &str| {
        let want = format!("c.toml:12: issuers.x.algorithms: {what}");
        says("algorithms = \"ES256\"", &format!("algorithms = \"{text}\""), &[&want]);
    };
    algorithm(
        "HS256",
        "\"HS256\" signs with a shared secret: whoever can verify such a token can make one. Let the issuer sign with RS256, ES256 or EdDSA.",
    );
    algorithm(
        "none",
        "a token without a signature proves nothing, so \"none\" is not accepted. Take it out.",
    );
    algorithm("es256", "\"es256\" is not a signature algorithm known here. Did you mean \"ES256\"?");
    says(
        "algorithms = \"ES256\"",
        "algorithms = []",
        &[
            "c.toml:12: issuers.x.algorithms: there is no algorithm, so no token would be accepted. Write [\"RS256\"], or leave the key out.",
        ],
    );
    says(
        "leeway = \"0s\"",
        "leeway = \"6m\"",
        &["c.toml:13: issuers.x.leeway: 6m is out of range. Write a duration from \"0s\" to \"5m\"."],
    );
    says(
        "issuers.x]",
        "issuers.X]",
        &[
            "c.toml:9: issuers.X: a name is 1 to 63 of a-z, 0-9, '-', '_' and '.', and begins with a letter or a digit. Rename it, here and where callers name it.",
        ],
    );
    says(
        "[issuers.x]",
        "[issuer.x]",
        &[
            "c.toml:9: issuer: there is no such section. Did you mean `issuers`?",
            "c.toml:24: callers.c.identify[1].jwt.issuer: there is no issuer \"x\". There are: kubernetes.",
        ],
    );
}

#[test]
fn key_set_problems() {
    let file = |json: &str, what: &str| {
        let bench = bench(GATEWAY);
        bench.write("jwks.json", json);
        let want = format!(
            "c.toml:7: issuers.kubernetes.jwks: jwks.json {what}. Save what the issuer has at its jwks_uri, such as: kubectl get --raw /openid/v1/jwks"
        );
        assert_eq!(bench.problems(), [want]);
    };
    file("", "is not JSON (line 1)");
    file("{\"kid\": 1}", "is no key set: it has no array `keys`");
    file("[]", "is no key set: it has no array `keys`");
    file("{\"keys\": []}", "holds no key");
    says(
        JWKS,
        "jwks = {}",
        &["c.toml:7: issuers.kubernetes.jwks: the file is missing. Write jwks = { file = \"jwks.json\" }."],
    );
    says(
        JWKS,
        "jwks = \"/jwks.json\"",
        &[
            "c.toml:7: issuers.kubernetes.jwks: this is a path, not a URL. Write jwks = { file = \"/jwks.json\" }.",
        ],
    );
    says(
        JWKS,
        "jwks = \"http://x.example/jwks\"",
        &[
            "c.toml:7: issuers.kubernetes.jwks: over http:// anybody on the way could put keys of their own in place, and be any caller. Write an https URL, such as \"https://accounts.example.com\".",
        ],
    );
    let url = bench(&GATEWAY.replacen(JWKS, "jwks = \"https://x.example/jwks?v=1\"", 1)).config();
    assert_eq!(url.issuers[0].jwks, Jwks::Url("https://x.example/jwks?v=1".into()));
    let private = bench(GATEWAY);
    private.write("jwks.json", r#"{"keys":[{"kty":"OKP","x":"AA","d":"ZqXjK"}]}"#);
    assert_eq!(
        private.warnings(),
        [
            "c.toml:7: issuers.kubernetes.jwks: jwks.json holds a private key, with which tokens can be made. Keep the public keys alone in the file, and replace that one."
        ]
    );
    assert!(!format!("{:?}", private.load().unwrap()).contains("ZqXjK"));
}

#[test]
fn the_audit_log_goes_where_it_is_said() {
    let audit = |text: &str| {
        let bench = Bench::new().with("c.toml", format!("{text}\n{GOOD}")).env("S", "secret");
        let path = bench.path().join("a.jsonl");
        (bench.config().audit.output, path)
    };
    assert_eq!(audit("").0, AuditOutput::Off);
    assert_eq!(audit("[audit]\noutput = \"stdout\"").0, AuditOutput::Stdout);
    let (output, path) = audit("[audit]\noutput = { file = \"a.jsonl\" }");
    assert_eq!(output, AuditOutput::File { path, max_bytes: 64 << 20, keep: 5 });
    let (output, path) = audit("[audit]\noutput = { file = \"a.jsonl\" }\nmax_size = \"1MiB\"\nkeep = 0");
    assert_eq!(output, AuditOutput::File { path, max_bytes: 1 << 20, keep: 0 });
    let bench =
        |text: &str| Bench::new().with("c.toml", format!("[audit]\n{text}\n{GOOD}")).env("S", "secret");
    assert_eq!(
        bench("output = \"stdotu\"\nmax_size = 10").problems(),
        [
            "c.toml:2: audit.output: \"stdotu\" is not a place for the audit log. Did you mean \"stdout\"?",
            "c.toml:3: audit.max_size: 10 bytes is out of range. Write a size from 65536 to 1099511627776 bytes.",
        ]
    );
    assert_eq!(
        bench("output = {}").problems(),
        [
            "c.toml:2: audit.output: the file is missing. Write output = { file = \"/var/log/claviger/audit.jsonl\" }."
        ]
    );
    assert_eq!(
        bench("output = { file = \"a\", max_size = \"1MiB\" }").problems(),
        [
            "c.toml:2: audit.output.max_size: there is no such key. `max_size` belongs to [audit], beside output: write audit.max_size."
        ]
    );
    assert_eq!(
        bench("keep = 1").warnings(),
        [
            "c.toml:2: audit.keep: it has no effect: the audit log goes to no file. Write output = { file = \"…\" }, or take the key out."
        ]
    );
}

/// `openssl ec -aes128` writes the older form.
#[test]
fn an_encrypted_key_is_told_to_be_decrypted() {
    for pem in [
        "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END EC PRIVATE KEY-----\n",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    ] {
        let bench = bench(GATEWAY);
        bench.write("tls.key", pem);
        assert_eq!(
            bench.problems(),
            [
                "c.toml:4: listen.tls.key: the private key is encrypted, and nobody is there to ask for its password. Decrypt it with: openssl pkey -in KEY -out tls.key"
            ]
        );
    }
}

/// Clients refuse it in the handshake, whatever else is right.
#[test]
fn a_certificate_that_is_for_clients_alone_is_no_servers() {
    use rcgen::ExtendedKeyUsagePurpose::{Any, ClientAuth, EmailProtection, ServerAuth};

    use crate::listen::tls::pki::{Authority, Wanted};
    let text = GATEWAY.replace(", crl = \"ca.crl\"", "");
    let authority = Authority::new("servers");
    let said = |certificate: &str, key: &str, is_fine: bool| {
        let bench = bench(&text);
        bench.write("tls.crt", certificate);
        bench.write("tls.key", key);
        if is_fine { bench.warnings() } else { bench.problems() }
    };
    for (purposes, is_fine) in [
        (vec![ClientAuth], false),
        (vec![EmailProtection, ClientAuth], false),
        (vec![ServerAuth], true),
        (vec![ClientAuth, ServerAuth], true),
        (vec![ClientAuth, Any], true),
    ] {
        let issued = authority.issue(&Wanted { purposes, dns: vec!["localhost"], ..Wanted::default() });
        let said = said(&issued.cert_pem, &issued.key_pem, is_fine);
        let what = "c.toml:4: listen.tls.cert: the certificate in tls.crt is not made for servers (extended key usage), so clients refuse it. Issue \
                    it with extendedKeyUsage = serverAuth.";
        assert_eq!(said, if is_fine { vec![] } else { vec![what] });
    }
    // Without any such extension; and without a name, as clients look at no other (RFC 9110, section 4.3.4).
    let own = |names: &[&str]| {
        let own =
            rcgen::generate_simple_self_signed(names.iter().map(ToString::to_string).collect::<Vec<_>>())
                .unwrap();
        said(&own.cert.pem(), &own.signing_key.serialize_pem(), true)
    };
    let nameless = "c.toml:4: listen.tls.cert: the certificate in tls.crt has no name that clients look at (subjectAltName), so they refuse it. \
                    Issue it with the names and addresses that clients write, as subjectAltName.";
    assert_eq!((own(&["localhost"]), own(&[])), (vec![], vec![nameless.to_owned()]));
}

#[test]
fn authorities_that_have_issued_nothing_are_a_warning() {
    use crate::listen::tls::pki::{Authority, Wanted};
    let authority = Authority::new("clients");
    let leaf = authority.issue(&Wanted::default());
    let text = GATEWAY.replace(", crl = \"ca.crl\"", "").replace("\"ca.crt\" } }", "\"roots.crt\" } }");
    let said = |roots: &str, client_ca: &str| {
        let bench = bench(&text);
        bench.write("roots.crt", roots);
        bench.write("ca.crt", client_ca);
        bench.warnings()
    };
    let (leaf, root) = (leaf.cert_pem, authority.pem);
    let itself = Tls::new().ca;
    let both = said(&leaf, &leaf);
    let what = "holds the certificate of a server or a client, and none of an authority (CA): nobody's certificate was issued by it, so all are \
                refused. Name the file with the certificate of the CA that issues theirs.";
    for (key, file) in [("listen.tls.client_ca", "ca.crt"), ("issuers.x.tls.roots", "roots.crt")] {
        assert!(both.iter().any(|it| it.contains(&format!("{key}: {file} {what}"))), "{key}: {both:?}");
    }
    for fine in [root.clone(), itself, format!("{leaf}{root}")] {
        assert_eq!(said(&fine, &fine), [""; 0]);
    }
}
