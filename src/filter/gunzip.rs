//! Decompresses gzip (RFC 1952) as it comes, wherever a chunk ends, a piece of at most [`PIECE`] at a time: memory is that
//! of one window, whatever the answer expands to. Takes what HTTP servers send, which is one member without a name, a comment or
//! extra fields, whole and with the right checksum; anything else has two readings or hides text from a reader that looks through
//! the content, and is an error.

use bytes::{Buf as _, Bytes};
use miniz_oxide::inflate::{
    TINFLStatus,
    core::{DecompressorOxide, decompress, inflate_flags::TINFL_FLAG_HAS_MORE_INPUT},
};

use super::crc32::Crc32;

/// Bytes of the largest piece, which is also as far as deflate refers back (RFC 1951 section 2).
pub const PIECE: usize = 32 * 1024;
/// What every answer may expand to; whether the rest is too much is seen by how many times its size it is.
const FREE: u64 = 1024 * 1024;
/// Magic, method and flags; time, level and system follow, and may be anything.
const HEADER: [u8; 4] = [0x1f, 0x8b, 8, 0];
const HEADER_LENGTH: usize = 10;

/// Decompresses one body.
#[derive(Debug)]
pub struct Gunzip {
    stage: Stage,
    crc: Crc32,
    /// Bytes of deflate that were read, and bytes that came of them.
    compressed: u64,
    expanded: u64,
    /// How many times its size more than [`FREE`] may be.
    expansion: u64,
}

#[derive(Debug)]
enum Stage {
    /// So many bytes of it were read.
    Header(usize),
    Data(Box<Inflate>),
    Trailer([u8; 8], usize),
    Whole,
}

struct Inflate {
    state: DecompressorOxide,
    window: Box<[u8]>,
    /// Where the next piece begins in the window.
    at: usize,
    /// Whether what was read already is good for more.
    has_more: bool,
}

/// Why a compressed answer cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    /// Not the beginning of gzip, or one with more than the least.
    #[error("it is not gzip, or has a file's name, a comment or extra fields")]
    Header,
    /// Not deflate, or not what length and checksum say.
    #[error("its compressed data is corrupt")]
    Corrupt,
    /// It ended before its end.
    #[error("it ended early")]
    Unfinished,
    /// Another member, or anything else.
    #[error("something follows after its end")]
    Trailing,
    /// Over `limits.expansion`.
    #[error("it expands to more than `limits.expansion` times its size")]
    Expansion,
    /// Nothing that could be looked through comes of it.
    #[error("it goes on without data")]
    Empty,
}

impl Gunzip {
    /// For one body, which beyond its first MiB must not be more than `expansion` times what it is compressed.
    pub fn new(expansion: u32) -> Self {
        let expansion = u64::from(expansion);
        Self { stage: Stage::Header(0), crc: Crc32::new(), compressed: 0, expanded: 0, expansion }
    }

    /// The next piece of what comes of `input`, whose beginning it takes off; `None` when it is used up. With the last piece it
    /// has seen as much of the end as there is.
    ///
    /// # Errors
    /// [`Undecodable`].
    pub fn read(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, Undecodable> {
        let mut piece = None;
        while piece.is_none() && !self.needs_more(input) {
            piece = match &mut self.stage {
                Stage::Header(_) => self.header(input)?,
                Stage::Data(_) => self.data(input)?,
                Stage::Trailer(..) | Stage::Whole => None,
            };
            self.end(input)?;
        }
        Ok(piece)
    }

    /// Whether nothing more comes of `input`.
    pub fn needs_more(&self, input: &Bytes) -> bool {
        input.is_empty() && !matches!(&self.stage, Stage::Data(inflate) if inflate.has_more)
    }

    fn header(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, Undecodable> {
        let Stage::Header(read) = &mut self.stage else { return Ok(None) };
        while *read < HEADER_LENGTH && !input.is_empty() {
            let byte = input.get_u8();
            if HEADER.get(*read).is_some_and(|want| *want != byte) {
                return Err(Undecodable::Header);
            }
            *read += 1;
        }
        if *read == HEADER_LENGTH {
            self.stage = Stage::Data(Box::new(Inflate::new()));
        }
        Ok(None)
    }

    fn data(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, Undecodable> {
        let Stage::Data(inflate) = &mut self.stage else { return Ok(None) };
        let (read, piece, has_ended) = inflate.read(input)?;
        let piece = Bytes::copy_from_slice(piece);
        input.advance(read);
        self.compressed += read as u64;
        self.expanded += piece.len() as u64;
        if self.expanded > FREE.max(self.expansion.saturating_mul(self.compressed)) {
            return Err(Undecodable::Expansion);
        }
        self.crc.read(&piece);
        if has_ended {
            self.stage = Stage::Trailer([0; 8], 0);
        }
        Ok((!piece.is_empty()).then_some(piece))
    }

    fn end(&mut self, input: &mut Bytes) -> Result<(), Undecodable> {
        if let Stage::Trailer(bytes, read) = &mut self.stage {
            while *read < bytes.len() && !input.is_empty() {
                bytes[*read] = input.get_u8();
                *read += 1;
            }
            if *read == bytes.len() {
                // The checksum, and the length modulo 2^32.
                if u64::from_le_bytes(*bytes) != self.expanded << 32 | u64::from(self.crc.value()) {
                    return Err(Undecodable::Corrupt);
                }
                self.stage = Stage::Whole;
            }
        }
        if self.is_whole() && !input.is_empty() { Err(Undecodable::Trailing) } else { Ok(()) }
    }

    /// Whether its end was read, and is right.
    pub fn is_whole(&self) -> bool {
        matches!(self.stage, Stage::Whole)
    }

    /// To be asked when nothing more comes.
    ///
    /// # Errors
    /// [`Undecodable::Unfinished`], where it is not whole. Nothing at all is: there is nothing to read.
    pub fn finish(&self) -> Result<(), Undecodable> {
        match self.stage {
            Stage::Whole | Stage::Header(0) => Ok(()),
            _ => Err(Undecodable::Unfinished),
        }
    }
}

impl Inflate {
    fn new() -> Self {
        let window = vec![0; PIECE].into_boxed_slice();
        Self { state: DecompressorOxide::default(), window, at: 0, has_more: false }
    }

    /// How much of `input` was read, what came of it, and whether the data has ended.
    fn read(&mut self, input: &[u8]) -> Result<(usize, &[u8], bool), Undecodable> {
        let flags = TINFL_FLAG_HAS_MORE_INPUT;
        let (status, read, made) = decompress(&mut self.state, input, &mut self.window, self.at, flags);
        let piece = &self.window[self.at..self.at + made];
        self.at = (self.at + made) % PIECE;
        self.has_more = status == TINFLStatus::HasMoreOutput;
        match status {
            TINFLStatus::NeedsMoreInput | TINFLStatus::HasMoreOutput => Ok((read, piece, false)),
            TINFLStatus::Done => Ok((read, piece, true)),
            _ => Err(Undecodable::Corrupt),
        }
    }
}

impl std::fmt::Debug for Inflate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Inflate(..)")
    }
}

#[cfg(test)]
pub(super) mod tests;
