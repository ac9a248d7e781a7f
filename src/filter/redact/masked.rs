//! A chunk in the making: what is shown of it, and the mask in place of each secret. Copies nothing before the first
//! secret is found in the chunk.

use bytes::Bytes;

/// What takes the place of a secret, as a JSON string.
pub const MASK: &[u8] = b"\"[redacted by claviger]\"";

/// A chunk with its secrets masked, in the making.
pub(super) struct Masked<'c> {
    chunk: &'c [u8],
    /// The beginning of what is shown but not copied yet; `None` within a secret.
    shown: Option<usize>,
    /// Empty as long as everything was shown.
    made: Vec<u8>,
}

impl<'c> Masked<'c> {
    pub(super) fn new(chunk: &'c [u8], is_hiding: bool) -> Self {
        Self { chunk, shown: (!is_hiding).then_some(0), made: Vec::new() }
    }

    /// A secret begins here.
    pub(super) fn hide(&mut self, at: usize) {
        if self.made.capacity() == 0 {
            self.made.reserve(self.chunk.len() + MASK.len());
        }
        if let Some(from) = self.shown.take() {
            self.made.extend_from_slice(&self.chunk[from..at]);
        }
        self.made.extend_from_slice(MASK);
    }

    /// The secret has ended before this.
    pub(super) fn show(&mut self, at: usize) {
        self.shown = Some(at);
    }

    /// `None` where the whole chunk is shown as it is.
    pub(super) fn finish(mut self) -> Option<Bytes> {
        if self.shown == Some(0) {
            return None;
        }
        if let Some(from) = self.shown {
            self.made.extend_from_slice(&self.chunk[from..]);
        }
        Some(self.made.into())
    }
}
