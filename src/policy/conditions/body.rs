//! Conditions on the members of a body. Accepts a body that can only be read as one JSON object: declared as
//! JSON and in UTF-8, not compressed, each top-level member once. Logto would also read forms, gzip and other
//! charsets (facts 5.1 to 5.3); none of these can meet a condition.

use std::{borrow::Cow, fmt};

use http::{HeaderMap, header};
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use super::broken::{Broken, Member};

/// Judges a whole body: every top-level member is among `members`, and is there once.
///
/// # Errors
/// The condition that is not met.
pub fn check(members: &[String], headers: &HeaderMap, body: &[u8]) -> Result<(), Broken> {
    if body.is_empty() {
        return Ok(());
    }
    if !is_identity(headers) {
        return Err(Broken::Body("sent without Content-Encoding"));
    }
    if !is_json(headers) {
        return Err(Broken::Body("of Content-Type application/json, in UTF-8"));
    }
    // serde_json does not look at the bytes of what it skips.
    if str::from_utf8(body).is_err() {
        return Err(Broken::Body("in UTF-8"));
    }
    let mut object = Object { members, seen: vec![false; members.len()], broken: None };
    let mut json = serde_json::Deserializer::from_slice(body);
    let read = (&mut object).deserialize(&mut json).and_then(|()| json.end());
    match (object.broken, read) {
        (Some(broken), _) => Err(broken),
        // Its words are the library's alone; of JSON of another kind they would repeat a value.
        (None, Err(error)) if error.is_syntax() || error.is_eof() => {
            Err(Broken::Json(error.to_string().into()))
        }
        (None, Err(_)) => Err(Broken::Body("one JSON object and nothing else")),
        (None, Ok(())) => Ok(()),
    }
}

/// Logto decompresses what says that it is compressed (fact 5.3).
fn is_identity(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::CONTENT_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(coding), None) => coding.as_bytes().eq_ignore_ascii_case(b"identity"),
        _ => false,
    }
}

/// `application/json`, at most with `charset=utf-8`, and once.
fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (types.next(), types.next()) else { return false };
    let Ok(text) = value.to_str() else { return false };
    let (essence, parameters) = text.split_once(';').unwrap_or((text, ""));
    let charset = parameters.trim();
    let is_utf8 = match charset.split_once('=') {
        Some((name, value)) => {
            let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
            name.eq_ignore_ascii_case("charset") && value.eq_ignore_ascii_case("utf-8")
        }
        None => charset.is_empty(),
    };
    essence.trim().eq_ignore_ascii_case("application/json") && is_utf8
}

struct Object<'m> {
    members: &'m [String],
    seen: Vec<bool>,
    broken: Option<Broken>,
}

impl<'de> DeserializeSeed<'de> for &mut Object<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut Object<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Name(name)) = map.next_key::<Name<'de>>()? {
            let broken = match self.members.iter().position(|member| *member == *name) {
                None => Some(Broken::Member(Member(name.into_owned()))),
                Some(at) => std::mem::replace(&mut self.seen[at], true)
                    .then(|| Broken::Twice(self.members[at].clone())),
            };
            if let Some(broken) = broken {
                self.broken = Some(broken);
                return Err(A::Error::custom("not allowed"));
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

/// A name with its escapes decoded, borrowed where it has none.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
