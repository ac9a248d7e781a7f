//! The values that a file may hold, each parsed from text. Reading one never stops the reading of the rest:
//! a [`Leaf`] that does not parse keeps what is wrong with it until `check` collects it.

use std::{borrow::Cow, fmt, marker::PhantomData, path::PathBuf, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

use super::{
    Address, ClientAuth, LogFormat, LogRequests,
    problem::{Mistake, quoted},
};
use crate::secret::Digest;

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
inline_schema!([] Slot, "Slot", |_generator| secret_schema());
inline_schema!([] Slots, "Slots", |_generator| {
    let one = secret_schema();
    json_schema!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1, "maxItems": 2 }] })
});

fn secret_schema() -> Schema {
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
            { "type": "string", "description": "The secret itself: works, and earns a warning." },
        ],
    })
}

impl FromText for String {
    const WANTED: &'static str = "text";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        Ok(text.into())
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string" })
    }
}

impl FromText for PathBuf {
    const WANTED: &'static str = "a path";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        if text.is_empty() {
            return Err(Mistake::new("the path is empty", "Write the path of a file."));
        }
        Ok(text.into())
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "minLength": 1 })
    }
}

impl FromText for bool {
    const WANTED: &'static str = "true or false";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(Mistake::new(
                format!("{} is neither true nor false", quoted(text)),
                "Write true or false.",
            )),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "boolean" })
    }
}

impl FromText for u64 {
    const WANTED: &'static str = "a whole number";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        let digits = text.trim().replace('_', "");
        digits.parse().map_err(|_| {
            Mistake::new(
                format!("{} is not a whole number", quoted(text)),
                "Write digits alone, such as 100.",
            )
        })
    }

    fn schema() -> Schema {
        json_schema!({ "type": "integer", "minimum": 0 })
    }
}

impl FromText for f64 {
    const WANTED: &'static str = "a number";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        match text.trim().replace('_', "").parse::<Self>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => Err(Mistake::new(
                format!("{} is not a number", quoted(text)),
                "Write a fraction such as 0.8.",
            )),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "number" })
    }
}

impl FromText for Duration {
    const WANTED: &'static str = "a duration";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        let text = text.trim();
        if text != "0" && !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Mistake::new(
                format!("the duration {} has no unit", quoted(text)),
                format!(
                    "Write \"{0}s\" for seconds or \"{0}ms\" for milliseconds.",
                    text.get(..12).unwrap_or(text)
                ),
            ));
        }
        humantime::parse_duration(text).map_err(|_| {
            Mistake::new(
                format!("{} is not a duration", quoted(text)),
                "Write a number with a unit, such as \"10s\", \"500ms\" or \"1m 30s\".",
            )
        })
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "examples": ["10s", "500ms", "1m 30s"] })
    }
}

/// A number of bytes.
pub(super) struct Size(pub(super) u64);

impl FromText for Size {
    const WANTED: &'static str = "a size";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        let mistake = || {
            Mistake::new(
                format!("{} is not a size", quoted(text)),
                "Write a number of bytes, or a number with a unit, such as \"64KiB\" or \"1MiB\".",
            )
        };
        let compact: String = text.chars().filter(|c| !c.is_whitespace() && *c != '_').collect();
        let end = compact.find(|c: char| !c.is_ascii_digit()).unwrap_or(compact.len());
        let (number, unit) = compact.split_at(end);
        let factor: u64 = match unit {
            "" | "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return Err(mistake()),
        };
        let number: u64 = number.parse().map_err(|_| mistake())?;
        number.checked_mul(factor).map(Self).ok_or_else(mistake)
    }

    fn schema() -> Schema {
        json_schema!({ "type": ["integer", "string"], "minimum": 0, "pattern": "^[0-9_ ]+(B|KiB|MiB|GiB)?$" })
    }
}

/// Permission bits.
pub(super) struct Mode(pub(super) u32);

impl FromText for Mode {
    const WANTED: &'static str = "permission bits";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        let digits = text.trim().trim_start_matches("0o");
        match u32::from_str_radix(digits, 8) {
            Ok(mode) if mode <= 0o777 => Ok(Self(mode)),
            _ => Err(Mistake::new(
                format!("{} are not permission bits", quoted(text)),
                "Write them in octal, such as \"0660\".",
            )),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": ["string", "integer"], "examples": ["0660"] })
    }
}

impl FromText for Address {
    const WANTED: &'static str = "an address";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        const MOST: usize = 107;
        if let Some(path) = text.strip_prefix("unix:") {
            if path.len() > MOST {
                return Err(Mistake::new(
                    format!("the socket path has {} bytes; the system allows {MOST}", path.len()),
                    "Choose a shorter path, such as unix:/run/claviger.sock.",
                ));
            }
            if path.is_empty() || path.contains('\0') {
                return Err(Mistake::new(
                    "the socket path is empty or holds a NUL",
                    "Write unix:/run/claviger.sock.",
                ));
            }
            return Ok(Self::Unix(path.into()));
        }
        if let Some(port) = text.strip_prefix("localhost:").and_then(|port| port.parse::<u16>().ok()) {
            return Err(Mistake::new(
                "localhost is a name; a listener needs an address",
                format!("Write \"127.0.0.1:{port}\" or \"[::1]:{port}\"."),
            ));
        }
        text.parse().map(Self::Tcp).map_err(|_| {
            let remedy = match text.trim_start_matches(':').parse::<u16>() {
                Ok(port) => format!("Write \"127.0.0.1:{port}\" for this machine alone, or \"0.0.0.0:{port}\" for all."),
                Err(_) => "Write an IP address and a port, such as \"127.0.0.1:3600\" or \"[::1]:3600\", or \"unix:/path\".".into(),
            };
            Mistake::new(format!("{} is not an address to listen on", quoted(text)), remedy)
        })
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "examples": ["127.0.0.1:3600", "unix:/run/claviger/claviger.sock"] })
    }
}

/// An address, or `off`.
pub(super) struct AddressOrOff(pub(super) Option<Address>);

impl FromText for AddressOrOff {
    const WANTED: &'static str = "an address or \"off\"";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        match text {
            "off" | "false" => Ok(Self(None)),
            _ => Address::from_text(text).map(|address| Self(Some(address))),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "examples": ["127.0.0.1:3601", "off"] })
    }
}

/// A value that only says that something is switched off.
pub(super) struct Off;

/// The name of a set of certificate authorities.
#[derive(Clone, Copy)]
pub(super) enum RootsName {
    System,
    Bundled,
}

/// The SHA-256 of an API key.
pub(super) struct HexDigest(pub(super) Digest);

impl FromText for HexDigest {
    const WANTED: &'static str = "64 hexadecimal digits";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        // Not quoted: it may be the key itself.
        Digest::from_hex(text.trim()).map(Self).ok_or_else(|| {
            Mistake::new(
                "this is not a SHA-256 in 64 hexadecimal digits",
                "Print one with: printf %s \"$KEY\" | sha256sum",
            )
        })
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9a-fA-F]{64}$" })
    }
}

macro_rules! words {
    ($type:ty, $wanted:literal, { $($word:literal => $value:expr),+ $(,)? }) => {
        impl FromText for $type {
            const WANTED: &'static str = $wanted;

            fn from_text(text: &str) -> Result<Self, Mistake> {
                match text {
                    $($word => Ok($value),)+
                    _ => Err(Mistake::new(
                        format!("{} is not {}", quoted(text), Self::WANTED),
                        match super::problem::nearest(text, [$($word),+]) {
                            Some(near) => format!("Did you mean \"{near}\"?"),
                            None => String::from(concat!("Write one of:", $(" \"", $word, "\""),+, ".")),
                        },
                    )),
                }
            }

            fn schema() -> Schema {
                json_schema!({ "enum": [$($word),+] })
            }
        }
    };
}

words!(LogFormat, "a log format", { "json" => Self::Json, "human" => Self::Human });
words!(LogRequests, "a choice of requests", { "all" => Self::All, "failures" => Self::Failures, "off" => Self::Off });
words!(ClientAuth, "a way to authenticate", {
    "client_secret_basic" => Self::Basic,
    "client_secret_post" => Self::Post,
});
words!(Off, "a rate", { "off" => Self });
words!(RootsName, "a set of certificate authorities", { "system" => Self::System, "bundled" => Self::Bundled });
