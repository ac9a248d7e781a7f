//! What a file may say of how a caller authenticates.

use std::collections::BTreeMap;

use schemars::JsonSchema;

use super::{
    leaf::{HexDigest, Leaf, List, SecretIds},
    node::{FromNode, Misfits},
    path::Trail,
    tree::{Node, Value},
};

tables! {
    /// One authentication method of a caller.
    #[schemars(extend("oneOf" = one_method(), "dependentRequired" = { "issuer": ["service_account"] }, "dependentSchemas" = label_goes_with_a_key()))]
    RawMethod {
        /// Whoever reaches a loopback or Unix listener.
        #[schemars(extend("const" = true))]
        loopback: Leaf<bool>,
        /// The user ID of the peer of a Unix socket.
        unix_uid: Leaf<u64>,
        /// A key that the caller sends; or two, the new one first.
        api_key: SecretIds,
        /// The SHA-256 of such a key, in hexadecimal; or two.
        api_key_sha256: List<HexDigest>,
        /// Beside `api_key` or `api_key_sha256` with one key: what log, audit log and status call the key, such as "2026-11". Left out: its place among the caller's keys, from 1.
        label: Leaf<String>,
        /// The group ID of the peer of a Unix socket.
        unix_gid: Leaf<u64>,
        /// A Kubernetes service account, "NAMESPACE/NAME", or "NAMESPACE/*" for any in it, by its projected token.
        service_account: Leaf<String>,
        /// Beside `service_account`: the issuer of the token. Left out: the only one there is, or "kubernetes".
        issuer: Leaf<String>,
        /// A token of any other issuer.
        jwt: RawJwt,
        /// The SPIFFE ID in a client certificate; `*` stands for one whole segment of its path.
        spiffe: Leaf<String>,
        /// The DNS name in a client certificate; `*.` in front stands for one label.
        dns: Leaf<String>,
    }

    /// What a JWT must say for a caller to be known by it.
    RawJwt {
        /// The name of an issuer. Left out: the only one there is.
        issuer: Leaf<String>,
        /// Claims (with dots for nested ones), and what each must be: a text, or one of several.
        claims: BTreeMap<String, List<String>>,
    }
}

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

fn one_method() -> serde_json::Value {
    METHODS.iter().map(|method| serde_json::json!({ "required": [method] })).collect()
}

fn label_goes_with_a_key() -> serde_json::Value {
    serde_json::json!({
        "label": { "anyOf": [{ "required": ["api_key"] }, { "required": ["api_key_sha256"] }] },
    })
}

/// The authentication methods of a caller. In the tree they are always a list.
pub(super) struct Methods(pub(super) Vec<RawMethod>);

impl FromNode for Methods {
    fn from_node(node: &Node, at: &Trail<'_>, misfits: &mut Misfits) -> Option<Self> {
        let Value::Sequence(items) = &node.value else {
            misfits.table(node, at, &[])?;
            return None;
        };
        let method = |(index, item)| {
            // An empty one in the place of what is none: the others keep their numbers.
            RawMethod::from_node(item, &Trail::Index(at, index), misfits).unwrap_or_default()
        };
        Some(Self(items.iter().enumerate().map(method).collect()))
    }
}

impl JsonSchema for Methods {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Methods".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let method = generator.subschema_for::<RawMethod>();
        schemars::json_schema!({ "anyOf": [method, { "type": "array", "items": method, "minItems": 1 }] })
    }
}
