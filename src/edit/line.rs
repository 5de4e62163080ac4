//! One line: there, or not there.

use super::lines::{Draft, one_line};
use super::{EditError, Edited, Place};
use regex::bytes::Regex;

/// What is wanted of a line.
#[derive(Debug, Clone)]
pub enum Spec {
    /// The line is in the file. If it is there already, anywhere, nothing is done. Else the *last* line that `matching`
    /// finds is replaced by it; else it is inserted at `place`.
    ///
    /// This is Ansible's `lineinfile`, but for one thing: Ansible replaces the last match even if the exact line is
    /// elsewhere, and so can change the file again at each run.
    Present {
        /// Without a line break, but for one at its end.
        line: Vec<u8>,
        /// The line to replace.
        matching: Option<Regex>,
        /// Where to insert if there is nothing to replace.
        place: Place,
    },
    /// No line is equal to `line`, and none matches: every such line is removed.
    Absent {
        /// The exact line.
        line: Option<Vec<u8>>,
        /// And every line that this finds.
        matching: Option<Regex>,
    },
}

/// Puts a line in, or takes lines out.
///
/// # Errors
/// [`EditError::Text`] if `line` has a line break in it (one at its end is dropped).
pub fn edit(bytes: &[u8], spec: &Spec) -> Result<Edited, EditError> {
    let mut draft = Draft::new(bytes);
    match spec {
        Spec::Present { line, matching, place } => {
            let wanted = one_line("line", line)?;
            if draft.lines.iter().all(|line| line.text != wanted) {
                let matches = |pattern: &Regex| draft.lines.iter().rposition(|line| pattern.is_match(line.text));
                match matching.as_ref().and_then(matches) {
                    Some(at) => draft.set(at, wanted.to_vec()),
                    None => draft.insert(place.find(&draft.lines), wanted.to_vec()),
                }
            }
        }
        Spec::Absent { line, matching } => {
            let unwanted = line.as_deref().map(|line| one_line("line", line)).transpose()?;
            for (at, line) in draft.lines.clone().into_iter().enumerate() {
                let matches = |pattern: &Regex| pattern.is_match(line.text);
                if unwanted == Some(line.text) || matching.as_ref().is_some_and(matches) {
                    draft.remove(at);
                }
            }
        }
    }
    Ok(draft.finish())
}

#[cfg(test)]
mod tests {
    use super::super::laws::{Laws, file, word};
    use super::super::{Touched, pattern};
    use super::*;
    use proptest::prelude::*;

    fn present(line: &str, matching: Option<&str>, place: Place) -> Spec {
        let matching = matching.map(|source| pattern(source).unwrap());
        Spec::Present { line: line.into(), matching, place }
    }

    fn after(old: &[u8], spec: &Spec) -> String {
        String::from_utf8(edit(old, spec).unwrap().bytes).unwrap()
    }

    #[test]
    fn the_last_match_is_replaced() {
        let spec = present("Port 22", Some("^#?Port "), Place::End);
        let edited = edit(b"#Port 1\nUsePAM yes\nPort 2222\n", &spec).unwrap();
        assert_eq!(edited.bytes, b"#Port 1\nUsePAM yes\nPort 22\n");
        let touched = Touched { line: 3, before: Some(b"Port 2222".into()), after: Some(b"Port 22".into()) };
        assert_eq!(edited.touched, [touched]);
    }

    #[test]
    fn the_exact_line_is_enough() {
        let old = b"Port 22\n#Port 2222\n";
        assert!(!edit(old, &present("Port 22", Some("Port"), Place::End)).unwrap().changed());
    }

    #[test]
    fn no_match_inserts_at_the_place() {
        let at = |source: &str| pattern(source).unwrap();
        let old = b"a 1\na 2\nMatch x\nMatch y\n";
        assert_eq!(after(old, &present("new", Some("^no$"), Place::End)), "a 1\na 2\nMatch x\nMatch y\nnew\n");
        assert_eq!(after(old, &present("new", None, Place::Start)), "new\na 1\na 2\nMatch x\nMatch y\n");
        assert_eq!(after(old, &present("new", None, Place::After(at("^a")))), "a 1\na 2\nnew\nMatch x\nMatch y\n");
        assert_eq!(after(old, &present("new", None, Place::Before(at("^M")))), "a 1\na 2\nnew\nMatch x\nMatch y\n");
        assert_eq!(after(old, &present("new", None, Place::Before(at("^no")))), "a 1\na 2\nMatch x\nMatch y\nnew\n");
    }

    #[test]
    fn endings_and_a_missing_newline_are_kept() {
        assert_eq!(after(b"Port 1\r\nb\r\n", &present("Port 2", Some(r"^Port \d$"), Place::End)), "Port 2\r\nb\r\n");
        assert_eq!(after(b"a\r\nb", &present("c", None, Place::End)), "a\r\nb\r\nc");
        assert_eq!(after(b"", &present("c\n", None, Place::End)), "c\n");
    }

    #[test]
    fn absent_removes_every_one() {
        let spec = Spec::Absent { line: Some(b"a".into()), matching: Some(pattern("^b").unwrap()) };
        assert_eq!(after(b"a\naa\nb1\nb2\na", &spec), "aa\n");
    }

    #[test]
    fn two_lines_are_refused() {
        let error = edit(b"", &present("a\nb", None, Place::End)).unwrap_err();
        assert_eq!(error.to_string(), "line has a line break");
    }

    proptest! {
        #[test]
        fn laws(old in file(), line in word(), matching in proptest::option::of(word()), place in 0..4, near in word()) {
            let quoted = |text: &[u8]| pattern(&regex::escape(&String::from_utf8_lossy(text))).unwrap();
            let place = match place { 0 => Place::Start, 1 => Place::End, 2 => Place::After(quoted(&near)), _ => Place::Before(quoted(&near)) };
            let matching = matching.map(|text| quoted(&text));
            Laws::of(&old, |bytes| edit(bytes, &Spec::Present { line: line.clone(), matching: matching.clone(), place: place.clone() })).hold();
            Laws::of(&old, |bytes| edit(bytes, &Spec::Absent { line: Some(line.clone()), matching: matching.clone() })).hold();
        }
    }
}
