//! Gzip (RFC 1952) for tests: makes it, and reads as much of it as there is, with no regard to whether it is whole.

use miniz_oxide::{
    deflate::compress_to_vec,
    inflate::{
        TINFLStatus,
        core::{
            DecompressorOxide, decompress,
            inflate_flags::{TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF},
        },
    },
};

const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];

/// `text` in gzip.
pub(crate) fn gzip(text: &[u8]) -> Vec<u8> {
    let bit = |crc: u32, _| crc >> 1 ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 };
    let crc = !text.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), bit));
    let length = u32::try_from(text.len()).expect("it is not so long");
    [&HEADER[..], &compress_to_vec(text, 1), &crc.to_le_bytes(), &length.to_le_bytes()].concat()
}

/// What can be read of `bytes`, which must be no more than one member.
pub(crate) fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let flags = TINFL_FLAG_HAS_MORE_INPUT | TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
    let (mut inflate, mut text, mut at) = (DecompressorOxide::default(), vec![0; 64 * 1024], 0);
    let mut rest = bytes.get(HEADER.len()..).unwrap_or_default();
    loop {
        let (status, read, made) = decompress(&mut inflate, rest, &mut text, at, flags);
        (rest, at) = (&rest[read..], at + made);
        match status {
            TINFLStatus::HasMoreOutput => text.resize(2 * text.len(), 0),
            TINFLStatus::Done | TINFLStatus::NeedsMoreInput => break,
            other => panic!("it is no deflate: {other:?}"),
        }
    }
    text.truncate(at);
    text
}
