//! Whether the chunks of a body together are UTF-8. A parser that mends what is not could read another name than the
//! one that was compared.

use std::str::from_utf8;

use super::unmaskable::Unmaskable;

/// What the chunk before left unfinished.
#[derive(Debug, Default)]
pub(super) struct Utf8 {
    bytes: [u8; 4],
    length: usize,
}

impl Utf8 {
    pub(super) fn read(&mut self, chunk: &[u8]) -> Result<(), Unmaskable> {
        let mut rest = chunk;
        while self.length > 0 {
            let Some((byte, after)) = rest.split_first() else { return Ok(()) };
            self.bytes[self.length] = *byte;
            self.length += 1;
            rest = after;
            // Three bytes at the most are unfinished, so there is always room for one more.
            if unfinished(&self.bytes[..self.length])? == 0 {
                self.length = 0;
            }
        }
        let left = unfinished(rest)?;
        self.bytes[..left].copy_from_slice(&rest[rest.len() - left..]);
        self.length = left;
        Ok(())
    }

    pub(super) fn is_whole(&self) -> bool {
        self.length == 0
    }
}

/// Bytes at the end that begin a character.
fn unfinished(bytes: &[u8]) -> Result<usize, Unmaskable> {
    match from_utf8(bytes) {
        Ok(_) => Ok(0),
        Err(error) if error.error_len().is_none() => Ok(bytes.len() - error.valid_up_to()),
        Err(_) => Err(Unmaskable::Malformed),
    }
}
