//! An operation as a document describes it: its names, its tag, what it takes.

use std::collections::BTreeSet;

use serde_json::Value;

use super::schema::Shapes;
use crate::{catalog::Verb, openapi::outline::Outline};

/// What Logto's one parameter for searching stands for (fact 6.8).
const SEARCH: [&str; 5] = ["isCaseSensitive", "joint", "jointMode", "mode*", "search*"];

/// Parameters that Logto takes and its document leaves out (`scripts/parameters.py` adds them to the catalog's table).
const UNDOCUMENTED: [(&str, [&str; 3]); 1] =
    [("ListUsers", ["excludeOrganizationId", "excludeRoleId", "includePasswordHash"])];

/// An operation as the document has it.
pub(super) struct Described {
    pub(super) verb: Verb,
    pub(super) path: String,
    pub(super) operation: Value,
    /// Of its path.
    shared: Option<Value>,
    /// Whether it asks for a token where it does not say so.
    pub(super) guarded: bool,
}

/// All operations of a document.
pub(super) fn described(outline: &Outline<'_>) -> Vec<Described> {
    let parse = |raw: &serde_json::value::RawValue| serde_json::from_str::<Value>(raw.get()).ok();
    let asks = |security: &Value| security.as_array().is_some_and(|all| !all.is_empty());
    let guarded = outline.security.and_then(parse).is_some_and(|security| asks(&security));
    let mut all = Vec::new();
    for (path, members) in outline.paths.iter().filter(|(path, _)| path.starts_with("/api/")) {
        let shared = members.of("parameters").and_then(|raw| parse(raw));
        for (name, raw) in members.iter() {
            if let (Some(verb), Some(operation)) = (Verb::parse(&name.to_ascii_uppercase()), parse(raw)) {
                let guarded = operation.get("security").map_or(guarded, asks);
                all.push(Described {
                    verb,
                    path: path.to_string(),
                    operation,
                    shared: shared.clone(),
                    guarded,
                });
            }
        }
    }
    all
}

impl Described {
    pub(super) fn id(&self) -> Option<&str> {
        self.operation.get("operationId")?.as_str()
    }

    /// The first tag in lower-kebab-case.
    pub(super) fn tag(&self) -> Option<String> {
        let tag = self.operation.get("tags")?.get(0)?.as_str()?.to_lowercase();
        let words = tag.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        Some(words.collect::<Vec<_>>().join("-"))
    }

    pub(super) fn query(&self, shapes: &Shapes<'_>) -> BTreeSet<String> {
        let lists = [self.shared.as_ref(), self.operation.get("parameters")];
        let all = lists.into_iter().flatten().filter_map(Value::as_array).flatten();
        let all = all.map(|parameter| shapes.resolved(parameter));
        let mut names: BTreeSet<String> = all
            .filter(|it| it.get("in").and_then(Value::as_str) == Some("query"))
            .filter_map(|it| Some(it.get("name")?.as_str()?.to_owned()))
            .collect();
        if names.remove("search_params") {
            names.extend(SEARCH.map(str::to_owned));
        }
        let undocumented = UNDOCUMENTED.iter().filter(|(id, _)| self.id() == Some(id));
        names.extend(undocumented.flat_map(|(_, names)| names).map(|name| (*name).to_owned()));
        names
    }

    pub(super) fn members(&self, shapes: &Shapes<'_>) -> BTreeSet<String> {
        let Some(body) = self.operation.get("requestBody").map(|body| shapes.resolved(body)) else {
            return BTreeSet::new();
        };
        let schema = body.pointer("/content/application~1json/schema").cloned();
        let mut members = BTreeSet::new();
        if let Some(schema) = schema {
            shapes.members(&schema, 0, &mut members);
        }
        // Of a body that may have any member the names that are known are no bound.
        if members.contains("*") { BTreeSet::from(["*".to_owned()]) } else { members }
    }
}
