//! Which source wins, and the short form.

use super::*;

#[test]
fn later_files_win_key_by_key_and_the_environment_wins_over_them() {
    let bench = Bench::new()
        .with("a.toml", format!("{GOOD}[log]\nlevel = \"warn\"\nformat = \"human\"\n[limits]\nqueue = 1\nhead = 2048\n"))
        .with("b.yaml", "log:\n  level: error\nlimits:\n  queue: 2\ncallers:\n  c:\n    identify: { unix_uid: 5 }\nlisten:\n  proxy: unix:/tmp/s\n")
        .env("S", "secret")
        .env("CLAVIGER_LIMITS__QUEUE", "3")
        .env("CLAVIGER_LISTEN__ADMIN", "off")
        .env("CLAVIGER_WORKERS", "2")
        .env("CLAVIGER_LISTEN__ALLOWED_HOSTS", "[\"A.internal\", \"b\"]");
    let config = bench.config();
    assert_eq!((config.log.level.as_str(), config.log.format), ("error", LogFormat::Human));
    assert_eq!((config.limits.queue, config.limits.head), (3, 2048));
    assert_eq!((config.listen.admin, config.workers.get()), (None, 2));
    assert_eq!(config.listen.allowed_hosts, ["a.internal", "b"]);
    // Not both ways: what a later file says of a caller's identity replaces what an earlier one said.
    assert!(matches!(config.callers[0].identify[..], [Identity::UnixUid(5)]));
}

#[test]
fn a_problem_is_placed_where_the_winning_value_stands() {
    let bench = Bench::new()
        .with("a.toml", format!("{GOOD}[limits]\nqueue = 1\nhead = \"x\"\n"))
        .with("b.yaml", "limits:\n  queue: many\n")
        .env("S", "secret")
        .env("CLAVIGER_RETRY__ATTEMPTS", "0")
        .env("CLAVIGER_LIMITS__QUEU", "3");
    assert_eq!(
        bench.problems(),
        [
            "a.toml:12: limits.head: \"x\" is not a size. Write a number of bytes, or a number with a unit, such as \"64KiB\" or \"1MiB\".",
            "b.yaml:2: limits.queue: \"many\" is not a whole number. Write digits alone, such as 100.",
            "environment variable CLAVIGER_LIMITS__QUEU: limits.queu: there is no such key. Did you mean `queue`?",
            "environment variable CLAVIGER_RETRY__ATTEMPTS: retry.attempts: 0 is out of range. Write a whole number from 1 to 10.",
        ]
    );
}

#[test]
fn a_secret_in_a_variable_stays_there() {
    let bench = Bench::new()
        .with("a.toml", GOOD)
        .env("CLAVIGER_TENANTS__ACME__CLIENT_SECRET", "{[not-toml")
        .env("CLAVIGER_BROKER__KEY", "{ env = \"SEAL\" }")
        .env("SEAL", "0123456789012345678901234567890123456789");
    let config = bench.config();
    assert_eq!(config.tenants[0].client_secrets[0].held().unwrap().expose(), b"{[not-toml");
    assert_eq!(config.broker.key.unwrap().expose().len(), 40);
}

#[test]
fn a_name_may_sound_like_a_secret() {
    let text = GOOD.replace("callers.c", "callers.secret-keeper").replace("policies.p", "policies.api_key");
    Bench::new().with("c.toml", text.replace("[\"p\"]", "[\"api_key\"]")).env("S", "secret").config();
}

#[test]
fn an_overlay_replaces_a_reference_to_a_secret_whole() {
    let bench = Bench::new()
        .with("a.toml", GOOD)
        .with("b.toml", "[tenants.acme]\nclient_secret = { file = \"s\" }\n");
    bench.write("s", "from-the-file");
    assert_eq!(bench.config().tenants[0].client_secrets[0].held().unwrap().expose(), b"from-the-file");
}

#[test]
fn variables_that_are_no_keys() {
    let bench = Bench::new()
        .with("a.toml", GOOD)
        .env("S", "secret")
        // What Kubernetes sets for Services named claviger and claviger-admin.
        .env("CLAVIGER_SERVICE_HOST", "10.0.0.1")
        .env("CLAVIGER_SERVICE_PORT_HTTP", "3600")
        .env("CLAVIGER_PORT", "tcp://10.0.0.1:3600")
        .env("CLAVIGER_ADMIN_PORT_3601_TCP_ADDR", "10.0.0.1")
        .env("CLAVIGER_CONFIG", "/etc/x")
        // A name that a reference uses is taken, whatever it looks like.
        .with("b.toml", "[broker]\nkey = { env = \"CLAVIGER_SEAL\" }\n")
        .env("CLAVIGER_SEAL", "0123456789012345678901234567890123456789");
    bench.config();
    let bench = bench
        .env("CLAVIGER_ALOW", "users:read")
        .env("CLAVIGER_LISTEN_ADMIN", "off")
        .env("CLAVIGER_TOKEN__BACKOFF", "")
        .env("CLAVIGER_TENANTS__ACME__CLIENT_SECRET_FILE", "/x")
        .env("CLAVIGER_ADDRESS", "127.0.0.1:1")
        .env("CLAVIGER_CONFG", "x.toml")
        .env("CLAVIGER_AUDIT__OUTPUT", "stdout")
        .env("CLAVIGER_AUDIT__OUTPUT__FILE", "/x");
    assert_eq!(
        bench.problems(),
        [
            "environment variable CLAVIGER_ADDRESS: no key of the configuration has this name. \
             Write CLAVIGER_LISTEN__PROXY with an address and a port, such as 127.0.0.1:3600.",
            "environment variable CLAVIGER_ALOW: no key of the configuration has this name. Did you mean CLAVIGER_ALLOW?",
            "environment variable CLAVIGER_AUDIT__OUTPUT__FILE: another variable gives a value to the key above this one. Set the one or the other.",
            "environment variable CLAVIGER_CONFG: no key of the configuration has this name. Did you mean CLAVIGER_CONFIG?",
            "environment variable CLAVIGER_LISTEN_ADMIN: no key of the configuration has this name. \
             Two underscores stand between the keys of a path: CLAVIGER_LISTEN__ADMIN.",
            "environment variable CLAVIGER_TOKEN__BACKOFF: the variable is set, but empty. Unset it, or give it a value.",
            "environment variable CLAVIGER_TENANTS__ACME__CLIENT_SECRET_FILE: tenants.acme.client_secret_file: \
             there is no such key. Write client_secret = { file = \"…\" }.",
        ]
    );
}

#[test]
fn a_variable_that_is_not_in_capitals_or_has_one_underscore_is_told_its_name() {
    for (name, says) in [
        (
            "claviger_listen__admin",
            "it is not read, because its name is not in capitals. Write CLAVIGER_LISTEN__ADMIN.",
        ),
        (
            "Claviger_Listen_Admin",
            "it is not read, because its name is not in capitals. Write CLAVIGER_LISTEN__ADMIN.",
        ),
        ("claviger_workers", "it is not read, because its name is not in capitals. Write CLAVIGER_WORKERS."),
        ("claviger_config", "it is not read, because its name is not in capitals. Write CLAVIGER_CONFIG."),
        (
            "claviger_tenants_acme_endpoint",
            "it is not read, because its name is not in capitals. Write CLAVIGER_TENANTS__NAME__KEY.",
        ),
        ("claviger_version", ""),
        ("CLAVIGER_listen__admin", ""),
        ("listen__admin", ""),
    ] {
        let loaded = Bench::new().with("c.toml", GOOD).env("S", "secret").env(name, "off").load().unwrap();
        let warnings: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
        let want = format!("environment variable {name}: {says}");
        assert_eq!(warnings.contains(&want), !says.is_empty(), "{warnings:?}");
        assert!(!says.is_empty() || warnings.is_empty(), "{warnings:?}");
    }
    // One that is set under its right name as well is somebody else's.
    let both = Bench::new().with("c.toml", GOOD).env("S", "secret").env("claviger_workers", "3");
    assert_eq!(both.env("CLAVIGER_WORKERS", "2").load().unwrap().warnings, []);
    for (name, says) in [
        (
            "CLAVIGER_REDIS_TOKEN_KEY",
            "Two underscores stand between the keys of a path: CLAVIGER_REDIS__TOKEN_KEY.",
        ),
        (
            "CLAVIGER_LISTEN_TLS_CERT",
            "Two underscores stand between the keys of a path: CLAVIGER_LISTEN__TLS__CERT.",
        ),
        (
            "CLAVIGER_CALLERS_CI_POLICIES",
            "Two underscores stand between the keys of a path: CLAVIGER_CALLERS__NAME__KEY.",
        ),
        (
            "CLAVIGER_ADMIN_PORT",
            "Write CLAVIGER_LISTEN__ADMIN with an address and a port, such as 127.0.0.1:3601.",
        ),
        ("CLAVIGER_PORT", "Write CLAVIGER_LISTEN__PROXY with an address and a port, such as 127.0.0.1:3600."),
    ] {
        let said = Bench::new().with("c.toml", GOOD).env("S", "secret").env(name, "3000").problems();
        let want = format!("environment variable {name}: no key of the configuration has this name. {says}");
        assert_eq!(said, [want]);
    }
}

fn short_form() -> Bench {
    Bench::new()
        .env("LOGTO_ENDPOINT", "http://localhost:3001/")
        .env("LOGTO_M2M_APP_ID", "app")
        .env("LOGTO_M2M_APP_SECRET", "hush")
        .env("CLAVIGER_ALLOW", "users:read, ListRoles,")
}

#[test]
fn the_short_form_is_a_whole_configuration() {
    let config = short_form().config();
    let tenant = &config.tenants[0];
    assert_eq!(
        (tenant.name.as_str(), tenant.endpoint.to_string().as_str()),
        ("default", "http://localhost:3001")
    );
    assert_eq!(&*tenant.resource, "https://default.logto.app/api");
    assert_eq!(tenant.client_secrets[0].held().unwrap().expose(), b"hush");
    let rules: Vec<_> = config.policies[0].allow.iter().map(|rule| rule.text.as_str()).collect();
    assert_eq!(rules, ["users:read", "ListRoles"]);
    assert_eq!(config.policies[0].allow[0].origin.to_string(), "environment variable CLAVIGER_ALLOW");
    let caller = &config.callers[0];
    assert_eq!(caller.name.as_str(), "local");
    assert!(matches!(caller.identify[..], [Identity::Loopback]));
    assert_eq!(caller.policies[0].as_str(), "default");

    // Single keys can be refined.
    let config = short_form().env("CLAVIGER_TENANTS__DEFAULT__MAX_IN_FLIGHT", "3").config();
    assert_eq!(config.tenants[0].max_in_flight, 3);
}

#[test]
fn the_short_form_takes_the_secret_from_a_file_and_the_resource_from_a_variable() {
    let bench = Bench::new().env("LOGTO_ENDPOINT", "https://id.example.com").env("LOGTO_M2M_APP_ID", "app");
    let file = bench.write("s", "hush\n");
    let bench = bench
        .env("LOGTO_M2M_APP_SECRET_FILE", file.to_str().unwrap())
        .env("LOGTO_RESOURCE", "https://x.logto.app/api")
        .env("CLAVIGER_ALLOW", "users:read");
    let tenant = Arc::clone(&bench.config().tenants[0]);
    assert_eq!(
        (tenant.client_secrets[0].held().unwrap().expose(), &*tenant.resource),
        (&b"hush"[..], "https://x.logto.app/api")
    );
    let bench = bench.env("LOGTO_M2M_APP_SECRET", "x");
    assert_eq!(
        bench.problems(),
        [
            "environment variable LOGTO_M2M_APP_SECRET: tenants.default.client_secret: LOGTO_M2M_APP_SECRET and \
          LOGTO_M2M_APP_SECRET_FILE are both set. Unset one of them."
        ]
    );
}

#[test]
fn half_a_short_form_says_which_half_is_missing() {
    let bench = Bench::new().env("LOGTO_M2M_APP_ID", "app");
    assert_eq!(
        bench.problems(),
        [
            "tenants.default.endpoint: the environment variable LOGTO_ENDPOINT is not set, though LOGTO_M2M_APP_ID is. \
             Set it to the URL of the tenant, such as https://acme.logto.app.",
            "tenants.default.client_secret: the environment variable LOGTO_M2M_APP_SECRET is not set, though \
             LOGTO_M2M_APP_ID is. Set it to the App secret, or LOGTO_M2M_APP_SECRET_FILE to a file that holds it.",
        ]
    );
}

#[test]
fn the_short_form_without_rules_allows_nothing_and_says_so() {
    let mut bench = short_form();
    bench.env.remove(std::ffi::OsStr::new("CLAVIGER_ALLOW"));
    assert_eq!(
        bench.warnings(),
        [
            "policies.default.allow: CLAVIGER_ALLOW is not set: every request will be refused. Set it to the operations \
          that callers need, such as CLAVIGER_ALLOW=\"users:read,ListRoles\"."
        ]
    );
}

#[test]
fn the_short_form_never_adds_to_files() {
    let bench = short_form().with("c.toml", GOOD).env("S", "secret");
    assert_eq!(
        bench.warnings(),
        [
            "environment variable LOGTO_ENDPOINT: it has no effect, because the tenants are configured in c.toml:2. \
          Unset it, or take the [tenants] out of the file."
        ]
    );
    assert_eq!(bench.load().unwrap().config.tenants[0].name.as_str(), "acme");

    let callers = "[callers.c]\nidentify = { unix_uid = 1 }\npolicies = [\"p\"]\n[policies.p]\nallow = \"*\"\n[listen]\nproxy = \"unix:/s\"\n";
    let bench = short_form().with("c.toml", callers);
    assert_eq!(
        bench.warnings(),
        [
            "environment variable CLAVIGER_ALLOW: it has no effect, because the callers are configured in c.toml:1. \
          Write the rules under [policies.NAME]."
        ]
    );
    let config = bench.load().unwrap().config;
    assert_eq!((config.callers.len(), config.tenants[0].name.as_str()), (1, "default"));
}

#[test]
fn without_any_file_named_the_first_of_the_usual_ones_is_read() {
    let bench = Bench::new().env("S", "secret");
    bench.write("etc.toml", GOOD);
    bench.config();
    bench.write("claviger.toml", "[tenants.acme]\n");
    assert!(bench.problems()[0].starts_with("claviger.toml:1: "));
}
