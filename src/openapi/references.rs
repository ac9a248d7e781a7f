//! References from one part of a document to its components: a cut has those that something in it refers to, and no
//! others.

use std::collections::BTreeSet;

use serde_json::Value;

/// A component: its section, such as `schemas`, and its name.
pub(super) type Component = (String, String);

/// Adds the components that `value` refers to.
pub(super) fn collect(value: &Value, found: &mut BTreeSet<Component>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match (name.as_str(), member) {
                    ("$ref", Value::String(reference)) => found.extend(component(reference)),
                    _ => collect(member, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        _ => {}
    }
}

/// The component that a reference is about (RFC 6901 escapes in it).
pub(super) fn component(reference: &str) -> Option<Component> {
    let (section, rest) = reference.strip_prefix("#/components/")?.split_once('/')?;
    let name = rest.split('/').next()?;
    Some((section.into(), name.replace("~1", "/").replace("~0", "~")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn references_are_found_at_any_depth() {
        let mut found = BTreeSet::new();
        collect(
            &json!({
                "a": [{ "$ref": "#/components/schemas/User" }, { "$ref": "other.json#/x" }],
                "properties": { "$ref": { "type": "string" }, "b": { "$ref": "#/components/parameters/a~1b~0c" } },
                "discriminator": { "$ref": "#/components/schemas/Role/properties/name" },
            }),
            &mut found,
        );
        let found: Vec<_> = found.iter().map(|(section, name)| format!("{section} {name}")).collect();
        assert_eq!(found, ["parameters a/b~c", "schemas Role", "schemas User"]);
    }
}
