//! From the tree to what a file may say: which keys there are and which shape each value has. What does not fit is left out
//! and noted, so that all of it is found at once; whether a value is right is asked later, by `check`.

use super::{
    belongs::belongs,
    node::{FromNode, Kind, Misfits},
    path::{KeyPath, Trail, is_odd},
    problem::{Problem, nearest},
    remarks::Remarks,
    tls_names::{self, Meant},
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
    let (what, remedy) = words(&path, kind, is_toml);
    let tls = match kind {
        Kind::Unknown { known, .. } => tls_names::meant(&path.steps(), known),
        Kind::Shape(_) => None,
    };
    if let Some(key) = tls.as_ref().and_then(|meant| meant.key)
        && let Some(table) = path.parent()
    {
        remarks.reported.push(table.key(key));
    }
    if let Kind::Unknown { key, known } = kind
        && let Some(near) = nearest(key, known.iter().copied())
        && let Some(table) = path.parent()
    {
        // What was meant is not missing as well.
        let meant = table.key(near);
        if !root.has(&meant) {
            remarks.reported.push(meant);
        }
    }
    if let Kind::Unknown { key, .. } = kind
        && tag_as_key(&path, key).is_some()
        && let Some(rule) = path.parent()
    {
        // It is no rule with conditions that lacks its operation.
        remarks.reported.push(rule.key("operation"));
    }
    let key = match kind {
        Kind::Unknown { key, known }
            if may_be_a_value(key, known) && !is_camel_case(&path, key) && tls.is_none() =>
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
fn words(path: &KeyPath, kind: &Kind, is_toml: bool) -> (String, String) {
    let found = match kind {
        Kind::Unknown { key, known } => return unknown(path, key, known),
        Kind::Shape(found) => found,
    };
    let (wanted, remedy) = match path.steps()[..] {
        [] => ("sections are wanted", "Begin with a section such as [tenants.acme].".into()),
        [section @ ("issuers" | "tenants" | "tenant_templates" | "cloud" | "policies" | "callers")] => {
            ("tables are wanted", format!("Write a table for each name: [{section}.NAME]."))
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
            "Write listen.tls = { cert = \"/tls/tls.crt\", key = \"/tls/tls.key\" }.".into(),
        ),
        [.., "tls"] => (
            "a table is wanted",
            format!("For TLS begin the address with https://; {path} = {{ roots = … }} says whom to trust."),
        ),
        _ => ("a table is wanted", format!("Write its keys: {path} = {{ … }}.")),
    };
    (format!("found {found} where {wanted}"), remedy)
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

fn unknown(path: &KeyPath, field: &str, known: &[&str]) -> (String, String) {
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
    if let ["vault", "address" | "addr" | "url" | "token"] = steps[..] {
        let remedy = "[vault] is Claviger's own store; for a secret in HashiCorp Vault write client_secret = { exec = [\"vault\", \"kv\", \"get\", \"-field=…\", \"…\"] }.";
        return (what, remedy.into());
    }
    if field == "token" && known.contains(&"api_key_sha256") {
        let remedy = "For an API key write api_key = { file = \"…\" }, for a JWT jwt = { issuer = \"…\", claims = { … } }.";
        return (what, remedy.into());
    }
    if let ["timeouts", "read"] = steps[..] {
        let remedy = "Did you mean `response`, for an answer to begin, or `body`, for the next part of it?";
        return (what, remedy.into());
    }
    if let Some(tag) = tag_as_key(path, field) {
        return (what, format!("Write the rule as one text, in quotes and without a space: \"{tag}:read\"."));
    }
    if let Some(belongs) = belongs(field) {
        return (what, belongs);
    }
    if let Some(Meant { remedy, .. }) = tls_names::meant(&steps, known) {
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
    (what, format!("The keys here are: {}.", known.join(", ")))
}
