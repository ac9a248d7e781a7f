//! The bytes of a path: which may stand as they are, and what an escape may stand for.

use super::why::Why;

/// What a byte may be in a path.
#[derive(Clone, Copy)]
pub(super) enum Class {
    Plain,
    Slash,
    Percent,
    Refused,
}

pub(super) const CLASSES: [Class; 256] = {
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

/// The length of the escape, or escapes of one character, that `rest` begins with.
pub(super) fn escape(rest: &[u8]) -> Result<usize, Why> {
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

pub(super) fn escaped_byte(rest: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = rest else { return None };
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    Some(digit(*high)? << 4 | digit(*low)?)
}
