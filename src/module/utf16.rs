//! Text files that an editor of Windows' wrote in UTF-16.

/// The text of a file in UTF-16, with a byte order mark or plainly so by its zero bytes; `None` for every other file.
pub(super) fn decode(bytes: &[u8]) -> Option<String> {
    let (big, body) = match bytes {
        [0xff, 0xfe, rest @ ..] => (false, rest),
        [0xfe, 0xff, rest @ ..] => (true, rest),
        _ => (zeros(bytes, 0), bytes),
    };
    let marked = body.len() < bytes.len();
    let plain = bytes.len() >= 8 && bytes.len().is_multiple_of(2) && (zeros(bytes, 0) ^ zeros(bytes, 1));
    if !marked && !plain {
        return None;
    }
    let unit = |p: &[u8]| if big { u16::from_be_bytes([p[0], p[1]]) } else { u16::from_le_bytes([p[0], p[1]]) };
    let units: Vec<u16> = body.chunks_exact(2).map(unit).collect();
    String::from_utf16(&units).ok()
}

/// Whether nearly all bytes at those places, even or odd, are zero: letters of ASCII.
fn zeros(bytes: &[u8], at: usize) -> bool {
    let all = bytes.len() / 2;
    let zero = bytes.iter().skip(at).step_by(2).filter(|b| **b == 0).count();
    all > 0 && zero * 10 >= all * 9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_and_without_a_mark_in_both_orders() {
        let text = "Port 22\r\n# Grüße\r\n";
        let le: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let be: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for (mark, body) in [(&[0xff, 0xfe][..], &le), (&[0xfe, 0xff], &be), (&[], &le), (&[], &be)] {
            assert_eq!(decode(&[mark, body].concat()).as_deref(), Some(text));
        }
        for other in [&b"Port 22\n"[..], b"", b"\0\0\0\0\0\0\0\0", b"Port\x0022\n", &[0xff, 0xfe, 0x00, 0xd8]] {
            assert_eq!(decode(other), None, "{other:?}");
        }
    }
}
