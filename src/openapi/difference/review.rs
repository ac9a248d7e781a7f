//! Where a reviewer should look before the risks of a new operation are written down. Hints, by names: none of them is a
//! verdict, and an operation without one may be dangerous all the same.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{described::Described, schema::Shapes};
use crate::catalog::{Risk, Verb};

/// Something that may be a risk, and why.
#[derive(Debug, PartialEq, Eq)]
pub struct Hint {
    /// Which.
    pub risk: Risk,
    /// What points to it.
    pub because: String,
}

/// Words in a path or an operationId.
const WORDS: [(Risk, &[&str]); 4] = [
    (Risk::Keys, &["secret", "key", "token", "credential", "certificate", "passkey"]),
    (Risk::Elevation, &["role", "scope", "permission", "admin", "access", "mfa", "grant"]),
    (Risk::Impersonation, &["impersonat", "subject-token", "one-time", "password", "identit", "session"]),
    (Risk::Fetch, &["hook", "connector", "test", "callback"]),
];

pub(super) fn hints(described: &Described, shapes: &Shapes<'_>, members: &BTreeSet<String>) -> Vec<Hint> {
    let mut hints = Vec::new();
    let mut note = |risk, because: String| hints.push(Hint { risk, because });
    let mut places: Vec<_> =
        answers(described).into_iter().flat_map(|schema| shapes.secrets(&schema)).collect();
    places.sort_unstable();
    places.dedup();
    if !places.is_empty() {
        note(Risk::Secrets, format!("its answer has {}", places.join(",")));
    }
    let text = format!("{} {}", described.path, described.id().unwrap_or_default()).to_ascii_lowercase();
    for (risk, words) in WORDS {
        let word = words.iter().find(|word| text.contains(**word));
        // What only reads gives nothing and asks no server.
        if let Some(word) = word.filter(|_| !described.verb.reads() || risk == Risk::Keys) {
            note(risk, format!("\"{word}\" is in its path or name"));
        }
    }
    let urls = ["url", "uri", "endpoint", "issuer"];
    let url = members.iter().find(|name| urls.iter().any(|part| name.to_ascii_lowercase().contains(part)));
    if let Some(url) = url {
        note(Risk::Fetch, format!("its body has {url}"));
    }
    if described.verb == Verb::Delete {
        let whole = !described.path.ends_with('}');
        let what =
            if whole { "it deletes a whole collection" } else { "it deletes: what does the object hold?" };
        note(Risk::Destruction, what.to_owned());
    }
    hints
}

/// The schemas of its successful answers.
fn answers(described: &Described) -> Vec<Value> {
    let responses = described.operation.get("responses").and_then(Value::as_object);
    let success = responses.into_iter().flatten().filter(|(status, _)| status.starts_with('2'));
    success
        .filter_map(|(_, response)| response.pointer("/content/application~1json/schema").cloned())
        .collect()
}
