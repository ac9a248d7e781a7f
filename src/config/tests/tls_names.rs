//! Files of TLS under the names that other programs have for them.

use super::remedies::{above, replaced};

#[test]
fn the_files_of_a_listener_are_named_as_they_are_here() {
    for (key, here, file) in [
        ("ssl_certificate", "cert", "tls.crt"),
        ("ssl_certificate_key", "key", "tls.key"),
        ("ssl_client_certificate", "client_ca", "ca.crt"),
        ("cert_file", "cert", "tls.crt"),
        ("tlsCertFile", "cert", "tls.crt"),
        ("certificate-file", "cert", "tls.crt"),
        ("keyfile", "key", "tls.key"),
        ("privateKey", "key", "tls.key"),
        ("client_ca_file", "client_ca", "ca.crt"),
    ] {
        let said = above(&format!("[listen]\n{key} = \"/x\"")).problems();
        let want = format!("Write it below [listen.tls], as {here} = \"/tls/{file}\".");
        assert_eq!(said, [format!("c.toml:2: listen.{key}: there is no such key. {want}")]);
    }
    for (key, here, file) in
        [("cert_file", "cert", "tls.crt"), ("keyFile", "key", "tls.key"), ("ca_file", "client_ca", "ca.crt")]
    {
        let said = above(&format!("[listen.tls]\n{key} = \"/x\"")).problems();
        let want =
            format!("c.toml:2: listen.tls.{key}: there is no such key. Write {here} = \"/tls/{file}\".");
        assert!(said.contains(&want), "{said:?}");
        assert!(!said.iter().any(|it| it.starts_with(&format!("c.toml:1: listen.tls.{here}: "))), "{said:?}");
    }
    for (key, want) in [
        (
            "certificateRef",
            "Write cert = \"/tls/tls.crt\" and key = \"/tls/tls.key\", where the Secret is mounted.",
        ),
        ("secretName", "where the Secret is mounted."),
        ("clientAuth", "Write client_ca = \"/tls/ca.crt\"."),
        ("min_version", "TLS 1.2 and 1.3 are spoken, with safe cipher suites alone: leave it out."),
        ("ciphers", "with safe cipher suites alone: leave it out."),
        ("passphrase", "PEM, and without a passphrase (openssl pkcs12 -nodes, openssl pkey)."),
        ("pfx", "PEM, and without a passphrase"),
    ] {
        let said = above(&format!("[listen.tls]\n{key} = \"x\"")).problems();
        assert!(
            said.iter()
                .any(|it| it.starts_with(&format!("c.toml:2: listen.tls.{key}: ")) && it.ends_with(want)
                    || it.contains(want)),
            "{said:?}"
        );
    }
    let both = "listen.tls = { cert = \"/tls/tls.crt\", key = \"/tls/tls.key\" }.";
    for (table, want) in [
        (
            "[tls]\ncert = \"/x\"",
            format!("c.toml:1: tls: there is no such section. For TLS towards callers write {both}"),
        ),
        (
            "[listen.ssl]\ncert = \"/x\"",
            format!("c.toml:1: listen.ssl: there is no such key. For TLS towards callers write {both}"),
        ),
        (
            "[listen]\ntls = true",
            format!(
                "c.toml:2: listen.tls: found a single value where a table is wanted. Write {}, or leave it out: no TLS.",
                both.trim_end_matches('.')
            ),
        ),
    ] {
        assert_eq!(above(table).problems(), [want]);
    }
}

#[test]
fn the_trusted_cas_of_a_server_are_named_as_they_are_here() {
    let write = "tls.roots = { file = \"ca.pem\" }.";
    for key in ["ca_file", "cafile", "ca_cert", "tls_ca", "sslRootCert", "ca-bundle"] {
        let redis = above(&format!("[redis]\nurl = \"rediss://x.example\"\n{key} = \"/x\"")).problems();
        assert_eq!(redis, [format!("c.toml:3: redis.{key}: there is no such key. Write {write}")]);
        let tenant = replaced("client_id", &format!("{key} = \"/x\"\nclient_id")).problems();
        assert_eq!(tenant, [format!("c.toml:3: tenants.acme.{key}: there is no such key. Write {write}")]);
        let within = replaced("client_id", &format!("tls.{key} = \"/x\"\nclient_id")).problems();
        let write = &write["tls.".len()..];
        assert_eq!(
            within,
            [format!("c.toml:3: tenants.acme.tls.{key}: there is no such key. Write {write}")]
        );
    }
    let said = replaced("client_id", "tls = true\nclient_id").problems();
    assert_eq!(
        said,
        [
            "c.toml:3: tenants.acme.tls: found a single value where a table is wanted. For TLS begin the address with https://; \
             tenants.acme.tls = { roots = … } says whom to trust."
        ]
    );
}

#[test]
fn no_client_certificate_is_shown_to_a_server() {
    for key in ["cert", "key", "client_cert", "certFile"] {
        let said = replaced("client_id", &format!("tls.{key} = \"/x\"\nclient_id")).problems();
        assert_eq!(
            said,
            [format!(
                "c.toml:3: tenants.acme.tls.{key}: there is no such key. Claviger shows no client certificate, so have the server let it through \
                 without one. To trust the CA of the server's certificate, write roots = {{ file = \"ca.pem\" }}."
            )]
        );
    }
    // What may be something else is not guessed at.
    let said = replaced("client_id", "key = \"/x\"\nclient_id").problems();
    assert!(said[0].contains("there is no such key. The keys here are: labels"), "{said:?}");
}
