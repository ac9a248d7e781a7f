//! The files in config/ are true: the example loads, shows the defaults, and leaves no key out; the schema is
//! the one that the code has.

use std::collections::BTreeSet;

use ::toml::de::{DeTable, DeValue};
use serde_json::{Value, json};

use super::*;

const EXAMPLE: &str = include_str!("../../../config/example.toml");
const MINIMAL: &str = include_str!("../../../config/minimal.toml");
const CATALOG: &str = include_str!("../../../config/catalog.tsv");

fn example() -> Bench {
    let bench = Bench::new();
    Tls::new().write(&bench);
    bench.write("jwks.json", r#"{"keys":[{"kty":"OKP"}]}"#);
    bench.write("catalog.tsv", CATALOG);
    bench
        .with("example.toml", EXAMPLE.replace("REPLACE_WITH_APP_ID", "app"))
        .env("ACME_SECRET_EXAMPLE", "secret")
        .env("BILLING_KEY_EXAMPLE", "a-key-of-twenty-bytes")
        .env("LOGTO_CLOUD_PAT_EXAMPLE", "pat_example")
        .env("BROKER_KEY_EXAMPLE", "0123456789012345678901234567890123456789")
        .env("REDIS_PASSWORD_EXAMPLE", "password")
        .env("REDIS_TOKEN_KEY_EXAMPLE", "0123456789012345678901234567890123456789")
        .env("VAULT_KEY_EXAMPLE", "0123456789012345678901234567890123456789")
        .env("ISSUER_BEARER_EXAMPLE", "a-token")
        .env("ADMIN_TOKEN_EXAMPLE", "0123456789012345678901234567890123456789")
}

fn as_json(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => json!(text),
        DeValue::Integer(number) => json!(number.to_string().parse::<i64>().unwrap()),
        DeValue::Float(number) => json!(number.as_str().parse::<f64>().unwrap()),
        DeValue::Boolean(flag) => json!(flag),
        DeValue::Datetime(_) => panic!("no dates here"),
        DeValue::Array(items) => items.iter().map(|item| as_json(item.get_ref())).collect(),
        DeValue::Table(table) => table_as_json(table),
    }
}

fn table_as_json(table: &DeTable<'_>) -> Value {
    let members = table.iter().map(|(key, value)| (key.get_ref().to_string(), as_json(value.get_ref())));
    Value::Object(members.collect())
}

fn parsed(text: &str) -> Value {
    table_as_json(DeTable::parse(text).unwrap().get_ref())
}

/// Whether an editor would see nothing wrong with a file.
pub(super) fn schema_accepts(text: &str) -> bool {
    static VALIDATOR: std::sync::LazyLock<jsonschema::Validator> =
        std::sync::LazyLock::new(|| jsonschema::draft202012::new(&schema()).unwrap());
    DeTable::parse(text).is_ok_and(|table| VALIDATOR.is_valid(&table_as_json(table.get_ref())))
}

#[test]
fn a_duration_has_a_unit_that_there_is() {
    let accepts = |text: &str| schema_accepts(&format!("[timeouts]\nresponse = {text:?}\n"));
    for fine in ["0", "5s", "500ms", "1m 30s", "1h30m", "2 days", "3 months", "1y", "10µs", "7nanos"] {
        assert!(accepts(fine), "{fine}");
    }
    for wrong in ["5x", "5", "s", "5 Tage"] {
        assert!(!accepts(wrong), "{wrong}");
    }
}

/// All keys below a schema, with `*` for names and `[]` for elements.
fn schema_keys(schema: &Value, root: &Value, at: &str, keys: &mut BTreeSet<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        return schema_keys(&root["$defs"][name.trim_start_matches("#/$defs/")], root, at, keys);
    }
    for (key, below) in schema["properties"].as_object().into_iter().flatten() {
        let at = format!("{at}.{key}");
        keys.insert(at.clone());
        schema_keys(below, root, &at, keys);
    }
    if schema["additionalProperties"].is_object() {
        schema_keys(&schema["additionalProperties"], root, &format!("{at}.*"), keys);
    }
    for form in schema["anyOf"].as_array().into_iter().flatten() {
        schema_keys(form, root, at, keys);
    }
    if schema["items"].is_object() {
        schema_keys(&schema["items"], root, at, keys);
    }
}

fn used_keys(value: &Value, at: &str, keys: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (key, below) in map {
                let named = matches!(
                    at,
                    ".issuers"
                        | ".tenant_templates"
                        | ".cloud"
                        | ".tenants"
                        | ".policies"
                        | ".callers"
                        | ".tenants.*.parameters"
                ) || [".allow.query", ".jwt.claims"].iter().any(|names| at.ends_with(names));
                let at = format!("{at}.{}", if named { "*" } else { key });
                keys.insert(at.clone());
                used_keys(below, &at, keys);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| used_keys(item, at, keys)),
        _ => {}
    }
}

#[test]
fn the_schema_file_is_the_schema() {
    let want = format!("{}\n", serde_json::to_string_pretty(&schema()).unwrap());
    if std::env::var_os("CLAVIGER_TEST_WRITE").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/config/schema.json"), &want).unwrap();
        return;
    }
    assert!(want == SCHEMA, "config/schema.json is old: run make docs");
}

#[test]
fn the_example_leaves_no_key_out() {
    let (schema, mut known, mut used) = (schema(), BTreeSet::new(), BTreeSet::new());
    schema_keys(&schema, &schema, "", &mut known);
    assert!(known.len() > 70, "{known:?}");
    used_keys(&parsed(EXAMPLE), "", &mut used);
    // The other forms of a secret, and of roots.
    let mut forms = vec![
        ".client_secret.file",
        ".api_key.file",
        ".key.file",
        ".tls.key.env",
        ".roots.file",
        ".jwks.file",
        ".bearer.file",
        ".admin.token.file",
    ];
    forms.extend([".client_secret.exec", ".client_secret.ttl", ".client_secret.timeout"]);
    forms.extend([".bearer.exec", ".bearer.ttl", ".bearer.timeout"]);
    forms.extend([".token.exec", ".token.ttl", ".token.timeout", ".token.file"]);
    forms.extend([".password.file", ".password.exec", ".password.ttl", ".password.timeout"]);
    forms.extend([".sentinel_password.file", ".sentinel_password.exec", ".sentinel_password.ttl"]);
    forms.extend([".sentinel_password.timeout"]);
    let kubernetes = ["", ".namespace", ".server", ".bearer", ".bearer.env", ".tls", ".tls.roots"];
    let kubernetes = kubernetes.map(|key| format!(".vault.store.kubernetes{key}"));
    forms.extend(kubernetes.iter().map(String::as_str));
    forms.push(".vault.store.redis");
    forms.extend([".token_key.file", ".token_key.exec", ".token_key.ttl", ".token_key.timeout"]);
    forms.extend([".vault.key.exec", ".vault.key.ttl", ".vault.key.timeout"]);
    let missing: Vec<_> =
        known.difference(&used).filter(|key| !forms.iter().any(|form| key.ends_with(form))).collect();
    assert!(missing.is_empty(), "not in config/example.toml: {missing:?}");
    for section in read::SECTIONS {
        assert!(known.contains(&format!(".{section}")), "{section}");
    }
    assert_eq!(schema["properties"].as_object().unwrap().len(), read::SECTIONS.len());
}

#[test]
fn every_key_is_described() {
    fn walk(schema: &Value) {
        for (key, below) in schema["properties"].as_object().into_iter().flatten() {
            assert!(below["description"].is_string(), "{key} has no description: {below}");
        }
        match schema {
            Value::Object(map) => map.values().for_each(walk),
            Value::Array(items) => items.iter().for_each(walk),
            _ => {}
        }
    }
    walk(&schema());
}

#[test]
fn the_schema_accepts_the_examples_and_refuses_what_is_wrong() {
    let validator = jsonschema::draft202012::new(&schema()).unwrap();
    let errors = |text: &str| validator.iter_errors(&parsed(text)).map(|e| e.to_string()).collect::<Vec<_>>();
    assert_eq!(errors(EXAMPLE), Vec::<String>::new());
    assert_eq!(errors(MINIMAL), Vec::<String>::new());
    for wrong in [
        "tenant = 1",
        "workers = \"x\"",
        "[listen]\nprxy = []",
        "[callers.a]\ntenants = [{ labels = \"x\" }]",
        "[tenants.a]\nclient_secret = { file = \"x\", env = \"y\" }",
        "[tenants.a]\nquota = \"on\"",
        "[log]\nformat = \"xml\"",
        "[callers.a]\nidentify = { loopback = true, unix_uid = 1 }",
        "[callers.a]\nidentify = { loopback = true, issuer = \"k\" }",
        "[callers.a]\nissue = \"both\"",
        "[issuers.a]\nalgorithms = [\"HS256\"]",
        "[issuers.a]\nbearer = { file = \"x\", env = \"y\" }",
        "[policies.a]\ndeny = [{ operation = \"ListUsers\" }]",
        "[policies.a]\nallow = [{ operation = \"ListUsers\", query = { page = { most = 1 } } }]",
        "[limits]\nbody = \"1 potato\"",
    ] {
        assert!(!errors(wrong).is_empty(), "{wrong}");
    }
}

#[test]
fn the_minimal_file_is_one() {
    let filled_in = MINIMAL.replace("REPLACE_WITH_APP_ID", "app");
    let bench = Bench::new().with("minimal.toml", filled_in).env("ACME_SECRET", "secret");
    let config = bench.config();
    assert_eq!((config.tenants.len(), config.callers.len()), (1, 1));
}

#[test]
fn the_example_loads_and_shows_the_defaults() {
    let loaded = example().load().unwrap_or_else(|problems| panic!("{problems}"));
    let warnings: Vec<_> = loaded.warnings.iter().map(|warning| warning.what.clone()).collect();
    assert!(warnings.is_empty(), "{warnings:?}");

    let (mut shown, mut default) = (in_effect(&loaded.config), in_effect(&Config::default()));
    // Examples for keys that are left out by default, as their comments say.
    for (pointer, comment) in [
        ("/workers", "default: one a core, at most four"),
        ("/listen/public_url", "default: as the caller addressed us"),
        ("/listen/allowed_hosts", "default: none"),
        ("/listen/allowed_origins", "default: no web page"),
        ("/listen/tls", "default: no TLS"),
        ("/audit", "default: \"off\""),
        ("/broker/key", "default: made of each tenant's client secret"),
        ("/admin/token", "default: none on a loopback address"),
        ("/catalog/file", "default: none"),
        ("/vault", "default: no vault"),
        ("/redis", "default: no Redis"),
    ] {
        assert!(EXAMPLE.contains(comment), "{comment}");
        for side in [&mut shown, &mut default] {
            *side.pointer_mut(pointer).unwrap() = Value::Null;
        }
    }
    for section in read::SECTIONS {
        if !["issuers", "tenant_templates", "cloud", "tenants", "policies", "callers"].contains(&section) {
            assert_eq!(shown[section], default[section], "{section}");
        }
    }

    let minimal = Bench::new().with("c.toml", GOOD).env("S", "secret").config();
    let (shown, default) = (&shown["tenants"]["acme"], &in_effect(&minimal)["tenants"]["acme"]);
    for key in ["endpoint", "resource", "client_auth", "scopes", "quota", "max_in_flight", "tls"] {
        assert_eq!(shown[key], default[key], "{key}");
    }
    assert_eq!(default["organization_id"], Value::Null);
    assert_eq!(default["parameters"], json!({}));
}
