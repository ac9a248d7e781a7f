//! The checksum of gzip (RFC 1952 section 8), eight bytes at a time.

/// Remainders of a byte that stands `k` bytes before the end, for each `k` and byte.
static TABLES: [[u32; 256]; 8] = tables();

/// Of what was read so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Crc32(u32);

impl Crc32 {
    pub(super) fn new() -> Self {
        Self(!0)
    }

    pub(super) fn read(&mut self, bytes: &[u8]) {
        let (chunks, rest) = bytes.as_chunks::<8>();
        for chunk in chunks {
            let [a, b, c, d, e, f, g, h] = *chunk;
            let [i, j, k, l] = (u32::from_le_bytes([a, b, c, d]) ^ self.0).to_le_bytes();
            self.0 = [i, j, k, l, e, f, g, h]
                .iter()
                .zip(TABLES.iter().rev())
                .fold(0, |crc, (byte, table)| crc ^ table[usize::from(*byte)]);
        }
        for byte in rest {
            self.0 = self.0 >> 8 ^ TABLES[0][usize::from(self.0.to_le_bytes()[0] ^ byte)];
        }
    }

    pub(super) fn value(self) -> u32 {
        !self.0
    }
}

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let (mut crc, mut bit) = (byte as u32, 0);
        while bit < 8 {
            crc = crc >> 1 ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut table = 1;
    while table < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[table - 1][byte];
            tables[table][byte] = before >> 8 ^ tables[0][(before & 0xff) as usize];
            byte += 1;
        }
        table += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_known_one_however_it_is_cut() {
        let text: Vec<u8> = (0..=255).cycle().take(1000).collect();
        let of = |pieces: &[&[u8]]| {
            let mut crc = Crc32::new();
            pieces.iter().for_each(|piece| crc.read(piece));
            crc.value()
        };
        assert_eq!(of(&[b"123456789"]), 0xcbf4_3926, "the check value of the catalogue of CRCs");
        assert_eq!(of(&[]), 0);
        for at in 0..40 {
            assert_eq!(of(&[&text[..at], &text[at..]]), of(&[&text]), "{at}");
        }
    }
}
