//! Environment variables into a [`Node`]: `CLAVIGER_LISTEN__ADMIN=off` is `listen.admin = "off"`. A value is
//! text, or a list or table in TOML's inline form or in JSON. A variable that holds a secret does not enter the tree: it
//! becomes a reference to itself.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use super::{
    intake::{Secrets, holds_secret, names_key_file, referring},
    origin::Origin,
    path::KeyPath,
    problem::{Problem, nearest},
    read::SECTIONS,
    remarks::Remarks,
    toml,
    tree::{MAX_DEPTH, Node, Value},
    yaml,
};

/// The environment, as a value: loading reads no other.
pub type Environment = BTreeMap<OsString, OsString>;

const PREFIX: &str = "CLAVIGER_";
/// Keys that stand at the top and are not tables, and variables that are no keys: without the prefix, which is near to all.
const SINGLE: [&str; 3] = ["WORKERS", "ALLOW", "CONFIG"];
/// The file of the configuration, where the command line names none.
const CONFIG: &str = "CLAVIGER_CONFIG";
/// Read elsewhere (the short form; the choice of files).
const RESERVED: [&str; 2] = ["CLAVIGER_ALLOW", CONFIG];

/// Sections whose keys are names of one's own choice.
const NAMED: [&str; 6] = ["tenant_templates", "cloud", "issuers", "tenants", "policies", "callers"];

pub(super) fn origin(name: &str) -> Origin {
    Origin::from(format!("{}{name}", Origin::VARIABLE))
}

/// The text of a variable; `None` where it is not set or empty.
pub(super) fn text<'e>(env: &'e Environment, name: &str) -> Option<&'e str> {
    env.get(OsStr::new(name)).and_then(|value| value.to_str()).filter(|value| !value.trim().is_empty())
}

/// The file that the environment names.
pub(super) fn config(env: &Environment) -> Option<PathBuf> {
    env.get(OsStr::new(CONFIG)).filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// Warns of variables that would be read if their names were in capitals: nobody else's are called so.
fn not_in_capitals(env: &Environment, secrets: &Secrets, remarks: &mut Remarks) {
    for name in env.keys().filter_map(|name| name.to_str()).filter(|name| !name.starts_with(PREFIX)) {
        let upper = name.to_ascii_uppercase();
        let known = RESERVED.contains(&&*upper) || keys(&upper).is_some();
        let meant = with_underscores(&upper).or_else(|| known.then_some(upper));
        let Some(meant) = meant.filter(|meant| text(env, meant).is_none()) else { continue };
        // Without a key behind a name it is somebody else's.
        let is_whole = !meant.ends_with("__NAME__KEY") || name.matches('_').count() > 2;
        if is_whole && text(env, name).is_some() && !secrets.reads_variable(name) {
            remarks.warnings.push(Problem {
                key: String::new(),
                origin: Some(origin(name)),
                what: "it is not read, because its name is not in capitals".into(),
                remedy: format!("Write {meant}."),
            });
        }
    }
}

/// `CLAVIGER_LISTEN_ADMIN` as it has to be written.
fn with_underscores(name: &str) -> Option<String> {
    let path = name.strip_prefix(PREFIX)?;
    SECTIONS.iter().find_map(|section| {
        let (begin, key) = path.split_at_checked(section.len())?;
        let key = key
            .strip_prefix('_')
            .filter(|key| !key.is_empty() && !key.starts_with('_') && !key.contains("__"))?;
        let key = if NAMED.contains(section) { "NAME__KEY".into() } else { key.replace("TLS_", "TLS__") };
        begin.eq_ignore_ascii_case(section).then(|| format!("{PREFIX}{begin}__{key}"))
    })
}

/// The names that begin with the prefix, in order.
pub(super) fn names(env: &Environment) -> impl Iterator<Item = &str> {
    env.keys().filter_map(|name| name.to_str()).filter(|name| name.starts_with(PREFIX))
}

/// All configuration that the environment holds. A variable that one of `secrets` names is no key.
pub(super) fn tree(env: &Environment, secrets: &Secrets, remarks: &mut Remarks) -> Node {
    not_in_capitals(env, secrets, remarks);
    let mut root = Node::map(&Origin::from("environment"));
    for name in names(env).filter(|name| !RESERVED.contains(name)) {
        let origin = origin(name);
        let mut problem = |what: &str, remedy: String| {
            remarks.problems.push(Problem {
                key: String::new(),
                origin: Some(origin.clone()),
                what: what.into(),
                remedy,
            });
        };
        let Some(keys) = keys(name) else {
            if !is_service_link(name, text(env, name).unwrap_or_default()) && !secrets.reads_variable(name) {
                problem("no key of the configuration has this name", meant(env, name));
            }
            continue;
        };
        let path: Vec<_> = keys.iter().map(String::as_str).collect();
        let Some(value) = env.get(OsStr::new(name)).map(|value| value.to_str()) else { continue };
        let node = match value {
            Some(value) if names_key_file(&path, value) && !value.trim_start().starts_with(['[', '{']) => {
                Node::text(value, &origin)
            }
            _ if holds_secret(&path) => {
                let Some(node) = secret(name, value.unwrap_or_default(), &origin) else {
                    let what = "the value begins as a reference to a secret, and cannot be read as one";
                    problem(
                        what,
                        format!(
                            "Write {name}='{{ file = \"/run/secrets/…\" }}'; a secret that begins so goes into a file."
                        ),
                    );
                    remarks.reported.push(KeyPath::of(&path));
                    continue;
                };
                node
            }
            Some("") => {
                problem("the variable is set, but empty", "Unset it, or give it a value.".into());
                continue;
            }
            Some(value) if !value.trim_start().starts_with('{') && is_section(&path) => {
                problem("this is a whole section, and no key of one", key_of(name, value));
                continue;
            }
            Some(value) if !value.trim_start().starts_with('{') && is_named_table(&path) => {
                problem("this is a whole table, and no key of one", key_of_named(name, &path));
                remarks.reported.push(KeyPath::of(&path));
                continue;
            }
            Some(value) if value.trim_start().starts_with('{') && inline(value, &origin).is_none() => {
                let what =
                    "the value begins as a table, and is none: neither JSON nor an inline table of TOML";
                problem(what, format!("Write {name}='{{ key = \"…\" }}'."));
                remarks.reported.push(KeyPath::of(&path));
                continue;
            }
            Some(value) => node(value, &origin),
            None => {
                problem("the value is not UTF-8", "Set it to text.".into());
                continue;
            }
        };
        if !insert(&mut root, &keys, node, &origin) {
            problem(
                "another variable gives a value to the key above this one",
                "Set the one or the other.".into(),
            );
        }
    }
    root
}

/// `CLAVIGER_TENANTS__ACME__CLIENT_ID` as `tenants`, `acme`, `client_id`.
fn keys(name: &str) -> Option<Vec<String>> {
    let path = name.strip_prefix(PREFIX)?;
    let known = path.contains("__") || SECTIONS.iter().any(|section| section.eq_ignore_ascii_case(path));
    let keys: Vec<_> = path.split("__").map(str::to_ascii_lowercase).collect();
    (known && keys.len() <= MAX_DEPTH && keys.iter().all(|key| !key.is_empty())).then_some(keys)
}

/// Kubernetes sets such variables for each Service, and one may be called `claviger`:
/// `CLAVIGER_SERVICE_HOST`, `CLAVIGER_PORT=tcp://10.0.0.7:3600`, `CLAVIGER_ADMIN_PORT_3601_TCP_ADDR`.
fn is_service_link(name: &str, value: &str) -> bool {
    let words: Vec<_> = name.split('_').collect();
    let number = |word: &&str| word.parse::<u16>().is_ok();
    words.windows(2).any(|pair| matches!(pair, ["SERVICE", "HOST" | "PORT"]))
        || words.last() == Some(&"PORT") && value.contains("://")
        || words.windows(3).any(|three| {
            three[0] == "PORT" && number(&three[1]) && matches!(three[2], "TCP" | "UDP" | "SCTP")
        })
}

/// Whether the keys lead to a section whose keys have no names of their own choice.
fn is_section(path: &[&str]) -> bool {
    matches!(*path, [section] if section != "workers" && !NAMED.contains(&section))
}

/// Whether the keys lead to a table that has a name, or to all of a kind.
fn is_named_table(path: &[&str]) -> bool {
    matches!(*path, [section] | [section, _] if NAMED.contains(&section))
}

/// What to set in place of a whole section. The value is not repeated but where it is a word of the log's: it may be a secret.
fn key_of(name: &str, value: &str) -> String {
    match name.trim_start_matches(PREFIX) {
        "LISTEN" => format!("Write {name}__PROXY or {name}__ADMIN."),
        "LOG" if matches!(value, "json" | "human" | "auto") => format!("Write {name}__FORMAT={value}."),
        "LOG" if matches!(value, "error" | "warn" | "info" | "debug" | "trace") => {
            format!("Write {name}__LEVEL={value}.")
        }
        "LOG" => format!("Write {name}__LEVEL or {name}__FORMAT."),
        "ADMIN" => format!("Write {name}__TOKEN, or {PREFIX}LISTEN__ADMIN for the address."),
        "AUDIT" => format!("Write {name}__OUTPUT."),
        "REDIS" => format!("Write {name}__URL."),
        "CATALOG" => format!("Write {name}__FILE."),
        _ => format!("Two underscores stand before the key: {name}__KEY."),
    }
}

/// The variable that stands for the key at `path`, where it has one that every shell can set.
pub(super) fn name_of(path: &KeyPath) -> Option<String> {
    let steps = path.steps();
    let is_plain = |step: &&str| {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        !step.is_empty() && step.bytes().all(plain) && !step.contains("__")
    };
    steps.iter().all(is_plain).then(|| format!("{PREFIX}{}", steps.join("__").to_ascii_uppercase()))
}

/// What to set in place of a table under a name, or of all of a kind. The value is not repeated.
fn key_of_named(name: &str, path: &[&str]) -> String {
    match path {
        [_] => format!("Two underscores stand before a name and before its key: {name}__NAME__KEY."),
        ["policies", ..] => format!("Write {name}__ALLOW, such as {name}__ALLOW=users:read."),
        ["tenants", ..] => format!("Write {name}__ENDPOINT, {name}__CLIENT_ID and {name}__CLIENT_SECRET."),
        ["callers", ..] => format!("Write {name}__IDENTIFY and {name}__POLICIES."),
        ["issuers", ..] => format!("Write {name}__ISSUER and {name}__AUDIENCE."),
        _ => format!("Two underscores stand before the key: {name}__KEY."),
    }
}

fn meant(env: &Environment, name: &str) -> String {
    if matches!(name.strip_prefix(PREFIX), Some("CONFIG_FILE" | "CONFIG_PATH" | "CONFIGURATION")) {
        return format!("Did you mean {CONFIG}?");
    }
    let short = match name.trim_start_matches(PREFIX) {
        "DENY" if text(env, "LOGTO_ENDPOINT").is_none() => Some("policies.NAME.deny, in the file"),
        "DENY" => Some("CLAVIGER_POLICIES__DEFAULT__DENY"),
        "ENDPOINT" => Some("LOGTO_ENDPOINT"),
        "CLIENT_ID" | "APP_ID" => Some("LOGTO_M2M_APP_ID"),
        "CLIENT_SECRET" | "APP_SECRET" => Some("LOGTO_M2M_APP_SECRET"),
        _ => None,
    };
    if let Some(short) = short {
        return format!("Did you mean {short}?");
    }
    let listener = match name.trim_start_matches(PREFIX) {
        "HOST" | "PORT" | "ADDRESS" | "ADDR" | "BIND" | "LISTEN_HOST" | "LISTEN_PORT" | "LISTEN_ADDRESS" => {
            Some(("PROXY", 3600))
        }
        "ADMIN_PORT" | "ADMIN_ADDRESS" | "METRICS_PORT" => Some(("ADMIN", 3601)),
        _ => None,
    };
    if let Some((key, port)) = listener {
        return format!("Write {PREFIX}LISTEN__{key} with an address and a port, such as 127.0.0.1:{port}.");
    }
    match nearest(name.strip_prefix(PREFIX).unwrap_or(name), SINGLE) {
        Some(near) => format!("Did you mean {PREFIX}{near}?"),
        None => format!(
            "Two underscores stand between the keys of a path: {}.",
            with_underscores(name).unwrap_or_else(|| "CLAVIGER_LISTEN__ADMIN for listen.admin".into())
        ),
    }
}

/// Text, or a list or table in TOML's inline form, or in JSON.
pub(super) fn node(value: &str, origin: &Origin) -> Node {
    inline(value, origin).unwrap_or_else(|| Node::text(value, origin))
}

fn inline(value: &str, origin: &Origin) -> Option<Node> {
    let value = Some(value.trim()).filter(|value| value.starts_with(['[', '{']))?;
    toml::parse_inline(value, origin).or_else(|| yaml::parse_inline(value, origin))
}

/// A reference to the variable itself, unless what it holds is a reference, or a list of secrets. `None` where it begins as a
/// reference and is none: that would be taken for the secret.
fn secret(name: &str, value: &str, origin: &Origin) -> Option<Node> {
    let is_one = |item: &Node| matches!(item.value, Value::Text(_) | Value::Map(_));
    match inline(value, origin) {
        Some(node) if matches!(node.value, Value::Map(_)) => return Some(node),
        Some(Node { value: Value::Sequence(items), origin })
            if !items.is_empty() && items.iter().all(is_one) =>
        {
            return Some(Node { value: Value::Sequence(items), origin });
        }
        _ if referring(value).is_some() => return None,
        _ => {}
    }
    let mut reference = Node::map(origin);
    if let Value::Map(map) = &mut reference.value {
        map.insert("env", Node::text(name, origin));
    }
    Some(reference)
}

/// Puts `node` at `keys`; `false` where a value that is no table stands in the way.
pub(super) fn insert(root: &mut Node, keys: &[String], node: Node, origin: &Origin) -> bool {
    let Some((last, above)) = keys.split_last() else { return false };
    let mut at = root;
    for key in above {
        let Value::Map(map) = &mut at.value else { return false };
        at = map.or_insert_with(key, || Node::map(origin));
    }
    let Value::Map(map) = &mut at.value else { return false };
    map.insert(last, node);
    true
}

/// The base of relative paths in variables: the working directory.
pub(super) fn base() -> &'static Path {
    Path::new("")
}
