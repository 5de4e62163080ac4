//! Lines over bytes, and the draft that every editor fills in: the one place that knows about line endings.

use super::{EditError, Edited, Touched};
use similar::{Algorithm, DiffOp, capture_diff_slices};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A line: its text, and its ending (LF, CRLF, or nothing for a last line without newline).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    pub text: &'a [u8],
    pub ending: &'a [u8],
}

/// Splits at LF; a CR directly before it belongs to the ending, any other CR to the text.
pub fn split(bytes: &[u8]) -> Vec<Line<'_>> {
    let line = |raw| {
        let text = raw_text(raw);
        Line { text, ending: raw.get(text.len()..).unwrap_or_default() }
    };
    bytes.split_inclusive(|byte| *byte == b'\n').map(line).collect()
}

fn raw_text(raw: &[u8]) -> &[u8] {
    let Some(text) = raw.strip_suffix(b"\n") else {
        return raw;
    };
    text.strip_suffix(b"\r").unwrap_or(text)
}

/// Splits a UTF-8 byte order mark off: `(mark or nothing, rest)`.
pub fn split_bom(bytes: &[u8]) -> (&[u8], &[u8]) {
    bytes.split_at(if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 })
}

/// The length of the blanks (space, tab) in front.
pub fn indent(text: &[u8]) -> usize {
    text.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}

/// A parameter as the text of one line: an ending that came with it (`line: |` in YAML) is dropped.
pub fn one_line<'t>(what: &'static str, text: &'t [u8]) -> Result<&'t [u8], EditError> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let text = trim_cr(text);
    if text.contains(&b'\n') {
        return Err(EditError::Text { what, problem: "has a line break" });
    }
    if !split_bom(text).0.is_empty() {
        return Err(EditError::Text { what, problem: "starts with a byte order mark" });
    }
    Ok(text)
}

/// Drops every CR at the end, which would turn the LF written after it into a CRLF.
pub fn trim_cr(mut text: &[u8]) -> &[u8] {
    while let Some(shorter) = text.strip_suffix(b"\r") {
        text = shorter;
    }
    text
}

/// Changes to a text, noted by line and written out at once. Indices count the *old* lines from 0.
pub struct Draft<'a> {
    bom: &'a [u8],
    pub lines: Vec<Line<'a>>,
    changed: BTreeMap<usize, Option<Vec<u8>>>,
    inserted: BTreeMap<usize, Vec<Vec<u8>>>,
}

impl<'a> Draft<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        let (bom, rest) = split_bom(bytes);
        Self { bom, lines: split(rest), changed: BTreeMap::new(), inserted: BTreeMap::new() }
    }

    /// The same, with a byte order mark as part of line 0: for what reads it as text.
    pub fn verbatim(bytes: &'a [u8]) -> Self {
        Self { bom: b"", lines: split(bytes), changed: BTreeMap::new(), inserted: BTreeMap::new() }
    }

    /// Gives line `at` another text; it keeps its ending.
    pub fn set(&mut self, at: usize, text: Vec<u8>) {
        if self.lines.get(at).is_some_and(|line| line.text != text) {
            self.changed.insert(at, Some(text));
        }
    }

    pub fn remove(&mut self, at: usize) {
        self.changed.insert(at, None);
    }

    /// Adds a line before line `at`, after those that were added there already; `lines.len()` is the end.
    pub fn insert(&mut self, at: usize, text: Vec<u8>) {
        self.inserted.entry(at).or_default().push(text);
    }

    /// Makes lines `from..to` read as `new`, keeping those that are in both.
    pub fn splice(&mut self, from: usize, to: usize, new: &[&[u8]]) {
        let old: Vec<&[u8]> = self.lines.iter().take(to).skip(from).map(|line| line.text).collect();
        for Pair { at, before, after } in pairs(&old, new) {
            match (before, after) {
                (_, None) => self.remove(from + at),
                (None, Some(text)) => self.insert(from + at, text.to_vec()),
                (Some(_), Some(text)) => self.set(from + at, text.to_vec()),
            }
        }
    }

    /// The ending for a line that is added at `at`: that of the line above, else below, else LF.
    fn ending_near(&self, at: usize) -> &'a [u8] {
        let (above, below) = self.lines.split_at(at.min(self.lines.len()));
        let mut near = above.iter().rev().chain(below).map(|line| line.ending);
        near.find(|ending| !ending.is_empty()).unwrap_or(b"\n")
    }

    pub fn finish(mut self) -> Edited {
        let mut touched = Vec::new();
        let mut out: Vec<(Cow<'_, [u8]>, &[u8])> = Vec::with_capacity(self.lines.len() + 1);
        for at in 0..=self.lines.len() {
            for text in self.inserted.remove(&at).unwrap_or_default() {
                touched.push(Touched { line: at + 1, before: None, after: Some(text.clone()) });
                out.push((text.into(), self.ending_near(at)));
            }
            let Some(old) = self.lines.get(at) else { break };
            match self.changed.remove(&at) {
                None => out.push((old.text.into(), old.ending)),
                Some(after) => {
                    touched.push(Touched { line: at + 1, before: Some(old.text.to_vec()), after: after.clone() });
                    out.extend(after.map(|text| (text.into(), old.ending)));
                }
            }
        }
        let added_last = touched.last().is_some_and(|touched| touched.line > self.lines.len());
        let unended = self.lines.last().is_some_and(|line| line.ending.is_empty());
        let near = self.ending_near(self.lines.len());
        let mut bytes = self.bom.to_vec();
        let last = out.len().saturating_sub(1);
        for (index, (text, mut ending)) in out.into_iter().enumerate() {
            if index == last && added_last && unended {
                ending = b""; // the file goes on ending without a newline
            }
            if ending.is_empty() && (index < last || text.is_empty()) {
                ending = near;
            }
            bytes.extend_from_slice(&text);
            bytes.extend_from_slice(ending);
        }
        Edited { bytes, touched }
    }
}

/// One difference between two lists of lines: `at` counts the old ones from 0.
pub struct Pair<'a> {
    pub at: usize,
    pub before: Option<&'a [u8]>,
    pub after: Option<&'a [u8]>,
}

/// The fewest lines to change, add and remove that make `old` into `new` (Myers), in order.
pub fn pairs<'a>(old: &[&'a [u8]], new: &[&'a [u8]]) -> Vec<Pair<'a>> {
    let mut pairs = Vec::new();
    for op in capture_diff_slices(Algorithm::Myers, old, new) {
        if matches!(op, DiffOp::Equal { .. }) {
            continue;
        }
        let (_, from, to) = op.as_tag_tuple();
        for step in 0..from.len().max(to.len()) {
            let before = old.get(from.clone()).and_then(|old| old.get(step)).copied();
            let after = new.get(to.clone()).and_then(|new| new.get(step)).copied();
            pairs.push(Pair { at: (from.start + step).min(from.end), before, after });
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_text_and_ending() {
        let lines = split(b"a\r\nb\rc\n\nd");
        let parts: Vec<_> = lines.iter().map(|line| (line.text, line.ending)).collect();
        assert_eq!(parts, [(&b"a"[..], &b"\r\n"[..]), (b"b\rc", b"\n"), (b"", b"\n"), (b"d", b"")]);
        assert!(split(b"").is_empty());
    }

    #[test]
    fn a_new_line_ends_like_the_line_above_it() {
        let insert = |bytes: &[u8], at| {
            let mut draft = Draft::new(bytes);
            draft.insert(at, b"new".to_vec());
            draft.finish().bytes
        };
        assert_eq!(insert(b"a\r\nb\n", 1), b"a\r\nnew\r\nb\n");
        assert_eq!(insert(b"a\r\nb\n", 0), b"new\r\na\r\nb\n");
        assert_eq!(insert(b"a\r\nb", 2), b"a\r\nb\r\nnew");
        assert_eq!(insert(b"a", 1), b"a\nnew");
        assert_eq!(insert(b"", 0), b"new\n");
        assert_eq!(insert(b"\xef\xbb\xbfa\n", 0), b"\xef\xbb\xbfnew\na\n");
    }

    #[test]
    fn an_empty_last_line_has_its_newline() {
        let mut draft = Draft::new(b"a");
        draft.insert(1, Vec::new());
        assert_eq!(draft.finish().bytes, b"a\n\n");
    }

    #[test]
    fn splice_keeps_what_is_in_both() {
        let mut draft = Draft::new(b"a\nb\r\nc\nd\n");
        draft.splice(0, 4, &[b"a", b"x", b"b", b"d"]);
        let edited = draft.finish();
        assert_eq!(edited.bytes, b"a\nx\nb\r\nd\n");
        assert_eq!(edited.touched.len(), 2);
    }
}
