//! Keys in sections: systemd units, `[section]` files, `k=v` files without sections.
//!
//! There is no one grammar of such files: see [`Dialect`]. What an edit comes to is read back in the same dialect before it
//! is given out: every other key must still say what it said.

mod dialect;

use super::lines::{Draft, one_line};
use super::{EditError, Edited};
pub use dialect::{DIALECTS, Dialect};
use dialect::{Entry, Parsed};

/// A key and the value of each of its lines; `None` is a key without a value.
pub type Setting = (String, Vec<Option<String>>);

/// What is wanted of one section.
#[derive(Debug, Clone, Default)]
pub struct Spec {
    /// Without the brackets; `""` is what comes before the first header.
    pub section: String,
    /// The section goes, wherever it stands, with all its keys.
    pub absent: bool,
    /// Keys and their values. With one value, of a key that is there several times the *last* one is changed and the others
    /// stay; with several, the key has exactly these lines. `None` is a key without a value.
    pub set: Vec<Setting>,
    /// Keys to remove, every one of them.
    pub unset: Vec<String>,
    /// `None`: whatever the text and all dialects that it may be of agree on.
    pub dialect: Option<Dialect>,
}

/// Sets and unsets keys, or removes a section.
///
/// A changed line keeps its indentation, the file's spelling of the key and the blanks around its delimiter; its value, with
/// all its continuation lines, is replaced if it is another one. A new key is written in the style of the last key of the
/// section (else of the first of the file, else `k=v`) and goes after that key (else right after the header; in section
/// `""`, after the comments at the top). Where a section comes several times, the last one gets the new keys. A missing
/// section is appended, after a blank line.
///
/// # Errors
/// [`EditError::Text`] for names, keys and values that would be read back as something else, [`EditError::TwiceGiven`],
/// [`EditError::Unfinished`] if the new line would become part of the value before it, [`EditError::Dialect`] if the
/// dialects that the text may be of do not agree, and [`EditError::Misread`] if another key would be read otherwise.
pub fn edit(bytes: &[u8], spec: &Spec) -> Result<Edited, EditError> {
    let draft = Draft::new(bytes);
    let Some(given) = spec.dialect else {
        let all = Dialect::of_text(&draft.lines);
        let edits = all.iter().map(|d| edit_as(bytes, spec, *d)).collect::<Result<Vec<_>, _>>()?;
        let mut edits = edits.into_iter();
        let Some(first) = edits.next() else { return edit_as(bytes, spec, Dialect::Configparser) };
        return match edits.find(|other| other.bytes != first.bytes) {
            None if agreed(&first, spec) => Ok(first),
            None => Err(EditError::Dialect { line: first.touched.first().map_or(1, |t| t.line) }),
            Some(other) => {
                let differ =
                    first.touched.iter().zip(&other.touched).find(|(a, b)| a != b).map(|(a, b)| a.line.min(b.line));
                let longer = if first.touched.len() > other.touched.len() { &first } else { &other };
                let at = first.touched.len().min(other.touched.len());
                let line = differ.or(longer.touched.get(at).map(|t| t.line)).unwrap_or(1);
                Err(EditError::Dialect { line })
            }
        };
    };
    edit_as(bytes, spec, given)
}

/// Whether every dialect that the new text may be of finds nothing more to do: a line that only some dialects know may be
/// gone, or be new.
fn agreed(edited: &Edited, spec: &Spec) -> bool {
    let all = Dialect::of_text(&Draft::new(&edited.bytes).lines);
    all.iter().all(|d| edit_as(&edited.bytes, spec, *d).is_ok_and(|again| !again.changed()))
}

fn edit_as(bytes: &[u8], spec: &Spec, dialect: Dialect) -> Result<Edited, EditError> {
    check(spec, dialect)?;
    let mut draft = Draft::new(bytes);
    let section = spec.section.trim_ascii().as_bytes();
    let parsed = Parsed::of(&draft.lines, section, dialect);
    if spec.absent {
        parsed.places.iter().flat_map(|lines| lines.clone()).for_each(|at| draft.remove(at));
        return Ok(draft.finish());
    }
    let is = |entry: &&Entry<'_>, key: &str| dialect.same_key(entry.key, key.trim_ascii().as_bytes());
    for entry in parsed.entries.iter().filter(|entry| spec.unset.iter().any(|key| is(entry, key))) {
        entry.lines.clone().for_each(|at| draft.remove(at));
    }
    let mut new: Vec<Vec<u8>> = Vec::new();
    for (key, values) in &spec.set {
        let there: Vec<&Entry<'_>> = parsed.entries.iter().filter(|entry| is(entry, key)).collect();
        let there = if values.len() == 1 { there.last().copied().into_iter().collect() } else { there };
        let key = key.trim_ascii().as_bytes();
        let values: Vec<Option<Vec<u8>>> = values.iter().map(|v| v.as_deref().map(|v| dialect.written(v))).collect();
        for (entry, value) in there.iter().zip(&values) {
            let says = entry.lines.len() == 1 && dialect.same_value(entry.value, value.as_deref());
            if !says {
                draft.set(entry.lines.start, parsed.style_of(entry).line(entry.key, value.as_deref()));
                entry.lines.clone().skip(1).for_each(|at| draft.remove(at));
            }
        }
        for entry in there.iter().skip(values.len()) {
            entry.lines.clone().for_each(|at| draft.remove(at));
        }
        let more = values.iter().skip(there.len());
        match there.last() {
            Some(last) => {
                let style = parsed.style_of(last).indented_as(last.style);
                more.for_each(|v| draft.insert(last.lines.end, style.line(last.key, v.as_deref())));
            }
            None => new.extend(more.map(|v| parsed.style().line(key, v.as_deref()))),
        }
    }
    if !new.is_empty() {
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
    }
    let edited = draft.finish();
    if edited.changed() {
        read_back(bytes, &edited.bytes, spec, dialect)?;
    }
    Ok(edited)
}

/// Every key that was not asked for says what it said, every other header is one, and what was asked for is there.
fn read_back(old: &[u8], new: &[u8], spec: &Spec, dialect: Dialect) -> Result<(), EditError> {
    let keys: Vec<&[u8]> =
        spec.set.iter().map(|(k, _)| k).chain(&spec.unset).map(|k| k.trim_ascii().as_bytes()).collect();
    let section = spec.section.trim_ascii().as_bytes();
    let asked = |of: &dialect::Said<'_>| {
        let is_asked = |key: &&[u8]| dialect.same_key(of.key, key);
        dialect.same_section(of.section, section) && (of.key.is_empty() || keys.iter().any(is_asked))
    };
    let (old, new) = (Draft::new(old), Draft::new(new));
    let parsed = Parsed::of(&new.lines, section, dialect);
    for (key, values) in &spec.set {
        let there: Vec<&Entry<'_>> =
            parsed.entries.iter().filter(|e| dialect.same_key(e.key, key.trim_ascii().as_bytes())).collect();
        let there = if values.len() == 1 { there.last().copied().into_iter().collect() } else { there };
        let says = |(entry, value): (&&Entry<'_>, &Option<String>)| {
            let value = value.as_deref().map(|v| dialect.written(v));
            entry.lines.len() == 1 && dialect.same_value(entry.value, value.as_deref())
        };
        if there.len() != values.len() || !there.iter().zip(values).all(says) {
            return Err(EditError::Misread { line: there.last().map_or(1, |entry| entry.lines.start + 1) });
        }
    }
    let (old, new) = (dialect::all(&old.lines, dialect), dialect::all(&new.lines, dialect));
    let mut left = old.iter().filter(|s| !asked(s));
    for said in new.iter().filter(|s| !asked(s)) {
        if left.next().is_none_or(|was| (was.section, was.key, &was.value) != (said.section, said.key, &said.value)) {
            return Err(EditError::Misread { line: said.line });
        }
    }
    match left.next() {
        Some(lost) => Err(EditError::Misread { line: lost.line }),
        None => Ok(()),
    }
}

/// Refuses what would not be read back as it was given.
fn check(spec: &Spec, dialect: Dialect) -> Result<(), EditError> {
    let refuse = |what, problem| Err(EditError::Text { what, problem });
    one_line("section", spec.section.as_bytes())?;
    if spec.section.contains(']') && dialect != Dialect::Git {
        return refuse("section", "has a `]` in it");
    }
    if spec.absent && spec.section.trim_ascii().is_empty() {
        return refuse("section", "is empty, and what is before the first header is no section to remove");
    }
    let keys: Vec<&str> = spec.set.iter().map(|(key, _)| key).chain(&spec.unset).map(|key| key.trim_ascii()).collect();
    for (at, key) in keys.iter().enumerate() {
        one_line("key", key.as_bytes())?;
        if key.is_empty() || key.contains('=') || key.starts_with(['#', ';', '[']) {
            return refuse("key", "is empty, has a `=` in it, or starts with `#`, `;` or `[`");
        }
        if dialect == Dialect::Configparser && key.contains(':') {
            return refuse("key", "has a `:` in it, which ends a key in this dialect");
        }
        if dialect == Dialect::Git && !dialect::is_git_key(key.as_bytes()) {
            return refuse("key", "is none of git's: letters, digits and -, with a letter first");
        }
        if keys.iter().skip(at + 1).any(|other| dialect.same_key(other.as_bytes(), key.as_bytes())) {
            return Err(EditError::TwiceGiven { key: (*key).to_owned() });
        }
    }
    for value in spec.set.iter().flat_map(|(_, values)| values) {
        let Some(value) = value else {
            if matches!(dialect, Dialect::Systemd | Dialect::Samba | Dialect::Keyfile) {
                return refuse("a key without a value", "is nothing that this dialect has; \"\" is an empty one");
            }
            continue;
        };
        one_line("value", value.trim_ascii().as_bytes())?;
        if value.trim_ascii().ends_with('\\') && matches!(dialect, Dialect::Systemd | Dialect::Samba) {
            return refuse("value", "ends in a backslash, which would join it with the next line");
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "ini_tests.rs"]
mod tests;
