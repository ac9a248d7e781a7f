//! The authentication methods of a caller, of which a file may write one or a list; and what their schema says of the keys that
//! exclude each other.

use schemars::JsonSchema;

use super::{
    node::{FromNode, Misfits},
    path::Trail,
    tree::{Node, Value},
};

/// The keys of which a method has exactly one.
pub(super) const METHODS: [&str; 9] = [
    "loopback",
    "unix_uid",
    "unix_gid",
    "api_key",
    "api_key_sha256",
    "service_account",
    "jwt",
    "spiffe",
    "dns",
];

pub(super) fn one_method() -> serde_json::Value {
    METHODS.iter().map(|method| serde_json::json!({ "required": [method] })).collect()
}

pub(super) fn label_goes_with_a_key() -> serde_json::Value {
    serde_json::json!({
        "label": { "anyOf": [{ "required": ["api_key"] }, { "required": ["api_key_sha256"] }] },
    })
}

/// The authentication methods of a caller. In the tree they are always a list.
pub(super) struct Methods<T>(pub(super) Vec<T>);

impl<T: FromNode + Default> FromNode for Methods<T> {
    fn from_node(node: &Node, at: &Trail<'_>, misfits: &mut Misfits) -> Option<Self> {
        let Value::Sequence(items) = &node.value else {
            misfits.table(node, at)?;
            return None;
        };
        let method = |(index, item)| {
            // An empty one in the place of what is none: the others keep their numbers.
            T::from_node(item, &Trail::Index(at, index), misfits).unwrap_or_default()
        };
        Some(Self(items.iter().enumerate().map(method).collect()))
    }
}

impl<T: JsonSchema> JsonSchema for Methods<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Methods".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let method = generator.subschema_for::<T>();
        schemars::json_schema!({ "anyOf": [method, { "type": "array", "items": method, "minItems": 1 }] })
    }
}
