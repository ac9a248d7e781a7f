//! The short form, for one tenant and environment variables alone: `LOGTO_ENDPOINT`, `LOGTO_M2M_APP_ID`,
//! `LOGTO_M2M_APP_SECRET` and `CLAVIGER_ALLOW` stand for a tenant `default`, a policy `default` and a caller
//! `local`. It never adds to what files say of tenants or callers.

use std::ffi::OsStr;

use super::{
    env::{Environment, insert, node, origin, text},
    layer::Layer,
    origin::Origin,
    path::KeyPath,
    problem::{Problem, slip_of},
    remarks::Remarks,
    tree::{Node, Value},
};

const ENDPOINT: &str = "LOGTO_ENDPOINT";
const APP_ID: &str = "LOGTO_M2M_APP_ID";
pub(super) const APP_SECRET: &str = "LOGTO_M2M_APP_SECRET";
pub(super) const APP_SECRET_FILE: &str = "LOGTO_M2M_APP_SECRET_FILE";
const RESOURCE: &str = "LOGTO_RESOURCE";
const ALLOW: &str = "CLAVIGER_ALLOW";

/// What other lists have around them, and no rule has in it.
const QUOTES_AND_BRACKETS: [char; 4] = ['"', '\'', '[', ']'];

/// The variables that call for the short form, and all that it reads.
const CALLING: [&str; 4] = [ENDPOINT, APP_ID, APP_SECRET, APP_SECRET_FILE];
pub(super) const VARIABLES: [&str; 6] = [ENDPOINT, APP_ID, APP_SECRET, APP_SECRET_FILE, RESOURCE, ALLOW];

/// The layer that the short form makes on top of `files` and `environment`, if it is used.
pub(super) fn layer(
    env: &Environment,
    below: &[Layer],
    environment: &Layer,
    remarks: &mut Remarks,
) -> Option<Layer> {
    let set: Vec<_> = CALLING.into_iter().filter(|name| text(env, name).is_some()).collect();
    let in_files = below.iter().find_map(|layer| named(layer, "tenants"));
    if in_files.is_none() && named(environment, "tenants").is_none() {
        misspelt(env, remarks);
    }
    let Some(first) = set.first() else {
        if text(env, ALLOW).is_some() && (in_files.is_some() || named(environment, "tenants").is_some()) {
            ignored(
                remarks,
                ALLOW,
                "the tenants are configured elsewhere",
                "Write the rules under [policies.NAME].",
            );
        }
        return None;
    };
    if let Some(place) = in_files {
        let why = format!("the tenants are configured in {}", place.origin);
        ignored(remarks, first, &why, "Unset it, or take the [tenants] out of the file.");
        return None;
    }
    let mut root = Node::map(&origin(first));
    put(&mut root, &["tenants", "default", "endpoint"], env, ENDPOINT);
    put(&mut root, &["tenants", "default", "client_id"], env, APP_ID);
    put(&mut root, &["tenants", "default", "resource"], env, RESOURCE);
    secret(&mut root, env, remarks);
    let given = |key| {
        environment
            .root
            .member("tenants")
            .and_then(|t| t.member("default"))
            .is_some_and(|d| d.member(key).is_some())
    };
    if text(env, ENDPOINT).is_none() && !given("endpoint") {
        unset(
            remarks,
            env,
            first,
            ENDPOINT,
            "endpoint",
            "Set it to the URL of the tenant, such as https://acme.logto.app.",
        );
    }
    if text(env, APP_ID).is_none() && !given("client_id") {
        unset(
            remarks,
            env,
            first,
            APP_ID,
            "client_id",
            "Set it to the App ID of a machine-to-machine application.",
        );
    }
    if text(env, APP_SECRET).or_else(|| text(env, APP_SECRET_FILE)).is_none() && !given("client_secret") {
        let remedy = "Set it to the App secret, or LOGTO_M2M_APP_SECRET_FILE to a file that holds it.";
        unset(remarks, env, first, APP_SECRET, "client_secret", remedy);
    }
    let callers = below.iter().chain([environment]).find_map(|layer| named(layer, "callers"));
    match callers {
        Some(place) if text(env, ALLOW).is_some() => {
            let why = format!("the callers are configured in {}", place.origin);
            ignored(remarks, ALLOW, &why, "Write the rules under [policies.NAME].");
        }
        Some(_) => {}
        None => local(&mut root, env, remarks),
    }
    Some(Layer { name: "short form".into(), root })
}

/// Warns of variables whose names are slips of those read here. Any other that begins alike is the application's own.
fn misspelt(env: &Environment, remarks: &mut Remarks) {
    let known = || VARIABLES.into_iter().filter(|name| name.starts_with("LOGTO_"));
    for name in env.keys().filter_map(|name| name.to_str()) {
        let upper = name.to_ascii_uppercase();
        let slip = upper.starts_with("LOGTO_").then(|| slip_of(&upper, known())).flatten();
        let Some(near) = slip.filter(|near| *near != name) else { continue };
        if text(env, name).is_some() && text(env, near).is_none() {
            ignored(remarks, name, "Claviger reads no such variable", &format!("Did you mean {near}?"));
        }
    }
}

/// The section `key` of a layer where it names anything.
fn named<'l>(layer: &'l Layer, key: &str) -> Option<&'l Node> {
    layer.root.member(key).filter(|section| !section.is_empty())
}

fn keys(path: &[&str]) -> Vec<String> {
    path.iter().map(|key| (*key).to_owned()).collect()
}

fn put(root: &mut Node, path: &[&str], env: &Environment, name: &str) {
    if let Some(text) = text(env, name) {
        insert(root, &keys(path), Node::text(text, &origin(name)), &origin(name));
    }
}

fn secret(root: &mut Node, env: &Environment, remarks: &mut Remarks) {
    let path = keys(&["tenants", "default", "client_secret"]);
    let (form, name, target) = match (text(env, APP_SECRET), text(env, APP_SECRET_FILE)) {
        (None, None) => return,
        (Some(_), Some(_)) => {
            remarks.problems.push(Problem {
                key: "tenants.default.client_secret".into(),
                origin: Some(origin(APP_SECRET)),
                what: format!("{APP_SECRET} and {APP_SECRET_FILE} are both set"),
                remedy: "Unset one of them.".into(),
            });
            remarks.reported.push(KeyPath::of(&["tenants", "default", "client_secret"]));
            return;
        }
        // By name: the value stays where it is.
        (Some(_), None) => ("env", APP_SECRET, APP_SECRET),
        (None, Some(path)) => ("file", APP_SECRET_FILE, path),
    };
    let mut reference = Node::map(&origin(name));
    insert(&mut reference, &keys(&[form]), Node::text(target, &origin(name)), &origin(name));
    insert(root, &path, reference, &origin(name));
}

/// The caller and its policy.
fn local(root: &mut Node, env: &Environment, remarks: &mut Remarks) {
    let place = origin(ALLOW);
    let allow = text(env, ALLOW).unwrap_or_default();
    if allow.contains(';') {
        remarks.problems.push(Problem {
            key: "policies.default.allow".into(),
            origin: Some(place.clone()),
            what: "rules are separated by commas, and there is a semicolon".into(),
            remedy: format!("Write {ALLOW}=\"users:read,ListRoles\"."),
        });
    }
    let inner = allow.replace(QUOTES_AND_BRACKETS, "");
    let is_list = !matches!(node(allow, &place).value, Value::Text(_));
    let spaced = if is_list { None } else { by_commas(&inner) };
    if let Some(commas) = spaced.as_ref().filter(|_| inner == allow) {
        let quote = if commas.contains(' ') { "\"" } else { "" };
        remarks.problems.push(Problem {
            key: "policies.default.allow".into(),
            origin: Some(place.clone()),
            what: "rules are separated by commas, and there are spaces".into(),
            remedy: format!("Write {ALLOW}={quote}{commas}{quote}."),
        });
    }
    let inner = spaced.unwrap_or(inner);
    let is_quoted = allow.contains(QUOTES_AND_BRACKETS);
    let allow = if inner == allow || is_list {
        allow
    } else if !is_quoted {
        &inner
    } else {
        let what = if allow.contains(['[', ']']) { "brackets" } else { "quotes" };
        remarks.problems.push(Problem {
            key: "policies.default.allow".into(),
            origin: Some(place.clone()),
            what: format!("rules are separated by commas, without {what}"),
            remedy: format!("Take the {what} out: {ALLOW}={}", inner.trim()),
        });
        inner.trim()
    };
    let rules = rules(allow, &place);
    if rules.is_empty() {
        remarks.reported.push(KeyPath::of(&["policies", "default", "allow"]));
        remarks.warnings.push(Problem {
            key: "policies.default.allow".into(),
            origin: None,
            what: format!("{ALLOW} is {}: every request will be refused", absent(env, ALLOW)),
            remedy: format!(
                "Set it to the operations that callers need, such as {ALLOW}=\"users:read,ListRoles\"."
            ),
        });
    }
    let list = |text: &str| Node::sequence(vec![Node::text(text, &place)], &place);
    let loopback = {
        let mut way = Node::map(&place);
        insert(&mut way, &keys(&["loopback"]), Node::text("true", &place), &place);
        Node::sequence(vec![way], &place)
    };
    insert(root, &keys(&["policies", "default", "allow"]), Node::sequence(rules, &place), &place);
    insert(root, &keys(&["callers", "local", "identify"]), loopback, &place);
    insert(root, &keys(&["callers", "local", "tenants"]), list("default"), &place);
    insert(root, &keys(&["callers", "local", "policies"]), list("default"), &place);
}

/// Rules with commas in place of the spaces between them; `None` where there are none. A rule with a path has a space of its own.
fn by_commas(text: &str) -> Option<String> {
    let is_spaced = |part: &str| !part.contains('/') && part.split_whitespace().nth(1).is_some();
    let parts = || text.split([',', ';']).map(str::trim);
    let rules = parts().flat_map(|part| match is_spaced(part) {
        true => part.split_whitespace().collect(),
        false => vec![part],
    });
    parts().any(is_spaced).then(|| rules.collect::<Vec<_>>().join(","))
}

/// Separated by commas, or in brackets as every other list in the environment.
fn rules(text: &str, place: &Origin) -> Vec<Node> {
    if let Node { value: Value::Sequence(rules), .. } = node(text, place) {
        return rules;
    }
    // A semicolon was refused; between them is what was meant.
    let rules = text.split([',', ';']).map(str::trim).filter(|rule| !rule.is_empty());
    rules.map(|rule| Node::text(rule, place)).collect()
}

/// How a variable is that has no text.
fn absent(env: &Environment, name: &str) -> &'static str {
    if env.contains_key(OsStr::new(name)) { "empty" } else { "not set" }
}

fn ignored(remarks: &mut Remarks, name: &str, why: &str, remedy: &str) {
    remarks.warnings.push(Problem {
        key: String::new(),
        origin: Some(origin(name)),
        what: format!("it has no effect, because {why}"),
        remedy: remedy.into(),
    });
}

fn unset(remarks: &mut Remarks, env: &Environment, set: &str, unset: &str, key: &str, remedy: &str) {
    let path = KeyPath::of(&["tenants", "default", key]);
    remarks.problems.push(Problem {
        key: path.to_string(),
        origin: None,
        what: match absent(env, unset) {
            "empty" => format!("the environment variable {unset} is empty, though {set} is set"),
            absent => format!("the environment variable {unset} is {absent}, though {set} is"),
        },
        remedy: remedy.into(),
    });
    remarks.reported.push(path);
}
