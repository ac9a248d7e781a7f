//! A document cut down to what a caller may do: the operations that its rules allow somewhere, narrowed and described, the
//! components and tags that these refer to, and nothing else. Whatever cannot be read is left out.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde_json::{Map, Value, json, value::RawValue};

use super::{
    document::Source,
    operation,
    outline::Outline,
    plain,
    references::{self, Component},
};
use crate::{
    catalog::{Requirement, Verb, template::Template},
    policy::{Extent, Extents, Rights},
    secret::{Digest, Fingerprint},
};

/// What has no document of Logto's to go by says so.
const OF_CATALOG: &str = "Made of Claviger's catalog, without types: Logto's own document has not been fetched yet. Ask again later.";

/// A cut document, but for the address of its server, which depends on how the caller asks.
#[derive(Debug)]
pub struct Cut {
    before: Bytes,
    after: Bytes,
    digest: Digest,
}

impl Cut {
    /// Cuts a document down to what `rights` allow. Takes milliseconds: for a thread of its own.
    pub fn of(source: &Source, rights: &Rights) -> Self {
        let mut parts = Parts {
            rights,
            extents: rights.extents(),
            paths: Vec::new(),
            tags: BTreeSet::new(),
            refers: BTreeSet::new(),
        };
        match source {
            Source::Catalog => {
                parts.of_catalog();
                parts.write(None)
            }
            Source::Logto(document) => {
                let outline = document.outline();
                parts.of_outline(&outline);
                parts.write(Some(&outline))
            }
        }
    }

    /// The document for callers that reach this proxy at `base`: three pieces, one after the other.
    pub fn at(&self, base: &str) -> [Bytes; 3] {
        let url = serde_json::to_string(base).unwrap_or_default();
        [self.before.clone(), Bytes::from(url), self.after.clone()]
    }

    /// Its entity tag there (RFC 9110 section 8.8.3).
    pub fn tag(&self, base: &str) -> String {
        let mut fingerprint = Fingerprint::default();
        fingerprint.add(self.digest.as_bytes());
        fingerprint.add(base.as_bytes());
        format!("\"{:.32}\"", fingerprint.digest().to_hex())
    }

    /// How many bytes it has, but for the address.
    pub fn len(&self) -> usize {
        self.before.len() + self.after.len()
    }

    /// Whether it has none; it never has.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A cut in the making.
struct Parts<'r> {
    rights: &'r Rights,
    extents: Extents<'r>,
    /// In the order of the document, each as JSON.
    paths: Vec<(String, Value)>,
    tags: BTreeSet<String>,
    refers: BTreeSet<Component>,
}

impl Parts<'_> {
    fn of_catalog(&mut self) {
        let forwarded =
            |operation: &crate::catalog::Operation| operation.requirement != Requirement::Withheld;
        for path in plain::paths(&self.rights.catalog, forwarded) {
            let mut item = Map::new();
            for (verb, operation) in path.operations {
                self.add(&mut item, verb, &path.template, operation, &|_| None);
            }
            self.keep(path.template.as_str(), item);
        }
    }

    fn of_outline(&mut self, outline: &Outline<'_>) {
        let resolve = |reference: &str| {
            let (section, name) = references::component(reference)?;
            parse(outline.component(&section, &name)?)
        };
        for (path, members) in outline.paths.iter() {
            let Ok(template) = Template::parse(path) else { continue };
            let (mut item, mut shared) = (Map::new(), Map::new());
            for (name, raw) in members.iter() {
                match (Verb::parse(&name.to_ascii_uppercase()), &**name) {
                    (Some(verb), _) if self.extents.of(verb, &template).is_some() => {
                        if let Some(operation) = parse(raw) {
                            self.add(&mut item, verb, &template, operation, &resolve);
                        }
                    }
                    (None, "parameters" | "summary" | "description") => {
                        shared.extend(parse(raw).map(|value| (name.to_string(), value)));
                    }
                    _ => {}
                }
            }
            if !item.is_empty() {
                shared.values().for_each(|value| references::collect(value, &mut self.refers));
                item.extend(shared);
            }
            self.keep(path, item);
        }
    }

    /// Adds an operation to its path, if the caller may use it.
    fn add(
        &mut self,
        item: &mut Map<String, Value>,
        verb: Verb,
        template: &Template,
        operation: Value,
        resolve: &dyn Fn(&str) -> Option<Value>,
    ) {
        let Value::Object(mut operation) = operation else { return };
        let extent: Extent<'_> = self.extents.of(verb, template);
        if !extent.is_some() {
            return;
        }
        let op = self.rights.catalog.find(verb, template.as_str());
        operation::adapt(&mut operation, &extent, &self.rights.hidden(op), resolve);
        let tags = operation.get("tags").and_then(Value::as_array).into_iter().flatten();
        self.tags.extend(tags.filter_map(Value::as_str).map(str::to_owned));
        let operation = Value::Object(operation);
        references::collect(&operation, &mut self.refers);
        item.insert(verb.as_str().to_ascii_lowercase(), operation);
    }

    fn keep(&mut self, path: &str, item: Map<String, Value>) {
        if !item.is_empty() {
            self.paths.push((path.to_owned(), Value::Object(item)));
        }
    }

    fn write(self, outline: Option<&Outline<'_>>) -> Cut {
        let openapi = outline.map_or("3.0.3", |outline| &outline.openapi);
        let (version, source) = match outline {
            Some(outline) => (outline.info.version.as_ref(), "logto"),
            None => (env!("CARGO_PKG_VERSION"), "catalog"),
        };
        let mut description = "The operations that this caller may use, through Claviger: what is not here is refused. \
                               Claviger adds the tenant's access token; what a caller presents is its own credential."
            .to_owned();
        if outline.is_none() {
            description = format!("{description}\n\n{OF_CATALOG}");
        }
        let info = json!({
            "title": "Logto Management API, as far as this caller may use it",
            "version": if version.is_empty() { "unknown" } else { version },
            "description": description,
            "x-claviger-source": source,
        });
        let before = format!("{{\"openapi\":{},\"info\":{info},\"servers\":[{{\"url\":", json!(openapi));
        let mut after = Vec::with_capacity(16 * 1024);
        after.extend_from_slice(
            b",\"description\":\"Claviger\"}],\"security\":[{\"claviger\":[]},{}],\"paths\":",
        );
        write_members(&mut after, self.paths.iter().map(|(path, item)| (path.as_str(), item)));
        let components = outline.map(|outline| components(outline, self.refers)).unwrap_or_default();
        after.extend_from_slice(b",\"components\":");
        let schemes = ("securitySchemes".to_owned(), security());
        let components: Vec<_> = [schemes].into_iter().chain(components).collect();
        write_members(&mut after, components.iter().map(|(section, members)| (section.as_str(), members)));
        after.extend_from_slice(b",\"tags\":");
        write(&mut after, &tags(outline, &self.tags));
        after.push(b'}');
        let mut fingerprint = Fingerprint::default();
        fingerprint.add(before.as_bytes());
        fingerprint.add(&after);
        let (before, after) = (Bytes::from(before), Bytes::from(after.into_boxed_slice()));
        Cut { before, after, digest: fingerprint.digest() }
    }
}

/// How callers show who they are: with a credential of their own, or by where they are.
fn security() -> Value {
    json!({ "claviger": {
        "type": "http",
        "scheme": "bearer",
        "description": "The caller's own credential for Claviger, where it has one: an API key, a JWT, or a token from \
                        /oidc/token. A caller that is known by its socket or its certificate needs none. Logto's access token is \
                        added by Claviger and never needed here.",
    } })
}

/// The components that are referred to, and those that they refer to.
fn components(outline: &Outline<'_>, mut refers: BTreeSet<Component>) -> Vec<(String, Value)> {
    let (mut ahead, mut found) = (refers.clone(), Vec::new());
    while let Some((section, name)) = ahead.pop_first() {
        if section == "securitySchemes" {
            continue;
        }
        let Some(mut value) = outline.component(&section, &name).and_then(parse) else { continue };
        operation::mend(&mut value);
        let mut further = BTreeSet::new();
        references::collect(&value, &mut further);
        for component in further {
            if refers.insert(component.clone()) {
                ahead.insert(component);
            }
        }
        found.push((section, name, value));
    }
    let mut sections = Vec::<(String, Value)>::new();
    for (section, name, value) in found {
        match sections.iter_mut().find(|(known, _)| *known == section) {
            Some((_, members)) => members[name] = value,
            None => sections.push((section, json!({ name: value }))),
        }
    }
    sections
}

/// The tags that operations have, as the document describes them.
fn tags(outline: Option<&Outline<'_>>, used: &BTreeSet<String>) -> Value {
    let described = outline.map(|outline| outline.tags.as_slice()).unwrap_or_default();
    let described: Vec<Value> = described.iter().filter_map(|raw| parse(raw)).collect();
    let name = |tag: &Value| tag.get("name").and_then(Value::as_str).map(str::to_owned);
    let mut known: Vec<Value> =
        described.into_iter().filter(|tag| name(tag).is_some_and(|name| used.contains(&name))).collect();
    let missing = used.iter().filter(|used| !known.iter().any(|tag| name(tag).as_deref() == Some(used)));
    let missing: Vec<_> = missing.map(|name| json!({ "name": name })).collect();
    known.extend(missing);
    Value::Array(known)
}

fn parse(raw: &RawValue) -> Option<Value> {
    serde_json::from_str(raw.get()).ok()
}

fn write_members<'v>(to: &mut Vec<u8>, members: impl Iterator<Item = (&'v str, &'v Value)>) {
    to.push(b'{');
    for (at, (name, value)) in members.enumerate() {
        if at > 0 {
            to.push(b',');
        }
        write(to, &json!(name));
        to.push(b':');
        write(to, value);
    }
    to.push(b'}');
}

fn write(to: &mut Vec<u8>, value: &Value) {
    // Writing a value to memory cannot fail.
    let _: serde_json::Result<()> = serde_json::to_writer(to, value);
}

#[cfg(test)]
mod tests;
