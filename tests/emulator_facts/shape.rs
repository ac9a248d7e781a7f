//! Compares two answers: status, headers, and the shape of the body; codes and texts of errors to the letter.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::wire::Answer;

/// Headers whose value differs from run to run, or that follow from the body.
const VARYING: &[&str] = &[
    "date",
    "content-length",
    "etag",
    "logto-core-request-id",
    "content-security-policy",
    "total-number",
    "link",
];

/// Recordings of documents whose order means nothing.
const UNORDERED: &[&str] = &["wk_", "host_discovery", "keyrot_jwks"];

/// Members below which anything may stand.
const FREE: &[&str] = &[
    "customData",
    "identities",
    "profile",
    "config",
    "providerConfig",
    "name",
    "description",
    "payload",
    "translation",
    "formItems",
    "issues",
    "customClientMetadata",
    "redirectUris",
];

pub(crate) fn differences(name: &str, recorded: &Answer, here: &Answer) -> Vec<String> {
    let mut found = Vec::new();
    if recorded.status != here.status {
        found.push(format!("status {} instead of {}: {}", here.status, recorded.status, here.text()));
        return found;
    }
    headers(recorded, here, &mut found);
    body(name, recorded, here, &mut found);
    found
}

fn names(answer: &Answer) -> BTreeSet<String> {
    answer.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect()
}

fn headers(recorded: &Answer, here: &Answer, found: &mut Vec<String>) {
    // The sign-in pages have a long policy that the emulator leaves out.
    // Node leaves `Date` out of a 431; hyper does not.
    let ignored = |name: &str| matches!(name, "content-security-policy" | "content-length" | "date");
    for name in names(recorded).difference(&names(here)).filter(|name| !ignored(name)) {
        found.push(format!("header {name} is missing"));
    }
    for name in names(here).difference(&names(recorded)).filter(|name| !ignored(name)) {
        found.push(format!("header {name}: {:?} is too much", here.values(name)));
    }
    for name in names(recorded).intersection(&names(here)).filter(|name| !VARYING.contains(&name.as_str())) {
        let split = |answer: &Answer| -> BTreeSet<String> {
            answer.values(name).iter().flat_map(|value| value.split(", ")).map(str::to_owned).collect()
        };
        if split(recorded) != split(here) {
            found.push(format!(
                "header {name}: {:?} instead of {:?}",
                here.values(name),
                recorded.values(name)
            ));
        }
    }
    // Equal totals mean equal data, so every link has to be equal too.
    let total = |answer: &Answer| answer.value("total-number").map(str::to_owned);
    let links =
        |answer: &Answer| answer.values("link").iter().map(|link| (*link).to_owned()).collect::<Vec<_>>();
    if total(recorded) == total(here) {
        if links(recorded) != links(here) {
            found.push(format!("links {:?} instead of {:?}", links(here), links(recorded)));
        }
    } else if links(recorded).first() != links(here).first() {
        found.push(format!("first link {:?} instead of {:?}", links(here).first(), links(recorded).first()));
    }
}

fn body(name: &str, recorded: &Answer, here: &Answer, found: &mut Vec<String>) {
    let content_type = recorded.value("content-type").unwrap_or_default();
    if content_type.starts_with("text/plain") || content_type.is_empty() {
        if recorded.text() != here.text() {
            found.push(format!("body {:?} instead of {:?}", here.text(), recorded.text()));
        }
        return;
    }
    if !content_type.contains("json") || recorded.body.is_empty() {
        return;
    }
    let Ok(expected) = serde_json::from_slice::<Value>(&recorded.body) else {
        // Bodies that were cut in the recording: the status and the headers have been compared.
        return;
    };
    let Ok(actual) = serde_json::from_slice::<Value>(&here.body) else {
        found.push(format!("no JSON: {}", here.text()));
        return;
    };
    if recorded.status >= 400 {
        for member in ["code", "message", "error", "error_description", "details"] {
            // The wording after a JSON parser's complaint is the parser's own.
            if expected.get(member) != actual.get(member) && name != "validation_bad_query" {
                found.push(format!(
                    "{member} {:?} instead of {:?}",
                    actual.get(member),
                    expected.get(member)
                ));
            }
        }
    }
    shape("", &expected, &actual, found);
    let order = |answer: &Answer| serde_json::from_slice::<Order>(&answer.body).unwrap_or_default().0;
    if UNORDERED.iter().all(|known| !name.starts_with(known)) && order(recorded) != order(here) {
        found.push(format!("members in the order {:?} instead of {:?}", order(here), order(recorded)));
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The names of the members of an object, or of the first object of an array, in their order.
#[derive(Default)]
struct Order(Vec<String>);

impl<'de> serde::Deserialize<'de> for Order {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OrderVisitor)
    }
}

struct OrderVisitor;

impl<'de> serde::de::Visitor<'de> for OrderVisitor {
    type Value = Order;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object or an array of objects")
    }

    fn visit_map<M: serde::de::MapAccess<'de>>(self, mut map: M) -> Result<Order, M::Error> {
        let mut names = Vec::new();
        while let Some((name, _)) = map.next_entry::<String, serde::de::IgnoredAny>()? {
            names.push(name);
        }
        Ok(Order(names))
    }

    fn visit_seq<S: serde::de::SeqAccess<'de>>(self, mut seq: S) -> Result<Order, S::Error> {
        let first = seq.next_element::<Order>()?.unwrap_or_default();
        while seq.next_element::<serde::de::IgnoredAny>()?.is_some() {}
        Ok(first)
    }
}

/// Members that are text or null, depending on the row.
fn nullable(path: &str) -> bool {
    ["/username", "/primaryEmail", "/primaryPhone", "/avatar"].iter().any(|end| path.ends_with(end))
}

fn shape(path: &str, expected: &Value, actual: &Value, found: &mut Vec<String>) {
    match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => {
            for key in expected.keys().filter(|key| !actual.contains_key(*key)) {
                found.push(format!("{path}/{key} is missing"));
            }
            for key in actual.keys().filter(|key| !expected.contains_key(*key)) {
                found.push(format!("{path}/{key} is too much"));
            }
            for (key, expected) in expected {
                let Some(actual) = actual.get(key) else { continue };
                if !FREE.contains(&key.as_str()) {
                    shape(&format!("{path}/{key}"), expected, actual, found);
                }
            }
        }
        (Value::Array(expected), Value::Array(actual)) => {
            if expected.is_empty() != actual.is_empty() {
                found.push(format!("{path} has {} members instead of {}", actual.len(), expected.len()));
            }
            if let (Some(expected), Some(actual)) = (expected.first(), actual.first()) {
                shape(&format!("{path}/0"), expected, actual, found);
            }
        }
        _ if kind(expected) == kind(actual) => {}
        (Value::Null, Value::String(_)) | (Value::String(_), Value::Null) if nullable(path) => {}
        _ => found.push(format!("{path} is {} instead of {}", kind(actual), kind(expected))),
    }
}
