//! A body that comes compressed. Its content is screened like any other; what of it goes on is either that, or the bytes as they
//! came, where the caller takes them and nothing has to be masked. Then a chunk goes on when all that comes of it was screened
//! and does not end with what could be the beginning of a secret: never earlier, and not in part.

use bytes::{Bytes, BytesMut};

use super::{
    blocked::Blocked,
    gunzip::{Gunzip, Undecodable},
    screen::Screen,
};

/// Bytes that may come in after a chunk that is held back, before it is clear. The longest secret is a quarter of it, and
/// what says the rest of one does not take more bytes than that, unless it was made to.
const MOST_HELD: usize = 64 * 1024;

/// What came of one body, and is yet to be screened or to go on.
#[derive(Debug)]
pub(super) struct Compressed {
    gunzip: Gunzip,
    input: Bytes,
    /// Whether more will come.
    has_ended: bool,
    /// Whether its end was screened.
    is_closed: bool,
    original: Option<Original>,
}

/// The bytes as they came that have not gone on.
#[derive(Debug, Default)]
struct Original {
    chunk: Bytes,
    /// That and all that came after it, where it was held back; else empty.
    held: BytesMut,
}

impl Compressed {
    /// What comes of it goes on.
    pub(super) fn expanded(gunzip: Gunzip) -> Self {
        Self { gunzip, input: Bytes::new(), has_ended: false, is_closed: false, original: None }
    }

    /// It goes on as it came.
    pub(super) fn as_it_came(gunzip: Gunzip) -> Self {
        Self { original: Some(Original::default()), ..Self::expanded(gunzip) }
    }

    /// Takes what came next; all that came before was screened.
    pub(super) fn take(&mut self, chunk: Bytes) {
        if let Some(original) = &mut self.original {
            original.take(chunk.clone());
        }
        self.input = chunk;
    }

    /// Nothing comes any more.
    pub(super) fn end(&mut self) {
        self.has_ended = true;
    }

    /// Whether all of it was screened and has gone on.
    pub(super) fn is_done(&self) -> bool {
        self.is_closed && self.original.as_ref().is_none_or(|original| original.chunk.is_empty())
    }

    /// Screens a piece of what came: what may go on now, which may be nothing; `None` when all of it was screened. An end that is
    /// there already is looked at before the piece goes on.
    pub(super) fn pass_on(&mut self, screen: &mut Screen) -> Result<Option<Bytes>, Blocked> {
        let piece = self.gunzip.read(&mut self.input)?;
        let is_used_up = self.gunzip.needs_more(&self.input);
        let is_end = self.gunzip.is_whole() || (self.has_ended && is_used_up);
        let is_piece = piece.is_some();
        let mut shown = Bytes::new();
        if is_end && !self.is_closed {
            self.gunzip.finish()?;
            self.is_closed = true;
            shown = screen.last(piece.unwrap_or_default())?;
        } else if let Some(piece) = piece {
            shown = screen.pass(piece)?;
        }
        if let Some(original) = &mut self.original {
            shown = if is_used_up { original.go_on(screen.guard.kept() == 0)? } else { Bytes::new() };
        }
        Ok((is_piece || !shown.is_empty()).then_some(shown))
    }
}

impl Original {
    fn take(&mut self, chunk: Bytes) {
        if self.chunk.is_empty() {
            self.chunk = chunk;
            return;
        }
        if self.held.is_empty() {
            self.held.extend_from_slice(&self.chunk);
        }
        self.held.extend_from_slice(&chunk);
    }

    /// All that came and was held back, if it `is_clear`.
    fn go_on(&mut self, is_clear: bool) -> Result<Bytes, Undecodable> {
        if !is_clear {
            let is_too_much = self.held.len() > self.chunk.len() + MOST_HELD;
            return if is_too_much { Err(Undecodable::Empty) } else { Ok(Bytes::new()) };
        }
        let chunk = std::mem::take(&mut self.chunk);
        Ok(if self.held.is_empty() { chunk } else { self.held.split().freeze() })
    }
}
