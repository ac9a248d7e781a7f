//! The one form of a path. Accepts a path that every parser between here and Logto's router reads alike, and
//! hands on exactly the bytes that will be matched and forwarded; refuses every other. Never decodes, never
//! repairs: what is refused here is answered with 400 `claviger.path_ambiguous`.
//!
//! A segment may hold the RFC 3986 `pchar`s as they are, but for `;`. An escape may stand for a non-ASCII
//! character or for a harmless ASCII one such as space or `"`; it may not hide a delimiter (`/ \ ? # ; %`), a
//! control character, or a character that needs no escape: those are where two parsers part ways. Only where the
//! catalog says that an operation's last segment is a name that people choose may it have more (`free_name`).

mod free_name;

use self::free_name::FreeName;
use crate::catalog::{Catalog, Verb, template::MAX_SEGMENTS};

/// The longest path, in bytes. Logto answers 431 above 16 kB of request head (fact 5.4).
pub const MAX_LEN: usize = 16 * 1024;

/// A path that has one reading: begins with a slash, has no trailing one, no empty and no dot segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CanonicalPath<'a>(&'a str);

/// A path that two parsers could read differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("at byte {at} of the path: {why}")]
pub struct Ambiguous {
    /// The first of the things that are refused.
    pub why: Why,
    /// Where, in bytes from the start of the path.
    pub at: usize,
}

/// What makes a path ambiguous.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// Not origin-form (RFC 9112 section 3.2.1).
    #[error("it does not begin with \"/\"")]
    NotAbsolute,
    /// More than [`MAX_LEN`] bytes.
    #[error("longer than {MAX_LEN} bytes")]
    TooLong,
    /// More than [`MAX_SEGMENTS`] segments.
    #[error("more than {MAX_SEGMENTS} segments")]
    TooManySegments,
    /// `//`
    #[error("an empty segment; a parameter was empty, or a slash was doubled")]
    EmptySegment,
    /// `.` or `..`
    #[error("a segment of dots alone")]
    DotSegment,
    /// `users.` or `users%20`, which some servers take for `users`.
    #[error("a segment that ends with a dot or a space")]
    TrailingDotOrSpace,
    /// `\ ; #`, a control character, a non-ASCII byte or another that RFC 3986 does not have in a segment.
    #[error(
        "a byte that may not stand in a path as it is; percent-encode it where it belongs to a parameter"
    )]
    RawByte,
    /// `%` without two hexadecimal digits after it.
    #[error("\"%\" without two hexadecimal digits after it")]
    BadEscape,
    /// An escape for a slash, backslash, question mark, number sign, semicolon or percent sign.
    #[error("an escaped delimiter; a parameter cannot hold / \\ ? # ; or %")]
    EscapedDelimiter,
    /// An escape for a control character.
    #[error("an escaped control character")]
    EscapedControl,
    /// An escape for a letter, a digit, `-`, `.`, `_` or `~`.
    #[error("an escape for a character that is written as it is")]
    NeedlessEscape,
    /// Escapes that are not UTF-8: cut short, overlong, or a surrogate.
    #[error("escapes that are not UTF-8")]
    NotUtf8,
}

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
            return Err(Ambiguous { why: Why::NotAbsolute, at: 0 });
        }
        if raw.len() > MAX_LEN {
            return Err(Ambiguous { why: Why::TooLong, at: MAX_LEN });
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
                        return Err(Ambiguous { why: Why::TooManySegments, at });
                    }
                }
                Class::Percent => at += escape(&bytes[at..]).map_err(|why| Ambiguous { why, at })?,
                Class::Refused => return Err(Ambiguous { why: Why::RawByte, at }),
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

#[derive(Clone, Copy)]
enum Class {
    Plain,
    Slash,
    Percent,
    Refused,
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Refused; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b'/' => Class::Slash,
            b'%' => Class::Percent,
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b':' | b'@' => {
                Class::Plain
            }
            b if is_unreserved(b) => Class::Plain,
            _ => Class::Refused,
        };
        byte += 1;
    }
    classes
};

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn end_segment(bytes: &[u8], start: usize, end: usize) -> Result<(), Ambiguous> {
    let segment = &bytes[start..end];
    let why = match segment {
        [] => Why::EmptySegment,
        [.., b'.'] if segment.iter().all(|b| *b == b'.') => Why::DotSegment,
        [.., b'.'] | [.., b'%', b'2', b'0'] => Why::TrailingDotOrSpace,
        _ => return Ok(()),
    };
    Err(Ambiguous { why, at: start })
}

/// The length of the escape, or escapes of one character, that `rest` begins with.
fn escape(rest: &[u8]) -> Result<usize, Why> {
    let first = escaped_byte(rest).ok_or(Why::BadEscape)?;
    let len = match first {
        b'/' | b'\\' | b'?' | b'#' | b';' | b'%' => return Err(Why::EscapedDelimiter),
        b if b.is_ascii_control() => return Err(Why::EscapedControl),
        b if is_unreserved(b) => return Err(Why::NeedlessEscape),
        0..0x80 => return Ok(3),
        0xC0..0xE0 => 2,
        0xE0..0xF0 => 3,
        0xF0..0xF8 => 4,
        _ => return Err(Why::NotUtf8),
    };
    let mut character = [0; 4];
    for (byte, escape) in character[..len].iter_mut().zip(rest.chunks(3)) {
        *byte = escaped_byte(escape).ok_or(Why::NotUtf8)?;
    }
    let text = str::from_utf8(&character[..len]).map_err(|_| Why::NotUtf8)?;
    // C1 controls, as in `%C2%85`.
    if text.contains(char::is_control) { Err(Why::EscapedControl) } else { Ok(3 * len) }
}

fn escaped_byte(rest: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = rest else { return None };
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    Some(digit(*high)? << 4 | digit(*low)?)
}

#[cfg(test)]
mod tests;
