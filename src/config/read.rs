//! From the tree to what a file may say: which keys there are and which shape each value has. What does not fit is left out
//! and noted, so that all of it is found at once; whether a value is right is asked later, by `check`.

use super::{
    belongs::belongs,
    elsewhere,
    node::{FromNode, Kind, Misfits},
    path::{KeyPath, Trail, is_odd},
    problem::{Problem, nearest},
    remarks::Remarks,
    tls_names::Meant,
    tree::Node,
};
use crate::catalog::Catalog;

/// More problems than anyone reads at once.
const MOST_MISFITS: usize = 100;

/// The keys at the top.
pub(super) const SECTIONS: [&str; 24] = [
    "listen",
    "workers",
    "timeouts",
    "limits",
    "retry",
    "breaker",
    "token",
    "broker",
    "admin",
    "authz",
    "catalog",
    "openapi",
    "log",
    "audit",
    "reload",
    "shutdown",
    "redis",
    "vault",
    "tenant_templates",
    "cloud",
    "issuers",
    "tenants",
    "policies",
    "callers",
];

/// What is made of `node`, which stands at `at` in the tree `root`; what does not fit is said in `remarks`.
pub(super) fn read<T: FromNode>(
    root: &Node,
    node: &Node,
    at: &Trail<'_>,
    remarks: &mut Remarks,
) -> Option<T> {
    if remarks.misfits >= MOST_MISFITS {
        return None;
    }
    let mut misfits = Misfits::default();
    let value = T::from_node(node, at, &mut misfits);
    for (path, kind) in misfits.0.into_iter().take(MOST_MISFITS - remarks.misfits) {
        note(root, path, &kind, remarks);
        remarks.misfits += 1;
    }
    if remarks.misfits < MOST_MISFITS {
        return value;
    }
    remarks.problems.push(Problem {
        key: String::new(),
        origin: None,
        what: format!(
            "there are more than {MOST_MISFITS} keys and tables that do not fit; the rest was not looked at"
        ),
        remedy: "Is this a configuration of Claviger? See config/example.toml.".into(),
    });
    // Nothing is missing as long as nothing was read.
    remarks.reported.push(KeyPath::default());
    None
}

fn note(root: &Node, path: KeyPath, kind: &Kind, remarks: &mut Remarks) {
    let origin = root.place(&path);
    let is_toml = origin.as_ref().is_none_or(|origin| origin.source().ends_with(".toml"));
    if is_manifest(root)
        && path.len() == 1
        && let Kind::Unknown { key, .. } = kind
    {
        // Said once, in place of all that is missing.
        if key != "apiVersion" {
            return;
        }
        remarks.problems.push(Problem {
            key: path.to_string(),
            origin,
            what: "this is a manifest of Kubernetes".into(),
            remedy: "The configuration is the text in it, below `data:`: write that alone into the file."
                .into(),
        });
        remarks.reported.push(KeyPath::default());
        return;
    }
    let mut elsewhere = None;
    if let (Kind::Unknown { key, known }, Some(table)) = (kind, path.parent()) {
        elsewhere = elsewhere::meant(&path.steps(), known);
        let meant = elsewhere.as_ref().map_or("", |meant| meant.keys).split_whitespace();
        // What was meant is not missing as well.
        for meant in meant.chain(near(key, known)).map(|key| table.key(key)) {
            if !root.has(&meant) {
                remarks.reported.push(meant);
            }
        }
    }
    let shown = elsewhere.is_some();
    let (what, remedy) = words(root, &path, kind, is_toml, elsewhere);
    if let Kind::Unknown { key, .. } = kind
        && tag_as_key(&path, key).is_some()
        && let Some(rule) = path.parent()
    {
        // It is no rule with conditions that lacks its operation.
        remarks.reported.push(rule.key("operation"));
    }
    let key = match kind {
        Kind::Unknown { key, known }
            if may_be_a_value(key, known) && !is_camel_case(&path, key) && !shown =>
        {
            path.hiding_last().to_string()
        }
        _ => path.to_string(),
    };
    remarks.problems.push(Problem { key, origin, what, remedy });
    remarks.reported.push(path);
}

/// The tag of a rule that became a key: in YAML `users: read` is a map.
fn tag_as_key(path: &KeyPath, key: &str) -> Option<&'static str> {
    match path.steps()[..] {
        ["policies", _, "allow" | "deny", ..] => Catalog::logto().tag(key),
        _ => None,
    }
}

/// The words for a key that does not exist, or a value of the wrong shape. The value itself is never quoted:
/// under a misspelt key it may be a secret.
fn words(
    root: &Node,
    path: &KeyPath,
    kind: &Kind,
    is_toml: bool,
    elsewhere: Option<Meant>,
) -> (String, String) {
    let (found, known) = match kind {
        Kind::Unknown { key, known } => return unknown(path, key, known, elsewhere),
        Kind::Shape { found, known } => (found, known),
    };
    let text = root.text_at(path).filter(|_| !is_toml);
    let begins =
        |key: &&str| text.and_then(|text| text.strip_prefix(key)).is_some_and(|rest| rest.starts_with(':'));
    if let Some(key) = known.iter().copied().find(begins) {
        let what = format!("no space stands behind the colon of `{key}`, so this is one text");
        return (what, format!("Write `{key}: …`, with a space."));
    }
    let (wanted, remedy) = match path.steps()[..] {
        [] => ("sections are wanted", "Begin with a section such as [tenants.acme].".into()),
        [section @ ("issuers" | "tenants" | "tenant_templates" | "cloud" | "policies" | "callers")] => {
            let written =
                if is_toml { format!("[{section}.NAME]") } else { format!("{section}: {{ NAME: {{ … }} }}") };
            ("tables are wanted", format!("Write a table for each name: {written}."))
        }
        [section @ ("issuers" | "tenants" | "tenant_templates" | "cloud" | "policies" | "callers"), name]
            if !is_toml =>
        {
            (
                "a table is wanted",
                format!("Each key below `{section}:` is a name: indent `{name}` so that it is below one."),
            )
        }
        [section @ ("issuers" | "tenants" | "tenant_templates" | "cloud" | "policies" | "callers"), name] => {
            ("a table is wanted", format!("Write [{section}.{name}] and its keys below it."))
        }
        [.., "identify"] | [.., "identify", _] => (
            "a table is wanted",
            "Write identify = { loopback = true }, or another authentication method.".into(),
        ),
        ["vault", "store"] => (
            "a table is wanted",
            "Write store = { file = \"/var/lib/claviger/vault.redb\" }, { redis = true } or { kubernetes = { … } }.".into(),
        ),
        ["redis", "tls"] => (
            "a table is wanted",
            "For TLS begin redis.url with rediss://; redis.tls = { roots = … } says whom to trust.".into(),
        ),
        ["listen", "tls"] => (
            "a table is wanted",
            "Write listen.tls = { cert = \"/tls/tls.crt\", key = \"/tls/tls.key\" }, or leave it out: no TLS.".into(),
        ),
        ["reload"] => (
            "a table is wanted",
            "Write reload.interval = \"5s\", or \"0s\" to reload on SIGHUP alone.".into(),
        ),
        [.., "tls"] => (
            "a table is wanted",
            format!("For TLS begin the address with https://; {path} = {{ roots = … }} says whom to trust."),
        ),
        _ => {
            let keys = known.join(", ");
            let remedy = match known {
                [] => format!("Write its keys: {path} = {{ … }}."),
                [key] => format!("Write {path} = {{ {key} = … }}."),
                [key, ..] => format!("Write its keys, such as {path} = {{ {key} = … }}; they are: {keys}."),
            };
            ("a table is wanted", remedy)
        }
    };
    (format!("found {found} where {wanted}"), remedy)
}

/// The key that was meant: it differs by a slip, is a word of what was written, or ends in it.
fn near<'k>(field: &str, known: &[&'k str]) -> Option<&'k str> {
    let is_part = |key: &&str| {
        field.split(['_', '-']).any(|word| word == *key) || key.rsplit('_').next() == Some(field)
    };
    nearest(field, known.iter().copied()).or_else(|| known.iter().copied().find(is_part))
}

/// Whether an unknown key could be a secret that slipped to the left of its colon. Then it is not shown; its line is.
fn may_be_a_value(field: &str, known: &[&str]) -> bool {
    is_odd(field) && nearest(field, known.iter().copied()).is_none()
}

/// Whether an unknown key at the top is a word or two as other programs write theirs. It is shorter than Logto's secrets.
fn is_camel_case(path: &KeyPath, key: &str) -> bool {
    path.len() == 1
        && key.len() <= 24
        && key.starts_with(|c: char| c.is_ascii_lowercase())
        && key.bytes().all(|byte| byte.is_ascii_alphabetic())
}

fn is_manifest(root: &Node) -> bool {
    ["apiVersion", "kind"].iter().all(|key| root.has(&KeyPath::of(&[key])))
}

fn unknown(path: &KeyPath, field: &str, known: &[&str], elsewhere: Option<Meant>) -> (String, String) {
    let steps = path.steps();
    let what = match steps[..] {
        [_] => "there is no such section".to_owned(),
        _ => "there is no such key".to_owned(),
    };
    if let Some(base @ ("client_secret" | "api_key" | "key")) = field.strip_suffix("_file")
        && known.contains(&base)
    {
        return (what, format!("Write {base} = {{ file = \"…\" }}."));
    }
    if let ["audit", "output", key @ ("max_size" | "keep")] = steps[..] {
        return (what, format!("`{key}` belongs to [audit], beside output: write audit.{key}."));
    }
    if let Some(tag) = tag_as_key(path, field) {
        return (what, format!("Write the rule as one text, in quotes and without a space: \"{tag}:read\"."));
    }
    if let Some(remedy) = elsewhere.map(|meant| meant.remedy).or_else(|| belongs(field)) {
        return (what, remedy);
    }
    if let Some(near) = nearest(field, known.iter().copied()) {
        return (what, format!("Did you mean `{near}`?"));
    }
    // `logLevel` for log.level.
    if steps.len() == 1
        && let Some((section, rest)) =
            SECTIONS.iter().find_map(|section| Some((section, field.strip_prefix(section)?)))
        && rest.starts_with(|c: char| c.is_ascii_uppercase() || matches!(c, '_' | '-' | '.'))
    {
        return (what, format!("Did you mean a key of [{section}]?"));
    }
    // A key of another section that was written at the top, or the other way round.
    if steps.len() > 1 && SECTIONS.contains(&field) {
        return (what, format!("`{field}` stands at the top, before the first [section] or as [{field}]."));
    }
    if let Some(near) = near(field, known) {
        return (what, format!("Did you mean `{near}`?"));
    }
    (what, format!("The keys here are: {}.", known.join(", ")))
}
