//! What every kind of source becomes: one tree in which each value knows its place. Every scalar is text,
//! whatever its type was in TOML, YAML or JSON, so that a client ID `0123` keeps its zero and a value means
//! the same in a file and in an environment variable. Here literal secrets leave the tree before anything
//! else sees it. A node has no `Debug`: until then it may hold one.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use zeroize::Zeroizing;

use super::{
    Origin,
    path::KeyPath,
    problem::{Mistake, Problem},
};
use crate::{
    ids::TenantName,
    secret::{Secret, SecretSource},
};

/// Deeper than any configuration; a bound for the recursive walks.
pub(super) const MAX_DEPTH: usize = 16;
/// More values than any configuration has.
pub(super) const MAX_NODES: usize = 1_000_000;

/// A value and the place where it is written (for a member of a map: where its key is).
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

pub(super) enum Value {
    Text(Zeroizing<String>),
    /// The place of a secret in [`Secrets`]. No source can write one.
    Secret(usize),
    Sequence(Vec<Node>),
    Map(BTreeMap<String, Node>),
}

impl Node {
    pub(super) fn text(text: impl Into<String>, origin: &Origin) -> Self {
        Self { value: Value::Text(Zeroizing::new(text.into())), origin: origin.clone() }
    }

    pub(super) fn map(origin: &Origin) -> Self {
        Self { value: Value::Map(BTreeMap::new()), origin: origin.clone() }
    }

    pub(super) fn sequence(items: Vec<Self>, origin: &Origin) -> Self {
        Self { value: Value::Sequence(items), origin: origin.clone() }
    }

    /// The member `key` of a map.
    pub(super) fn member(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(map) => map.get(key),
            _ => None,
        }
    }

    /// Whether this is a map without members.
    pub(super) fn is_empty(&self) -> bool {
        matches!(&self.value, Value::Map(map) if map.is_empty())
    }

    /// The element `index` of a sequence.
    pub(super) fn element(&self, index: usize) -> Option<&Self> {
        match &self.value {
            Value::Sequence(items) => items.get(index),
            _ => None,
        }
    }
}

/// Names `file:line`.
pub(super) struct Lines {
    file: String,
    starts: Vec<usize>,
}

impl Lines {
    pub(super) fn new(file: &Path, text: &str) -> Self {
        let starts = memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1).collect();
        Self { file: file.display().to_string(), starts }
    }

    /// The place of the byte at `offset`.
    pub(super) fn at(&self, offset: usize) -> Origin {
        self.line(self.starts.partition_point(|start| *start <= offset) + 1)
    }

    /// The place of a line, counted from 1.
    pub(super) fn line(&self, line: usize) -> Origin {
        Origin(Arc::from(format!("{}:{line}", self.file)))
    }
}

/// The secrets of all sources, and where each stands. Literal ones are zeroed on drop.
#[derive(Debug, Default)]
pub(super) struct Secrets(Vec<SecretSource>);

impl Secrets {
    pub(super) fn at(&self, slot: usize) -> Option<&SecretSource> {
        self.0.get(slot)
    }

    /// Whether some secret is taken from the environment variable `name`.
    pub(super) fn reads_variable(&self, name: &str) -> bool {
        self.0.iter().any(|source| matches!(source, SecretSource::Env(known) if known == name))
    }

    pub(super) fn keep(&mut self, source: SecretSource) -> Value {
        self.0.push(source);
        Value::Secret(self.0.len() - 1)
    }
}

/// Whether the value at `path` is a secret, a reference to one, or a list of these. A misplaced or misspelt
/// key counts as well: what stands there is no less secret for that.
pub(super) fn holds_secret(path: &KeyPath) -> bool {
    let sounds_like = |key: &str| {
        let key = key.to_ascii_lowercase();
        ["secret", "api_key", "apikey", "password"].iter().any(|word| key.contains(word))
    };
    match path.steps()[..] {
        ["tenants", _, "parameters", ..] | [.., "api_key_sha256"] => false,
        // Names that the issuer and Logto chose.
        ["callers", _, "identify", .., "jwt", "claims", _] => false,
        ["policies", _, "allow", .., "query", _] | ["policies", _, "allow", .., "query", _, _] => false,
        ["broker", "key"] | ["listen", "tls", "key"] => true,
        // A name may hold any of the words; what is no name is a key gone astray.
        ["issuers" | "tenants" | "policies" | "callers", name] => {
            TenantName::parse(name).is_err() && sounds_like(name)
        }
        [.., key] => sounds_like(key),
        [] => false,
    }
}

/// Whether `text` at `path` is the path of a file that holds the secret, and not the secret itself. Where it
/// could be a key all the same, it is taken for one: a path is shown in messages.
pub(super) fn names_key_file(path: &KeyPath, text: &str) -> bool {
    let is_key =
        text.contains("-----") || text.contains(['\n', '\r']) || (text.len() > 60 && text.starts_with("MI"));
    path.steps()[..] == ["listen", "tls", "key"] && !text.is_empty() && !is_key
}

/// Whether the value at `path` is a list in which tables may stand.
fn may_hold_tables(path: &KeyPath) -> bool {
    matches!(path.steps()[..], ["policies", _, "allow"] | ["callers", _, "tenants"])
}

/// Whether the text at `path` is a path, relative to the file that it stands in.
fn is_path(path: &KeyPath) -> bool {
    matches!(path.steps()[..], [.., "file"] | ["listen", "tls", "cert" | "client_ca" | "crl"])
}

/// `path` as it may be shown before anybody knows which keys there are: a misread secret can end up as the key
/// of a map, so nothing below a secret is named, and no key that looks unlike one.
pub(super) fn without_secret(path: &KeyPath) -> KeyPath {
    let mut above = path.prefixes().filter(holds_secret);
    above.next().as_ref().unwrap_or(path).hiding_odd()
}

/// Puts a tree into the form that layers are merged in: secrets become slots (so that a later reference
/// replaces an earlier one whole), `identify`, `allow` and `tenants` become lists (for the same reason), and relative paths become relative to
/// `base`, the directory of the file that names them.
pub(super) struct Intake<'a> {
    pub(super) base: &'a Path,
    pub(super) secrets: &'a mut Secrets,
    pub(super) problems: &'a mut Vec<Problem>,
    /// Values that were refused here; nobody should call them missing.
    pub(super) told: &'a mut Vec<KeyPath>,
}

impl Intake<'_> {
    pub(super) fn take(&mut self, root: &mut Node) {
        self.walk(&KeyPath::default(), root);
    }

    fn walk(&mut self, path: &KeyPath, node: &mut Node) {
        match &mut node.value {
            Value::Map(map) => {
                map.retain(|key, child| {
                    let path = path.key(key);
                    if holds_secret(&path) {
                        return self.take_secrets(&path, child);
                    }
                    if is_path(&path)
                        && let Value::Text(text) = &mut child.value
                        && !text.is_empty()
                    {
                        *text = Zeroizing::new(self.base.join(text.as_str()).display().to_string());
                    }
                    self.walk(&path, child);
                    true
                });
                // Such a list without brackets may be a single table.
                if path.last_key() == Some("identify") || may_hold_tables(path) {
                    let alone = Node { value: Value::Map(std::mem::take(map)), origin: node.origin.clone() };
                    node.value = Value::Sequence(vec![alone]);
                }
            }
            Value::Sequence(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.walk(&path.index(index), item);
                }
            }
            Value::Text(_) | Value::Secret(_) => {}
        }
    }

    /// Whether anything is left of the node.
    fn take_secrets(&mut self, path: &KeyPath, node: &mut Node) -> bool {
        if let Value::Sequence(items) = &mut node.value {
            let mut index = 0;
            items.retain_mut(|item| {
                let path = path.index(index);
                index += 1;
                self.take_secret(&path, item)
            });
            return true;
        }
        self.take_secret(path, node)
    }

    fn take_secret(&mut self, path: &KeyPath, node: &mut Node) -> bool {
        if let Value::Text(text) = &node.value
            && names_key_file(path, text)
        {
            let file = SecretSource::File(self.base.join(text.as_str()));
            node.value = self.secrets.keep(file);
            return true;
        }
        match self.source(&mut node.value) {
            Ok(Some(source)) => {
                node.value = self.secrets.keep(source);
                true
            }
            Ok(None) => true,
            Err(mistake) => {
                self.told.push(path.clone());
                self.problems.push(Problem {
                    key: path.to_string(),
                    origin: Some(node.origin.clone()),
                    what: mistake.what,
                    remedy: mistake.remedy,
                });
                false
            }
        }
    }

    /// The secret that `value` is or names; `None` where it was taken before. Says nothing of what it holds: a
    /// misread secret can end up as the key of a map.
    fn source(&self, value: &mut Value) -> Result<Option<SecretSource>, Mistake> {
        const FORMS: &str = "Write { file = \"/run/secrets/…\" } or { env = \"NAME\" }";
        let map = match value {
            Value::Secret(_) => return Ok(None),
            Value::Text(text) => {
                let bytes = std::mem::take(&mut **text).into_bytes();
                return Ok(Some(SecretSource::Literal(Secret::new(bytes))));
            }
            Value::Sequence(_) => {
                return Err(Mistake::new("a list stands where one secret is wanted", format!("{FORMS}.")));
            }
            Value::Map(map) => map,
        };
        let mut members = map.iter();
        let (Some((key, node)), None) = (members.next(), members.next()) else {
            return Err(Mistake::new(
                "a reference to a secret has exactly one of the keys `file` and `env`",
                format!("{FORMS}."),
            ));
        };
        match (key.as_str(), &node.value) {
            ("file" | "env", Value::Text(text)) if text.is_empty() => {
                Err(Mistake::new(format!("the {key} of this reference is empty"), format!("{FORMS}.")))
            }
            ("file", Value::Text(text)) => Ok(Some(SecretSource::File(self.base.join(text.as_str())))),
            ("env", Value::Text(text)) => Ok(Some(SecretSource::Env(text.to_string()))),
            ("file" | "env", _) => {
                Err(Mistake::new(format!("the {key} of this reference is not text"), format!("{FORMS}.")))
            }
            _ => Err(Mistake::new(
                "this reference to a secret has neither the key `file` nor the key `env`",
                format!("{FORMS}."),
            )),
        }
    }
}
