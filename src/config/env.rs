//! Environment variables into a [`Node`]: `CLAVIGER_LISTEN__ADMIN=off` is `listen.admin = "off"`. A value is
//! text, or a list or table in TOML's inline form. A variable that holds a secret does not enter the tree: it
//! becomes a reference to itself.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    path::Path,
};

use super::{
    intake::{Secrets, holds_secret, names_key_file},
    origin::Origin,
    problem::{Problem, nearest},
    read::SECTIONS,
    toml,
    tree::{MAX_DEPTH, Node, Value},
};

/// The environment, as a value: loading reads no other.
pub type Environment = BTreeMap<OsString, OsString>;

const PREFIX: &str = "CLAVIGER_";
/// Keys that stand at the top and are not tables, and variables that are no keys.
const SINGLE: [&str; 2] = ["CLAVIGER_WORKERS", "CLAVIGER_ALLOW"];
/// Read elsewhere (the short form; the command line).
const RESERVED: [&str; 2] = ["CLAVIGER_ALLOW", "CLAVIGER_CONFIG"];

/// `[listen]` as a whole.
const LISTEN: &str = "CLAVIGER_LISTEN";

pub(super) fn origin(name: &str) -> Origin {
    Origin::from(format!("environment variable {name}"))
}

/// The text of a variable; `None` where it is not set or empty.
pub(super) fn text<'e>(env: &'e Environment, name: &str) -> Option<&'e str> {
    env.get(OsStr::new(name)).and_then(|value| value.to_str()).filter(|value| !value.trim().is_empty())
}

/// The names that begin with the prefix, in order.
pub(super) fn names(env: &Environment) -> impl Iterator<Item = &str> {
    env.keys().filter_map(|name| name.to_str()).filter(|name| name.starts_with(PREFIX))
}

/// All configuration that the environment holds. A variable that one of `secrets` names is no key.
pub(super) fn tree(env: &Environment, secrets: &Secrets, problems: &mut Vec<Problem>) -> Node {
    let mut root = Node::map(&Origin::from("environment"));
    for name in names(env).filter(|name| !RESERVED.contains(name)) {
        let origin = origin(name);
        let mut problem = |what: &str, remedy: String| {
            problems.push(Problem {
                key: String::new(),
                origin: Some(origin.clone()),
                what: what.into(),
                remedy,
            });
        };
        let Some(keys) = keys(name) else {
            if !is_service_link(name) && !secrets.reads_variable(name) {
                problem("no key of the configuration has this name", meant(name));
            }
            continue;
        };
        let path: Vec<_> = keys.iter().map(String::as_str).collect();
        let Some(value) = env.get(OsStr::new(name)).map(|value| value.to_str()) else { continue };
        let node = match value {
            Some(value) if names_key_file(&path, value) && !value.trim_start().starts_with(['[', '{']) => {
                Node::text(value, &origin)
            }
            _ if holds_secret(&path) => secret(name, value.unwrap_or_default(), &origin),
            Some("") => {
                problem("the variable is set, but empty", "Unset it, or give it a value.".into());
                continue;
            }
            // The section of which one key is likely meant.
            Some(value) if name == LISTEN && !value.trim_start().starts_with('{') => {
                let remedy = format!("Write {LISTEN}__PROXY or {LISTEN}__ADMIN.");
                problem("this is a whole section, and no key of one", remedy);
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
fn is_service_link(name: &str) -> bool {
    let words: Vec<_> = name.split('_').collect();
    let number = |word: &&str| word.parse::<u16>().is_ok();
    words.windows(2).any(|pair| matches!(pair, ["SERVICE", "HOST" | "PORT"]))
        || words.last() == Some(&"PORT")
        || words.windows(3).any(|three| {
            three[0] == "PORT" && number(&three[1]) && matches!(three[2], "TCP" | "UDP" | "SCTP")
        })
}

fn meant(name: &str) -> String {
    match nearest(name, SINGLE) {
        Some(near) => format!("Did you mean {near}?"),
        None => "Two underscores stand between the keys of a path: CLAVIGER_LISTEN__ADMIN for listen.admin."
            .into(),
    }
}

/// Text, or a list or table in TOML's inline form.
pub(super) fn node(value: &str, origin: &Origin) -> Node {
    let inline = value.trim_start().starts_with(['[', '{']).then(|| toml::parse_inline(value.trim(), origin));
    inline.flatten().unwrap_or_else(|| Node::text(value, origin))
}

/// A reference to the variable itself, unless what it holds is a reference, or a list of secrets.
fn secret(name: &str, value: &str, origin: &Origin) -> Node {
    let is_reference = |node: &Node| match &node.value {
        Value::Map(map) => map.len() == 1 && (map.get("file").is_some() || map.get("env").is_some()),
        _ => false,
    };
    if let Some(inline) =
        value.trim_start().starts_with(['[', '{']).then(|| toml::parse_inline(value.trim(), origin)).flatten()
    {
        let written_out = match &inline.value {
            Value::Sequence(items) => {
                !items.is_empty()
                    && items.iter().all(|item| is_reference(item) || matches!(item.value, Value::Text(_)))
            }
            _ => is_reference(&inline),
        };
        if written_out {
            return inline;
        }
    }
    let mut reference = Node::map(origin);
    if let Value::Map(map) = &mut reference.value {
        map.insert("env", Node::text(name, origin));
    }
    reference
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
