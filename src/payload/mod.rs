//! How text and bytes are put into a script: quoted, packed, summed up, and between marks that nothing else contains.

mod quote;

use std::io::Write;

pub use quote::{printf_payload, sh_quote, sh_word, text_payload};

/// Something that no log line and no other run contains.
pub fn nonce() -> String {
    use std::collections::hash_map::RandomState;
    use std::hash::{BuildHasher, Hasher};
    // Letters that spell no word of a log; two random states are 128 random bits of the system.
    let bits = u128::from(RandomState::new().build_hasher().finish()) << 64
        | u128::from(RandomState::new().build_hasher().finish());
    (0..20).map(|i| char::from(b"bcdfghjkmnpqrstvwxz2"[((bits >> (i * 6)) & 63) as usize % 20])).collect()
}

/// `cksum` as POSIX has it: CRC-32 with polynomial 04C11DB7, the length appended.
pub fn cksum(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut i = 0;
        while i < 256 {
            let mut crc = (i as u32) << 24;
            let mut bit = 0;
            while bit < 8 {
                crc = if crc & 0x8000_0000 == 0 { crc << 1 } else { (crc << 1) ^ 0x04C1_1DB7 };
                bit += 1;
            }
            table[i] = crc;
            i += 1;
        }
        table
    };
    let step = |crc: u32, byte: u8| (crc << 8) ^ TABLE[((crc >> 24) as u8 ^ byte) as usize];
    let mut crc = bytes.iter().fold(0, |crc, b| step(crc, *b));
    let mut length = bytes.len();
    while length > 0 {
        crc = step(crc, (length & 255) as u8);
        length >>= 8;
    }
    !crc
}

/// Packed, as gzip(1) reads it (RFC 1952).
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    // Writing to memory does not fail; were it to, there would be nothing to unpack.
    let _ = to.write_all(bytes);
    to.finish().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cksum_is_that_of_posix() {
        assert_eq!((cksum(b""), cksum(b"hello\n")), (4_294_967_295, 3_015_617_425));
    }
}
