//! The unified diff of two texts, byte for byte as `diff -au` writes it.
//!
//! Lines end at LF and at nothing else; a CR is part of its line, and no encoding is assumed. The format is that of
//! "Detailed Description of Unified Format" in the GNU diffutils manual; the script is a shortest one (Myers), so
//! where several are equally short, GNU diff's choice among them can be another. `patch` takes either.

use similar::{Algorithm, DiffOp, capture_diff_slices, group_diff_ops};
use std::ops::Range;

/// Unchanged lines around each change.
const CONTEXT: usize = 3;

/// What happens to a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    /// In both texts.
    Context,
    /// In the old text alone.
    Removed,
    /// In the new text alone.
    Added,
}

impl Tag {
    /// The byte in front of the line: space, `-` or `+`.
    #[must_use]
    pub fn sign(self) -> u8 {
        match self {
            Self::Context => b' ',
            Self::Removed => b'-',
            Self::Added => b'+',
        }
    }
}

/// A line of a hunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiffLine<'a> {
    /// What happens to it.
    pub tag: Tag,
    /// Without its LF; a CR before that is kept.
    pub text: &'a [u8],
    /// It is the last line of its text, and has no LF.
    pub missing_newline: bool,
}

/// Changes that are close together, with the lines around them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hunk<'a> {
    /// `@@ -OLD,COUNT +NEW,COUNT @@`, without LF.
    pub header: String,
    /// In the order in which they are printed.
    pub lines: Vec<DiffLine<'a>>,
}

/// The hunks between two texts, in order; none if they are equal.
#[must_use]
pub fn hunks<'a>(old: &'a [u8], new: &'a [u8]) -> Vec<Hunk<'a>> {
    let (old, new) = (lines(old), lines(new));
    let script = slide_down(capture_diff_slices(Algorithm::Myers, &old, &new), &old, &new);
    group_diff_ops(script, CONTEXT).iter().filter_map(|ops| hunk(ops, &old, &new)).collect()
}

/// The whole diff; empty if the texts are equal.
///
/// Labels are written as given, as with `diff --label`; one with a control character in it (a file name can have a line
/// break) is quoted as git does, so that it cannot pass for a line of the diff.
#[must_use]
pub fn unified(old: &[u8], new: &[u8], old_label: &str, new_label: &str) -> Vec<u8> {
    let hunks = hunks(old, new);
    let mut out = Vec::new();
    if hunks.is_empty() {
        return out;
    }
    out.extend_from_slice(format!("--- {}\n+++ {}\n", quoted(old_label), quoted(new_label)).as_bytes());
    for hunk in hunks {
        out.extend_from_slice(hunk.header.as_bytes());
        out.push(b'\n');
        for line in hunk.lines {
            out.push(line.tag.sign());
            out.extend_from_slice(line.text);
            out.push(b'\n');
            if line.missing_newline {
                out.extend_from_slice(b"\\ No newline at end of file\n");
            }
        }
    }
    out
}

fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').collect()
}

/// Moves each pure deletion or insertion down as far as it goes, as GNU diff does: of two equal lines it is the second
/// that was removed or added.
fn slide_down(script: Vec<DiffOp>, old: &[&[u8]], new: &[&[u8]]) -> Vec<DiffOp> {
    let mut out: Vec<DiffOp> = Vec::with_capacity(script.len());
    let mut rest = script.into_iter().peekable();
    while let Some(change) = rest.next() {
        let Some(DiffOp::Equal { old_index, new_index, len }) = rest.peek().copied() else {
            out.push(change);
            continue;
        };
        let (text, range) = match change {
            DiffOp::Delete { .. } => (old, change.old_range()),
            DiffOp::Insert { .. } => (new, change.new_range()),
            DiffOp::Equal { .. } | DiffOp::Replace { .. } => {
                out.push(change);
                continue;
            }
        };
        let same = |step: &usize| text.get(range.start + step) == text.get(range.end + step);
        // At least one line stays between this change and the next, so that they remain two.
        let by = (0..len).take_while(same).count();
        let by = if by == len && rest.len() > 1 { 0 } else { by };
        let (from, to) = (change.old_range().start, change.new_range().start);
        match out.last_mut() {
            Some(DiffOp::Equal { len, .. }) => *len += by,
            _ if by > 0 => out.push(DiffOp::Equal { old_index: from, new_index: to, len: by }),
            _ => {}
        }
        out.push(match change {
            DiffOp::Delete { old_len, .. } => DiffOp::Delete { old_index: from + by, old_len, new_index: to + by },
            _ => DiffOp::Insert { old_index: from + by, new_index: to + by, new_len: range.len() },
        });
        rest.next();
        if len > by {
            out.push(DiffOp::Equal { old_index: old_index + by, new_index: new_index + by, len: len - by });
        }
    }
    out
}

fn hunk<'a>(ops: &[DiffOp], old: &[&'a [u8]], new: &[&'a [u8]]) -> Option<Hunk<'a>> {
    let (first, last) = (ops.first()?, ops.last()?);
    let (from, to) = (span(first.old_range(), last.old_range()), span(first.new_range(), last.new_range()));
    let mut lines = Vec::new();
    for op in ops {
        let (kept, taken, put) = match op {
            DiffOp::Equal { .. } => (op.old_range(), 0..0, 0..0),
            _ => (0..0, op.old_range(), op.new_range()),
        };
        for (tag, text, range) in [(Tag::Context, old, kept), (Tag::Removed, old, taken), (Tag::Added, new, put)] {
            lines.extend(text.get(range).unwrap_or_default().iter().map(|raw| diff_line(tag, raw)));
        }
    }
    Some(Hunk { header: format!("@@ -{from} +{to} @@"), lines })
}

fn diff_line(tag: Tag, raw: &[u8]) -> DiffLine<'_> {
    let text = raw.strip_suffix(b"\n");
    DiffLine { tag, text: text.unwrap_or(raw), missing_newline: text.is_none() }
}

/// `LINE,COUNT`; `LINE` alone for one line; of no lines, the line before them.
fn span(first: Range<usize>, last: Range<usize>) -> String {
    match last.end.saturating_sub(first.start) {
        0 => format!("{},0", first.start),
        1 => format!("{}", first.start + 1),
        count => format!("{},{count}", first.start + 1),
    }
}

fn quoted(label: &str) -> String {
    if label.chars().any(char::is_control) { format!("\"{}\"", label.escape_default()) } else { label.to_owned() }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // The real diff and patch are asked.
#[path = "diff_tests.rs"]
mod tests;
