//! One line of sshd_config, as sshd takes it apart, with the places of its parts.
//!
//! Source: `load_server_config`, `process_server_config_line_depth` (servconf.c), `strdelim`, `argv_split` (misc.c),
//! OpenSSH 8.7 and later; checked against the real sshd 9.2 in `tests/it/sshd_trees.rs`.

use std::ops::Range;

/// What a line is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    /// Blank or a comment. Also a line whose keyword begins with a quote that nothing closes: sshd passes over it.
    Nothing,
    /// A keyword, and what follows.
    Line(Line),
}

/// A line with a keyword. Places count bytes of the line's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// As spelled, without quotes.
    pub keyword: Vec<u8>,
    /// The keyword with its quotes, if it has any.
    pub keyword_at: Range<usize>,
    /// All that follows the separator, without trailing whitespace: what `ForceCommand` takes as it stands.
    pub rest_at: Range<usize>,
    /// The arguments; an error if a quote is open at the end, and which.
    pub args: Result<Vec<Arg>, u8>,
}

/// One argument: its meaning and its place, quotes included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arg {
    pub value: Vec<u8>,
    pub at: Range<usize>,
}

impl Line {
    /// Where the value stands: from the first argument to the end of the last; empty before a comment if there is none.
    pub fn value_at(&self, raw: bool) -> Range<usize> {
        match (&self.args, raw) {
            (Ok(args), false) => match (args.first(), args.last()) {
                (Some(first), Some(last)) => first.at.start..last.at.end,
                _ => self.rest_at.start..self.rest_at.start,
            },
            _ => self.rest_at.clone(),
        }
    }
}

fn blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Takes a line apart. The text has no line feed; what follows a NUL is cut off.
pub fn parse(text: &[u8]) -> Parsed {
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    let start = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r')).count();
    let mut end = text.len();
    // The first byte is never trimmed: a line that is a lone form feed is a keyword.
    while end > start + 1 && text.get(end - 1).is_some_and(|byte| blank(*byte) || *byte == b'\x0c') {
        end -= 1;
    }
    let line = text.get(..end).unwrap_or_default();
    let Some((mut keyword, mut keyword_at, mut rest)) = token(line, start) else { return Parsed::Nothing };
    if keyword.is_empty() && rest.is_some() {
        match token(line, rest.unwrap_or(end)) {
            None => return Parsed::Nothing,
            Some(next) => (keyword, keyword_at, rest) = next,
        }
    }
    if keyword.is_empty() || keyword.first() == Some(&b'#') {
        return Parsed::Nothing;
    }
    let rest_at = rest.unwrap_or(end).min(end)..end;
    let args = split(line, rest_at.start);
    Parsed::Line(Line { keyword, keyword_at, rest_at, args })
}

/// `strdelim`: a token ends at whitespace, at one `=` (with whitespace around it), or with the quotes that it has.
/// Answers the token, its place, and where the next one begins (nothing: the line is at its end); none if a double
/// quote is not closed.
pub fn token(line: &[u8], from: usize) -> Option<(Vec<u8>, Range<usize>, Option<usize>)> {
    let tail = line.get(from..).unwrap_or_default();
    let skip = |at: usize| at + line.get(at..).unwrap_or_default().iter().take_while(|byte| blank(**byte)).count();
    let Some(length) = tail.iter().position(|byte| blank(*byte) || matches!(byte, b'"' | b'=')) else {
        return Some((tail.to_vec(), from..line.len(), None));
    };
    let (head, stop) = (tail.get(..length).unwrap_or_default(), from + length);
    if line.get(stop) == Some(&b'"') {
        let quoted = line.get(stop + 1..).unwrap_or_default();
        let close = quoted.iter().position(|byte| *byte == b'"')?;
        let keyword = [head, quoted.get(..close).unwrap_or_default()].concat();
        let after = stop + 1 + close + 1;
        return Some((keyword, from..after, Some(skip(after))));
    }
    let mut next = skip(stop + 1);
    if line.get(stop) != Some(&b'=') && line.get(next) == Some(&b'=') {
        next = skip(next + 1);
    }
    Some((head.to_vec(), from..stop, Some(next)))
}

/// `argv_split`: blanks separate; either quote quotes; a backslash escapes quotes and itself, and outside quotes a
/// blank; `#` where an argument could begin ends the line. The error is the quote that is open at the end.
pub fn split(line: &[u8], from: usize) -> Result<Vec<Arg>, u8> {
    let mut args = Vec::new();
    let mut at = from;
    while let Some(&byte) = line.get(at) {
        if matches!(byte, b' ' | b'\t') {
            at += 1;
            continue;
        }
        if byte == b'#' {
            break;
        }
        let (start, mut value, mut quote) = (at, Vec::new(), None);
        while let Some(&byte) = line.get(at) {
            match (byte, quote) {
                (b'\\', _) => match line.get(at + 1) {
                    Some(&next) if matches!(next, b'\'' | b'"' | b'\\') || next == b' ' && quote.is_none() => {
                        at += 1;
                        value.push(next);
                    }
                    _ => value.push(byte),
                },
                (b' ' | b'\t', None) => break,
                (b'"' | b'\'', None) => quote = Some(byte),
                (_, Some(open)) if open == byte => quote = None,
                _ => value.push(byte),
            }
            at += 1;
        }
        if let Some(open) = quote {
            return Err(open);
        }
        args.push(Arg { value, at: start..at });
    }
    Ok(args)
}

/// An argument as it has to be written so that [`split`] reads it back; `quote` is the one to prefer.
pub fn written(value: &[u8], quote: u8) -> Vec<u8> {
    let quoted = value.is_empty()
        || value.iter().any(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\x0c'))
        || matches!(value.first(), Some(b'#' | b'='));
    let mut out = Vec::with_capacity(value.len() + 2);
    out.extend(quoted.then_some(quote));
    for &byte in value {
        if matches!(byte, b'\\' | b'"' | b'\'') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.extend(quoted.then_some(quote));
    out
}

/// Bytes as sshd prints them in a message: `\ooo` for what is not ASCII, `\\` for a backslash (vis(3), safe, octal).
pub fn shown(bytes: &[u8]) -> String {
    let mut out = String::new();
    for &byte in bytes {
        match byte {
            b'\\' => out.push_str("\\\\"),
            b' '..=b'~' | b'\t' | b'\n' | b'\r' | 7 | 8 => out.push(char::from(byte)),
            _ => out.push_str(&format!("\\{byte:03o}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keyword_and_args(text: &str) -> (String, Vec<String>) {
        let Parsed::Line(line) = parse(text.as_bytes()) else { return (String::new(), Vec::new()) };
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (text(&line.keyword), line.args.unwrap().iter().map(|arg| text(&arg.value)).collect())
    }

    #[test]
    fn what_separates_and_what_quotes() {
        for (text, args) in [
            ("Port 22", "22"),
            ("\t Port\t=\t22 \t\x0c", "22"),
            ("Port=22 # ssh", "22"),
            ("\"Port\" 22", "22"),
            ("Po\"rt\" '22'", "22"),
            ("=Port 22", "22"),
            ("Port==22", "=22"),
            ("Port \"2\"2", "22"),
            ("Port 22#x", "22#x"),
            ("Port\r22\r", "22"),
            ("Port a\\ b", "a b"),
            ("Port \"a\\ b\"", "a\\ b"),
            ("Port 'a \"b'", "a \"b"),
            ("Port a\\\"b", "a\"b"),
        ] {
            assert_eq!(keyword_and_args(text), ("Port".to_owned(), vec![args.to_owned()]), "{text:?}");
        }
    }

    #[test]
    fn what_sshd_passes_over() {
        for text in ["", "  ", "# Port 22", "\t#", "\"Port 22", "Port\"22", "\"#x\" 1", " \r", "="] {
            assert_eq!(parse(text.as_bytes()), Parsed::Nothing, "{text:?}");
        }
        assert_eq!(keyword_and_args("\x0c"), ("\x0c".to_owned(), Vec::new()));
    }

    #[test]
    fn an_open_quote_is_named() {
        let Parsed::Line(line) = parse(b"Banner 'x") else { panic!() };
        assert_eq!(line.args, Err(b'\''));
    }

    proptest! {
        #[test]
        fn never_panics_and_places_are_inside(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Parsed::Line(line) = parse(&text) {
                prop_assert!(line.keyword_at.end <= line.rest_at.start.max(line.keyword_at.end));
                prop_assert!(line.rest_at.end <= text.len() && line.rest_at.start <= line.rest_at.end);
                for arg in line.args.iter().flatten() {
                    prop_assert!(text.get(arg.at.clone()).is_some());
                }
            }
        }

        #[test]
        fn what_is_written_is_read_back(value in proptest::collection::vec(1u8.., 0..12), single in any::<bool>()) {
            prop_assume!(!value.contains(&b'\n'));
            let quote = if single { b'\'' } else { b'"' };
            let text = [b"Banner ", &written(&value, quote)[..]].concat();
            let Parsed::Line(line) = parse(&text) else { panic!() };
            prop_assert_eq!(&line.args.unwrap()[0].value, &value);
        }
    }
}
