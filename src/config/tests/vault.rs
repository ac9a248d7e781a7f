//! `[vault]`, `[tenant_templates.NAME]`, and what they change for the rest.

use std::time::Duration;

use super::*;
use crate::{
    config::{GivenQuota, Rotate, StoreOptions, VaultOptions},
    secret::ClientSecret,
};

const KEY: &str = "0123456789abcdef0123456789abcdef";
const VAULT: &str = "[vault]\nstore = { file = \"v.redb\" }\nkey = { env = \"K\" }\n";

fn with(rest: &str) -> Bench {
    Bench::new().with("c.toml", format!("{GOOD}{VAULT}{rest}")).env("S", "secret").env("K", KEY)
}

#[test]
fn a_vault_is_a_file_beside_the_configuration_and_a_key() {
    let config = with("").config();
    let vault = config.vault.as_ref().unwrap();
    assert!(vault.file().unwrap().ends_with("v.redb"));
    assert_eq!(vault.key.held().unwrap().expose(), KEY.as_bytes());
    let shown = serde_json::to_string(&config).unwrap();
    assert!(!shown.contains(KEY) && shown.contains("v.redb"), "{shown}");
    let printed = Bench::new()
        .with("c.toml", format!("{GOOD}[vault]\nstore = {{ file = \"v\" }}\nkey = {{ exec = [\"true\"] }}\n"))
        .env("S", "secret")
        .env("PATH", "/bin:/usr/bin")
        .config();
    assert!(matches!(printed.vault.unwrap().key, ClientSecret::Exec(_)));
}

#[test]
fn what_comes_to_nothing_is_warned_of() {
    let token = "[admin]\ntoken = { env = \"K\" }\ntenants = true\n";
    let off = with(token).with("d.toml", "listen.admin = \"off\"\n").warnings();
    assert_eq!(
        off,
        [
            "c.toml:15: admin.tenants: it has no effect: listen.admin is \"off\". Write an address into listen.admin, such as \
             \"127.0.0.1:3601\", or take it out."
        ]
    );
    assert_eq!(with(token).warnings(), [""; 0]);
    let memory = |size: &str| with(&format!("[limits]\nmemory = \"{size}\"\n")).warnings();
    assert_eq!(
        memory("10MiB"),
        [
            "c.toml:14: limits.memory: this is less than the 20 MiB that the process itself takes: few can connect, and it takes more \
             than this. Write \"64MiB\" or more, or take it out."
        ]
    );
    for size in ["0", "20MiB"] {
        assert_eq!(memory(size), [""; 0]);
    }
}

#[test]
fn a_vault_may_be_in_redis_or_kubernetes() {
    let with = |rest: &str| {
        let text = format!("{GOOD}[vault]\nkey = {{ env = \"K\" }}\n{rest}");
        Bench::new().with("c.toml", text).env("S", "secret").env("K", KEY).env("P", "hunter2")
    };
    let redis = "store = { redis = true }\n[redis]\nurl = [\"redis://s1:26379\", \"redis://s2:26379\"]\nmaster = \"main\"\n\
                 username = \"claviger\"\npassword = { env = \"P\" }\nprefix = \"shop\"\n";
    let config = with(redis).config();
    let options = config.redis.as_ref().unwrap();
    assert_eq!((options.url.len(), options.master.as_deref(), &*options.prefix), (2, Some("main"), "shop"));
    assert_eq!(config.vault.as_ref().unwrap().store, StoreOptions::Redis(Box::new(options.clone())));
    let shown = serde_json::to_string(&config).unwrap();
    assert!(!shown.contains("hunter2") && shown.contains("redis://s1:26379"), "{shown}");

    let config = with("store = { kubernetes = { namespace = \"shop\" } }\nlease = \"10s\"\n").config();
    let vault = config.vault.unwrap();
    assert_eq!((vault.lease, vault.relist), (Duration::from_secs(10), VaultOptions::RELIST));
    let StoreOptions::Kubernetes(options) = vault.store else { panic!("it is one") };
    assert_eq!((&*options.namespace, options.server), ("shop", None));
    let token = "/var/run/secrets/kubernetes.io/serviceaccount/token".into();
    assert_eq!(options.bearer, crate::secret::Bearer::File(token));
}

#[test]
fn what_is_wrong_with_a_shared_store_is_said() {
    for (text, want) in [
        (
            "[vault]\nkey = { env = \"K\" }\nstore = { redis = true }",
            "vault.store.redis: nothing says where the Redis is. Write [redis] with url",
        ),
        (
            "[vault]\nkey = { env = \"K\" }\nstore = { file = \"v\", kubernetes = { namespace = \"n\" } }",
            "vault.store: more than one store is named. Take all but one out.",
        ),
        (
            "[vault]\nkey = { env = \"K\" }\nstore = { kubernetes = { namespace = \"No.1\" } }",
            "vault.store.kubernetes.namespace: this is not the name of a namespace. Write 1 to 63 of a-z",
        ),
        (
            "[vault]\nkey = { env = \"K\" }\nstore = { kubernetes = {} }",
            "vault.store.kubernetes.namespace: nothing says in which namespace",
        ),
        (
            "[vault]\nkey = { env = \"K\" }\nstore = { kubernetes = { namespace = \"n\", server = \"http://api:8080\" } }",
            "vault.store.kubernetes.server: over http:// anybody on the way could read the token",
        ),
        (
            "[redis]\nurl = \"localhost:6379\"",
            "redis.url: this is not the address of a Redis. Write \"redis://localhost:6379\", or \"rediss://localhost:6379\" for TLS.",
        ),
        (
            "[redis]\nurl = \"redis://u:hunter2@r\"",
            "redis.url: the URL holds a user name or password. Write username",
        ),
        ("[redis]\nurl = \"redis://r\"\nprefix = \"{a}\"", "redis.prefix: a prefix is 1 to 100 of letters"),
        ("[redis]\nurl = \"redis://r\"\nusername = \"u\"", "redis.password: the user has no password"),
        ("[redis]\ntimeout = \"1s\"", "redis.url: nothing says where it is"),
        (
            "[timeouts]\nquota = \"40d\"",
            "timeouts.quota: 40d is out of range. Write a duration from \"0s\" to \"1h\".",
        ),
    ] {
        let bench = Bench::new().with("c.toml", format!("{GOOD}{text}\n")).env("S", "secret").env("K", KEY);
        let problems = bench.problems().join("\n");
        assert!(problems.contains(want), "{text}: {problems}");
        assert!(!problems.contains("hunter2"), "{problems}");
    }
}

#[test]
fn a_vault_stands_in_for_tenants_and_callers_may_name_what_it_will_have() {
    let text = format!(
        "{VAULT}[policies.p]\nallow = [\"users:read\"]\n[callers.c]\nidentify = {{ loopback = true }}\n\
         policies = [\"p\"]\ntenants = [\"acme\"]\n"
    );
    let bench = Bench::new().with("c.toml", &text).env("K", KEY);
    assert_eq!(
        bench.warnings(),
        [
            "c.toml:9: callers.c.tenants[0]: there is no tenant \"acme\" in the configuration. If the vault has it, or will, leave it; or take it out."
        ]
    );
}

#[test]
fn a_template_has_the_settings_of_a_tenant() {
    let template = "[tenant_templates.customer]\nlabels = [\"customer\"]\nquota = \"off\"\nrotate = { every = \"30d\" }\n";
    let config = with(template).config();
    let template = &config.tenant_templates[0];
    assert_eq!((template.labels[0].as_str(), template.quota), ("customer", Some(GivenQuota::Off)));
    let month = Duration::from_hours(30 * 24);
    assert_eq!(template.rotate, Some(Rotate { every: month, overlap: Rotate::OVERLAP }));
}

#[test]
fn what_is_wrong_with_a_vault_or_a_template_is_said() {
    for (text, want) in [
        (
            "[vault]\nkey = { env = \"K\" }",
            "c.toml:10: vault.store: nothing says where the vault is. Write store = { file = \"/var/lib/claviger/vault.redb\" }.",
        ),
        (
            "[vault]\nstore = { file = \"v\" }",
            "c.toml:10: vault.key: the vault has no key. Write key = { file = \"/run/secrets/vault-key\" }; make one with: openssl rand -hex 32",
        ),
        (
            "[vault]\nstore = { file = \"v\" }\nkey = { env = \"S\" }",
            "c.toml:12: vault.key: the key has 6 bytes; 32 is the least. Make one with: openssl rand -hex 32",
        ),
        (
            "[tenant_templates.x]\nrotate = { every = \"2h\", overlap = \"2h\" }",
            "c.toml:11: tenant_templates.x.rotate.overlap: the overlap is as long as the time between two rotations. Write a shorter one, such as \"1h\".",
        ),
        (
            "[tenant_templates.x]\nrotate = { overlap = \"2h\" }",
            "c.toml:11: tenant_templates.x.rotate.every: nothing says how often. Write { every = \"30d\" }.",
        ),
        (
            "[admin]\ntenants = true",
            "c.toml:10: admin.token: whoever reaches the admin listener could change tenants: there is no admin.token. Write token = { file = \"…\" }.",
        ),
        // One mistake is said once.
        (
            "[admin]\ntenants = true\ntoken = { env = \"NOT_SET\" }",
            "c.toml:12: admin.token: the environment variable NOT_SET is not set. Set NOT_SET, or write { file = \"…\" }.",
        ),
        (
            "[admin]\ntenants = true\ntoken = { file = \"/nonexistent/token\" }",
            "c.toml:12: admin.token: cannot read the file /nonexistent/token: there is no such file. Look at the path, and at what is mounted there.",
        ),
    ] {
        let bench = Bench::new().with("c.toml", format!("{GOOD}{text}\n")).env("S", "secret").env("K", KEY);
        assert_eq!(bench.problems(), [want], "{text}");
    }
}
