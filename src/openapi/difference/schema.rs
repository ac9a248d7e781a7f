//! Schemas of a document, as far as names of members go: those at the top of a body, and those of an answer that sound like
//! secrets.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    catalog::{Secrets, secrets::Place},
    openapi::{outline::Outline, references},
};

/// Deeper than any honest schema; references may go in circles.
const DEEPEST: usize = 16;

/// More places than anyone looks at.
const MOST: usize = 20;

pub(super) struct Shapes<'d> {
    pub(super) outline: &'d Outline<'d>,
}

impl Shapes<'_> {
    /// What a value is, or what it refers to.
    pub(super) fn resolved(&self, value: &Value) -> Value {
        let mut value = value.clone();
        for _ in 0..DEEPEST {
            let Some(reference) = value.get("$ref").and_then(Value::as_str) else { break };
            let target = references::component(reference)
                .and_then(|(section, name)| self.outline.component(&section, &name))
                .and_then(|raw| serde_json::from_str(raw.get()).ok());
            match target {
                Some(target) => value = target,
                None => break,
            }
        }
        value
    }

    /// The names at the top of an object; of several alternatives all; `*` where any is one.
    pub(super) fn members(&self, schema: &Value, depth: usize, found: &mut BTreeSet<String>) {
        if depth > DEEPEST {
            return;
        }
        let schema = self.resolved(schema);
        if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
            found.extend(properties.keys().cloned());
        }
        let open = schema.get("additionalProperties");
        if open.is_some_and(|open| {
            open.as_bool() == Some(true) || open.as_object().is_some_and(|it| !it.is_empty())
        }) {
            found.insert("*".into());
        }
        for part in parts(&schema) {
            self.members(part, depth + 1, found);
        }
    }

    /// The places of an answer whose names sound like a secret, as the catalog writes places.
    pub(super) fn secrets(&self, schema: &Value) -> Vec<String> {
        let mut found = BTreeSet::new();
        self.search(schema, "", &mut Vec::new(), &mut found);
        found.into_iter().take(MOST).collect()
    }

    /// `within` are the schemas that it is a part of: one that holds itself has no further places.
    fn search(&self, schema: &Value, above: &str, within: &mut Vec<Value>, found: &mut BTreeSet<String>) {
        let schema = self.resolved(schema);
        if within.len() > DEEPEST || found.len() >= MOST || within.contains(&schema) {
            return;
        }
        within.push(schema.clone());
        for (name, member) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let place = format!("{above}/{name}");
            if sounds_secret(name) {
                found.insert(place);
            } else {
                self.search(member, &place, within, found);
            }
        }
        if let Some(items) = schema.get("items") {
            self.search(items, above, within, found);
        }
        for part in parts(&schema) {
            self.search(part, above, within, found);
        }
        within.pop();
    }
}

fn parts(schema: &Value) -> impl Iterator<Item = &Value> {
    ["oneOf", "anyOf", "allOf"].into_iter().filter_map(|key| schema.get(key)?.as_array()).flatten()
}

/// Names that mean a secret wherever they stand, and such as often do.
fn sounds_secret(name: &str) -> bool {
    let unknown = Secrets::of_unknown();
    let unmistakable = match unknown.root() {
        Place::Above(root) => unknown.member(root, name.as_bytes()) == Place::Secret,
        _ => false,
    };
    let name = name.to_ascii_lowercase();
    unmistakable
        || ["secret", "password", "token", "credential", "privatekey"].iter().any(|word| name.contains(word))
}
