//! Keys, tables and values as other programs have them: what to write here is said, in one problem.

use super::{
    remedies::{SECRET, above, bench, replaced},
    *,
};

const IDENTIFY: &str = "identify = { loopback = true }";

/// The one problem, without its place.
#[track_caller]
fn one(bench: &Bench) -> String {
    let said = bench.problems();
    assert_eq!(said.len(), 1, "{said:?}");
    said[0].split_once(": ").unwrap().1.to_owned()
}

#[track_caller]
fn says(bench: &Bench, want: &str) {
    let said = one(bench);
    assert!(said.contains(want), "{said}");
}

#[test]
fn sections_and_keys_of_other_programs_are_told_what_they_are_here() {
    for (text, want) in [
        ("[server]\nport = 1", "server: there is no such section. Write listen.proxy = \"127.0.0.1:3600\""),
        ("port = 3600", "Write listen.proxy = "),
        ("[listen]\nport = 3600", "listen.port: there is no such key. Write listen.proxy = "),
        ("[listen]\nbind = \"x\"", "Write listen.proxy = "),
        ("[metrics]\nenabled = true", "listen.admin = \"127.0.0.1:3601\"."),
        ("[admin]\nport = 1", "listen.admin = \"127.0.0.1:3601\"."),
        ("[cors]\nx = 1", "Write listen.allowed_origins = "),
        ("[logging]\nlevel = \"info\"", "Write log.level = "),
        ("[log]\nfile = \"x\"", "The log goes to standard error"),
        ("[auth]\nx = 1", "Write [callers.NAME]"),
        ("[upstream]\nurl = \"x\"", "Write [tenants.NAME]"),
        ("[rateLimit]\nx = 1", "rateLimit: there is no such section. Write callers.NAME.rate"),
        ("[circuit_breaker]\nx = 1", "Did you mean `breaker`?"),
        ("[timeouts]\nconnect_timeout = \"1s\"", "Did you mean `connect`?"),
        ("[limits]\nmax_body_size = \"1MiB\"", "Did you mean `body`?"),
        ("[reload]\nwatch = true", "Write interval = \"5s\", or \"0s\" to reload on SIGHUP alone."),
        ("reload = \"never\"", "Write reload.interval = \"5s\", or \"0s\" to reload on SIGHUP alone."),
        (
            "listen = \"0.0.0.0:3600\"",
            "Write its keys, such as listen = { proxy = … }; they are: proxy, admin",
        ),
        ("audit = \"/dev/stdout\"", "Write its keys, such as audit = { output = … }"),
        ("catalog = \"x\"", "Write catalog = { file = … }."),
        ("[audit]\noutput = \"/dev/stdout\"", "Write \"stdout\"."),
    ] {
        says(&above(text), want);
    }
    for key in ["host = \"x\"", "port = 1", "db = 0", "sentinels = [\"x\"]"] {
        says(&above(&format!("[redis]\n{key}")), "as url = ");
    }
    says(&above("[redis]\nurl = \"redis://h:1\"\nkey_prefix = \"x\""), "Did you mean `prefix`?");
    // A name of one's own is no section.
    let said = above("[tenants.redis]\nhost = \"x\"").problems();
    assert!(!said.iter().any(|it| it.contains("url = ")), "{said:?}");
}

#[test]
fn a_method_of_authentication_that_is_not_there_names_one_that_is() {
    for (method, want) in [
        ("ip = \"10.0.0.1\"", "write loopback = true for all on this machine, api_key = "),
        ("cn = \"x\"", "dns = \"billing.internal\""),
        ("x509 = \"x\"", "identify[0].x509: there is no such key. For a client certificate write"),
        ("basic = \"u:p\"", "For an API key write api_key = "),
        ("header = \"x\"", "For an API key write api_key = "),
        ("key = \"x\"", "Did you mean `api_key`?"),
        ("uid = 1", "Did you mean `unix_uid`?"),
        ("jwt = \"x\"", "such as callers.c.identify[0].jwt = { issuer = … }; they are: issuer, claims."),
    ] {
        says(&replaced(IDENTIFY, &format!("identify = {{ {method} }}")), want);
    }
    let rate = format!("{IDENTIFY}\nrate = {{ rps = 5 }}");
    says(
        &replaced(IDENTIFY, &rate),
        "rate.rps: there is no such key. Write { requests = 50, per = \"1s\" }.",
    );
    let issuer = |jwks: &str| {
        bench(&format!(
            "{GOOD}[issuers.i]\nissuer = \"https://i.example\"\naudience = \"a\"\njwks = {jwks}\n"
        ))
    };
    says(&issuer("{ url = \"https://i.example/keys\" }"), "Write the URL alone: jwks = \"https://…\".");
    says(&issuer("{ keys = [] }"), "Write the key set into a file, and jwks = { file = \"jwks.json\" }.");
}

#[test]
fn a_value_that_cannot_be_what_it_is_written_as_is_told_so() {
    const ID: &str = "client_id = \"app\"";
    const JWT: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJhIn0.c2lnbmF0dXJl";
    says(
        &replaced(SECRET, "client_secret = \"app\""),
        "client_secret: this is the client_id once more. Copy",
    );
    says(&replaced(SECRET, &format!("client_secret = \"{JWT}\"")), "this is a token (a JWT), and no secret.");
    says(&replaced(ID, &format!("client_id = \"{JWT}\"")), "this is a token (a JWT), and no App ID.");
    says(
        &replaced(ID, "client_id = \"My Backend\""),
        "as in the name of an application, and no App ID has one. Copy",
    );
    for (endpoint, want) in [
        (
            "acme",
            "Write \\\"https://acme.logto.app\\\" for the tenant of Logto Cloud, or \\\"https://acme\\\".",
        ),
        ("logto:3001", "Write \\\"https://logto:3001\\\"."),
        (
            "'https://acme.logto.app/'",
            "in quotation marks twice. Take the inner ones away: \\\"https://acme.logto.app\\\".",
        ),
    ] {
        says(&replaced(ID, &format!("{ID}\nendpoint = \"{endpoint}\"")), &want.replace('\\', ""));
    }
    for (address, want) in [
        ("unix:@claviger", "Write a path: unix:/run/claviger."),
        ("[fe80::1%eth0]:3600", "Write the number of the interface"),
    ] {
        says(&above(&format!("[listen]\nproxy = \"{address}\"")), want);
    }
    says(
        &above("[catalog]\nfile = { file = \"more.tsv\" }"),
        "catalog.file: found a table where a path is wanted. Write the path alone: file = \"more.tsv\".",
    );
    let deny = "allow = [\"users:read\"]\ndeny = [{ operation = \"GetUser\" }]";
    says(&replaced("allow = [\"users:read\"]", deny), "Write a text for each: deny = [\"…\"].");
    let body = "allow = [{ operation = \"UpdateUser\", body = { name = true } }]";
    says(&replaced("allow = [\"users:read\"]", body), "Write a text for each: body = [\"…\"].");
    let pem = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let vault = format!("{GOOD}[vault]\nstore = {{ file = \"v\" }}\nkey = {{ env = \"K\" }}\n");
    says(&bench(&vault).env("K", pem), "Make a key on one line with: openssl rand -hex 32");
    let catalog = above("[catalog]\nfile = \"x.pem\"");
    catalog.write("x.pem", pem);
    says(&catalog, "is no catalog: there is no tab in it.");
    let url = Bench::new().env("CLAVIGER_CONFIG", "https://x.example/c.toml").problems();
    assert!(url[0].contains("this is a URL, not a path"), "{url:?}");
}

#[test]
fn a_colon_without_a_space_and_a_comment_of_another_language_are_named() {
    let good = "tenants:\n  acme:\n    client_id: app\n    client_secret: { env: S }\n";
    let of = |text: String| Bench::new().with("c.yaml", text).env("S", "secret").problems().remove(0);
    for (text, want) in [
        (format!("listen:\n  proxy:127.0.0.1:3600\n{good}"), "no space stands behind the colon of `proxy`"),
        (good.replace("client_id: app", "client_id:app"), "Write `key: value`"),
        (format!("workers:2\n{good}"), "Write `key: value`"),
    ] {
        let said = of(text);
        assert!(said.contains(want), "{said}");
    }
    let json = "// of acme\n{ \"tenants\": {} }\n";
    let said = Bench::new().with("c.json", json).problems().remove(0);
    assert!(
        said.ends_with("a comment of another language. Begin comments with #, in JSON as well."),
        "{said}"
    );
}

#[test]
fn a_variable_of_a_key_of_the_short_form_names_it() {
    for (name, want) in [
        ("CLAVIGER_DENY", "Did you mean policies.NAME.deny, in the file?"),
        ("CLAVIGER_CLIENT_ID", "Did you mean LOGTO_M2M_APP_ID?"),
    ] {
        says(&bench(GOOD).env(name, "x"), want);
    }
    assert!(bench(GOOD).env("claviger_tenants_dir", "x").warnings().is_empty());
}
