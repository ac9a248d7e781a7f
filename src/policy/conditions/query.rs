//! Conditions on query parameters. Reads the query as Koa does (Node's `querystring`: `&` alone separates, the
//! first `=` divides, `+` is a space, names are compared letter for letter, brackets mean nothing), and refuses
//! what another reader could read differently: half an escape, bytes outside of RFC 3986, a conditioned name in
//! another spelling.

use std::borrow::Cow;

use super::broken::{Broken, Parameter};
use crate::config::{Conditions, OtherParameters, QueryCondition};

/// Node's parser looks at the first thousand parameters and at no other.
const MAX_PARAMETERS: usize = 256;
/// Deeper than any honest name is encoded.
const MAX_DECODING: usize = 8;

/// Judges a query, as it came.
///
/// # Errors
/// The condition that is not met.
pub fn check(asked: &Conditions, query: Option<&str>) -> Result<(), Broken> {
    let conditions = &*asked.query;
    if conditions.is_empty() && asked.others == OtherParameters::Unrestricted {
        return Ok(());
    }
    let mut seen = vec![false; conditions.len()];
    let parameters = query.unwrap_or_default().split('&').filter(|parameter| !parameter.is_empty());
    for (number, parameter) in parameters.enumerate() {
        if number >= MAX_PARAMETERS {
            return Err(Broken::Query("it has too many parameters"));
        }
        let (raw, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let (name, value) = (decode(raw)?, decode(value)?);
        let Some(at) = conditions.iter().position(|(known, _)| *known == name) else {
            match conditions.iter().find(|(known, _)| resembles(&name, known)) {
                Some((known, _)) => return Err(Broken::Spelling(known.clone())),
                None if asked.others == OtherParameters::Forbidden => {
                    return Err(Broken::Unlisted(Parameter(name)));
                }
                None => continue,
            }
        };
        let (known, condition) = &conditions[at];
        if raw.contains('%') && known.bytes().all(is_unreserved) {
            return Err(Broken::Spelling(known.clone()));
        }
        if std::mem::replace(&mut seen[at], true) {
            return Err(Broken::Repeated(known.clone()));
        }
        value_meets(condition, known, &value)?;
    }
    match conditions.iter().zip(seen).find(|((_, condition), seen)| condition.required && !seen) {
        Some(((name, _), _)) => Err(Broken::Missing(name.clone())),
        None => Ok(()),
    }
}

fn value_meets(condition: &QueryCondition, name: &str, value: &str) -> Result<(), Broken> {
    let name = || name.to_owned();
    if condition.forbidden {
        return Err(Broken::Forbidden(name()));
    }
    if condition.required && value.is_empty() {
        return Err(Broken::Missing(name()));
    }
    if condition.max.is_some() || condition.min.is_some() {
        let number = plain_number(value).ok_or_else(|| Broken::Number(name()))?;
        if let Some(max) = condition.max.filter(|max| number > *max) {
            return Err(Broken::Above(name(), max));
        }
        if let Some(min) = condition.min.filter(|min| number < *min) {
            return Err(Broken::Below(name(), min));
        }
    }
    match &condition.one_of {
        Some(values) if !values.iter().any(|allowed| allowed == value) => Err(Broken::Value(name())),
        _ => Ok(()),
    }
}

/// `0`, `50`: nothing that JavaScript's `Number` and another reader could disagree about (`1e3`, `0x20`, `050`,
/// ` 5`, `+5`, `٥`).
fn plain_number(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text.len() == 1 || !text.starts_with('0'));
    // Above this JavaScript no longer tells two numbers apart.
    const MAX_SAFE: u64 = (1 << 53) - 1;
    if plain { text.parse().ok().filter(|number| *number <= MAX_SAFE) } else { None }
}

/// Once, as Koa does.
fn decode(raw: &str) -> Result<String, Broken> {
    let bytes = raw.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'+' => decoded.push(b' '),
            b'%' => {
                decoded.push(
                    escaped(&bytes[at..])
                        .ok_or(Broken::Query("\"%\" is not followed by two hexadecimal digits"))?,
                );
                at += 2;
            }
            byte if is_plain(*byte) => decoded.push(*byte),
            _ => return Err(Broken::Query("it holds a character that must be percent-encoded")),
        }
        at += 1;
    }
    let text = String::from_utf8(decoded).map_err(|_| Broken::Query("an escape in it is not UTF-8"))?;
    if text.contains(char::is_control) {
        Err(Broken::Query("it holds an escaped control character"))
    } else {
        Ok(text)
    }
}

fn escaped(rest: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = rest else { return None };
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    Some(digit(*high)? << 4 | digit(*low)?)
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// What may stand in a query as it is (RFC 3986 section 3.4), and the brackets that clients leave unescaped. Not
/// `;`, which separates parameters for some.
fn is_plain(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(
            byte,
            b'!' | b'$' | b'\'' | b'(' | b')' | b'*' | b',' | b'=' | b':' | b'@' | b'/' | b'?' | b'[' | b']'
        )
}

/// Whether some reader could take `name` for `known`: in other letters, escaped once more, with spaces or signs
/// around it (`?a`), or as a part of it (`a[]`, `a[0]`, `a.b`).
fn resembles(name: &str, known: &str) -> bool {
    let mut name = Cow::Borrowed(name);
    for _ in 0..MAX_DECODING {
        match decode(&name) {
            Ok(decoded) if decoded != *name => name = decoded.into(),
            _ => break,
        }
    }
    // What is still not plain after that is nothing honest.
    if name.contains('%') {
        return true;
    }
    let bare = |text: &str| text.trim_start_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    let (name, known) = (bare(&name), bare(known));
    let Some(rest) = name.strip_prefix(&known) else { return false };
    // Logto parses every parameter that begins with one of these (fact 6.8).
    let is_family = matches!(known.as_str(), "search" | "mode");
    is_family || !rest.starts_with(|next: char| next.is_alphanumeric() || matches!(next, '_' | '-'))
}
