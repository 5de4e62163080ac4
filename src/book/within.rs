//! From bytes of a scalar's decoded text back to bytes of the source.

use std::ops::Range;

use saphyr_parser::ScalarStyle;

/// A piece of the scalar: where it is in the decoded text and in the source. Of one length where
/// the two read the same; an escape is a piece of its own.
struct Run {
    decoded: Range<usize>,
    source: Range<usize>,
}

impl Run {
    fn same(decoded: usize, source: usize, length: usize) -> Self {
        Self { decoded: decoded..decoded + length, source: source..source + length }
    }

    /// The source byte for a byte of the decoded text; of an escape, its start or its end.
    fn at(&self, decoded: usize, end: bool) -> usize {
        let into = decoded.clamp(self.decoded.start, self.decoded.end) - self.decoded.start;
        match self.decoded.len() == self.source.len() {
            true => self.source.start + into,
            false if end => self.source.end,
            false => self.source.start,
        }
    }
}

/// The source bytes of `range` of the decoded text of the scalar at `bytes`.
///
/// Exact for plain (YAML 1.2.2 §7.3.3) and quoted (§7.3.1, §7.3.2) scalars on one line, escapes
/// included, and for literal blocks (§8.1.2). `None` for folded and other multi-line scalars, and
/// wherever the source turns out not to read as the decoded text.
pub fn locate(
    text: &str,
    bytes: &Range<usize>,
    style: ScalarStyle,
    decoded: &str,
    range: &Range<usize>,
) -> Option<Range<usize>> {
    let raw = text.get(bytes.clone())?;
    let runs = match style {
        ScalarStyle::Plain if raw == decoded => vec![Run::same(0, bytes.start, raw.len())],
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => quoted(raw, bytes.start, decoded)?,
        ScalarStyle::Literal => literal(text, bytes.start, decoded)?,
        _ => return None,
    };
    let end = range.end.min(decoded.len());
    let start = range.start.min(end);
    let first = runs.iter().find(|run| start < run.decoded.end);
    let first = first.or(runs.last())?;
    let last = runs.iter().rev().find(|run| run.decoded.start < end);
    let from = first.at(start, false);
    let to = last.unwrap_or(first).at(end, true);
    Some(from..to.max(from))
}

/// One run for each character of a quoted scalar on one line.
fn quoted(raw: &str, base: usize, decoded: &str) -> Option<Vec<Run>> {
    let double = raw.starts_with('"');
    let quote = if double { '"' } else { '\'' };
    let inner = raw.strip_prefix(quote)?.strip_suffix(quote)?;
    let mut runs: Vec<Run> = Vec::new();
    let mut at = 0;
    for (decoded_at, character) in decoded.char_indices() {
        let rest = inner.get(at..)?;
        let next = rest.chars().next()?;
        let length = match next {
            '\\' if double => escape(rest)?,
            '\'' if !double => 2,
            '\n' | '\r' => return None,
            _ if next == character => next.len_utf8(),
            _ => return None,
        };
        let start = base + 1 + at;
        runs.push(Run { decoded: decoded_at..decoded_at + character.len_utf8(), source: start..start + length });
        at += length;
    }
    (at == inner.len()).then_some(runs)
}

/// The length of the escape that the text starts with (YAML 1.2.2 §5.7).
fn escape(text: &str) -> Option<usize> {
    match text.as_bytes().get(1)? {
        b'x' => Some(4),
        b'u' => Some(6),
        b'U' => Some(10),
        b'\n' | b'\r' => None,
        _ => Some(2),
    }
}

/// One run for each line of a literal block, whose indentation was taken away. `start` is its
/// first content character, so its column is the indentation.
fn literal(text: &str, start: usize, decoded: &str) -> Option<Vec<Run>> {
    let line = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let indent = start - line;
    let blank = decoded.len() - decoded.trim_start_matches('\n').len();
    let mut runs = Vec::new();
    let mut from = blank;
    let mut lines = text[line..].split_inclusive('\n');
    let mut at = line;
    for wanted in decoded[blank..].split_inclusive('\n') {
        let found = lines.next()?;
        let content = found.trim_end_matches(['\n', '\r']);
        let content = match content.get(indent..) {
            Some(inner) if content[..indent].bytes().all(|b| b == b' ') => inner,
            _ if content.trim().is_empty() => "",
            _ => return None,
        };
        let wanted_text = wanted.strip_suffix('\n').unwrap_or(wanted);
        if content != wanted_text {
            return None;
        }
        let inner = at + indent.min(found.len());
        runs.push(Run::same(from, inner, wanted_text.len()));
        from += wanted.len();
        at += found.len();
    }
    Some(runs)
}
