//! What is told to write can be written: the remedy of a mistake is about that mistake, and does not lead to the next one.

use super::*;

pub(super) const SECRET: &str = "client_secret = { env = \"S\" }";
const IDENTIFY: &str = "identify = { loopback = true }";

pub(super) fn bench(text: &str) -> Bench {
    Bench::new().with("c.toml", text).env("S", "secret")
}

pub(super) fn replaced(from: &str, to: &str) -> Bench {
    assert!(GOOD.contains(from), "{from}");
    bench(&GOOD.replacen(from, to, 1))
}

/// In front of the tables of `GOOD`.
pub(super) fn above(text: &str) -> Bench {
    bench(&format!("{text}\n{GOOD}"))
}

#[test]
fn the_digest_of_a_text_that_everybody_knows_is_no_key() {
    let known = |digest: String, what: &str| {
        let said = replaced(IDENTIFY, &format!("identify = {{ api_key_sha256 = \"{digest}\" }}")).problems();
        let want = format!(
            "c.toml:8: callers.c.identify[0].api_key_sha256: {what}. Make a key with: claviger caller key NAME. It prints the digest to write here."
        );
        assert_eq!(said, [want]);
    };
    let of = |text: &str| crate::secret::Digest::of(text.as_bytes()).to_hex();
    known("0".repeat(64), "this is the placeholder of an example");
    known(of("").to_uppercase(), "this is the SHA-256 of nothing, as it is printed where $KEY is not set");
    known(of("\n"), "this is the SHA-256 of nothing, as it is printed where $KEY is not set");
    for text in
        ["password", "password\n", "replace-me-with-64-random-hexadecimal-digits", "changeme", "$KEY\n"]
    {
        known(of(text), "this is the SHA-256 of a text that everybody knows");
    }
    let digest = of("0cc175b9c0f1b6a831c399e269772661");
    replaced(IDENTIFY, &format!("identify = {{ api_key_sha256 = \"{digest}\" }}")).config();
}

const CLIENT_SECRET: &str = "CLAVIGER_TENANTS__ACME__CLIENT_SECRET";

#[test]
fn a_reference_in_a_variable_is_read_as_one_in_every_form() {
    let set = |value: &str| bench(GOOD).env(CLIENT_SECRET, value).env("OTHER", "other");
    for value in ["{env=\"OTHER\"}", "{\"env\": \"OTHER\"}", "[{\"env\":\"OTHER\"}]", " { 'env' = 'OTHER' } "]
    {
        assert_eq!(
            set(value).config().tenants[0].client_secrets[0].held().unwrap().expose(),
            b"other",
            "{value}"
        );
    }
    for value in ["{exec=[\"sh\", \"acme\"], ttl=\"1m\"}", "{\"exec\":[\"sh\",\"acme\"]}", "[{exec=['sh']}]"]
    {
        let config = set(value).load().unwrap().config;
        assert!(config.tenants[0].client_secrets[0].held().is_none(), "{value} is run");
    }
    let at = format!("environment variable {CLIENT_SECRET}: ");
    for (value, want) in [
        (
            "{file=x}",
            "the value begins as a reference to a secret, and cannot be read as one. Write CLAVIGER_TENANTS__ACME__CLIENT_SECRET='{ file = \"/run/secrets/…\" }'; a secret that begins so goes into a file.",
        ),
        (
            "{\"fiel\":\"x\"}",
            "tenants.acme.client_secret: this reference to a secret has neither the key `file` nor the key `env`. Did you mean `file`? Write { file = \"/run/secrets/…\" } or { env = \"NAME\" }.",
        ),
    ] {
        assert_eq!(set(value).problems(), [format!("{at}{want}")]);
    }
    let listed = above("").env("CLAVIGER_LISTEN__ALLOWED_HOSTS", "[\"a\",\"b\"]").config();
    assert_eq!(listed.listen.allowed_hosts, ["a", "b"]);
    let rate = above("").env("CLAVIGER_CALLERS__C__RATE", "{\"requests\": 5, \"per\": \"1s\"}").config();
    assert_eq!(rate.callers[0].rate.map(|rate| rate.requests), Some(5));
}

#[test]
fn a_reference_as_text_is_not_taken_for_the_secret() {
    let what = "a reference to a secret as text, where the secret itself is wanted";
    let short = |secret: &str| {
        let bench =
            Bench::new().env("LOGTO_ENDPOINT", "http://localhost:3001").env("LOGTO_M2M_APP_ID", "app");
        bench.env("CLAVIGER_ALLOW", "users:read").env("LOGTO_M2M_APP_SECRET", secret).problems()
    };
    let at = "environment variable LOGTO_M2M_APP_SECRET: tenants.default.client_secret: LOGTO_M2M_APP_SECRET holds";
    assert_eq!(
        short("{file=\"x\"}"),
        [format!(
            "{at} {what}. Set LOGTO_M2M_APP_SECRET_FILE to the path of that file, and unset LOGTO_M2M_APP_SECRET."
        )]
    );
    assert_eq!(
        short("{\"exec\":[\"x\"]}"),
        [format!(
            "{at} {what}. Set CLAVIGER_TENANTS__DEFAULT__CLIENT_SECRET to it, and unset LOGTO_M2M_APP_SECRET."
        )]
    );
    let literal = replaced(SECRET, "client_secret = '{ file = \"x\" }'").problems();
    let at = "c.toml:4: tenants.acme.client_secret:";
    assert_eq!(literal, [format!("{at} this is {what}. Take the quotes around the braces out.")]);
    let named = Bench::new().with("c.toml", GOOD).env("S", "{ env = 'T' }").problems();
    assert_eq!(
        named,
        [format!(
            "{at} S holds {what}. Set S to the secret, or write the reference in place of {{ env = \"S\" }}."
        )]
    );
}

#[test]
fn a_name_of_a_variable_is_written_without_the_dollar() {
    for written in ["$SECRET", "${SECRET}"] {
        assert_eq!(
            replaced(SECRET, &format!("client_secret = {{ env = \"{written}\" }}")).problems(),
            [
                "c.toml:4: tenants.acme.client_secret: the env of this reference is written as a shell would expand it. \
                 Write the name alone: { env = \"SECRET\" }."
            ]
        );
    }
}

#[test]
fn a_tilde_is_told_not_to_be_expanded() {
    let said = replaced(SECRET, "client_secret = { file = \"~/acme\" }").problems();
    assert!(
        said[0]
            .ends_with("there is no such file. ~ is not expanded, nor is a variable: write the whole path."),
        "{said:?}"
    );
}

#[test]
fn a_command_in_one_text_is_to_be_written_in_several() {
    let warnings = replaced(SECRET, "client_secret = { exec = [\"cat ZqXjK\"] }").warnings();
    assert_eq!(
        warnings,
        [
            "c.toml:4: tenants.acme.client_secret: the exec begins with a text that has a space in it, and no program here is called so. \
             Write the program and each of its arguments as a text of its own: exec = [\"cat\", \"…\"]."
        ]
    );
}

#[test]
fn what_stands_beside_a_secret_is_a_warning() {
    let said = Bench::new().with("c.toml", GOOD).env("S", "App secret: 0123456789abcdef").warnings();
    assert_eq!(
        said,
        [
            "c.toml:4: tenants.acme.client_secret: the secret has a space in it, and no secret that Logto makes has one. \
             Copy the App secret alone, without words in front of it or behind it."
        ]
    );
}

#[test]
fn the_environment_names_the_file_where_the_command_line_names_none() {
    let bench = Bench::new().env("S", "secret");
    bench.write("claviger.toml", "[tenants.found]\n");
    let (named, given) = (bench.write("x.toml", GOOD), GOOD.replace("acme", "given"));
    let bench = bench.env("CLAVIGER_CONFIG", named.to_str().unwrap());
    assert_eq!(bench.config().tenants[0].name.as_str(), "acme");
    assert_eq!(bench.with("given.toml", given).config().tenants[0].name.as_str(), "given");
    let missing = Bench::new().env("CLAVIGER_CONFIG", "/nonexistent/x.toml").problems();
    assert_eq!(missing.len(), 1);
    assert!(missing[0].starts_with("/nonexistent/x.toml: there is no such file"), "{missing:?}");
    let empty = Bench::new().env("CLAVIGER_CONFIG", "").problems();
    assert!(empty[0].starts_with("nothing is configured: no file at"), "{empty:?}");
}

#[test]
fn a_section_in_one_variable_is_told_which_key_was_meant() {
    for (name, value, remedy) in [
        ("CLAVIGER_LOG", "debug", "Write CLAVIGER_LOG__LEVEL=debug."),
        ("CLAVIGER_LOG", "json", "Write CLAVIGER_LOG__FORMAT=json."),
        ("CLAVIGER_LOG", "ZqXjK", "Write CLAVIGER_LOG__LEVEL or CLAVIGER_LOG__FORMAT."),
        ("CLAVIGER_REDIS", "ZqXjK", "Write CLAVIGER_REDIS__URL."),
        ("CLAVIGER_LISTEN", "127.0.0.1:1", "Write CLAVIGER_LISTEN__PROXY or CLAVIGER_LISTEN__ADMIN."),
        ("CLAVIGER_TIMEOUTS", "5s", "Two underscores stand before the key: CLAVIGER_TIMEOUTS__KEY."),
    ] {
        assert_eq!(
            bench(GOOD).env(name, value).problems(),
            [format!("environment variable {name}: this is a whole section, and no key of one. {remedy}")]
        );
    }
}

#[test]
fn an_address_of_admin_that_is_proposed_is_free() {
    let said = above("[listen]\nproxy = [\"127.0.0.1:3601\", \"0.0.0.0:3602\"]\nadmin = \"127.0.0.1:3601\"")
        .problems();
    assert_eq!(
        said,
        ["c.toml:2: listen.proxy[0]: this is the address of listen.admin as well. \
             Give admin a port of its own, such as \"127.0.0.1:3603\", or write admin = \"off\"."]
    );
}

#[test]
fn several_values_in_one_text_are_shown_as_a_list() {
    // The second as a shell leaves a list without quotes around it.
    for text in
        ["127.0.0.1:1, [::1]:2", "[127.0.0.1:1,[::1]:2]", "127.0.0.1:1;[::1]:2", "127.0.0.1:1 [::1]:2"]
    {
        assert_eq!(
            bench(GOOD).env("CLAVIGER_LISTEN__PROXY", text).problems(),
            [format!(
                "environment variable CLAVIGER_LISTEN__PROXY: listen.proxy: \"{text}\" is a list of addresses as text. \
                 Write a list: [\"127.0.0.1:1\", \"[::1]:2\"]; in a shell put '…' around it."
            )]
        );
    }
    let hosts = |text: &str, remedy: &str| {
        assert_eq!(
            above(&format!("[listen]\nallowed_hosts = \"{text}\"")).problems(),
            [format!("c.toml:2: listen.allowed_hosts: \"{text}\" is not a host name. {remedy}")]
        );
    };
    hosts("a,b", "Write a list: [\"logto.internal\", \"logto\"].");
    for pattern in ["*", "*.internal"] {
        hosts(
            pattern,
            "Write each name that this listener is called by; there are no patterns: [\"logto.internal\"].",
        );
    }
}

#[test]
fn a_rule_that_is_none_does_not_make_a_list_empty() {
    for rule in ["{ operation = \"ListUsers\", query = { page = { min = 2, max = 1 } } }", "\"a b\""] {
        let problems = replaced("[\"users:read\"]", &format!("[{rule}]")).load().unwrap_err();
        assert_eq!((problems.problems.len(), problems.warnings.len()), (1, 0), "{problems}");
    }
}

#[test]
fn a_number_that_is_too_large_is_told_the_range() {
    let said = |text: &str| above(text).problems();
    for (text, want) in [
        (
            "workers = 99999999999999999999",
            "c.toml:1: workers: \"99999999999999999999\" is out of range. Write a whole number from ",
        ),
        ("workers = -1", "c.toml:1: workers: \"-1\" is out of range. Write a whole number from "),
        (
            "[limits]\ncache = \"99999999999GiB\"",
            "c.toml:2: limits.cache: \"99999999999GiB\" is out of range. Write a size from 0 to ",
        ),
        (
            "[timeouts]\nhead = \"99999999999999999999s\"",
            "c.toml:2: timeouts.head: \"99999999999999999999s\" is out of range. Write a duration from ",
        ),
    ] {
        let said = said(text);
        assert!(said.len() == 1 && said[0].starts_with(want), "{said:?}");
    }
    let query = "[{ operation = \"ListUsers\", query = { page = { max = 99999999999999999999 } } }]";
    let said = replaced("[\"users:read\"]", query).problems();
    assert!(
        said[0].ends_with("is out of range. Write a whole number from 0 to 18446744073709551615."),
        "{said:?}"
    );
}

#[test]
fn a_url_that_is_none_is_told_what_kind_of_text_it_is() {
    let ascii = "a URL is written in ASCII here, and this has other characters. Write the host as DNS has it, with xn-- in it";
    let said = replaced("client_id", "endpoint = \"https://größe.example\"\nclient_id").problems();
    assert!(said[0].starts_with(&format!("c.toml:3: tenants.acme.endpoint: {ascii}")), "{said:?}");
    let issuer = |jwks: &str| {
        above(&format!("[issuers.x]\nissuer = \"https://x.example\"\naudience = \"c\"\njwks = \"{jwks}\""))
            .problems()
    };
    assert!(issuer("https://größe.example")[0].contains(ascii));
    for path in ["jwks.json", "keys/jwks.json", "./keys"] {
        assert_eq!(
            issuer(path),
            [format!(
                "c.toml:4: issuers.x.jwks: this is a path, not a URL. Write jwks = {{ file = \"{path}\" }}."
            )]
        );
    }
}

/// An authority, and a server's certificate that it issued with its key.
fn issued() -> (String, String, rcgen::KeyPair) {
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = params.self_signed(&ca_key).unwrap().pem();
    let key = rcgen::KeyPair::generate().unwrap();
    let server = rcgen::CertificateParams::new(vec!["proxy.internal".into()]).unwrap();
    let server = server.signed_by(&key, &rcgen::Issuer::new(params, &ca_key)).unwrap().pem();
    (ca, server, key)
}

const TLS: &str = "[listen]\ntls = { cert = \"tls.crt\", key = \"tls.key\" }";

#[test]
fn a_chain_in_the_wrong_order_is_told_so_and_nothing_else() {
    let (ca, server, key) = issued();
    let bench = above(TLS);
    bench.write("tls.key", key.serialize_pem());
    bench.write("tls.crt", format!("{ca}{server}"));
    let found = bench.load().unwrap_err();
    assert_eq!(
        (bench.short(&found.problems), found.warnings.len()),
        (
            vec![
                "c.toml:2: listen.tls.cert: the first certificate in tls.crt is not the server's own: the private key belongs to number 2. \
                 Put the server's certificate first, and those that issued it behind it."
                    .to_owned()
            ],
            0
        )
    );
    bench.write("tls.crt", format!("{server}{ca}"));
    bench.config();
}

#[test]
fn what_is_not_pem_is_told_how_it_is_converted() {
    let (_, server, key) = issued();
    let bench = above(&TLS.replace("}", ", client_ca = \"ca.crt\", crl = \"ca.crl\" }"));
    let der = |pem: &str| pem::parse_der(pem);
    let made = Tls::new();
    bench.write("tls.crt", der(&server));
    bench.write("tls.key", key.serialize_der());
    bench.write("ca.crt", der(&made.ca));
    bench.write("ca.crl", der(&made.crl));
    let dir = bench.path().display().to_string();
    let problems: Vec<_> = bench.problems().iter().map(|said| said.replace(&format!("{dir}/"), "")).collect();
    assert_eq!(
        problems,
        [
            "c.toml:2: listen.tls.cert: tls.crt is a certificate as DER, and not as PEM. Convert it with: openssl x509 -inform DER -in tls.crt -out tls.pem",
            "c.toml:2: listen.tls.key: this is a private key as DER, and not as PEM. Convert it with: openssl pkey -inform DER -in KEY -out key.pem",
            "c.toml:2: listen.tls.client_ca: ca.crt is a certificate as DER, and not as PEM. Convert it with: openssl x509 -inform DER -in ca.crt -out ca.pem",
            "c.toml:2: listen.tls.crl: ca.crl is a revocation list as DER, and not as PEM. Convert it with: openssl crl -inform DER -in ca.crl -out ca.pem",
        ]
    );
    // As far as a PKCS #12 file is looked at.
    let pkcs12 = [0x30, 0x05, 0x02, 0x01, 0x03, 0x30, 0x00];
    bench.write("tls.crt", pkcs12);
    bench.write("tls.key", pkcs12);
    let problems = bench.problems();
    assert!(
        problems[0].contains(
            "tls.crt is PKCS #12, and not PEM. Take the certificates out of it with: openssl pkcs12"
        ),
        "{problems:?}"
    );
    assert!(
        problems[1].contains("this is PKCS #12, and not PEM. Take the key out of it with: openssl pkcs12"),
        "{problems:?}"
    );
}

mod pem {
    use rustls::pki_types::pem::{PemObject, SectionKind};

    /// The bytes in the only section of a text.
    pub(super) fn parse_der(text: &str) -> Vec<u8> {
        <(SectionKind, Vec<u8>)>::from_pem_slice(text.as_bytes()).unwrap().1
    }
}

#[test]
fn an_id_and_a_secret_in_the_place_of_each_other_are_named() {
    let (id, secret) = ("abcdefghijklmnopqrstu", "abcdefghijklmnopqrstuvwxyz012345");
    let said = |id: &str, secret: &str| {
        let text = GOOD.replacen("\"app\"", &format!("\"{id}\""), 1);
        Bench::new().with("c.toml", text).env("S", secret).warnings()
    };
    let want = "c.toml:3: tenants.acme.client_id: the client_id is as long as a secret, and the secret as long as an id. `client_id` and \
                `client_secret` look swapped: at Logto an App ID has 21 characters, an App secret 32.";
    assert_eq!(said(secret, id), [want]);
    assert_eq!(said(id, secret), [""; 0]);
}
