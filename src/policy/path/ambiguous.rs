//! A path that is refused, and what to write instead, in words for the one who sent it. Of the path it repeats no more
//! than the one character or escape that is refused: a path may hold a credential.

use std::fmt;

use super::{
    characters::escaped_byte,
    why::{MAX_LEN, Why},
};
use crate::catalog::template::MAX_SEGMENTS;

/// A path that two parsers could read differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub struct Ambiguous {
    /// The first of the things that are refused.
    pub why: Why,
    /// Where, in bytes from the start of the path.
    pub at: usize,
    /// What stands there: the byte itself, or the one that an escape stands for.
    byte: u8,
}

impl Ambiguous {
    pub(super) fn new(path: &[u8], why: Why, at: usize) -> Self {
        let rest = path.get(at..).unwrap_or_default();
        let byte = escaped_byte(rest).or(rest.first().copied()).unwrap_or_default();
        Self { why, at, byte }
    }

    /// What to write instead.
    pub fn remedy(self) -> &'static str {
        match (self.why, self.byte) {
            (Why::NotAbsolute, _) => "Begin the path with \"/\".",
            (Why::TooLong | Why::TooManySegments, _) => "Send a shorter path.",
            (Why::EmptySegment, _) => {
                "Was a variable of the URL empty? Fill it in; between two segments write one \"/\"."
            }
            (Why::DotSegment, _) => "Write the path that is meant, without \".\" and \"..\".",
            (Why::TrailingDotOrSpace, _) => "Write the segment without it.",
            (Why::RawByte, b'{' | b'}' | b'<' | b'>') => {
                "Is a placeholder such as {userId} left in the URL? Write the id in its place."
            }
            (Why::RawByte | Why::EscapedDelimiter, b'\\' | b';' | b'#' | b'?') => {
                "Send the path without it: an id with this character in it cannot be sent."
            }
            (Why::RawByte, 0..=b' ' | 0x7F) => "Send the path without it.",
            (Why::RawByte, _) => "Percent-encode it, as UTF-8.",
            (Why::BadEscape, _) => "Write \"%\" only where an escape begins, such as %20.",
            (Why::EscapedDelimiter, b'%') => "Is the URL escaped twice? Escape it once.",
            (Why::EscapedDelimiter, _) => {
                "Between two segments write \"/\" itself; an id with \"/\" in it cannot be sent."
            }
            (Why::EscapedControl, _) => "Send the path without it.",
            (Why::NeedlessEscape, _) => "Write this character itself, without an escape.",
            (Why::NotUtf8, _) => {
                "Escape the UTF-8 bytes of each character, as JavaScript's encodeURIComponent does."
            }
        }
    }
}

impl fmt::Display for Ambiguous {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { why, at, byte } = *self;
        let sign = Sign(byte);
        match why {
            Why::NotAbsolute => return write!(f, "the path does not begin with \"/\""),
            Why::TooLong => return write!(f, "the path is longer than {MAX_LEN} bytes"),
            Why::TooManySegments => return write!(f, "the path has more than {MAX_SEGMENTS} segments"),
            _ => write!(f, "at byte {at} of the path: ")?,
        }
        match why {
            Why::EmptySegment => write!(f, "an empty segment"),
            Why::DotSegment => write!(f, "a segment of dots alone"),
            Why::TrailingDotOrSpace => write!(f, "a segment that ends with a dot or a space"),
            Why::RawByte => write!(f, "{sign} may not stand in a path as it is"),
            Why::BadEscape => write!(f, "\"%\" without two hexadecimal digits after it"),
            Why::EscapedDelimiter => write!(
                f,
                "%{byte:02X} is an escaped {sign}, which some servers decode before they match the path and others do not"
            ),
            Why::EscapedControl => write!(f, "%{byte:02X} begins an escaped control character"),
            Why::NeedlessEscape => write!(f, "%{byte:02X} is an escaped {sign}, which needs no escape"),
            Why::NotUtf8 => write!(f, "%{byte:02X} begins escapes that are not UTF-8"),
            Why::NotAbsolute | Why::TooLong | Why::TooManySegments => Ok(()),
        }
    }
}

/// A byte as it may be shown anywhere.
struct Sign(u8);

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            b' ' => f.write_str("a space"),
            byte if byte.is_ascii_graphic() => write!(f, "\"{}\"", char::from(byte)),
            byte if byte.is_ascii() => write!(f, "the control character 0x{byte:02X}"),
            _ => f.write_str("a character outside ASCII"),
        }
    }
}
