//! Finds the mask in a request's body, chunk by chunk and wherever a chunk ends: an answer that is written back would
//! put the mask in place of the secret, and Logto would store it with 200 (behaviour 34). Reads a character as it is, as
//! JSON escapes it (`\u005b`, also in JSON within JSON), as a form does (`%5B`, `+`), and as JSON in a form. Does not ask
//! what the body says it is: what it finds too much is only refused. Holds a few bytes, and never changes any.

use memchr::memchr3;

use super::redact::MASK;

/// Looks through one body.
#[derive(Debug, Default)]
pub struct MaskDetector {
    percent: Percent,
    escape: Escape,
    /// Characters of the mask that were just read.
    matched: usize,
}

/// What of a form's escape was read.
#[derive(Debug, Clone, Copy, Default)]
enum Percent {
    #[default]
    None,
    Begun,
    Digit(u8),
}

/// What of a JSON escape was read.
#[derive(Debug, Clone, Copy, Default)]
enum Escape {
    #[default]
    None,
    Begun,
    Unit {
        missing: u8,
        unit: u16,
    },
}

impl MaskDetector {
    /// Whether the mask ends in this chunk, which must then not go on.
    pub fn ends_in(&mut self, chunk: &[u8]) -> bool {
        let mut rest = chunk;
        loop {
            if self.is_at_rest() {
                let Some(start) = memchr3(b'[', b'\\', b'%', rest) else { return false };
                rest = &rest[start..];
            }
            let Some((byte, after)) = rest.split_first() else { return false };
            rest = after;
            if self.read(*byte) {
                return true;
            }
        }
    }

    fn is_at_rest(&self) -> bool {
        self.matched == 0 && matches!((self.percent, self.escape), (Percent::None, Escape::None))
    }

    /// A byte as it came. What begins like an escape and is none stands for itself, and so ends what was matched.
    fn read(&mut self, byte: u8) -> bool {
        match (self.percent, digit(byte)) {
            (Percent::Begun, Some(high)) => {
                self.percent = Percent::Digit(high);
                false
            }
            (Percent::Digit(high), Some(low)) => {
                self.percent = Percent::None;
                self.unescape(high << 4 | low)
            }
            (Percent::None, _) if byte != b'%' => self.unescape(byte),
            (Percent::None, _) => {
                self.percent = Percent::Begun;
                false
            }
            (Percent::Begun | Percent::Digit(_), None) => {
                *self = Self::default();
                self.read(byte)
            }
        }
    }

    /// A byte out of a form's escape, or of no form.
    fn unescape(&mut self, byte: u8) -> bool {
        match (self.escape, byte) {
            (Escape::None | Escape::Begun, b'\\') => self.escape = Escape::Begun,
            (Escape::None, _) => return self.take(byte),
            (Escape::Begun, b'u') => self.escape = Escape::Unit { missing: 4, unit: 0 },
            (Escape::Unit { missing, unit }, _) if let Some(digit) = digit(byte) => {
                let (missing, unit) = (missing - 1, unit << 4 | u16::from(digit));
                self.escape = Escape::Unit { missing, unit };
                if missing == 0 {
                    self.escape = Escape::None;
                    return self.take(u8::try_from(unit).unwrap_or(0));
                }
            }
            (Escape::Begun | Escape::Unit { .. }, _) => {
                *self = Self::default();
                return self.unescape(byte);
            }
        }
        false
    }

    /// A character. Only the first of the mask is `[`, so a match that fails can begin anew there alone.
    fn take(&mut self, character: u8) -> bool {
        let text = &MASK[1..MASK.len() - 1];
        let expected = text[self.matched];
        if character == expected || (expected == b' ' && character == b'+') {
            self.matched += 1;
        } else {
            self.matched = usize::from(character == text[0]);
        }
        let is_whole = self.matched == text.len();
        if is_whole {
            self.matched = 0;
        }
        is_whole
    }
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const TEXT: &str = "[redacted by claviger]";

    fn finds(chunks: &[&[u8]]) -> bool {
        let mut detector = MaskDetector::default();
        chunks.iter().any(|chunk| detector.ends_in(chunk))
    }

    /// One character, as it may be written.
    fn spelled(character: char, how: u8) -> String {
        let code = u32::from(character);
        let escape = format!("\\u{code:04x}");
        let in_form = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
        match how {
            0 => character.to_string(),
            1 => escape,
            2 => format!("\\u{code:04X}"),
            3 => format!("\\{escape}"),
            4 => in_form(&character.to_string()),
            5 => in_form(&escape),
            6 => escape.replace('\\', "%5c"),
            _ if character == ' ' => "+".to_owned(),
            _ => character.to_string(),
        }
    }

    #[test]
    fn what_is_nearly_the_mask_is_not() {
        for near in [
            "",
            "[redacted by claviger",
            "redacted by claviger]",
            "[redacted by claviger\\]",
            "[redacted by claviger\\u005",
            "[redacted%20by%20claviger%5",
            "[redacted by \\u0163laviger]",
            "[redacted\nby claviger]",
            "[\\redacted by claviger]",
            "[%redacted by claviger]",
        ] {
            assert!(!finds(&[near.as_bytes()]), "{near}");
        }
        for begun in ["[", "[redacted ", "\\", "\\u00", "\\u", "%", "%5", "[redacted by claviger\\", "%5c"] {
            assert!(finds(&[begun.as_bytes(), TEXT.as_bytes()]), "after {begun}");
        }
    }

    proptest! {
        #[test]
        fn every_spelling_is_found_wherever_chunks_end(
            hows in vec(0_u8..8, TEXT.len()),
            before in vec(prop_oneof![Just(b'['), Just(b'%'), Just(b'\\'), any::<u8>()], 0..12),
            ends in vec(0_usize..200, 0..6),
        ) {
            let spelled: String = TEXT.chars().zip(hows).map(|(character, how)| spelled(character, how)).collect();
            // What comes before must not take the first character for its own.
            let body = [before.as_slice(), b"\"..", spelled.as_bytes(), b"\""].concat();
            let mut ends: Vec<usize> = ends.into_iter().map(|end| end.min(body.len())).collect();
            ends.extend([0, body.len()]);
            ends.sort_unstable();
            let chunks: Vec<&[u8]> = ends.windows(2).map(|pair| &body[pair[0]..pair[1]]).collect();
            prop_assert!(finds(&chunks));
            prop_assert!(!finds(&[&body[..body.len() - 2]]), "found before its end");
        }
    }
}
