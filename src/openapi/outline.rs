//! The upper levels of an OpenAPI document, read without their depths: paths with their operations, components by section,
//! tags. What is further below stays text until somebody needs it, so that a document of a megabyte costs no more than its
//! bytes.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// An OpenAPI document by its upper levels.
#[derive(Deserialize)]
pub(super) struct Outline<'d> {
    #[serde(borrow)]
    pub(super) openapi: Cow<'d, str>,
    #[serde(borrow, default)]
    pub(super) info: Info<'d>,
    #[serde(borrow)]
    pub(super) paths: Members<'d, Members<'d, &'d RawValue>>,
    #[serde(borrow, default)]
    pub(super) components: Members<'d, Members<'d, &'d RawValue>>,
    #[serde(borrow, default)]
    pub(super) tags: Vec<&'d RawValue>,
    /// What holds for operations that say nothing of it.
    #[serde(borrow, default)]
    pub(super) security: Option<&'d RawValue>,
}

#[derive(Deserialize, Default)]
pub(super) struct Info<'d> {
    #[serde(borrow, default)]
    pub(super) version: Cow<'d, str>,
}

/// The members of an object, in their order.
pub(super) struct Members<'d, V>(pub(super) Vec<(Cow<'d, str>, V)>);

impl<V> Default for Members<'_, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'d, V> Members<'d, V> {
    /// The member of this name.
    pub(super) fn of(&self, name: &str) -> Option<&V> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &(Cow<'d, str>, V)> {
        self.0.iter()
    }
}

impl<'d> Outline<'d> {
    /// Reads a document.
    pub(super) fn read(text: &'d str) -> serde_json::Result<Self> {
        serde_json::from_str(text)
    }

    /// The component `name` of a section.
    pub(super) fn component(&self, section: &str, name: &str) -> Option<&'d RawValue> {
        self.components.of(section)?.of(name).copied()
    }
}

impl<'de: 'd, 'd, V: Deserialize<'de>> Deserialize<'de> for Members<'d, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Object(PhantomData))
    }
}

struct Object<'d, V>(PhantomData<(&'d (), V)>);

impl<'de: 'd, 'd, V: Deserialize<'de>> Visitor<'de> for Object<'d, V> {
    type Value = Members<'d, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some((Name(name), value)) = map.next_entry::<Name<'de>, V>()? {
            members.push((name, value));
        }
        Ok(Members(members))
    }
}

/// A name with its escapes decoded, borrowed where it has none.
#[derive(Deserialize)]
struct Name<'d>(#[serde(borrow)] Cow<'d, str>);
