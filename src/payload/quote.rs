//! Text and bytes as words of a POSIX shell script.
//!
//! Sources: POSIX.1-2024, XCU 2.2.2 "Single-Quotes"; XCU printf, "Extended description" (the
//! format's `\ooo`, at most three octal digits, and `%%`).

use std::fmt::Write as _;

/// The longest word that one `printf` of [`printf_payload`] is given, in bytes.
///
/// Linux allows 128 KiB to one argument of an executed program; some shells have no built-in
/// `printf` (mksh), and old line editors and consoles prefer short words.
const CHUNK: usize = 16_000;

/// `text` as one single-quoted word; `None` if it holds a NUL, which no word of a shell can.
///
/// Everything else, newlines and bytes over 127 too, stands for itself between single quotes; a
/// single quote becomes `'\''`.
pub fn sh_quote(text: &str) -> Option<String> {
    (!text.contains('\0')).then(|| format!("'{}'", text.replace('\'', r"'\''")))
}

/// A word for a person to paste: bare where sh takes it as it is, else as [`sh_quote`] has it.
#[must_use]
pub fn sh_word(text: &str) -> String {
    let bare = |b: u8| b.is_ascii_alphanumeric() || b"_-./:=@%+,".contains(&b);
    if !text.is_empty() && text.bytes().all(bare) {
        return text.to_owned();
    }
    sh_quote(&text.replace('\0', "")).unwrap_or_default()
}

/// A fragment of `sh` that writes exactly `bytes` to its standard output, and no argument of a program shows what is text:
/// it may be a secret, and `printf` is a program to some shells.
///
/// It is one list, as that of [`printf_payload`]; it calls `rb_text` of [`crate::target::files::FUNCTIONS`].
pub fn text_payload(bytes: &[u8]) -> String {
    let text = std::str::from_utf8(bytes).ok().and_then(sh_quote);
    text.map_or_else(|| printf_payload(bytes), |t| format!("rb_text {t}"))
}

/// A fragment of `sh` that writes exactly `bytes` to its standard output with `printf` alone.
///
/// The fragment is one list, `printf '…'&&\nprintf '…'`, with no newline at its end: put it in
/// `{ …; }` before a redirection or a `||`. Its status is not 0 if a write failed. It is ASCII
/// without control characters other than newline: printable ASCII and newlines stand for
/// themselves, `%` is `%%`, all else an escape.
pub fn printf_payload(bytes: &[u8]) -> String {
    let mut script = String::with_capacity(bytes.len() + bytes.len() / 16 + 10);
    script.push_str("printf '");
    let mut start = script.len();
    for &byte in bytes {
        if script.len() - start >= CHUNK {
            script.push_str("'&&\nprintf '");
            start = script.len();
        }
        match byte {
            b'%' => script.push_str("%%"),
            b'\\' => script.push_str(r"\\"),
            b'\t' => script.push_str(r"\t"),
            b'\r' => script.push_str(r"\r"),
            // A first `-` would be an option to bash, which knows `--`; others do not.
            b'-' if script.len() == start => script.push_str(r"\055"),
            b'\'' => script.push_str(r"\047"),
            b'\n' | b' '..=b'~' => script.push(char::from(byte)),
            _ => {
                // Writing to a String cannot fail.
                let _ = write!(script, r"\{byte:03o}");
            }
        }
    }
    script.push('\'');
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes() {
        assert_eq!(sh_quote("it's $HOME").as_deref(), Some(r"'it'\''s $HOME'"));
        assert_eq!(sh_quote("").as_deref(), Some("''"));
        assert_eq!(sh_quote("a\0b"), None);
    }

    #[test]
    fn text_stays_readable() {
        let text = b"Port 22 # 100%\n\tUse\\PAM it's\0\xff";
        let expected = "printf 'Port 22 # 100%%\n\\tUse\\\\PAM it\\047s\\000\\377'";
        assert_eq!(printf_payload(text), expected);
        assert_eq!(printf_payload(b""), "printf ''");
        assert_eq!(printf_payload(b"-n"), r"printf '\055n'");
        assert_eq!(text_payload("it's é\t100%".as_bytes()), "rb_text 'it'\\''s é\t100%'");
        assert_eq!([text_payload(b"a\0"), text_payload(b"\xff")], [printf_payload(b"a\0"), printf_payload(b"\xff")]);
    }

    #[test]
    fn words_are_short() {
        for byte in [b'a', b'-', 0] {
            let script = printf_payload(&vec![byte; 100_000]);
            let longest = script.split("&&\n").map(str::len).max();
            assert!(longest.is_some_and(|len| len < CHUNK + 20), "{longest:?}");
        }
    }
}
