//! `[vault]`, `[tenant_templates.NAME]`, and what they change for the rest.

use std::time::Duration;

use super::*;
use crate::{
    config::{GivenQuota, Rotate},
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
    assert!(vault.file.ends_with("v.redb"));
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
    ] {
        let bench = Bench::new().with("c.toml", format!("{GOOD}{text}\n")).env("S", "secret").env("K", KEY);
        assert_eq!(bench.problems(), [want], "{text}");
    }
}
