//! Compresses answers as Logto does (fact 5.5): from 1024 bytes on, where the request asks for it. Gzip and deflate alone;
//! Logto prefers br where it may. Like Logto it does not look at weights, so `gzip;q=0` is gzip.

use bytes::Bytes;
use http::{HeaderMap, header};
use miniz_oxide::deflate::{compress_to_vec, compress_to_vec_zlib};

const LEAST: usize = 1024;
/// Node's default.
const LEVEL: u8 = 6;

/// The body in the coding that `request` asks for, and its name; `None` where it goes as it is.
pub(crate) fn compressed(request: &HeaderMap, body: &[u8]) -> Option<(&'static str, Bytes)> {
    let asked = |coding: &str| {
        let values = request.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        let members = values.flat_map(|value| value.split(','));
        let mut names = members.map(|member| member.split(';').next().unwrap_or_default().trim());
        names.any(|name| name.eq_ignore_ascii_case(coding))
    };
    if body.len() < LEAST {
        None
    } else if asked("gzip") || asked("*") {
        Some(("gzip", gzip(body)))
    } else if asked("deflate") {
        Some(("deflate", compress_to_vec_zlib(body, LEVEL).into()))
    } else {
        None
    }
}

/// RFC 1952.
fn gzip(body: &[u8]) -> Bytes {
    let mut bytes = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    bytes.extend(compress_to_vec(body, LEVEL));
    bytes.extend(crc32(body).to_le_bytes());
    // Modulo 2^32.
    let [a, b, c, d, ..] = (body.len() as u64).to_le_bytes();
    bytes.extend([a, b, c, d]);
    bytes.into()
}

fn crc32(body: &[u8]) -> u32 {
    let bit = |crc: u32, _| crc >> 1 ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 };
    !body.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), bit))
}
