//! What a file of tenants says: an object for each, one a line or all in a list. Secrets are texts, or stand in files and variables.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, de::IgnoredAny};
use zeroize::Zeroizing;

use crate::{proxy::Adoption, secret::SecretSource};

/// One of them.
pub(super) struct Entry {
    /// The line; in a list, the place.
    pub(super) line: usize,
    /// As far as it is said.
    pub(super) alias: String,
    /// What is wrong with it never repeats it.
    pub(super) adoption: Result<Adoption, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    alias: String,
    tenant_id: Option<String>,
    endpoint: Option<String>,
    resource: Option<String>,
    client_id: String,
    client_secret: Option<WrittenSecret>,
    template: Option<String>,
    #[serde(default)]
    labels: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum WrittenSecret {
    Text(Zeroizing<String>),
    /// As a struct it would be taken from a list as well, whose member may be the secret.
    Source(BTreeMap<SourceKey, String>),
}

#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
enum SourceKey {
    File,
    Env,
}

#[derive(Deserialize)]
struct Named {
    alias: Option<String>,
}

/// Those of a text; paths in it start at `directory`.
pub(super) fn entries(text: &str, directory: &Path) -> Vec<Entry> {
    // Some editors put a byte order mark before the first line.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let entries = written(text, directory);
    if entries.is_empty() {
        let adoption = Err("there is no tenant in the file: a tenant is a JSON object on a line".to_owned());
        return vec![Entry { line: 1, alias: "?".into(), adoption }];
    }
    entries
}

fn written(text: &str, directory: &Path) -> Vec<Entry> {
    if text.starts_with("claviger vault export") {
        let why = "this is an export of `claviger vault export`: take it in with `claviger vault import`";
        return vec![Entry { line: 1, alias: "?".into(), adoption: Err(why.into()) }];
    }
    if text.trim_start().starts_with('[') {
        let list = match serde_json::from_str::<Vec<&serde_json::value::RawValue>>(text) {
            Ok(list) => list,
            Err(error) => {
                let why = match error.is_eof() {
                    true => "the list does not end: the file was cut off; nothing was taken in",
                    false => "this is no list in JSON",
                };
                return vec![Entry { line: error.line(), alias: "?".into(), adoption: Err(why.into()) }];
            }
        };
        let places = list.iter().enumerate();
        return places.map(|(at, one)| entry(at + 1, one.get(), directory)).collect();
    }
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines.map(|(line, text)| entry(line, text, directory)).collect()
}

fn entry(line: usize, text: &str, directory: &Path) -> Entry {
    const FORM: &str = "it must be a JSON object with alias, endpoint or tenant_id, client_id and client_secret (a text, \
                        { \"file\": … } or { \"env\": … }), and perhaps resource, template and labels";
    // Of a list, serde takes the members by their places.
    if !text.trim_start().starts_with('{') {
        return Entry { line, alias: "?".into(), adoption: Err(FORM.into()) };
    }
    match serde_json::from_str::<Written>(text) {
        Ok(written) => Entry { line, alias: shown(&written.alias), adoption: written.adoption(directory) },
        // What serde says of a value may repeat it.
        Err(_) => {
            let alias = serde_json::from_str::<Named>(text).ok().and_then(|named| named.alias);
            let adoption = Err(wrong(text).map_or_else(|| FORM.into(), |what| format!("{what}; {FORM}")));
            Entry { line, alias: shown(&alias.unwrap_or_else(|| "?".into())), adoption }
        }
    }
}

/// What is wrong with an entry, as far as it can be said without its values. Keys may be shown, unless one is as long as a secret.
fn wrong(text: &str) -> Option<String> {
    const KEYS: [&str; 8] =
        ["alias", "tenant_id", "endpoint", "resource", "client_id", "client_secret", "template", "labels"];
    let keys = match serde_json::from_str::<BTreeMap<String, IgnoredAny>>(text) {
        Ok(keys) => keys,
        Err(error) => {
            let end = if error.is_eof() { ": it ends too early" } else { "" };
            return Some(format!("this is not valid JSON from column {} on{end}", error.column()));
        }
    };
    let unknown = keys.keys().find(|key| !KEYS.contains(&key.as_str()) && key.len() <= 20);
    let missing = || ["alias", "client_id"].into_iter().find(|key| !keys.contains_key(*key));
    unknown
        .map(|key| format!("{key:?} is no key of it"))
        .or_else(|| Some(format!("it has no {}", missing()?)))
}

impl Written {
    fn adoption(self, directory: &Path) -> Result<Adoption, String> {
        const MISSING: &str = "client_secret is not filled in";
        let client_secret = match self.client_secret.ok_or(MISSING)? {
            WrittenSecret::Text(text) if text.is_empty() => return Err(MISSING.into()),
            WrittenSecret::Text(text) => text,
            WrittenSecret::Source(source) => {
                let mut source = source.into_iter();
                match (source.next(), source.next()) {
                    (Some((SourceKey::File, file)), None) => read(&SecretSource::File(directory.join(file)))?,
                    (Some((SourceKey::Env, env)), None) => read(&SecretSource::Env(env))?,
                    _ => return Err("client_secret is a text, { \"file\": … } or { \"env\": … }".into()),
                }
            }
        };
        Ok(Adoption {
            alias: self.alias,
            tenant_id: self.tenant_id,
            endpoint: self.endpoint,
            resource: self.resource,
            client_id: self.client_id,
            client_secret,
            template: self.template,
            labels: self.labels,
        })
    }
}

fn read(source: &SecretSource) -> Result<Zeroizing<String>, String> {
    let secret = source.read().map_err(|error| error.to_string())?;
    let text = std::str::from_utf8(secret.expose()).map_err(|_| "the secret is not text".to_owned())?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// A name that somebody wrote, as it may be printed.
fn shown(name: &str) -> String {
    name.escape_debug().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str, directory: &Path) -> Vec<(usize, String, Result<String, String>)> {
        let entries = entries(text, directory);
        let secret = |it: Result<Adoption, String>| it.map(|it| it.client_secret.to_string());
        entries.into_iter().map(|it| (it.line, it.alias, secret(it.adoption))).collect()
    }

    #[test]
    fn lines_and_lists_are_read_and_what_is_wrong_repeats_no_secret() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("b"), "of-b\n").unwrap();
        let (a, b) = (
            r#"{"alias":"a","endpoint":"https://a","client_id":"x","client_secret":"of-a","labels":["eu"]}"#,
            r#"{"alias":"b","tenant_id":"b","client_id":"x","client_secret":{"file":"b"}}"#,
        );
        let good = |at: usize, name: &str| (at, name.to_owned(), Ok(format!("of-{name}")));
        let lines = format!("# a comment\n{a}\n\n{b}\n");
        assert_eq!(said(&lines, directory.path()), [good(2, "a"), good(4, "b")]);
        assert_eq!(said(&format!("[{a},\n{b}]"), directory.path()), [good(1, "a"), good(2, "b")]);
        for (text, why) in [
            ("", "there is no tenant in the file"),
            ("[]", "there is no tenant in the file"),
            ("# Fill in each client_secret\n\n", "there is no tenant in the file"),
            (r#"{"alias":"a","client_secret":"hush"}"#, "it has no client_id; it must be a JSON object"),
            (r#"{"client_id":"x","client_secret":"hush"}"#, "it has no alias; it must be a JSON object"),
            (
                r#"{"alias":"a" "client_secret":"hush"}"#,
                "this is not valid JSON from column 14 on; it must be a JSON object",
            ),
            (r#"{"alias":"a","client_id":"x","client_secret":null}"#, "client_secret is not filled in"),
            (r#"{"alias":"a","client_id":"x"}"#, "client_secret is not filled in"),
            (r#"{"alias":"a","client_id":"x","client_secret":{"file":"none"}}"#, "cannot read the file"),
            (r#"{"alias":"a","client_id":"x","client_secret":{"env":"CLAVIGER_NO_SUCH"}}"#, "is not set"),
            (
                r#"{"alias":"a","client_id":"x","client_secret":"hush","secret":"hush"}"#,
                "\"secret\" is no key of it; it must be a JSON object",
            ),
            (
                r#"{"alias":"a","client_secret":"hush""#,
                "this is not valid JSON from column 35 on: it ends too early; it must be a JSON object",
            ),
            ("[1, 2 3]", "no list"),
            ("[1", "the list does not end: the file was cut off; nothing was taken in"),
            (
                r#"[{"alias":"a","client_secret":"hush"},{"alias":"b","client_secret":"hu"#,
                "the list does not end: the file was cut off; nothing was taken in",
            ),
            (r#"{"alias":"a","client_id":"x","client_secret":["hush"]}"#, "it must be a JSON object"),
            (
                r#"{"alias":"a","client_id":"x","client_secret":{"file":"hush","env":"hush"}}"#,
                "client_secret is",
            ),
            (r#"{"alias":"a","client_id":"x","client_secret":{"hush":"hush"}}"#, "it must be a JSON object"),
            (r#"[["hush",null,null,null,"x","hush",null,[]]]"#, "it must be a JSON object"),
        ] {
            let found = said(text, directory.path()).remove(0).2.unwrap_err();
            assert!(found.contains(why) && !found.contains("hush"), "{text}: {found}");
        }
    }
}
