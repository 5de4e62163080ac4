//! Keys in sections: systemd units, `[section]` files, `k=v` files without sections.
//!
//! The grammar is what systemd.syntax(7) and Python's configparser have in common, and each of them where the other has
//! nothing: `[name]` starts a section, a section may come again and goes on, `#` and `;` start a comment line (never the
//! rest of a line: a value goes up to its end), a backslash at the end of a line continues the value, and so does a line
//! that is indented deeper than its key. Keys are case-sensitive. A line without `=` is a key without a value.

use super::lines::{Draft, Line, indent, one_line, trim_cr};
use super::{EditError, Edited};
use std::ops::Range;

/// What is wanted of one section.
#[derive(Debug, Clone, Default)]
pub struct Spec {
    /// Without the brackets; `""` is what comes before the first header.
    pub section: String,
    /// Keys and their values. Of a key that is there several times, the *last* one is changed and the others stay.
    pub set: Vec<(String, String)>,
    /// Keys to remove, every one of them.
    pub unset: Vec<String>,
}

/// Sets and unsets keys.
///
/// A changed line keeps its indentation and the blanks around its `=`; its value, with all its continuation lines, is
/// replaced if it is another one. A new key is written in the style of the last key of the section (else of the first of
/// the file, else `k=v`) and goes after that key (else right after the header; in section `""`, after the comments at the
/// top). Where a section comes several times, the last one gets the new keys. A missing section is appended, after a
/// blank line.
///
/// # Errors
/// [`EditError::Text`] for names, keys and values that would be read back as something else, [`EditError::TwiceGiven`],
/// and [`EditError::Unfinished`] if the new line would become part of the value before it.
pub fn edit(bytes: &[u8], spec: &Spec) -> Result<Edited, EditError> {
    check(spec)?;
    let mut draft = Draft::new(bytes);
    let parsed = Parsed::of(&draft.lines, spec.section.trim_ascii().as_bytes());
    for entry in
        parsed.entries.iter().filter(|entry| spec.unset.iter().any(|key| key.trim_ascii().as_bytes() == entry.key))
    {
        entry.lines.clone().for_each(|at| draft.remove(at));
    }
    let mut new = Vec::new();
    for (key, value) in &spec.set {
        let (key, value) = (key.trim_ascii().as_bytes(), value.trim_ascii().as_bytes());
        match parsed.entries.iter().rfind(|entry| entry.key == key) {
            Some(entry) if entry.lines.len() == 1 && entry.value == Some(value) => {}
            Some(entry) => {
                draft.set(entry.lines.start, parsed.style_of(entry).line(key, value));
                entry.lines.clone().skip(1).for_each(|at| draft.remove(at));
            }
            None => new.push(parsed.style().line(key, value)),
        }
    }
    if new.is_empty() {
        return Ok(draft.finish());
    }
    let end = draft.lines.len();
    let at = parsed.new_keys.unwrap_or(end);
    if let Some(line) = parsed.unfinished.filter(|_| at == end) {
        return Err(EditError::Unfinished { line: line + 1 });
    }
    if parsed.new_keys.is_none() {
        if draft.lines.last().is_some_and(|line| !line.text.trim_ascii().is_empty()) {
            draft.insert(end, Vec::new());
        }
        draft.insert(end, format!("[{}]", spec.section.trim_ascii()).into_bytes());
    }
    new.into_iter().for_each(|line| draft.insert(at, line));
    Ok(draft.finish())
}

/// One key of the wanted section. The style is the text around key and value.
struct Entry<'a> {
    key: &'a [u8],
    /// On the key's own line; `None` without `=`.
    value: Option<&'a [u8]>,
    lines: Range<usize>,
    style: Style<'a>,
}

#[derive(Clone, Copy)]
struct Style<'a> {
    indent: &'a [u8],
    before: &'a [u8],
    after: &'a [u8],
}

impl Style<'_> {
    fn line(self, key: &[u8], value: &[u8]) -> Vec<u8> {
        let after = if value.is_empty() { b"" } else { self.after };
        [self.indent, key, self.before, b"=", after, value].concat()
    }
}

struct Parsed<'a> {
    /// Of the wanted section, in order.
    entries: Vec<Entry<'a>>,
    /// Of the first entry of the file that has a `=`.
    style: Option<Style<'a>>,
    /// The line to put new keys before; `None` if there is no such section.
    new_keys: Option<usize>,
    /// The entry that the end of the file leaves open.
    unfinished: Option<usize>,
}

impl<'a> Parsed<'a> {
    fn of(lines: &[Line<'a>], wanted: &[u8]) -> Self {
        let top = lines.iter().take_while(|line| is_comment(line.text)).count();
        let mut parsed = Self { entries: Vec::new(), style: None, new_keys: None, unfinished: None };
        let mut inside = wanted.is_empty();
        if inside {
            parsed.new_keys = Some(top);
        }
        let mut at = 0;
        while let Some(line) = lines.get(at) {
            let first = at;
            at += 1;
            if let Some(name) = header(line.text) {
                inside = name == wanted;
                if inside {
                    parsed.new_keys = Some(at);
                }
            } else if !is_comment(line.text) && !line.text.trim_ascii().is_empty() {
                let (end, open) = value_end(lines, first);
                let entry = Entry::of(line.text, first..end);
                at = end;
                parsed.unfinished = open.then_some(first);
                parsed.style = parsed.style.or(entry.value.map(|_| entry.style));
                if inside {
                    parsed.new_keys = Some(end);
                    parsed.entries.push(entry);
                }
            }
        }
        parsed
    }

    fn style(&self) -> Style<'a> {
        let own = self.entries.iter().rev().find(|entry| entry.value.is_some()).map(|entry| entry.style);
        let style = own.or(self.style).unwrap_or(Style { indent: b"", before: b"", after: b"" });
        // Deeper than the key above it, the new line would continue that key's value.
        let indent = self.entries.last().map_or(style.indent, |last| last.style.indent);
        Style { indent, ..style }
    }

    /// The entry's own, as far as it shows one: `k` shows nothing, `k =` shows half.
    fn style_of(&self, entry: &Entry<'a>) -> Style<'a> {
        match entry.value {
            None => Style { indent: entry.style.indent, ..self.style() },
            Some(b"") if entry.style.after.is_empty() => Style { after: entry.style.before, ..entry.style },
            Some(_) => entry.style,
        }
    }
}

impl<'a> Entry<'a> {
    fn of(text: &'a [u8], lines: Range<usize>) -> Self {
        let (indent, rest) = text.split_at(indent(text));
        let mut parts = rest.splitn(2, |byte| *byte == b'=');
        let left = parts.next().unwrap_or_default();
        let (key, before) = left.split_at(left.trim_ascii_end().len());
        let right = parts.next();
        let after = right.map_or(&b""[..], |right| right.split_at(right.len() - right.trim_ascii_start().len()).0);
        Self { key, value: right.map(<[u8]>::trim_ascii), lines, style: Style { indent, before, after } }
    }
}

/// Where the value that starts at `first` ends (one past its last line), and whether the end of the file cuts it off.
fn value_end(lines: &[Line<'_>], first: usize) -> (usize, bool) {
    let text = |at: usize| lines.get(at).map_or(&b""[..], |line| line.text);
    let depth = indent(text(first));
    let continued = |text| trim_cr(text).ends_with(b"\\"); // a last line can end in a lone CR
    let mut open = continued(text(first));
    let mut end = first + 1;
    while end < lines.len() {
        let next = text(end);
        let deeper =
            indent(next) > depth && !next.trim_ascii().is_empty() && !is_comment(next) && header(next).is_none();
        match (open, is_comment(next)) {
            (true, true) => {} // systemd.syntax(7): comment lines within a continued value are skipped
            (true, false) => open = continued(next),
            (false, _) if deeper => open = continued(next),
            (false, _) => break,
        }
        end += 1;
    }
    (end, open)
}

fn is_comment(text: &[u8]) -> bool {
    matches!(text.trim_ascii_start().first(), Some(b'#' | b';'))
}

/// The name between the brackets; what follows them is not looked at.
fn header(text: &[u8]) -> Option<&[u8]> {
    let inner = text.trim_ascii_start().strip_prefix(b"[")?;
    inner.split(|byte| *byte == b']').next().filter(|name| name.len() < inner.len()).map(<[u8]>::trim_ascii)
}

/// Refuses what would not be read back as it was given.
fn check(spec: &Spec) -> Result<(), EditError> {
    let refuse = |what, problem| Err(EditError::Text { what, problem });
    one_line("section", spec.section.as_bytes())?;
    if spec.section.contains(']') {
        return refuse("section", "has a `]` in it");
    }
    let keys: Vec<&str> = spec.set.iter().map(|(key, _)| key).chain(&spec.unset).map(|key| key.trim_ascii()).collect();
    for (at, key) in keys.iter().enumerate() {
        one_line("key", key.as_bytes())?;
        if key.is_empty() || key.contains('=') || key.starts_with(['#', ';', '[']) {
            return refuse("key", "is empty, has a `=` in it, or starts with `#`, `;` or `[`");
        }
        if keys.iter().skip(at + 1).any(|other| other == key) {
            return Err(EditError::TwiceGiven { key: (*key).to_owned() });
        }
    }
    for (_, value) in &spec.set {
        one_line("value", value.trim_ascii().as_bytes())?;
        if value.trim_ascii().ends_with('\\') {
            return refuse("value", "ends in a backslash, which would join it with the next line");
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "ini_tests.rs"]
mod tests;
