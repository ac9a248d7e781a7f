//! The inside of a JSON string (RFC 8259 section 7): how far it goes on without anything special.

use memchr::memchr2;

/// Strings are mostly shorter than this, and then a search costs more than looking at each byte.
const SHORT: usize = 24;

/// A quotation mark, a backslash, a control character.
const SPECIAL: [bool; 256] = {
    let mut special = [false; 256];
    let mut control = 0;
    while control < 0x20 {
        special[control] = true;
        control += 1;
    }
    special[b'"' as usize] = true;
    special[b'\\' as usize] = true;
    special
};

/// How many bytes come before the first special one, or all.
pub(super) fn plain(text: &[u8]) -> usize {
    let is_special = |byte: &u8| SPECIAL[usize::from(*byte)];
    let (short, long) = text.split_at(text.len().min(SHORT));
    if let Some(end) = short.iter().position(is_special) {
        return end;
    }
    let end = memchr2(b'"', b'\\', long).unwrap_or(long.len());
    // Rarely any: without a branch for each byte.
    let control =
        if long[..end].iter().any(|byte| *byte < 0x20) { long.iter().position(is_special) } else { None };
    SHORT.min(text.len()) + control.unwrap_or(end)
}
