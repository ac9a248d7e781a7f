//! The one form of a path. Accepts a path that every parser between here and Logto's router reads alike, and
//! hands on exactly the bytes that will be matched and forwarded; refuses every other. Never decodes, never
//! repairs: what is refused here is answered with 400 `claviger.path_ambiguous`.
//!
//! A segment may hold the RFC 3986 `pchar`s as they are, but for `;`. An escape may stand for a non-ASCII
//! character or for a harmless ASCII one such as space or `"`; it may not hide a delimiter (`/ \ ? # ; %`), a
//! control character, or a character that needs no escape: those are where two parsers part ways. Only where the
//! catalog says that an operation's last segment is a name that people choose may it have more (`free_name`).

mod ambiguous;
mod characters;
mod free_name;
mod why;

pub use self::{
    ambiguous::Ambiguous,
    why::{MAX_LEN, Why},
};

use self::{
    characters::{CLASSES, Class, escape},
    free_name::FreeName,
};
use crate::catalog::{Catalog, Verb, template::MAX_SEGMENTS};

/// A path that has one reading: begins with a slash, has no trailing one, no empty and no dot segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CanonicalPath<'a>(&'a str);

impl<'a> CanonicalPath<'a> {
    /// Accepts the path of a request, whose last segment may be a free name where its operation has one: byte for byte as it
    /// came, and in every other respect as [`CanonicalPath::parse`] has it.
    ///
    /// # Errors
    /// [`Ambiguous`] where two parsers could disagree.
    pub fn of_request(catalog: &Catalog, method: &http::Method, raw: &'a str) -> Result<Self, Ambiguous> {
        Self::parse(raw).or_else(|ambiguous| Self::with_name(catalog, method, raw).ok_or(ambiguous))
    }

    fn with_name(catalog: &Catalog, method: &http::Method, raw: &'a str) -> Option<Self> {
        let path = raw.strip_suffix('/').unwrap_or(raw);
        let (parent, name) = path.rsplit_once('/')?;
        let (verb, name) = (Verb::of(method)?, FreeName::read(name)?);
        let is_parent = || catalog.find(verb, parent).is_some();
        if raw.len() > MAX_LEN
            || Self::parse(parent).ok()?.0 != parent
            || (name == FreeName::Vanishing && is_parent())
        {
            return None;
        }
        let op = catalog.find(verb, path)?;
        catalog.operation(op).has_free_name.then_some(Self(path))
    }

    /// Accepts a path of a request target, as it came and without the query. One trailing slash is cut off,
    /// because Logto reads a path with and without it alike (fact 3.5).
    ///
    /// # Errors
    /// [`Ambiguous`] where two parsers could disagree.
    pub fn parse(raw: &'a str) -> Result<Self, Ambiguous> {
        if !raw.starts_with('/') {
            return Err(Ambiguous::new(raw.as_bytes(), Why::NotAbsolute, 0));
        }
        if raw.len() > MAX_LEN {
            return Err(Ambiguous::new(raw.as_bytes(), Why::TooLong, MAX_LEN));
        }
        let path = if raw.len() > 1 { raw.strip_suffix('/').unwrap_or(raw) } else { raw };
        let bytes = path.as_bytes();
        let (mut at, mut start, mut segments) = (1, 1, 1);
        while let Some(byte) = bytes.get(at) {
            match CLASSES[usize::from(*byte)] {
                Class::Plain => at += 1,
                Class::Slash => {
                    end_segment(bytes, start, at)?;
                    segments += 1;
                    at += 1;
                    start = at;
                    if segments > MAX_SEGMENTS {
                        return Err(Ambiguous::new(bytes, Why::TooManySegments, at));
                    }
                }
                Class::Percent => at += escape(&bytes[at..]).map_err(|why| Ambiguous::new(bytes, why, at))?,
                Class::Refused => return Err(Ambiguous::new(bytes, Why::RawByte, at)),
            }
        }
        end_segment(bytes, start, at)?;
        Ok(Self(path))
    }

    /// The bytes, as they came but for a trailing slash.
    pub fn as_str(self) -> &'a str {
        self.0
    }
}

fn end_segment(bytes: &[u8], start: usize, end: usize) -> Result<(), Ambiguous> {
    let segment = &bytes[start..end];
    let why = match segment {
        [] => Why::EmptySegment,
        [.., b'.'] if segment.iter().all(|b| *b == b'.') => Why::DotSegment,
        [.., b'.'] | [.., b'%', b'2', b'0'] => Why::TrailingDotOrSpace,
        _ => return Ok(()),
    };
    Err(Ambiguous::new(bytes, why, start))
}

#[cfg(test)]
mod tests;
