//! Mistakes that people make on their first day: each is one problem, at its cause, with what to write instead.

use super::*;

fn said(name: &str, text: &str) -> Vec<String> {
    Bench::new().with(name, text).env("S", "secret").problems()
}

#[track_caller]
fn says(from: &str, to: &str, want: &[&str]) {
    assert!(GOOD.contains(from), "{from}");
    assert_eq!(said("c.toml", &GOOD.replacen(from, to, 1)), want, "{to}");
}

const ID: &str = "client_id = \"app\"";
const SECRET: &str = "client_secret = { env = \"S\" }";
const IDENTIFY: &str = "identify = { loopback = true }";

/// Everybody can read them, so a key that is still one of them opens the door to everybody.
#[test]
fn the_placeholder_of_an_example_is_refused_wherever_it_was_left() {
    for placeholder in ["replace-me", "REPLACE_WITH_APP_ID", "Replace me", "<your app id>", "changeme"] {
        says(
            ID,
            &format!("client_id = \"{placeholder}\""),
            &[
                "c.toml:3: tenants.acme.client_id: this is the placeholder of an example. Copy the App ID of a machine-to-machine application from the Logto Console.",
            ],
        );
    }
    for placeholder in ["replace-me", "REPLACE_WITH_THE_APP_SECRET", "change-me"] {
        says(
            SECRET,
            &format!("client_secret = \"{placeholder}\""),
            &[
                "c.toml:4: tenants.acme.client_secret: this is the placeholder of an example, which everybody knows. Copy the App secret of the application from the Logto Console.",
            ],
        );
    }
    let key = "replace-me-with-64-random-hexadecimal-digits";
    let bench = Bench::new();
    bench.write("key", format!("{key}\n"));
    let everywhere = GOOD.replace(IDENTIFY, "identify = { api_key = { file = \"key\" } }");
    let everywhere =
        format!("{everywhere}[broker]\nkey = {{ file = \"key\" }}\n[admin]\ntoken = {{ env = \"T\" }}\n");
    let bench = bench.with("c.toml", everywhere).env("S", "secret").env("T", key);
    let one = |at: &str| {
        format!(
            "{at}: this is the placeholder of an example, which everybody knows. Make one with: openssl rand -hex 32"
        )
    };
    assert_eq!(
        bench.problems(),
        [
            one("c.toml:8: callers.c.identify[0].api_key"),
            one("c.toml:11: broker.key"),
            one("c.toml:13: admin.token")
        ]
    );
    // What only begins like one.
    let bench = Bench::new().with("c.toml", GOOD).env("S", "replacement-of-a-secret");
    bench.config();
}

#[test]
fn a_path_in_the_place_of_a_secret_is_not_taken_for_the_secret() {
    for path in ["/run/secrets/logto/acme", "./secret", "../secrets/acme", "~/secret", "/home/me/secret"] {
        says(
            SECRET,
            &format!("client_secret = \"{path}\""),
            &[
                "c.toml:4: tenants.acme.client_secret: this is the path of a file, where the secret itself is wanted. Write { file = \"…\" } around it.",
            ],
        );
    }
    let bench = Bench::new().with("c.toml", GOOD).env("S", "/run/secrets/logto");
    assert_eq!(
        bench.problems(),
        [
            "c.toml:4: tenants.acme.client_secret: S holds the path of a file, where the secret itself is wanted. Write { file = \"…\" } with that path."
        ]
    );
    let bench = Bench::new()
        .env("LOGTO_ENDPOINT", "https://acme.logto.app")
        .env("LOGTO_M2M_APP_ID", "app")
        .env("LOGTO_M2M_APP_SECRET", "./app-secret")
        .env("CLAVIGER_ALLOW", "users:read");
    assert_eq!(
        bench.problems(),
        [
            "environment variable LOGTO_M2M_APP_SECRET: tenants.default.client_secret: LOGTO_M2M_APP_SECRET holds the path of a file, where the secret itself is wanted. Set LOGTO_M2M_APP_SECRET_FILE to that path, and unset LOGTO_M2M_APP_SECRET."
        ]
    );
    // Base64 begins with / now and then.
    Bench::new().with("c.toml", GOOD).env("S", "/runX4Q/secrets0+/x=").config();
}

#[test]
fn the_allow_variable_is_a_list_like_any_other() {
    let of = |allow: &str| {
        Bench::new()
            .env("LOGTO_ENDPOINT", "https://acme.logto.app")
            .env("LOGTO_M2M_APP_ID", "app")
            .env("LOGTO_M2M_APP_SECRET", "secret")
            .env("CLAVIGER_ALLOW", allow)
    };
    let plain = of("users:read, ListRoles").config();
    for list in ["[\"users:read\", \"ListRoles\"]", " ['users:read','ListRoles'] "] {
        let rules = |config: &Config| serde_json::to_value(&config.policies).unwrap();
        assert_eq!(rules(&of(list).config()), rules(&plain), "{list}");
    }
    let empty = of("").load().unwrap();
    assert_eq!(
        empty.warnings.iter().map(|warning| warning.what.as_str()).collect::<Vec<_>>(),
        ["CLAVIGER_ALLOW is empty: every request will be refused"]
    );
}

#[test]
fn a_variable_that_is_set_and_empty_is_called_empty() {
    let bench = Bench::new()
        .env("LOGTO_ENDPOINT", "https://acme.logto.app")
        .env("LOGTO_M2M_APP_ID", " ")
        .env("LOGTO_M2M_APP_SECRET", "")
        .env("CLAVIGER_ALLOW", "users:read");
    assert_eq!(
        bench.problems(),
        [
            "tenants.default.client_id: the environment variable LOGTO_M2M_APP_ID is empty, though LOGTO_ENDPOINT is set. Set it to the App ID of a machine-to-machine application.",
            "tenants.default.client_secret: the environment variable LOGTO_M2M_APP_SECRET is empty, though LOGTO_ENDPOINT is set. Set it to the App secret, or LOGTO_M2M_APP_SECRET_FILE to a file that holds it."
        ]
    );
}

#[test]
fn keys_beside_the_name_are_one_problem() {
    let yaml = "tenants:\n  acme:\n  client_id: app\n  client_secret: { env: S }\npolicies:\n  p: { allow: ['users:read'] }\ncallers:\n  c: { identify: { loopback: true }, policies: [p], tenants: [acme] }\n";
    assert_eq!(
        said("c.yaml", yaml),
        [
            "c.yaml:3: tenants.client_id: this is a key of a tenant, and stands where the name of one is wanted. Indent it, and client_secret, below the name."
        ]
    );
    says(
        "[tenants.acme]",
        "[tenants]",
        &[
            "c.toml:3: tenants.client_id: this is a key of a tenant, and stands where the name of one is wanted. Write it, and client_secret, below [tenants.NAME].",
        ],
    );
    says(
        "[callers.c]",
        "[callers]",
        &[
            "c.toml:8: callers.identify: this is a key of a caller, and stands where the name of one is wanted. Write it, and policies, below [callers.NAME].",
        ],
    );
    // A tenant may be called so.
    let named = GOOD.replace("[tenants.acme]", "[tenants.labels]");
    Bench::new().with("c.toml", named).env("S", "secret").config();
}

#[test]
fn a_directory_is_called_one() {
    let bench = Bench::new();
    let directory = bench.path().to_owned();
    let problems = load(&LoadRequest {
        paths: vec![directory],
        search: Vec::new(),
        env: Environment::new(),
        rule_check: &rule_check,
        references: References::Needed,
    });
    let said = bench.short(&problems.unwrap_err().problems).join("\n");
    assert!(said.ends_with(": this is a directory. Name a file in it."), "{said}");
}

#[test]
fn yaml_whose_lines_do_not_stand_under_one_another_says_which() {
    let text = "tenants:\n  acme:\n    client_id: app\n   client_secret: { env: S }\n";
    assert_eq!(
        said("c.yaml", text),
        [
            "c.yaml:4: this line is indented differently from those that it belongs to. Begin it in the same column as the keys beside it."
        ]
    );
}

#[test]
fn redis_with_tls_is_an_address_and_the_cloud_api_is_not_at_a_tenant() {
    let redis = format!("{GOOD}[redis]\nurl = \"redis://127.0.0.1:6379\"\ntls = true\n");
    let line = |text: &str, with: &str| text.lines().position(|line| line.starts_with(with)).unwrap() + 1;
    assert_eq!(
        said("c.toml", &redis),
        [format!(
            "c.toml:{}: redis.tls: found a single value where a table is wanted. For TLS begin redis.url with rediss://; redis.tls = {{ roots = … }} says whom to trust.",
            line(&redis, "tls")
        )]
    );
    let cloud =
        format!("{GOOD}[cloud.default]\ntoken = {{ env = \"S\" }}\nendpoint = \"https://a.logto.app\"\n");
    let at = cloud.lines().count();
    assert_eq!(
        said("c.toml", &cloud),
        [format!(
            "c.toml:{at}: cloud.default.endpoint: this is the endpoint of a tenant, and the Cloud API is not served there. Leave it out: it is https://cloud.logto.io."
        )]
    );
}

#[test]
fn a_key_in_the_wrong_table_is_told_where_it_belongs() {
    for (from, to, want) in [
        (
            "[tenants.acme]",
            "[quota]\nrequests = 200\nper = \"10s\"\n[tenants.acme]",
            "c.toml:2: quota: there is no such section. `quota` belongs to a tenant: write tenants.NAME.quota = { requests = 200, per = \"10s\" }.",
        ),
        (
            "[policies.p]",
            "[policies.p]\npriority = \"batch\"",
            "c.toml:6: policies.p.priority: there is no such key. `priority` belongs to a caller: write callers.NAME.priority = \"batch\".",
        ),
        (
            ID,
            "client_id = \"app\"\ncache = \"5s\"",
            "c.toml:4: tenants.acme.cache: there is no such key. `cache` belongs to a rule of a policy: write policies.NAME.allow = [{ operation = \"ListRoles\", cache = \"5s\" }].",
        ),
        (
            IDENTIFY,
            "identify = { loopback = true }\nquota = { requests = 1, per = \"1s\" }",
            "c.toml:9: callers.c.quota: there is no such key. `quota` belongs to a tenant: write tenants.NAME.quota = { requests = 200, per = \"10s\" }.",
        ),
    ] {
        says(from, to, &[want]);
    }
}

/// A default that is longer is no mistake of anybody's.
#[test]
fn a_wait_for_the_quota_beyond_the_deadline_earns_a_warning() {
    let warnings = |timeouts: &str| {
        let text = format!("{GOOD}[timeouts]\nconnect = \"1s\"\nresponse = \"9s\"\n{timeouts}\n");
        Bench::new().with("c.toml", text).env("S", "secret").warnings()
    };
    assert_eq!(
        warnings("deadline = \"20s\"\nquota = \"25s\""),
        [
            "c.toml:14: timeouts.quota: it is longer than timeouts.deadline (20s), which ends the wait first. Shorten it, or lengthen the deadline."
        ]
    );
    assert!(warnings("deadline = \"20s\"").is_empty());
    assert!(warnings("deadline = \"20s\"\nquota = \"20s\"").is_empty());
}

#[test]
fn a_value_in_the_form_of_another_key_is_told_its_own() {
    let at_the_end = |section: &str| {
        let said = said("c.toml", &format!("{GOOD}{section}\n"));
        let said: Vec<_> = said.iter().filter_map(|said| Some(said.split_once(": ")?.1.to_owned())).collect();
        said.join("\n")
    };
    for (section, want) in [
        (
            "[audit]\noutput = \"audit.jsonl\"",
            "audit.output: \"audit.jsonl\" is not a place for the audit log. Write { file = \"audit.jsonl\" } for a file, or \"stdout\" or \"off\".",
        ),
        (
            "[vault]\nkey = { env = \"S\" }\nstore = \"vault.redb\"",
            "vault.store: found a single value where a table is wanted. Write store = { file = \"/var/lib/claviger/vault.redb\" }, { redis = true } or { kubernetes = { … } }.",
        ),
        (
            "[redis]\nurl = \"127.0.0.1:6391\"",
            "redis.url: this is not the address of a Redis. Write \"redis://127.0.0.1:6391\", or \"rediss://127.0.0.1:6391\" for TLS.",
        ),
    ] {
        let said = at_the_end(section);
        assert!(said.contains(want), "{said}");
    }
    assert!(!at_the_end("[redis]\nurl = \"hunter2\"").contains("hunter2"));
}

#[test]
fn rules_between_semicolons_are_told_of_commas() {
    let bench = Bench::new()
        .env("LOGTO_ENDPOINT", "https://acme.logto.app")
        .env("LOGTO_M2M_APP_ID", "app")
        .env("LOGTO_M2M_APP_SECRET", "secret")
        .env("CLAVIGER_ALLOW", "users:read;ListRoles");
    assert_eq!(
        bench.problems(),
        [
            "environment variable CLAVIGER_ALLOW: policies.default.allow: rules are separated by commas, and there is a semicolon. Write CLAVIGER_ALLOW=\"users:read,ListRoles\"."
        ]
    );
}

#[test]
fn toml_under_another_name_is_called_toml() {
    for name in ["c.yaml", "c.json"] {
        assert_eq!(
            said(name, GOOD),
            [format!("{name}: this is TOML. Let the name of the file end in .toml.")]
        );
    }
}

#[test]
fn a_tenant_that_is_claviger_itself_is_refused() {
    let of = |listen: &str, endpoint: &str| {
        let text = GOOD.replacen(ID, &format!("{ID}\nendpoint = \"{endpoint}\""), 1);
        said_all(&format!("{text}[listen]\nproxy = \"{listen}\"\n"))
    };
    for (listen, endpoint) in [
        ("127.0.0.1:3600", "http://127.0.0.1:3600"),
        ("127.0.0.1:3600", "http://localhost:3600"),
        ("[::1]:3600", "http://[::1]:3600"),
    ] {
        assert_eq!(
            of(listen, endpoint),
            [
                "c.toml:4: tenants.acme.endpoint: this is Claviger's own address, listen.proxy. Write the address of Logto, such as \"https://acme.logto.app\"."
            ],
            "{endpoint}"
        );
    }
    for other in ["http://127.0.0.1:3001", "http://127.0.0.2:3600", "https://logto.example:3600"] {
        assert!(of("127.0.0.1:3600", other).is_empty(), "{other}");
    }
}

fn said_all(text: &str) -> Vec<String> {
    match Bench::new().with("c.toml", text).env("S", "secret").load() {
        Ok(_) => Vec::new(),
        Err(_) => said("c.toml", text),
    }
}

/// A name that differs by a slip is ours; any other may be the application's.
#[test]
fn a_variable_of_the_short_form_that_is_misspelt_is_named() {
    let short = |more: &[(&str, &str)]| {
        let mut bench = Bench::new()
            .env("LOGTO_ENDPOINT", "https://acme.logto.app")
            .env("LOGTO_M2M_APP_ID", "app")
            .env("LOGTO_M2M_APP_SECRET", "secret")
            .env("CLAVIGER_ALLOW", "users:read");
        for (name, value) in more {
            bench = bench.env(name, value);
        }
        bench.warnings()
    };
    let said = short(&[("LOGTO_RESOURSE", "https://x.example/api")]);
    let want = "environment variable LOGTO_RESOURSE: it has no effect, because Claviger reads no such variable. Did you mean \
                LOGTO_RESOURCE?";
    assert!(said.contains(&want.to_owned()), "{said:?}");
    let said = short(&[("logto_resource", "x")]);
    assert!(said.iter().any(|it| it.ends_with("Did you mean LOGTO_RESOURCE?")), "{said:?}");
    let said = short(&[("LOGTO_APP_ID", "x"), ("LOGTO_APP_SECRET", "x"), ("LOGTO_COOKIE_SECRET", "x")]);
    assert!(!said.iter().any(|it| it.contains("Did you mean")), "{said:?}");
    let in_place = short(&[("LOGTO_RESOURCE", "https://x.example/api"), ("LOGTO_RESOURCES", "x")]);
    assert!(!in_place.iter().any(|it| it.contains("Did you mean")), "what was meant is there: {in_place:?}");
}

#[test]
fn rules_in_quotes_or_brackets_and_whole_sections_are_told_what_to_write() {
    let short = || {
        Bench::new()
            .env("LOGTO_ENDPOINT", "https://acme.logto.app")
            .env("LOGTO_M2M_APP_ID", "app")
            .env("LOGTO_M2M_APP_SECRET", "secret")
    };
    for (allow, says) in [
        ("\"users:read\"", "without quotes. Take the quotes out: CLAVIGER_ALLOW=users:read"),
        ("'users:read,ListRoles'", "Take the quotes out: CLAVIGER_ALLOW=users:read,ListRoles"),
        (
            "users:read roles:read",
            "rules are separated by commas, and there are spaces. Write CLAVIGER_ALLOW=users:read,roles:read.",
        ),
        (
            "users:read roles:read,GET /api/users",
            "and there are spaces. Write CLAVIGER_ALLOW=\"users:read,roles:read,GET /api/users\".",
        ),
        (
            "\"users:read\" \"roles:read\"",
            "without quotes. Take the quotes out: CLAVIGER_ALLOW=users:read,roles:read",
        ),
        ("[users:read]", "without brackets. Take the brackets out: CLAVIGER_ALLOW=users:read"),
    ] {
        let problems = short().env("CLAVIGER_ALLOW", allow).problems();
        assert!(problems.len() == 1 && problems[0].ends_with(says), "{allow}: {problems:?}");
    }
    assert_eq!(short().env("CLAVIGER_ALLOW", "[\"users:read\"]").warnings(), [""; 0]);
    let problems =
        short().env("CLAVIGER_ALLOW", "users:read").env("CLAVIGER_LISTEN", "0.0.0.0:3600").problems();
    let want = "environment variable CLAVIGER_LISTEN: this is a whole section, and no key of one. Write CLAVIGER_LISTEN__PROXY or \
                CLAVIGER_LISTEN__ADMIN.";
    assert_eq!(problems, [want]);
}
