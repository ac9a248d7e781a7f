//! `docs/reference/configuration.md` is written from the declarations: key, type, default, description.

use std::{collections::BTreeSet, fmt::Write as _};

use serde_json::Value;

use super::*;
use crate::config::{
    restart,
    section::AfterRestart,
    sections::{
        AdminOptions, AuthzOptions, BrokerOptions, Limits, Log, Reload, Retry, Shutdown, Timeouts,
        TokenOptions,
    },
};

const WRITTEN: &str = include_str!("../../../docs/reference/configuration.md");
const HEAD: &str = "\
# Configuration keys

<!-- Written by `make docs` from the declarations in src/config/; change those. -->

Each key with its type, its default, and what it is for. [config/example.toml](../../config/example.toml) shows each key in its place,
[config/minimal.toml](../../config/minimal.toml) the least that works; `claviger schema` prints the JSON Schema ([in an editor](commands.md#in-an-editor)).

**Files** are TOML, YAML or JSON, by their extension: those of `--config` in that order, a later one wins key by key; without any, the one that
`CLAVIGER_CONFIG` names, else the first there is of `./claviger.toml` and `/etc/claviger/claviger.toml`. The environment
(`CLAVIGER_LISTEN__ADMIN=off` for `listen.admin`) wins over files. Unknown keys are errors; `claviger check` reports all problems that can be found at once.
Changes are taken up while running, within `reload.interval` or on SIGHUP; a file that is wrong leaves the old configuration in force.

**A secret** is `{ file = \"PATH\" }` or `{ env = \"NAME\" }`; written out it works and earns a warning, but not as `vault:…`, `${…}` or `{{ … }}`, which other programs replace. A tenant's can be what a command prints, such as
`{ exec = [\"vault\", \"kv\", \"get\", \"…\"] }` ([secrets.md](../secrets.md)). **Durations** are `\"10s\"` or `\"1m 30s\"`, **sizes** bytes or `\"64KiB\"`, **rates**
`{ requests = 200, per = \"10s\", burst = 200 }` (`burst` left out: as many as `requests`).

**The short form**, for one tenant without a file: `LOGTO_ENDPOINT`, `LOGTO_M2M_APP_ID`, `LOGTO_M2M_APP_SECRET` or `LOGTO_M2M_APP_SECRET_FILE`,
`CLAVIGER_ALLOW` (rules separated by commas), and `LOGTO_RESOURCE` where the default does not fit. They make a tenant `default` and a caller `local`,
authenticated by loopback. Other keys of `tenants.default` can be set
beside them in the environment (`CLAVIGER_TENANTS__DEFAULT__…`), those of `policies.default` also in a file. The caller `local` cannot be changed: with any `[callers.NAME]`
there is none.

NAME stands for a name of your choice. A value that is marked *restart* takes effect only after one; all others are
taken up while running.

";

/// A key that holds a value, as its schema has it.
struct Key {
    path: String,
    schema: Value,
}

fn keys(root: &Value, node: &Value, path: &str, into: &mut Vec<Key>) {
    let resolved = resolved(root, node);
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    if let Some(members) = resolved["properties"].as_object() {
        members.iter().for_each(|(key, member)| keys(root, member, &below(key), into));
    } else if resolved["additionalProperties"].is_object() && !path.contains('.') {
        keys(root, &resolved["additionalProperties"], &below("NAME"), into);
    } else {
        into.push(Key { path: path.to_owned(), schema: node.clone() });
    }
}

fn resolved<'s>(root: &'s Value, node: &'s Value) -> &'s Value {
    match node["$ref"].as_str().and_then(|name| name.rsplit('/').next()) {
        Some(name) => &root["$defs"][name],
        None => node,
    }
}

/// The type of a key, in a word or two.
fn kind(schema: &Value) -> String {
    if let Some(words) = schema["enum"].as_array() {
        return words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    }
    if let Some(forms) = schema["anyOf"].as_array() {
        if forms.iter().any(|form| form["properties"]["env"].is_object()) {
            return "secret".into();
        }
        if let Some(list) = forms.iter().find(|form| form["type"] == "array") {
            return match kind(&list["items"]).as_str() {
                "secret" => "secret, or two".into(),
                "table" => "table, or a list".into(),
                item => format!("list ({item})"),
            };
        }
        let mut kinds: Vec<_> = forms.iter().map(kind).collect();
        kinds.dedup();
        return kinds.join(", ");
    }
    let has_example =
        |text: &str| schema["examples"].as_array().is_some_and(|them| them.contains(&text.into()));
    match &schema["type"] {
        Value::Array(_) if schema["pattern"].as_str().is_some_and(|pattern| pattern.contains("KiB")) => {
            "size".into()
        }
        Value::Array(_) => "octal".into(),
        Value::String(kind) => match kind.as_str() {
            "boolean" => "`true`, `false`".into(),
            "integer" => "whole number".into(),
            "number" => "fraction".into(),
            "object" => "table".into(),
            _ if has_example("10s") => "duration".into(),
            _ if schema["examples"].is_array() => "address".into(),
            _ if schema["minLength"].is_number() => "path".into(),
            _ => "text".into(),
        },
        _ if schema["$ref"].is_string() => "table".into(),
        other => panic!("no word for the type {other} of {schema}"),
    }
}

/// The configuration in effect when nothing is given that may be left out.
fn defaults() -> Value {
    let minimal = include_str!("../../../config/minimal.toml").replace("REPLACE_WITH_APP_ID", "app");
    let bench = Bench::new()
        .with("minimal.toml", minimal)
        .env("ACME_SECRET", "secret")
        .env("CLAVIGER_ISSUERS__X__ISSUER", "https://issuer.example")
        .env("CLAVIGER_ISSUERS__X__AUDIENCE", "claviger");
    in_effect(&bench.load().unwrap_or_else(|problems| panic!("{problems}")).config)
}

/// The default, and the description without it.
fn default(key: &Key, kind: &str, defaults: &Value) -> (String, String) {
    let description = key.schema["description"].as_str().expect("every key is described");
    if let Some((description, default)) = description.split_once(" Left out: ") {
        let (default, rest) = default.split_once(". ").unwrap_or((default.trim_end_matches('.'), ""));
        return (default.to_owned(), format!("{description} {rest}").trim_end().to_owned());
    }
    if let Some(description) = description.strip_suffix(" Required.") {
        return ("required".into(), description.to_owned());
    }
    let name = match key.path.split('.').next() {
        Some("issuers") => "x",
        Some("tenants") => "acme",
        _ => "local",
    };
    let pointer = format!("/{}", key.path.replace("NAME", name).replace('.', "/"));
    let value = match defaults.pointer(&pointer).unwrap_or(&Value::Null) {
        Value::Null => "none".into(),
        Value::Object(members) if members.is_empty() => "none".into(),
        value if kind == "size" => format!("`{}`", size(value)),
        value => format!("`{value}`").replace("\",\"", "\", \""),
    };
    (value, description.to_owned())
}

fn size(bytes: &Value) -> String {
    let bytes = bytes.as_u64().expect("a size is a number of bytes");
    match bytes {
        _ if bytes.is_multiple_of(1 << 20) => format!("\"{}MiB\"", bytes >> 20),
        _ if bytes.is_multiple_of(1 << 10) => format!("\"{}KiB\"", bytes >> 10),
        _ => bytes.to_string(),
    }
}

/// The keys that wait for a restart; of `audit`, all.
fn restarts() -> BTreeSet<&'static str> {
    fn declared<T>(table: &[AfterRestart<T>]) -> Vec<&'static str> {
        table.iter().map(|(key, _)| *key).collect()
    }
    [
        declared(&restart::KEYS),
        declared(Timeouts::RESTART),
        declared(Limits::RESTART),
        declared(Retry::RESTART),
        declared(TokenOptions::RESTART),
        declared(BrokerOptions::RESTART),
        declared(AdminOptions::RESTART),
        declared(AuthzOptions::RESTART),
        declared(Log::RESTART),
        declared(Reload::RESTART),
        declared(Shutdown::RESTART),
    ]
    .concat()
    .into_iter()
    .collect()
}

fn reference() -> String {
    let (schema, defaults, restarts) = (schema(), defaults(), restarts());
    let mut text = String::from(HEAD);
    for section in read::SECTIONS {
        let node = &schema["properties"][section];
        let mut below = Vec::new();
        keys(&schema, node, section, &mut below);
        let _ = write!(text, "## `{section}`\n\n{}\n\n", node["description"].as_str().expect("described"));
        text.push_str("| key | type | default | |\n|---|---|---|---|\n");
        for key in &below {
            let kind = kind(&key.schema);
            let (default, mut description) = default(key, &kind, &defaults);
            let waits = |known: &&str| key.path == **known || key.path.split('.').next() == Some(known);
            if restarts.iter().any(waits) {
                description.push_str(" *restart*");
            }
            let _ = writeln!(text, "| `{}` | {kind} | {default} | {description} |", key.path);
        }
        text.push('\n');
    }
    text.trim_end().to_owned() + "\n"
}

#[test]
fn the_reference_is_written_from_the_declarations() {
    let want = reference();
    if std::env::var_os("CLAVIGER_TEST_WRITE").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/configuration.md"), &want)
            .unwrap();
        return;
    }
    assert!(want == WRITTEN, "docs/reference/configuration.md is old: run make docs");
}
