//! A member's name, unescaped as it is read, as far as it can be one that leads to a secret: those are short and
//! ASCII, so anything else is "another name" and takes no memory. `"pass\u0077ord"` is `password`.

use crate::catalog::secrets::MAX_NAME;

/// A name that is being read.
#[derive(Debug, Default)]
pub(super) struct Name {
    bytes: [u8; MAX_NAME],
    length: usize,
    /// Longer than any, or not ASCII.
    other: bool,
}

impl Name {
    pub(super) fn clear(&mut self) {
        self.length = 0;
        self.other = false;
    }

    pub(super) fn push(&mut self, text: &[u8]) {
        let end = self.length + text.len();
        match self.bytes.get_mut(self.length..end) {
            Some(room) if text.is_ascii() => {
                room.copy_from_slice(text);
                self.length = end;
            }
            _ => self.other = true,
        }
    }

    /// A UTF-16 unit. Halves of a pair are outside ASCII like the pair.
    pub(super) fn push_unit(&mut self, unit: u16) {
        match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii() => self.push(&[byte]),
            _ => self.other = true,
        }
    }

    /// Empty for another name: no member that matters has an empty one.
    pub(super) fn as_bytes(&self) -> &[u8] {
        if self.other { &[] } else { &self.bytes[..self.length] }
    }
}

/// What a backslash and this letter mean (RFC 8259 section 7).
pub(super) fn unescaped(letter: u8) -> Option<u8> {
    Some(match letter {
        b'"' | b'\\' | b'/' => letter,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        _ => return None,
    })
}
