//! How a secret is looked for in what passes by: by a byte of it that is rare elsewhere.

use memchr::{memchr_iter, memrchr};

/// Bytes that are rare in JSON and in Base64, the rarest first.
const RARE: &[u8] = b"QZXJKqzjxVWYUHGBkwvNFPLO~^|`#$!*?;%&@<>+=985764321MRDCSTAEI0ygpbhfmcldus_.-nrotaie";

/// As much of the end of a secret as its rarest byte is chosen from: enough, and the same for tokens of one issuer.
const MARKED: usize = 64;

/// A byte of a secret that is rare elsewhere, by which the secret is looked for. Made once for each secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    byte: u8,
    at: usize,
}

impl Mark {
    /// The mark of a secret.
    pub fn of(secret: &[u8]) -> Self {
        let start = secret.len().saturating_sub(MARKED);
        let rarest = RARE.iter().find_map(|byte| Some((*byte, memrchr(*byte, &secret[start..])?)));
        match (rarest, secret.last()) {
            (Some((byte, at)), _) => Self { byte, at: start + at },
            (None, Some(last)) => Self { byte: *last, at: secret.len() - 1 },
            (None, None) => Self { byte: 0, at: 0 },
        }
    }

    /// Whether `text` holds `secret`, which this is the mark of.
    pub fn finds(self, secret: &[u8], text: &[u8]) -> bool {
        // The mark can only stand where there is room for the rest of the secret on both sides.
        let Some(behind) = secret.len().checked_sub(self.at + 1) else { return false };
        let Some(end) = text.len().checked_sub(behind) else { return false };
        let Some(room) = text.get(self.at..end) else { return false };
        memchr_iter(self.byte, room)
            .any(|start| text[start] == secret[0] && text[start..].starts_with(secret))
    }
}
