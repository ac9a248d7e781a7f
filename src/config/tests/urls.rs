//! Paths in the place of URLs, URLs in the place of paths, and an issuer's URLs in the place of one another.

use super::{
    remedies::{SECRET, above, replaced},
    *,
};

#[test]
fn a_path_in_the_place_of_a_url_is_called_one() {
    let endpoint = "this is a path, not a URL. Write scheme and host, such as \"https://acme.logto.app\".";
    for path in ["/run/logto", "./logto", "file:///run/logto", "FILE:/run/logto"] {
        let said = replaced("client_id", &format!("endpoint = \"{path}\"\nclient_id")).problems();
        assert_eq!(said, [format!("c.toml:3: tenants.acme.endpoint: {endpoint}")], "{path}");
        let said = above(&format!("[issuers.x]\nissuer = \"{path}\"\naudience = \"c\"")).problems();
        let want = "this is a path, not a URL. Write an https URL, such as \"https://accounts.example.com\".";
        assert_eq!(said, [format!("c.toml:2: issuers.x.issuer: {want}")], "{path}");
    }
    let short = Bench::new()
        .env("LOGTO_ENDPOINT", "/run/logto")
        .env("LOGTO_M2M_APP_ID", "app")
        .env("LOGTO_M2M_APP_SECRET_FILE", "file:///run/secrets/logto")
        .env("CLAVIGER_ALLOW", "users:read");
    assert_eq!(
        short.problems(),
        [
            "environment variable LOGTO_M2M_APP_SECRET_FILE: tenants.default.client_secret: this is a URL, not a path. Write \
             LOGTO_M2M_APP_SECRET_FILE=\"/run/secrets/logto\"."
                .to_owned(),
            format!("environment variable LOGTO_ENDPOINT: tenants.default.endpoint: {endpoint}"),
        ]
    );
}

#[test]
fn a_url_in_the_place_of_a_path_is_called_one() {
    let reference = |to: &str| {
        format!(
            "c.toml:4: tenants.acme.client_secret: this is a URL, not a path. Write {{ file = \"{to}\" }}."
        )
    };
    for (url, path) in [
        ("file:///run/s", "/run/s"),
        ("file:/run/s", "/run/s"),
        ("file://localhost/s", "/s"),
        ("file:s", "s"),
    ] {
        let said = replaced(SECRET, &format!("client_secret = {{ file = \"{url}\" }}")).problems();
        assert_eq!(said, [reference(path)], "{url}");
    }
    let fetched = "this is a URL, not a path, and nothing is fetched from one here. Save what it leads to as a file, and write the path of that.";
    let said = replaced(SECRET, "client_secret = { file = \"https://u:hunter2@x.example/s\" }").problems();
    assert_eq!(said, [format!("c.toml:4: tenants.acme.client_secret: {fetched}")]);
    for (table, key) in [
        (
            "[issuers.x]\nissuer = \"https://x.example\"\naudience = \"c\"\njwks = { file = \"URL\" }",
            "issuers.x.jwks.file",
        ),
        (
            "[issuers.x]\nissuer = \"https://x.example\"\naudience = \"c\"\ntls.roots = { file = \"URL\" }",
            "issuers.x.tls.roots.file",
        ),
        ("[audit]\n\n\noutput = { file = \"URL\" }", "audit.output.file"),
        ("[catalog]\n\n\nfile = \"URL\"", "catalog.file"),
        ("[listen.tls]\ncert = \"c\"\nkey = \"k\"\nclient_ca = \"URL\"", "listen.tls.client_ca"),
        ("[listen.tls]\nclient_ca = \"c\"\ncert = \"c\"\nkey = \"URL\"", "listen.tls.key"),
    ] {
        for (url, want) in [
            ("file:///run/ca.pem", "this is a URL, not a path. Write \"/run/ca.pem\"."),
            ("https://x.example/ca.pem", fetched),
        ] {
            let said = above(&table.replace("URL", url)).problems();
            let want = format!("c.toml:4: {key}: {want}");
            assert!(said.contains(&want), "{want}: {said:?}");
            assert_eq!(said.iter().filter(|it| it.starts_with("c.toml:4")).count(), 1, "{said:?}");
        }
    }
    for (table, want) in [
        (
            "[audit]\noutput = \"file:///run/a.jsonl\"",
            "c.toml:2: audit.output: \"file:///run/a.jsonl\" is not a place for the audit log. Write { file = \"/run/a.jsonl\" } for a file, \
             or \"stdout\" or \"off\".",
        ),
        (
            "[audit]\noutput = \"https://logs.example/a\"",
            "c.toml:2: audit.output: \"https://logs.example/a\" is not a place for the audit log. Write { file = \"audit.jsonl\" } for a \
             file, or \"stdout\" or \"off\".",
        ),
        (
            "[redis]\nurl = \"rediss://x.example\"\ntls.roots = \"file:///run/ca.pem\"",
            "c.toml:3: redis.tls.roots: \"file:///run/ca.pem\" is not a set of certificate authorities. For the certificates of a file write \
             roots = { file = \"/run/ca.pem\" }.",
        ),
    ] {
        assert_eq!(above(table).problems(), [want]);
    }
}

#[test]
fn an_address_to_listen_on_is_proposed_as_it_is_written_here() {
    for (written, want) in [
        (
            "/run/c.sock",
            "a path alone is not an address to listen on. For a Unix socket write \"unix:/run/c.sock\".",
        ),
        (
            "tcp://0.0.0.0:3600",
            "\"tcp://0.0.0.0:3600\" is not an address to listen on. Write \"0.0.0.0:3600\".",
        ),
        (
            "http://[::1]:3600/",
            "\"http://[::1]:3600/\" is not an address to listen on. Write \"[::1]:3600\".",
        ),
    ] {
        let said = above(&format!("[listen]\nproxy = \"{written}\"")).problems();
        assert_eq!(said, [format!("c.toml:2: listen.proxy: {want}")]);
    }
}

#[test]
fn an_issuer_is_not_where_its_keys_are() {
    let said = |issuer: &str| {
        let said = above(&format!("[issuers.x]\nissuer = \"{issuer}\"\naudience = \"c\"")).problems();
        said.join("\n")
    };
    let of = |what: &str, issuer: &str| {
        format!(
            "c.toml:2: issuers.x.issuer: this is the URL of the issuer's {what}; the issuer is what the claim iss of its tokens says. Write \
             {issuer}."
        )
    };
    for (url, what, issuer) in [
        ("https://acme.logto.app/oidc/jwks", "key set (JWKS)", "\"https://acme.logto.app/oidc\""),
        (
            "https://x.example/realms/r/protocol/openid-connect/certs",
            "key set (JWKS)",
            "\"https://x.example/realms/r\"",
        ),
        (
            "https://x.example/oidc/.well-known/openid-configuration/",
            "discovery document",
            "\"https://x.example/oidc\"",
        ),
        (
            "https://x.example/.well-known/jwks.json",
            "key set (JWKS)",
            "\"https://x.example\", with a / at its end if the claim has one",
        ),
        (
            "https://login.example/TENANT/discovery/v2.0/keys",
            "key set (JWKS)",
            "\"https://login.example/TENANT/v2.0\"",
        ),
        (
            "https://x.example/oauth2/default/v1/keys",
            "key set (JWKS)",
            "\"https://x.example/oauth2/default\"",
        ),
    ] {
        assert_eq!(said(url), of(what, issuer), "{url}");
    }
    for issuer in ["https://x.example/jwks/oidc", "https://x.example/tokens", "https://x.example/auth"] {
        above(&format!("[issuers.x]\nissuer = \"{issuer}\"\naudience = \"c\"")).load().unwrap();
    }
}

/// WSO2's issuer is its token endpoint, as `https://localhost:9443/oauth2/token`.
#[test]
fn an_issuer_may_be_its_token_endpoint() {
    let url = "https://id.example/oauth2/token";
    let said = above(&format!("[issuers.x]\nissuer = \"{url}\"\naudience = \"c\"")).warnings().join("\n");
    let want = "c.toml:2: issuers.x.issuer: this is the URL of the issuer's token endpoint; the issuer is what the claim iss of its tokens \
                says. Write \"https://id.example/oauth2\", unless the claim is this URL.";
    assert!(said.contains(want), "{said}");
    for (path, kind, issuer) in [
        ("/TENANT/oauth2/v2.0/token", "token", "/TENANT/v2.0"),
        ("/TENANT/oauth2/v2.0/authorize", "authorization", "/TENANT/v2.0"),
        ("/oauth2/default/v1/authorize", "authorization", "/oauth2/default"),
        ("/realms/r/protocol/openid-connect/token", "token", "/realms/r"),
        ("/realms/r/protocol/openid-connect/auth", "authorization", "/realms/r"),
        ("/oidc/auth", "authorization", "/oidc"),
    ] {
        let url = format!("https://id.example{path}");
        let said = above(&format!("[issuers.x]\nissuer = \"{url}\"\naudience = \"c\"")).warnings().join("\n");
        assert!(said.contains(&format!("of the issuer's {kind} endpoint;")), "{said}");
        assert!(said.contains(&format!("Write \"https://id.example{issuer}\", unless")), "{said}");
    }
}

#[test]
fn a_key_set_is_not_what_names_it() {
    let load = |jwks: &str| {
        above(&format!(
            "[issuers.x]\nissuer = \"https://x.example/oidc\"\naudience = \"c\"\njwks = \"https://x.example{jwks}\""
        ))
    };
    for (jwks, what) in [
        ("/oidc", "issuer"),
        ("/oidc/", "issuer"),
        ("/oidc/.well-known/openid-configuration", "issuer's discovery document"),
        ("/other/.well-known/openid-configuration", "issuer's discovery document"),
    ] {
        assert_eq!(
            load(jwks).problems(),
            [format!(
                "c.toml:4: issuers.x.jwks: this is the URL of the {what}, not of its key set (JWKS). Leave jwks out, and the keys are found \
                 by discovery; or write the jwks_uri of that document."
            )]
        );
    }
    load("/oidc/jwks").load().unwrap();
}

#[test]
fn the_issuer_of_logto_is_below_its_endpoint() {
    let warnings = |issuer: &str| {
        above(&format!("[issuers.x]\nissuer = \"{issuer}\"\naudience = \"c\"")).warnings().join("\n")
    };
    let want = "c.toml:2: issuers.x.issuer: this is the endpoint of the tenant acme; the issuer of Logto's tokens is below it. Write \
                \"https://acme.logto.app/oidc\".";
    assert!(warnings("https://acme.logto.app").contains(want), "{}", warnings("https://acme.logto.app"));
    assert!(!warnings("https://acme.logto.app/oidc").contains("endpoint"));
    // Of a tenant that is none here.
    let want = "c.toml:2: issuers.x.issuer: this is the endpoint of a tenant of Logto Cloud; the issuer of Logto's tokens is below it. Write \
                \"https://other.logto.app/oidc\".";
    assert!(warnings("https://other.logto.app/").contains(want), "{}", warnings("https://other.logto.app/"));
    assert!(!warnings("https://other.logto.app/oidc").contains("endpoint"));
}

#[test]
fn the_console_of_logto_is_no_tenant() {
    for url in ["https://cloud.logto.io", "https://cloud.logto.io/"] {
        let said = replaced("client_id", &format!("endpoint = \"{url}\"\nclient_id")).problems();
        assert_eq!(
            said,
            [
                "c.toml:3: tenants.acme.endpoint: this is the Console of Logto Cloud, and no tenant. Write the tenant's own address: \
                 \"https://TENANT-ID.logto.app\"."
            ]
        );
    }
}

/// Not that of a token, which stands elsewhere for something else.
#[test]
fn a_token_is_no_section_that_was_written_elsewhere() {
    let said = replaced("identify = {", "identify = { token = \"x\",").problems().join("\n");
    let want = "callers.c.identify[0].token: there is no such key. For an API key write api_key = { file = \"…\" }, for a JWT jwt = { issuer \
                = \"…\", claims = { … } }.";
    assert!(said.contains(want), "{said}");
    let said = above("[vault]\naddress = \"https://vault:8200\"\ntoken = \"x\"").problems().join("\n");
    for key in ["address", "token"] {
        let want = format!(
            "vault.{key}: there is no such key. [vault] is Claviger's own store; for a secret in HashiCorp Vault write client_secret = {{ exec = \
             [\"vault\", \"kv\", \"get\", \"-field=…\", \"…\"] }}."
        );
        assert!(said.contains(&want), "{said}");
    }
}

/// What the second one would be told when it starts, by a system that does not know whose the first one is.
#[test]
fn a_listener_is_the_same_by_another_name() {
    let want = "c.toml:2: listen.proxy[1]: this address is given twice, or within another one. Take one of the two out.";
    let mapped = above("[listen]\nproxy = [\"127.0.0.1:3700\", \"[::ffff:127.0.0.1]:3700\"]");
    assert_eq!(mapped.problems(), [want]);
    let there = Bench::new();
    let at = |path: &str| format!("unix:{}/{path}", there.path().display());
    std::fs::create_dir(there.path().join("d")).unwrap();
    std::os::unix::fs::symlink("d", there.path().join("l")).unwrap();
    for other in ["l/s", "d/../d/s"] {
        let said = above(&format!("[listen]\nproxy = [{:?}, {:?}]", at("d/s"), at(other))).problems();
        assert_eq!(said, [want], "{other}");
    }
    above(&format!("[listen]\nproxy = [{:?}, {:?}]", at("d/s"), at("l/t"))).load().unwrap();
    above("[listen]\nproxy = [\"unix:/none/a\", \"unix:/nil/a\"]").load().unwrap();
}
