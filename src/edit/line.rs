//! Lines: there, or not there.

use super::lines::{Draft, one_line};
use super::{EditError, Edited, Place};
use regex::bytes::Regex;

/// What is wanted of a line.
#[derive(Debug, Clone)]
pub enum Spec {
    /// The line is in the file. The *last* line that `matching` finds becomes it; where none does, nothing is done if it is
    /// there already, anywhere, else it is inserted at `place`.
    ///
    /// This is Ansible's `lineinfile`, but for one thing: where `matching` does not find the line itself and it is there
    /// already, Ansible replaces another line at each run, and this does nothing.
    Present {
        /// Without a line break, but for one at its end.
        line: Vec<u8>,
        /// The line to replace.
        matching: Option<Regex>,
        /// Where to insert if there is nothing to replace.
        place: Place,
    },
    /// Each of these lines is in the file; those that are missing are inserted at `place`, in this order.
    All {
        /// Each without a line break, but for one at its end.
        lines: Vec<Vec<u8>>,
        /// Where to insert what is missing.
        place: Place,
    },
    /// No line is equal to one of `lines`, and none matches: every such line is removed.
    Absent {
        /// The exact lines.
        lines: Vec<Vec<u8>>,
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
            let there = draft.lines.iter().any(|line| line.text == wanted);
            let last = |pattern: &Regex| draft.lines.iter().rposition(|line| pattern.is_match(line.text));
            // One that its own expression does not find would not be found again.
            let found = matching.as_ref().filter(|m| !there || m.is_match(wanted)).and_then(last);
            match found {
                Some(at) => draft.set(at, wanted.to_vec()),
                None if there => {}
                None => draft.insert(place.find(&draft.lines), wanted.to_vec()),
            }
        }
        Spec::All { lines, place } => {
            let wanted = lines.iter().map(|line| one_line("line", line)).collect::<Result<Vec<_>, _>>()?;
            let at = place.find(&draft.lines);
            for (nth, line) in wanted.iter().enumerate() {
                let there =
                    draft.lines.iter().any(|old| old.text == *line) || wanted.iter().take(nth).any(|l| l == line);
                if !there {
                    draft.insert(at, line.to_vec());
                }
            }
        }
        Spec::Absent { lines, matching } => {
            let unwanted = lines.iter().map(|line| one_line("line", line)).collect::<Result<Vec<_>, _>>()?;
            for (at, line) in draft.lines.clone().into_iter().enumerate() {
                let matches = |pattern: &Regex| pattern.is_match(line.text);
                if unwanted.contains(&line.text) || matching.as_ref().is_some_and(matches) {
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
    fn the_last_match_is_it_even_where_the_line_is_elsewhere() {
        let a = present("a=1", Some("^a"), Place::End);
        assert_eq!(after(b"a=1\nx=1\na=0\n", &a), "a=1\nx=1\na=1\n");
        assert!(!edit(b"a=0\nx=1\na=1\n", &a).unwrap().changed());
    }

    #[test]
    fn the_exact_line_is_enough_for_what_does_not_find_it() {
        let old = b"Port 22\n#Port 2222\n";
        assert!(!edit(old, &present("Port 22", Some("^#Port"), Place::End)).unwrap().changed());
    }

    #[test]
    fn several_lines_come_in_their_order() {
        let all = |place| Spec::All { lines: vec![b"c".to_vec(), b"a".to_vec(), b"d".to_vec(), b"c".to_vec()], place };
        assert_eq!(after(b"a\nb\n", &all(Place::End)), "a\nb\nc\nd\n");
        assert_eq!(after(b"a\nb\n", &all(Place::After(pattern("a").unwrap()))), "a\nc\nd\nb\n");
        assert!(!edit(b"d\na\nc", &all(Place::End)).unwrap().changed());
        let gone = Spec::Absent { lines: vec![b"a".to_vec(), b"b".to_vec()], matching: None };
        assert_eq!(after(b"a\nc\nb\n", &gone), "c\n");
    }

    #[test]
    fn a_place_may_be_said_over_several_lines() {
        let old = b"[x]\nA =\n  1\nB = 2\nA =\n  3\nC\n";
        let at = |source: &str| pattern(source).unwrap();
        assert_eq!(
            after(old, &present("new", None, Place::After(at(r"^A =\n.*")))),
            "[x]\nA =\n  1\nB = 2\nA =\n  3\nnew\nC\n"
        );
        assert_eq!(
            after(old, &present("new", None, Place::Before(at(r"^A =\n")))),
            "[x]\nnew\nA =\n  1\nB = 2\nA =\n  3\nC\n"
        );
        assert_eq!(
            after(old, &present("new", None, Place::After(at(r"^B.*\n")))),
            "[x]\nA =\n  1\nB = 2\nnew\nA =\n  3\nC\n"
        );
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
        let spec = Spec::Absent { lines: vec![b"a".into()], matching: Some(pattern("^b").unwrap()) };
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
            Laws::of(&old, |bytes| edit(bytes, &Spec::Absent { lines: vec![line.clone()], matching: matching.clone() })).hold();
        }
    }
}
