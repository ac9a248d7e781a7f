//! JSON objects of a token, and the claims in one. An object with a repeated member, at any depth, is invalid: a parser
//! that takes the first and one that takes the last would read different tokens (RFC 8725 section 2.9).

use std::{fmt, time::Duration};

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// A JSON object without repeated members.
#[derive(Debug)]
pub(super) struct Object(Map<String, Value>);

impl Object {
    /// All of `bytes`, or nothing.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        match serde_json::from_slice::<Strict>(bytes) {
            Ok(Strict(Value::Object(members))) => Some(Self(members)),
            _ => None,
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }
}

/// The claims of a token, not to be trusted before its signature is verified.
#[derive(Debug)]
pub(super) struct Claims(pub(super) Object);

impl Claims {
    pub(super) fn issuer(&self) -> Option<&str> {
        self.0.text("iss")
    }

    /// `sub`, unless it is empty.
    pub(super) fn subject(&self) -> Option<&str> {
        self.0.text("sub").filter(|subject| !subject.is_empty())
    }

    /// Whether `aud`, a string or an array of strings, holds one of `wanted`.
    pub(super) fn is_for(&self, wanted: &[String]) -> bool {
        let is_wanted = |value: &Value| value.as_str().is_some_and(|name| wanted.iter().any(|w| w == name));
        match self.0.value("aud") {
            Some(Value::Array(all)) => all.iter().all(Value::is_string) && all.iter().any(is_wanted),
            Some(one) => is_wanted(one),
            None => false,
        }
    }

    /// A NumericDate (RFC 7519 section 2) since 1970; `Some(None)` where it is absent, `None` where it is not one.
    #[expect(clippy::option_option, reason = "absent and invalid are different answers")]
    pub(super) fn time(&self, name: &str) -> Option<Option<Duration>> {
        match self.0.value(name) {
            None => Some(None),
            Some(Value::Number(number)) => {
                let whole = number.as_u64().map(Duration::from_secs);
                let time = whole.or_else(|| Duration::try_from_secs_f64(number.as_f64()?).ok())?;
                Some(Some(time))
            }
            Some(_) => None,
        }
    }

    /// The claim at `path`. A dot in it may part two names or belong to one, as in `kubernetes.io`; a path that
    /// leads to two claims leads to none.
    pub(super) fn at(&self, path: &str) -> Option<&Value> {
        let mut found = Vec::new();
        collect(&self.0.0, path, &mut found);
        match found[..] {
            [value] => Some(value),
            _ => None,
        }
    }
}

fn collect<'v>(members: &'v Map<String, Value>, path: &str, found: &mut Vec<&'v Value>) {
    found.extend(members.get(path));
    for (dot, _) in path.match_indices('.') {
        if let Some(Value::Object(inner)) = members.get(&path[..dot]) {
            collect(inner, &path[dot + 1..], found);
        }
    }
}

/// A value in which no object repeats a member.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Members).map(Self)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without repeated members")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Strict(value)) = seq.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some((name, Strict(value))) = map.next_entry::<String, Strict>()? {
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom("a member is repeated"));
            }
        }
        Ok(Value::Object(members))
    }
}
