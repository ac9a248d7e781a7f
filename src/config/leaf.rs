//! The values that a file may hold, each parsed from text. Reading one never stops the reading of the rest:
//! a [`Leaf`] that does not parse keeps what is wrong with it until `check` collects it.

use std::{borrow::Cow, fmt, marker::PhantomData};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

use super::problem::Mistake;

mod text;

pub(super) use text::{AddressOrOff, AuditWord, HexDigest, Mode, Off, RootsName, Size, Unconditional};

/// A type that is written as text.
pub(super) trait FromText: Sized {
    /// What is wanted, as in "found a list where … is wanted".
    const WANTED: &'static str;

    fn from_text(text: &str) -> Result<Self, Mistake>;

    /// The JSON Schema of what may be written.
    fn schema() -> Schema;
}

/// A value, or what is wrong with it.
pub(super) struct Leaf<T>(pub(super) Result<T, Mistake>);

/// One value or a list of them.
pub(super) struct List<T> {
    pub(super) items: Vec<Leaf<T>>,
    /// Written without brackets.
    pub(super) alone: bool,
}

/// The place of a secret in the table of secrets; or of several.
pub(super) struct Slot(pub(super) usize);
pub(super) struct Slots(pub(super) Vec<usize>);

/// The place of a private key, which a path names.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct KeySlot(pub(super) Slot);

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

impl<T: FromText> Leaf<T> {
    fn read(text: &str) -> Self {
        Self(T::from_text(text))
    }

    fn found(what: &str) -> Self {
        Self(Err(Mistake::new(format!("found {what} where {} is wanted", T::WANTED), "")))
    }
}

struct LeafVisitor<T>(PhantomData<T>);

impl<'de, T: FromText> Visitor<'de> for LeafVisitor<T> {
    type Value = Leaf<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::WANTED)
    }

    fn visit_str<E>(self, text: &str) -> Result<Leaf<T>, E> {
        Ok(Leaf::read(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Leaf<T>, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Leaf::found("a list"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Leaf<T>, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Leaf::found("a table"))
    }
}

impl<'de, T: FromText> Deserialize<'de> for Leaf<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LeafVisitor(PhantomData))
    }
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: FromText> Visitor<'de> for ListVisitor<T> {
    type Value = List<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_str<E>(self, text: &str) -> Result<List<T>, E> {
        Ok(List { items: vec![Leaf::read(text)], alone: true })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<List<T>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = sequence.next_element()? {
            items.push(item);
        }
        Ok(List { items, alone: false })
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<List<T>, A::Error> {
        Ok(List { items: vec![LeafVisitor(PhantomData).visit_map(members)?], alone: true })
    }
}

impl<'de, T: FromText> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListVisitor(PhantomData))
    }
}

struct EitherVisitor<W, T>(PhantomData<(W, T)>);

impl<'de, W: FromText, T: Deserialize<'de>> Visitor<'de> for EitherVisitor<W, T> {
    type Value = Either<W, T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(W::WANTED)
    }

    fn visit_str<E>(self, text: &str) -> Result<Either<W, T>, E> {
        Ok(Either::Text(Leaf::read(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Either<W, T>, A::Error> {
        LeafVisitor(PhantomData).visit_seq(items).map(Either::Text)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Either<W, T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members)).map(Either::Table)
    }
}

impl<'de, W: FromText, T: Deserialize<'de>> Deserialize<'de> for Either<W, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EitherVisitor(PhantomData))
    }
}

struct MixedVisitor<W, T>(PhantomData<(W, T)>);

impl<'de, W: FromText, T: Deserialize<'de>> Visitor<'de> for MixedVisitor<W, T> {
    type Value = Mixed<W, T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_str<E>(self, text: &str) -> Result<Mixed<W, T>, E> {
        Ok(Mixed { items: vec![Either::Text(Leaf::read(text))], alone: true })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Mixed<W, T>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = sequence.next_element()? {
            items.push(item);
        }
        Ok(Mixed { items, alone: false })
    }
}

impl<'de, W: FromText, T: Deserialize<'de>> Deserialize<'de> for Mixed<W, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MixedVisitor(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Slot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        usize::deserialize(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for Slots {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Places;

        impl<'de> Visitor<'de> for Places {
            type Value = Slots;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a secret or a list of secrets")
            }

            fn visit_u64<E>(self, place: u64) -> Result<Slots, E> {
                Ok(Slots(usize::try_from(place).into_iter().collect()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Slots, A::Error> {
                let mut places = Vec::new();
                while let Some(place) = items.next_element()? {
                    places.push(place);
                }
                Ok(Slots(places))
            }
        }

        deserializer.deserialize_any(Places)
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
inline_schema!([] KeySlot, "KeySlot", |_generator| {
    let path = json_schema!({ "type": "string", "minLength": 1, "description": "The path of the file." });
    secret_or(path)
});
inline_schema!([] Slot, "Slot", |_generator| secret_schema());
inline_schema!([] Slots, "Slots", |_generator| {
    let one = secret_schema();
    json_schema!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1, "maxItems": 2 }] })
});

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
