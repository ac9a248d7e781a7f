//! Takes literal secrets out of a tree before figment, an error message or anything else sees them: each becomes
//! the number of its place among the [`Secrets`]. And brings a tree into the form that layers are merged in.

use std::{path::Path, sync::Arc};

use zeroize::Zeroizing;

use super::{
    exec,
    from_text::unexpanded,
    origin::Origin,
    path::{KeyPath, Trail},
    path_or_url::no_path,
    problem::{Mistake, Problem, nearest},
    tree::{Node, Value},
};
use crate::{
    ids::TenantName,
    secret::{Secret, SecretSource, names_variable},
};

/// The secrets of all sources, and where each stands. Literal ones are zeroed on drop.
#[derive(Debug, Default)]
pub(super) struct Secrets(Vec<SecretSource>);

impl Secrets {
    pub(super) fn at(&self, id: usize) -> Option<&SecretSource> {
        self.0.get(id)
    }

    /// Whether some secret is taken from the environment variable `name`.
    pub(super) fn reads_variable(&self, name: &str) -> bool {
        self.0.iter().any(|source| matches!(source, SecretSource::Env(known) if known == name))
    }

    /// The files that secrets are taken from.
    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().filter_map(|source| match source {
            SecretSource::File(path) => Some(&**path),
            _ => None,
        })
    }

    pub(super) fn keep(&mut self, source: SecretSource) -> Value {
        self.0.push(source);
        Value::Secret(self.0.len() - 1)
    }
}

/// Whether the value at the end of `steps` is a secret, a reference to one, or a list of these. A misplaced or misspelt
/// key counts as well: what stands there is no less secret for that.
pub(super) fn holds_secret(steps: &[&str]) -> bool {
    match *steps {
        ["tenants", _, "parameters", ..] | [.., "api_key_sha256"] => false,
        // Names that the issuer and Logto chose.
        ["callers", _, "identify", .., "jwt", "claims", _] => false,
        ["policies", _, "allow", .., "query", _] | ["policies", _, "allow", .., "query", _, _] => false,
        ["broker", "key"]
        | ["admin", "token"]
        | ["listen", "tls", "key"]
        | ["issuers", _, "bearer"]
        | ["cloud", _, "token"]
        | ["redis", "token_key"]
        | ["vault", "key"]
        | ["vault", "store", "kubernetes", "bearer"] => true,
        // A name may hold any of the words; what is no name is a key gone astray.
        ["issuers" | "tenants" | "tenant_templates" | "cloud" | "policies" | "callers", name] => {
            TenantName::parse(name).is_err() && sounds_like(name)
        }
        [.., key] => sounds_like(key),
        [] => false,
    }
}

/// Whether a key has a word in it that names secrets, whatever its case.
fn sounds_like(key: &str) -> bool {
    const WORDS: [&[u8]; 5] = [b"secret", b"api_key", b"apikey", b"password", b"bearer"];
    WORDS.iter().any(|word| key.as_bytes().windows(word.len()).any(|part| part.eq_ignore_ascii_case(word)))
}

/// Whether `text` at the end of `steps` is the path of a file that holds the secret, and not the secret itself. Where it
/// could be a key all the same, it is taken for one: a path is shown in messages.
pub(super) fn names_key_file(steps: &[&str], text: &str) -> bool {
    let is_key =
        text.contains("-----") || text.contains(['\n', '\r']) || (text.len() > 60 && text.starts_with("MI"));
    *steps == ["listen", "tls", "key"] && !text.is_empty() && !is_key
}

/// Whether the value at the end of `steps` is a list in which tables may stand.
fn may_hold_tables(steps: &[&str]) -> bool {
    matches!(*steps, [.., "identify"] | ["policies", _, "allow"] | ["callers", _, "tenants"])
}

/// Whether the text at the end of `steps` is a path, relative to the file that it stands in.
fn is_path(steps: &[&str]) -> bool {
    matches!(*steps, [.., "file"] | ["listen", "tls", "cert" | "client_ca" | "crl"])
}

/// `path` as it may be shown before anybody knows which keys there are: a misread secret can end up as the key
/// of a map, so nothing below a secret is named, and no key that looks unlike one.
pub(super) fn without_secret(path: &KeyPath) -> KeyPath {
    let mut above = path.prefixes().filter(|path| holds_secret(&path.steps()));
    above.next().as_ref().unwrap_or(path).hiding_odd()
}

/// Puts a tree into the form that layers are merged in: secrets become ids (so that a later reference
/// replaces an earlier one whole), `identify`, `allow` and `tenants` become lists (for the same reason), and relative paths become relative to
/// `base`, the directory of the file that names them.
pub(super) struct Intake<'a> {
    pub(super) base: &'a Path,
    pub(super) secrets: &'a mut Secrets,
    pub(super) problems: &'a mut Vec<Problem>,
    /// Values that were refused here; nobody should call them missing.
    pub(super) reported: &'a mut Vec<KeyPath>,
}

impl Intake<'_> {
    pub(super) fn take(&mut self, root: &mut Node) {
        self.walk(&Trail::Root, root);
    }

    fn walk(&mut self, trail: &Trail<'_>, node: &mut Node) {
        match &mut node.value {
            Value::Map(members) => {
                members.retain(|key, child| {
                    let trail = Trail::Key(trail, key);
                    let steps = trail.steps();
                    if holds_secret(&steps) {
                        return self.take_secrets(&trail, child);
                    }
                    if is_path(&steps)
                        && let Value::Text(text) = &mut child.value
                        && !text.is_empty()
                    {
                        let as_text = |path: &str| format!("{path:?}");
                        if let Some(mistake) = unexpanded(text).or_else(|| no_path(text, as_text)) {
                            self.say(&trail, child.origin.clone(), mistake);
                            return false;
                        }
                        *text = Zeroizing::new(self.base.join(text.as_str()).display().to_string());
                    }
                    self.walk(&trail, child);
                    true
                });
                // Such a list without brackets may be a single table.
                if may_hold_tables(&trail.steps()) {
                    let alone =
                        Node { value: Value::Map(std::mem::take(members)), origin: node.origin.clone() };
                    node.value = Value::Sequence(vec![alone]);
                    let path = trail.path();
                    if self.reported.iter().any(|said| said.is_within(&path)) {
                        self.reported.push(path.index(0));
                    }
                }
            }
            Value::Sequence(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.walk(&Trail::Index(trail, index), item);
                }
            }
            Value::Text(_) | Value::Secret(_) => {}
        }
    }

    /// Whether anything is left of the node.
    fn take_secrets(&mut self, trail: &Trail<'_>, node: &mut Node) -> bool {
        if let Value::Sequence(items) = &mut node.value {
            let mut index = 0;
            items.retain_mut(|item| {
                let trail = Trail::Index(trail, index);
                index += 1;
                self.take_secret(&trail, item)
            });
            return true;
        }
        self.take_secret(trail, node)
    }

    fn take_secret(&mut self, trail: &Trail<'_>, node: &mut Node) -> bool {
        if let Some(mistake) = no_file(trail, node) {
            self.say(trail, node.origin.clone(), mistake);
            return false;
        }
        if let Value::Text(text) = &node.value
            && names_key_file(&trail.steps(), text)
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
                self.say(trail, node.origin.clone(), mistake);
                false
            }
        }
    }

    fn say(&mut self, trail: &Trail<'_>, origin: Origin, Mistake { what, remedy }: Mistake) {
        let path = trail.path();
        self.problems.push(Problem { key: path.to_string(), origin: Some(origin), what, remedy });
        self.reported.push(path);
    }

    /// The secret that `value` is or names; `None` where it was taken before. Says nothing of what it holds: a
    /// misread secret can end up as the key of a map.
    fn source(&self, value: &mut Value) -> Result<Option<SecretSource>, Mistake> {
        const FORMS: &str = "Write { file = \"/run/secrets/…\" } or { env = \"NAME\" }";
        let members = match value {
            Value::Secret(_) => return Ok(None),
            Value::Text(text) => {
                let bytes = std::mem::take(&mut **text).into_bytes();
                return Ok(Some(SecretSource::Literal(Secret::new(bytes))));
            }
            Value::Sequence(_) => {
                return Err(Mistake::new("a list stands where one secret is wanted", format!("{FORMS}.")));
            }
            Value::Map(members) => members,
        };
        if members.get("exec").is_some() {
            return exec::command(members, self.base)
                .map(|command| Some(SecretSource::Exec(Arc::new(command))));
        }
        let mut members = members.iter();
        let (Some((key, node)), None) = (members.next(), members.next()) else {
            return Err(Mistake::new(
                "a reference to a secret has exactly one of the keys `file` and `env`",
                format!("{FORMS}."),
            ));
        };
        match (key, &node.value) {
            ("file" | "env", Value::Text(text)) if text.is_empty() => {
                Err(Mistake::new(format!("the {key} of this reference is empty"), format!("{FORMS}.")))
            }
            ("file", Value::Text(text)) => Ok(Some(SecretSource::File(self.base.join(text.as_str())))),
            ("env", Value::Text(text)) if !may_be_a_name(text) => Err(Mistake::new(
                "the env of this reference cannot be the name of a variable",
                "Write a name of letters, digits and _: { env = \"LOGTO_SECRET\" }.",
            )),
            ("env", Value::Text(text)) => match without_dollar(text) {
                Some(name) => Err(Mistake::new(
                    "the env of this reference is written as a shell would expand it",
                    format!(
                        "Write the name alone: {{ env = \"{}\" }}.",
                        if names_variable(name) { name } else { "…" }
                    ),
                )),
                None => Ok(Some(SecretSource::Env(text.to_string()))),
            },
            ("file" | "env", _) => {
                Err(Mistake::new(format!("the {key} of this reference is not text"), format!("{FORMS}.")))
            }
            _ => {
                let meant = nearest(key, ["file", "env", "exec"]);
                let meant = meant.map(|it| format!("Did you mean `{it}`? ")).unwrap_or_default();
                Err(Mistake::new(
                    "this reference to a secret has neither the key `file` nor the key `env`",
                    format!("{meant}{FORMS}."),
                ))
            }
        }
    }
}

/// What is wrong with a URL where a reference to a secret, or the key of a listener, names a file.
fn no_file(trail: &Trail<'_>, node: &Node) -> Option<Mistake> {
    // Of the short form: its value is the path alone.
    let variable = node.origin.variable().filter(|name| name.ends_with("_SECRET_FILE"));
    match &node.value {
        Value::Text(text) if names_key_file(&trail.steps(), text) => {
            no_path(text, |path| format!("{path:?}"))
        }
        Value::Map(members) => match &members.get("file")?.value {
            Value::Text(text) => no_path(text, |path| match variable {
                Some(name) => format!("{name}={path:?}"),
                None => format!("{{ file = {path:?} }}"),
            }),
            _ => None,
        },
        _ => None,
    }
}

/// The key of a text that begins as a reference to a secret: `{ file = …`, `{"env": …`.
pub(super) fn referring(text: &str) -> Option<&str> {
    let (key, _) = text.trim().strip_prefix('{')?.split_once(['=', ':'])?;
    let key = key.trim().trim_matches(['"', '\'']);
    Some(key).filter(|key| matches!(*key, "file" | "env" | "exec"))
}

/// Whether a text could be the name of a variable, or is one as a shell would expand it.
fn may_be_a_name(text: &str) -> bool {
    without_dollar(text).is_some()
        || !text.contains(|c: char| c.is_whitespace() || matches!(c, '=' | '%' | '\0'))
}

/// The name in `$NAME`, `${NAME}` or `%NAME%`, where it is the name of a variable.
pub(super) fn without_dollar(text: &str) -> Option<&str> {
    let by_percent = text.strip_prefix('%').and_then(|name| name.strip_suffix('%'));
    let name = text.strip_prefix('$').or(by_percent)?;
    let name = name.strip_prefix('{').and_then(|name| name.strip_suffix('}')).unwrap_or(name);
    let is_name = |name: &str| {
        name.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
            && name.starts_with(|first: char| !first.is_ascii_digit())
    };
    Some(name).filter(|name| is_name(name))
}
