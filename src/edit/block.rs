//! A block of lines between two marker lines, `# BEGIN runbook: NAME` and `# END runbook: NAME`.

use super::comment::end_mark;
use super::lines::{Draft, one_line, trim_cr};
use super::{EditError, Edited, Place};

/// What is wanted of a block.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Tells this block from the others of the file.
    pub name: String,
    /// What starts a comment in this file: `#`, `;`, `//`, `--`, `<!--`.
    pub comment: String,
    /// Marker lines of its own, first and last, in place of name and comment.
    pub markers: Option<(String, String)>,
    /// The lines between the markers, a newline at the end or not; `None` removes block and markers.
    pub text: Option<Vec<u8>>,
    /// Where the block goes if the file does not have it; one that is there stays where it is.
    pub place: Place,
}

/// Inserts, replaces or removes a block.
///
/// Marker lines are found whatever the blanks around them, and are kept as they are. The text is written with the line
/// endings of the file; of a block that is there, only the lines that differ are touched.
///
/// # Errors
/// [`EditError::NoEnd`], [`EditError::NoBegin`] and [`EditError::TwoBegins`] if the markers do not make one block: what was
/// between them cannot be known. [`EditError::Text`] if name or comment is blank or has a line break, or if the text has
/// one of its own markers in it.
pub fn edit(bytes: &[u8], spec: &Spec) -> Result<Edited, EditError> {
    let marker = |word: &str| {
        let name = checked("block name", &spec.name)?;
        let comment = checked("comment prefix", &spec.comment)?;
        let end = end_mark(comment);
        if !end.is_empty() && name.contains(end) {
            return Err(EditError::Text { what: "block name", problem: "has what ends a comment in it" });
        }
        Ok(format!("{comment} {word} runbook: {name} {end}").trim_end().as_bytes().to_vec())
    };
    let (begin, end) = match &spec.markers {
        None => (marker("BEGIN")?, marker("END")?),
        Some((begin, end)) => {
            let (begin, end) = (checked("begin", begin)?, checked("end", end)?);
            if begin == end {
                return Err(EditError::Text { what: "end", problem: "is the same line as begin" });
            }
            (begin.as_bytes().to_vec(), end.as_bytes().to_vec())
        }
    };
    let mut draft = Draft::new(bytes);
    let called = spec.markers.as_ref().map_or(&spec.name, |(begin, _)| begin);
    let found = find(&draft, &begin, &end, called)?;
    let Some(text) = &spec.text else {
        for at in found.map_or(0..0, |(from, to)| from..to + 1) {
            draft.remove(at);
        }
        return Ok(draft.finish());
    };
    let mut wanted: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').map(without_ending).collect();
    if wanted.iter().any(|line| line.trim_ascii() == begin || line.trim_ascii() == end) {
        return Err(EditError::Text { what: "block text", problem: "has a marker line of its own block" });
    }
    if let Some((from, to)) = found {
        draft.splice(from + 1, to, &wanted);
    } else {
        let at = spec.place.find(&draft.lines);
        wanted.insert(0, &begin);
        wanted.push(&end);
        draft.splice(at, at, &wanted);
    }
    Ok(draft.finish())
}

/// The indices of the two marker lines, if the file has them.
fn find(draft: &Draft<'_>, begin: &[u8], end: &[u8], name: &str) -> Result<Option<(usize, usize)>, EditError> {
    let (mut from, mut to) = (None, None);
    let name = || name.to_owned();
    for (at, line) in draft.lines.iter().enumerate() {
        let (text, line) = (line.text.trim_ascii(), at + 1);
        if text == begin {
            if let Some(first) = from {
                return Err(EditError::TwoBegins { name: name(), first: first + 1, line });
            }
            from = Some(at);
        } else if text == end {
            if from.is_none() || to.is_some() {
                return Err(EditError::NoBegin { name: name(), line });
            }
            to = Some(at);
        }
    }
    match (from, to) {
        (Some(from), None) => Err(EditError::NoEnd { name: name(), line: from + 1 }),
        (from, to) => Ok(from.zip(to)),
    }
}

fn checked<'t>(what: &'static str, text: &'t str) -> Result<&'t str, EditError> {
    one_line(what, text.as_bytes())?;
    match text.trim_ascii() {
        "" => Err(EditError::Text { what, problem: "is blank" }),
        text => Ok(text),
    }
}

fn without_ending(line: &[u8]) -> &[u8] {
    trim_cr(line.strip_suffix(b"\n").unwrap_or(line))
}

#[cfg(test)]
mod tests {
    use super::super::laws::{Laws, file, word};
    use super::super::pattern;
    use super::*;
    use proptest::prelude::*;

    fn block(text: Option<&str>, place: Place) -> Spec {
        Spec { name: "x".into(), comment: "#".into(), markers: None, text: text.map(Into::into), place }
    }

    fn after(old: &str, text: Option<&str>) -> String {
        String::from_utf8(edit(old.as_bytes(), &block(text, Place::End)).unwrap().bytes).unwrap()
    }

    fn error(old: &str) -> String {
        edit(old.as_bytes(), &block(None, Place::End)).unwrap_err().to_string()
    }

    #[test]
    fn it_is_inserted_between_markers() {
        assert_eq!(after("a\n", Some("b\nc\n")), "a\n# BEGIN runbook: x\nb\nc\n# END runbook: x\n");
        assert_eq!(after("a\r\n", Some("b\nc")), "a\r\n# BEGIN runbook: x\r\nb\r\nc\r\n# END runbook: x\r\n");
        assert_eq!(after("a", Some("b\r\n")), "a\n# BEGIN runbook: x\nb\n# END runbook: x");
        let before = block(Some("b"), Place::Before(pattern("^Match").unwrap()));
        let edited = edit(b"a\nMatch c\n", &before).unwrap();
        assert_eq!(edited.bytes, b"a\n# BEGIN runbook: x\nb\n# END runbook: x\nMatch c\n");
    }

    #[test]
    fn it_is_replaced_where_it_stands() {
        let old = "  # BEGIN runbook: x\na\nb\r\nc\n# END runbook: x\nd\n";
        let edited = edit(old.as_bytes(), &block(Some("a\nb\nC\n"), Place::Start)).unwrap();
        assert_eq!(edited.bytes, b"  # BEGIN runbook: x\na\nb\r\nC\n# END runbook: x\nd\n");
        assert_eq!(edited.touched.len(), 1);
    }

    #[test]
    fn absent_takes_the_markers_too() {
        assert_eq!(after("a\n# BEGIN runbook: x\nb\n# END runbook: x\nc\n", None), "a\nc\n");
        assert_eq!(
            after("a\n# BEGIN runbook: xx\n# END runbook: xx\n", None),
            "a\n# BEGIN runbook: xx\n# END runbook: xx\n"
        );
    }

    #[test]
    fn broken_markers_are_refused() {
        assert_eq!(error("a\n# BEGIN runbook: x\nb\n"), "line 2: block `x` begins here and has no end");
        assert_eq!(error("a\n# END runbook: x\nb\n"), "line 2: block `x` ends here and has no beginning");
        let twice = "# BEGIN runbook: x\n# BEGIN runbook: x\n# END runbook: x\n";
        assert_eq!(error(twice), "line 2: block `x` begins here, and already at line 1");
    }

    #[test]
    fn a_comment_that_has_an_end_ends() {
        let spec = |comment: &str| Spec { comment: comment.into(), ..block(Some("<a/>"), Place::End) };
        let xml = edit(b"", &spec("<!--")).unwrap().bytes;
        assert_eq!(xml, b"<!-- BEGIN runbook: x -->\n<a/>\n<!-- END runbook: x -->\n");
        assert!(!edit(&xml, &spec("<!--")).unwrap().changed());
        assert_eq!(edit(b"", &spec("/*")).unwrap().bytes, b"/* BEGIN runbook: x */\n<a/>\n/* END runbook: x */\n");
        let error = edit(b"", &Spec { name: "a-->b".into(), ..spec("<!--") }).unwrap_err();
        assert_eq!(error.to_string(), "block name has what ends a comment in it");
    }

    #[test]
    fn markers_of_ones_own() {
        let own = |begin: &str, end: &str| Spec {
            markers: Some((begin.into(), end.into())),
            name: String::new(),
            ..block(Some("b"), Place::End)
        };
        let old = b"a\n# {{{ mine\nx\n# }}} mine\n";
        assert_eq!(edit(old, &own("# {{{ mine", "# }}} mine")).unwrap().bytes, b"a\n# {{{ mine\nb\n# }}} mine\n");
        assert_eq!(edit(b"", &own("<x>", "</x>")).unwrap().bytes, b"<x>\nb\n</x>\n");
        assert_eq!(edit(b"", &own("#", "#")).unwrap_err().to_string(), "end is the same line as begin");
    }

    #[test]
    fn its_own_marker_cannot_be_in_the_text() {
        let spec = block(Some("a\n# END runbook: x\n"), Place::End);
        let error = edit(b"", &spec).unwrap_err();
        assert_eq!(error.to_string(), "block text has a marker line of its own block");
    }

    proptest! {
        #[test]
        fn laws(old in file(), text in proptest::option::of(proptest::collection::vec(word(), 0..5)), end in any::<bool>()) {
            let place = if end { Place::End } else { Place::After(pattern("k").unwrap()) };
            let spec = Spec { text: text.map(|lines| lines.join(&b'\n')), ..block(None, place) };
            Laws::of(&old, |bytes| edit(bytes, &spec)).hold();
        }

        #[test]
        fn what_was_inserted_is_removed(lines in proptest::collection::vec("[a-z ]{0,4}\r?\n", 0..6), text in "[a-z\n]{0,9}") {
            let old = lines.concat().into_bytes();
            let inserted = edit(&old, &block(Some(&text), Place::End)).unwrap();
            prop_assert_eq!(edit(&inserted.bytes, &block(None, Place::End)).unwrap().bytes, old);
        }
    }
}
