use miniz_oxide::deflate::compress_to_vec;
use proptest::{collection::vec, prelude::*};

use super::*;

/// `text` in gzip.
pub(in crate::filter) fn gzip(text: &[u8], level: u8) -> Vec<u8> {
    let mut crc = Crc32::new();
    crc.read(text);
    let header = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    let length = u32::try_from(text.len()).unwrap();
    [&header[..], &compress_to_vec(text, level), &crc.value().to_le_bytes(), &length.to_le_bytes()].concat()
}

/// `bytes` in pieces that end at `ends`, wherever these are.
pub(in crate::filter) fn pieces(bytes: &[u8], ends: &[usize]) -> Vec<Bytes> {
    let mut ends: Vec<usize> = ends.iter().map(|end| end % (bytes.len() + 1)).collect();
    ends.extend([0, bytes.len()]);
    ends.sort_unstable();
    ends.windows(2).map(|pair| Bytes::copy_from_slice(&bytes[pair[0]..pair[1]])).collect()
}

/// What comes of these chunks.
fn read(chunks: Vec<Bytes>) -> Result<Vec<u8>, Undecodable> {
    let mut gunzip = Gunzip::new(200);
    let mut text = Vec::new();
    for mut chunk in chunks {
        while let Some(piece) = gunzip.read(&mut chunk)? {
            assert!(!piece.is_empty() && piece.len() <= PIECE);
            text.extend(piece);
        }
        assert!(chunk.is_empty());
    }
    gunzip.finish()?;
    assert!(gunzip.is_whole() || text.is_empty());
    Ok(text)
}

fn whole(bytes: &[u8]) -> Result<Vec<u8>, Undecodable> {
    read(vec![Bytes::copy_from_slice(bytes)])
}

#[test]
fn what_zlib_made_is_read() {
    for (made, text) in [
        // Python: gzip.compress(b'[{"id":"a"},{"id":"b"}]' * 3, 6, mtime=0).hex()
        (
            "1f8b08000000000000038bae56ca4c51b2524a54aad5813293946a63a3491206006016ea1c45000000",
            r#"[{"id":"a"},{"id":"b"}][{"id":"a"},{"id":"b"}][{"id":"a"},{"id":"b"}]"#,
        ),
        // Node: zlib.gzipSync(JSON.stringify(Array(3).fill({id:"a"}))).toString("hex")
        (
            "1f8b08000000000000038bae56ca4c51b2524a54aad5c1ca8c050006aac6f722000000",
            r#"[{"id":"a"},{"id":"a"},{"id":"a"}]"#,
        ),
    ] {
        let byte = |at: usize| u8::from_str_radix(&made[at..at + 2], 16).unwrap();
        let bytes: Vec<u8> = (0..made.len()).step_by(2).map(byte).collect();
        assert_eq!(whole(&bytes).unwrap(), text.as_bytes());
    }
}

#[test]
fn nothing_at_all_is_nothing() {
    assert_eq!(read(Vec::new()), Ok(Vec::new()));
    assert_eq!(whole(b""), Ok(Vec::new()));
    assert_eq!(whole(&gzip(b"", 6)), Ok(Vec::new()));
}

#[test]
fn what_has_two_readings_or_is_broken_is_an_error() {
    let good = gzip(&b"a user, another user, ".repeat(40), 6);
    let changed = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let end = good.len();
    for (bytes, want) in [
        (changed(0, 0x1e), Undecodable::Header),
        (changed(2, 9), Undecodable::Header),
        // A header's checksum, extra fields, a name, a comment, and what nobody has defined.
        (changed(3, 2), Undecodable::Header),
        (changed(3, 4), Undecodable::Header),
        (changed(3, 8), Undecodable::Header),
        (changed(3, 16), Undecodable::Header),
        (changed(3, 32), Undecodable::Header),
        (b"{\"a\":1}".to_vec(), Undecodable::Header),
        // A block of a kind that there is not.
        (changed(10, 0xff), Undecodable::Corrupt),
        (changed(end - 8, !good[end - 8]), Undecodable::Corrupt),
        (changed(end - 1, 1), Undecodable::Corrupt),
        ([good.as_slice(), b"\0"].concat(), Undecodable::Trailing),
        ([good.as_slice(), good.as_slice()].concat(), Undecodable::Trailing),
        ([good.as_slice(), gzip(b"", 6).as_slice()].concat(), Undecodable::Trailing),
    ] {
        assert_eq!(whole(&bytes), Err(want), "{bytes:x?}");
        assert_eq!(read(pieces(&bytes, &(0..bytes.len()).collect::<Vec<_>>())), Err(want), "{bytes:x?}");
    }
    for length in 1..end {
        assert_eq!(whole(&good[..length]), Err(Undecodable::Unfinished), "{length}");
    }
}

#[test]
fn a_bomb_is_read_a_piece_at_a_time_and_not_to_its_end() {
    let bomb = gzip(&vec![b' '; 4 << 20], 1);
    assert!(bomb.len() < 20_000, "{}", bomb.len());
    let mut input = Bytes::from(bomb);
    let mut gunzip = Gunzip::new(200);
    let mut read = 0;
    let stopped = loop {
        match gunzip.read(&mut input) {
            Ok(Some(piece)) => read += piece.len(),
            other => break other,
        }
    };
    assert_eq!(stopped, Err(Undecodable::Expansion));
    assert!((1 << 20..2 << 20).contains(&read), "{read}");
    // As much of what is not small is no bomb.
    let spaces = gzip(&vec![b' '; 1 << 20], 1);
    assert!(spaces.len() < 5200 && whole(&spaces).is_ok(), "{}", spaces.len());
}

proptest! {
    #[test]
    fn what_was_compressed_comes_back_wherever_chunks_end(
        words in vec(prop_oneof![Just(b"\"id\":".to_vec()), vec(any::<u8>(), 0..40)], 0..400),
        times in 1..60_usize,
        level in 0..=9_u8,
        ends in vec(any::<usize>(), 0..20),
    ) {
        let text = words.concat().repeat(times);
        let gzipped = gzip(&text, level);
        prop_assert_eq!(read(pieces(&gzipped, &ends)), Ok(text));
    }

    #[test]
    fn a_changed_byte_is_seen(
        text in vec(any::<u8>(), 1..2000), level in 0..=9_u8, at in any::<usize>(), by in 1..=255_u8,
    ) {
        let mut bytes = gzip(&text, level);
        // Time, level and system in the header say nothing of the content.
        let at = [0, 1, 2, 3].into_iter().chain(10..bytes.len()).nth(at % (bytes.len() - 6)).unwrap();
        bytes[at] ^= by;
        prop_assert!(whole(&bytes).is_err_and(|error| error != Undecodable::Expansion) || whole(&bytes).as_deref() == Ok(&*text));
    }
}
