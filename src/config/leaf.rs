//! The values that a file may hold, each parsed from text. Reading one never stops reading of the rest:
//! a [`Leaf`] that does not parse keeps what is wrong with it until `check` collects it.

use std::{borrow::Cow, collections::BTreeMap};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{
    exec,
    from_text::FromText,
    node::{FromNode, Misfits, Named},
    path::Trail,
    pattern,
    problem::Mistake,
    tree::{Node, Value},
};

mod address;
mod text;

pub(super) use address::AddressOrOff;
pub(super) use text::{
    DURATIONS, Forbidden, HexDigest, Mode, Off, SIZES, Size, UNITS, Unconditional, WHOLE_NUMBERS,
};

/// A value, or what is wrong with it.
pub(super) struct Leaf<T>(pub(super) Result<T, Mistake>);

/// One value or a list of them.
pub(super) struct List<T> {
    pub(super) items: Vec<Leaf<T>>,
    /// Written without brackets.
    pub(super) alone: bool,
}

/// The place of a secret in the table of secrets; or of several.
pub(super) struct SecretId(pub(super) usize);
pub(super) struct SecretIds(pub(super) Vec<usize>);

/// The places of client secrets, which commands may print.
pub(super) struct ClientSecretIds(pub(super) Vec<usize>);

/// The place of a bearer token or a master key, which a command may print.
pub(super) struct BearerId(pub(super) SecretId);

/// The place of a private key, which a path names.
pub(super) struct KeySecretId(pub(super) SecretId);

/// A list of texts and tables; a single one needs no brackets.
pub(super) struct Mixed<W, T> {
    pub(super) items: Vec<Either<W, T>>,
    /// Written without brackets.
    pub(super) alone: bool,
}

/// Text, or a table of the type `T`.
pub(super) enum Either<W, T> {
    Text(Leaf<W>),
    Table(T),
}

impl<T> Leaf<T> {
    /// With the range of its key in place of that of its type, where it is said what may be written.
    pub(super) fn in_range(self, of_type: &str, of_key: &str) -> Self {
        Self(self.0.map_err(|mistake| match mistake.remedy == of_type {
            true => Mistake { remedy: of_key.into(), ..mistake },
            false => mistake,
        }))
    }
}

impl<T: FromText> Leaf<T> {
    fn read(text: &str) -> Self {
        Self(T::from_text(text))
    }

    fn found(what: &str) -> Self {
        Self(Err(Mistake::new(format!("found {what} where {} is wanted", T::WANTED), "")))
    }
}

impl<T: FromText> FromNode for Leaf<T> {
    fn from_node(node: &Node, at: &Trail<'_>, misfits: &mut Misfits) -> Option<Self> {
        match &node.value {
            Value::Text(text) => Some(Self::read(text)),
            Value::Sequence(_) => Some(Self::found("a list")),
            Value::Map(_) => Some(Self::found("a table")),
            Value::Secret(_) => {
                misfits.shape(at, "a single value");
                None
            }
        }
    }
}

impl<T: FromText> FromNode for List<T> {
    fn from_node(node: &Node, at: &Trail<'_>, misfits: &mut Misfits) -> Option<Self> {
        let Value::Sequence(items) = &node.value else {
            return Some(Self { items: vec![Leaf::from_node(node, at, misfits)?], alone: true });
        };
        let items = items.iter().enumerate();
        let items =
            items.filter_map(|(index, item)| Leaf::from_node(item, &Trail::Index(at, index), misfits));
        Some(Self { items: items.collect(), alone: false })
    }
}

impl<W: FromText, T: FromNode> FromNode for Either<W, T> {
    fn from_node(node: &Node, at: &Trail<'_>, misfits: &mut Misfits) -> Option<Self> {
        match &node.value {
            Value::Map(_) => T::from_node(node, at, misfits).map(Self::Table),
            _ => Leaf::from_node(node, at, misfits).map(Self::Text),
        }
    }
}

impl<W: FromText, T: FromNode> FromNode for Mixed<W, T> {
    fn from_node(node: &Node, at: &Trail<'_>, misfits: &mut Misfits) -> Option<Self> {
        let Value::Sequence(items) = &node.value else {
            return Some(Self { items: vec![Either::from_node(node, at, misfits)?], alone: true });
        };
        let items = items.iter().enumerate();
        let items =
            items.filter_map(|(index, item)| Either::from_node(item, &Trail::Index(at, index), misfits));
        Some(Self { items: items.collect(), alone: false })
    }
}

impl FromNode for SecretId {
    fn from_node(node: &Node, at: &Trail<'_>, misfits: &mut Misfits) -> Option<Self> {
        match node.value {
            Value::Secret(id) => Some(Self(id)),
            Value::Sequence(_) => {
                misfits.shape(at, "a list");
                None
            }
            _ => {
                misfits.table(node, at, &[]);
                None
            }
        }
    }
}

impl FromNode for KeySecretId {
    fn from_node(node: &Node, at: &Trail<'_>, misfits: &mut Misfits) -> Option<Self> {
        SecretId::from_node(node, at, misfits).map(Self)
    }
}

impl FromNode for BearerId {
    fn from_node(node: &Node, at: &Trail<'_>, misfits: &mut Misfits) -> Option<Self> {
        SecretId::from_node(node, at, misfits).map(Self)
    }
}

impl FromNode for ClientSecretIds {
    fn from_node(node: &Node, at: &Trail<'_>, misfits: &mut Misfits) -> Option<Self> {
        SecretIds::from_node(node, at, misfits).map(|SecretIds(ids)| Self(ids))
    }
}

impl FromNode for SecretIds {
    fn from_node(node: &Node, at: &Trail<'_>, misfits: &mut Misfits) -> Option<Self> {
        let Value::Sequence(items) = &node.value else {
            return SecretId::from_node(node, at, misfits).map(|SecretId(id)| Self(vec![id]));
        };
        let id = |(index, item)| SecretId::from_node(item, &Trail::Index(at, index), misfits);
        Some(Self(items.iter().enumerate().filter_map(id).map(|SecretId(id)| id).collect()))
    }
}

macro_rules! inline_schema {
    ([$($generics:tt)*] $type:ty, $name:literal, |$generator:ident| $schema:expr) => {
        impl<$($generics)*> JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema($generator: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

inline_schema!([T: FromText] Leaf<T>, "Leaf", |_generator| T::schema());
inline_schema!([T: JsonSchema] Named<T>, "Named", |generator| {
    let mut schema = BTreeMap::<String, T>::json_schema(generator);
    schema.insert("propertyNames".into(), serde_json::json!({ "pattern": pattern::NAME }));
    schema
});
inline_schema!([T: FromText] List<T>, "List", |_generator| {
    let item = T::schema();
    json_schema!({ "anyOf": [{ "type": "array", "items": item }, item] })
});
inline_schema!([W: FromText, T: JsonSchema] Either<W, T>, "Either", |generator| {
    json_schema!({ "anyOf": [W::schema(), generator.subschema_for::<T>()] })
});
inline_schema!([W: FromText, T: JsonSchema] Mixed<W, T>, "Mixed", |generator| {
    let (text, table) = (W::schema(), generator.subschema_for::<T>());
    json_schema!({ "anyOf": [{ "type": "array", "items": { "anyOf": [text, table] } }, text, table] })
});
inline_schema!([] KeySecretId, "KeySecretId", |_generator| {
    let path = json_schema!({ "type": "string", "minLength": 1, "description": "The path of the file." });
    secret_or(path)
});
inline_schema!([] SecretId, "SecretId", |_generator| secret_schema());
inline_schema!([] SecretIds, "SecretIds", |_generator| {
    let one = secret_schema();
    json_schema!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1, "maxItems": 2 }] })
});

inline_schema!([] ClientSecretIds, "ClientSecretIds", |_generator| {
    let one = provided_schema();
    json_schema!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1, "maxItems": 2 }] })
});
inline_schema!([] BearerId, "BearerId", |_generator| provided_schema());

/// A secret, or a command that prints it.
fn provided_schema() -> Schema {
    let mut one = secret_schema();
    if let Some(forms) = one.get_mut("anyOf").and_then(serde_json::Value::as_array_mut) {
        forms.insert(forms.len() - 1, exec::schema().to_value());
    }
    one
}

fn secret_schema() -> Schema {
    secret_or(
        json_schema!({ "type": "string", "description": "The secret itself: works, and earns a warning." }),
    )
}

fn secret_or(text: Schema) -> Schema {
    let reference = |key: &str, description: &str| {
        json_schema!({
            "type": "object",
            "properties": { key: { "type": "string", "minLength": 1, "description": description } },
            "required": [key],
            "additionalProperties": false,
        })
    };
    json_schema!({
        "anyOf": [
            reference("file", "A file that holds the secret; one line end at its end does not count."),
            reference("env", "The name of an environment variable that holds the secret."),
            text,
        ],
    })
}
