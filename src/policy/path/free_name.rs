//! A name that people chose, as the last segment of a path: `CI%2FCD`. It may have what an id cannot, delimiters
//! among it, because Logto's router splits the path before it decodes (facts 3.5). Refused is what becomes another path
//! where some server on the way decodes first: dot segments, and an escape within the name, which would be decoded twice.

use super::characters::{CLASSES, Class, escape, escaped_byte};

/// Such a name, percent-encoded and in one spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FreeName {
    /// Begins with something.
    Plain,
    /// Begins with a delimiter or is blank: a server that decodes first could take it for no segment at all.
    Vanishing,
}

impl FreeName {
    /// Reads a segment as it came.
    pub(super) fn read(segment: &str) -> Option<Self> {
        let name = decode(segment.as_bytes())?;
        let has_escape = (0..name.len()).any(|at| escaped_byte(&name[at..]).is_some());
        if has_escape || name.split(is_slash).any(is_dot_segment) {
            return None;
        }
        let first = name.split(is_slash).next().map(before_delimiter).unwrap_or_default();
        Some(if first.iter().all(|b| *b == b' ') { Self::Vanishing } else { Self::Plain })
    }
}

fn is_slash(byte: &u8) -> bool {
    matches!(byte, b'/' | b'\\')
}

fn before_delimiter(piece: &[u8]) -> &[u8] {
    let end = piece.iter().position(|b| matches!(b, b';' | b'?' | b'#'));
    &piece[..end.unwrap_or(piece.len())]
}

/// What the segment stands for; `None` where it is ambiguous in another way than by delimiters.
fn decode(segment: &[u8]) -> Option<Vec<u8>> {
    let (mut name, mut rest) = (Vec::with_capacity(segment.len()), segment);
    while let Some(byte) = rest.first() {
        let length = match CLASSES[usize::from(*byte)] {
            Class::Plain => 1,
            Class::Percent => match escaped_byte(rest)? {
                b'/' | b'\\' | b'?' | b'#' | b';' | b'%' => 3,
                _ => escape(rest).ok()?,
            },
            Class::Slash | Class::Refused => return None,
        };
        let (read, after) = rest.split_at(length);
        match read {
            [byte] => name.push(*byte),
            escapes => name.extend(escapes.chunks(3).filter_map(escaped_byte)),
        }
        rest = after;
    }
    Some(name)
}

/// `.` and `..`, also with what some servers cut off: blanks, and all from a delimiter on.
fn is_dot_segment(piece: &[u8]) -> bool {
    let piece = before_delimiter(piece);
    piece.contains(&b'.') && piece.iter().all(|b| matches!(b, b'.' | b' '))
}
