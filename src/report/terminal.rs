//! The one gate before a terminal: whatever a runbook, a target, an inventory or git says, no control character and no
//! invisible mark of it is obeyed.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::Write;

/// Writes a text, for people or a JSON document. Our own colours pass where there are any; a reader that went away is no reason
/// to stop in the middle of a repair.
pub fn put(out: &mut impl Write, text: &str, colour: bool) {
    let safe = if colour { gate_between_colours(text) } else { gate(text) };
    let _ = out.write_all(safe.as_bytes()).and_then(|()| out.flush());
}

/// The text with every character shown that a terminal would obey, or nobody would see: `\u{1b}`.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().flat_map(|c| shown(c, is_safe(c))).collect()
}

/// The same, and every character that is not ASCII: it may look like one that is.
#[must_use]
pub fn ascii(text: &str) -> String {
    text.chars().flat_map(|c| shown(c, is_safe(c) && c.is_ascii())).collect()
}

fn shown(c: char, plain: bool) -> impl Iterator<Item = char> {
    let escape = (!plain).then(|| c.escape_unicode());
    escape.into_iter().flatten().chain(plain.then_some(c))
}

/// As [`printable`], in the one spelling that is right in a JSON document too, where such characters stand in strings alone
/// (RFC 8259, 7): what was not made safe before comes out as `\u001b`.
fn gate(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_safe) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_safe(c) {
            out.push(c);
        } else {
            // Writing to a String cannot fail.
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    Cow::Owned(out)
}

fn gate_between_colours(text: &str) -> Cow<'_, str> {
    if !text.contains('\x1b') {
        return gate(text);
    }
    let mut parts = text.split("\x1b[");
    let mut out = gate(parts.next().unwrap_or_default()).into_owned();
    for part in parts {
        match part.split_once('m').filter(|(codes, _)| codes.split(';').all(|c| OWN_CODES.contains(&c))) {
            Some((codes, rest)) => {
                let _ = write!(out, "\x1b[{codes}m");
                out += &gate(rest);
            }
            None => {
                out += "\\u001b[";
                out += &gate(part);
            }
        }
    }
    Cow::Owned(out)
}

/// Codes of ECMA-48's SGR that our own texts have: reset, bold, dim, underline, and the colours of letters but black and
/// white. None of them hides anything.
const OWN_CODES: &[&str] =
    &["0", "1", "2", "4", "31", "32", "33", "34", "35", "36", "91", "92", "93", "94", "95", "96"];

/// No control character (but newline and tab), and nothing that has no width of its own or turns the direction of what
/// stands around it (Unicode 16, general category Cf, and what UAX 44 calls Default_Ignorable_Code_Point).
fn is_safe(c: char) -> bool {
    match c {
        '\n' | '\t' | ' '..='~' => true,
        '\u{ad}'
        | '\u{34f}'
        | '\u{600}'..='\u{605}'
        | '\u{61c}'
        | '\u{6dd}'
        | '\u{70f}'
        | '\u{115f}'..='\u{1160}'
        | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{2800}'
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}' => false,
        c => !c.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str, colour: bool) -> String {
        let mut out = Vec::new();
        put(&mut out, text, colour);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_a_terminal_would_obey_is_shown() {
        assert_eq!(printable("a\x1b[31mb\rc\u{9b}8m"), "a\\u{1b}[31mb\\u{d}c\\u{9b}8m");
        assert_eq!(printable("a\u{202e}b\u{200b}c\u{e0041}"), "a\\u{202e}b\\u{200b}c\\u{e0041}");
        assert_eq!(printable("é ü 日\n\t"), "é ü 日\n\t");
        assert_eq!(ascii("cur\u{406} é"), "cur\\u{406} \\u{e9}");
    }

    #[test]
    fn only_our_own_colours_pass_and_only_where_there_are_any() {
        let text = "\x1b[31mred\x1b[0m \x1b[1;94mx\x1b[0m";
        assert_eq!(written(text, true), text);
        assert!(!written(text, false).contains('\x1b'));
        for bad in
            ["\x1b[8mhidden", "\x1b[30mblack", "\x1b]0;title\x07", "\x1b[2J", "\x1b[", "\x1b", "\x1b[31", "\u{9b}8m"]
        {
            let out = written(bad, true);
            assert!(!out.contains(['\x1b', '\u{9b}', '\x07']), "{out:?}");
        }
    }

    #[test]
    fn json_stays_json() {
        let value = serde_json::json!({"a": "x\u{202e}\u{9b}\u{e0041}\x1b é"});
        let safe = gate(&value.to_string()).into_owned();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), value);
        assert!(safe.chars().all(is_safe) && safe.contains("\\u202e") && safe.contains('é'), "{safe}");
    }
}
